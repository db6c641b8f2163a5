//! An answer for clients of the protocol: the text with its marks, and the same as data with every citation.

use super::{documents::cited, handler::On};
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;
use vital_platform::ask::{
    Turn, TurnState,
    answer::{Answer, BlockKind, Citation, Confidence, Sentence, TrustNumbers, Verdict},
};

/// A finished turn.
#[derive(Serialize)]
pub(super) struct Answered {
    state: TurnState,
    expert: Option<String>,
    text: String,
    sentences: Vec<Sentence>,
    citations: Vec<Cited>,
    confidence: Option<Confidence>,
    trust: Option<TrustNumbers>,
    composer: Option<String>,
    conversation_id: Uuid,
    turn_id: Uuid,
    url: String,
}

/// A citation with where it leads.
#[derive(Serialize)]
struct Cited {
    n: u32,
    document: Uuid,
    title: String,
    url: String,
    quote: String,
    start: u64,
    end: u64,
    version: String,
    page: Option<u32>,
    authority: String,
    /// How well what cites it stands; the weakest sentence counts.
    verdict: Option<Verdict>,
}

/// The schema of [`Answered`].
pub(super) fn gives() -> Value {
    let sentence = json!({ "type": "object", "properties": {
        "index": { "type": "integer" },
        "text": { "type": "string" },
        "verdict": { "enum": ["supported", "unsupported", "uncited", "not_factual"] },
        "missing": { "type": "array", "items": { "type": "string" } },
        "citations": { "type": "array", "items": { "type": "integer" } },
    }, "required": ["index", "text", "verdict"] });
    let citation = json!({ "type": "object", "properties": {
        "n": { "type": "integer", "description": "The mark in the text." },
        "document": { "type": "string", "format": "uuid" },
        "title": { "type": "string" },
        "url": { "type": "string", "description": "The document with the quote marked." },
        "quote": { "type": "string", "description": "The bytes from `start` to `end`." },
        "start": { "type": "integer" },
        "end": { "type": "integer" },
        "version": { "type": "string", "description": "SHA-256 of the document's text." },
        "page": { "type": ["integer", "null"] },
        "authority": { "type": "string" },
        "verdict": { "enum": ["supported", "unsupported", "uncited", "not_factual", null] },
    }, "required": ["n", "document", "title", "url", "quote", "start", "end"] });
    json!({
        "state": { "enum": ["answered", "no_evidence", "stopped"] },
        "expert": { "type": ["string", "null"] },
        "text": { "type": "string", "description": "Markdown with marks such as [1]." },
        "sentences": { "type": "array", "items": sentence },
        "citations": { "type": "array", "items": citation },
        "confidence": { "type": ["object", "null"], "description": "Measured: a score from 0 to 1 and its parts." },
        "trust": { "type": ["object", "null"] },
        "composer": { "type": ["string", "null"] },
        "conversation_id": { "type": "string", "format": "uuid" },
        "turn_id": { "type": "string", "format": "uuid" },
        "url": { "type": "string", "description": "The conversation in the product." },
    })
}

/// A finished turn as data, and in words with the list of its sources.
pub(super) fn told(on: &On, turn: Turn) -> (String, Answered) {
    let answer =
        turn.answer.unwrap_or(Answer { composer: String::new(), blocks: vec![], citations: vec![], confidence: None, trust: None });
    let text = markdown(&answer);
    let citations: Vec<Cited> = answer.citations.iter().map(|c| cited_in(on, c, &answer)).collect();
    let sources: String = citations
        .iter()
        .map(|c| format!("\n[{}] {}{}: {}", c.n, c.title, c.page.map(|p| format!(", page {p}")).unwrap_or_default(), c.url))
        .collect();
    let words = if sources.is_empty() { text.clone() } else { format!("{text}\n\nSources:{sources}") };
    let answered = Answered {
        state: turn.state,
        expert: turn.expert.map(|e| e.slug),
        text,
        citations,
        sentences: answer.blocks.into_iter().flat_map(|b| b.sentences).collect(),
        confidence: answer.confidence,
        trust: answer.trust,
        composer: Some(answer.composer).filter(|c| !c.is_empty()),
        conversation_id: turn.conversation_id.0,
        turn_id: turn.id.0,
        url: on.address(&format!("/conversations/{}", turn.conversation_id)),
    };
    (words, answered)
}

fn cited_in(on: &On, c: &Citation, answer: &Answer) -> Cited {
    let by = answer.blocks.iter().flat_map(|b| &b.sentences).filter(|s| s.citations.contains(&c.n)).map(|s| s.verdict);
    let weakest = by.max_by_key(|verdict| matches!(verdict, Verdict::Unsupported));
    let Citation { n, document_id: document, start, end, page, .. } = *c;
    let url = on.address(&cited(document, start, end));
    let (title, quote, version, authority) = (c.title.clone(), c.quote.clone(), c.version.clone(), c.authority.clone());
    Cited { n, document, title, url, quote, start, end, version, page, authority, verdict: weakest }
}

/// A sentence with the marks of what it cites.
pub(super) fn marked(text: &str, citations: &[u32]) -> String {
    let marks: String = citations.iter().map(|n| format!("[{n}]")).collect();
    if marks.is_empty() { text.to_owned() } else { format!("{text} {marks}") }
}

fn markdown(answer: &Answer) -> String {
    let mut text = String::new();
    let mut before = None;
    for block in &answer.blocks {
        text.push_str(match (before.replace(block.kind), block.kind) {
            (None, _) => "",
            (Some(BlockKind::Point), BlockKind::Point) => "\n",
            _ => "\n\n",
        });
        text.push_str(match block.kind {
            BlockKind::Heading => "### ",
            BlockKind::Point => "- ",
            BlockKind::Lead | BlockKind::Paragraph | BlockKind::Note => "",
        });
        let sentences: Vec<String> = block.sentences.iter().map(|s| marked(&s.text, &s.citations)).collect();
        text.push_str(&sentences.join(" "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use vital_platform::ask::answer::Block;

    #[test]
    fn an_answer_is_markdown_with_marks() {
        let sentence = |text: &str, citations: &[u32]| Sentence {
            index: 0,
            text: text.to_owned(),
            verdict: Verdict::Supported,
            missing: vec![],
            citations: citations.to_vec(),
        };
        let block = |kind, sentences| Block { kind, sentences };
        let answer = Answer {
            composer: String::new(),
            blocks: vec![
                block(BlockKind::Lead, vec![sentence("It is so.", &[1, 2]), sentence("Truly.", &[])]),
                block(BlockKind::Heading, vec![sentence("Why", &[])]),
                block(BlockKind::Point, vec![sentence("One.", &[1])]),
                block(BlockKind::Point, vec![sentence("Two.", &[3])]),
                block(BlockKind::Note, vec![sentence("No more.", &[])]),
            ],
            citations: vec![],
            confidence: None,
            trust: None,
        };
        assert_eq!(markdown(&answer), "It is so. [1][2] Truly.\n\n### Why\n\n- One. [1]\n- Two. [3]\n\nNo more.");
    }
}
