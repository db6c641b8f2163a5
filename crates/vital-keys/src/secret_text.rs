//! A secret that goes elsewhere, such as the key of a provider: given once, or kept in a file that is read again when it changes.
//!
//! **Invariant:** a file that is gone, closed, half-written or holds something else changes nothing: the last good secret stays, and one warning
//! says so until the file is good again.

use crate::private_file;
use std::{
    fmt, fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};
use zeroize::Zeroizing;

/// A file that was written this short a time ago may be written again without looking different.
const RACY: Duration = Duration::from_secs(2);

/// What makes a text no secret of its kind; says nothing of the text.
pub type Check = fn(&str) -> Result<(), &'static str>;

/// A secret; clones share what was read.
#[derive(Clone)]
pub struct SecretText(Kind);

#[derive(Clone)]
enum Kind {
    Given(Arc<Zeroizing<String>>),
    File(Arc<Watched>),
}

struct Watched {
    path: PathBuf,
    check: Check,
    held: Mutex<Held>,
}

struct Held {
    text: Arc<Zeroizing<String>>,
    /// How the file looked when it was read last; none where it may change without looking different.
    seen: Option<Look>,
    /// Whether the present trouble was told.
    told: bool,
}

/// How a file looks from outside: inode, length, and the times of its text and of its inode.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Look([i64; 4], u64, u64);

impl SecretText {
    /// A secret that stays as it is.
    #[must_use]
    pub fn given(text: &str) -> Self {
        Self(Kind::Given(Arc::new(Zeroizing::new(text.to_owned()))))
    }

    /// A secret in a file that belongs to its owner alone (see [`private_file::read`]); line ends after it are dropped.
    ///
    /// # Errors
    /// When the file cannot be read, lets others in, is empty, or `check` refuses what is in it.
    pub fn in_file(path: &Path, check: Check) -> io::Result<Self> {
        let seen = look(path)?;
        let text = read(path, check)?;
        Ok(Self(Kind::File(Arc::new(Watched { path: path.to_owned(), check, held: Mutex::new(Held { text, seen, told: false }) }))))
    }

    /// The secret as it is now. Looks at the file, and reads it again where it changed.
    #[must_use]
    pub fn now(&self) -> Arc<Zeroizing<String>> {
        match &self.0 {
            Kind::Given(text) => Arc::clone(text),
            Kind::File(watched) => watched.now(),
        }
    }

    /// The file, where it is in one.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match &self.0 {
            Kind::Given(_) => None,
            Kind::File(watched) => Some(&watched.path),
        }
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(hidden)")
    }
}

impl Watched {
    fn now(&self) -> Arc<Zeroizing<String>> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = look(&self.path);
        if let (Ok(Some(now)), Some(before)) = (&seen, held.seen)
            && *now == before
        {
            return Arc::clone(&held.text);
        }
        match seen.and_then(|seen| read(&self.path, self.check).map(|text| (seen, text))) {
            Ok((seen, text)) => {
                if text != held.text {
                    tracing::info!(file = %self.path.display(), "the secret in this file was exchanged; the new one is used from now on");
                }
                *held = Held { text, seen, told: false };
            }
            Err(error) => {
                // Every use looks again until the file is good.
                held.seen = None;
                if !std::mem::replace(&mut held.told, true) {
                    tracing::warn!(file = %self.path.display(), %error, "the secret in this file cannot be read again; the last one stays in use");
                }
            }
        }
        Arc::clone(&held.text)
    }
}

fn look(path: &Path) -> io::Result<Option<Look>> {
    let meta = fs::metadata(path)?;
    let settled = meta.modified()?.checked_add(RACY).is_some_and(|at| at < SystemTime::now());
    Ok(settled.then(|| Look([meta.mtime(), meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec()], meta.ino(), meta.len())))
}

fn read(path: &Path, check: Check) -> io::Result<Arc<Zeroizing<String>>> {
    let text = private_file::read(path)?;
    let text = Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned());
    if text.trim().is_empty() {
        return Err(io::Error::other("it is empty"));
    }
    check(&text).map_err(io::Error::other)?;
    Ok(Arc::new(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs::Permissions, os::unix::fs::PermissionsExt as _};

    fn put(path: &Path, text: &str, mode: u32) {
        let next = path.with_extension("next");
        fs::write(&next, text).unwrap();
        fs::set_permissions(&next, Permissions::from_mode(mode)).unwrap();
        fs::rename(&next, path).unwrap();
    }

    fn one_word(text: &str) -> Result<(), &'static str> {
        if text.contains(' ') { Err("it holds more than one word") } else { Ok(()) }
    }

    #[test]
    fn a_changed_file_is_used_at_once_and_a_bad_one_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        assert!(SecretText::in_file(&path, one_word).is_err());
        put(&path, "first\n", 0o600);
        let secret = SecretText::in_file(&path, one_word).unwrap();
        assert_eq!(secret.now().as_str(), "first");
        // In place, of the same length, at once.
        fs::write(&path, "third\n").unwrap();
        assert_eq!(secret.clone().now().as_str(), "third");
        for (text, mode) in [("", 0o600), ("two words", 0o600), ("open", 0o644)] {
            put(&path, text, mode);
            assert_eq!(secret.now().as_str(), "third", "{text}");
        }
        fs::remove_file(&path).unwrap();
        assert_eq!(secret.now().as_str(), "third");
        put(&path, "fourth", 0o600);
        assert_eq!(secret.now().as_str(), "fourth");
        assert!(!format!("{secret:?}").contains("fourth"));
    }

    #[test]
    fn a_settled_file_is_not_read_again_until_it_looks_different() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        put(&path, "first", 0o600);
        let old = SystemTime::now() - Duration::from_secs(3600);
        fs::File::options().write(true).open(&path).unwrap().set_modified(old).unwrap();
        let secret = SecretText::in_file(&path, one_word).unwrap();
        let Kind::File(watched) = &secret.0 else { unreachable!() };
        let before = Arc::as_ptr(&secret.now());
        assert!(watched.held.lock().unwrap().seen.is_some());
        assert_eq!(Arc::as_ptr(&secret.now()), before);
        // The same length and the same time of its text: the time of its inode tells.
        fs::write(&path, "third").unwrap();
        fs::File::options().write(true).open(&path).unwrap().set_modified(old).unwrap();
        assert_eq!(secret.now().as_str(), "third");
    }
}
