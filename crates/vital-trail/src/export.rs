//! Exports: JSON lines in one spelling. The first line is the header, the second the newest checkpoint (if there is one), then come the
//! entries in their order, and every older checkpoint directly behind the last entry that it covers.
//!
//! The newest checkpoint stands first, so that a reader knows from the start how far the log must go. Everything in an export can be
//! verified: a line that says something which nobody signed and no hash covers would be one that could be changed unseen.

use crate::{Checkpoint, Entry, Hash, Keys, LogId, SignedNote, Stamp, Text, TrailError, checkpoint::Opened, entry::Fields, hash::as_hex};
use serde::{Deserialize, Serialize};
use std::io::Write;
use uuid::Uuid;

/// Name of the format, in the header.
pub const FORMAT: &str = "vital-audit-export";
/// Version of the format.
const VERSION: u8 = 1;
/// Longest line in bytes, with its newline.
pub const LINE_BYTES_MAX: usize = 1024 * 1024;

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportHeader {
    format: String,
    version: u8,
    /// Whose log.
    pub log: LogId,
    /// The origin that its checkpoints name.
    pub origin: String,
    /// How many entries follow.
    pub entries: u64,
    /// How many checkpoints follow.
    pub checkpoints: u64,
}

impl ExportHeader {
    /// Makes the header of an export.
    #[must_use]
    pub fn new(log: LogId, origin: String, entries: u64, checkpoints: u64) -> Self {
        Self { format: FORMAT.to_owned(), version: VERSION, log, origin, entries, checkpoints }
    }

    /// Reads it in its one spelling.
    ///
    /// # Errors
    /// `Format`.
    pub fn parse(line: &[u8]) -> Result<Self, TrailError> {
        let header: Self = serde_json::from_slice(line).map_err(|_| TrailError::format("this is not an export of an audit trail"))?;
        if header.format != FORMAT {
            return Err(TrailError::format("this is not an export of an audit trail"));
        }
        if header.version != VERSION {
            return Err(TrailError::format(format!("version {} of the format is not known here", header.version)));
        }
        if serde_json::to_vec(&header).ok().as_deref() != Some(line) {
            return Err(TrailError::format("the header is not in its one spelling"));
        }
        Ok(header)
    }
}

/// The line of an entry.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EntryLine<'a> {
    pub(crate) seq: u64,
    id: Uuid,
    pub(crate) at: Stamp,
    pub(crate) node: Uuid,
    pub(crate) counter: u64,
    actor: Option<Uuid>,
    #[serde(borrow)]
    action: Text<'a>,
    #[serde(borrow)]
    resource: Text<'a>,
    #[serde(borrow)]
    resource_id: Text<'a>,
    #[serde(borrow)]
    fields: Fields<'a>,
    request: Uuid,
    #[serde(with = "as_hex")]
    pub(crate) hash: Hash,
}

impl<'a> EntryLine<'a> {
    pub(crate) fn entry(self, log: LogId) -> Entry<'a> {
        let Self { seq, id, at, node, counter, actor, action, resource, resource_id, fields, request, .. } = self;
        Entry { log, seq, id, at, node, counter, actor, action, resource, resource_id, fields, request }
    }

    pub(crate) fn of(entry: Entry<'a>, hash: Hash) -> Self {
        let Entry { seq, id, at, node, counter, actor, action, resource, resource_id, fields, request, .. } = entry;
        Self { seq, id, at, node, counter, actor, action, resource, resource_id, fields, request, hash }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CheckpointLine<'a> {
    #[serde(borrow)]
    checkpoint: Text<'a>,
}

pub(crate) const CHECKPOINT_START: &[u8] = b"{\"checkpoint\":";

/// The line of a checkpoint, with its newline.
#[must_use]
pub fn checkpoint_line(note: &SignedNote) -> String {
    let line = serde_json::to_string(&CheckpointLine { checkpoint: note.to_string().into() });
    // A struct of one text always has a JSON form.
    line.map(|line| line + "\n").unwrap_or_default()
}

/// Reads the line of a checkpoint, without its newline, in its one spelling.
///
/// # Errors
/// `Format` and `Note`.
pub fn checkpoint_of_line(line: &[u8]) -> Result<SignedNote, TrailError> {
    let read: CheckpointLine<'_> = serde_json::from_slice(line).map_err(|_| TrailError::format("it is no line of a checkpoint"))?;
    if serde_json::to_vec(&read).ok().as_deref() != Some(line) {
        return Err(TrailError::format("it is not in its one spelling"));
    }
    SignedNote::parse(&read.checkpoint)
}

/// Reads and verifies the line of a checkpoint.
pub(crate) fn open_line(line: &[u8], keys: &Keys) -> Result<Opened, TrailError> {
    Checkpoint::open(&checkpoint_of_line(line)?, keys)
}

/// Appends the line of an entry with its link of the chain, as exports have it, with its newline.
///
/// # Errors
/// `Format` where the entry is longer than readers accept; the text is then unusable.
pub fn entry_line(out: &mut Vec<u8>, entry: Entry<'_>, hash: Hash) -> Result<(), TrailError> {
    let before = out.len();
    serde_json::to_writer(&mut *out, &EntryLine::of(entry, hash)).map_err(std::io::Error::from)?;
    out.push(b'\n');
    if out.len() - before > LINE_BYTES_MAX {
        return Err(TrailError::format("an entry is longer than an export may hold"));
    }
    Ok(())
}

/// Writes an export.
#[derive(Debug)]
pub struct ExportWriter<W: Write> {
    to: W,
    line: Vec<u8>,
}

impl<W: Write> ExportWriter<W> {
    /// Writes the header and the newest checkpoint.
    ///
    /// # Errors
    /// `Io`.
    pub fn begin(mut to: W, header: &ExportHeader, newest: Option<&SignedNote>) -> Result<Self, TrailError> {
        let mut line = serde_json::to_vec(header).map_err(std::io::Error::from)?;
        line.push(b'\n');
        to.write_all(&line)?;
        let mut writer = Self { to, line };
        newest.map_or(Ok(()), |note| writer.checkpoint(note))?;
        Ok(writer)
    }

    /// Writes the next entry with its link of the chain.
    ///
    /// # Errors
    /// `Io`; `Format` where the entry is longer than readers accept.
    pub fn entry(&mut self, entry: Entry<'_>, hash: Hash) -> Result<(), TrailError> {
        self.line.clear();
        entry_line(&mut self.line, entry, hash)?;
        Ok(self.to.write_all(&self.line)?)
    }

    /// Writes a checkpoint, behind the last entry that it covers.
    ///
    /// # Errors
    /// `Io`.
    pub fn checkpoint(&mut self, note: &SignedNote) -> Result<(), TrailError> {
        Ok(self.to.write_all(checkpoint_line(note).as_bytes())?)
    }

    /// Ends the export.
    ///
    /// # Errors
    /// `Io`.
    pub fn finish(mut self) -> Result<W, TrailError> {
        self.to.flush()?;
        Ok(self.to)
    }
}
