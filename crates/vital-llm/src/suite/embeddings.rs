//! Vectors of texts, in every format that has them.

use super::{PATIENT, SHORT, settings, within};
use crate::{Embeddings, LlmError, Provider, Timeouts, TokenUsage, WireFormat, sse::FRAME_BYTES_MAX};
use vital_testkit::provider::{Script, ScriptedProvider};

const FORMATS: [WireFormat; 3] = [WireFormat::OpenAi, WireFormat::AzureOpenAi, WireFormat::Google];

fn texts() -> Vec<String> {
    vec!["first".into(), "second".into()]
}

async fn embed(format: WireFormat, script: Script, timeouts: Timeouts) -> Result<Embeddings, LlmError> {
    let server = ScriptedProvider::start().await.unwrap();
    server.reply(script);
    within(Provider::new(settings(format, &server, timeouts)).unwrap().embed(&texts())).await
}

#[tokio::test]
async fn vectors_come_in_the_order_of_their_texts_with_the_tokens() {
    for format in FORMATS {
        let server = ScriptedProvider::start().await.unwrap();
        server.reply(Script::vectors(vec![vec![0.5, -1.0], vec![0.25, 2.0]], 7));
        let provider = Provider::new(settings(format, &server, PATIENT)).unwrap();
        let vectors = vec![vec![0.5, -1.0], vec![0.25, 2.0]];
        assert_eq!(
            within(provider.embed(&texts())).await,
            Ok(Embeddings { vectors, usage: TokenUsage { input: 7, ..TokenUsage::default() } }),
            "{format:?}"
        );
        let request = server.requests().pop().unwrap();
        let json = request.json();
        let (path, second) = match format {
            WireFormat::Google => ("/v1beta/models/model-1:batchEmbedContents", "/requests/1/content/parts/0/text"),
            WireFormat::AzureOpenAi => ("/openai/deployments/model-1/embeddings", "/input/1"),
            _ => ("/v1/embeddings", "/input/1"),
        };
        assert_eq!((request.path.as_str(), json.pointer(second).and_then(|t| t.as_str())), (path, Some("second")));
        assert!(!request.query.contains("sk-secret") && !request.query.contains("alt"));
    }
}

#[tokio::test]
async fn vectors_of_another_number_or_dimension_are_refused() {
    let wrong = [
        vec![],
        vec![vec![0.5]],
        vec![vec![0.5], vec![0.5], vec![0.5]],
        vec![vec![0.5], vec![0.5, 0.5]],
        vec![vec![0.5], vec![]],
        vec![vec![0.5], vec![f32::NAN]],
    ];
    for format in FORMATS {
        for vectors in &wrong {
            let answer = embed(format, Script::vectors(vectors.clone(), 7), PATIENT).await;
            assert!(matches!(answer, Err(LlmError::Garbled { .. })), "{format:?} {vectors:?} {answer:?}");
        }
        let absurd = embed(format, Script::vectors(vec![vec![0.5], vec![0.5]], u64::MAX), PATIENT).await;
        assert!(matches!(absurd, Err(LlmError::Garbled { .. })));
    }
}

#[tokio::test]
async fn faults_are_typed_as_those_of_answers() {
    let json = || Script::status(200).header("content-type", "application/json");
    for format in FORMATS {
        for (script, expected) in [
            (Script::status(429), LlmError::RateLimited { retry_after: None }),
            (Script::status(401), LlmError::Unauthorized),
            (Script::status(500), LlmError::Status { status: 500 }),
            (Script::status(413), LlmError::ContextTooLong),
            (Script::cut_before_answer(), LlmError::Cut),
            (json().body("{\"data\":[").cut(), LlmError::Cut),
            (json().body("{").forever_raw(" ".repeat(FRAME_BYTES_MAX)), LlmError::OutputTooLarge),
        ] {
            assert_eq!(embed(format, script, PATIENT).await, Err(expected), "{format:?}");
        }
        for garbled in [
            json().body("{}"),
            json().body("[1"),
            json().body(b"\xFF".as_slice()),
            json().header("content-encoding", "gzip").body("x"),
            Script::status(200).header("content-type", "text/html").body("<html>"),
            Script::new(),
        ] {
            let answer = embed(format, garbled, PATIENT).await;
            assert!(matches!(answer, Err(LlmError::Garbled { .. })), "{format:?} {answer:?}");
        }
        let quick = Timeouts { first_token: SHORT, between_tokens: SHORT, ..PATIENT };
        assert_eq!(embed(format, Script::half_open(), quick).await, Err(LlmError::FirstTokenTimeout));
        assert_eq!(embed(format, json().body("{").hang(), quick).await, Err(LlmError::Stalled));
    }
}

#[tokio::test]
async fn a_dropped_request_for_vectors_closes_the_connection() {
    for format in FORMATS {
        let server = ScriptedProvider::start().await.unwrap();
        server.reply(Script::half_open());
        let provider = Provider::new(settings(format, &server, PATIENT)).unwrap();
        let texts = texts();
        tokio::select! {
            _ = provider.embed(&texts) => panic!("there is no answer"),
            _ = within(server.until(|c| c.requests == 1)) => {}
        }
        within(server.until(|c| c.closed_early == 1)).await;
    }
}

#[tokio::test]
async fn what_cannot_be_embedded_is_not_sent() {
    let server = ScriptedProvider::start().await.unwrap();
    let provider = |format| Provider::new(settings(format, &server, PATIENT)).unwrap();
    assert!(matches!(provider(WireFormat::OpenAi).embed(&[]).await, Err(LlmError::Request { .. })));
    assert!(matches!(provider(WireFormat::Anthropic).embed(&texts()).await, Err(LlmError::Config { .. })));
    assert_eq!(server.counts().connections, 0);
}
