//! The security ledger `asvs.yaml`: nothing of OWASP ASVS 5.0.0 levels 1 and 2 is left out, and what it names is there.
//!
//! Not here: whether a named test shows what it should. Reviewers read that, and the test itself fails where the product does.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Requirements that are open. It only shrinks: closing one lowers it in the same commit.
const OPEN: usize = 16;
/// Ids with their levels, and nothing else of the standard, a line each.
const IDS: &str = include_str!("data/asvs-5.0-ids.tsv");
/// Requirements of level 1 and of level 2, as counted in the standard.
const COUNTS: [usize; 2] = [70, 183];
/// Fewest letters of a reason; fewer say nothing.
const REASON_CHARS_MIN: usize = 24;
/// Fewest letters of a title.
const TITLE_CHARS_MIN: usize = 7;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ledger {
    standard: String,
    requirements: Vec<Requirement>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Requirement {
    id: String,
    level: u8,
    title: String,
    /// Files with the names of their tests.
    test: Option<BTreeMap<String, Vec<String>>>,
    /// Files or folders with what to look at.
    code: Option<BTreeMap<String, String>>,
    not_applicable: Option<String>,
    open: Option<String>,
    note: Option<String>,
}

impl Requirement {
    /// Which of the four answers it gives, in this order; a sound one gives one.
    fn answers(&self) -> [bool; 4] {
        [self.test.is_some(), self.code.is_some(), self.not_applicable.is_some(), self.open.is_some()]
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read() -> Ledger {
    serde_saphyr::from_str(&fs::read_to_string(root().join("asvs.yaml")).unwrap()).unwrap()
}

/// What the standard has: level by id.
fn standard() -> BTreeMap<&'static str, u8> {
    IDS.lines().map(|line| line.split_once('\t').unwrap()).map(|(id, level)| (id, level.parse().unwrap())).collect()
}

/// Whether a source file holds a test of this name; in a browser journey, a function of this name.
fn holds(file: &str, source: &str, name: &str) -> bool {
    if file.ends_with(".mjs") {
        return source.lines().any(|line| line.split_once("function ").is_some_and(|(_, rest)| rest.starts_with(&format!("{name}("))));
    }
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let is_it = |line: &str| {
        ["fn ", "async fn "].iter().any(|start| line.strip_prefix(start).is_some_and(|rest| rest.starts_with(&format!("{name}("))))
    };
    let is_test = |at: usize| {
        let above = lines[..at].iter().rev().take_while(|line| line.starts_with("#[") || line.starts_with("///"));
        above.into_iter().any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"))
    };
    lines.iter().enumerate().any(|(at, line)| is_it(line) && is_test(at))
}

fn reason_faults(id: &str, kind: &str, reason: &str, faults: &mut Vec<String>) {
    if reason.trim().chars().count() < REASON_CHARS_MIN {
        faults.push(format!("{id}: `{kind}` says nothing: {reason:?}"));
    }
}

fn test_faults(id: &str, named: &BTreeMap<String, Vec<String>>, root: &Path, faults: &mut Vec<String>) {
    if named.is_empty() || named.values().any(Vec::is_empty) {
        faults.push(format!("{id}: names no test"));
    }
    for (file, names) in named {
        let Ok(source) = fs::read_to_string(root.join(file)) else {
            faults.push(format!("{id}: there is no file {file}"));
            continue;
        };
        for name in names.iter().filter(|name| !holds(file, &source, name)) {
            faults.push(format!("{id}: {file} has no test {name}"));
        }
    }
}

fn code_faults(id: &str, named: &BTreeMap<String, String>, root: &Path, faults: &mut Vec<String>) {
    if named.is_empty() {
        faults.push(format!("{id}: names no code"));
    }
    for (path, look_at) in named {
        if !root.join(path).exists() {
            faults.push(format!("{id}: there is no {path}"));
        }
        reason_faults(id, "code", look_at, faults);
    }
}

/// Everything that is wrong with a ledger.
fn faults(ledger: &Ledger, root: &Path, open: usize) -> Vec<String> {
    let (standard, mut seen, mut faults) = (standard(), BTreeSet::new(), Vec::new());
    for entry in &ledger.requirements {
        let id = entry.id.as_str();
        match standard.get(id) {
            None => faults.push(format!("{id}: is no id of levels 1 and 2")),
            Some(level) if *level != entry.level => faults.push(format!("{id}: is of level {level}")),
            Some(_) => {}
        }
        if !seen.insert(id) {
            faults.push(format!("{id}: stands twice"));
        }
        if entry.title.trim().chars().count() < TITLE_CHARS_MIN {
            faults.push(format!("{id}: has no title"));
        }
        if entry.answers().into_iter().filter(|given| *given).count() != 1 {
            faults.push(format!("{id}: has to have exactly one of test, code, not_applicable and open"));
        }
        if let Some(named) = &entry.test {
            test_faults(id, named, root, &mut faults);
        }
        if let Some(named) = &entry.code {
            code_faults(id, named, root, &mut faults);
        }
        for (kind, reason) in [("not_applicable", &entry.not_applicable), ("open", &entry.open)] {
            if let Some(reason) = reason {
                reason_faults(id, kind, reason, &mut faults);
            }
        }
        if entry.note.as_ref().is_some_and(|note| note.trim().is_empty()) {
            faults.push(format!("{id}: has an empty note"));
        }
    }
    faults.extend(standard.keys().filter(|id| !seen.contains(*id)).map(|id| format!("{id}: is missing")));
    match ledger.requirements.iter().filter(|e| e.open.is_some()).count() {
        now if now > open => faults.push(format!("{now} are open, {open} were agreed: close one, do not open more")),
        now if now < open => faults.push(format!("{now} are open: lower OPEN from {open} to {now}")),
        _ => {}
    }
    faults
}

#[test]
fn the_ids_are_those_of_levels_1_and_2() {
    let standard = standard();
    assert_eq!(IDS.lines().count(), standard.len(), "no id stands twice");
    assert_eq!([1, 2].map(|level| standard.values().filter(|l| **l == level).count()), COUNTS);
}

#[test]
fn every_requirement_is_answered_and_what_is_named_is_there() {
    let ledger = read();
    assert_eq!(ledger.standard, "OWASP ASVS 5.0.0");
    let faults = faults(&ledger, &root(), OPEN);
    assert!(faults.is_empty(), "asvs.yaml:\n{}", faults.join("\n"));
    let [tests, code, not_applicable, open] = [0, 1, 2, 3].map(|kind| ledger.requirements.iter().filter(|e| e.answers()[kind]).count());
    println!("{} requirements: {tests} by test, {code} by code, {not_applicable} not applicable, {open} open", ledger.requirements.len());
}

/// Something that makes a ledger wrong.
type Change = fn(&mut Ledger);

/// Each way in which the ledger can lie or rot is named; without this a check that looks at nothing would pass.
#[test]
fn every_kind_of_fault_is_named() {
    let changes: [(&str, Change); 16] = [
        ("1.1.1: is missing", |l| drop(l.requirements.remove(0))),
        ("99.1.1: is no id", |l| l.requirements[0].id = "99.1.1".to_owned()),
        ("1.1.2: stands twice", |l| l.requirements[0].id = "1.1.2".to_owned()),
        ("is of level 2", |l| l.requirements[0].level = 1),
        ("1.1.1: has no title", |l| l.requirements[0].title = " ".repeat(20)),
        ("exactly one of", |l| l.requirements[0].code = None),
        ("exactly one of", |l| l.requirements[0].not_applicable = Some("It is both, which cannot be right.".to_owned())),
        ("`not_applicable` says nothing", |l| l.requirements[0].not_applicable = Some("no".to_owned())),
        ("`open` says nothing", |l| l.requirements[0].open = Some(String::new())),
        ("lower OPEN", |l| l.requirements.retain(|e| e.open.is_none())),
        ("do not open more", |l| l.requirements[0].open = Some("One more that is missing here.".to_owned())),
        ("there is no crates/none", |l| l.requirements[0].code = Some([("crates/none".to_owned(), String::new())].into())),
        ("there is no file none.rs", |l| l.requirements[0].test = Some([("none.rs".to_owned(), vec!["a".to_owned()])].into())),
        ("names no test", |l| l.requirements[0].test = Some(BTreeMap::new())),
        // A function that is no test.
        ("has no test holds", |l| {
            l.requirements[0].test = Some([("crates/vital/tests/ledger.rs".to_owned(), vec!["holds".to_owned()])].into());
        }),
        ("has an empty note", |l| l.requirements[0].note = Some(String::new())),
    ];
    for (expected, change) in changes {
        let mut ledger = read();
        change(&mut ledger);
        let found = faults(&ledger, &root(), OPEN);
        assert!(found.iter().any(|fault| fault.contains(expected)), "{expected}: {found:?}");
    }
}

#[test]
fn a_test_is_told_from_other_functions() {
    let source = "/// fn named_in_words()\nfn helper() {}\n    #[test]\n    fn in_a_macro(n in 0..3) {}\n#[tokio::test(flavor = \"multi_thread\")]\n/// Why.\nasync fn asynchronous() {}\n";
    let held = |name| holds("a.rs", source, name);
    assert_eq!(["named_in_words", "helper", "in_a_macro", "asynchronous", "in_a"].map(held), [false, false, true, true, false]);
    assert!(holds("a.mjs", "async function journey(page) {", "journey"));
    assert!(!holds("a.mjs", "await journey(page);", "journey"));
}
