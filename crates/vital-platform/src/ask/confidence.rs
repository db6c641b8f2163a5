//! Confidence from measured parts, and the three trust numbers. No part is a constant; each says in a sentence what was counted.
//!
//! Deliberately not here: thresholds for showing or withholding an answer.

use super::answer::{Confidence, ConfidencePart, Sentence, TrustNumbers, Verdict};
use crate::knowledge::{Citation, Evidence};
use std::collections::HashSet;
use vital_search::content_terms;

/// Weights of the parts; they sum to 1.
const WEIGHTS: [(&str, f32); 4] = [("support", 0.4), ("coverage", 0.25), ("relevance", 0.25), ("agreement", 0.1)];
/// Cosines of unrelated and of matching passages under small sentence models.
const COSINE: std::ops::Range<f32> = 0.15..0.75;
/// Documents from which an answer counts as fully corroborated.
const DOCUMENTS_FULL: usize = 3;

/// Measures the confidence of an answer. `evidence` is all that was read, `citations` what the sentences cite.
#[must_use]
pub fn confidence(question: &str, sentences: &[Sentence], citations: &[Citation], evidence: &[Evidence]) -> Confidence {
    let measured =
        [support(sentences), coverage(question, citations), relevance(question, citations, evidence), agreement(sentences, citations)];
    let parts: Vec<ConfidencePart> = WEIGHTS
        .iter()
        .zip(measured)
        .map(|((name, weight), (value, says))| ConfidencePart {
            name: (*name).to_owned(),
            value: value.clamp(0.0, 1.0),
            weight: *weight,
            says,
        })
        .collect();
    Confidence { score: parts.iter().map(|p| p.value * p.weight).sum(), parts }
}

/// Counts the three trust numbers of an answer.
#[must_use]
pub fn trust(sentences: &[Sentence], citations: &[Citation], evidence: &[Evidence]) -> TrustNumbers {
    let valid = citations.iter().filter(|c| evidence.iter().any(|e| e.holds(c))).count();
    let (supported, unsupported, uncited) = verdicts(sentences);
    TrustNumbers {
        pointer_validity: share(valid, citations.len(), 1.0),
        support: share(supported, supported + unsupported, 0.0),
        uncited: share(uncited, supported + unsupported + uncited, 0.0),
    }
}

fn verdicts(sentences: &[Sentence]) -> (usize, usize, usize) {
    let count = |v: Verdict| sentences.iter().filter(|s| s.verdict == v).count();
    (count(Verdict::Supported), count(Verdict::Unsupported), count(Verdict::Uncited))
}

fn share(part: usize, whole: usize, empty: f32) -> f32 {
    if whole == 0 { empty } else { part as f32 / whole as f32 }
}

fn support(sentences: &[Sentence]) -> (f32, String) {
    let (supported, unsupported, uncited) = verdicts(sentences);
    let factual = supported + unsupported + uncited;
    (share(supported, factual, 0.0), format!("{supported} of {factual} factual sentences stand on what they cite."))
}

fn coverage(question: &str, citations: &[Citation]) -> (f32, String) {
    let asked: HashSet<String> = content_terms(question).into_iter().collect();
    let cited: HashSet<String> =
        citations.iter().flat_map(|c| content_terms(&format!("{} {} {}", c.title, c.heading_path.join(" "), c.quote))).collect();
    let found = asked.intersection(&cited).count();
    (
        share(found, asked.len(), 0.0),
        format!("{found} of {} key terms of the question stand in the cited passages or their headings.", asked.len()),
    )
}

fn relevance(question: &str, citations: &[Citation], evidence: &[Evidence]) -> (f32, String) {
    let ids: HashSet<_> = citations.iter().map(|c| c.passage_id).collect();
    let cited: Vec<&Evidence> = evidence.iter().filter(|e| ids.contains(&e.passage.0)).collect();
    let cosines: Vec<f32> = cited.iter().filter_map(|e| e.dense).filter(|c| c.is_finite()).collect();
    if !cosines.is_empty() {
        let mean = cosines.iter().sum::<f32>() / cosines.len() as f32;
        let value = (mean - COSINE.start) / (COSINE.end - COSINE.start);
        return (
            value,
            format!("The cited passages are close to the question in meaning: mean cosine {mean:.2} over {} passages.", cosines.len()),
        );
    }
    let asked: HashSet<String> = content_terms(question).into_iter().collect();
    let of = |e: &&Evidence| {
        let terms: HashSet<String> = content_terms(&format!("{} {}", e.title, e.body)).into_iter().collect();
        share(asked.intersection(&terms).count(), asked.len(), 0.0)
    };
    let mean = cited.iter().map(of).sum::<f32>() / cited.len().max(1) as f32;
    (
        mean,
        format!(
            "A cited passage has {:.0}% of the question's key terms on average over {} passages; meaning was not compared.",
            mean * 100.0,
            cited.len()
        ),
    )
}

fn agreement(sentences: &[Sentence], citations: &[Citation]) -> (f32, String) {
    let documents: HashSet<_> = citations.iter().map(|c| c.document_id).collect();
    let several = sentences.iter().filter(|s| {
        let of: HashSet<_> = citations.iter().filter(|c| s.citations.contains(&c.n)).map(|c| c.document_id).collect();
        of.len() >= 2
    });
    let several = several.count();
    let differ = sentences.iter().any(|s| s.verdict == Verdict::NotFactual && s.text == "Sources differ");
    let diversity = documents.len().min(DOCUMENTS_FULL) as f32 / DOCUMENTS_FULL as f32;
    let value = if differ { 0.5 * diversity } else { diversity.max(if several > 0 { 1.0 } else { 0.0 }) };
    let contradiction = if differ { " Sources contradict one another." } else { "" };
    (value, format!("The answer draws on {} documents; {several} sentences stand in more than one.{contradiction}", documents.len()))
}
