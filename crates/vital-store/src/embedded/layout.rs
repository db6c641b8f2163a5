//! Where the parts of the cluster lie within the data folder, and how its small files are written.
//!
//! `postgres/` belongs to the server; only `data/` and `run/` inside it belong to the user that runs PostgreSQL, so that a
//! fault in the database cannot change its own settings or plant a link that the server follows.

use super::{EmbeddedError, run_as::RunAs, settings};
use rand::TryRngCore;
use sha2::{Digest, Sha256};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::{
        ffi::OsStrExt,
        fs::{MetadataExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
};

/// Names the socket file alone: nothing listens on it.
pub(super) const PORT: u16 = 5432;
const SOCKET: &str = ".s.PGSQL.5432";
/// `sun_path` holds 108 bytes with the closing zero (unix(7)).
const SOCKET_FOLDER_BYTES_MAX: usize = 107 - "/".len() - SOCKET.len();
/// 256 bits, written as hexadecimal digits.
const PASSWORD_BYTES: usize = 32;

/// The paths of one cluster.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub(super) root: PathBuf,
    pub(super) data: PathBuf,
    /// Where `initdb` works; renamed to `data` once it is complete.
    pub(super) staging: PathBuf,
    pub(super) configuration: PathBuf,
    pub(super) authentication: PathBuf,
    pub(super) password: PathBuf,
    pub(super) log: PathBuf,
}

impl Layout {
    pub(super) fn of(folder: &Path) -> Self {
        let root = folder.join("postgres");
        let at = |name: &str| root.join(name);
        Self {
            data: at("data"),
            staging: at("data.new"),
            configuration: at("vital.conf"),
            authentication: at("pg_hba.conf"),
            password: at("admin.password"),
            log: at("postgres.log"),
            root,
        }
    }

    /// Writes the two configuration files, each in one step.
    pub(super) fn write_configuration(&self, major: u32, run_as: &RunAs) -> Result<(), EmbeddedError> {
        let has_local = self.root.join("local.conf").exists();
        replace(&self.configuration, &settings::configuration(major, has_local), run_as)?;
        replace(&self.authentication, settings::HOST_BASED_AUTHENTICATION, run_as)
    }

    /// The administrator's password, made at the first start.
    pub(super) fn password(&self) -> Result<String, EmbeddedError> {
        match fs::read_to_string(&self.password) {
            Ok(text) if is_password(text.trim()) => return Ok(text.trim().to_owned()),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(EmbeddedError::io("reading", &self.password, error)),
            _ if self.data.exists() => return Err(EmbeddedError::AdminPassword { path: self.password.clone() }),
            _ => {}
        }
        let mut bytes = [0; PASSWORD_BYTES];
        rand::rngs::OsRng
            .try_fill_bytes(&mut bytes)
            .map_err(|error| EmbeddedError::io("making", &self.password, io::Error::other(error)))?;
        let password = hex::encode(bytes);
        write_new(&self.password, &password).map_err(|error| EmbeddedError::io("writing", &self.password, error))?;
        Ok(password)
    }

    /// The folder of the socket, empty: inside the data folder when its path is short and plain enough, else one under /tmp.
    ///
    /// Must be called after the leftovers of an earlier run have ended: it removes their socket with its lock file, which
    /// would keep PostgreSQL from starting when its process id has been given out again.
    pub(super) fn socket_folder(&self, run_as: &RunAs) -> Result<PathBuf, EmbeddedError> {
        let mut folder = self.root.join("run");
        if is_fit_for_socket(&folder) {
            run_as.own_folder(&folder)?;
        } else {
            let digest = Sha256::digest(self.root.as_os_str().as_bytes());
            folder = PathBuf::from(format!("/tmp/vital-{}", hex::encode(digest.get(..8).unwrap_or_default())));
            claim_outside(&folder, run_as)?;
        }
        for stale in [folder.join(SOCKET), folder.join(format!("{SOCKET}.lock"))] {
            remove(&stale).map_err(|error| EmbeddedError::io("removing", &stale, error))?;
        }
        Ok(folder)
    }
}

/// PostgreSQL reads the setting as a list, so a comma, a quote or a leading or trailing blank would change its meaning.
fn is_fit_for_socket(folder: &Path) -> bool {
    let bytes = folder.as_os_str().as_bytes();
    bytes.len() <= SOCKET_FOLDER_BYTES_MAX && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"/._-+@=".contains(byte))
}

/// Anybody may create names in /tmp, so a folder that is already there must be a real one, the right user's, and closed.
fn claim_outside(path: &Path, run_as: &RunAs) -> Result<(), EmbeddedError> {
    let refuse = |reason| EmbeddedError::SocketFolder { path: path.to_owned(), reason };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => run_as.own_folder(path),
        Err(error) => Err(EmbeddedError::io("reading", path, error)),
        Ok(stat) if !stat.is_dir() => Err(refuse("something that is not a folder has its name")),
        Ok(stat) if stat.uid() != run_as.uid() => Err(refuse("it belongs to another user")),
        Ok(stat) if stat.mode() & 0o077 != 0 => Err(refuse("others may enter it")),
        Ok(_) => Ok(()),
    }
}

fn is_password(text: &str) -> bool {
    text.len() == PASSWORD_BYTES * 2 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Writes a file that only this process's user can read, and makes it durable.
pub(super) fn write_new(path: &Path, text: &str) -> io::Result<()> {
    remove(path)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn replace(path: &Path, text: &str, run_as: &RunAs) -> Result<(), EmbeddedError> {
    if fs::read_to_string(path).is_ok_and(|present| present == text) {
        return Ok(());
    }
    let next = path.with_extension("new");
    let written = write_new(&next, text).and_then(|()| run_as.let_read(&next)).and_then(|()| fs::rename(&next, path));
    written.map_err(|error| EmbeddedError::io("writing", path, error))
}

/// Makes a rename within `folder` durable.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn a_long_or_odd_path_is_not_used_for_the_socket() {
        let fits = "a".repeat(SOCKET_FOLDER_BYTES_MAX - 1);
        assert!(is_fit_for_socket(Path::new(&format!("/{fits}"))));
        assert!(!is_fit_for_socket(Path::new(&format!("/{fits}a"))));
        assert!(!is_fit_for_socket(Path::new("/a,b")));
        assert!(!is_fit_for_socket(Path::new("/a b")));
        assert!(!is_fit_for_socket(Path::new("/ä")));
    }

    #[test]
    fn a_squatted_socket_folder_is_refused() {
        let temp = tempfile::tempdir().unwrap();
        let me = RunAs::resolve("nobody").unwrap();
        let link = temp.path().join("link");
        symlink("/tmp", &link).unwrap();
        assert!(matches!(claim_outside(&link, &me), Err(EmbeddedError::SocketFolder { .. })));
        let open = temp.path().join("open");
        me.own_folder(&open).unwrap();
        assert!(claim_outside(&open, &me).is_ok());
        fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(matches!(claim_outside(&open, &me), Err(EmbeddedError::SocketFolder { .. })));
    }

    #[test]
    fn the_password_is_made_once_and_a_damaged_one_is_not_replaced_under_existing_data() {
        let temp = tempfile::tempdir().unwrap();
        let layout = Layout::of(temp.path());
        fs::create_dir(&layout.root).unwrap();
        let first = layout.password().unwrap();
        assert_eq!(layout.password().unwrap(), first);
        assert_eq!(fs::metadata(&layout.password).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(&layout.password, "short").unwrap();
        assert_ne!(layout.password().unwrap(), first);
        fs::create_dir(&layout.data).unwrap();
        fs::write(&layout.password, "short").unwrap();
        assert!(matches!(layout.password(), Err(EmbeddedError::AdminPassword { .. })));
    }
}
