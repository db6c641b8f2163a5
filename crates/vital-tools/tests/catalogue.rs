//! The catalogue keeps its own rules, and docs/TOOLS.md says the same.

#![expect(clippy::unwrap_used, reason = "the page's table is made by a function of the test")]

use std::{collections::HashSet, fmt::Write as _, path::Path, time::Duration};
use vital_tools::{Reach, ToolInfo, catalogue, schema::Schema};

#[test]
fn names_schemas_and_limits_keep_the_rules() {
    let mut names = HashSet::new();
    for tool in catalogue() {
        assert!(names.insert(tool.name), "{}", tool.name);
        let letters = tool.name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        assert!(letters && tool.name.len() <= 64 && tool.name.as_bytes()[0].is_ascii_lowercase(), "{}", tool.name);
        for schema in [(tool.input_schema)(), (tool.output_schema)()] {
            Schema::new(schema).unwrap_or_else(|fault| panic!("{}: {fault}", tool.name));
            assert_eq!(schema["additionalProperties"], false, "{}", tool.name);
        }
        assert!(tool.timeout <= Duration::from_secs(20) && !tool.summary.is_empty() && !tool.licence.is_empty() && !tool.source.is_empty());
        assert_eq!(tool.reach == Reach::Local, tool.rate.is_none(), "{}", tool.name);
        assert_eq!(tool.reach == Reach::Local, tool.cache.is_zero(), "{}", tool.name);
    }
    assert!(names.len() >= 8);
}

/// The table of the page, from the catalogue.
fn table() -> String {
    let mut table = "| Tool | What for | What leaves the house | Rate | Longest call | Remembered | Terms | Formula or interface |\n|---|---|---|---|---|---|---|---|\n".to_owned();
    for ToolInfo { name, title, reach, rate, timeout, cache, licence, source, .. } in catalogue() {
        let leaves = match reach {
            Reach::Local => "nothing".to_owned(),
            Reach::Public { host } => format!("the query, to {host}"),
        };
        let rate = rate.map_or("-".to_owned(), |rate| format!("{} in {} s", rate.burst, rate.per.as_secs()));
        let cache = if cache.is_zero() { "-".to_owned() } else { format!("{} h", cache.as_secs() / 3_600) };
        writeln!(table, "| `{name}` | {title} | {leaves} | {rate} | {} s | {cache} | {licence} | {source} |", timeout.as_secs()).unwrap();
    }
    table
}

#[test]
fn the_page_of_tools_is_the_catalogue() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/TOOLS.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once("<!-- the catalogue -->\n").expect("a marker before the table");
    let (written, after) = rest.split_once("<!-- end -->\n").expect("a marker after the table");
    let table = table();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, format!("{before}<!-- the catalogue -->\n{table}<!-- end -->\n{after}")).unwrap();
    } else {
        assert_eq!(written, table, "run UPDATE_DOCS=1 cargo test -p vital-tools --test catalogue");
    }
}
