//! The inventory `docs/CRYPTOGRAPHY.md`: every file that uses a cryptographic library stands in it, every algorithm that code names, and nothing that is gone.
//!
//! Not here: whether what it says of a use is right. Reviewers read that.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// What stands in a file that uses cryptography.
const USES: [&str; 17] = [
    "ring::",
    "sha2::",
    "sha1::",
    "md5::",
    "argon2::",
    "rsa::",
    "rcgen::",
    "cryptoki::",
    "rustls::",
    "subtle::",
    "x509_parser::",
    "instant_acme::",
    "aes_gcm::",
    "chacha20poly1305::",
    "fill_bytes(",
    "OsRng",
    "SystemRandom",
];
/// How names of algorithms begin, in the libraries that are used.
const ALGORITHMS: [&str; 13] = [
    "AES_",
    "CHACHA20_",
    "HMAC_SHA",
    "HKDF_SHA",
    "PBKDF2_",
    "ED25519",
    "ECDSA_P",
    "RSA_P",
    "SHA1_",
    "SHA256",
    "SHA384",
    "SHA512",
    "PKCS_ECDSA",
];
/// Parts of paths of what is not in the product.
const NOT_SHIPPED: [&str; 7] = ["/tests", "_tests.rs", "/testdb.rs", "/scripted", "/vital-testkit/", "/vital-bench/", "/examples/"];
/// Fewest files that a search which works finds.
const FILES_MIN: usize = 30;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn inventory() -> String {
    fs::read_to_string(root().join("docs/CRYPTOGRAPHY.md")).unwrap()
}

/// What stands between backticks in the tables.
fn named(inventory: &str) -> BTreeSet<String> {
    inventory.lines().filter(|line| line.starts_with('|')).flat_map(|line| line.split('`').skip(1).step_by(2)).map(str::to_owned).collect()
}

/// Sources of the product with what stands in them before their tests.
fn sources(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        if NOT_SHIPPED.iter().any(|part| format!("/{name}").contains(part)) {
            continue;
        }
        if path.is_dir() {
            sources(&path, found);
        } else if name.ends_with(".rs") && name.contains("/src/") {
            let text = fs::read_to_string(&path).unwrap();
            let shipped = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            let code: Vec<&str> = shipped.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
            found.push((name, code.join("\n")));
        }
    }
}

fn product() -> Vec<(String, String)> {
    let mut found = Vec::new();
    sources(&root().join("crates"), &mut found);
    found
}

/// Whether a word begins at a place of the text.
fn begins_word(text: &str, at: usize) -> bool {
    !text[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
}

/// Names of algorithms in a source.
fn algorithms(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for start in ALGORITHMS {
        for (at, _) in code.match_indices(start).filter(|(at, _)| begins_word(code, *at)) {
            found.insert(code[at..].chars().take_while(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || *c == '_').collect());
        }
    }
    found
}

fn uses(code: &str) -> bool {
    USES.iter().any(|use_| code.match_indices(use_).any(|(at, _)| begins_word(code, at) || use_.starts_with("fill")))
}

#[test]
fn every_use_of_cryptography_is_in_the_inventory_and_nothing_that_is_gone() {
    let named = named(&inventory());
    let places: Vec<&String> = named.iter().filter(|name| name.starts_with("crates/")).collect();
    let using: BTreeSet<String> = product().into_iter().filter(|(_, code)| uses(code)).map(|(name, _)| name).collect();
    assert!(using.len() >= FILES_MIN, "the search finds something: {using:?}");
    let covers = |place: &str, file: &str| if place.ends_with('/') { file.starts_with(place) } else { file == place };
    let missing: Vec<&String> = using.iter().filter(|file| !places.iter().any(|place| covers(place, file))).collect();
    assert!(missing.is_empty(), "not in docs/CRYPTOGRAPHY.md: {missing:#?}");
    let gone: Vec<&&String> = places.iter().filter(|place| !using.iter().any(|file| covers(place, file))).collect();
    assert!(gone.is_empty(), "docs/CRYPTOGRAPHY.md names what uses no cryptography: {gone:#?}");
}

#[test]
fn every_algorithm_that_code_names_is_in_the_inventory() {
    let named = named(&inventory());
    let used: BTreeSet<String> = product().iter().filter(|(_, code)| uses(code)).flat_map(|(_, code)| algorithms(code)).collect();
    assert!(used.contains("AES_256_GCM") && used.contains("ED25519"), "{used:?}");
    let missing: Vec<&String> = used.iter().filter(|name| !named.contains(*name)).collect();
    assert!(missing.is_empty(), "not in docs/CRYPTOGRAPHY.md: {missing:?}");
}

#[test]
fn uses_and_names_are_told_from_other_words() {
    assert!(
        uses("use ring::aead;")
            && uses("rand::rng().fill_bytes(&mut x)")
            && !uses("let string = String::new();")
            && !uses("let measuring: u8")
    );
    assert_eq!(algorithms("&AES_256_GCM, MY_AES_256, SHA256").into_iter().collect::<Vec<_>>(), ["AES_256_GCM", "SHA256"]);
}
