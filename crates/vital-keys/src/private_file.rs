//! Reads small files that hold secrets, and refuses those that others on the machine can read.

use std::{
    fs::File,
    io::{self, Read as _},
    os::unix::fs::PermissionsExt as _,
    path::Path,
};
use zeroize::Zeroizing;

/// Largest file, in bytes.
const BYTES_MAX: u64 = 16 * 1024;

/// Reads a file that belongs to its owner alone.
///
/// # Errors
/// When it cannot be read, is larger than 16 KiB, is no text, or its mode lets anybody but its owner in: then with the command that
/// closes it.
pub fn read(path: &Path) -> io::Result<Zeroizing<String>> {
    let file = File::open(path)?;
    let mode = file.metadata()?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let path = path.display();
        return Err(io::Error::other(format!(
            "others on this machine may read it (mode {mode:o}); run `chmod 600 {path}`, and replace the secret if somebody may have read it"
        )));
    }
    let mut text = Zeroizing::new(String::new());
    let bytes = file.take(BYTES_MAX + 1).read_to_string(&mut text)?;
    if bytes as u64 > BYTES_MAX {
        return Err(io::Error::other(format!("it is larger than {BYTES_MAX} bytes")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};

    #[test]
    fn a_file_that_others_can_read_is_refused_with_the_command_that_closes_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        fs::write(&path, "s3cret").unwrap();
        for (mode, fine) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false), (0o666, false), (0o710, false)] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            match read(&path) {
                Ok(text) => assert!(fine && text.as_str() == "s3cret", "{mode:o}"),
                Err(error) => assert!(!fine && error.to_string().contains("chmod 600") && !error.to_string().contains("s3cret"), "{error}"),
            }
        }
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "s".repeat(20_000)).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("larger"));
    }
}
