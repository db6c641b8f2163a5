//! The reviewed ledger `data_classes.toml`, and its comparison with what the system catalogue says the columns are.
//!
//! **Invariants:** the ledger and the catalogue name the same columns; what is claimed sealed is bytes that the database itself refuses
//! unsealed; nothing that names or describes a person lies unencrypted without a reason.

use serde::Deserialize;
use sqlx::PgConnection;
use std::collections::BTreeMap;

/// Values of the third field that stand alone or before a reason.
const ENCRYPTIONS: [&str; 5] = ["none", "sealed", "wrapped", "hash", "password_hash"];
const CLASSES: [&str; 6] = ["none", "operational", "identifier", "credential", "content", "derived"];

/// Promise and practice of how long something is kept.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    pub policy: String,
    pub enforced: String,
}

/// What the ledger says about one column.
pub struct Column {
    pub purpose: String,
    pub class: String,
    pub encryption: String,
    pub retention: String,
}

/// What the ledger says about one table.
pub struct Table {
    pub about: String,
    pub columns: BTreeMap<String, Column>,
}

/// The whole ledger.
pub struct Ledger {
    pub retention: BTreeMap<String, Retention>,
    pub tables: BTreeMap<String, Table>,
}

/// A column as the catalogue has it, in the order of its table.
#[derive(Clone, sqlx::FromRow)]
pub struct Found {
    /// Schema and table.
    pub table: String,
    pub column: String,
    pub kind: String,
    /// Whether a check of the table refuses values that do not begin like sealed ones.
    pub refused_unsealed: bool,
}

impl Ledger {
    /// Reads the ledger.
    ///
    /// # Errors
    /// A sentence that names what cannot be read.
    pub fn read(text: &str) -> Result<Self, String> {
        let mut file: BTreeMap<String, toml::Value> = toml::from_str(text).map_err(|e| e.to_string())?;
        let retention = file.remove("retention").ok_or("there is no [retention]")?.try_into().map_err(|e| format!("[retention]: {e}"))?;
        let tables = file.into_iter().map(|(name, value)| table(&name, value).map(|t| (name, t))).collect::<Result<_, _>>()?;
        Ok(Self { retention, tables })
    }

    /// Every fault of the ledger against the catalogue, each a sentence that says what to do.
    pub fn faults(&self, found: &[Found]) -> Vec<String> {
        let mut faults = Vec::new();
        for f in found {
            match self.tables.get(&f.table).and_then(|t| t.columns.get(&f.column)) {
                None => faults.push(format!("{}.{} has no line: say its purpose, class, encryption and retention", f.table, f.column)),
                Some(c) => faults.extend(self.faults_of(f, c)),
            }
        }
        for (table, t) in &self.tables {
            for column in t.columns.keys().filter(|c| !found.iter().any(|f| f.table == *table && f.column == **c)) {
                faults.push(format!("{table}.{column} is not in the database: take its line out"));
            }
        }
        faults
    }

    fn faults_of(&self, found: &Found, c: &Column) -> Vec<String> {
        let name = format!("{}.{}", found.table, found.column);
        let (how, why) = c.encryption.split_once(':').map_or((c.encryption.as_str(), None), |(how, why)| (how, Some(why.trim())));
        let mut faults = Vec::new();
        let mut fault = |wrong: bool, what: &str| {
            if wrong {
                faults.push(format!("{name}: {what}"));
            }
        };
        fault(c.purpose.len() < 3, "say what it is for");
        fault(!CLASSES.contains(&c.class.as_str()), "there is no such class");
        fault(!ENCRYPTIONS.contains(&how), "there is no such encryption");
        fault(!self.retention.contains_key(&c.retention), "there is no such retention class");
        fault(c.class == "content" && how != "sealed", "content must be sealed under the organisation's key");
        let personal = ["identifier", "credential", "derived"].contains(&c.class.as_str());
        fault(personal && how == "none" && why.is_none_or(|w| w.len() < 10), "say why it is not encrypted: `none: reason`");
        fault(["sealed", "wrapped", "hash"].contains(&how) && found.kind != "bytea", &format!("it is claimed {how} but is {}", found.kind));
        fault(how == "password_hash" && found.kind != "text", "a password's hash is text");
        fault(
            how == "sealed" && !found.refused_unsealed,
            "it is claimed sealed, but the database would take it unsealed (app.seal_column)",
        );
        fault(how != "sealed" && found.refused_unsealed, "the database refuses it unsealed, so it is `sealed`");
        faults
    }
}

fn table(name: &str, value: toml::Value) -> Result<Table, String> {
    let mut lines: BTreeMap<String, toml::Value> = value.try_into().map_err(|e| format!("[{name}]: {e}"))?;
    let about = lines.remove("about").and_then(|a| a.as_str().map(str::to_owned)).ok_or_else(|| format!("[{name}] has no `about`"))?;
    let columns = lines.into_iter().map(|(column, line)| {
        let [purpose, class, encryption, retention]: [String; 4] =
            line.try_into().map_err(|_| format!("{name}.{column} is not [\"purpose\", \"class\", \"encryption\", \"retention\"]"))?;
        Ok((column, Column { purpose, class, encryption, retention }))
    });
    Ok(Table { about, columns: columns.collect::<Result<_, String>>()? })
}

/// Every column of every table, whatever its schema, but for the server's own.
pub async fn columns(conn: &mut PgConnection) -> Vec<Found> {
    sqlx::query_as(
        r#"select n.nspname || '.' || c.relname as "table", a.attname::text as "column", format_type(a.atttypid, a.atttypmod) as kind,
                  exists (select from pg_constraint k where k.conrelid = c.oid and k.contype = 'c' and k.conkey = array[a.attnum]
                          and pg_get_constraintdef(k.oid) like '%get_byte(' || quote_ident(a.attname) || ', 0) = 2%') as refused_unsealed
           from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
           where c.relkind in ('r', 'p', 'm', 'f') and a.attnum > 0 and not a.attisdropped
                 and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast') and n.nspname !~ '^pg_(temp|toast_temp)'
           order by 1, a.attnum"#,
    )
    .fetch_all(conn)
    .await
    .unwrap()
}
