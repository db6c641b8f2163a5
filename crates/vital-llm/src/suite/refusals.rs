//! Requests that a provider refuses, by status or inside the stream, and the words in which it does.

use super::{FAR, FORMATS, PATIENT, fails, play, text};
use crate::{LlmError, WireFormat};
use std::time::Duration;
use vital_testkit::provider::Script;

fn limited(seconds: u64) -> LlmError {
    LlmError::RateLimited { retry_after: Some(Duration::from_secs(seconds)) }
}

#[tokio::test]
async fn refused_requests_are_told_apart_by_status() {
    let body = r#"{"error":{"type":"rate_limit_error","message":"prose"}}"#;
    fails(|| Script::status(429).header("retry-after", "7").body(body), PATIENT, &limited(7), "").await;
    fails(|| Script::status(429).header("retry-after", "99999999999"), PATIENT, &limited(3_600), "").await;
    fails(|| Script::status(429).header("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT"), PATIENT, &limited(0), "").await;
    fails(|| Script::status(429).header("retry-after", "soon"), PATIENT, &LlmError::RateLimited { retry_after: None }, "").await;
    fails(|| Script::status(401).body("{"), PATIENT, &LlmError::Unauthorized, "").await;
    fails(|| Script::status(403), PATIENT, &LlmError::Unauthorized, "").await;
    fails(|| Script::status(413), PATIENT, &LlmError::ContextTooLong, "").await;
    for status in [400, 404, 500, 503, 529] {
        fails(|| Script::status(status).body(vec![b'x'; 200_000]), PATIENT, &LlmError::Status { status }, "").await;
    }
}

#[tokio::test]
async fn a_date_in_the_future_is_the_wait_until_then() {
    let in_a_minute = time::OffsetDateTime::now_utc() + time::Duration::minutes(1);
    let date = in_a_minute.format(&time::format_description::well_known::Rfc2822).unwrap().replace("+0000", "GMT");
    for format in FORMATS {
        let (_, error) = play(format, Script::status(429).header("retry-after", &date), PATIENT).await;
        let Some(LlmError::RateLimited { retry_after: Some(wait) }) = error else { panic!("{error:?}") };
        assert!(wait <= Duration::from_secs(60) && wait + FAR > Duration::from_secs(60), "{wait:?}");
    }
}

/// What each format answers to an unknown model, a request that is too long and one that its filter refuses.
fn words(format: WireFormat) -> [(u16, &'static str, LlmError); 3] {
    let (unknown, long, filtered) = match format {
        WireFormat::OpenAi => (
            r#"{"error":{"message":"The model `model-1` does not exist","type":"invalid_request_error","code":"model_not_found"}}"#,
            r#"{"error":{"message":"This model's maximum context length is 8192 tokens.","code":"context_length_exceeded"}}"#,
            r#"{"error":{"message":"prose","type":"invalid_request_error","code":"content_policy_violation"}}"#,
        ),
        WireFormat::AzureOpenAi => (
            r#"{"error":{"code":"DeploymentNotFound","message":"The API deployment for this resource does not exist."}}"#,
            r#"{"error":{"message":"This model's maximum context length is 8192 tokens.","code":"context_length_exceeded"}}"#,
            r#"{"error":{"code":"content_filter","message":"prose","innererror":{"code":"ResponsibleAIPolicyViolation"}}}"#,
        ),
        WireFormat::Anthropic => (
            r#"{"type":"error","error":{"type":"not_found_error","message":"model: model-1"}}"#,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 210000 tokens > 200000 maximum"}}"#,
            // The format answers with the stop reason `refusal` instead; a gateway in front of it may do so.
            r#"{"type":"error","error":{"type":"content_filter","message":"prose"}}"#,
        ),
        WireFormat::Google => (
            r#"{"error":{"code":404,"message":"models/model-1 is not found for API version v1beta","status":"NOT_FOUND"}}"#,
            r#"[{"error":{"code":400,"message":"The input token count (9) exceeds the maximum number of tokens allowed (8).","status":"INVALID_ARGUMENT"}}]"#,
            r#"{"error":{"code":400,"message":"prose","status":"INVALID_ARGUMENT","details":[{"reason":"PROHIBITED_CONTENT"}]}}"#,
        ),
    };
    [(404, unknown, LlmError::UnknownModel), (400, long, LlmError::ContextTooLong), (400, filtered, LlmError::ContentFiltered)]
}

#[tokio::test]
async fn the_providers_own_words_for_the_same_fault_are_one_error() {
    for format in FORMATS {
        for (status, body, expected) in words(format) {
            let (deltas, error) = play(format, Script::status(status).body(body), PATIENT).await;
            assert_eq!((deltas, error), (vec![], Some(expected)), "{format:?} {body}");
        }
    }
}

#[tokio::test]
async fn errors_inside_the_stream_are_typed_and_their_prose_stays_out() {
    for format in FORMATS {
        let overloaded = if format == WireFormat::Google { 503 } else { 529 };
        for (kind, expected) in [
            ("rate_limit_error", LlmError::RateLimited { retry_after: None }),
            ("overloaded_error", LlmError::Status { status: overloaded }),
            // The key is revoked in the middle of an answer.
            ("authentication_error", LlmError::Unauthorized),
            ("server_error", LlmError::Status { status: 500 }),
        ] {
            let (deltas, error) = play(format, Script::new().text("So ").error(kind), PATIENT).await;
            assert_eq!((text(&deltas).as_str(), deltas.len() <= 2, &error), ("So ", true, &Some(expected)), "{format:?}");
            assert!(!error.unwrap().to_string().contains("scripted prose"));
        }
    }
}

#[tokio::test]
async fn a_key_revoked_between_two_requests_is_refused_at_the_second() {
    for format in FORMATS {
        let server = vital_testkit::provider::ScriptedProvider::start().await.unwrap();
        server.reply(Script::answer("One."));
        server.reply(Script::status(401).body(r#"{"error":{"code":"invalid_api_key"}}"#));
        let provider = crate::Provider::new(super::settings(format, &server, PATIENT)).unwrap();
        assert_eq!(super::ask(&provider).await.1, None);
        assert_eq!(super::ask(&provider).await, (vec![], Some(LlmError::Unauthorized)));
    }
}
