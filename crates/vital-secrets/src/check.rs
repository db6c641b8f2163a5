//! A whole repository: its files and its history against the rules and the list of what is allowed.

use crate::{
    Error,
    allowed::{self, Allowed},
    git::{MAX_OBJECT, Object, Repository},
    scan::{Hit, Scanner},
};
use std::{
    collections::{HashMap, HashSet},
    fmt, fs,
    path::Path,
};

/// The path under which the messages of commits and tags are reported.
pub const MESSAGE: &str = "message";

/// Where a finding stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Place {
    /// In the file as it lies there.
    Tree,
    /// In what this commit brought, in its message, or in this tag.
    Commit(String),
    /// Added, but not committed yet.
    Staged,
}

/// A secret that is not allowed.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The file, or `message`.
    pub path: String,
    /// Where it was seen.
    pub place: Place,
    /// What was seen.
    pub hit: Hit,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.path, self.hit.line)?;
        match &self.place {
            Place::Tree => write!(f, "in the tree: ")?,
            Place::Commit(id) => write!(f, "in commit {}: ", id.get(..12).unwrap_or(id))?,
            Place::Staged => write!(f, "staged: ")?,
        }
        write!(f, "{} [{}] {}, fingerprint {}", self.hit.rule.finds, self.hit.rule.id, self.hit.masked(), self.hit.fingerprint(&self.path))
    }
}

/// What a look at a repository gave.
#[derive(Debug, Default)]
pub struct Report {
    /// Secrets that are not allowed.
    pub findings: Vec<Finding>,
    /// Objects and files that are too large to be looked at.
    pub too_large: Vec<String>,
    /// Entries of the list that meet nothing; in a shallow clone they may meet something further back and are not counted as faults.
    pub stale: Vec<Allowed>,
    /// Findings that the list allows.
    pub allowed: usize,
    /// Files of the tree that were read.
    pub files: usize,
    /// Files of the history that were read.
    pub blobs: usize,
    /// Messages of commits and tags that were read.
    pub messages: usize,
    /// Whether older commits were left out of the clone.
    pub shallow: bool,
}

impl Report {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty() && self.too_large.is_empty() && (self.shallow || self.stale.is_empty())
    }
}

/// Looks at the repository in `folder` with the list of allowed findings in `list`.
///
/// # Errors
/// When the repository or the list cannot be read completely.
pub fn check(folder: &Path, list: &Path) -> Result<Report, Error> {
    let repository = Repository::open(folder)?;
    let mut search = Search {
        scanner: Scanner::new()?,
        allowed: allowed::read(list)?.into_iter().map(|a| ((a.path.clone(), a.fingerprint.clone()), (a, false))).collect(),
        seen: HashSet::new(),
        report: Report { shallow: repository.is_shallow()?, ..Report::default() },
    };
    for path in repository.files()? {
        search.file(&folder.join(&path), &path.to_string_lossy())?;
    }
    let mut old = Vec::new();
    repository.each_object(|object| search.object(object, &mut old))?;
    for (mut finding, object) in old {
        finding.place = match (finding.path == MESSAGE, repository.commit_of(&object)) {
            (true, _) => Place::Commit(object),
            (false, found) => found?.map_or(Place::Staged, Place::Commit),
        };
        search.report.findings.push(finding);
    }
    search.report.stale = search.allowed.into_values().filter(|(_, met)| !met).map(|(entry, _)| entry).collect();
    search.report.stale.sort_by(|a, b| (&a.path, &a.fingerprint).cmp(&(&b.path, &b.fingerprint)));
    Ok(search.report)
}

struct Search {
    scanner: Scanner,
    allowed: HashMap<(String, String), (Allowed, bool)>,
    /// Path and fingerprint of what was reported or allowed: many commits hold the same line.
    seen: HashSet<(String, String)>,
    report: Report,
}

impl Search {
    fn file(&mut self, file: &Path, path: &str) -> Result<(), Error> {
        let fail = |source| Error::Read { path: path.to_owned(), source };
        let about = match fs::symlink_metadata(file) {
            Ok(about) => about,
            // Deleted, but not committed: its bytes are in the history.
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(fail(e)),
        };
        // A link's target is a file of its own or outside; another repository has a history of its own.
        if !about.is_file() {
            return Ok(());
        }
        self.report.files += 1;
        if about.len() > MAX_OBJECT {
            self.report.too_large.push(path.to_owned());
            return Ok(());
        }
        let text = fs::read(file).map_err(fail)?;
        let fresh = self.fresh(path, &text);
        self.report.findings.extend(fresh.into_iter().map(|hit| Finding { path: path.to_owned(), place: Place::Tree, hit }));
        Ok(())
    }

    fn object(&mut self, object: Object, old: &mut Vec<(Finding, String)>) {
        let path = if object.is_file { object.path } else { MESSAGE.to_owned() };
        *(if object.is_file { &mut self.report.blobs } else { &mut self.report.messages }) += 1;
        let Some(text) = object.bytes else {
            self.report.too_large.push(format!("{path} ({})", object.id));
            return;
        };
        for hit in self.fresh(&path, &text) {
            old.push((Finding { path: path.clone(), place: Place::Staged, hit }, object.id.clone()));
        }
    }

    /// The secrets of a text that are neither allowed nor known already.
    fn fresh(&mut self, path: &str, text: &[u8]) -> Vec<Hit> {
        let mut hits = self.scanner.scan(text);
        hits.retain(|hit| {
            let name = (path.to_owned(), hit.fingerprint(path));
            let first = self.seen.insert(name.clone());
            match self.allowed.get_mut(&name) {
                Some((_, met)) => {
                    *met = true;
                    self.report.allowed += usize::from(first);
                    false
                }
                None => first,
            }
        });
        hits
    }
}
