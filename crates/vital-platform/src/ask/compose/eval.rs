//! Measures answers against a written set of questions: the facts a good answer must contain, and the questions it must refuse.

use serde::Deserialize;
use std::fmt;

/// A question of the set.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Stable name.
    pub id: String,
    /// The question.
    pub question: String,
    /// Facts, each as spellings of which one must occur (case and white space do not matter).
    #[serde(default)]
    pub facts: Vec<Vec<String>>,
    /// Whether the sources cannot answer it.
    #[serde(default)]
    pub unanswerable: bool,
}

/// What an answerer made of a question.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The plain text of an answer.
    Answered(String),
    /// A refusal.
    Refused,
}

/// Why a set of questions cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("line {line} of the question set cannot be read: {source}; nothing was measured")]
pub struct CaseError {
    /// Line, from 1.
    line: usize,
    source: serde_json::Error,
}

/// The figures of one run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Facts in the set.
    pub facts: usize,
    /// Facts that stood in the answers.
    pub facts_found: usize,
    /// Questions that can be answered.
    pub answerable: usize,
    /// Of those, refused.
    pub wrongly_refused: Vec<String>,
    /// Questions that cannot be answered.
    pub unanswerable: usize,
    /// Of those, answered.
    pub wrongly_answered: Vec<String>,
    /// Facts that were missed: the question and the spellings.
    pub missed: Vec<(String, Vec<String>)>,
}

impl Report {
    /// Share of facts found, from 0 to 1.
    #[must_use]
    pub fn fact_recall(&self) -> f64 {
        self.facts_found as f64 / self.facts.max(1) as f64
    }
}

/// Reads a question set: a JSON object a line; empty lines are skipped.
///
/// # Errors
/// With the number of the first line that is no question.
pub fn read_cases(text: &str) -> Result<Vec<Case>, CaseError> {
    let lines = text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty());
    lines.map(|(i, l)| serde_json::from_str(l).map_err(|source| CaseError { line: i + 1, source })).collect()
}

/// Asks every question and counts.
pub fn measure(cases: &[Case], mut answer: impl FnMut(&str) -> Outcome) -> Report {
    let mut report = Report::default();
    for case in cases {
        let outcome = answer(&case.question);
        if case.unanswerable {
            report.unanswerable += 1;
            if matches!(outcome, Outcome::Answered(_)) {
                report.wrongly_answered.push(case.id.clone());
            }
            continue;
        }
        report.answerable += 1;
        report.facts += case.facts.len();
        let text = match outcome {
            Outcome::Answered(text) => squeezed(&text),
            Outcome::Refused => {
                report.wrongly_refused.push(case.id.clone());
                continue;
            }
        };
        for fact in &case.facts {
            if fact.iter().any(|s| contains(&text, &squeezed(s))) {
                report.facts_found += 1;
            } else {
                report.missed.push((case.id.clone(), fact.clone()));
            }
        }
    }
    report
}

fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// Whether a text has a spelling; a number at its border must not go on.
fn contains(text: &str, spelling: &str) -> bool {
    let digit_at = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
    text.match_indices(spelling).any(|(at, _)| {
        let before = digit_at(spelling.chars().next()) && digit_at(text[..at].chars().next_back());
        let after = digit_at(spelling.chars().next_back()) && digit_at(text[at + spelling.len()..].chars().next());
        !before && !after
    })
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "fact recall       {:.3} ({} of {})", self.fact_recall(), self.facts_found, self.facts)?;
        writeln!(f, "wrongly refused   {} of {} {}", self.wrongly_refused.len(), self.answerable, self.wrongly_refused.join(" "))?;
        let refused = self.unanswerable - self.wrongly_answered.len();
        writeln!(f, "rightly refused   {refused} of {} (answered: {})", self.unanswerable, self.wrongly_answered.join(" "))?;
        for (id, fact) in &self.missed {
            writeln!(f, "missed            {id}: {}", fact.join(" | "))?;
        }
        Ok(())
    }
}
