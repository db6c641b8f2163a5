//! `credentials.toml`: the session tokens of the command line, by server.
//!
//! **Invariant:** the file is readable by its owner alone (mode 0600, folder 0700); one that others can read is refused, for the tokens
//! in it must then count as known to them.

use crate::failure::Failure;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    env,
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// The file's content.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Credentials {
    /// The server that was signed in to last: what commands use unless told otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) latest: Option<String>,
    /// Sessions by address of the server.
    pub(crate) servers: BTreeMap<String, Session>,
}

/// A session on one server.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Session {
    /// Who is signed in.
    pub(crate) email: String,
    /// The bearer token.
    pub(crate) token: String,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("email", &self.email).finish_non_exhaustive()
    }
}

/// Where the file is: `$XDG_CONFIG_HOME/vital/credentials.toml`, by default below `~/.config`.
///
/// # Errors
/// When neither `XDG_CONFIG_HOME` nor `HOME` is set.
pub(crate) fn path() -> anyhow::Result<PathBuf> {
    // The XDG base directory specification says that a relative path is to be ignored.
    let set = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let folder = set("XDG_CONFIG_HOME").or_else(|| set("HOME").map(|home| home.join(".config")));
    let folder = folder
        .ok_or_else(|| Failure::new("there is no place for credentials").hint("set `HOME` or `XDG_CONFIG_HOME` to an absolute path"))?;
    Ok(folder.join("vital/credentials.toml"))
}

impl Credentials {
    /// Reads the file; without one nobody is signed in.
    ///
    /// # Errors
    /// When it cannot be read, others can read it, or it is damaged.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        let text = match fs::read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(Failure::new(format!("the credentials file `{shown}` cannot be read: {error}")).into()),
            Ok(text) => text,
        };
        if fs::metadata(path)?.permissions().mode() & 0o077 != 0 {
            let failure = Failure::new(format!("the credentials file `{shown}` can be read by other users"));
            return Err(failure.hint(format!("sign in again after `rm {shown}`; sign out elsewhere if others may have read it")).into());
        }
        toml::from_str(&text).map_err(|_| {
            // The parser's message would quote the line, and lines hold tokens.
            Failure::new(format!("the credentials file `{shown}` is damaged"))
                .hint(format!("delete it with `rm {shown}` and sign in again"))
                .into()
        })
    }

    /// Writes the file in one step, so that an interrupted write leaves the old one.
    ///
    /// # Errors
    /// When the folder or the file cannot be written.
    pub(crate) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let fault = |error: io::Error| Failure::new(format!("the credentials file `{}` cannot be written: {error}", path.display()));
        let text = toml::to_string(self)?;
        let folder = path.parent().unwrap_or(Path::new("/"));
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(fault)?;
        let next = path.with_extension(format!("{}.new", std::process::id()));
        let written = write_private(&next, text.as_bytes()).and_then(|()| fs::rename(&next, path));
        if written.is_err() {
            // What matters is why it failed; a left-over file is private as well.
            let _ = fs::remove_file(&next);
        }
        Ok(written.map_err(fault)?)
    }
}

fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> Credentials {
        let session = Session { email: "a@b.example".into(), token: "t0ken".into() };
        Credentials { latest: Some("http://127.0.0.1:8080".into()), servers: BTreeMap::from([("http://127.0.0.1:8080".into(), session)]) }
    }

    #[test]
    fn what_is_written_is_read_again_and_is_private() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("new/vital/credentials.toml");
        assert_eq!(Credentials::read(&path).unwrap(), Credentials::default());
        some().write(&path).unwrap();
        assert_eq!(Credentials::read(&path).unwrap(), some());
        let mode = |p: &Path| fs::metadata(p).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        some().write(&path).unwrap();
        assert_eq!(mode(&path), 0o600);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing is left beside the file");
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("credentials.toml");
        some().write(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(Credentials::read(&path).unwrap_err().to_string().contains("other users"));
    }

    #[test]
    fn a_damaged_file_is_refused_without_showing_it() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("credentials.toml");
        write_private(&path, b"[servers.\"x\"]\ntoken = \"t0ken\ne").unwrap();
        let error = format!("{:?}", Credentials::read(&path).unwrap_err());
        assert!(error.contains("damaged") && !error.contains("t0ken"), "{error}");
        assert!(!format!("{:?}", some()).contains("t0ken"));
    }
}
