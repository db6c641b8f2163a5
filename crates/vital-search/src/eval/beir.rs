//! Reads a judged set in the folder layout of BEIR (Thakur et al., NeurIPS 2021): `corpus.jsonl` and `queries.jsonl` with `_id`,
//! `title` and `text`, and `qrels/*.tsv` with a header and the columns question, document, grade.

use super::measures::Judgements;
use crate::SearchError;
use serde::Deserialize;
use std::{
    collections::{BTreeMap, HashSet},
    fs::{self, File},
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

/// Longest line of any file, in bytes.
const LINE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Most documents of a set.
const DOCUMENTS_MAX: usize = 2_000_000;
/// Most questions of a set.
const QUERIES_MAX: usize = 200_000;
/// Most judgements of a set.
const JUDGEMENTS_MAX: usize = 5_000_000;

/// A document of the set.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct BeirDocument {
    /// Its id in the set.
    #[serde(rename = "_id")]
    pub id: String,
    /// Its title; may be empty.
    #[serde(default)]
    pub title: String,
    /// Its text.
    pub text: String,
}

/// A question of the set.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct BeirQuery {
    /// Its id in the set.
    #[serde(rename = "_id")]
    pub id: String,
    /// The question.
    pub text: String,
}

/// Documents, judged questions and the judgements.
#[derive(Clone, Debug)]
pub struct BeirSet {
    /// All documents.
    pub documents: Vec<BeirDocument>,
    /// The questions that have judgements.
    pub queries: Vec<BeirQuery>,
    /// Grades by question id and document id.
    pub judged: BTreeMap<String, Judgements>,
}

impl BeirSet {
    /// Reads a folder. Of several judgement files `test.tsv` is taken, as BEIR does.
    ///
    /// # Errors
    /// `BadEvaluationSet` with file and line, when something is missing, over a limit, not in the format or contradictory.
    pub fn read(dir: &Path) -> Result<Self, SearchError> {
        let mut documents: Vec<BeirDocument> = Vec::new();
        json_lines(&dir.join("corpus.jsonl"), DOCUMENTS_MAX, |d| documents.push(d))?;
        let mut queries: Vec<BeirQuery> = Vec::new();
        json_lines(&dir.join("queries.jsonl"), QUERIES_MAX, |q| queries.push(q))?;
        let qrels = qrels_file(dir)?;
        let judged = read_qrels(&qrels)?;
        unique("corpus.jsonl", documents.iter().map(|d| d.id.as_str()))?;
        let known = unique("queries.jsonl", queries.iter().map(|q| q.id.as_str()))?;
        if let Some(missing) = judged.keys().find(|id| !known.contains(id.as_str())) {
            return Err(bad(format!("`{}` judges question `{missing}`, which `queries.jsonl` does not hold", qrels.display())));
        }
        queries.retain(|q| judged.contains_key(&q.id));
        if documents.is_empty() || queries.is_empty() {
            return Err(bad(format!("`{}` holds no documents or no judged questions", dir.display())));
        }
        Ok(Self { documents, queries, judged })
    }
}

fn bad(detail: String) -> SearchError {
    SearchError::BadEvaluationSet(detail)
}

fn unique<'a>(file: &str, ids: impl Iterator<Item = &'a str>) -> Result<HashSet<&'a str>, SearchError> {
    let mut seen = HashSet::new();
    for id in ids {
        if !seen.insert(id) {
            return Err(bad(format!("`{file}` holds the id `{id}` twice")));
        }
    }
    Ok(seen)
}

/// Calls `each` with the lines of a file that are not blank, numbered from 1; refuses lines and files over the limits.
fn lines(path: &Path, max: usize, mut each: impl FnMut(usize, &str) -> Result<(), SearchError>) -> Result<(), SearchError> {
    let at = |number: usize, detail: &dyn std::fmt::Display| bad(format!("`{}` line {number}: {detail}", path.display()));
    let file = File::open(path).map_err(|e| bad(format!("`{}` cannot be opened: {e}", path.display())))?;
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let read = reader.by_ref().take(LINE_BYTES_MAX as u64 + 1).read_until(b'\n', &mut line).map_err(|e| at(number, &e))?;
        if read == 0 {
            break;
        }
        if read > LINE_BYTES_MAX {
            return Err(at(number, &format!("longer than {LINE_BYTES_MAX} bytes")));
        }
        if number > max {
            return Err(at(number, &format!("more than {max} lines")));
        }
        let text = std::str::from_utf8(&line).map_err(|e| at(number, &e))?.trim_end_matches(['\n', '\r']);
        if !text.trim().is_empty() {
            each(number, text)?;
        }
    }
    Ok(())
}

fn json_lines<T: serde::de::DeserializeOwned>(path: &Path, max: usize, mut each: impl FnMut(T)) -> Result<(), SearchError> {
    lines(path, max, |number, line| {
        each(serde_json::from_str(line).map_err(|e| bad(format!("`{}` line {number}: {e}", path.display())))?);
        Ok(())
    })
}

fn qrels_file(dir: &Path) -> Result<PathBuf, SearchError> {
    let folder = dir.join("qrels");
    let entries = fs::read_dir(&folder).map_err(|e| bad(format!("`{}` cannot be opened: {e}", folder.display())))?;
    let mut files: Vec<PathBuf> =
        entries.filter_map(Result::ok).map(|e| e.path()).filter(|p| p.extension().is_some_and(|e| e == "tsv")).collect();
    files.sort();
    if let Some(test) = files.iter().find(|p| p.file_name().is_some_and(|n| n == "test.tsv")) {
        return Ok(test.clone());
    }
    match files.as_slice() {
        [only] => Ok(only.clone()),
        [] => Err(bad(format!("`{}` holds no .tsv file with judgements", folder.display()))),
        _ => Err(bad(format!("`{}` holds several files and none is called `test.tsv`; keep the one to use", folder.display()))),
    }
}

fn read_qrels(path: &Path) -> Result<BTreeMap<String, Judgements>, SearchError> {
    let mut judged: BTreeMap<String, Judgements> = BTreeMap::new();
    lines(path, JUDGEMENTS_MAX, |number, line| {
        let columns: Vec<&str> = line.split('\t').map(str::trim).collect();
        let [query, document, grade] = columns[..] else {
            return Err(bad(format!("`{}` line {number}: three columns separated by tabs are needed", path.display())));
        };
        match grade.parse::<i32>() {
            Ok(grade) => {
                let grade = u32::try_from(grade).unwrap_or(0);
                if judged.entry(query.to_owned()).or_default().insert(document.to_owned(), grade).is_some_and(|before| before != grade) {
                    return Err(bad(format!("`{}` line {number}: `{document}` has two grades for `{query}`", path.display())));
                }
            }
            Err(_) if number == 1 => {}
            Err(e) => {
                return Err(bad(format!(
                    "`{}` line {number}: grade `{}`: {e}",
                    path.display(),
                    grade.chars().take(20).collect::<String>()
                )));
            }
        }
        Ok(())
    })?;
    Ok(judged)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CORPUS: &str =
        "{\"_id\": \"d1\", \"title\": \"T\", \"text\": \"one\", \"metadata\": {}}\n\n{\"_id\": \"d2\", \"text\": \"two\"}\r\n";
    const QUERIES: &str = "{\"_id\": \"q1\", \"text\": \"one?\"}\n{\"_id\": \"q2\", \"text\": \"not judged?\"}\n";
    const QRELS: &str = "query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td2\t-1\n";

    fn read(corpus: &str, queries: &str, qrels: &[(&str, &str)]) -> Result<BeirSet, String> {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("corpus.jsonl"), corpus).unwrap();
        fs::write(dir.path().join("queries.jsonl"), queries).unwrap();
        fs::create_dir(dir.path().join("qrels")).unwrap();
        for (name, text) in qrels {
            fs::write(dir.path().join("qrels").join(name), text).unwrap();
        }
        BeirSet::read(dir.path()).map_err(|e| e.to_string())
    }

    #[test]
    fn a_folder_is_read_with_titles_grades_and_judged_questions_only() {
        let set = read(CORPUS, QUERIES, &[("dev.tsv", "x"), ("test.tsv", QRELS)]).unwrap();
        assert_eq!(set.documents[1], BeirDocument { id: "d2".into(), title: String::new(), text: "two".into() });
        assert_eq!(set.queries.iter().map(|q| q.id.as_str()).collect::<Vec<_>>(), ["q1"]);
        assert_eq!(set.judged["q1"], BTreeMap::from([("d1".into(), 2), ("d2".into(), 0)]));
    }

    #[test]
    fn faults_are_named_with_file_and_line() {
        type Case<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a str);
        let cases: [Case<'_>; 9] = [
            ("{\"_id\": 1}", QUERIES, &[("test.tsv", QRELS)], "corpus.jsonl` line 1"),
            (CORPUS, "no json", &[("test.tsv", QRELS)], "queries.jsonl` line 1"),
            (CORPUS, QUERIES, &[], "no .tsv file"),
            (CORPUS, QUERIES, &[("a.tsv", QRELS), ("b.tsv", QRELS)], "none is called `test.tsv`"),
            (CORPUS, QUERIES, &[("test.tsv", "q1\td1\t1\nq1 d2 1\n")], "line 2: three columns"),
            (CORPUS, QUERIES, &[("test.tsv", "q1\td1\t1\nq1\td2\tgood\n")], "line 2: grade `good`"),
            (CORPUS, QUERIES, &[("test.tsv", "q1\td1\t1\nq1\td1\t2\n")], "two grades"),
            (CORPUS, QUERIES, &[("test.tsv", "q9\td1\t1\n")], "question `q9`"),
            (&CORPUS.replace("d2", "d1"), QUERIES, &[("test.tsv", QRELS)], "`d1` twice"),
        ];
        for (corpus, queries, qrels, expected) in cases {
            let error = read(corpus, queries, qrels).unwrap_err();
            assert!(error.contains(expected), "{error} should say {expected}");
        }
    }

    #[test]
    fn a_line_over_the_limit_is_refused_before_it_is_read_whole() {
        let error = read(&"x".repeat(LINE_BYTES_MAX + 2), QUERIES, &[("test.tsv", QRELS)]).unwrap_err();
        assert!(error.contains("line 1: longer than"), "{error}");
    }
}
