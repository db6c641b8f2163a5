//! The ledger as a table (CSV, RFC 4180): each request with its exact cost.

use super::{charge::Basis, rates::money, report, store};
use crate::Platform;
use std::fmt::Write as _;
use time::{Date, OffsetDateTime, format_description::well_known::Rfc3339};
use uuid::Uuid;
use vital_kernel::{AuditAction, AuditEntry, Error, OpContext, Permission, Result, now};

/// Most rows of one table.
pub const ROWS_MAX: i64 = 100_000;

const HEAD: &str = "id,at,settled_at,person_id,person,expert_id,expert,turn_id,purpose,provider,model,input_tokens,cached_input_tokens,cache_write_tokens,output_tokens,reasoning_tokens,cost_usd,basis\r\n";

/// A row of the ledger with the names of who is in it.
pub(super) struct Entry {
    pub id: Uuid,
    pub at: OffsetDateTime,
    pub settled_at: OffsetDateTime,
    pub user: Option<Uuid>,
    pub person: Option<String>,
    pub expert: Option<Uuid>,
    pub expert_name: Option<String>,
    pub turn: Option<Uuid>,
    pub purpose: String,
    pub provider: String,
    pub model: String,
    pub input: i64,
    pub cached_input: i64,
    pub cache_write: i64,
    pub output: i64,
    pub reasoning: i64,
    pub pico: Option<i64>,
    pub basis: Basis,
}

/// Writes the ledger from one day to another as CSV, oldest request first; the last 30 days where nothing is said. A cost is exact; it is empty
/// where the model had no price.
///
/// # Errors
/// `Forbidden` without the permission to see use; `Invalid` for days that are not in order or more than 400; `TooLarge` for more than 100,000 rows.
pub async fn export(p: &Platform, cx: &OpContext, from: Option<Date>, to: Option<Date>) -> Result<String> {
    cx.require(Permission::UsageRead)?;
    let (from, to) = report::range(now().date(), from, to)?;
    let mut tx = p.db.write(cx).await?;
    let rows = store::entries(&mut tx, from.midnight().assume_utc(), report::after(to), ROWS_MAX + 1).await?;
    if i64::try_from(rows.len()).unwrap_or(i64::MAX) > ROWS_MAX {
        return Err(Error::too_large(
            "usage.too_many_rows",
            format!("These days have more than {ROWS_MAX} requests. Nothing was written; ask for fewer days at once."),
        ));
    }
    tx.commit(AuditEntry::new(AuditAction::UsageExported, "usage", format!("{from}/{to}"))).await?;
    rows.iter().try_fold(HEAD.to_owned(), |mut out, row| {
        line(&mut out, row)?;
        Ok(out)
    })
}

fn line(out: &mut String, row: &Entry) -> Result<()> {
    let id = |id: Option<Uuid>| id.map(|id| id.to_string()).unwrap_or_default();
    let at = |at: OffsetDateTime| at.format(&Rfc3339).map_err(Error::internal);
    let text = |text: Option<&str>| csv_cell(text.unwrap_or_default());
    let _infallible = write!(
        out,
        "{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}\r\n",
        row.id,
        at(row.at)?,
        at(row.settled_at)?,
        id(row.user),
        text(row.person.as_deref()),
        id(row.expert),
        text(row.expert_name.as_deref()),
        id(row.turn),
        csv_cell(&row.purpose),
        csv_cell(&row.provider),
        csv_cell(&row.model),
        row.input,
        row.cached_input,
        row.cache_write,
        row.output,
        row.reasoning,
        row.pico.and_then(money).map(|m| m.decimal()).unwrap_or_default(),
        row.basis.as_str()
    );
    Ok(())
}

/// Makes a cell of a text. What a spreadsheet would take for a formula gets an apostrophe in front.
#[must_use]
pub fn csv_cell(text: &str) -> String {
    let formula = text.trim_start().starts_with(['=', '+', '-', '@']) || text.starts_with(['\t', '\r', '\n']);
    let text = if formula { format!("'{text}") } else { text.to_owned() };
    if text.contains(['"', ',', '\r', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula_or_breaks_the_row() {
        let table = [
            ("gpt", "gpt"),
            ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
            (" @x", "' @x"),
            ("-1+1", "'-1+1"),
            ("\tx", "'\tx"),
            ("a,b", "\"a,b\""),
            ("a\"b", "\"a\"\"b\""),
            ("=a\r\nb", "\"'=a\r\nb\""),
        ];
        for (text, wanted) in table {
            assert_eq!(csv_cell(text), wanted);
        }
    }
}
