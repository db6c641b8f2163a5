//! Sessions: signing in and out, and who one is.

use crate::{
    caller::{SignedIn, no_cookie, session_cookie},
    extract::Body,
    problem::{Problem, Reply},
    state::AppState,
};
use axum::{
    Json,
    extract::{ConnectInfo, State},
    http::{HeaderName, StatusCode},
    response::IntoResponse,
};
use axum_extra::extract::CookieJar;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use utoipa::ToSchema;
use vital_platform::identity::{self, Me, SignIn};

/// Makes browsers drop what they keep of a signed-in person.
pub(crate) const CLEAR_SITE_DATA: (HeaderName, &str) = (HeaderName::from_static("clear-site-data"), "\"cache\", \"storage\"");

/// Credentials.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Credentials {
    /// E-mail address.
    email: String,
    /// Password.
    password: String,
}

/// A new session.
#[derive(Serialize, ToSchema)]
pub(crate) struct SessionToken {
    /// Token for `Authorization: Bearer`; shown once.
    token: String,
}

/// Signs in. The token also comes as a cookie.
#[utoipa::path(post, path = "/api/v1/session", tag = "session", security(()), request_body = Credentials, responses((status = 201, body = SessionToken)))]
pub(crate) async fn create(
    State(s): State<AppState>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    jar: CookieJar,
    Body(given): Body<Credentials>,
) -> Reply<impl IntoResponse> {
    let sign_in = SignIn { email: given.email, password: given.password, address: peer.ip() };
    let token = identity::sign_in(&s.platform, sign_in).await?;
    let jar = jar.add(session_cookie(&s, token.reveal()));
    Ok((StatusCode::CREATED, jar, Json(SessionToken { token: token.reveal().to_owned() })))
}

/// Signs out: the session ends at once, everywhere it is used.
#[utoipa::path(delete, path = "/api/v1/session", tag = "session", responses((status = 204, description = "The session has ended")))]
pub(crate) async fn delete(State(s): State<AppState>, SignedIn(caller): SignedIn, jar: CookieJar) -> Result<impl IntoResponse, Problem> {
    identity::sign_out(&s.platform, &caller).await?;
    Ok((StatusCode::NO_CONTENT, jar.add(no_cookie(&s)), [CLEAR_SITE_DATA]))
}

/// Tells who is signed in.
#[utoipa::path(get, path = "/api/v1/me", tag = "session", responses((status = 200, body = Me)))]
pub(crate) async fn me(SignedIn(caller): SignedIn) -> Json<Me> {
    Json(caller.me())
}
