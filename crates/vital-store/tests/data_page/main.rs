//! What the database holds about people, column by column: the ledger is complete, true to the catalogue, and what docs/DATA.md shows.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ledger;
mod page;

use ledger::{Found, Ledger};
use sqlx::AssertSqlSafe;
use std::path::Path;
use vital_store::testdb::TestDb;

const LEDGER: &str = include_str!("../../data_classes.toml");

async fn migrated() -> Vec<Found> {
    let t = TestDb::new().await.unwrap();
    ledger::columns(&mut t.admin().await.unwrap()).await
}

#[tokio::test]
async fn every_column_has_purpose_class_encryption_and_retention() {
    let found = migrated().await;
    assert!(found.len() > 250, "the walk sees the columns: {}", found.len());
    let faults = Ledger::read(LEDGER).unwrap().faults(&found);
    assert!(faults.is_empty(), "crates/vital-store/data_classes.toml:\n{}", faults.join("\n"));
}

/// Three lists of sealed columns: the ledger's, the database's checks (`faults`), and the one by which values are sealed again.
#[test]
fn what_the_code_seals_is_what_the_ledger_calls_sealed() {
    let ledger = Ledger::read(LEDGER).unwrap();
    let columns = ledger.tables.iter().flat_map(|(table, t)| t.columns.iter().map(move |(column, c)| (format!("{table}.{column}"), c)));
    let mut by_ledger: Vec<String> = columns.filter(|(_, c)| c.encryption == "sealed").map(|(name, _)| name).collect();
    let mut by_code: Vec<String> = vital_store::SEALED.iter().map(|s| format!("public.{}.{}", s.table, s.column)).collect();
    by_ledger.sort_unstable();
    by_code.sort_unstable();
    assert_eq!(by_ledger, by_code);
    assert!(vital_store::SEALED.iter().all(|s| s.place == format!("{}.{}", s.table, s.column)), "a place is called like its column");
}

/// `UPDATE_DOCS=1` writes the generated part anew.
#[tokio::test]
async fn the_page_shows_the_ledger_in_force() {
    let generated = page::print(&Ledger::read(LEDGER).unwrap(), &migrated().await);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/DATA.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (by_hand, shown) = text.split_at(text.find(page::BEGINS).unwrap());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, format!("{by_hand}{generated}")).unwrap();
        return;
    }
    let first = generated.lines().zip(shown.lines()).find(|(a, b)| a != b).map_or("the end", |(a, _)| a);
    assert!(
        shown == generated,
        "docs/DATA.md is not what the ledger says, from this line on: {first}\n\
         review it and run: UPDATE_DOCS=1 cargo test -p vital-store --test data_page"
    );
}

/// Each change of the schema or the ledger breaks one rule on one column, which must be named.
#[tokio::test]
async fn a_column_that_nobody_classified_is_named() {
    let t = TestDb::new().await.unwrap();
    let mut admin = t.admin().await.unwrap();
    let ledger = Ledger::read(LEDGER).unwrap();
    for (statement, column, says) in [
        ("alter table public.members add date_of_birth date", "public.members.date_of_birth", "has no line"),
        ("create table app.notes (tenant_id uuid, note text)", "app.notes.note", "has no line"),
        ("alter table directory.sessions drop device", "directory.sessions.device", "is not in the database"),
        ("alter table public.citations rename n to nth", "public.citations.nth", "has no line"),
        (
            "alter table public.turns drop constraint question_sealed, alter question type text using encode(question, 'hex')",
            "public.turns.question",
            "claimed sealed but is text",
        ),
        ("alter table public.passages drop constraint body_sealed", "public.passages.body", "would take it unsealed"),
    ] {
        sqlx::raw_sql(AssertSqlSafe(format!("begin; {statement}"))).execute(&mut admin).await.unwrap();
        let faults = ledger.faults(&ledger::columns(&mut admin).await);
        sqlx::raw_sql("rollback").execute(&mut admin).await.unwrap();
        assert!(faults.iter().any(|f| f.contains(column) && f.contains(says)), "`{statement}` must be found; found {faults:?}");
    }
}

#[tokio::test]
async fn a_line_that_says_too_little_is_named() {
    let found = migrated().await;
    for (true_line, line, says) in [
        (r#""content", "sealed""#, r#""content", "none: it is small""#, "must be sealed"),
        (r#""credential", "hash""#, r#""credential", "none""#, "say why it is not encrypted"),
        (r#""credential", "hash""#, r#""secret", "hash""#, "no such class"),
        (r#""credential", "hash""#, r#""credential", "rot13""#, "no such encryption"),
        (r#""sealed", "upload""#, r#""sealed", "for ever""#, "no such retention"),
        (r#""sealed", "upload""#, r#""none: no reason at all", "upload""#, "refuses it unsealed"),
    ] {
        assert!(LEDGER.contains(true_line), "{true_line}");
        let faults = Ledger::read(&LEDGER.replace(true_line, line)).unwrap().faults(&found);
        assert!(faults.iter().any(|f| f.contains(says)), "{line} must be found; found {faults:?}");
    }
    assert!(Ledger::read("[retention]\n[\"public.x\"]\nabout = \"x\"\ny = [\"one\", \"two\"]").is_err());
}
