//! Scripts in the two wire formats.
//!
//! The frames are those that the formats' documentation shows, written here a second time on purpose: a client is not tested
//! against its own reading of a format.

use super::{
    Format,
    script::{Chunking, Play, Script, Step, Stop, Usage},
};
use bytes::Bytes;
use std::collections::VecDeque;

/// Turns a script into what the server does.
pub(super) fn plays(script: Script, format: Format) -> VecDeque<Play> {
    let Script { steps, usage, stop, event_id, chunking, .. } = script;
    let id = event_id.as_deref();
    let mut plays = VecDeque::with_capacity(steps.len() + 8);
    let opening = match format {
        Format::OpenAi => openai_opening(id),
        Format::Anthropic => anthropic_opening(usage, id),
    };
    plays.extend(opening.into_iter().map(Play::Send));
    plays.extend(steps.into_iter().map(|step| match step {
        Step::Text(text) => Play::Send(text_frame(format, &text, id)),
        Step::Error(kind) => Play::Send(error_frame(format, &kind, id)),
        Step::Data(data) => Play::Send(frame(None, id, &data)),
        Step::Forever(text) => Play::Repeat(text_frame(format, &text, id)),
        Step::Play(play) => play,
    }));
    let closing = match format {
        Format::OpenAi => openai_closing(usage, stop, id),
        Format::Anthropic => anthropic_closing(usage, stop, id),
    };
    plays.extend(closing.into_iter().map(Play::Send));
    chunk(plays, &chunking)
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
    let text = quoted(text);
    match format {
        Format::OpenAi => {
            openai_chunk(&format!(r#"[{{"index":0,"delta":{{"content":{text}}},"logprobs":null,"finish_reason":null}}]"#), "null", id)
        }
        Format::Anthropic => {
            let data = format!(r#"{{"type":"content_block_delta","index":0,"delta":{{"type":"text_delta","text":{text}}}}}"#);
            frame(Some("content_block_delta"), id, &data)
        }
    }
}

fn error_frame(format: Format, kind: &str, id: Option<&str>) -> Bytes {
    let kind = quoted(kind);
    match format {
        Format::OpenAi => frame(None, id, &format!(r#"{{"error":{{"message":"scripted prose","type":{kind},"param":null,"code":null}}}}"#)),
        Format::Anthropic => {
            frame(Some("error"), id, &format!(r#"{{"type":"error","error":{{"type":{kind},"message":"scripted prose"}}}}"#))
        }
    }
}

fn openai_chunk(choices: &str, usage: &str, id: Option<&str>) -> Bytes {
    let data = format!(
        r#"{{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"scripted","choices":{choices},"usage":{usage}}}"#
    );
    frame(None, id, &data)
}

fn openai_opening(id: Option<&str>) -> Vec<Bytes> {
    vec![openai_chunk(r#"[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]"#, "null", id)]
}

fn openai_closing(usage: Option<Usage>, stop: Stop, id: Option<&str>) -> Vec<Bytes> {
    let reason = match stop {
        Stop::EndTurn => "stop",
        Stop::MaxTokens => "length",
        Stop::Refusal => "content_filter",
    };
    let mut frames = vec![openai_chunk(&format!(r#"[{{"index":0,"delta":{{}},"logprobs":null,"finish_reason":"{reason}"}}]"#), "null", id)];
    if let Some(Usage { input, output, cached_input }) = usage {
        let total = input.saturating_add(output);
        let usage = format!(
            r#"{{"prompt_tokens":{input},"completion_tokens":{output},"total_tokens":{total},"prompt_tokens_details":{{"cached_tokens":{cached_input}}}}}"#
        );
        frames.push(openai_chunk("[]", &usage, id));
    }
    frames.push(frame(None, id, "[DONE]"));
    frames
}

fn anthropic_opening(usage: Option<Usage>, id: Option<&str>) -> Vec<Bytes> {
    let usage = usage.map_or_else(String::new, |Usage { input, cached_input, .. }| {
        // The format leaves cached tokens out of `input_tokens`.
        let fresh = input.saturating_sub(cached_input);
        format!(r#","usage":{{"input_tokens":{fresh},"cache_creation_input_tokens":0,"cache_read_input_tokens":{cached_input},"output_tokens":1}}"#)
    });
    let start = format!(
        r#"{{"type":"message_start","message":{{"id":"msg_1","type":"message","role":"assistant","content":[],"model":"scripted","stop_reason":null,"stop_sequence":null{usage}}}}}"#
    );
    vec![
        frame(Some("message_start"), id, &start),
        frame(Some("content_block_start"), id, r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#),
        frame(Some("ping"), id, r#"{"type":"ping"}"#),
    ]
}

fn anthropic_closing(usage: Option<Usage>, stop: Stop, id: Option<&str>) -> Vec<Bytes> {
    let reason = match stop {
        Stop::EndTurn => "end_turn",
        Stop::MaxTokens => "max_tokens",
        Stop::Refusal => "refusal",
    };
    let usage = usage.map_or_else(String::new, |u| format!(r#","usage":{{"output_tokens":{}}}"#, u.output));
    let delta = format!(r#"{{"type":"message_delta","delta":{{"stop_reason":"{reason}","stop_sequence":null}}{usage}}}"#);
    vec![
        frame(Some("content_block_stop"), id, r#"{"type":"content_block_stop","index":0}"#),
        frame(Some("message_delta"), id, &delta),
        frame(Some("message_stop"), id, r#"{"type":"message_stop"}"#),
    ]
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
