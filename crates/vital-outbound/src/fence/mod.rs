//! Who may open connections: the lint's list, the crates that use a library which connects by itself, and what docs/EGRESS.md says of both.
//!
//! Clippy refuses the functions of `clippy.toml` in code and tests; a library that connects without them is found here by its name in a
//! crate's dependencies. Both lists only shrink without a reason; each addition is a row of docs/EGRESS.md.

mod planted;

use crate::{Given, Purpose};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// Libraries that open connections, by the name of the package.
const CONNECTING: [&str; 31] = [
    "async-nats",
    "attohttpc",
    "awc",
    "curl",
    "hickory-client",
    "hickory-proto",
    "hickory-resolver",
    "instant-acme",
    "isahc",
    "lapin",
    "ldap3",
    "lettre",
    "minreq",
    "mongodb",
    "mysql_async",
    "postgres",
    "quinn",
    "rdkafka",
    "redis",
    "reqwest",
    "russh",
    "socket2",
    "sqlx",
    "ssh2",
    "surf",
    "tiberius",
    "tokio-postgres",
    "tokio-tungstenite",
    "tonic",
    "tungstenite",
    "ureq",
];

/// The only crates with such a library among the dependencies of what is shipped.
const EXEMPT: [(&str, &str); 12] = [
    ("vital", "reqwest"),
    ("vital-bench", "reqwest"),
    ("vital-bench", "sqlx"),
    ("vital-mail", "lettre"),
    ("vital-outbound", "reqwest"),
    ("vital-platform", "sqlx"),
    ("vital-store", "sqlx"),
    ("vital-testkit", "reqwest"),
    ("vital-testkit", "sqlx"),
    ("vital-throttle", "redis"),
    ("vital-tls", "hickory-resolver"),
    ("vital-tls", "instant-acme"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn toml_of(path: &Path) -> toml::Table {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).parse().unwrap()
}

/// The libraries that connect, of each crate: under their own or another name, for every target, tests and build scripts aside.
fn connecting() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for folder in fs::read_dir(root().join("crates")).unwrap() {
        let path = folder.unwrap().path().join("Cargo.toml");
        if path.exists() {
            let manifest = toml_of(&path);
            let name = manifest["package"]["name"].as_str().unwrap().to_owned();
            found.extend(libraries(&manifest).into_iter().map(|library| (name.clone(), library)));
        }
    }
    found.sort();
    found
}

fn libraries(manifest: &toml::Table) -> Vec<String> {
    let targets = manifest.get("target").and_then(toml::Value::as_table).into_iter().flat_map(toml::Table::values);
    let tables = targets.filter_map(|target| target.get("dependencies")).chain(manifest.get("dependencies"));
    let names = tables.filter_map(toml::Value::as_table).flatten();
    let packages = names.map(|(name, value)| value.get("package").and_then(toml::Value::as_str).unwrap_or(name).to_owned());
    packages.filter(|package| CONNECTING.contains(&package.as_str())).collect()
}

/// The rows of the table below a heading of docs/EGRESS.md, by their first column, which is code.
fn rows(heading: &str) -> BTreeMap<String, Vec<String>> {
    let text = fs::read_to_string(root().join("docs/EGRESS.md")).unwrap();
    let (_, section) = text.split_once(&format!("\n## {heading}\n")).unwrap_or_else(|| panic!("docs/EGRESS.md has no section `{heading}`"));
    let lines = section.lines().take_while(|line| !line.starts_with("## ")).filter(|line| line.starts_with("| `"));
    let cells = lines.map(|line| line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect::<Vec<_>>());
    cells.map(|cells| (cells[0].trim_matches('`').to_owned(), cells)).collect()
}

#[test]
fn no_other_crate_has_a_library_that_connects() {
    let expected: Vec<(String, String)> = EXEMPT.iter().map(|&(name, library)| (name.to_owned(), library.to_owned())).collect();
    assert_eq!(connecting(), expected, "use vital-outbound; an exemption is a row of docs/EGRESS.md, and one that is not needed goes");
}

#[test]
fn a_library_is_found_under_another_name_and_for_one_target() {
    let manifest = "[dependencies]\nserde = '1'\nhttp = { package = 'ureq', version = '3' }\n[target.'cfg(unix)'.dependencies]\nisahc.workspace = true\n\
        [dev-dependencies]\ncurl = '1'";
    assert_eq!(libraries(&manifest.parse().unwrap()), ["isahc", "ureq"]);
}

#[test]
fn the_http_library_has_no_client_of_its_own() {
    let workspace = toml_of(&root().join("Cargo.toml"));
    for library in ["hyper", "hyper-util"] {
        let features = workspace["workspace"]["dependencies"][library]["features"].as_array().unwrap();
        assert!(features.iter().all(|feature| !feature.as_str().unwrap().contains("client")), "{library}: {features:?}");
    }
}

#[test]
fn each_function_that_the_lint_refuses_is_planted() {
    let planted = include_str!("planted.rs");
    let clippy = toml_of(&root().join("clippy.toml"));
    let refused = clippy["disallowed-methods"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["reason"].as_str().unwrap().contains("vital-outbound"));
    let paths: Vec<&str> = refused.map(|entry| entry["path"].as_str().unwrap()).collect();
    assert!(paths.len() >= 12, "{paths:?}");
    for path in paths {
        assert!(planted.contains(&format!("planted: {path}\"")), "{path}");
    }
}

#[test]
fn the_document_tells_of_every_purpose_and_its_limits() {
    let mut rows = rows("What the platform asks for itself");
    for purpose in Purpose::ALL {
        let row = rows.remove(purpose.as_str()).unwrap_or_else(|| panic!("docs/EGRESS.md has no row `{}`", purpose.as_str()));
        let limits = purpose.limits();
        let given = if purpose.given() == Given::ByOperator { "the configuration" } else { "an organisation" };
        let body = match limits.body_bytes_max {
            bytes if bytes >= 1024 * 1024 => format!("{} MiB", bytes / 1024 / 1024),
            bytes => format!("{} KiB", bytes / 1024),
        };
        let told = [
            given.to_owned(),
            format!("{} s, {} s", limits.connect.as_secs(), limits.total.as_secs()),
            body,
            purpose.redirects_max().to_string(),
        ];
        assert_eq!(row[3..], told, "{}", purpose.as_str());
    }
    assert!(rows.is_empty(), "purposes that there are not: {:?}", rows.keys());
}

#[test]
fn the_document_tells_of_every_connection_beside_the_client() {
    let rows = rows("What connects beside it");
    let told: Vec<&String> = rows.keys().collect();
    let mut exempt: Vec<String> =
        EXEMPT.iter().filter(|(name, _)| *name != "vital-outbound").map(|(name, library)| format!("{name}: {library}")).collect();
    exempt.sort();
    assert_eq!(told, exempt.iter().collect::<Vec<_>>());
}
