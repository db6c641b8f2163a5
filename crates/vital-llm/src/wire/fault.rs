//! The error objects of the formats, in an error body as well as in a stream, and the error that each stands for.
//!
//! A status says little: a context that is too long is 400 almost everywhere, and Google calls a wrong key 400 too. So the provider's
//! words are searched, and only searched: no part of its prose is kept.
//!
//! Sources: <https://platform.openai.com/docs/guides/error-codes>, <https://docs.anthropic.com/en/api/errors>,
//! <https://ai.google.dev/gemini-api/docs/troubleshooting> and <https://cloud.google.com/apis/design/errors>,
//! <https://learn.microsoft.com/azure/ai-services/openai/concepts/content-filter>; vLLM's `BadRequestError` and llama.cpp's
//! `exceed_context_size_error` as their servers send them.

use crate::LlmError;
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;

/// Most of a message that is searched, in bytes.
const SEARCHED_BYTES_MAX: usize = 4_096;

/// Words and phrases, in lower case, by which providers say that a request is longer than the model takes.
const TOO_LONG: [&str; 12] = [
    "context_length_exceeded",
    "exceed_context_size",
    "string_above_max_length",
    "request_too_large",
    "context length",
    "context size",
    "context limit",
    "context window",
    "prompt is too long",
    "input token count",
    "maximum model length",
    "payload size exceeds",
];

/// Words by which providers say that a content filter refused a request.
const FILTERED: [&str; 4] = ["content_filter", "content_policy_violation", "responsibleaipolicyviolation", "prohibited_content"];

/// An error object. Some servers send a bare string in its place, some the object without its envelope, Google's streams an array of
/// one; and an error of an unexpected shape is an error all the same, so that every value can be one.
#[derive(Debug, Deserialize)]
#[serde(from = "Value")]
pub(crate) struct ErrorObject {
    /// A status inside the object, as vLLM, llama.cpp and Google send it.
    status: Option<u16>,
    /// The words for the error, the most exact one first.
    words: Vec<String>,
    /// The beginning of the message, in lower case.
    message: String,
    /// Google's `RetryInfo`.
    retry_after: Option<Duration>,
}

impl From<Value> for ErrorObject {
    fn from(error: Value) -> Self {
        if let Value::String(message) = &error {
            return Self { status: None, words: Vec::new(), message: searched(message), retry_after: None };
        }
        let details = error["details"].as_array().map(Vec::as_slice).unwrap_or_default();
        let inner = [&error["innererror"]["code"], &error["code"], &error["type"], &error["status"]];
        let words = details.iter().map(|detail| &detail["reason"]).chain(inner).filter_map(Value::as_str).map(ToOwned::to_owned).collect();
        let status = error["code"].as_u64().and_then(|code| u16::try_from(code).ok()).filter(|code| (400..600).contains(code));
        let delay = details.iter().find_map(|detail| detail["retryDelay"].as_str()).and_then(|delay| delay.strip_suffix('s'));
        Self {
            status,
            words,
            message: searched(error["message"].as_str().unwrap_or_default()),
            retry_after: delay.and_then(|s| s.parse().ok()).and_then(|s| Duration::try_from_secs_f64(s).ok()),
        }
    }
}

impl ErrorObject {
    /// Reads an error body.
    pub(crate) fn of_body(body: &[u8]) -> Option<Self> {
        let mut body: Value = serde_json::from_slice(body).ok()?;
        if let Some(first) = body.get_mut(0) {
            body = first.take();
        }
        match body.get_mut("error") {
            Some(error) if !error.is_null() => Some(error.take().into()),
            _ => body.is_object().then(|| body.into()),
        }
    }

    /// The error for an object inside a stream, where there is no status to go by.
    pub(crate) fn into_error(self) -> LlmError {
        let status = self.status.or_else(|| self.words.iter().find_map(|word| status_of(word))).unwrap_or(500);
        self.with_status(status, None)
    }

    /// The error for a response with this status; the wait of its header goes before that of the object.
    pub(crate) fn with_status(&self, status: u16, retry_after: Option<Duration>) -> LlmError {
        let says = |phrase: &&str| self.message.contains(*phrase) || self.words.iter().any(|word| word.eq_ignore_ascii_case(phrase));
        let names = |part: &str| self.message.contains(part) || self.words.iter().any(|word| word.to_ascii_lowercase().contains(part));
        let is_refusal = (400..500).contains(&status) && status != 429;
        if is_refusal && self.words.iter().any(|word| FILTERED.iter().any(|filtered| word.eq_ignore_ascii_case(filtered))) {
            return LlmError::ContentFiltered;
        }
        if is_refusal && (TOO_LONG.iter().any(says) || names("exceed_context_size")) {
            return LlmError::ContextTooLong;
        }
        if status == 404 && (names("model") || names("deployment")) {
            return LlmError::UnknownModel;
        }
        if status == 400 && self.words.iter().any(|word| word == "API_KEY_INVALID") {
            return LlmError::Unauthorized;
        }
        LlmError::from_status(status, retry_after.or(self.retry_after))
    }

    /// The provider's word for the error, if it looks like one: a log line never carries a provider's prose.
    pub(crate) fn word(&self) -> Option<&str> {
        let lower = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'.');
        let upper = |b: u8| b.is_ascii_uppercase() || b == b'_';
        self.words
            .iter()
            .map(String::as_str)
            .find(|word| (1..=64).contains(&word.len()) && (word.bytes().all(lower) || word.bytes().all(upper)))
    }
}

fn searched(message: &str) -> String {
    let mut end = message.len().min(SEARCHED_BYTES_MAX);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    message[..end].to_ascii_lowercase()
}

/// The statuses of the words in the formats' error lists.
fn status_of(word: &str) -> Option<u16> {
    Some(match word {
        "invalid_request_error" | "context_length_exceeded" | "INVALID_ARGUMENT" | "FAILED_PRECONDITION" => 400,
        "authentication_error" | "invalid_api_key" | "UNAUTHENTICATED" => 401,
        "permission_error" | "PERMISSION_DENIED" => 403,
        "not_found_error" | "model_not_found" | "NOT_FOUND" => 404,
        "request_too_large" => 413,
        "content_filter" => 400,
        "rate_limit_error" | "rate_limit_exceeded" | "insufficient_quota" | "requests" | "tokens" | "RESOURCE_EXHAUSTED" => 429,
        "UNAVAILABLE" => 503,
        "timeout_error" | "DEADLINE_EXCEEDED" => 504,
        "overloaded_error" => 529,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(status: u16, body: &str) -> LlmError {
        ErrorObject::of_body(body.as_bytes()).unwrap().with_status(status, None)
    }

    #[test]
    fn every_provider_s_words_for_a_context_that_is_too_long_mean_that() {
        for (status, body) in [
            (
                400,
                r#"{"error":{"message":"This model's maximum context length is 128000 tokens. However…","type":"invalid_request_error","code":"context_length_exceeded"}}"#,
            ),
            (
                400,
                r#"{"object":"error","message":"This model's maximum context length is 4096 tokens. However, you requested 5000","type":"BadRequestError","code":400}"#,
            ),
            (
                400,
                r#"{"error":{"message":"The decoder prompt (length 9000) is longer than the maximum model length of 8192.","code":400}}"#,
            ),
            (
                400,
                r#"{"error":{"code":400,"message":"request (9412 tokens) exceeds the available context size (8192 tokens)","type":"exceed_context_size_error"}}"#,
            ),
            (
                400,
                r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 210000 tokens > 200000 maximum"}}"#,
            ),
            (
                400,
                r#"{"type":"error","error":{"type":"invalid_request_error","message":"input length and `max_tokens` exceed context limit: 1 + 2 > 3"}}"#,
            ),
            (413, r#"{"type":"error","error":{"type":"request_too_large","message":"Request exceeds the maximum size"}}"#),
            (
                400,
                r#"[{"error":{"code":400,"message":"The input token count (1500000) exceeds the maximum number of tokens allowed (1048576).","status":"INVALID_ARGUMENT"}}]"#,
            ),
        ] {
            assert_eq!(error(status, body), LlmError::ContextTooLong, "{body}");
        }
        assert_eq!(error(429, r#"{"error":{"message":"tokens per minute: context length"}}"#), LlmError::RateLimited { retry_after: None });
        assert_eq!(error(400, r#"{"error":{"message":"bad","type":"invalid_request_error"}}"#), LlmError::Status { status: 400 });
    }

    #[test]
    fn unknown_models_filters_and_google_s_wrong_key_are_told_apart_from_other_refusals() {
        for (status, body, expected) in [
            (404, r#"{"error":{"message":"The model `x` does not exist","code":"model_not_found"}}"#, LlmError::UnknownModel),
            (404, r#"{"error":{"message":"The model `x` does not exist.","type":"NotFoundError","code":404}}"#, LlmError::UnknownModel),
            (404, r#"{"type":"error","error":{"type":"not_found_error","message":"model: x"}}"#, LlmError::UnknownModel),
            (
                404,
                r#"{"error":{"code":"DeploymentNotFound","message":"The API deployment for this resource does not exist."}}"#,
                LlmError::UnknownModel,
            ),
            (
                404,
                r#"{"error":{"code":404,"message":"models/x is not found for API version v1beta","status":"NOT_FOUND"}}"#,
                LlmError::UnknownModel,
            ),
            (404, r#"{"error":{"code":404,"message":"File Not Found","type":"not_found_error"}}"#, LlmError::Status { status: 404 }),
            (404, r#"{"detail":"Not Found"}"#, LlmError::Status { status: 404 }),
            (
                400,
                r#"{"error":{"code":"content_filter","message":"…","innererror":{"code":"ResponsibleAIPolicyViolation"}}}"#,
                LlmError::ContentFiltered,
            ),
            (400, r#"{"error":{"code":"content_policy_violation"}}"#, LlmError::ContentFiltered),
            (
                400,
                r#"{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_INVALID"}]}}"#,
                LlmError::Unauthorized,
            ),
        ] {
            assert_eq!(error(status, body), expected, "{body}");
        }
    }

    #[test]
    fn google_s_wait_is_read_from_the_body_and_a_header_goes_before_it() {
        let body = r#"{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","details":[{"@type":"x"},{"retryDelay":"17.5s"}]}}"#;
        let object = ErrorObject::of_body(body.as_bytes()).unwrap();
        let limited = |s| LlmError::RateLimited { retry_after: Some(Duration::from_secs_f64(s)) };
        assert_eq!(object.with_status(429, None), limited(17.5));
        assert_eq!(object.with_status(429, Some(Duration::from_secs(3))), limited(3.0));
        for odd in ["-1s", "NaNs", "1e300s", "x", "s"] {
            let body = format!(r#"{{"error":{{"details":[{{"retryDelay":"{odd}"}}]}}}}"#);
            assert_eq!(error(429, &body), LlmError::RateLimited { retry_after: None }, "{odd}");
        }
    }

    #[test]
    fn objects_inside_a_stream_become_the_error_that_a_status_would_be() {
        for (object, expected) in [
            (r#"{"message":"secret","type":"server_error"}"#, LlmError::Status { status: 500 }),
            (r#"{"message":"secret","type":"requests","code":"rate_limit_exceeded"}"#, LlmError::RateLimited { retry_after: None }),
            (r#"{"message":"secret","code":400,"type":"BadRequestError"}"#, LlmError::Status { status: 400 }),
            (r#"{"type":"overloaded_error"}"#, LlmError::Status { status: 529 }),
            (r#"{"code":503,"message":"secret","status":"UNAVAILABLE"}"#, LlmError::Status { status: 503 }),
            (r#"{"code":"invalid_api_key"}"#, LlmError::Unauthorized),
            (r#"{"code":7,"type":[]}"#, LlmError::Status { status: 500 }),
            (r#""secret""#, LlmError::Status { status: 500 }),
            ("null", LlmError::Status { status: 500 }),
        ] {
            let got = serde_json::from_str::<ErrorObject>(object).unwrap().into_error();
            assert_eq!(got, expected, "{object}");
            assert!(!got.to_string().contains("secret"));
        }
    }

    #[test]
    fn a_log_gets_a_word_and_never_prose() {
        let word = |body: &str| ErrorObject::of_body(body.as_bytes()).unwrap().word().map(ToOwned::to_owned);
        assert_eq!(word(r#"{"error":{"type":"rate_limit_error"}}"#).as_deref(), Some("rate_limit_error"));
        assert_eq!(word(r#"{"error":{"code":429,"status":"RESOURCE_EXHAUSTED"}}"#).as_deref(), Some("RESOURCE_EXHAUSTED"));
        assert_eq!(word(r#"{"error":{"type":"The patient Jane Doe","code":"sk-Secret1"}}"#), None);
        assert!(ErrorObject::of_body(b"<html>").is_none() && ErrorObject::of_body(b"7").is_none());
    }
}
