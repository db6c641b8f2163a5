//! Exports of one log, streamed: JSON lines that can be verified offline, FHIR R4 AuditEvents, RFC 5424 syslog lines.

use super::{folder, signing, tenant_of, unusable};
use crate::{Platform, audit::store::trail as store};
use std::io::Write;
use vital_kernel::{AuditAction, AuditEntry, Error, Result};
use vital_store::PlatformReason;
use vital_trail::{Checkpoint, ExportHeader, ExportWriter, LogId, SignedNote, audit_event, syslog_line};

/// Entries that are read at a time.
const PAGE: i64 = 5_000;
/// Name that a machine without one has in syslog lines.
const NO_HOST: &str = "-";

/// The form of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Entries and checkpoints, for `vital-verify`.
    Jsonl,
    /// FHIR R4 `AuditEvent` resources, one a line.
    Fhir,
    /// RFC 5424 lines.
    Syslog,
}

impl std::str::FromStr for Format {
    type Err = String;
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text {
            "jsonl" => Ok(Self::Jsonl),
            "fhir" => Ok(Self::Fhir),
            "syslog" => Ok(Self::Syslog),
            other => Err(format!("`{other}` is none of `jsonl`, `fhir` and `syslog`")),
        }
    }
}

enum Sink<W: Write> {
    Jsonl(ExportWriter<W>),
    Lines { to: W, format: Format, host: String },
}

/// Exports the entries of a log that have their places, and returns how many. The export is an entry of the log itself.
///
/// # Errors
/// `Unavailable` where the database, the checkpoints or the target cannot be used.
pub async fn export<W: Write>(p: &Platform, log: LogId, format: Format, to: W, progress: impl Fn(u64)) -> Result<u64> {
    record(p, log, format).await?;
    let mut once = p.db.platform_once(PlatformReason::Trail).await?;
    let size =
        store::logs(once.conn()).await?.into_iter().find(|(l, ..)| *l == log).map_or(0, |(_, size, ..)| u64::try_from(size).unwrap_or(0));
    drop(once);
    let at = &p.trail.settings.folder;
    let size_of = |note: &SignedNote| Checkpoint::parse(&note.text).map(|c| c.size).unwrap_or(u64::MAX);
    let readable =
        |log| Ok::<_, Error>(folder::read(at, log)?.filter_map(std::result::Result::ok).filter(move |note| size_of(note) <= size));
    let (mut count, mut newest) = (0, None);
    for note in readable(log)? {
        count += 1;
        newest = Some(note);
    }
    let newest_size = newest.as_ref().map(size_of);
    let mut sink = match format {
        Format::Jsonl => {
            let keys = signing::public_keys(p)?;
            let name = keys.all().first().map(|key| key.name()).unwrap_or_default();
            let header = ExportHeader::new(log, Checkpoint::origin_of(name, log), size, count);
            Sink::Jsonl(ExportWriter::begin(to, &header, newest.as_ref()).map_err(unusable)?)
        }
        format => Sink::Lines { to, format, host: host() },
    };
    let mut older = readable(log)?.take(usize::try_from(count).unwrap_or(0).saturating_sub(1)).peekable();
    let mut behind = 0;
    while behind < size {
        let mut tx = p.db.trail(tenant_of(log)).await?;
        let rows = store::page(tx.conn(), log, behind, PAGE).await?;
        drop(tx);
        if rows.is_empty() {
            break;
        }
        for row in rows.into_iter().take(usize::try_from(size - behind).unwrap_or(usize::MAX)) {
            behind = row.seq().unwrap_or(u64::MAX);
            sink.entry(row, log, behind, newest_size)?;
            while older.peek().is_some_and(|note| size_of(note) <= behind) {
                if let (Some(note), Sink::Jsonl(writer)) = (older.next(), &mut sink) {
                    writer.checkpoint(&note).map_err(unusable)?;
                }
            }
        }
        progress(behind);
    }
    sink.finish()?;
    Ok(behind)
}

impl<W: Write> Sink<W> {
    fn entry(&mut self, row: store::Row, log: LogId, seq: u64, newest: Option<u64>) -> Result<()> {
        let (_, hash) = row.links();
        let entry = row.at_place(log, seq);
        match self {
            Self::Jsonl(writer) => writer.entry(entry, hash).map_err(unusable),
            Self::Lines { to, format, host } => {
                let leaf = entry.leaf();
                let line = match format {
                    Format::Syslog => syslog_line(&entry, &leaf, host),
                    _ => audit_event(&entry, &leaf, newest.filter(|size| *size >= seq)).to_string(),
                };
                writeln!(to, "{line}").map_err(|error| unusable(error.into()))
            }
        }
    }

    fn finish(self) -> Result<()> {
        match self {
            Self::Jsonl(writer) => writer.finish().map(drop).map_err(unusable),
            Self::Lines { mut to, .. } => to.flush().map_err(|error| unusable(error.into())),
        }
    }
}

fn host() -> String {
    std::fs::read_to_string("/etc/hostname").map_or_else(|_| NO_HOST.to_owned(), |name| name.trim().to_owned())
}

async fn record(p: &Platform, log: LogId, format: Format) -> Result<()> {
    let format = match format {
        Format::Jsonl => "jsonl",
        Format::Fhir => "fhir",
        Format::Syslog => "syslog",
    };
    let entry = AuditEntry::new(AuditAction::AuditExported, "audit_log", log).fields(&[format]);
    super::record(p, log, entry).await
}
