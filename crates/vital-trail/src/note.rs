//! C2SP signed notes: text that ends with a newline, an empty line, and signature lines `— <name> <base64(key id ‖ signature)>`.

use crate::{Keys, Kind, SigningKey, Stamp, TrailError, keys::NAME_BYTES_MAX};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use std::fmt::Write as _;

/// Largest note in bytes.
pub(crate) const NOTE_BYTES_MAX: usize = 16 * 1024;
/// Most signatures under one note.
const SIGNATURES_MAX: usize = 32;
const DASH: &str = "— ";

/// One signature under a note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// Name of the key.
    pub name: String,
    /// First bytes of the key's hash.
    pub id: [u8; 4],
    bytes: Vec<u8>,
}

/// A text with the signatures under it, not yet verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The signed text, with its closing newline.
    pub text: String,
    /// The signatures, in their order.
    pub signatures: Vec<Signature>,
}

impl Signature {
    fn parse(line: &str) -> Result<Self, TrailError> {
        let malformed = TrailError::Note("a signature line is malformed");
        let Some((name, encoded)) = line.strip_prefix(DASH).and_then(|rest| rest.split_once(' ')) else { return Err(malformed) };
        let Ok(decoded) = STANDARD.decode(encoded) else { return Err(malformed) };
        if name.is_empty() || name.len() > NAME_BYTES_MAX || decoded.len() < 5 {
            return Err(malformed);
        }
        let (id, bytes) = decoded.split_at(4);
        Ok(Self { name: name.to_owned(), id: [id[0], id[1], id[2], id[3]], bytes: bytes.to_vec() })
    }

    /// The line as it stands under a note, with its newline.
    #[must_use]
    pub fn line(&self) -> String {
        let mut bytes = self.id.to_vec();
        bytes.extend_from_slice(&self.bytes);
        format!("{DASH}{} {}\n", self.name, STANDARD.encode(bytes))
    }

    /// Reads signature lines, as a witness returns them.
    ///
    /// # Errors
    /// `Note`.
    pub fn parse_lines(text: &str) -> Result<Vec<Self>, TrailError> {
        if text.len() > NOTE_BYTES_MAX {
            return Err(TrailError::Note("it is too long"));
        }
        text.lines().filter(|line| !line.is_empty()).take(SIGNATURES_MAX).map(Self::parse).collect()
    }
}

/// What a witness signs (C2SP tlog-cosignature): the time, in seconds, and the note.
fn cosigned(seconds: u64, text: &str) -> Vec<u8> {
    format!("cosignature/v1\ntime {seconds}\n{text}").into_bytes()
}

impl Note {
    /// Reads a note in its one spelling.
    ///
    /// # Errors
    /// `Note` with what is wrong.
    pub fn parse(text: &str) -> Result<Self, TrailError> {
        if text.len() > NOTE_BYTES_MAX {
            return Err(TrailError::Note("it is too long"));
        }
        if text.contains(|c: char| c.is_control() && c != '\n') {
            return Err(TrailError::Note("it holds control characters"));
        }
        let at = text.rfind("\n\n").ok_or(TrailError::Note("it has no signatures"))?;
        let (body, below) = (&text[..=at], &text[at + 2..]);
        let lines = below.strip_suffix('\n').ok_or(TrailError::Note("its last line is cut"))?;
        let signatures = lines.split('\n').map(Signature::parse).collect::<Result<Vec<_>, _>>()?;
        if signatures.len() > SIGNATURES_MAX {
            return Err(TrailError::Note("it has too many signatures"));
        }
        Ok(Self { text: body.to_owned(), signatures })
    }

    /// Signs a text that ends with a newline.
    #[must_use]
    pub fn sign(text: String, key: &SigningKey) -> Self {
        let bytes = key.sign(text.as_bytes());
        let signature = Signature { name: key.public().name().to_owned(), id: key.public().id(), bytes };
        Self { text, signatures: vec![signature] }
    }

    /// A further signature by the log's own next key, for a change of keys.
    pub fn sign_also(&mut self, key: &SigningKey) {
        let more = Self::sign(self.text.clone(), key);
        self.signatures.extend(more.signatures);
    }

    /// The signature of a witness that has seen this note at a time.
    #[must_use]
    pub fn cosign(&self, key: &SigningKey, at: Stamp) -> Signature {
        let seconds = u64::try_from(at.0.div_euclid(1_000_000)).unwrap_or(0);
        let mut bytes = seconds.to_be_bytes().to_vec();
        bytes.extend(key.sign(&cosigned(seconds, &self.text)));
        Signature { name: key.public().name().to_owned(), id: key.public().id(), bytes }
    }

    /// Checks every signature whose key is known and returns the places of those keys' kinds and the names of unknown ones.
    ///
    /// # Errors
    /// `Forged` where a known key's signature does not fit.
    pub(crate) fn check(&self, keys: &Keys) -> Result<Signed, TrailError> {
        let mut signed = Signed::default();
        for signature in &self.signatures {
            let Some(key) = keys.find(&signature.name, signature.id) else {
                signed.unknown.push(signature.name.clone());
                continue;
            };
            let fits = match (key.kind(), signature.bytes.split_first_chunk::<8>()) {
                (Kind::Log, _) => key.verifies(self.text.as_bytes(), &signature.bytes),
                (Kind::Witness, Some((time, bytes))) => key.verifies(&cosigned(u64::from_be_bytes(*time), &self.text), bytes),
                (Kind::Witness, None) => false,
            };
            if !fits {
                return Err(TrailError::Forged(signature.name.clone()));
            }
            match key.kind() {
                Kind::Log => signed.by_log = true,
                Kind::Witness => signed.witnesses += 1,
            }
        }
        Ok(signed)
    }
}

/// Who signed.
#[derive(Debug, Default)]
pub(crate) struct Signed {
    pub(crate) by_log: bool,
    pub(crate) witnesses: usize,
    pub(crate) unknown: Vec<String>,
}

impl std::fmt::Display for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)?;
        f.write_char('\n')?;
        self.signatures.iter().try_for_each(|signature| f.write_str(&signature.line()))
    }
}
