//! Prints the generated part of docs/DATA.md.

use crate::ledger::{Found, Ledger};
use std::fmt::Write as _;

/// The heading at which the generated part begins; everything above it is written by hand.
pub const BEGINS: &str = "## Every column\n";

/// Prints retention classes and all tables.
pub fn print(ledger: &Ledger, found: &[Found]) -> String {
    let mut out = String::from(BEGINS);
    out.push_str(
        "\nThis part is printed from `crates/vital-store/data_classes.toml` and the migrated schema; a test holds it against both.\n",
    );
    out.push_str("\n### How long\n\n| Retention | Policy | Enforced today |\n|---|---|---|\n");
    for (name, r) in &ledger.retention {
        let _infallible = writeln!(out, "| {name} | {} | {} |", cell(&r.policy), cell(&r.enforced));
    }
    for (name, table) in &ledger.tables {
        let _infallible = write!(out, "\n### `{name}`\n\n{}.\n\n", table.about);
        out.push_str("| Column | Type | Purpose | Class | Encryption | Retention |\n|---|---|---|---|---|---|\n");
        for f in found.iter().filter(|f| f.table == *name) {
            let Some(c) = table.columns.get(&f.column) else { continue };
            let (column, kind, purpose, encryption) = (&f.column, &f.kind, cell(&c.purpose), cell(&c.encryption));
            let _infallible = writeln!(out, "| `{column}` | {kind} | {purpose} | {} | {encryption} | {} |", c.class, c.retention);
        }
    }
    out
}

/// Text that cannot end its cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
