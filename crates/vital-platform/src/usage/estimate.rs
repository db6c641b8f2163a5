//! How many tokens a request may be, by rule: what a provider counts is known only afterwards.
//!
//! A tokenizer would have to be that of each model, and hosts do not publish all of them. The rule is one token for each two bytes of the request
//! as JSON: English is about four bytes a token, Chinese and Japanese about three, numbers and code two to three. What is below two bytes a
//! token, such as random letters, is held too low; then the settlement counts what it was, and the next request finds less left.

use serde::Serialize;
use std::io;
use vital_llm::{ChatRequest, Delta, TokenUsage};

/// Bytes of a request for one token of its prompt, when it is held.
const BYTES_HELD: u64 = 2;
/// Tokens of a request beside its texts: what a provider puts around them.
const AROUND: u64 = 64;
/// Bytes of an answer for one token, where the provider did not say how many there were.
const BYTES_WRITTEN: u64 = 3;
/// Tokens that a prompt may have beyond one for each of its bytes, before a report of it is absurd: instructions that a host adds by itself.
const ADDED_MAX: u64 = 16_384;
/// Tokens that an answer may have beyond twice what was asked for, before a report of it is absurd.
const OVERRUN_MAX: u64 = 4_096;

/// The size of one request, in tokens by rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Bytes of the request as JSON.
    pub bytes: u64,
    /// Tokens of its prompt, by rule.
    pub input: u64,
}

struct Counted(u64);

impl io::Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Size {
    /// Measures a request.
    pub fn of(request: &ChatRequest) -> Self {
        Self::of_json(request)
    }

    fn of_json(request: &impl Serialize) -> Self {
        let mut counted = Counted(0);
        // Writing into a count fails only where a value has no JSON, which a request that can be sent is not.
        let bytes = serde_json::to_writer(&mut counted, request).map_or(u64::from(u32::MAX), |()| counted.0);
        Self { bytes, input: bytes.div_ceil(BYTES_HELD) + AROUND }
    }

    /// What a provider reported, cut to what can be, and whether it had to be cut.
    pub fn bounded(&self, told: TokenUsage, output_max: u32) -> (TokenUsage, bool) {
        let input = told.input.min(self.bytes + ADDED_MAX);
        let output = told.output.min(2 * u64::from(output_max) + OVERRUN_MAX);
        let cached_input = told.cached_input.min(input);
        let bounded = TokenUsage {
            input,
            output,
            cached_input,
            cache_write_input: told.cache_write_input.min(input - cached_input),
            reasoning: told.reasoning.min(output),
        };
        (bounded, (input, output) != (told.input, told.output))
    }
}

/// Bytes that a model has written so far in an item of its answer.
pub(super) fn written(delta: &Delta) -> u64 {
    let bytes = match delta {
        Delta::Text(text) => text.len(),
        Delta::ToolCall(call) => call.name.len() + call.arguments.to_string().len(),
        Delta::InvalidToolCall(call) => call.name.len(),
        Delta::ToolCallStart { .. } | Delta::Usage(_) | Delta::Stop(_) => 0,
    };
    bytes as u64
}

/// Tokens of so many written bytes, by rule.
pub(super) const fn tokens_of(written: u64) -> u64 {
    written.div_ceil(BYTES_WRITTEN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use vital_llm::Message;

    #[test]
    fn a_prompt_is_held_at_half_its_bytes() {
        let request = ChatRequest { system: "x".repeat(1_000), messages: vec![Message::user("y".repeat(1_000))], ..ChatRequest::default() };
        let size = Size::of(&request);
        assert_eq!(size.bytes, serde_json::to_vec(&request).unwrap().len() as u64);
        assert!(size.input >= 1_064 && size.input < 1_300, "{size:?}");
    }

    #[test]
    fn absurd_reports_are_cut_and_others_are_not_touched() {
        let size = Size { bytes: 100, input: 114 };
        let honest = TokenUsage { input: 40, output: 10, cached_input: 30, cache_write_input: 10, reasoning: 10 };
        assert_eq!(size.bounded(honest, 16), (honest, false));
        let absurd =
            TokenUsage { input: u64::MAX, output: u64::MAX, cached_input: u64::MAX, cache_write_input: u64::MAX, reasoning: u64::MAX };
        let (cut, was_cut) = size.bounded(absurd, 16);
        assert!(was_cut);
        assert_eq!((cut.input, cut.output, cut.cached_input, cut.cache_write_input, cut.reasoning), (16_484, 4_128, 16_484, 0, 4_128));
    }
}
