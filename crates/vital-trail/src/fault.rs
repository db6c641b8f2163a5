//! What verification finds, in words and for machines.

use crate::{LogId, Stamp};
use serde::Serialize;
use std::fmt;
use uuid::Uuid;

/// Faults and notes that a report lists; further ones are only counted.
pub(crate) const LISTED_MAX: usize = 1_000;

/// Something that must not be. `seq` is an entry's place in its log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "fault", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the fields are what the variant's line names")]
pub enum Fault {
    /// The first line is not the header of an export, or contradicts the rest.
    Header { why: String },
    /// A line is not in the one spelling that exports have: it was changed, cut or joined with another.
    Unreadable { why: String },
    /// The entry does not fit the chain: it was altered, or put in the place of another.
    Altered { seq: u64 },
    /// Entries are missing between others.
    Deleted { from: u64, to: u64 },
    /// There are two entries of this number, or one that the log never had.
    Inserted { seq: u64 },
    /// The entry stands behind a later one.
    Reordered { seq: u64 },
    /// The log ends before what a checkpoint has signed.
    TailCut { found: u64, signed: u64 },
    /// There are fewer or more lines than the header says.
    Miscounted { what: &'static str, found: u64, stated: u64 },
    /// Chain and entries fit each other, but not the signed roots: history was rewritten behind entry `after`, or entries in it.
    Rewritten { after: u64, by: u64, checkpoints: u64 },
    /// One signed checkpoint contradicts those around it: the log had two histories.
    Forked { size: u64 },
    /// A checkpoint's signature does not fit, or none of the given keys made it.
    Forged { why: String },
    /// A checkpoint is of another log.
    Foreign { origin: String },
    /// A checkpoint does not stand behind its last entry, or stands there twice.
    Misplaced { size: u64 },
    /// A log that has checkpoints is not there at all, and no erasure explains it.
    Missing { signed: u64 },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header { why } => write!(f, "the header is wrong: {why}"),
            Self::Unreadable { why } => write!(f, "a line was changed or cut: {why}"),
            Self::Altered { seq } => write!(f, "entry {seq} was altered: it does not fit the chain"),
            Self::Deleted { from, to } if from == to => write!(f, "entry {from} was deleted"),
            Self::Deleted { from, to } => write!(f, "entries {from} to {to} were deleted"),
            Self::Inserted { seq } => write!(f, "an entry was inserted as number {seq}"),
            Self::Reordered { seq } => write!(f, "entry {seq} was moved: it stands behind later ones"),
            Self::TailCut { found, signed } => write!(f, "the end is missing: {signed} entries were signed, {found} are there"),
            Self::Miscounted { what, found, stated } => write!(f, "{found} {what} are there, and the header states {stated}"),
            Self::Rewritten { after, by, checkpoints } => {
                let first = after + 1;
                write!(
                    f,
                    "history was rewritten: entries {first} to {by} do not lead to the signed root ({checkpoints} checkpoints disagree)"
                )
            }
            Self::Forked { size } => write!(f, "a signed checkpoint of {size} entries belongs to another history"),
            Self::Forged { why } => f.write_str(why),
            Self::Foreign { origin } => write!(f, "a checkpoint is of another log: {origin}"),
            Self::Misplaced { size } => write!(f, "the checkpoint of {size} entries does not stand where it belongs"),
            Self::Missing { signed } => write!(f, "the log is gone: {signed} entries were signed, none is there, and it was not erased"),
        }
    }
}

/// Something worth knowing that can have an innocent reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "note", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the fields are what the variant's line names")]
pub enum Note {
    /// A process skipped numbers: transactions that were given up, or entries deleted before they got their place.
    CounterGap { node: Uuid, after: u64, missing: u64 },
    /// A process wrote a later entry with an earlier time.
    ClockBack { seq: u64, seconds: i64 },
    /// A checkpoint is also signed by a key that was not given.
    UnknownSigner { name: String },
    /// The newest entries are not under a checkpoint yet, so only the chain protects them.
    Unsigned { from: u64, to: u64 },
    /// Entries that had not got their place when this was made.
    Waiting { entries: u64 },
    /// The log was erased with its organisation.
    Erased,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CounterGap { node, after, missing } => {
                write!(f, "process {node} has {missing} numbers unused after {after}: given-up transactions, or entries deleted at once")
            }
            Self::ClockBack { seq, seconds } => write!(f, "the clock was {seconds} s back at entry {seq}"),
            Self::UnknownSigner { name } => write!(f, "also signed by `{name}`, whose key was not given"),
            Self::Unsigned { from, to } => write!(f, "entries {from} to {to} are not under a checkpoint yet"),
            Self::Waiting { entries } => write!(f, "{entries} entries wait for their place"),
            Self::Erased => f.write_str("the log was erased with its organisation"),
        }
    }
}

/// Something found, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Found<T> {
    /// The line of the export, from 1; 0 where the whole is meant or a database was read.
    pub line: u64,
    /// What.
    #[serde(flatten)]
    pub what: T,
}

/// A checkpoint that was met and fits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Signed {
    /// How many entries it covers.
    pub size: u64,
    /// When it was made.
    pub at: Stamp,
    /// Its root, in hexadecimal.
    pub root: String,
}

/// What verification found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether there is no fault.
    pub sound: bool,
    /// Which log.
    pub log: Option<LogId>,
    /// Entries that were read.
    pub entries: u64,
    /// Checkpoints that were read and whose signature fits.
    pub checkpoints: u64,
    /// The newest checkpoint that fits everything before it.
    pub newest: Option<Signed>,
    /// How many faults there are.
    pub faults_total: u64,
    /// The faults, in their order; no more than a thousand.
    pub faults: Vec<Found<Fault>>,
    /// How many notes there are.
    pub notes_total: u64,
    /// The notes.
    pub notes: Vec<Found<Note>>,
}

impl Report {
    /// A report that has found nothing yet.
    #[must_use]
    pub fn new(log: Option<LogId>) -> Self {
        Self {
            sound: true,
            log,
            entries: 0,
            checkpoints: 0,
            newest: None,
            faults_total: 0,
            faults: Vec::new(),
            notes_total: 0,
            notes: Vec::new(),
        }
    }

    /// Adds a fault.
    pub fn fault(&mut self, line: u64, what: Fault) {
        self.sound = false;
        self.faults_total += 1;
        if self.faults.len() < LISTED_MAX {
            self.faults.push(Found { line, what });
        }
    }

    /// Adds a note.
    pub fn note(&mut self, line: u64, what: Note) {
        self.notes_total += 1;
        if self.notes.len() < LISTED_MAX {
            self.notes.push(Found { line, what });
        }
    }
}
