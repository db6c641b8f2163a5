//! The user that PostgreSQL runs as: oneself, or an unprivileged account when the server was started by root.
//!
//! PostgreSQL refuses root because a fault in it would then own the machine. Files that the server alone may change
//! (settings, password) stay with the server's user even then; the account gets its data directory and socket.

use super::EmbeddedError;
use nix::unistd::{User, getegid, geteuid};
use std::{
    ffi::OsStr,
    fs::{self, Permissions},
    io,
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    path::{Path, PathBuf},
};
use tokio::process::Command;

/// Who runs PostgreSQL.
#[derive(Clone, Debug)]
pub(super) struct RunAs {
    name: String,
    uid: u32,
    gid: u32,
    /// True when the account is another one than the server's own.
    other: bool,
}

impl RunAs {
    /// The account `name` when this process is root, otherwise the process's own user.
    pub(super) fn resolve(name: &str) -> Result<Self, EmbeddedError> {
        if !geteuid().is_root() {
            return Ok(Self { name: geteuid().to_string(), uid: geteuid().as_raw(), gid: getegid().as_raw(), other: false });
        }
        match User::from_name(name) {
            Ok(Some(user)) if user.uid.is_root() => Err(EmbeddedError::UserIsRoot { name: name.to_owned() }),
            Ok(Some(user)) => Ok(Self { name: user.name, uid: user.uid.as_raw(), gid: user.gid.as_raw(), other: true }),
            _ => Err(EmbeddedError::NoSuchUser { name: name.to_owned() }),
        }
    }

    pub(super) const fn uid(&self) -> u32 {
        self.uid
    }

    /// A command that runs as this user with an empty environment, in a process group of its own: Ctrl-C in the terminal
    /// must reach the server alone, which stops PostgreSQL after its own work is done.
    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", "/")
            .env("LC_ALL", "C")
            .env("TZ", "UTC")
            .current_dir("/")
            .process_group(0);
        if self.other {
            // Setting the user drops the supplementary groups of root as well.
            command.uid(self.uid).gid(self.gid);
        }
        command
    }

    /// Makes a folder, or accepts the one that is there, that this user owns and nobody else may enter.
    pub(super) fn own_folder(&self, path: &Path) -> Result<(), EmbeddedError> {
        make_folder(path).and_then(|()| self.hand_over(path, 0o700)).map_err(|error| EmbeddedError::io("creating", path, error))
    }

    /// Makes a folder, or opens the one that is there, that belongs to the server and that this user may pass through.
    pub(super) fn shared_folder(&self, path: &Path) -> Result<(), EmbeddedError> {
        make_folder(path).and_then(|()| self.let_through(path)).map_err(|error| EmbeddedError::io("creating", path, error))
    }

    /// Gives a file or folder to this user.
    pub(super) fn hand_over(&self, path: &Path, mode: u32) -> io::Result<()> {
        if self.other {
            chown(path, Some(self.uid), Some(self.gid))?;
        }
        fs::set_permissions(path, Permissions::from_mode(mode))
    }

    /// Lets this user, as a group, read a file of the server.
    pub(super) fn let_read(&self, path: &Path) -> io::Result<()> {
        if !self.other {
            return Ok(());
        }
        chown(path, None, Some(self.gid))?;
        fs::set_permissions(path, Permissions::from_mode(0o640))
    }

    fn let_through(&self, path: &Path) -> io::Result<()> {
        if !self.other || self.may_pass(path)? {
            return Ok(());
        }
        chown(path, None, Some(self.gid))?;
        let mode = fs::metadata(path)?.permissions().mode() & 0o7777;
        fs::set_permissions(path, Permissions::from_mode((mode & !0o070) | 0o010))
    }

    fn may_pass(&self, folder: &Path) -> io::Result<bool> {
        let stat = fs::metadata(folder)?;
        let execute = if stat.uid() == self.uid {
            0o100
        } else if stat.gid() == self.gid {
            0o010
        } else {
            0o001
        };
        Ok(stat.mode() & execute != 0)
    }

    /// Explains a failure: the topmost folder on the way to `path` whose mode keeps this user out. Access lists are not
    /// read, so this is asked only after something failed.
    pub(super) fn explain(&self, path: &Path) -> Option<EmbeddedError> {
        if !self.other {
            return None;
        }
        let mut ways: Vec<PathBuf> = path.ancestors().skip(1).map(Path::to_owned).collect();
        ways.reverse();
        let closed = ways.into_iter().find(|way| !way.as_os_str().is_empty() && matches!(self.may_pass(way), Ok(false)))?;
        Some(EmbeddedError::Untraversable { path: closed, user: self.name.clone() })
    }

    /// `OtherOwner` when `path` belongs to somebody else.
    pub(super) fn require_owner(&self, path: &Path) -> Result<(), EmbeddedError> {
        let owner = fs::metadata(path).map_err(|error| EmbeddedError::io("reading", path, error))?.uid();
        if owner == self.uid { Ok(()) } else { Err(EmbeddedError::OtherOwner { path: path.to_owned(), owner, expected: self.uid }) }
    }
}

fn make_folder(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        done => done,
    }
}

/// Joins `name=` and a path as one argument, without demanding that the path is Unicode.
pub(super) fn assignment(name: &str, value: &OsStr) -> std::ffi::OsString {
    let mut argument = std::ffi::OsString::from(name);
    argument.push("=");
    argument.push(value);
    argument
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nobody() -> RunAs {
        RunAs { name: "nobody".into(), uid: 65534, gid: 65534, other: true }
    }

    #[test]
    fn a_closed_folder_on_the_way_is_named() {
        let temp = tempfile::tempdir().unwrap();
        let inner = temp.path().join("a/b");
        fs::create_dir_all(&inner).unwrap();
        fs::set_permissions(temp.path(), Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(temp.path().join("a"), Permissions::from_mode(0o700)).unwrap();
        let error = nobody().explain(&inner).unwrap();
        assert!(matches!(&error, EmbeddedError::Untraversable { path, .. } if *path == temp.path().join("a")), "{error}");
        fs::set_permissions(temp.path().join("a"), Permissions::from_mode(0o711)).unwrap();
        assert!(nobody().explain(&inner).is_none());
    }

    #[test]
    fn a_database_of_another_user_is_refused() {
        let temp = tempfile::tempdir().unwrap();
        assert!(matches!(nobody().require_owner(temp.path()), Err(EmbeddedError::OtherOwner { expected: 65534, .. })));
    }
}
