//! Capabilities depend one way: each may use what stands before it in the order, and nothing behind it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs, path::Path};

const ORDER: [&str; 14] = [
    "outbox",
    "tenancy",
    "identity",
    "idempotency",
    "usage",
    "knowledge",
    "tools",
    "experts",
    "providers",
    "ask",
    "find",
    "relay",
    "audit",
    "webhooks",
];
/// Tenancy and identity stand side by side and may know each other.
const PEERS: [(&str, &str); 2] = [("tenancy", "identity"), ("identity", "tenancy")];

fn sources(folder: &Path, out: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

/// The capabilities that a file names after `crate::`, in single and in grouped imports.
fn used(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for part in text.split("crate::").skip(1) {
        let group = part.strip_prefix('{').and_then(|p| p.split_once(';')).map_or(part, |(inside, _)| inside);
        let names: Vec<&str> = if part.starts_with('{') { group.split([',', '{', '\n']).collect() } else { vec![part] };
        for name in names {
            let name: String = name.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if ORDER.contains(&name.as_str()) {
                found.push(name);
            }
        }
    }
    found
}

#[test]
fn no_capability_uses_one_behind_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut checked = 0;
    for (place, capability) in ORDER.iter().enumerate() {
        let mut files = Vec::new();
        sources(&root.join(capability), &mut files);
        for file in files {
            let text = fs::read_to_string(&file).unwrap();
            for other in used(&text) {
                let allowed = ORDER[..=place].contains(&other.as_str()) || PEERS.contains(&(capability, other.as_str()));
                assert!(allowed, "{} uses `{other}`, which stands behind `{capability}`", file.display());
                checked += 1;
            }
        }
    }
    assert!(checked >= 10, "the test reads the imports: {checked}");
}

#[test]
fn the_reader_sees_single_and_grouped_imports() {
    assert_eq!(used("use crate::ask::Turn;"), ["ask"]);
    assert_eq!(used("use crate::{\n    Platform,\n    experts::{self, Expert},\n    knowledge,\n};"), ["experts", "knowledge"]);
}

/// SQL stands in the `store.rs` of its capability, or in the files of its `store` folder, and nowhere else.
#[test]
fn only_store_files_hold_sql() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let (stores, others): (Vec<_>, Vec<_>) = files.into_iter().partition(|f| {
        f.file_name().is_some_and(|n| n == "store.rs") || f.parent().and_then(Path::file_name).is_some_and(|n| n == "store")
    });
    assert!(stores.len() >= 5);
    for file in others {
        assert!(!fs::read_to_string(&file).unwrap().contains("sqlx::"), "{} holds SQL", file.display());
    }
}
