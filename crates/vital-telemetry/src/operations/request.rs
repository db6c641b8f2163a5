//! A request that the server answers: `{method} {route}`.

use crate::{
    attributes as a,
    context::Context,
    span::{Span, SpanKind, Value},
};

/// Methods that are named; every other one is `_OTHER`, as the conventions want it.
const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"];
/// Routes that are asked for all the time and tell nothing.
const NOT_TRACED: [&str; 3] = ["/livez", "/readyz", "/assets/"];

/// One request, from its head to the head of its response.
#[derive(Debug)]
pub struct Request(Span);

impl Request {
    /// Begins. `route` is the template of its route, never its path; `parent` is the `traceparent` of a sender whose word counts, and of no
    /// other.
    #[must_use]
    pub fn begin(method: &str, route: Option<&str>, https: bool, parent: Option<&str>) -> Self {
        if crate::span::active().is_none() || route.is_some_and(|route| NOT_TRACED.iter().any(|known| route.starts_with(known))) {
            return Self(Span::default());
        }
        let method = METHODS.into_iter().find(|known| *known == method).unwrap_or("_OTHER");
        let mut span = Span::begin_in(parent.and_then(Context::from_traceparent), SpanKind::Server, method);
        span.set(a::HTTP_METHOD, || Value::Text(method.to_owned()));
        span.set(a::URL_SCHEME, || Value::Text(if https { "https" } else { "http" }.to_owned()));
        if let Some(route) = route {
            span.set(a::HTTP_ROUTE, || Value::text(route));
            span.rename(|| format!("{method} {route}"));
        }
        Self(span)
    }

    /// What is done for the request.
    #[must_use]
    pub fn context(&self) -> Option<Context> {
        self.0.context()
    }

    /// The span as `traceparent` writes it, for whoever asked; none where it is not kept.
    #[must_use]
    pub fn traceparent(&self) -> Option<String> {
        self.0.context().filter(|_| self.0.is_kept()).map(Context::traceparent)
    }

    /// The status of the response.
    pub fn status(&mut self, status: u16) {
        self.0.set(a::HTTP_STATUS, || Value::Int(i64::from(status)));
        if status >= 500 {
            self.0.fail(&status.to_string());
        }
    }
}
