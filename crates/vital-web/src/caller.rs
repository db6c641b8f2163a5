//! Who calls: the session token of a request becomes a `Caller`, for every route but a constant list.

use crate::{problem::Problem, state::AppState};
use axum::{
    extract::{FromRequestParts, MatchedPath, Request, State},
    http::{HeaderMap, Method, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};
use axum_extra::extract::{
    CookieJar,
    cookie::{Cookie, SameSite},
};
use vital_kernel::{Error, Kind, RequestId, limits};
use vital_platform::identity::{self, Caller};

/// The routes that need nobody to be signed in. Whatever is not listed needs a caller.
pub(crate) const OPEN_ROUTES: [&str; 11] = [
    "/sign-in",
    "/setup",
    "/favicon.ico",
    "/assets/{version}/{name}",
    "/livez",
    "/readyz",
    "/api/openapi.json",
    "/api/docs",
    "/api/docs/",
    "/api/docs/{file}",
    "/api/v1/session",
];

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
    let caller = match token(&s, request.headers()) {
        Some(token) => identity::authenticate(&s.platform, &token, request_id).await.map_err(Problem::from),
        None => Err(nobody()),
    };
    match caller {
        Ok(caller) => {
            let who = SignedIn(caller);
            request.extensions_mut().insert(who.clone());
            let mut response = next.run(request).await;
            response.extensions_mut().insert(who);
            response
        }
        Err(problem) if needs_caller => turn_away(&request, problem),
        Err(_) => next.run(request).await,
    }
}

/// A person who opens a page is sent to the sign-in page and comes back afterwards; everybody else gets the problem.
fn turn_away(request: &Request, problem: Problem) -> Response {
    let page = request.method() == Method::GET && !request.uri().path().starts_with("/api/");
    if !page || problem.status() != axum::http::StatusCode::UNAUTHORIZED {
        return problem.into_response();
    }
    match request.uri().path() {
        "/" => Redirect::to("/sign-in").into_response(),
        path => Redirect::to(&format!("/sign-in?next={path}")).into_response(),
    }
}

/// The token of a request: `Authorization: Bearer` first, then the cookie.
fn token(s: &AppState, headers: &HeaderMap) -> Option<String> {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok()).and_then(|v| v.strip_prefix("Bearer "));
    let found = bearer.map(str::to_owned).or_else(|| CookieJar::from_headers(headers).get(s.cookie_name()).map(|c| c.value().to_owned()));
    found.filter(|t| !t.is_empty() && t.len() <= 128)
}

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
