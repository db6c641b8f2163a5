//! `/mcp`: the Model Context Protocol over streamable HTTP. Clients list and ask experts, search and read documents.
//!
//! **Invariants:** only a token in a header counts here, never a cookie; every tool, resource and prompt calls a verb of the platform as
//! the caller of that very request, with its permissions, limits and audit entries; a session answers to the credential that opened it
//! alone (`vital-mcp`); a browser's request is taken from the site's own origin alone. A client that leaves stops nothing, except under the
//! revision of 2026-07-28, where leaving is how a client cancels.
//!
//! Deliberately not here: sampling, elicitation, subscriptions to resources, OAuth.

mod answer;
mod ask;
mod documents;
mod experts;
mod failure;
mod handler;
mod tools;

pub(crate) use handler::Server;

use crate::{
    caller::SignedIn,
    csrf,
    extract::body_too_large,
    host::{self, OnDomain},
    problem::Problem,
    state::AppState,
};
use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, Uri, header},
    response::{IntoResponse, Response},
};
use std::{net::IpAddr, time::Duration};
use tokio_util::sync::CancellationToken;
use vital_kernel::{Error, limits};
use vital_mcp::{Bounds, Endpoint, Owner, Refused};
use vital_platform::identity::Caller;

/// Where the protocol is spoken.
const PATH: &str = "/mcp";
/// How much there may be.
const BOUNDS: Bounds =
    Bounds { sessions_per_owner: 16, sessions: 4_096, idle: Duration::from_secs(30 * 60), message_bytes: limits::BODY_BYTES_MAX };
/// What proves who calls has done its work before the door.
const SECRETS: [HeaderName; 3] = [header::AUTHORIZATION, header::COOKIE, HeaderName::from_static("x-api-key")];

/// Makes the endpoint of a server.
pub(crate) fn endpoint(closing: CancellationToken) -> Endpoint<Server> {
    Endpoint::new(Server::default, BOUNDS, closing)
}

/// Tells whether a path is this door.
pub(crate) fn is_door(path: &str) -> bool {
    path == PATH
}

/// Takes a message, opens a stream or ends a session.
pub(crate) async fn door(State(s): State<AppState>, SignedIn(caller): SignedIn, mut request: Request) -> Response {
    if !is_own_origin(&s, request.headers(), request.extensions().get::<OnDomain>().is_some()) {
        return csrf::refusal().into_response();
    }
    for secret in SECRETS {
        request.headers_mut().remove(secret);
    }
    // What works on a message outlives the request; it finds here with what it works, and beside it on whose behalf.
    request.extensions_mut().insert(s.clone());
    match s.mcp.answer(owner(&caller), request).await {
        Ok(response) => response.map(Body::new),
        Err(refused) => refusal(refused).into_response(),
    }
}

/// Who a session belongs to: one credential of one person.
fn owner(caller: &Caller) -> Owner {
    Owner(format!("{}/{:?}/{:?}", caller.cx.tenant(), caller.cx.user(), caller.credential))
}

fn refusal(refused: Refused) -> Problem {
    match refused {
        Refused::UnknownSession => {
            let detail = "There is no such session, or it is not yours. It may have ended: begin with `initialize` again.";
            Error::not_found("mcp.session", detail).into()
        }
        Refused::Full => {
            let detail = "The server holds as many sessions as it can. Nothing was done; try again in a moment.";
            Error::unavailable("mcp.full", detail).with_retry_after(Duration::from_secs(10)).into()
        }
        Refused::TooLarge => body_too_large(BOUNDS.message_bytes),
        Refused::BrokenOff => {
            Error::malformed("request.body", "The body broke off before its end. Nothing was done; send it again.").into()
        }
    }
}

/// Tells whether a request comes from no browser, or from a page of this very site. A name that somebody made point here is not the site:
/// its pages name it both as origin and as host, so both are compared with the names that the site has.
fn is_own_origin(s: &AppState, headers: &HeaderMap, on_domain: bool) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let origin = origin.to_str().ok().and_then(|text| text.parse::<Uri>().ok());
    let Some(from) = origin.as_ref().and_then(Uri::host).map(|host| host.trim_matches(['[', ']']).to_ascii_lowercase()) else {
        return false;
    };
    let here = from == "localhost" || from.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    host::host(headers).is_some_and(|host| host == from) && (on_domain || here || host::is_named(s, &from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_says_what_to_do() {
        for (refused, status, code) in [
            (Refused::UnknownSession, 404, "mcp.session"),
            (Refused::Full, 503, "mcp.full"),
            (Refused::TooLarge, 413, "request.too_large"),
            (Refused::BrokenOff, 400, "request.body"),
        ] {
            let problem = refusal(refused);
            assert_eq!((problem.status().as_u16(), problem.code()), (status, code));
        }
    }
}
