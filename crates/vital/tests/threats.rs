//! The documents about security say what is so: every risk of THREAT_MODEL.md is shown by a test that exists or is called open, every
//! proof command of SECURITY.md selects tests, and links lead to files.
//!
//! Not here: whether the tests show what the words say. That is for the reviewer.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

const THREATS: &str = include_str!("../../../THREAT_MODEL.md");
const SECURITY: &str = include_str!("../../../SECURITY.md");
const PENTEST: &str = include_str!("../../../docs/PENTEST.md");
/// How much stays while a risk is open.
const RESIDUALS: [&str; 3] = ["low", "medium", "high"];

/// A row of the table of risks.
struct Risk<'a> {
    id: &'a str,
    letters: &'a str,
    boundary: &'a str,
    control: &'a str,
    proof: &'a str,
}

impl Risk<'_> {
    /// What of the residual risk is stated; none where nothing is open.
    fn open(&self) -> Option<&str> {
        let (_, open) = self.proof.split_once("open: ")?;
        open.rsplit_once("residual: ").map(|(_, residual)| residual.trim().trim_end_matches('.'))
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn rows<'a>(text: &'a str, prefix: &'a str) -> impl Iterator<Item = Vec<&'a str>> {
    let lines = text.lines().filter(move |line| line.strip_prefix("| ").is_some_and(|rest| rest.starts_with(prefix)));
    lines.map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
}

fn risks(text: &str) -> Result<Vec<Risk<'_>>, String> {
    rows(text, "R-")
        .map(|cells| match cells[..] {
            [id, _threat, letters, boundary, _effect, control, proof] => Ok(Risk { id, letters, boundary, control, proof }),
            _ => Err(format!("{}: {} cells instead of 7", cells[0], cells.len())),
        })
        .collect()
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Tells whether a file of the workspace has a test of this name: `crate/path.rs::name`.
fn is_test(name: &str) -> bool {
    let Some((file, function)) = name.split_once("::") else { return false };
    let Ok(text) = std::fs::read_to_string(root().join("crates").join(file)) else { return false };
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let is_it = |line: &str| {
        let signature = line.strip_prefix("async ").unwrap_or(line);
        signature.strip_prefix("fn ").and_then(|s| s.strip_prefix(function)).is_some_and(|s| s.starts_with('('))
    };
    let marked = |at: usize| lines[at.saturating_sub(3)..at].iter().any(|l| l.starts_with("#[test") || l.starts_with("#[tokio::test"));
    lines.iter().enumerate().any(|(at, line)| is_it(line) && marked(at))
}

fn exists(path: &str) -> bool {
    let path = path.split("::").next().unwrap_or_default();
    [root(), root().join("crates")].iter().any(|folder| folder.join(path).exists())
}

/// Every fault of the table of risks.
fn faults(text: &str) -> Vec<String> {
    let risks = match risks(text) {
        Ok(risks) => risks,
        Err(fault) => return vec![fault],
    };
    let boundaries: Vec<&str> = rows(text, "B").map(|cells| cells[0]).collect();
    let mut faults = Vec::new();
    for (n, risk) in risks.iter().enumerate() {
        let mut fault = |wrong: bool, what: String| {
            if wrong {
                faults.push(format!("{}: {what}", risk.id));
            }
        };
        fault(risk.id != format!("R-{:02}", n + 1), format!("ids are consecutive: R-{:02} is due", n + 1));
        fault(risk.letters.is_empty() || !risk.letters.chars().all(|c| "STRIDE".contains(c)), "letters are those of STRIDE".to_owned());
        for boundary in risk.boundary.split(", ") {
            fault(!boundaries.contains(&boundary), format!("there is no boundary {boundary}"));
        }
        for path in quoted(risk.control).filter(|p| p.contains('/') && !p.starts_with('/')) {
            fault(!exists(path), format!("`{path}` is not there"));
        }
        let tests: Vec<&str> = quoted(risk.proof.split("open: ").next().unwrap_or_default()).collect();
        for test in &tests {
            fault(!is_test(test), format!("there is no test `{test}`"));
        }
        let claims_open = risk.proof.contains("open: ");
        fault(tests.is_empty() && !claims_open, "neither a test nor `open: what is missing; residual: …`".to_owned());
        fault(
            claims_open && risk.open().is_none_or(|r| !RESIDUALS.contains(&r)),
            "an open risk ends in `residual: low|medium|high`".to_owned(),
        );
    }
    faults
}

#[test]
fn every_risk_is_shown_by_a_test_or_called_open() {
    let faults = faults(THREATS);
    assert!(faults.is_empty(), "THREAT_MODEL.md:\n{}", faults.join("\n"));
    assert!(risks(THREATS).unwrap().len() >= 50);
}

#[test]
fn the_list_of_open_risks_is_the_one_of_the_table() {
    let risks = risks(THREATS).unwrap();
    for residual in RESIDUALS {
        let open: Vec<&str> = risks.iter().filter(|r| r.open() == Some(residual)).map(|r| r.id).collect();
        let line = format!("- **{residual}**: {}\n", open.join(", "));
        assert!(THREATS.contains(&line), "the list under `Open` lacks the line:\n{line}");
    }
}

/// Each change breaks one rule, which must be named.
#[test]
fn a_risk_without_a_proof_is_named() {
    let good =
        "| B1 | Browser | x |\n| R-01 | a | S | B1 | b | `vital-web/src/csrf.rs` | `vital-web/src/csrf.rs::the_matrix_of_origins` |\n";
    assert_eq!(faults(good), Vec::<String>::new());
    for (part, change, says) in [
        ("R-01", "R-02", "ids are consecutive"),
        ("| S |", "| X |", "STRIDE"),
        ("| B1 | b", "| B9 | b", "no boundary B9"),
        ("b | `vital-web/src/csrf.rs`", "b | `vital-web/src/nothing.rs`", "is not there"),
        ("::the_matrix_of_origins", "::the_matrix_of_nothing", "there is no test"),
        ("::the_matrix_of_origins", "::same_site", "there is no test"),
        ("`vital-web/src/csrf.rs::the_matrix_of_origins` |", "tested by hand |", "neither a test"),
        ("`vital-web/src/csrf.rs::the_matrix_of_origins` |", "open: all of it; residual: some |", "ends in"),
    ] {
        assert!(good.contains(part), "{part}");
        let found = faults(&good.replace(part, change));
        assert!(found.iter().any(|f| f.contains(says)), "{change} must be found; found {found:?}");
    }
}

/// The functions of a crate by the binary that holds them and the name by which a runner selects them: `("http", "session::a_name")`. The
/// crate itself is the binary without a name.
fn functions_of(folder: &Path, binary: Option<&str>, modules: &str, found: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        let (binary, module) = match binary {
            Some(binary) => (binary.to_owned(), if ["main", "lib", "mod"].contains(&stem.as_str()) { String::new() } else { stem + "::" }),
            None => (stem, String::new()),
        };
        let modules = format!("{modules}{module}");
        if path.is_dir() {
            functions_of(&path, Some(&binary), &modules, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let name =
                |line: &str| line.trim().trim_start_matches("async ").strip_prefix("fn ")?.split_once('(').map(|(n, _)| n.to_owned());
            found.extend(text.lines().filter_map(name).map(|name| (binary.clone(), format!("{modules}{name}"))));
        }
    }
}

/// Tells whether the arguments after `cargo nextest run -p ` select anything.
fn selects(arguments: &str) -> bool {
    let words: Vec<&str> = arguments.split(' ').collect();
    let (krate, binary, filter) = match words[..] {
        [krate, "--test", binary] => (krate, Some(binary), ""),
        [krate, "--test", binary, filter] => (krate, Some(binary), filter),
        [krate] => (krate, None, ""),
        [krate, filter] => (krate, None, filter),
        _ => return false,
    };
    let folder = root().join("crates").join(krate);
    let mut found = Vec::new();
    for (inner, binary) in [("src", Some("")), ("tests", None)] {
        if folder.join(inner).exists() {
            functions_of(&folder.join(inner), binary, "", &mut found);
        }
    }
    found.iter().any(|(of, name)| binary.is_none_or(|b| b == of) && name.contains(filter))
}

#[test]
fn every_proof_command_selects_tests() {
    let mut commands = 0;
    for arguments in [SECURITY, PENTEST].into_iter().flat_map(quoted).filter_map(|c| c.split_once("cargo nextest run -p ")).map(|(_, a)| a)
    {
        assert!(selects(arguments), "`cargo nextest run -p {arguments}` selects nothing");
        commands += 1;
    }
    assert!(commands > 20, "{commands} commands");
    for nothing in ["vital-store tenancy", "vital-store --test nothing", "vital no_such_name", "nothing"] {
        assert!(!selects(nothing), "{nothing}");
    }
}

#[test]
fn links_between_documents_lead_to_files() {
    let mut checked = 0;
    let documents = [root(), root().join("docs"), root().join("docs/decisions")];
    for folder in documents {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|e| e != "md") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
                let file = link.split('#').next().unwrap_or_default();
                if file.is_empty() || file.contains("://") {
                    continue;
                }
                assert!(folder.join(file).exists(), "{} links to `{file}`, which is not there", path.display());
                checked += 1;
            }
        }
    }
    assert!(checked > 10, "{checked} links");
}
