//! The list of findings that are no secrets, each with the reason.
//!
//! ```toml
//! [[finding]]
//! path = "crates/x/src/totp.rs"
//! fingerprint = "0123456789abcdef"
//! reason = "the seed in appendix B of RFC 6238"
//! ```

use crate::Error;
use serde::Deserialize;
use std::{collections::HashSet, fs, path::Path};

/// Fewest letters of a reason; fewer say nothing.
const MIN_REASON: usize = 12;

/// One finding that is no secret.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Allowed {
    /// The file, or `message` for the message of a commit or tag.
    pub path: String,
    /// What the report calls it.
    pub fingerprint: String,
    /// Why it is no secret.
    pub reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    #[serde(default)]
    finding: Vec<Allowed>,
}

/// Reads the list; a file that is not there is an empty one.
///
/// # Errors
/// `Read` when the file cannot be read, `Allowed` when it is no such list, an entry has no reason or stands twice.
pub fn read(path: &Path) -> Result<Vec<Allowed>, Error> {
    let shown = path.display().to_string();
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(Error::Read { path: shown, source }),
    };
    let fault = |fault: String| Error::Allowed { path: shown.clone(), fault };
    let list: List = toml::from_str(&text).map_err(|e| fault(e.to_string()))?;
    let mut seen = HashSet::new();
    for entry in &list.finding {
        if entry.reason.trim().chars().count() < MIN_REASON {
            return Err(fault(format!("the entry {} of `{}` gives no reason; say why it is no secret", entry.fingerprint, entry.path)));
        }
        if !seen.insert((&entry.path, &entry.fingerprint)) {
            return Err(fault(format!("the entry {} of `{}` stands twice", entry.fingerprint, entry.path)));
        }
    }
    Ok(list.finding)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads(text: &str) -> Result<Vec<Allowed>, Error> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        read(file.path())
    }

    #[test]
    fn an_entry_needs_a_reason_and_stands_once() {
        let entry = |reason: &str| format!("[[finding]]\npath = \"a\"\nfingerprint = \"0123456789abcdef\"\nreason = \"{reason}\"\n");
        assert_eq!(reads(&entry("the published example")).unwrap().len(), 1);
        assert!(reads(&entry("   ok   ")).unwrap_err().to_string().contains("gives no reason"));
        assert!(reads(&entry("the published example").repeat(2)).unwrap_err().to_string().contains("stands twice"));
        assert!(reads("[[finding]]\npath = \"a\"\n").is_err());
        assert!(reads("everything = true\n").is_err());
    }

    #[test]
    fn no_list_allows_nothing() {
        assert_eq!(read(Path::new("/nonexistent/list.toml")).unwrap(), []);
    }
}
