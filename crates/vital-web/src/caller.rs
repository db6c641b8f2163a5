//! Who calls: the session token of a request becomes a `Caller`, for every route but a constant list.

use crate::{compat, frame::Reader, host::OnDomain, mcp, problem::Problem, proxy::ClientAddress, state::AppState};
use axum::{
    extract::{FromRequestParts, MatchedPath, Request, State},
    http::{HeaderMap, Method, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};
use axum_extra::extract::{
    CookieJar,
    cookie::{Cookie, SameSite},
};
use vital_kernel::{Error, Kind, RequestId, limits};
use vital_platform::identity::{self, Caller, Came};

/// The routes that need nobody to be signed in. Whatever is not listed needs a caller.
pub(crate) const OPEN_ROUTES: [&str; OPEN] = [
    "/sign-in",
    "/sign-in/second-factor",
    "/sign-in/operator",
    "/sign-in/sso",
    "/sign-in/sso/callback",
    "/sign-in/sso/{slug}/{provider}",
    "/forgot",
    "/reset",
    "/invitation",
    "/setup",
    "/favicon.ico",
    "/assets/{version}/{name}",
    "/livez",
    "/readyz",
    "/api/openapi.json",
    "/docs",
    "/api/docs",
    "/api/docs/{file}",
    "/api/v1/session",
    "/api/v1/session/second-factor",
    "/api/v1/session/passkey",
    "/api/v1/session/passkey/options",
    "/api/v1/password/forgot",
    "/api/v1/password/reset",
];
/// How many there are. This number may shrink; raising it shows in review.
const OPEN: usize = 24;

/// What somebody who must add a second factor first can still reach.
const ENROLMENT_ROUTES: [&str; 12] = [
    "/settings/security",
    "/settings/security/totp",
    "/settings/security/totp/confirm",
    "/sign-out",
    "/api/v1/me",
    "/api/v1/session",
    "/api/v1/factors",
    "/api/v1/factors/totp",
    "/api/v1/factors/totp/{id}/confirm",
    "/api/v1/factors/passkey",
    "/api/v1/factors/passkey/options",
    "/settings",
];

/// Where the client comes from, for signing in.
pub(crate) struct Arrived(pub(crate) Came);

impl<S: Sync> FromRequestParts<S> for Arrived {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let device = parts.headers.get(header::USER_AGENT).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
        let address = parts.extensions.get::<ClientAddress>().map(|a| a.0);
        let address = address.ok_or_else(|| Error::internal("the address of the client was not resolved"))?;
        let domain_of = parts.extensions.get::<OnDomain>().map(|d| d.0.tenant);
        Ok(Self(Came { address, device, domain_of }))
    }
}

/// The signed-in person behind a request.
#[derive(Clone)]
pub(crate) struct SignedIn(pub(crate) Caller);

impl<S: Sync> FromRequestParts<S> for SignedIn {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(nobody)
    }
}

fn nobody() -> Problem {
    Error::unauthenticated("session.none", "You are not signed in, or your session has ended. Sign in and try again.").into()
}

/// Lets a request in: resolves the caller and puts them where handlers, the log and error pages find them.
pub(crate) async fn admit(State(s): State<AppState>, mut request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(|m| m.as_str().to_owned());
    let needs_caller = route.as_deref().is_some_and(|r| !OPEN_ROUTES.contains(&r));
    if !needs_caller && route.as_deref().is_some_and(|r| r != "/api/v1/session") {
        return next.run(request).await;
    }
    let request_id = request.extensions().get::<RequestId>().copied().unwrap_or_else(RequestId::new);
    let door = compat::is_door(request.uri().path()) || mcp::is_door(request.uri().path());
    let token = if door { compat::token(request.headers()).map(str::to_owned) } else { token(&s, request.headers()) };
    let caller = match token.filter(|t| !t.is_empty() && t.len() <= TOKEN_BYTES_MAX) {
        Some(token) => identity::authenticate(&s.platform, &token, request_id).await.map_err(Problem::from),
        None => Err(nobody()),
    };
    // On an organisation's own domain nobody else is anybody.
    let owner = request.extensions().get::<OnDomain>().map(|d| d.0.tenant);
    let caller = caller.and_then(|caller| if owner.is_none_or(|owner| caller.cx.tenant() == owner) { Ok(caller) } else { Err(nobody()) });
    match caller {
        Ok(caller) if caller.must_enrol && !route.as_deref().is_some_and(|r| ENROLMENT_ROUTES.contains(&r)) => must_enrol(&request),
        Ok(caller) => {
            let who = SignedIn(caller);
            request.extensions_mut().insert(who.clone());
            let mut response = next.run(request).await;
            response.extensions_mut().insert(who);
            response
        }
        Err(problem) if door && problem.status() == StatusCode::UNAUTHORIZED => compat::no_token().into_response(),
        Err(problem) if needs_caller => turn_away(&request, problem),
        Err(_) => next.run(request).await,
    }
}

/// A person who opens a page is sent to the sign-in page and comes back afterwards; everybody else gets the problem.
fn turn_away(request: &Request, problem: Problem) -> Response {
    let page = request.method() == Method::GET && Reader::of(request.uri().path()) == Reader::Person;
    if !page || problem.status() != StatusCode::UNAUTHORIZED {
        return problem.into_response();
    }
    match request.uri().path() {
        "/" => Redirect::to("/sign-in").into_response(),
        path => Redirect::to(&format!("/sign-in?next={path}")).into_response(),
    }
}

/// The organisation asks for a second factor, and this person has none yet: they are led to where one is added.
fn must_enrol(request: &Request) -> Response {
    if request.method() == Method::GET && Reader::of(request.uri().path()) == Reader::Person {
        return Redirect::to("/settings/security").into_response();
    }
    Problem::from(Error::forbidden(
        "session.factor_required",
        "Your organisation asks for a second factor. Add an authenticator app or a passkey under Settings, Security first. Nothing was changed.",
    ))
    .into_response()
}

/// The token of a request: `Authorization: Bearer` first, then the cookie.
fn token(s: &AppState, headers: &HeaderMap) -> Option<String> {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok()).and_then(|v| v.strip_prefix("Bearer "));
    bearer.map(str::to_owned).or_else(|| CookieJar::from_headers(headers).get(s.cookie_name()).map(|c| c.value().to_owned()))
}

/// Longest token that is looked at, in bytes: signed tokens of providers carry many claims.
const TOKEN_BYTES_MAX: usize = 8 * 1024;

/// The cookie that carries a session.
pub(crate) fn session_cookie(s: &AppState, token: &str) -> Cookie<'static> {
    let age = time::Duration::seconds(i64::try_from(limits::SESSION_ABSOLUTE.as_secs()).unwrap_or(i64::MAX));
    Cookie::build((s.cookie_name(), token.to_owned()))
        .path("/")
        .http_only(true)
        .secure(s.https)
        .same_site(SameSite::Lax)
        .max_age(age)
        .build()
}

/// The cookie that takes a session away.
pub(crate) fn no_cookie(s: &AppState) -> Cookie<'static> {
    let mut cookie = session_cookie(s, "");
    cookie.set_max_age(time::Duration::ZERO);
    cookie
}

/// The cookie that binds the return from an identity provider to this browser; an empty ticket takes it away.
pub(crate) fn sso_cookie(s: &AppState, ticket: &str) -> Cookie<'static> {
    let lasts = if ticket.is_empty() { 0 } else { limits::CEREMONY.as_secs() };
    Cookie::build((s.sso_cookie_name(), ticket.to_owned()))
        .path("/")
        .http_only(true)
        .secure(s.https)
        // The provider's page leads back by a link of another site: `Strict` would leave the cookie out.
        .same_site(SameSite::Lax)
        .max_age(time::Duration::seconds(i64::try_from(lasts).unwrap_or(i64::MAX)))
        .build()
}

/// The ticket of the sign-in that this browser began.
pub(crate) fn sso_ticket(s: &AppState, jar: &CookieJar) -> Option<String> {
    jar.get(s.sso_cookie_name()).map(|c| c.value().to_owned()).filter(|t| !t.is_empty() && t.len() <= TOKEN_BYTES_MAX)
}

/// Keeps only paths of this site, so that the sign-in page cannot be made to send people elsewhere.
pub(crate) fn local_path(next: Option<&str>) -> &str {
    match next {
        Some(path) if path.starts_with('/') && !path.starts_with("//") && !path.contains(['\\', '\r', '\n', '\t']) => path,
        _ => "/",
    }
}

/// Tells whether a failure means that the given credentials were not accepted, so that the form is shown again.
pub(crate) fn is_form_fault(error: &Error) -> bool {
    matches!(error.kind(), Kind::Unauthenticated | Kind::Invalid | Kind::RateLimited)
}

#[cfg(test)]
mod tests {
    use super::local_path;

    #[test]
    fn only_paths_of_this_site_are_followed_after_sign_in() {
        assert_eq!(local_path(Some("/library?collection=own")), "/library?collection=own");
        for elsewhere in ["//evil.example", "https://evil.example", "/\\evil.example", "/\t/evil.example", "javascript:alert(1)", ""] {
            assert_eq!(local_path(Some(elsewhere)), "/", "{elsewhere}");
        }
        assert_eq!(local_path(None), "/");
    }
}
