//! `POST /v1/embeddings`: vectors of the client's own texts, by the model that searches the documents. Nothing is stored.

use super::parameters;
use crate::{
    caller::SignedIn,
    extract::Body,
    problem::{Problem, Reply},
    state::AppState,
};
use axum::{Json, extract::State};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;
use vital_kernel::Error;
use vital_platform::knowledge;

/// Texts to be embedded.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"model": "all-MiniLM-L6-v2", "input": "substantial equivalence"}))]
pub(crate) struct EmbeddingRequest {
    /// Name of the embedding model.
    model: String,
    /// A text or up to 256 texts, each of at most 256 tokens.
    input: Input,
    /// `float` or `base64` (32-bit floats, little-endian); `float` unless given.
    #[serde(default)]
    encoding_format: Option<Encoding>,
    /// Length of the vectors; can only be the model's own.
    #[serde(default)]
    dimensions: Option<usize>,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

/// The texts.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum Input {
    /// One.
    Text(String),
    /// Several.
    Texts(Vec<String>),
    /// Tokens of a text; refused, since they are of another tokenizer.
    Tokens(Vec<u32>),
    /// Tokens of several texts; refused.
    TokenLists(Vec<Vec<u32>>),
}

/// How vectors are written.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Encoding {
    Float,
    Base64,
}

/// The vectors.
#[derive(Serialize, ToSchema)]
pub(crate) struct EmbeddingList {
    /// `list`.
    object: &'static str,
    data: Vec<Embedding>,
    /// Name of the model.
    model: String,
    usage: EmbeddingUsage,
}

/// A vector.
#[derive(Serialize, ToSchema)]
pub(crate) struct Embedding {
    /// `embedding`.
    object: &'static str,
    /// Place of its text in the request, from 0.
    index: usize,
    embedding: Vector,
}

/// The numbers of a vector.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum Vector {
    /// As numbers.
    Float(Vec<f32>),
    /// As the bytes of 32-bit floats, little-endian, in Base64.
    Base64(String),
}

/// What was read.
#[derive(Serialize, ToSchema)]
pub(crate) struct EmbeddingUsage {
    /// Tokens of all texts, those that frame each included.
    prompt_tokens: usize,
    total_tokens: usize,
}

/// Makes vectors of texts, in OpenAI's format, behind the questions that wait for the same model.
#[utoipa::path(post, path = "/v1/embeddings", tag = "compatible", request_body = EmbeddingRequest,
    responses((status = 200, body = EmbeddingList)), security(("bearer" = [])))]
pub(crate) async fn create(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    Body(given): Body<EmbeddingRequest>,
) -> Reply<Json<EmbeddingList>> {
    parameters::check(&given.rest, &[], &["user"])?;
    if let Some((name, dimensions)) = knowledge::embedding_model(&s.platform) {
        if given.model != name {
            let detail = format!("There is no embedding model of this name. The one here is `{name}`; nothing was embedded.");
            return Err(Error::not_found("model.unknown", detail).into());
        }
        if given.dimensions.is_some_and(|d| d != dimensions) {
            let detail = format!("The vectors of this model have {dimensions} dimensions and no others. Nothing was embedded.");
            return Err(Error::invalid("parameter.unsupported", detail).with_field("/dimensions", "Leave it out.").into());
        }
    }
    let texts = match given.input {
        Input::Text(text) => vec![text],
        Input::Texts(texts) => texts,
        Input::Tokens(tokens) => return Err(foreign_tokens(tokens.len())),
        Input::TokenLists(lists) => return Err(foreign_tokens(lists.iter().map(Vec::len).sum())),
    };
    let made = knowledge::embed_texts(&s.platform, &caller.cx, texts).await?;
    let write = |vector: Vec<f32>| match given.encoding_format {
        Some(Encoding::Base64) => Vector::Base64(BASE64_STANDARD.encode(vector.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>())),
        Some(Encoding::Float) | None => Vector::Float(vector),
    };
    let data =
        made.vectors.into_iter().enumerate().map(|(index, v)| Embedding { object: "embedding", index, embedding: write(v) }).collect();
    let usage = EmbeddingUsage { prompt_tokens: made.tokens, total_tokens: made.tokens };
    Ok(Json(EmbeddingList { object: "list", data, model: made.model, usage }))
}

fn foreign_tokens(count: usize) -> Problem {
    let detail =
        format!("These are {count} tokens of another model's tokenizer, which mean nothing here. Send texts; nothing was embedded.");
    Error::invalid("embedding.tokens", detail).with_field("/input", "Send texts.").into()
}
