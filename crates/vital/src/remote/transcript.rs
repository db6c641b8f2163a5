//! Writes an answer to a terminal or a pipe while it comes: text with numbered citations, then the sources with their quotes.
//!
//! Text goes to standard output, what happens meanwhile to standard error. A number is printed once its citation was checked, so `[1]`
//! always has a source below.

use crate::terminal::{plain, talk};
use std::{
    collections::BTreeSet,
    io::{self, Write},
};
use vital_platform::ask::{
    TurnEvent, TurnState,
    answer::{BlockKind, Citation, Confidence, Searched, Verdict},
};

/// The answer so far.
pub(crate) struct Transcript<W> {
    out: W,
    coloured: bool,
    block: Option<(u32, BlockKind)>,
    sentence: Option<u32>,
    /// Whether a blank must be written before the next sentence of the block.
    gap: bool,
    citations: Vec<Citation>,
    numbers: BTreeSet<u32>,
    /// How the turn ended.
    pub(crate) state: Option<TurnState>,
}

impl<W: Write> Transcript<W> {
    /// An empty transcript.
    pub(crate) fn new(out: W, coloured: bool) -> Self {
        Self { out, coloured, block: None, sentence: None, gap: false, citations: Vec::new(), numbers: BTreeSet::new(), state: None }
    }

    /// Writes what an event says.
    ///
    /// # Errors
    /// When the output is closed or full.
    pub(crate) fn event(&mut self, event: TurnEvent) -> io::Result<()> {
        match event {
            TurnEvent::Accepted { conversation_id, .. } => talk(&format!("conversation {conversation_id}")),
            TurnEvent::Routed { name, automatic, .. } => {
                talk(&format!("expert: {}{}", plain(&name), if automatic { " (chosen by the platform)" } else { "" }));
            }
            TurnEvent::Retrieved(searched) => talk_searched(&searched),
            TurnEvent::ToolCall { title, approval, .. } => {
                let waits = if approval.is_some() { ", which waits for your approval in the browser" } else { "" };
                talk(&format!("tool: {}{waits}", plain(&title)));
            }
            TurnEvent::ToolResult { outcome, .. } => talk(&format!("  {}", plain(&outcome.says))),
            TurnEvent::Step { says, .. } => talk(&plain(&says)),
            TurnEvent::Token { block, block_kind, sentence, text } => self.token(block, block_kind, sentence, &text)?,
            TurnEvent::Citation { sentence, citation } => self.citation(sentence, citation)?,
            TurnEvent::Check { sentence, verdict: Verdict::Unsupported, missing } if self.sentence == Some(sentence) => {
                let what = if missing.is_empty() { String::new() } else { format!(": {}", plain(&missing.join(", "))) };
                let mark = self.dim(&format!(" [not in its sources{what}]"));
                self.out.write_all(mark.as_bytes())?;
            }
            TurnEvent::Check { .. } => {}
            TurnEvent::Usage { composer, elapsed_ms, .. } => talk(&format!("\nwritten by {} in {elapsed_ms} ms", plain(&composer))),
            TurnEvent::Problem { detail, code, .. } => {
                talk(&format!("\nproblem: {} ({})", plain(detail.trim_end_matches('.')), plain(&code)));
            }
            TurnEvent::Done { state, confidence, .. } => {
                self.state = Some(state);
                self.end(confidence.as_ref())?;
            }
        }
        self.out.flush()
    }

    fn token(&mut self, block: u32, kind: BlockKind, sentence: u32, text: &str) -> io::Result<()> {
        if self.block.map(|(number, _)| number) != Some(block) {
            let opening = self.opening(kind);
            self.block = Some((block, kind));
            self.out.write_all(opening.as_bytes())?;
            self.gap = false;
        } else if self.sentence != Some(sentence) {
            self.gap = true;
        }
        self.sentence = Some(sentence);
        let text = plain(text);
        let text = if std::mem::take(&mut self.gap) && !text.starts_with(char::is_whitespace) { format!(" {text}") } else { text };
        let text = if kind == BlockKind::Heading { self.bold(&text) } else { text };
        self.out.write_all(text.as_bytes())
    }

    /// What separates a block from the one before, and what it begins with.
    fn opening(&self, kind: BlockKind) -> String {
        let between = match (self.block, kind) {
            (None, _) => "",
            (Some((_, BlockKind::Point | BlockKind::Heading)), BlockKind::Point) => "\n",
            _ => "\n\n",
        };
        let mark = match kind {
            BlockKind::Point => "- ",
            BlockKind::Note => "Note: ",
            BlockKind::Lead | BlockKind::Heading | BlockKind::Paragraph => "",
        };
        format!("{between}{mark}")
    }

    fn citation(&mut self, sentence: u32, citation: Citation) -> io::Result<()> {
        // Without its sentence at hand a number would seem to belong to another one; the list below still shows the source.
        if self.sentence == Some(sentence) {
            let mark = self.dim(&format!(" [{}]", citation.n));
            self.out.write_all(mark.as_bytes())?;
        }
        if self.numbers.insert(citation.n) {
            self.citations.push(citation);
        }
        Ok(())
    }

    fn end(&mut self, confidence: Option<&Confidence>) -> io::Result<()> {
        if self.block.is_some() {
            self.out.write_all(b"\n")?;
        }
        self.citations.sort_by_key(|c| c.n);
        if !self.citations.is_empty() {
            let heading = self.bold("Sources");
            writeln!(self.out, "\n{heading}")?;
        }
        for citation in &self.citations {
            let page = citation.page.map(|page| format!(", page {page}")).unwrap_or_default();
            writeln!(self.out, "[{}] {}{page}\n    “{}”", citation.n, plain(&citation.title), one_line(&citation.quote))?;
        }
        if let Some(confidence) = confidence {
            writeln!(self.out, "\n{} {:.0} %", self.bold("Confidence"), f64::from(confidence.score) * 100.0)?;
            for part in &confidence.parts {
                writeln!(self.out, "  {:<10} {:>3.0} %  {}", plain(&part.name), f64::from(part.value) * 100.0, plain(&part.says))?;
            }
        }
        Ok(())
    }

    fn bold(&self, text: &str) -> String {
        if self.coloured { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn dim(&self, text: &str) -> String {
        if self.coloured { format!("\x1b[2m{text}\x1b[0m") } else { text.to_owned() }
    }
}

fn one_line(text: &str) -> String {
    plain(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn talk_searched(searched: &Searched) {
    let count = searched.sources.len();
    talk(&format!(
        "searched {}: {count} source{}",
        if searched.by_meaning { "by words and meaning" } else { "by words" },
        if count == 1 { "" } else { "s" }
    ));
    if let Some(note) = &searched.note {
        talk(&plain(note));
    }
    talk("");
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn token(block: u32, kind: BlockKind, sentence: u32, text: &str) -> TurnEvent {
        TurnEvent::Token { block, block_kind: kind, sentence, text: text.into() }
    }

    fn cites(sentence: u32, n: u32, page: Option<u32>) -> TurnEvent {
        let citation = Citation {
            n,
            document_id: Uuid::nil(),
            passage_id: Uuid::nil(),
            version: String::new(),
            start: 0,
            end: 1,
            quote: "the\n  words".into(),
            title: format!("Title {n}"),
            heading_path: Vec::new(),
            page,
            authority: "own".into(),
            level: None,
            issued_on: None,
            fetched: None,
        };
        TurnEvent::Citation { sentence, citation }
    }

    fn written(events: Vec<TurnEvent>) -> String {
        let mut transcript = Transcript::new(Vec::new(), false);
        events.into_iter().for_each(|event| transcript.event(event).unwrap());
        String::from_utf8(transcript.out).unwrap()
    }

    #[test]
    fn an_answer_reads_as_text_with_numbers_and_ends_with_its_sources() {
        use BlockKind::{Heading, Lead, Note, Point};
        let confidence = Confidence { score: 0.8, parts: Vec::new() };
        let text = written(vec![
            token(0, Lead, 0, "It "),
            token(0, Lead, 0, "works."),
            cites(0, 1, Some(3)),
            token(0, Lead, 1, "It lasts."),
            cites(1, 2, None),
            cites(1, 1, Some(3)),
            token(1, Heading, 2, "More"),
            token(2, Point, 3, "One."),
            token(3, Point, 4, "Two."),
            token(4, Note, 5, "Not covered."),
            TurnEvent::Done { state: TurnState::Answered, confidence: Some(confidence), trust: None },
        ]);
        assert_eq!(
            text,
            "It works. [1] It lasts. [2] [1]\n\nMore\n- One.\n- Two.\n\nNote: Not covered.\n\nSources\n[1] Title 1, page 3\n    “the words”\n[2] Title 2\n    “the words”\n\nConfidence 80 %\n"
        );
    }

    #[test]
    fn a_number_is_not_put_behind_another_sentence() {
        let text = written(vec![token(0, BlockKind::Lead, 0, "A."), token(0, BlockKind::Lead, 1, "B."), cites(0, 7, None)]);
        assert_eq!(text, "A. B.");
    }
}
