//! Whose site a request is for: the installation's own, or an organisation's custom domain.
//!
//! **Invariants:** on a custom domain nobody of another organisation is signed in or gets in; a host that is none of the known ones changes
//! nothing, and where the names of the server are configured it is refused (RFC 9110 section 15.5.20). What a host means comes from proven
//! domains and from the configuration, never from a forwarded header.

use crate::{problem::Problem, state::AppState};
use axum::{
    Router,
    extract::{Path, Request, State},
    http::{HeaderMap, Method, StatusCode, Uri, header},
    middleware::Next,
    response::{IntoResponse, Response},
    routing::get,
};
use std::sync::Arc;
use vital_platform::{Platform, tenancy};
use vital_tls::acme::HttpAnswers;

/// What probes ask, by whatever address they have.
const PROBES: [&str; 2] = ["/livez", "/readyz"];

/// The organisation whose own domain was asked, in the extensions of such a request.
#[derive(Clone, Debug)]
pub(crate) struct OnDomain(pub(crate) tenancy::DomainOwner);

/// Finds out whose site is asked, and refuses hosts that are not here.
pub(crate) async fn resolve(State(s): State<AppState>, mut request: Request, next: Next) -> Response {
    let host = host(request.headers()).unwrap_or_default();
    if let Some(owner) = tenancy::owner_of_host(&s.platform, &host) {
        request.extensions_mut().insert(OnDomain(owner));
        return next.run(request).await;
    }
    if s.hosts.is_empty() || is_named(&s, &host) || PROBES.contains(&request.uri().path()) {
        return next.run(request).await;
    }
    Problem::misdirected().into_response()
}

/// The host of a request, in lower case, without its port.
pub(crate) fn host(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(header::HOST)?.to_str().ok()?.trim();
    let bare = match text.strip_prefix('[') {
        Some(rest) => rest.split(']').next()?,
        None => text.split(':').next()?,
    };
    Some(bare.trim_end_matches('.').to_ascii_lowercase())
}

/// Tells whether a host is one of the names that the server was given.
pub(crate) fn is_named(s: &AppState, host: &str) -> bool {
    s.hosts.iter().any(|name| name == host) || is_of_site(s.platform.site(), host)
}

fn is_of_site(site: &str, host: &str) -> bool {
    site.parse::<Uri>().ok().and_then(|uri| uri.host().map(|own| own.trim_matches(['[', ']']).eq_ignore_ascii_case(host))).unwrap_or(false)
}

/// What plain HTTP needs to send people to https.
#[derive(Clone)]
pub struct Redirect {
    /// The platform, whose site and custom domains people are sent to.
    pub platform: Arc<Platform>,
    /// Answers to the challenges of a certificate authority.
    pub answers: Arc<HttpAnswers>,
}

/// Makes the router of plain HTTP beside https: challenges are answered, readers are sent to https, and nothing else is done.
pub fn redirect_router(redirect: Redirect) -> Router {
    Router::new().route("/.well-known/acme-challenge/{token}", get(answer)).fallback(to_https).with_state(redirect)
}

async fn answer(State(r): State<Redirect>, Path(token): Path<String>) -> Response {
    match r.answers.get(&token) {
        Some(answer) => ([(header::CONTENT_TYPE, "application/octet-stream")], answer).into_response(),
        None => (StatusCode::NOT_FOUND, "No such challenge is open.\n").into_response(),
    }
}

async fn to_https(State(r): State<Redirect>, method: Method, headers: HeaderMap, uri: Uri) -> Response {
    if !matches!(method, Method::GET | Method::HEAD) || is_for_programs(uri.path()) {
        // What was sent, perhaps with a key, has already crossed the network in the clear; to repeat it by itself would hide that.
        return (StatusCode::FORBIDDEN, "This site is reached by https alone; nothing was done.\n").into_response();
    }
    let site = r.platform.site().trim_end_matches('/');
    let own = host(&headers).filter(|host| tenancy::owner_of_host(&r.platform, host).is_some());
    let origin = own.map_or_else(|| site.to_owned(), |host| format!("https://{host}{}", port(site)));
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, format!("{origin}{path}"))]).into_response()
}

/// Whether a path is called by programs and not by people who follow links.
fn is_for_programs(path: &str) -> bool {
    ["/api/v1", "/v1", "/scim", "/mcp"]
        .iter()
        .any(|start| path.strip_prefix(start).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

/// The port of an address with its colon; empty where it has none.
fn port(site: &str) -> String {
    site.parse::<Uri>().ok().and_then(|uri| uri.port_u16()).map(|port| format!(":{port}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn hosts_are_read_in_all_their_forms() {
        for (text, read) in [
            ("Path.Acme.com", "path.acme.com"),
            ("path.acme.com:8443", "path.acme.com"),
            ("path.acme.com.", "path.acme.com"),
            ("[::1]:8080", "::1"),
            ("192.0.2.1", "192.0.2.1"),
        ] {
            let headers = HeaderMap::from_iter([(header::HOST, HeaderValue::from_static(text))]);
            assert_eq!(host(&headers).as_deref(), Some(read), "{text}");
        }
        assert_eq!(host(&HeaderMap::new()), None);
    }

    #[test]
    fn programs_are_told_and_people_are_sent_on() {
        for path in ["/api/v1", "/api/v1/me", "/v1/models", "/scim/v2/Users"] {
            assert!(is_for_programs(path), "{path}");
        }
        for path in ["/", "/library", "/api/docs", "/scimitar", "/api/v12"] {
            assert!(!is_for_programs(path), "{path}");
        }
    }

    #[test]
    fn the_site_knows_itself() {
        assert!(is_of_site("https://Vital.example:8443", "vital.example") && is_of_site("http://[::1]:80", "::1"));
        assert!(!is_of_site("https://vital.example", "evil.example") && !is_of_site("https://vital.example", ""));
        assert_eq!((port("https://a:8443"), port("https://a")), (":8443".to_owned(), String::new()));
    }
}
