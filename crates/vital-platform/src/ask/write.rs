//! Writes an answer into the recorder by the built-in extractive composer, and refusals. What a provider writes is in `by_model.rs`.

use super::{
    TurnState,
    answer::{Confidence, Sentence, TrustNumbers},
    compose::{ComposedBlock, Composition, SentenceVectors, candidates, compose},
    confidence,
    draft::Draft,
    generate::Outcome,
    recorder::Recorder,
};
use crate::{
    Platform,
    knowledge::{self, Evidence, Retrieval},
};
use vital_kernel::Result;

/// Writes by selection: sentences of the evidence, grouped and cited. Nothing is invented.
pub(super) async fn extractive(
    p: &Platform,
    question: &str,
    earlier: &[&str],
    found: &Retrieval,
    recorder: &mut Recorder,
    outcome: &mut Outcome,
) -> Result<TurnState> {
    match composition(p, question, earlier, found).await {
        Composition::Answer(blocks) => {
            write_blocks(&mut Draft::new(recorder, &found.evidence), &blocks).await?;
            outcome.assessed = assess(question, &found.evidence, recorder);
            Ok(TurnState::Answered)
        }
        Composition::InsufficientEvidence(shortfall) => refuse(&shortfall.blocks(), found, recorder).await,
    }
}

/// Selects the sentences of an answer.
pub(super) async fn composition(p: &Platform, question: &str, earlier: &[&str], found: &Retrieval) -> Composition {
    let chosen = candidates(question, &found.evidence);
    let vectors = match &found.vector {
        Some(vector) => {
            let texts = chosen.iter().map(|c| c.text.clone()).collect();
            knowledge::embed_sentences(p, texts).await.map(|sentences| SentenceVectors { question: vector.clone(), sentences })
        }
        None => None,
    };
    compose(question, earlier, &found.evidence, &chosen, vectors.as_ref())
}

/// Measures what was written.
pub(super) fn assess(question: &str, evidence: &[Evidence], recorder: &Recorder) -> Option<(Confidence, TrustNumbers)> {
    let answer = recorder.record.answer.as_ref()?;
    let sentences: Vec<Sentence> = answer.blocks.iter().flat_map(|b| b.sentences.iter().cloned()).collect();
    let confidence = confidence::confidence(question, &sentences, &answer.citations, evidence);
    Some((confidence, confidence::trust(&sentences, &answer.citations, evidence)))
}

/// Writes an honest refusal.
pub(super) async fn refuse(blocks: &[ComposedBlock], found: &Retrieval, recorder: &mut Recorder) -> Result<TurnState> {
    write_blocks(&mut Draft::new(recorder, &found.evidence), blocks).await?;
    Ok(TurnState::NoEvidence)
}

async fn write_blocks(draft: &mut Draft<'_>, blocks: &[ComposedBlock]) -> Result<()> {
    let mut sentence = 0;
    for (number, block) in (0_u32..).zip(blocks) {
        for composed in &block.sentences {
            draft.token(number, block.kind, sentence, composed.text.clone()).await?;
            if composed.spans.is_empty() {
                draft.close_as_remark(sentence).await?;
            } else {
                draft.close(block.kind, sentence, &composed.text, &composed.spans).await?;
            }
            sentence += 1;
        }
    }
    Ok(())
}
