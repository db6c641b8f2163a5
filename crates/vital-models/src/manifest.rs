//! `MODEL.json`: what the folder of a model holds, with a hash for each file.

use crate::ModelError;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

/// The network.
pub(crate) const NETWORK: &str = "minilm.onnx";
/// The word pieces.
pub(crate) const TOKENIZER: &str = "tokenizer.json";

/// Largest `MODEL.json`, in bytes.
const MANIFEST_BYTES_MAX: u64 = 64 * 1024;

/// A model's description.
#[derive(Debug, Deserialize)]
pub(crate) struct Manifest {
    /// Names the model; vectors carry this name.
    pub(crate) name: String,
    /// Length of a vector.
    pub(crate) dimensions: usize,
    /// Tokens that the model reads of a text, its two frame tokens included.
    pub(crate) tokens_max: usize,
    /// SHA-256 of each file, in hexadecimal.
    files: BTreeMap<String, String>,
}

impl Manifest {
    /// Reads the description of a model folder.
    pub(crate) fn read(dir: &Path) -> Result<Self, ModelError> {
        let path = dir.join("MODEL.json");
        let unreadable = |source| ModelError::Unreadable { path: path.clone(), source };
        let bad = |detail: String| ModelError::BadManifest { path: path.clone(), detail };
        let mut text = String::new();
        File::open(&path).and_then(|f| f.take(MANIFEST_BYTES_MAX).read_to_string(&mut text)).map_err(unreadable)?;
        let manifest: Self = serde_json::from_str(&text).map_err(|e| bad(e.to_string()))?;
        if let Some(missing) = [NETWORK, TOKENIZER].into_iter().find(|name| !manifest.files.contains_key(*name)) {
            return Err(bad(format!("it names no `{missing}`")));
        }
        if manifest.name.is_empty() || manifest.dimensions == 0 || manifest.tokens_max < 3 {
            return Err(bad("name, dimensions or tokens_max is empty or too small".into()));
        }
        Ok(manifest)
    }

    /// Compares the files with their hashes.
    pub(crate) fn verify(&self, dir: &Path) -> Result<(), ModelError> {
        for name in [NETWORK, TOKENIZER] {
            let path = dir.join(name);
            let hash = sha256(&path).map_err(|source| ModelError::Unreadable { path: path.clone(), source })?;
            if self.files.get(name).is_none_or(|wanted| !wanted.eq_ignore_ascii_case(&hash)) {
                return Err(ModelError::Changed { path });
            }
        }
        Ok(())
    }
}

fn sha256(path: &PathBuf) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex::encode(hash.finalize())),
            read => hash.update(&buffer[..read]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// SHA-256 of the three bytes `abc` (FIPS 180-4, example 1).
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn folder(manifest: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("MODEL.json"), manifest).unwrap();
        fs::write(dir.path().join(NETWORK), "abc").unwrap();
        fs::write(dir.path().join(TOKENIZER), "abc").unwrap();
        dir
    }

    fn manifest() -> String {
        format!(r#"{{"name": "m", "dimensions": 3, "tokens_max": 256, "files": {{"{NETWORK}": "{ABC}", "{TOKENIZER}": "{ABC}"}}}}"#)
    }

    #[test]
    fn files_with_their_hashes_are_accepted() {
        let dir = folder(&manifest());
        Manifest::read(dir.path()).unwrap().verify(dir.path()).unwrap();
    }

    #[test]
    fn a_changed_file_is_named() {
        let dir = folder(&manifest());
        fs::write(dir.path().join(TOKENIZER), "abd").unwrap();
        let error = Manifest::read(dir.path()).unwrap().verify(dir.path()).unwrap_err();
        assert!(matches!(&error, ModelError::Changed { path } if path.ends_with(TOKENIZER)), "{error}");
    }

    #[test]
    fn descriptions_that_are_none_are_refused() {
        for text in ["", "{", "{}", &manifest().replace("256", "0"), &manifest().replace(TOKENIZER, "other.json")] {
            let dir = folder(text);
            assert!(matches!(Manifest::read(dir.path()), Err(ModelError::BadManifest { .. })), "{text}");
        }
        assert!(matches!(Manifest::read(Path::new("/nonexistent")), Err(ModelError::Unreadable { .. })));
    }
}
