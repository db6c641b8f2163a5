//! A question to a model: span `chat {model}`, and its metrics.

use super::{Model, of_operation};
use crate::{
    attributes as a,
    export::Shared,
    span::{Span, SpanKind, Value, active},
};
use std::time::Instant;
use vital_metrics::{ChunkTimes, GenAi};

/// Most bytes of the content of each attribute, where content is asked for at all; what is longer is left out.
pub const CONTENT_BYTES_MAX: usize = 32 * 1024;
/// What it is called when an answer was not read to its end.
const CANCELLED: &str = "cancelled";

/// What is known when a model is asked.
#[derive(Clone, Copy, Debug)]
pub struct AsksModel<'a> {
    /// The model.
    pub model: Model<'a>,
    /// The host that is asked.
    pub address: &'a str,
    /// Its port.
    pub port: u16,
    /// Most tokens of the answer.
    pub max_tokens: Option<u32>,
    /// Sampling temperature, if one is sent.
    pub temperature: Option<f32>,
    /// Nucleus sampling, if it is sent.
    pub top_p: Option<f32>,
}

/// One try at one provider, from its request to the last item of its answer. Dropped before, it counts as cancelled.
#[derive(Debug)]
pub struct Chat(Option<Box<Asking>>);

#[derive(Debug)]
struct Asking {
    span: Span,
    metrics: Option<GenAi>,
    began: Instant,
    chunk_at: Option<Instant>,
    chunks: Option<ChunkTimes>,
    tokens: Option<(u64, u64)>,
    error: Option<&'static str>,
    /// What the model wrote, while it is asked for and fits.
    written: Option<String>,
    finish: Option<&'static str>,
}

impl Chat {
    /// Begins, before the request is sent.
    #[must_use]
    pub fn begin(asks: AsksModel<'_>) -> Self {
        if active().is_none() && !vital_metrics::recording() {
            return Self(None);
        }
        let AsksModel { model, address, port, max_tokens, temperature, top_p } = asks;
        let mut span = Span::begin(SpanKind::Client, "chat");
        span.rename(|| format!("chat {}", model.name));
        of_operation(&mut span, "chat", model.provider);
        span.set(a::REQUEST_MODEL, || Value::text(model.name));
        span.set(a::REQUEST_STREAM, || Value::Bool(true));
        span.set(a::SERVER_ADDRESS, || Value::text(address));
        span.set(a::SERVER_PORT, || Value::Int(i64::from(port)));
        if let Some(tokens) = max_tokens {
            span.set(a::REQUEST_MAX_TOKENS, || Value::Int(i64::from(tokens)));
        }
        if let Some(temperature) = temperature {
            span.set(a::REQUEST_TEMPERATURE, || Value::Double(f64::from(temperature)));
        }
        if let Some(top_p) = top_p {
            span.set(a::REQUEST_TOP_P, || Value::Double(f64::from(top_p)));
        }
        let written = wants_content(&span).then(String::new);
        let metrics = GenAi::of("chat", model.provider, model.label);
        Self(Some(Box::new(Asking {
            span,
            metrics,
            began: Instant::now(),
            chunk_at: None,
            chunks: None,
            tokens: None,
            error: None,
            written,
            finish: None,
        })))
    }

    /// Whether what was sent and written is wanted, which the configuration says.
    #[must_use]
    pub fn wants_content(&self) -> bool {
        self.0.as_ref().is_some_and(|asking| wants_content(&asking.span))
    }

    /// What is sent, as JSON in the form of the conventions. Ignored unless content is wanted.
    pub fn sends(&mut self, messages: String, instructions: Option<String>) {
        let Some(asking) = self.0.as_mut().filter(|asking| wants_content(&asking.span)) else { return };
        for (name, text) in [(a::INPUT_MESSAGES, Some(messages)), (a::SYSTEM_INSTRUCTIONS, instructions)] {
            if let Some(text) = text.filter(|text| text.len() <= CONTENT_BYTES_MAX) {
                asking.span.set(name, || Value::Text(text));
            }
        }
    }

    /// A part of the answer came.
    pub fn chunk(&mut self, text: Option<&str>) {
        let Some(asking) = &mut self.0 else { return };
        let now = Instant::now();
        match asking.chunk_at.replace(now) {
            None => {
                let after = now - asking.began;
                asking.span.set(a::FIRST_CHUNK, || Value::Double(after.as_secs_f64()));
                if let Some(metrics) = &asking.metrics {
                    metrics.first_chunk(after);
                    asking.chunks = Some(metrics.chunk_times());
                }
            }
            Some(before) => {
                if let Some(chunks) = &asking.chunks {
                    chunks.took(now - before);
                }
            }
        }
        if let Some(text) = text {
            asking.written.as_mut().filter(|w| w.len() <= CONTENT_BYTES_MAX).into_iter().for_each(|w| w.push_str(text));
        }
    }

    /// The tokens as the provider counts them: of the prompt, of those read from and written to a cache, of the answer, of those reasoning.
    pub fn tokens(&mut self, input: u64, cache: [u64; 2], output: u64, reasoning: u64) {
        let Some(asking) = &mut self.0 else { return };
        asking.tokens = Some((input, output));
        asking.span.set(a::INPUT_TOKENS, || Value::count(input));
        asking.span.set(a::OUTPUT_TOKENS, || Value::count(output));
        let parts = [(a::CACHE_READ_TOKENS, cache[0]), (a::CACHE_CREATION_TOKENS, cache[1]), (a::REASONING_TOKENS, reasoning)];
        for (name, count) in parts.into_iter().filter(|(_, count)| *count > 0) {
            asking.span.set(name, || Value::count(count));
        }
    }

    /// The answer ended, for this reason.
    pub fn finished(&mut self, reason: &'static str) {
        let Some(asking) = &mut self.0 else { return };
        asking.finish = Some(reason);
        asking.span.set(a::FINISH_REASONS, || Value::Texts(vec![reason]));
    }

    /// The try failed, with a stable code.
    pub fn failed(&mut self, error: &'static str) {
        if let Some(asking) = &mut self.0 {
            asking.error = Some(error);
        }
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        let error = self.error.or_else(|| self.finish.is_none().then_some(CANCELLED));
        if let Some(error) = error {
            self.span.fail(error);
        }
        if let Some(text) = self.written.take().filter(|text| text.len() <= CONTENT_BYTES_MAX && !text.is_empty()) {
            self.span.set(a::OUTPUT_MESSAGES, || Value::Text(written(&text, self.finish)));
        }
        if let Some(metrics) = &self.metrics {
            metrics.ended(self.began.elapsed(), error);
            if let Some((input, output)) = self.tokens {
                metrics.tokens(input, output);
            }
        }
    }
}

fn wants_content(span: &Span) -> bool {
    span.is_kept() && active().is_some_and(|shared: &Shared| shared.content)
}

fn written(text: &str, finish: Option<&str>) -> String {
    let message = serde_json::json!([{
        "role": "assistant",
        "parts": [{ "type": "text", "content": text }],
        "finish_reason": finish.unwrap_or(CANCELLED),
    }]);
    message.to_string()
}

/// What is measured where nobody asks for it: nothing, within the time of two looks.
#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn where_nothing_is_asked_for_nothing_is_kept() {
        let model = Model { provider: "openai", name: "m", label: "m" };
        let asks = AsksModel { model, address: "a.example", port: 443, max_tokens: None, temperature: None, top_p: None };
        let mut chat = Chat::begin(asks);
        assert!(chat.0.is_none() && !chat.wants_content());
        chat.chunk(Some("text"));
        chat.tokens(1, [0, 0], 2, 0);
        chat.finished("stop");
        let begun = Instant::now();
        for _ in 0..100_000 {
            drop(std::hint::black_box(Chat::begin(asks)));
        }
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    }
}
