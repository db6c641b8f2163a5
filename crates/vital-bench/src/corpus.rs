//! The material of the measurement: questions people ask, and 10,000 passages made of the starter library's sentences.

use anyhow::Context as _;
use include_dir::{Dir, include_dir};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};
use serde_json::Value;
use std::fmt::Write as _;

static LIBRARY: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../catalogue/library");
static QUESTIONS: &str = include_str!("../../../catalogue/eval/answers.jsonl");

/// Size of a section, in bytes: what passages are filled up to, so that a section becomes a passage.
const SECTION_BYTES: usize = 860;
/// The documents are the same in every run.
const SEED: u64 = 10_000;

/// The questions of the written set that the starter library answers.
///
/// # Errors
/// When the set cannot be read.
pub(crate) fn questions() -> anyhow::Result<Vec<String>> {
    let mut questions = Vec::new();
    for line in QUESTIONS.lines() {
        let entry: Value = serde_json::from_str(line).context("the question set cannot be read")?;
        let answerable = entry["facts"].as_array().is_some_and(|facts| !facts.is_empty());
        if let (true, Some(question)) = (answerable, entry["question"].as_str()) {
            questions.push(question.to_owned());
        }
    }
    anyhow::ensure!(questions.len() >= 50, "the question set holds {} questions", questions.len());
    Ok(questions)
}

/// Sentences of the starter library, in the order of its files.
pub(crate) fn sentences() -> Vec<&'static str> {
    let mut files: Vec<_> = LIBRARY.dirs().flat_map(Dir::files).collect();
    files.sort_by_key(|file| file.path());
    let bodies = files.into_iter().filter_map(|file| file.contents_utf8()?.split_once("\n+++\n").map(|(_, body)| body));
    let lines = bodies.flat_map(str::lines).map(|line| line.trim_start_matches("- ").trim());
    lines.filter(|line| line.ends_with('.') && line.len() > 60).collect()
}

/// Writes documents of many sections, each about as long as a passage.
pub(crate) struct Author {
    sentences: Vec<&'static str>,
    rng: StdRng,
    written: usize,
}

impl Author {
    /// Begins with the first document.
    pub(crate) fn new() -> Self {
        Self { sentences: sentences(), rng: StdRng::seed_from_u64(SEED), written: 0 }
    }

    /// Writes the next document in Markdown and names its file.
    pub(crate) fn document(&mut self, sections: usize) -> (String, String) {
        self.written += 1;
        let mut text = format!("# {} ({})\n", self.words(6), self.written);
        for section in 1..=sections {
            let heading = self.words(4);
            let _infallible = write!(text, "\n## {heading} {section}\n\n");
            let begun = text.len();
            while text.len() - begun < SECTION_BYTES - 130 {
                let sentence = self.sentence();
                text.push_str(&sentence);
                text.push(' ');
            }
            text.push('\n');
        }
        (format!("bench-{:04}.md", self.written), text)
    }

    /// A sentence that is in no article: the beginning of one with the end of another, and other figures.
    fn sentence(&mut self) -> String {
        let half = |sentence: &'static str| {
            let middle = (sentence.len() / 2..sentence.len()).find(|at| sentence.as_bytes()[*at] == b' ').unwrap_or(sentence.len());
            sentence.split_at(middle)
        };
        let (beginning, _) = half(self.pick());
        let (_, end) = half(self.pick());
        let joined = format!("{beginning}{end}");
        joined.chars().map(|c| if c.is_ascii_digit() { char::from(self.rng.random_range(b'0'..=b'9')) } else { c }).collect()
    }

    fn words(&mut self, count: usize) -> String {
        let plain: Vec<&str> = self.pick().split(' ').filter(|word| word.chars().all(char::is_alphabetic)).take(count).collect();
        plain.join(" ")
    }

    fn pick(&mut self) -> &'static str {
        self.sentences.choose(&mut self.rng).copied().unwrap_or("The library is empty.")
    }

    /// A question in the words of one sentence, for searching.
    pub(crate) fn query(&mut self) -> String {
        let sentence = self.pick();
        let words: Vec<&str> = sentence.split(' ').collect();
        let count = self.rng.random_range(5..=12).min(words.len());
        let from = self.rng.random_range(0..=words.len() - count);
        words[from..from + count].join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_the_same_in_every_run_and_differ_from_one_another() {
        let write = || {
            let mut author = Author::new();
            [author.document(3), author.document(3)]
        };
        assert_eq!(write(), write());
        let [first, second] = write();
        assert_ne!(first.1, second.1);
        assert_eq!(first.1.matches("\n## ").count(), 3);
    }

    #[test]
    fn the_library_gives_enough_sentences_and_questions() {
        assert!(sentences().len() > 500, "{}", sentences().len());
        assert!(questions().unwrap().len() >= 50);
    }
}
