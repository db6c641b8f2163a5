//! The events of a turn as both formats need them: text that can be appended, the end of each sentence with what it cites, and the end.
//!
//! Blocks are set apart as in Markdown: a blank line between paragraphs, `- ` before a point, `### ` before a heading.

use crate::{components::answer, problem::Problem};
use vital_kernel::{Error, Result};
use vital_platform::ask::{
    self, StoredEvent, TurnEvent, TurnState,
    answer::{BlockKind, Citation, Confidence, TrustNumbers},
};

/// A part of an answer.
#[derive(Debug)]
pub(super) enum Said {
    /// The expert is known; comes first and once.
    Begun {
        /// Slug of the expert that answers; what was asked for where nobody does.
        model: String,
    },
    /// Text to append.
    Text(String),
    /// A sentence is over.
    Closed {
        /// What it stands on.
        citations: Vec<Citation>,
        /// What the reader must know about it.
        flag: Option<String>,
    },
    /// The answer is over; comes last, or `Failed` does.
    Ended(End),
    /// The answer failed.
    Failed(Problem),
}

/// The end of an answer.
#[derive(Debug)]
pub(super) struct End {
    pub state: TurnState,
    pub composer: String,
    pub input_tokens: u32,
    pub output_tokens: u32,
    pub confidence: Option<Confidence>,
    pub trust: Option<TrustNumbers>,
}

/// Turns events into what is said.
pub(super) struct Telling {
    model: String,
    begun: bool,
    over: bool,
    block: Option<(u32, BlockKind)>,
    sentence: Option<u32>,
    cited: Vec<Citation>,
    usage: (String, u32, u32),
    problem: Option<ask::Problem>,
}

impl Telling {
    pub(super) const fn new(model: String) -> Self {
        let usage = (String::new(), 0, 0);
        Self { model, begun: false, over: false, block: None, sentence: None, cited: Vec::new(), usage, problem: None }
    }

    /// Takes an event in; none is the end of the stream.
    pub(super) fn take(&mut self, event: Option<Result<StoredEvent>>) -> Vec<Said> {
        if self.over {
            return Vec::new();
        }
        let event = match event {
            Some(Ok(stored)) => stored.event,
            Some(Err(error)) => return self.fail(error.into()),
            None => return self.fail(unfinished().into()),
        };
        match event {
            TurnEvent::Routed { slug, .. } => {
                self.model = slug;
                self.begin()
            }
            TurnEvent::Token { block, block_kind, sentence, text } => {
                let mut said = self.begin();
                said.push(Said::Text(format!("{}{text}", self.lead(block, block_kind, sentence))));
                said
            }
            TurnEvent::Citation { citation, .. } => {
                self.cited.push(citation);
                Vec::new()
            }
            TurnEvent::Check { verdict, missing, .. } => {
                vec![Said::Closed { citations: std::mem::take(&mut self.cited), flag: answer::flag(verdict, &missing) }]
            }
            TurnEvent::Usage { composer, input_tokens, output_tokens, .. } => {
                self.usage = (composer, input_tokens, output_tokens);
                Vec::new()
            }
            TurnEvent::Problem { code, detail, retryable } => {
                self.problem = Some(ask::Problem { code, detail, retryable });
                Vec::new()
            }
            TurnEvent::Done { state, confidence, trust } => self.end(state, confidence, trust),
            _ => Vec::new(),
        }
    }

    fn begin(&mut self) -> Vec<Said> {
        if std::mem::replace(&mut self.begun, true) { Vec::new() } else { vec![Said::Begun { model: self.model.clone() }] }
    }

    fn fail(&mut self, problem: Problem) -> Vec<Said> {
        self.over = true;
        vec![Said::Failed(problem)]
    }

    fn end(&mut self, state: TurnState, confidence: Option<Confidence>, trust: Option<TrustNumbers>) -> Vec<Said> {
        if matches!(state, TurnState::Failed | TurnState::Interrupted | TurnState::Running) {
            let problem = self.problem.take().map_or_else(|| unfinished().into(), |p| Problem::of_turn(&p));
            return self.fail(problem);
        }
        self.over = true;
        let mut said = self.begin();
        let (composer, input_tokens, output_tokens) = std::mem::take(&mut self.usage);
        said.push(Said::Ended(End { state, composer, input_tokens, output_tokens, confidence, trust }));
        said
    }

    /// What comes before a piece of text.
    fn lead(&mut self, block: u32, kind: BlockKind, sentence: u32) -> String {
        let before = self.block.replace((block, kind));
        let same_sentence = self.sentence.replace(sentence) == Some(sentence);
        let gap = match before {
            Some((same, _)) if same == block => return if same_sentence { String::new() } else { " ".to_owned() },
            Some((_, BlockKind::Point)) if kind == BlockKind::Point => "\n",
            Some(_) => "\n\n",
            None => "",
        };
        let opening = match kind {
            BlockKind::Heading => "### ",
            BlockKind::Point => "- ",
            BlockKind::Lead | BlockKind::Paragraph | BlockKind::Note => "",
        };
        format!("{gap}{opening}")
    }
}

fn unfinished() -> Error {
    let detail = "The answer could not be followed to its end. The question and what was written are kept in the product.";
    Error::unavailable("turn.unfinished", detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use vital_platform::ask::answer::Verdict;

    fn token(block: u32, block_kind: BlockKind, sentence: u32, text: &str) -> TurnEvent {
        TurnEvent::Token { block, block_kind, sentence, text: text.to_owned() }
    }

    fn done(state: TurnState) -> TurnEvent {
        TurnEvent::Done { state, confidence: None, trust: None }
    }

    fn told(events: Vec<TurnEvent>) -> Vec<Said> {
        let mut telling = Telling::new("auto".to_owned());
        let events = events.into_iter().map(|event| Some(Ok(StoredEvent { seq: 1, event }))).chain([None]);
        events.flat_map(|event| telling.take(event)).collect()
    }

    fn text(said: &[Said]) -> String {
        said.iter().filter_map(|s| if let Said::Text(text) = s { Some(text.as_str()) } else { None }).collect()
    }

    #[test]
    fn blocks_and_sentences_are_set_apart() {
        let said = told(vec![
            token(0, BlockKind::Lead, 0, "It is "),
            token(0, BlockKind::Lead, 0, "so."),
            token(0, BlockKind::Lead, 1, "Truly."),
            token(1, BlockKind::Heading, 2, "Why"),
            token(2, BlockKind::Point, 3, "One."),
            token(3, BlockKind::Point, 4, "Two."),
            token(4, BlockKind::Note, 5, "No more."),
            done(TurnState::Answered),
        ]);
        assert_eq!(text(&said), "It is so. Truly.\n\n### Why\n\n- One.\n- Two.\n\nNo more.");
        assert!(matches!(said.first(), Some(Said::Begun { model }) if model == "auto"));
        assert!(matches!(said.last(), Some(Said::Ended(End { state: TurnState::Answered, .. }))));
    }

    #[test]
    fn a_sentence_without_support_is_flagged() {
        let check = |verdict, missing: &[&str]| TurnEvent::Check {
            sentence: 0,
            verdict,
            missing: missing.iter().map(|m| (*m).to_owned()).collect(),
        };
        let said = told(vec![
            check(Verdict::Uncited, &[]),
            check(Verdict::Unsupported, &["3 mg"]),
            check(Verdict::Supported, &[]),
            done(TurnState::Answered),
        ]);
        let flags: Vec<_> =
            said.iter().filter_map(|s| if let Said::Closed { flag, .. } = s { Some(flag.as_deref()) } else { None }).collect();
        assert_eq!(flags, [Some("no source"), Some("not in the source: 3 mg"), None]);
    }

    #[test]
    fn a_failed_turn_a_broken_stream_and_one_without_end_are_failures_and_end_it() {
        let problem = TurnEvent::Problem { code: "provider.away".to_owned(), detail: "Away.".to_owned(), retryable: true };
        let said = told(vec![token(0, BlockKind::Lead, 0, "It"), problem, done(TurnState::Failed)]);
        assert!(matches!(said.last(), Some(Said::Failed(p)) if p.code() == "provider.away" && p.status().as_u16() == 502), "{said:?}");
        let said = told(vec![token(0, BlockKind::Lead, 0, "It")]);
        assert!(matches!(said.last(), Some(Said::Failed(p)) if p.code() == "turn.unfinished"), "{said:?}");
        let mut telling = Telling::new("auto".to_owned());
        assert_eq!(telling.take(Some(Err(Error::unavailable("db.away", "Away.")))).len(), 1);
        assert!(telling.take(None).is_empty());
    }
}
