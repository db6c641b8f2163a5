//! The file of the passwords: for its owner alone, replaced in one step.

use super::RoleSecrets;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};
use vital_keys::private_file;

/// Where the passwords of the runtime roles are kept.
#[derive(Clone, Debug)]
pub struct RoleFile(PathBuf);

/// Why the file cannot be used. No variant holds what stands in it.
#[derive(Debug, thiserror::Error)]
pub enum RoleFileError {
    /// It cannot be read, written, or is open to others.
    #[error("`{}` cannot be used: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It holds something else.
    #[error("the file of database role passwords `{}` is damaged", .0.display())]
    Damaged(PathBuf),
}

impl RoleFile {
    /// Names the file; nothing is read.
    #[must_use]
    pub const fn at(path: PathBuf) -> Self {
        Self(path)
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Reads it; none where there is none.
    ///
    /// # Errors
    /// Each variant of [`RoleFileError`] says what is wrong.
    pub fn read(&self) -> Result<Option<RoleSecrets>, RoleFileError> {
        match private_file::read(&self.0) {
            Ok(text) => serde_json::from_str(&text).map(Some).map_err(|_| RoleFileError::Damaged(self.0.clone())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.fault(error)),
        }
    }

    /// Makes random passwords for a database whose logins nobody here knows, and keeps them.
    ///
    /// # Errors
    /// `Io` when it cannot be written.
    pub fn make(&self) -> Result<RoleSecrets, RoleFileError> {
        let made = RoleSecrets::generate();
        self.write(&made)?;
        Ok(made)
    }

    /// Replaces it: a reader sees the former or the new one, also after a power cut.
    ///
    /// # Errors
    /// `Io` when it cannot be written; the former one then stays.
    pub(super) fn write(&self, secrets: &RoleSecrets) -> Result<(), RoleFileError> {
        let bytes = serde_json::to_vec(secrets).map_err(|error| self.fault(error.into()))?;
        self.replace(&bytes).map_err(|error| self.fault(error))
    }

    fn replace(&self, bytes: &[u8]) -> io::Result<()> {
        let next = self.0.with_extension("new");
        match fs::remove_file(&next) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&next)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        // The server may run as another account than who exchanges the passwords, root for instance: the file stays its own.
        if let Ok(former) = fs::metadata(&self.0) {
            use std::os::unix::fs::{MetadataExt as _, fchown};
            let made = file.metadata()?;
            if (made.uid(), made.gid()) != (former.uid(), former.gid()) {
                fchown(&file, Some(former.uid()), Some(former.gid()))?;
            }
        }
        fs::rename(&next, &self.0)?;
        match self.0.parent() {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    }

    fn fault(&self, source: io::Error) -> RoleFileError {
        RoleFileError::Io { path: self.0.clone(), source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_before_there_were_two_pairs_is_read_and_written_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let file = RoleFile::at(folder.path().join("role-secrets.json"));
        assert!(file.read().unwrap().is_none());
        let made = file.make().unwrap();
        let text = fs::read_to_string(file.path()).unwrap();
        let keys: Vec<String> = serde_json::from_str::<serde_json::Map<_, _>>(&text).unwrap().keys().cloned().collect();
        assert_eq!(keys, ["app", "platform"]);
        let read = file.read().unwrap().unwrap();
        assert!(read.app == made.app && read.login.is_first() && !read.exchanging && !read.fresh && made.fresh);
        let next = read.next();
        file.write(&next).unwrap();
        assert!(file.read().unwrap().unwrap() == next && next.exchanging && next.login != read.login && next.app != read.app);
        assert!(!format!("{next:?}").contains(&next.app));
    }
}
