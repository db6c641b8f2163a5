//! How often: requests are counted by address before anybody is known, and by person, organisation and kind of route afterwards.
//!
//! The probes are not counted, since a busy address must not make a server look dead. What is over a limit is refused with 429 and
//! `Retry-After` before the work it asks for begins; the counting itself is that of `vital-throttle`.

use crate::{
    caller::{OPEN_ROUTES, SignedIn},
    problem::Problem,
    proxy::ClientAddress,
    state::AppState,
};
use axum::{
    extract::{MatchedPath, Request, State},
    http::Method,
    middleware::Next,
    response::{IntoResponse, Response},
};
use std::time::Duration;
use vital_kernel::{Error, limits};
use vital_platform::identity::Caller;
use vital_throttle::{Decision, Limit};

/// Routes that monitoring asks.
pub(crate) const PROBES: [&str; 2] = ["/livez", "/readyz"];

/// Kinds of routes with limits of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// Takes a password, a code or a token: each try costs a hash, and somebody may be guessing.
    Credentials,
    /// Begins an answer.
    Asking,
    /// Begins an answer of an expert or of a model, which shows in the body alone: questions to experts are counted by the handler.
    Door,
    /// Takes files.
    Upload,
}

/// Which routes are of which kind for `POST` and `PUT`. Open routes, which need nobody to be signed in, all take credentials there.
pub(crate) const CLASSES: [(&str, Class); 20] = [
    ("/api/v1/session/step-up", Class::Credentials),
    ("/api/v1/session/step-up/options", Class::Credentials),
    ("/api/v1/password", Class::Credentials),
    ("/api/v1/factors/totp", Class::Credentials),
    ("/api/v1/factors/totp/{id}/confirm", Class::Credentials),
    ("/api/v1/factors/passkey/options", Class::Credentials),
    ("/settings/security/password", Class::Credentials),
    ("/settings/security/totp", Class::Credentials),
    ("/settings/security/totp/confirm", Class::Credentials),
    ("/api/v1/conversations/{id}/turns", Class::Asking),
    ("/api/v1/turns/{id}/regenerate", Class::Asking),
    ("/ask", Class::Asking),
    ("/conversations/{id}/ask", Class::Asking),
    ("/turns/{id}/regenerate", Class::Asking),
    ("/turns/{id}/ask-again", Class::Asking),
    ("/v1/chat/completions", Class::Door),
    ("/v1/messages", Class::Door),
    ("/v1/responses", Class::Door),
    ("/api/v1/documents", Class::Upload),
    ("/library/upload", Class::Upload),
];

/// Requests a minute. The defaults are the constants of `vital_kernel::limits`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// Of one network address, an IPv6 /64 counting as one.
    pub address: u32,
    /// Of one person.
    pub user: u32,
    /// Of one organisation.
    pub tenant: u32,
    /// Tries with credentials from one network address.
    pub credentials: u32,
    /// Questions of one person.
    pub asking: u32,
    /// Uploads of one person.
    pub upload: u32,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            address: limits::REQUESTS_ADDRESS_MAX,
            user: limits::REQUESTS_USER_MAX,
            tenant: limits::REQUESTS_TENANT_MAX,
            credentials: limits::CREDENTIALS_ADDRESS_MAX,
            asking: limits::ASKING_USER_MAX,
            upload: limits::UPLOADS_USER_MAX,
        }
    }
}

/// The kind of a request.
pub(crate) fn class(request: &Request) -> Option<Class> {
    let route = request.extensions().get::<MatchedPath>()?.as_str();
    // Reading is of no kind, and signing out is never refused.
    if !matches!(*request.method(), Method::POST | Method::PUT) {
        return None;
    }
    let own = CLASSES.iter().find(|(r, _)| *r == route).map(|(_, class)| *class);
    own.or_else(|| OPEN_ROUTES.contains(&route).then_some(Class::Credentials))
}

/// Tells whether a route takes prompts for models.
pub(crate) fn is_door(route: &str) -> bool {
    CLASSES.contains(&(route, Class::Door))
}

/// Tells whether a request is a probe.
pub(crate) fn is_probe(request: &Request) -> bool {
    request.extensions().get::<MatchedPath>().is_some_and(|m| PROBES.contains(&m.as_str()))
}

/// Counts by address, before anything else is done for a request.
pub(crate) async fn by_address(State(s): State<AppState>, request: Request, next: Next) -> Response {
    let address = request.extensions().get::<ClientAddress>().copied();
    let Some(address) = address.filter(|_| !is_probe(&request)) else { return next.run(request).await };
    let (network, rates) = (address.network().to_string(), s.protection.rates);
    let mut due = vec![(Limit::a_minute("address", rates.address), "This network address")];
    if class(&request) == Some(Class::Credentials) {
        due.push((Limit::a_minute("credentials", rates.credentials), "This network address"));
    }
    for (limit, who) in due {
        if let Err(problem) = check(&s, &limit, &network, who).await {
            return problem.into_response();
        }
    }
    next.run(request).await
}

/// The person or service account behind a caller, within their organisation.
pub(crate) fn person(caller: &Caller) -> String {
    caller.cx.user().map_or_else(|| caller.cx.tenant().to_string(), |user| format!("{}/{user}", caller.cx.tenant()))
}

/// Counts by person, organisation and kind of route, once the caller is known.
pub(crate) async fn by_caller(State(s): State<AppState>, request: Request, next: Next) -> Response {
    let Some(SignedIn(caller)) = request.extensions().get::<SignedIn>() else { return next.run(request).await };
    let rates = s.protection.rates;
    let tenant = caller.cx.tenant().to_string();
    let user = person(caller);
    let mut due = vec![
        (Limit::a_minute("user", rates.user), user.as_str(), "This account"),
        (Limit::a_minute("tenant", rates.tenant), tenant.as_str(), "Your organisation"),
    ];
    match class(&request) {
        Some(Class::Asking) => due.push((Limit::a_minute("asking", rates.asking), &user, "This account")),
        Some(Class::Upload) => due.push((Limit::a_minute("upload", rates.upload), &user, "This account")),
        Some(Class::Credentials | Class::Door) | None => {}
    }
    for (limit, key, who) in due {
        if let Err(problem) = check(&s, &limit, key, who).await {
            return problem.into_response();
        }
    }
    next.run(request).await
}

/// Counts a question to an expert that came through a door, or by a route of no kind.
pub(crate) async fn asking(s: &AppState, caller: &Caller) -> Result<(), Problem> {
    check(s, &Limit::a_minute("asking", s.protection.rates.asking), &person(caller), "This account").await
}

async fn check(s: &AppState, limit: &Limit, key: &str, who: &str) -> Result<(), Problem> {
    match s.protection.throttle.check(limit, key).await {
        Decision::Allowed { .. } => Ok(()),
        Decision::Refused { retry_after } => Err(refusal(limit, who, retry_after)),
    }
}

fn refusal(limit: &Limit, who: &str, retry_after: Duration) -> Problem {
    // Whole seconds, rounded up: who comes back then is let in.
    let seconds = u64::try_from(retry_after.as_millis().div_ceil(1_000)).unwrap_or(u64::MAX).max(1);
    let code = match limit.name {
        "address" => "rate.address",
        "credentials" => "rate.credentials",
        "user" => "rate.user",
        "tenant" => "rate.tenant",
        "asking" => "rate.asking",
        _ => "rate.upload",
    };
    let what = match limit.name {
        "credentials" => "tries to sign in",
        "asking" => "questions",
        "upload" => "uploads",
        _ => "requests",
    };
    let detail = format!("{who} may make {} {what} a minute, and has. Nothing was changed; try again in {seconds} s.", limit.burst);
    Error::rate_limited(code, detail).with_retry_after(Duration::from_secs(seconds)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_names_a_route_that_exists_and_every_upload_has_one() {
        let described = crate::openapi();
        for (route, _) in CLASSES {
            let exists = described.paths.paths.contains_key(route) || include_str!("router.rs").contains(&format!("\"{route}\""));
            assert!(exists, "{route} is no route");
        }
        for upload in crate::upload::UPLOAD_ROUTES {
            assert!(CLASSES.contains(&(upload, Class::Upload)), "{upload}");
        }
    }

    #[test]
    fn a_refusal_says_who_what_and_when() {
        let problem = refusal(&Limit::a_minute("asking", 30), "This account", Duration::from_millis(1_200));
        assert_eq!((problem.status().as_u16(), problem.code()), (429, "rate.asking"));
        assert_eq!(problem.detail(), "This account may make 30 questions a minute, and has. Nothing was changed; try again in 2 s.");
    }
}
