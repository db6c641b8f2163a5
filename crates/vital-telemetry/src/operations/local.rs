//! What the platform does with its own means: vectors (`embeddings {model}`) and search (`retrieval`). A provider's vectors too.

use super::{Model, OWN_PROVIDER, of_operation};
use crate::{
    attributes as a,
    context::Context,
    span::{Span, SpanKind, Value},
};
use std::time::Instant;
use vital_metrics::GenAi;

/// Texts made into vectors.
#[derive(Debug)]
pub struct Embeddings {
    span: Span,
    metrics: Option<GenAi>,
    began: Instant,
    outcome: Option<Result<(), &'static str>>,
}

impl Embeddings {
    /// Begins. A model of this process has no address.
    #[must_use]
    pub fn begin(model: Model<'_>, server: Option<(&str, u16)>) -> Self {
        let kind = if server.is_some() { SpanKind::Client } else { SpanKind::Internal };
        let mut span = Span::begin(kind, "embeddings");
        span.rename(|| format!("embeddings {}", model.name));
        of_operation(&mut span, "embeddings", model.provider);
        span.set(a::REQUEST_MODEL, || Value::text(model.name));
        if let Some((address, port)) = server {
            span.set(a::SERVER_ADDRESS, || Value::text(address));
            span.set(a::SERVER_PORT, || Value::Int(i64::from(port)));
        }
        Self { span, metrics: GenAi::of("embeddings", model.provider, model.label), began: Instant::now(), outcome: None }
    }

    /// They are there: vectors of this length, of texts with so many tokens, where that is known.
    pub fn made(&mut self, dimensions: usize, tokens: Option<u64>) {
        self.outcome = Some(Ok(()));
        self.span.set(a::DIMENSIONS, || Value::count(dimensions as u64));
        if let Some(tokens) = tokens {
            self.span.set(a::INPUT_TOKENS, || Value::count(tokens));
        }
    }

    /// It failed, with a stable code.
    pub fn failed(&mut self, error: &'static str) {
        self.outcome = Some(Err(error));
    }
}

impl Drop for Embeddings {
    fn drop(&mut self) {
        let error = self.outcome.unwrap_or(Err("cancelled")).err();
        if let Some(error) = error {
            self.span.fail(error);
        }
        if let Some(metrics) = &self.metrics {
            metrics.ended(self.began.elapsed(), error);
        }
    }
}

/// A search for passages.
#[derive(Debug)]
pub struct Retrieval {
    span: Span,
    metrics: Option<GenAi>,
    began: Instant,
    outcome: Option<Result<(), &'static str>>,
}

impl Retrieval {
    /// Begins.
    #[must_use]
    pub fn begin() -> Self {
        let mut span = Span::begin(SpanKind::Internal, "retrieval");
        of_operation(&mut span, "retrieval", OWN_PROVIDER);
        Self { span, metrics: GenAi::of("retrieval", OWN_PROVIDER, ""), began: Instant::now(), outcome: None }
    }

    /// What is done as part of it.
    #[must_use]
    pub fn context(&self) -> Option<Context> {
        self.span.context()
    }

    /// How it ended: well, or with a stable code.
    pub fn ended(&mut self, outcome: Result<(), &'static str>) {
        self.outcome = Some(outcome);
    }
}

impl Drop for Retrieval {
    fn drop(&mut self) {
        let error = self.outcome.unwrap_or(Err("cancelled")).err();
        if let Some(error) = error {
            self.span.fail(error);
        }
        if let Some(metrics) = &self.metrics {
            metrics.ended(self.began.elapsed(), error);
        }
    }
}
