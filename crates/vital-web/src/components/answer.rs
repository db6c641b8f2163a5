//! An answer: blocks of sentences with numbered citations, and the list of sources. `assets/stream.js` builds the same elements.

use super::text::{authority, link_with};
use maud::{Markup, html};
use vital_platform::ask::answer::{Answer, Block, BlockKind, Citation, Sentence, Verdict};

/// The text of an answer.
pub(crate) fn blocks(answer: &Answer) -> Markup {
    html! {
        @for group in answer.blocks.chunk_by(|a, b| a.kind == BlockKind::Point && b.kind == BlockKind::Point) {
            @if group.first().is_some_and(|b| b.kind == BlockKind::Point) {
                ul.points { @for b in group { li { (sentences(b, &answer.citations)) } } }
            } @else {
                @for b in group { (single(b, &answer.citations)) }
            }
        }
    }
}

fn single(b: &Block, citations: &[Citation]) -> Markup {
    let inner = sentences(b, citations);
    html! {
        @match b.kind {
            BlockKind::Lead => p.lead { (inner) },
            BlockKind::Heading => h3 { (inner) },
            BlockKind::Note => p.note { (inner) },
            BlockKind::Point | BlockKind::Paragraph => p { (inner) },
        }
    }
}

fn sentences(b: &Block, citations: &[Citation]) -> Markup {
    html! { @for (i, s) in b.sentences.iter().enumerate() { @if i > 0 { " " } (sentence(s, citations)) } }
}

fn sentence(s: &Sentence, citations: &[Citation]) -> Markup {
    html! {
        span.s data-verdict=(verdict(s.verdict)) {
            (s.text)
            @for c in s.citations.iter().filter_map(|n| citations.iter().find(|c| c.n == *n)) { (chip(c)) }
            @if let Some(flag) = flag(s.verdict, &s.missing) { em.flag { (flag) } }
        }
    }
}

fn chip(c: &Citation) -> Markup {
    html! { a.cite href=(address(c)) data-n=(c.n) aria-label={ "Source " (c.n) ": " (c.title) } { (c.n) } }
}

const fn verdict(v: Verdict) -> &'static str {
    match v {
        Verdict::Supported => "supported",
        Verdict::Unsupported => "unsupported",
        Verdict::Uncited => "uncited",
        Verdict::NotFactual => "not_factual",
    }
}

/// What the reader must know about a sentence that does not stand on its sources.
pub(crate) fn flag(v: Verdict, missing: &[String]) -> Option<String> {
    match v {
        Verdict::Unsupported if missing.is_empty() => Some("not fully in the source".to_owned()),
        Verdict::Unsupported => Some(format!("not in the source: {}", missing.join(", "))),
        Verdict::Uncited => Some("no source".to_owned()),
        Verdict::Supported | Verdict::NotFactual => None,
    }
}

/// Where a citation leads: the document, or the text that a tool fetched, with the words highlighted.
pub(crate) fn address(c: &Citation) -> String {
    let (start, end) = (c.start.to_string(), c.end.to_string());
    let place = if c.fetched.is_some() { "/sources" } else { "/library/documents" };
    format!("{}#cited", link_with(&format!("{place}/{}", c.document_id), &[("start", &start), ("end", &end)]))
}

/// The sources of an answer, by number.
pub(crate) fn sources(citations: &[Citation]) -> Markup {
    html! {
        @for c in citations {
            li data-n=(c.n) {
                a.src href=(address(c)) data-n=(c.n) { (c.title) }
                p.src-where { (place(c)) }
                blockquote { (c.quote) }
            }
        }
    }
}

fn place(c: &Citation) -> String {
    let page = c.page.map(|p| format!("page {p}"));
    let identifier = c.fetched.as_ref().map(|f| f.identifier.clone()).filter(|i| !i.is_empty());
    let level = c.level.map(|level| format!("evidence level {level}"));
    let issued = c.issued_on.map(|date| format!("issued {date}"));
    let parts = [
        Some(authority(&c.authority).to_owned()),
        level,
        issued,
        identifier,
        page,
        (!c.heading_path.is_empty()).then(|| c.heading_path.join(" › ")),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn citation() -> Citation {
        Citation {
            n: 1,
            document_id: Uuid::nil(),
            passage_id: Uuid::nil(),
            version: "00".into(),
            start: 3,
            end: 9,
            quote: "<b>seven</b> days".into(),
            title: "Safety \"plan\"".into(),
            heading_path: vec!["A".into(), "B".into()],
            page: Some(4),
            authority: "own".into(),
            level: None,
            issued_on: None,
            fetched: None,
        }
    }

    fn answer(kind: BlockKind, verdict: Verdict, missing: &[&str]) -> Answer {
        let missing = missing.iter().map(|m| (*m).to_owned()).collect();
        let sentence = Sentence { index: 0, text: "Report <i>within</i> 7 days.".into(), verdict, missing, citations: vec![1] };
        Answer {
            composer: "extractive".into(),
            blocks: vec![Block { kind, sentences: vec![sentence] }],
            citations: vec![citation()],
            confidence: None,
            trust: None,
        }
    }

    #[test]
    fn a_chip_opens_the_exact_words() {
        let html = blocks(&answer(BlockKind::Lead, Verdict::Supported, &[])).into_string();
        assert!(html.contains("href=\"/library/documents/00000000-0000-0000-0000-000000000000?start=3&amp;end=9#cited\""), "{html}");
        assert!(html.contains("aria-label=\"Source 1: Safety &quot;plan&quot;\""), "{html}");
    }

    #[test]
    fn what_a_model_or_a_document_says_is_text_and_never_markup() {
        let a = answer(BlockKind::Paragraph, Verdict::Supported, &[]);
        let html = blocks(&a).into_string() + &sources(&a.citations).into_string();
        assert!(!html.contains("<i>") && !html.contains("<b>"), "{html}");
    }

    #[test]
    fn an_unsupported_sentence_says_what_is_missing() {
        let html = blocks(&answer(BlockKind::Point, Verdict::Unsupported, &["10 mg"])).into_string();
        assert!(html.contains("not in the source: 10 mg"), "{html}");
    }
}
