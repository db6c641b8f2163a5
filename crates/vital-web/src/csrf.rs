//! Cross-site request forgery: a request that changes something must come from this site (or from no browser at all).
//!
//! A browser says where a request comes from in `Sec-Fetch-Site`, older ones in `Origin`; a page cannot forge either. A client that
//! sends neither is no browser and passes as long as it brings no cookie. What a script of another site sends with a token instead of
//! a cookie is left to `cors.rs`, which asks the caller's organisation.

use crate::{cors, problem::Problem, state::AppState};
use axum::{
    extract::{Request, State},
    http::{HeaderMap, Method, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use axum_extra::extract::CookieJar;
use vital_kernel::Error;

/// Refuses requests that another site made a browser send.
pub(crate) async fn guard(State(s): State<AppState>, mut request: Request, next: Next) -> Response {
    let has_cookie = CookieJar::from_headers(request.headers()).get(s.cookie_name()).is_some();
    if same_site(request.method(), request.headers(), has_cookie) {
        return next.run(request).await;
    }
    if cors::is_with_token(request.uri().path(), request.headers()) {
        request.extensions_mut().insert(cors::FromOtherSite);
        return next.run(request).await;
    }
    refusal().into_response()
}

/// The refusal of a request that another site made a browser send.
pub(crate) fn refusal() -> Problem {
    Error::forbidden(
        "request.cross_site",
        "This request came from another site, so it was not carried out. Open the page here and try again.",
    )
    .into()
}

fn same_site(method: &Method, headers: &HeaderMap, has_cookie: bool) -> bool {
    if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return true;
    }
    let text = |name| headers.get(name).map(|v| v.to_str().unwrap_or("unreadable"));
    if let Some(site) = text(header::HeaderName::from_static("sec-fetch-site")) {
        return matches!(site, "same-origin" | "none");
    }
    match (text(header::ORIGIN), text(header::HOST)) {
        (Some(origin), Some(host)) => origin.split_once("://").is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(host)),
        (Some(_), None) => false,
        (None, _) => !has_cookie,
    }
}

#[cfg(test)]
mod tests {
    use super::same_site;
    use axum::http::{HeaderMap, HeaderValue, Method};

    type Pairs = &'static [(&'static str, &'static str)];

    fn headers(pairs: Pairs) -> HeaderMap {
        pairs.iter().map(|(k, v)| (k.parse().unwrap(), HeaderValue::from_static(v))).collect()
    }

    #[test]
    fn the_matrix_of_origins() {
        let cases: &[(Pairs, bool, bool)] = &[
            (&[("sec-fetch-site", "same-origin")], true, true),
            (&[("sec-fetch-site", "none")], true, true),
            (&[("sec-fetch-site", "same-site")], true, false),
            (&[("sec-fetch-site", "cross-site")], true, false),
            (&[("sec-fetch-site", "cross-site")], false, false),
            (&[("sec-fetch-site", "cross-site"), ("origin", "http://a:1"), ("host", "a:1")], true, false),
            (&[("origin", "http://a:1"), ("host", "a:1")], true, true),
            (&[("origin", "http://evil"), ("host", "a:1")], true, false),
            (&[("origin", "http://a:1.evil"), ("host", "a:1")], true, false),
            (&[("origin", "null"), ("host", "a:1")], true, false),
            (&[("origin", "http://a:1")], true, false),
            (&[("host", "a:1")], true, false),
            (&[("host", "a:1")], false, true),
        ];
        for (pairs, cookie, passes) in cases {
            assert_eq!(same_site(&Method::POST, &headers(pairs), *cookie), *passes, "{pairs:?} cookie={cookie}");
        }
    }

    #[test]
    fn reading_needs_no_proof() {
        assert!(same_site(&Method::GET, &headers(&[("sec-fetch-site", "cross-site")]), true));
        assert!(!same_site(&Method::DELETE, &headers(&[("sec-fetch-site", "cross-site")]), true));
    }
}
