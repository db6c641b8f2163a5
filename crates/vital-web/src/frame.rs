//! What surrounds every request: its id, the log line, caught panics, problems made into bodies, and the security headers.
//!
//! **Invariants:** the log line has neither query nor body; the nonce of the content security policy differs per response and is never
//! reused; nothing but assets may be stored by a cache.

use crate::{assets, caller::SignedIn, compat, mcp, pages::View, problem::Problem, state::AppState};
use axum::{
    extract::{ConnectInfo, MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use rand::RngCore as _;
use std::{net::SocketAddr, time::Instant};
use vital_kernel::{Error, RequestId};

/// The nonce that lets the scripts of one page run.
#[derive(Clone, Debug)]
pub(crate) struct Nonce(pub(crate) String);

impl Nonce {
    fn new() -> Self {
        let mut bytes = [0_u8; 16];
        rand::rng().fill_bytes(&mut bytes);
        Self(BASE64_STANDARD.encode(bytes))
    }
}

/// Which content security policy a response needs. A response without this mark is a page or data of the product.
#[derive(Clone, Copy)]
pub(crate) enum Policy {
    /// The API documentation: third-party script files from this server, which set inline styles.
    ApiDocs,
}

/// Surrounds a request.
pub(crate) async fn surround(State(s): State<AppState>, mut request: Request, next: Next) -> Response {
    let (started, request_id, nonce) = (Instant::now(), RequestId::new(), Nonce::new());
    request.extensions_mut().insert(request_id);
    request.extensions_mut().insert(nonce.clone());
    let method = request.method().clone();
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let route = matched.as_ref().map_or("-", MatchedPath::as_str);
    let reader = Reader::of_request(&request);
    let mut view = View::of(&request);

    let parent = sender_of_trace(&s, &request);
    let mut span = vital_telemetry::Request::begin(method.as_str(), matched.as_ref().map(MatchedPath::as_str), s.https, parent.as_deref());

    let mut response = vital_telemetry::within(span.context(), next.run(request)).await;
    let who = response.extensions_mut().remove::<SignedIn>();
    let tenant = who.as_ref().map(|w| w.0.cx.tenant().to_string()).unwrap_or_default();
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        view.caller = who.map(|w| w.0);
        // A session whose token has just changed goes on with the new one, also when what came after was refused.
        let cookies: Vec<HeaderValue> = response.headers().get_all(header::SET_COOKIE).iter().cloned().collect();
        response = problem.render(&view, reader);
        response.headers_mut().extend(cookies.into_iter().map(|c| (header::SET_COOKIE, c)));
    }
    let policy = response.extensions_mut().remove::<Policy>();
    secure(response.headers_mut(), &nonce, policy, if s.https { s.hsts_s } else { 0 });
    if let Ok(id) = HeaderValue::try_from(request_id.to_string()) {
        if reader == Reader::Anthropic {
            response.headers_mut().insert(HeaderName::from_static("request-id"), id.clone());
        }
        response.headers_mut().insert(HeaderName::from_static("x-request-id"), id);
    }
    span.status(response.status().as_u16());
    if let Some(Ok(told)) = span.traceparent().map(|trace| HeaderValue::try_from(format!("traceparent;desc=\"{trace}\""))) {
        response.headers_mut().append(HeaderName::from_static("server-timing"), told);
    }
    let took = started.elapsed();
    vital_metrics::request(matched.as_ref().map(MatchedPath::as_str), method.as_str(), response.status().as_u16(), took);
    let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    tracing::info!(%method, route, status = response.status().as_u16(), ms, %request_id, tenant, "request");
    response
}

/// The trace that a request is part of, where a proxy in front of the server says so; what others say is not followed.
fn sender_of_trace(s: &AppState, request: &Request) -> Option<String> {
    let traceparent = request.headers().get("traceparent")?.to_str().ok()?;
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>()?.0.ip();
    s.protection.proxies.trusts(peer).then(|| traceparent.to_owned())
}

/// Who reads what stands at an address, and so in which shape a failure leaves there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    /// A person: a page.
    Person,
    /// A program: RFC 9457.
    Program,
    /// A directory: RFC 7644 section 3.12.
    Directory,
    /// A client of OpenAI's API.
    OpenAi,
    /// A client of Anthropic's API.
    Anthropic,
}

impl Reader {
    /// The reader of a request; below `/v1` its headers tell which API the client speaks.
    fn of_request(request: &Request) -> Self {
        match Self::of(request.uri().path()) {
            Self::OpenAi if compat::speaks_anthropic(request.uri().path(), request.headers()) => Self::Anthropic,
            reader => reader,
        }
    }

    /// Programs read below `/api`, `/mcp` and the probes, directories below `/scim`, other people's software below `/v1`; everything else is read by people.
    pub(crate) fn of(path: &str) -> Self {
        if path == "/scim" || path.starts_with("/scim/") {
            Self::Directory
        } else if compat::is_door(path) {
            Self::OpenAi
        } else if path.starts_with("/api/") || mcp::is_door(path) || path == "/livez" || path == "/readyz" || path.starts_with("/assets/") {
            Self::Program
        } else {
            Self::Person
        }
    }
}

/// Turns a panic into a problem; its message goes to the log only.
#[expect(clippy::needless_pass_by_value, reason = "the shape that the layer asks for")]
pub(crate) fn panicked(panic: Box<dyn std::any::Any + Send + 'static>) -> Response {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
    Problem::from(Error::internal(format!("panic: {text}"))).into_response()
}

fn secure(headers: &mut HeaderMap, nonce: &Nonce, policy: Option<Policy>, hsts_s: u32) {
    const FIXED: [(HeaderName, &str); 7] = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (
            HeaderName::from_static("permissions-policy"),
            "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), midi=(), payment=(), usb=()",
        ),
        (HeaderName::from_static("x-permitted-cross-domain-policies"), "none"),
    ];
    for (name, value) in FIXED {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let csp = match policy {
        None => content_security_policy(nonce),
        Some(Policy::ApiDocs) => {
            "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; \
             font-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
                .to_owned()
        }
    };
    if let Ok(csp) = HeaderValue::try_from(csp) {
        headers.insert(header::CONTENT_SECURITY_POLICY, csp);
    }
    if hsts_s > 0
        && let Ok(hsts) = HeaderValue::try_from(format!("max-age={hsts_s}; includeSubDomains"))
    {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, hsts);
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static(assets::NO_STORE));
}

fn content_security_policy(Nonce(nonce): &Nonce) -> String {
    format!(
        "default-src 'none'; script-src 'nonce-{nonce}' 'strict-dynamic'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; font-src 'self'; \
         form-action 'self'; frame-ancestors 'none'; base-uri 'none'; object-src 'none'; require-trusted-types-for 'script'"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn golden(hsts_s: u32, policy: Option<Policy>) -> String {
        let mut headers = HeaderMap::new();
        secure(&mut headers, &Nonce("NONCE".to_owned()), policy, hsts_s);
        let mut lines: Vec<String> = headers.iter().map(|(k, v)| format!("{k}: {}\n", v.to_str().unwrap())).collect();
        lines.sort();
        lines.concat()
    }

    #[test]
    fn the_security_headers_are_the_reviewed_ones() {
        let all = format!("# page, https\n{}\n# API documentation, http\n{}", golden(63_072_000, None), golden(0, Some(Policy::ApiDocs)));
        assert_eq!(all, include_str!("../headers.golden.txt"), "review and update crates/vital-web/headers.golden.txt:\n{all}");
    }

    #[test]
    fn a_nonce_is_never_used_twice() {
        assert_ne!(Nonce::new().0, Nonce::new().0);
    }

    #[test]
    fn a_cache_rule_that_is_set_stays() {
        let mut headers = HeaderMap::from_iter([(header::CACHE_CONTROL, HeaderValue::from_static("public"))]);
        secure(&mut headers, &Nonce::new(), None, 0);
        assert_eq!(headers[header::CACHE_CONTROL], "public");
    }
}
