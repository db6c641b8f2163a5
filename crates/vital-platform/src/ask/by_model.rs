//! Writes an answer by the first model that answers: its text is streamed, its marks become citations that hold, its sentences are checked,
//! and the tools that it calls are run between its rounds.
//!
//! **Invariant:** what does not fit the model is left out by a rule that the reader is told: first what was said before, then the passages
//! that rank lowest; what nobody can leave out ends the turn with a typed problem.

use super::{
    TurnEvent, TurnState,
    answer::BlockKind,
    assemble::{Assembler, Piece},
    bind::bind,
    compose::{Composition, compose},
    draft::Draft,
    generate::Outcome,
    history::Exchange,
    prompt,
    recorder::Recorder,
    tools::{Bench, ROUNDS_MAX, Wanted},
    write::{assess, refuse},
};
use crate::{
    Platform,
    experts::Expert,
    knowledge::{Evidence, Retrieval},
    providers::Choice,
    usage::{Meter, Metered},
};
use futures_util::StreamExt as _;
use vital_kernel::{Error, Kind, OpContext, Result, TurnId, limits};
use vital_llm::{ChatRequest, Delta, Message, StopReason, TokenUsage, ToolChoice};

/// Text held back while it may be words before a call of a tool, in bytes.
const PREAMBLE_BYTES_MAX: usize = 400;

/// Who asks which models, as which expert, and what.
pub(super) struct Brief<'a> {
    pub p: &'a Platform,
    pub cx: &'a OpContext,
    pub choice: &'a Choice,
    pub expert: &'a Expert,
    pub turn: TurnId,
    pub question: &'a str,
    pub query: &'a str,
    pub earlier: &'a [Exchange],
}

/// Writes the answer in rounds: as long as the model calls tools, they are run and it is asked again.
pub(super) async fn by_model(
    brief: &Brief<'_>,
    found: &Retrieval,
    mut bench: Bench<'_>,
    recorder: &mut Recorder,
    outcome: &mut Outcome,
) -> Result<TurnState> {
    if found.evidence.is_empty() && !bench.has_tools() {
        return refuse_after_reading(brief, found, recorder).await;
    }
    let mut writer = Writer::new(Draft::new(recorder, &found.evidence), bench.has_tools());
    let mut request = ChatRequest::default();
    let mut stopped = None;
    for round in 0..=ROUNDS_MAX {
        let stream = if round == 0 {
            let begun = first(brief, &found.evidence, &bench, &mut writer, outcome).await?;
            request = begun.1;
            begun.0
        } else {
            begin(brief, &request, outcome).await?
        };
        let said = writer.listen(stream, outcome).await?;
        stopped = said.stopped;
        if said.wanted.is_empty() {
            break;
        }
        if round == ROUNDS_MAX {
            writer.finish().await?;
            return Err(Error::upstream(
                "provider.tool_loop",
                "The model went on calling tools instead of answering, so it was stopped. What it had written and found is kept; ask a narrower question.",
            ));
        }
        let (calls, results) = bench.run(said.wanted, &mut writer.draft).await?;
        request.messages.push(Message::calling(writer.preamble(), calls));
        request.messages.push(Message::results(results));
        if round + 1 == ROUNDS_MAX {
            request.tool_choice = ToolChoice::None;
        }
    }
    if writer.declined() {
        return refuse_after_reading(brief, found, recorder).await;
    }
    writer.finish().await?;
    if writer.forged > 0 {
        tracing::info!(forged = writer.forged, "the provider named passages that it was not given; they were dropped");
    }
    let evidence = writer.draft.into_evidence();
    outcome.assessed = assess(brief.query, &evidence, recorder);
    match stopped {
        Some(StopReason::MaxTokens) => Err(Error::upstream(
            "provider.cut_short",
            "The provider reached its limit before the answer was whole. What it had written is kept; ask a narrower question.",
        )),
        Some(StopReason::Refusal) => Err(Error::upstream(
            "provider.refused",
            "The provider declined to answer this question. Your question is kept; put it another way.",
        )),
        _ => Ok(TurnState::Answered),
    }
}

async fn begin(brief: &Brief<'_>, request: &ChatRequest, outcome: &mut Outcome) -> Result<Metered> {
    let (stream, composer) = brief.choice.begin(brief.p, brief.cx, Meter::answer(brief.expert.id, brief.turn), request).await?;
    outcome.composer = composer;
    Ok(stream)
}

/// Begins the first round; what does not fit the model is left out step by step, and the reader is told.
async fn first(
    brief: &Brief<'_>,
    evidence: &[Evidence],
    bench: &Bench<'_>,
    writer: &mut Writer<'_>,
    outcome: &mut Outcome,
) -> Result<(Metered, ChatRequest)> {
    let half = evidence.len().div_ceil(2);
    let steps = [
        (brief.earlier, evidence.len(), ""),
        (&[][..], evidence.len(), "The conversation before this question was left out, because the model cannot read that much at once."),
        (
            &[][..],
            half,
            "The conversation before this question and the lower half of the passages were left out, because the model cannot read that much at once.",
        ),
    ];
    let mut refused = None;
    for (earlier, passages, says) in steps {
        let request = prompt::build(brief.expert, brief.question, &evidence[..passages], earlier, bench.for_model());
        match begin(brief, &request, outcome).await {
            Ok(stream) => {
                if !says.is_empty() {
                    writer.draft.event(TurnEvent::Step { name: "trimmed".to_owned(), says: says.to_owned() }).await?;
                }
                return Ok((stream, request));
            }
            Err(error) if error.kind() == Kind::TooLarge => refused = Some(error),
            Err(error) => return Err(error),
        }
    }
    Err(refused.unwrap_or_else(|| Error::internal("no step of the trimming was tried")))
}

/// A refusal because the provider found the evidence too thin: the composer says what was read and what would help.
async fn refuse_after_reading(brief: &Brief<'_>, found: &Retrieval, recorder: &mut Recorder) -> Result<TurnState> {
    match compose(brief.query, &[], &[], &[], None) {
        Composition::InsufficientEvidence(shortfall) => refuse(&shortfall.after_reading(&found.evidence).blocks(), found, recorder).await,
        Composition::Answer(_) => Err(Error::internal("an answer was composed of nothing")),
    }
}

/// What a model said in one round, besides the text that was recorded.
struct Said {
    wanted: Wanted,
    stopped: Option<StopReason>,
}

/// Turns a provider's text into recorded sentences.
struct Writer<'a> {
    draft: Draft<'a>,
    assembler: Assembler,
    /// Kind of the block being written.
    kind: BlockKind,
    /// The beginning of the text, held back while it may still be the provider's refusal, or words before a call of a tool.
    held: Option<String>,
    /// Whether tools were offered.
    tools: bool,
    forged: u32,
}

impl<'a> Writer<'a> {
    fn new(draft: Draft<'a>, tools: bool) -> Self {
        Self { draft, assembler: Assembler::default(), kind: BlockKind::Lead, held: Some(String::new()), tools, forged: 0 }
    }

    /// Takes in one round to its end.
    async fn listen(&mut self, mut stream: Metered, outcome: &mut Outcome) -> Result<Said> {
        let mut said = Said { wanted: Wanted::default(), stopped: None };
        let mut used = TokenUsage::default();
        while let Some(delta) = stream.next().await {
            match delta.map_err(Error::from)? {
                Delta::Text(text) => {
                    self.take(&text).await?;
                    if self.draft.bytes() > limits::ANSWER_BYTES_MAX {
                        return Err(Error::upstream(
                            "provider.answer_too_long",
                            "The provider wrote more than an answer may have, so it was stopped. What it had written is kept; ask a narrower question.",
                        ));
                    }
                }
                Delta::Usage(usage) => used = usage,
                Delta::Stop(reason) => said.stopped = Some(reason),
                Delta::ToolCall(call) => said.wanted.calls.push(call),
                Delta::InvalidToolCall(call) => said.wanted.invalid.push(call),
                Delta::ToolCallStart { .. } => {}
            }
        }
        // The price of one round without a price is not known, nor is that of all of them.
        let pico = stream.spent().and_then(|spent| spent.pico);
        outcome.pico = if outcome.rounds == 0 { pico } else { outcome.pico.zip(pico).map(|(before, now)| before.saturating_add(now)) };
        outcome.rounds += 1;
        let count = |tokens: u64| u32::try_from(tokens).unwrap_or(u32::MAX);
        outcome.input_tokens = outcome.input_tokens.saturating_add(count(used.input));
        outcome.output_tokens = outcome.output_tokens.saturating_add(count(used.output));
        Ok(said)
    }

    /// What the model said before it called tools, where that is no part of the answer.
    fn preamble(&mut self) -> String {
        match self.held.replace(String::new()) {
            Some(held) => held,
            // The answer has begun: what follows is more of it.
            None => {
                self.held = None;
                String::new()
            }
        }
    }

    async fn take(&mut self, text: &str) -> Result<()> {
        let Some(mut held) = self.held.take() else { return self.record(text).await };
        held.push_str(text);
        let may_decline = prompt::NOT_ENOUGH.starts_with(held.trim()) || held.trim().trim_end_matches('.') == prompt::NOT_ENOUGH;
        // The first sentence of an answer cites; words before a call of a tool do not.
        let may_call = self.tools && held.len() <= PREAMBLE_BYTES_MAX && !held.contains('[');
        if may_decline || may_call {
            self.held = Some(held);
            return Ok(());
        }
        self.record(&held).await
    }

    /// Whether all the provider wrote is that the evidence is not enough, or nothing.
    fn declined(&self) -> bool {
        self.held.as_ref().is_some_and(|h| h.trim().is_empty() || h.trim().trim_end_matches('.') == prompt::NOT_ENOUGH)
    }

    async fn record(&mut self, text: &str) -> Result<()> {
        for piece in self.assembler.push(text) {
            self.piece(piece).await?;
        }
        Ok(())
    }

    async fn finish(&mut self) -> Result<()> {
        if let Some(held) = self.held.take() {
            self.record(&held).await?;
        }
        for piece in std::mem::take(&mut self.assembler).finish() {
            self.piece(piece).await?;
        }
        Ok(())
    }

    async fn piece(&mut self, piece: Piece) -> Result<()> {
        match piece {
            Piece::Token { block, block_kind, sentence, text } => {
                self.kind = block_kind;
                self.draft.token(block, block_kind, sentence, text).await
            }
            Piece::SentenceEnd { sentence, text, markers } => {
                let bound = bind(&text, &markers, self.draft.evidence());
                self.forged += bound.forged;
                self.draft.close(self.kind, sentence, &text, &bound.spans).await
            }
        }
    }
}
