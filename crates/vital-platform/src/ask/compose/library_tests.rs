//! Measures the composer by words alone over the starter library, on the written question sets of `catalogue/eval`.

use super::eval::{Outcome, Report, measure, read_cases};
use super::*;
use std::collections::HashMap;
use std::{fs, path::Path};
use vital_documents::{ParseLimits, PassageRules, estimated_tokens, parse, passages};
use vital_kernel::{CollectionId, DocumentId, PassageId};
use vital_search::{Filter, LexicalIndex, PassageEntry};

/// Passages of an answer, and of one document among them, as retrieval gives them.
const PASSAGES: usize = 12;
const PER_DOCUMENT: usize = 5;

struct Library {
    index: LexicalIndex,
    passages: HashMap<PassageId, Evidence>,
}

fn catalogue() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../catalogue")
}

fn library() -> Library {
    let mut library = Library { index: LexicalIndex::in_memory().unwrap(), passages: HashMap::new() };
    let folders = fs::read_dir(catalogue().join("library")).unwrap().map(|d| d.unwrap().path());
    let mut files: Vec<_> = folders.flat_map(|d| fs::read_dir(d).unwrap()).map(|f| f.unwrap().path()).collect();
    files.sort();
    for file in files {
        let parsed = parse("article.md", &fs::read(&file).unwrap(), &ParseLimits::default()).unwrap();
        let (document, title) = (DocumentId::new(), parsed.title.clone().unwrap_or_default());
        for part in passages(&parsed, &PassageRules::default(), &estimated_tokens) {
            let (passage, body) = (PassageId::new(), parsed.text[part.start..part.end].to_owned());
            let headings = part.heading_path.join(" ");
            let entry =
                PassageEntry { passage, document, collection: CollectionId::new(), title: title.clone(), headings, body: body.clone() };
            library.index.add(&[entry]).unwrap();
            let evidence = Evidence {
                passage,
                document,
                title: title.clone(),
                version: [0; 32],
                start: part.start,
                body,
                heading_path: part.heading_path,
                page: None,
                authority: "regulator".into(),
                score: 0.0,
                lexical: None,
                dense: None,
                own: false,
                level: None,
                issued_on: None,
                fetched: None,
            };
            library.passages.insert(passage, evidence);
        }
    }
    library.index.commit().unwrap();
    library
}

impl Library {
    fn evidence(&self, question: &str) -> Vec<Evidence> {
        let hits = self.index.search(question, 100, Filter::All).unwrap();
        let top = hits.first().map_or(1.0, |h| h.score);
        let mut per_document: HashMap<DocumentId, usize> = HashMap::new();
        let kept = hits.into_iter().filter(|h| {
            let n = per_document.entry(h.document).or_default();
            *n += 1;
            *n <= PER_DOCUMENT
        });
        kept.take(PASSAGES)
            .map(|h| Evidence { score: h.score / top, lexical: Some(h.score), ..self.passages[&h.passage].clone() })
            .collect()
    }

    fn measure(&self, file: &str) -> Report {
        let cases = read_cases(&fs::read_to_string(catalogue().join("eval").join(file)).unwrap()).unwrap();
        measure(&cases, |question| {
            let evidence = self.evidence(question);
            match compose(question, &[], &evidence, &candidates(question, &evidence), None) {
                Composition::InsufficientEvidence(_) => Outcome::Refused,
                Composition::Answer(blocks) => {
                    let texts: Vec<String> = blocks.into_iter().flat_map(|b| b.sentences).map(|s| s.text).collect();
                    Outcome::Answered(texts.join("\n"))
                }
            }
        })
    }
}

#[test]
fn the_starter_library_is_answered_by_words_alone_and_never_beyond_what_it_holds() {
    let library = library();
    for file in ["answers.jsonl", "answers_holdout.jsonl"] {
        let report = library.measure(file);
        println!("{file}\n{report}");
        assert!(report.fact_recall() >= 0.8, "{report}");
        assert!(report.wrongly_answered.is_empty(), "{report}");
        assert!(report.wrongly_refused.len() * 10 <= report.answerable, "{report}");
    }
}
