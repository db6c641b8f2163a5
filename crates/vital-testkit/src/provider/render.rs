//! Scripts in the wire formats.
//!
//! The frames are those that the formats' documentation shows, written here a second time on purpose: a client is not tested
//! against its own reading of a format.

mod anthropic;
mod google;
mod openai;

use super::{
    Format,
    script::{Chunking, Play, Script, Step},
};
use bytes::Bytes;
use std::collections::VecDeque;

/// Turns a script into what the server does.
pub(super) fn plays(script: Script, format: Format) -> VecDeque<Play> {
    let Script { steps, usage, stop, event_id, chunking, .. } = script;
    let id = event_id.as_deref();
    let mut plays = VecDeque::with_capacity(steps.len() + 8);
    let opening = match format {
        Format::OpenAi => openai::opening(id),
        Format::Anthropic => anthropic::opening(usage, id),
        Format::Google | Format::Bare => Vec::new(),
    };
    plays.extend(opening.into_iter().map(Play::Send));
    let mut calls = 0;
    for step in steps {
        match step {
            Step::Text(text) => plays.push_back(Play::Send(text_frame(format, &text, id))),
            Step::Call { id: call, name, fragments } => {
                let frames = match format {
                    Format::OpenAi => openai::call(calls, &call, &name, &fragments, id),
                    Format::Anthropic => anthropic::call(calls, &call, &name, &fragments, id),
                    Format::Google => vec![google::call(&call, &name, &fragments, id)],
                    Format::Bare => Vec::new(),
                };
                plays.extend(frames.into_iter().map(Play::Send));
                calls += 1;
            }
            Step::Error(kind) => plays.push_back(Play::Send(error_frame(format, &kind, id))),
            Step::Data(data) => plays.push_back(Play::Send(frame(None, id, &data))),
            Step::Forever(text) => plays.push_back(Play::Repeat(text_frame(format, &text, id))),
            Step::Play(play) => plays.push_back(play),
        }
    }
    let closing = match format {
        Format::OpenAi => openai::closing(usage, stop, id),
        Format::Anthropic => anthropic::closing(usage, stop, calls, id),
        Format::Google => vec![google::closing(usage, stop, id)],
        Format::Bare => Vec::new(),
    };
    plays.extend(closing.into_iter().map(Play::Send));
    chunk(plays, &chunking)
}

/// The answer to a request for vectors.
pub(super) fn vectors(format: Format, vectors: &[Vec<f32>], tokens: u64) -> Bytes {
    match format {
        Format::OpenAi | Format::Anthropic | Format::Bare => openai::vectors(vectors, tokens),
        Format::Google => google::vectors(vectors, tokens),
    }
}

/// Turns the steps after a status into what the server does; steps that need a format have no meaning there.
pub(super) fn after_status(body: Bytes, steps: Vec<Step>) -> VecDeque<Play> {
    let rest = steps.into_iter().filter_map(|step| if let Step::Play(play) = step { Some(play) } else { None });
    std::iter::once(Play::Send(body)).chain(rest).collect()
}

fn frame(event: Option<&str>, id: Option<&str>, data: &str) -> Bytes {
    let mut frame = String::with_capacity(data.len() + 48);
    for (name, value) in [("event", event), ("id", id), ("data", Some(data))] {
        if let Some(value) = value {
            frame.extend([name, ": ", value, "\n"]);
        }
    }
    frame.push('\n');
    frame.into()
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn text_frame(format: Format, text: &str, id: Option<&str>) -> Bytes {
    match format {
        Format::OpenAi => openai::text(text, id),
        Format::Anthropic => anthropic::text(text, id),
        Format::Google => google::text(text, id),
        Format::Bare => frame(None, id, text),
    }
}

fn error_frame(format: Format, kind: &str, id: Option<&str>) -> Bytes {
    match format {
        Format::OpenAi => openai::error(kind, id),
        Format::Anthropic => anthropic::error(kind, id),
        Format::Google => google::error(kind, id),
        Format::Bare => frame(None, id, kind),
    }
}

/// Cuts the bytes between two steps that are not bytes anew.
fn chunk(plays: VecDeque<Play>, chunking: &Chunking) -> VecDeque<Play> {
    if *chunking == Chunking::Frames {
        return plays;
    }
    let mut out = VecDeque::new();
    let mut run = Vec::new();
    let mut offset = 0;
    for play in plays {
        if let Play::Send(bytes) = play {
            run.extend_from_slice(&bytes);
        } else {
            cut(std::mem::take(&mut run), &mut offset, chunking, &mut out);
            out.push_back(play);
        }
    }
    cut(run, &mut offset, chunking, &mut out);
    out
}

fn cut(run: Vec<u8>, offset: &mut usize, chunking: &Chunking, out: &mut VecDeque<Play>) {
    let mut rest = Bytes::from(run);
    while !rest.is_empty() {
        let wanted = match chunking {
            Chunking::Every(bytes) => (*bytes).max(1),
            Chunking::At(cuts) => cuts.iter().find(|c| **c > *offset).map_or(usize::MAX, |c| c - *offset),
            Chunking::Frames | Chunking::Whole => usize::MAX,
        };
        let piece = rest.split_to(wanted.min(rest.len()));
        *offset += piece.len();
        out.push_back(Play::Send(piece));
    }
}
