//! Handing out what the explorer shows: the entries that a filter lets through, as JSON lines or as a table.
//!
//! **Invariants:** a download is an entry of the trail before its first byte is read, so the weekly review lists it; it asks for a fresh second factor,
//! because it takes the whole of what an auditor may see to where nobody records who reads it; it is whole or refused, never cut; a line has the bytes
//! that `vital audit export` writes for the same entry.
//!
//! Not here: checkpoints. Entries that a filter left standing prove nothing about those it took away, so only an export of a whole log can be verified.

use super::{
    Entry,
    explore::{self, Filter},
    store,
};
use crate::Platform;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;
use vital_kernel::{AuditAction, AuditEntry, Error, OpContext, Permission, Result, iso, limits};
use vital_trail::{LogId, entry_line};

/// Entries that are read at a time.
const PAGE: i64 = 1_000;
/// The first line of a table.
const COLUMNS: &str = "number,time,actor_id,actor,actor_kind,action,meaning,resource,objects,member,fields,request_id,entry_id\r\n";
/// What a cell begins with that spreadsheets take for a formula.
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// The form of a download.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DownloadFormat {
    /// JSON lines, as `vital audit export` writes them.
    Jsonl,
    /// A table (RFC 4180) with the names of people. Whatever a spreadsheet would take for a formula begins with an apostrophe.
    Csv,
}

impl DownloadFormat {
    /// The stable name, which is the end of the file's name too.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
        }
    }
}

impl std::str::FromStr for DownloadFormat {
    type Err = Error;
    fn from_str(name: &str) -> Result<Self> {
        [Self::Jsonl, Self::Csv].into_iter().find(|f| f.as_str() == name).ok_or_else(|| {
            Error::invalid("audit.format", "There is no such format. Nothing was read.").with_field("/format", "Choose `jsonl` or `csv`.")
        })
    }
}

/// Downloads the entries that fit a filter and have their numbers, oldest first; its cursor and limit do not count. Entries of the last second may still
/// wait for their number. That it was done is an entry.
///
/// # Errors
/// `Forbidden` without the permission to read the trail or a recent proof of a second factor; `Invalid` for an action that does not exist; `TooLarge`
/// where more than `AUDIT_DOWNLOAD_ENTRIES_MAX` fit.
pub async fn download(p: &Platform, cx: &OpContext, filter: &Filter, format: DownloadFormat) -> Result<Vec<u8>> {
    cx.require(Permission::AuditRead)?;
    cx.require_step_up()?;
    let log = LogId(cx.tenant().0);
    let mut tx = p.db.read(cx).await?;
    let mut wanted = explore::wanted(&mut tx, filter).await?;
    tx.end().await?;
    let entry = AuditEntry::new(AuditAction::AuditExported, "audit_log", log).fields(&[format.as_str()]);
    p.db.write(cx).await?.commit(entry).await?;
    let mut tx = p.db.read(cx).await?;
    let (mut rows, most) = (Vec::new(), limits::AUDIT_DOWNLOAD_ENTRIES_MAX);
    (wanted.before, wanted.limit) = (None, PAGE);
    loop {
        let page = store::explore::entries(&mut tx, &wanted).await?;
        let last: Option<Uuid> = page.last().map(|row| row.id);
        let whole = i64::try_from(page.len()).is_ok_and(|n| n == PAGE);
        rows.extend(page.into_iter().filter(|row| row.seq.is_some()));
        if rows.len() > most {
            return Err(too_many(most));
        }
        if !whole {
            break;
        }
        wanted.before = last;
    }
    rows.sort_unstable_by_key(|row| row.seq);
    match format {
        DownloadFormat::Jsonl => lines(log, rows),
        DownloadFormat::Csv => {
            let entries = explore::named(&mut tx, rows).await?;
            Ok(entries.iter().fold(COLUMNS.to_owned(), |table, entry| table + &row(entry)).into_bytes())
        }
    }
}

fn too_many(most: usize) -> Error {
    Error::too_large(
        "audit.download_too_large",
        format!(
            "More than {most} entries fit, which is more than one download holds. Nothing was handed out; choose fewer days, or have whoever runs the server do it with `vital audit export`."
        ),
    )
}

fn lines(log: LogId, rows: Vec<store::explore::EntryRow>) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    for row in rows {
        let (entry, hash) = row.at_place(log);
        entry_line(&mut out, entry, hash).map_err(Error::internal)?;
    }
    Ok(out)
}

fn row(e: &Entry) -> String {
    let (id, name, kind) = e.actor.as_ref().map_or_else(Default::default, |who| (who.id.to_string(), who.name.clone(), who.kind.clone()));
    let cells = [
        e.seq.map(|seq| seq.to_string()).unwrap_or_default(),
        iso(e.at),
        id,
        name,
        kind,
        e.action.clone(),
        e.says.clone(),
        e.resource.clone(),
        e.objects.join(" "),
        e.member.clone().unwrap_or_default(),
        e.fields.join(" "),
        e.request_id.to_string(),
        e.id.to_string(),
    ];
    cells.map(|text| cell(&text)).join(",") + "\r\n"
}

/// A cell in quotes, harmless to spreadsheets.
fn cell(text: &str) -> String {
    let guard = if text.starts_with(FORMULA) { "'" } else { "" };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_that_would_be_a_formula_is_text() {
        for bad in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "=HYPERLINK(\"http://x\")"] {
            assert!(cell(bad).starts_with("\"'"), "{bad:?}");
        }
        assert_eq!(cell("Ada \"A\" Example, PhD"), "\"Ada \"\"A\"\" Example, PhD\"");
    }

    #[test]
    fn a_row_has_a_cell_for_each_column() {
        let entry = Entry {
            id: Uuid::nil(),
            seq: Some(7),
            at: vital_kernel::now(),
            actor: None,
            action: "document.read".to_owned(),
            says: "read a document".to_owned(),
            resource: "document".to_owned(),
            objects: vec!["a".to_owned(), "b".to_owned()],
            member: None,
            fields: Vec::new(),
            request_id: Uuid::nil(),
        };
        assert_eq!(row(&entry).split(',').count(), COLUMNS.split(',').count());
    }

    proptest! {
        #[test]
        fn a_cell_ends_where_it_should_and_begins_with_no_formula(text in any::<String>()) {
            let cell = cell(&text);
            let inner = &cell[1..cell.len() - 1];
            prop_assert!(!inner.starts_with(FORMULA));
            prop_assert!(!inner.replace("\"\"", "").contains('"'), "every quote inside is doubled");
        }
    }
}
