//! The key that seals secrets at rest: 32 random bytes in a file outside the database, as 64 hexadecimal digits.
//!
//! **Invariant:** a key is made only where there is none; what cannot be read is never replaced, because what was sealed with it would be
//! lost.

use crate::failure::Failure;
use std::{
    fs::OpenOptions,
    io::{ErrorKind, Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

/// Name of the file within the data folder.
const FILE_NAME: &str = "secret.key";

/// Reads the key, and makes one where the data folder has none. `named` is a file that must be there already: several servers on one
/// database share it.
///
/// # Errors
/// When the file cannot be read or made, or holds anything but 64 hexadecimal digits.
pub(crate) fn load(named: Option<&Path>, data: &Path) -> anyhow::Result<[u8; 32]> {
    let path: PathBuf = named.map_or_else(|| data.join(FILE_NAME), Path::to_owned);
    match read(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound && named.is_none() => make(&path),
        Err(error) => Err(Failure::new(format!("the secret key `{}` cannot be read: {error}", path.display()))
            .hint("it seals second factors and client secrets; restore it from where you keep it, do not make a new one")
            .into()),
        Ok(text) => parse(text.trim()).ok_or_else(|| {
            Failure::new(format!("the secret key `{}` does not hold 64 hexadecimal digits", path.display()))
                .hint("make one with `openssl rand -hex 32`, but never over one that is in use")
                .into()
        }),
    }
}

fn read(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    OpenOptions::new().read(true).open(path)?.take(1024).read_to_string(&mut text)?;
    Ok(text)
}

fn make(path: &Path) -> anyhow::Result<[u8; 32]> {
    let mut key = [0_u8; 32];
    OpenOptions::new().read(true).open("/dev/urandom")?.read_exact(&mut key)?;
    let text: String = key.iter().map(|b| format!("{b:02x}")).collect();
    let fault = |error: std::io::Error| Failure::new(format!("the secret key `{}` cannot be made: {error}", path.display()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(fault)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(fault)?;
    Ok(key)
}

fn parse(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let mut key = [0_u8; 32];
    for (i, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * i..2 * i + 2)?, 16).ok()?;
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_key_is_made_once_for_its_owner_alone_and_then_kept() {
        let folder = tempfile::tempdir().unwrap();
        let first = load(None, folder.path()).unwrap();
        assert_eq!(load(None, folder.path()).unwrap(), first);
        let mode = std::fs::metadata(folder.path().join(FILE_NAME)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_ne!(load(None, tempfile::tempdir().unwrap().path()).unwrap(), first);
    }

    #[test]
    fn a_named_or_broken_key_is_never_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let named = folder.path().join("elsewhere");
        assert!(load(Some(&named), folder.path()).is_err() && !named.exists());
        std::fs::write(folder.path().join(FILE_NAME), "not a key").unwrap();
        assert!(load(None, folder.path()).is_err());
        assert_eq!(std::fs::read_to_string(folder.path().join(FILE_NAME)).unwrap(), "not a key");
    }
}
