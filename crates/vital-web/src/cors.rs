//! Other sites: scripts of an origin that the caller's organisation has listed may read the API, and nobody else's.
//!
//! Default deny. **Invariants:** an origin is compared as a whole and never by a part of it; `*` and `Access-Control-Allow-Credentials`
//! are never sent, so other sites work with a token and never with a cookie; the list that counts is that of the caller's organisation,
//! for the answer and for whether a request that changes something is carried out at all. A preflight request has no caller, so it is
//! answered for every origin that any organisation lists, which tells no more than that.

use crate::{caller::SignedIn, csrf, problem::Problem, state::AppState};
use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use std::net::Ipv6Addr;
use vital_kernel::Error;
use vital_platform::tenancy;

/// What can be reached from other sites.
const API: &str = "/api/v1/";
/// Methods that other sites may use.
const METHODS: &str = "GET, POST, PUT, PATCH, DELETE";
/// Headers that other sites may send besides those that need no question.
const HEADERS: &str = "authorization, content-type, idempotency-key, if-match, if-none-match, last-event-id";
/// Headers of replies that scripts of other sites may read.
const EXPOSED: &str = "etag, idempotency-replayed, location, retry-after, x-request-id";
/// How long a browser may keep the answer to a preflight request, in seconds.
const MAX_AGE_S: &str = "600";
/// Longest origin: a name of 253 characters with scheme and port.
const ORIGIN_BYTES_MAX: usize = 270;

/// The mark of a request that another site made a browser send with a token: it is carried out only where [`enforce`] finds it listed.
#[derive(Clone, Copy)]
pub(crate) struct FromOtherSite;

/// Answers preflight requests, and tells browsers which site may read a reply.
pub(crate) async fn share(State(s): State<AppState>, request: Request, next: Next) -> Response {
    if !request.uri().path().starts_with(API) {
        return next.run(request).await;
    }
    let origin = request.headers().get(header::ORIGIN).cloned();
    let mut response = match &origin {
        Some(origin) if is_preflight(&request) => preflight(&s, origin).await.unwrap_or_else(IntoResponse::into_response),
        _ => next.run(request).await,
    };
    let listed = response.extensions().get::<SignedIn>().map(|who| std::sync::Arc::clone(&who.0.cors_origins));
    let headers = response.headers_mut();
    if let Some(allowed) = origin.as_ref().zip(listed).and_then(|(origin, list)| decide(origin, &list)) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    }
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    response
}

/// Refuses what another site asks to be changed, unless the caller's organisation lists it.
pub(crate) async fn enforce(request: Request, next: Next) -> Response {
    if request.extensions().get::<FromOtherSite>().is_some() {
        let who = request.extensions().get::<SignedIn>();
        let origin = request.headers().get(header::ORIGIN);
        if who.zip(origin).and_then(|(who, origin)| decide(origin, &who.0.cors_origins)).is_none() {
            return csrf::refusal().into_response();
        }
    }
    next.run(request).await
}

/// Tells whether a request that another site made a browser send may be left to [`enforce`]. Only a script can send a token, and only
/// after a preflight request for the origin was answered; a cookie goes along by itself, so it never counts here.
pub(crate) fn is_with_token(path: &str, headers: &HeaderMap) -> bool {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok()).and_then(|v| v.strip_prefix("Bearer "));
    path.starts_with(API) && bearer.is_some_and(|token| !token.is_empty()) && headers.contains_key(header::ORIGIN)
}

fn is_preflight(request: &Request) -> bool {
    request.method() == Method::OPTIONS && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

async fn preflight(s: &AppState, origin: &HeaderValue) -> Result<Response, Problem> {
    let known = match origin.to_str() {
        Ok(text) if is_origin(text) => tenancy::origin_known(&s.platform, text).await?,
        _ => false,
    };
    if !known {
        let detail = "No organisation here allows scripts of this site to use its API. An administrator can list the site in the settings.";
        return Err(Error::forbidden("cors.origin", detail).into());
    }
    let headers = [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone()),
        (header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS)),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(HEADERS)),
        (header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(MAX_AGE_S)),
        (header::VARY, HeaderValue::from_static("access-control-request-method, access-control-request-headers")),
    ];
    Ok((StatusCode::NO_CONTENT, headers).into_response())
}

/// The value of `Access-Control-Allow-Origin` for an origin; none where the list does not have exactly this one.
fn decide(origin: &HeaderValue, list: &[String]) -> Option<HeaderValue> {
    let text = origin.to_str().ok()?;
    (is_origin(text) && list.iter().any(|listed| listed == text)).then(|| origin.clone())
}

/// Tells whether a text is an origin of the web as browsers write it (WHATWG HTML, "serialization of an origin"): scheme and host in lower
/// case, a port where it is not the scheme's own, nothing else. `null` is none.
fn is_origin(text: &str) -> bool {
    let (rest, own_port) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
        (Some(rest), _) => (rest, "443"),
        (_, Some(rest)) => (rest, "80"),
        _ => return false,
    };
    let (host, port) = match rest.rfind(':').filter(|at| !rest[*at..].contains(']')) {
        Some(at) => (&rest[..at], Some(&rest[at + 1..])),
        None => (rest, None),
    };
    let port_fits =
        port.is_none_or(|p| p != own_port && !p.starts_with('0') && p.bytes().all(|b| b.is_ascii_digit()) && p.parse::<u16>().is_ok());
    let host_fits = match host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
        Some(v6) => v6.parse::<Ipv6Addr>().is_ok_and(|address| address.to_string() == v6),
        None => {
            host.split('.').all(|label| !label.is_empty() && label.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_')))
        }
    };
    text.len() <= ORIGIN_BYTES_MAX && port_fits && host_fits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list() -> Vec<String> {
        // The last two can only be there by mistake, and never count.
        ["https://app.example", "https://portal.example:8443", "http://localhost:3000", "https://[2001:db8::1]", "null", "*"]
            .map(str::to_owned)
            .into()
    }

    #[test]
    fn the_matrix_of_forty_origins() {
        let cases = [
            ("https://app.example", true),
            ("https://portal.example:8443", true),
            ("http://localhost:3000", true),
            ("https://[2001:db8::1]", true),
            ("null", false),
            ("*", false),
            ("", false),
            ("https://", false),
            ("https:///", false),
            // Before and after.
            ("https://app.example.evil.example", false),
            ("https://evil-app.example", false),
            ("https://evilapp.example", false),
            ("https://sub.app.example", false),
            ("https://app.example.", false),
            ("https://app.exampl", false),
            ("https://app.examplee", false),
            ("https://xn--app-hoa.example", false),
            ("https://app_example", false),
            ("https://appXexample", false),
            // Another scheme.
            ("http://app.example", false),
            ("ftp://app.example", false),
            ("file://app.example", false),
            ("app.example", false),
            ("//app.example", false),
            ("javascript://app.example", false),
            ("https:app.example", false),
            ("chrome-extension://app.example", false),
            // Case.
            ("https://APP.example", false),
            ("HTTPS://app.example", false),
            // Port.
            ("https://app.example:443", false),
            ("https://app.example:8443", false),
            ("https://app.example:", false),
            ("https://portal.example", false),
            ("https://portal.example:08443", false),
            ("https://portal.example:84430", false),
            ("http://localhost:3001", false),
            // More than an origin.
            ("https://app.example/", false),
            ("https://app.example/path", false),
            ("https://app.example?x", false),
            ("https://app.example#x", false),
            ("https://user@app.example", false),
            ("https://app.example@evil.example", false),
            ("https://app.example\\@evil.example", false),
            ("https://app.example, https://evil.example", false),
            ("https://app.example https://evil.example", false),
            (" https://app.example", false),
            ("https://[2001:DB8::1]", false),
            ("https://[2001:db8:0::1]", false),
        ];
        assert!(cases.len() >= 40);
        for (origin, expected) in cases {
            let decided = decide(&HeaderValue::from_str(origin).unwrap(), &list());
            assert_eq!(decided.as_ref().map(|v| v.to_str().unwrap()), expected.then_some(origin), "{origin:?}");
            assert_eq!(decide(&HeaderValue::from_str(origin).unwrap(), &[]), None, "an empty list allows nobody");
        }
        assert_eq!(decide(&HeaderValue::from_bytes(b"https://app.ex\xffmple").unwrap(), &list()), None);
        assert!(!is_origin(&format!("https://{}.example", "a".repeat(300))));
    }

    #[test]
    fn only_a_token_can_be_judged_later() {
        let headers = |pairs: &[(header::HeaderName, &'static str)]| {
            pairs.iter().map(|(k, v)| (k.clone(), HeaderValue::from_static(v))).collect::<HeaderMap>()
        };
        let (origin, cookie) = ((header::ORIGIN, "https://app.example"), (header::COOKIE, "vital_session=x"));
        let bearer = (header::AUTHORIZATION, "Bearer x");
        assert!(is_with_token("/api/v1/me", &headers(&[origin.clone(), bearer.clone()])));
        assert!(!is_with_token("/ask", &headers(&[origin.clone(), bearer.clone()])), "pages are for this site");
        assert!(!is_with_token("/api/v1/me", &headers(&[origin.clone(), cookie])));
        assert!(!is_with_token("/api/v1/me", &headers(&[origin.clone(), (header::AUTHORIZATION, "Basic eDp4")])));
        assert!(!is_with_token("/api/v1/me", &headers(&[origin, (header::AUTHORIZATION, "Bearer ")])));
        assert!(!is_with_token("/api/v1/me", &headers(&[bearer])));
    }
}
