//! Where root keys come from: a file, the environment, or a token.
//!
//! The text is one key a line, each 64 hexadecimal digits: the first wraps, the others still unwrap. **Invariant:** a key is made only
//! where there is none and nothing was sealed yet; what cannot be read is never replaced, because what was sealed with it would be lost.

use crate::{KeyError, RootKey, RootKeys, Secret, private_file, random_key};
use std::{
    fs::{self, OpenOptions},
    io::{ErrorKind, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::PathBuf,
};
use zeroize::Zeroizing;

/// The environment variable of `RootSource::Environment`.
pub const VARIABLE: &str = "VITAL_ROOT_KEY";
/// Root keys in use at once, in a file or variable.
const KEYS_MAX: usize = 8;

/// Where root keys come from.
#[derive(Clone, Debug)]
pub enum RootSource {
    /// A file that only its owner can read.
    File(PathBuf),
    /// The variable `VITAL_ROOT_KEY`, keys separated by commas or white space.
    Environment,
    /// A PKCS#11 token: the key never leaves it.
    #[cfg(feature = "pkcs11")]
    Token {
        /// The key that wraps.
        key: crate::pkcs11::Pkcs11Config,
        /// The label of a former key in the same token, which still unwraps while a rotation is under way.
        former: Option<String>,
    },
    /// A given key, for tests and evaluations on scratch databases.
    Fixed([u8; 32]),
}

impl RootSource {
    /// Reads the keys. None where the file or variable is not there.
    ///
    /// # Errors
    /// `Source` when it cannot be read, is open to others, or holds anything but keys.
    pub fn load(&self) -> Result<Option<RootKeys>, KeyError> {
        match self {
            Self::File(path) => match private_file::read(path) {
                Ok(text) => parse(&text, &format!("the root key file `{}`", path.display())).map(Some),
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
                Err(error) => Err(KeyError::Source(format!("the root key file `{}` cannot be read: {error}", path.display()))),
            },
            Self::Environment => match std::env::var(VARIABLE) {
                Ok(text) => parse(&Zeroizing::new(text), &format!("the variable {VARIABLE}")).map(Some),
                Err(_) => Ok(None),
            },
            #[cfg(feature = "pkcs11")]
            Self::Token { key, former } => {
                let open = |label: &str| {
                    let config = crate::pkcs11::Pkcs11Config { key_label: label.to_owned(), ..key.clone() };
                    crate::pkcs11::Pkcs11Root::open(config).map(RootKey::Token).map_err(|e| KeyError::Source(e.to_string()))
                };
                let former = former.iter().map(|label| open(label)).collect::<Result<_, _>>()?;
                Ok(Some(RootKeys::new(open(&key.key_label)?, former)))
            }
            Self::Fixed(key) => Ok(Some(RootKeys::new(RootKey::software(key)?, Vec::new()))),
        }
    }

    /// Makes a first key. Only for a database in which nothing was sealed yet.
    ///
    /// # Errors
    /// `Source` when there is one already, or this source cannot be written.
    pub fn make(&self) -> Result<RootKeys, KeyError> {
        let Self::File(path) = self else {
            return Err(KeyError::Source(format!(
                "there is no root key in {VARIABLE}; make one with `openssl rand -hex 32`, keep a copy, and set it"
            )));
        };
        let key = random_key()?;
        let fault = |error: std::io::Error| KeyError::Source(format!("the root key file `{}` cannot be made: {error}", path.display()));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(fault)?;
        let text = Zeroizing::new(format!("{}\n", hex::encode(key.as_slice())));
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(fault)?;
        Ok(RootKeys::new(RootKey::software(&key)?, Vec::new()))
    }

    /// Puts a new random key first in the file; the others go on unwrapping. The file is replaced in one step.
    ///
    /// # Errors
    /// `Source` when the keys are not in a file, there are too many, or it cannot be written.
    pub fn add(&self) -> Result<RootKeys, KeyError> {
        let key = random_key()?;
        self.rewrite(|lines| lines.insert(0, Zeroizing::new(hex::encode(key.as_slice()))))
    }

    /// Takes every key but the first out of the file: what only they unwrap is lost. Where the keys are not in a file, whoever keeps them
    /// takes them away.
    ///
    /// # Errors
    /// `Source` when the file cannot be written.
    pub fn retire(&self) -> Result<(), KeyError> {
        if !matches!(self, Self::File(_)) {
            return Ok(());
        }
        self.rewrite(|lines| lines.truncate(1)).map(drop)
    }

    fn rewrite(&self, change: impl FnOnce(&mut Vec<Zeroizing<String>>)) -> Result<RootKeys, KeyError> {
        let Self::File(path) = self else {
            return Err(KeyError::Source(
                "the root key is not in a file: change it where it is kept, the new key first, and restart".to_owned(),
            ));
        };
        let fault = |error: std::io::Error| KeyError::Source(format!("the root key file `{}` cannot be changed: {error}", path.display()));
        let text = private_file::read(path).map_err(fault)?;
        let mut lines: Vec<_> = text.split_whitespace().map(|l| Zeroizing::new(l.to_owned())).collect();
        change(&mut lines);
        let text = Zeroizing::new(lines.iter().map(|l| format!("{}\n", l.as_str())).collect::<String>());
        let keys = parse(&text, &format!("the root key file `{}`", path.display()))?;
        let beside = path.with_extension("new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside).map_err(fault)?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(fault)?;
        fs::rename(&beside, path).map_err(fault)?;
        if let Some(folder) = path.parent() {
            fs::File::open(folder).and_then(|f| f.sync_all()).map_err(fault)?;
        }
        Ok(keys)
    }

    /// When the present key came to be, as far as its file tells.
    #[must_use]
    pub fn changed_at(&self) -> Option<std::time::SystemTime> {
        match self {
            Self::File(path) => fs::metadata(path).and_then(|m| m.modified()).ok(),
            _ => None,
        }
    }
}

impl std::fmt::Display for RootSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Environment => write!(f, "variable {VARIABLE}"),
            #[cfg(feature = "pkcs11")]
            Self::Token { key, .. } => write!(f, "token {}, key {}", key.token_label, key.key_label),
            Self::Fixed(_) => f.write_str("given by the program"),
        }
    }
}

fn parse(text: &str, what: &str) -> Result<RootKeys, KeyError> {
    let wrong =
        |why: &str| KeyError::Source(format!("{what} {why}; it holds one key a line, each 64 hexadecimal digits, the newest first"));
    let mut keys = Vec::new();
    for line in text.split([',', '\n', ' ', '\t', '\r']).filter(|l| !l.is_empty()) {
        let mut key = Secret::default();
        hex::decode_to_slice(line, key.as_mut()).map_err(|_| wrong("holds something that is no key"))?;
        if key.iter().all(|b| *b == key[0]) {
            return Err(wrong("holds a key that anybody can guess"));
        }
        keys.push(RootKey::software(&key)?);
    }
    if keys.is_empty() || keys.len() > KEYS_MAX {
        return Err(wrong("holds no key, or too many"));
    }
    Ok(RootKeys::new(keys.remove(0), keys))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn here() -> (tempfile::TempDir, PathBuf, RootSource) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("root.key");
        (folder, path.clone(), RootSource::File(path))
    }

    #[test]
    fn a_key_is_made_once_for_its_owner_alone_and_then_kept() {
        let (_folder, path, source) = here();
        assert!(source.load().unwrap().is_none());
        let made = source.make().unwrap().current().id().to_owned();
        assert_eq!(source.load().unwrap().unwrap().current().id(), made);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(source.make().is_err(), "never made over one that is there");
        assert_eq!(source.load().unwrap().unwrap().current().id(), made);
    }

    #[test]
    fn a_new_key_stands_first_and_former_ones_stay_until_they_are_retired() {
        let (_folder, _, source) = here();
        let first = source.make().unwrap().current().id().to_owned();
        let both = source.add().unwrap();
        assert!(both.named(&first).is_ok() && both.current().id() != first);
        source.retire().unwrap();
        let one = source.load().unwrap().unwrap();
        assert_eq!(one.current().id(), both.current().id());
        assert!(matches!(one.named(&first), Err(KeyError::NoRoot { .. })));
    }

    #[test]
    fn what_is_open_to_others_broken_or_guessable_is_refused_and_left_as_it_is() {
        let (_folder, path, source) = here();
        source.make().unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(source.load().unwrap_err().to_string().contains("chmod 600"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        for text in ["", "not a key", &"0".repeat(64), &"ab".repeat(33), &"0123456789abcdef".repeat(4 * 9)] {
            fs::write(&path, text).unwrap();
            assert!(source.load().is_err() && source.make().is_err(), "{text}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }
}
