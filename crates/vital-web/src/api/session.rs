//! Sessions: signing in and out, and who one is.

use super::{Listing, PageParams, Paging};
use crate::{
    caller::{Arrived, SignedIn, no_cookie, session_cookie},
    extract::{Body, Id},
    problem::{Problem, Reply},
    state::AppState,
};
use axum::{
    Json,
    extract::State,
    http::{HeaderName, StatusCode},
    response::{IntoResponse, Response},
};
use axum_extra::extract::CookieJar;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use vital_kernel::SessionId;
use vital_platform::identity::{self, Me, PasskeyOptions, Pending, Progress, Proof, Session, SignIn, Token};

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

/// The answer to the second step of a sign-in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SecondFactor {
    /// The ticket of the first step.
    ticket: String,
    /// The proof.
    proof: Proof,
}

/// The browser's answer for a passkey.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasskeyAnswer {
    /// The ticket that came with the options.
    ticket: String,
    /// What `navigator.credentials` returned, as JSON.
    #[schema(value_type = Object)]
    credential: Value,
}

/// Proof of a second factor, for dangerous actions.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StepUp {
    /// The proof.
    proof: Proof,
    /// The ticket that came with the passkey options.
    ticket: Option<String>,
}

/// A session cookie with the token in the body, for browsers and programs alike.
fn opened(s: &AppState, jar: CookieJar, status: StatusCode, token: &Token) -> Response {
    let jar = jar.add(session_cookie(s, token.reveal()));
    (status, jar, Json(SessionToken { token: token.reveal().to_owned() })).into_response()
}

/// Signs in. The token also comes as a cookie. An account with a second factor gets 202 and a ticket for the second step.
#[utoipa::path(post, path = "/api/v1/session", tag = "session", security(()), request_body = Credentials, responses((status = 201, body = SessionToken), (status = 202, body = Pending)))]
pub(crate) async fn create(
    State(s): State<AppState>,
    Arrived(came): Arrived,
    jar: CookieJar,
    Body(given): Body<Credentials>,
) -> Reply<Response> {
    let sign_in = SignIn { email: given.email, password: given.password, came };
    match identity::sign_in(&s.platform, sign_in).await? {
        Progress::Done(token) => Ok(opened(&s, jar, StatusCode::CREATED, &token)),
        Progress::SecondFactor(pending) => Ok((StatusCode::ACCEPTED, Json(pending)).into_response()),
    }
}

/// Finishes a sign-in with the second factor.
#[utoipa::path(post, path = "/api/v1/session/second-factor", tag = "session", security(()), request_body = SecondFactor, responses((status = 201, body = SessionToken)))]
pub(crate) async fn second_factor(
    State(s): State<AppState>,
    Arrived(came): Arrived,
    jar: CookieJar,
    Body(given): Body<SecondFactor>,
) -> Reply<Response> {
    let token = identity::second_factor(&s.platform, &given.ticket, given.proof, &came).await?;
    Ok(opened(&s, jar, StatusCode::CREATED, &token))
}

/// Begins a sign-in with a passkey alone.
#[utoipa::path(post, path = "/api/v1/session/passkey/options", tag = "session", security(()), responses((status = 200, body = PasskeyOptions)))]
pub(crate) async fn passkey_options(State(s): State<AppState>) -> Reply<Json<PasskeyOptions>> {
    let (ticket, options) = identity::passkey_sign_in_options(&s.platform).await?;
    Ok(Json(PasskeyOptions { ticket: ticket.reveal().to_owned(), options }))
}

/// Finishes a sign-in with a passkey.
#[utoipa::path(post, path = "/api/v1/session/passkey", tag = "session", security(()), request_body = PasskeyAnswer, responses((status = 201, body = SessionToken)))]
pub(crate) async fn passkey(
    State(s): State<AppState>,
    Arrived(came): Arrived,
    jar: CookieJar,
    Body(given): Body<PasskeyAnswer>,
) -> Reply<Response> {
    let token = identity::passkey_sign_in(&s.platform, &given.ticket, &given.credential, &came).await?;
    Ok(opened(&s, jar, StatusCode::CREATED, &token))
}

/// Begins stepping up with a passkey.
#[utoipa::path(post, path = "/api/v1/session/step-up/options", tag = "session", responses((status = 200, body = PasskeyOptions)))]
pub(crate) async fn step_up_options(State(s): State<AppState>, SignedIn(caller): SignedIn) -> Reply<Json<PasskeyOptions>> {
    let (ticket, options) = identity::step_up_options(&s.platform, &caller).await?;
    Ok(Json(PasskeyOptions { ticket: ticket.reveal().to_owned(), options }))
}

/// Proves the second factor for dangerous actions of the next five minutes. The session gets a new token.
#[utoipa::path(post, path = "/api/v1/session/step-up", tag = "session", request_body = StepUp, responses((status = 200, body = SessionToken)))]
pub(crate) async fn step_up(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    jar: CookieJar,
    Body(given): Body<StepUp>,
) -> Reply<Response> {
    let token = identity::step_up(&s.platform, &caller, given.proof, given.ticket.as_deref()).await?;
    Ok(opened(&s, jar, StatusCode::OK, &token))
}

/// Lists one's sessions.
#[utoipa::path(get, path = "/api/v1/sessions", tag = "session", params(PageParams), responses((status = 200, body = Listing<Session>)))]
pub(crate) async fn list(State(s): State<AppState>, SignedIn(caller): SignedIn, paging: Paging) -> Reply<Json<Listing<Session>>> {
    Ok(Json(paging.page_of(identity::sessions(&s.platform, &caller).await?, |s| s.id)?))
}

/// Ends one of one's sessions.
#[utoipa::path(delete, path = "/api/v1/sessions/{id}", tag = "session", params(("id" = uuid::Uuid, Path)), responses((status = 204, description = "The session has ended")))]
pub(crate) async fn revoke(State(s): State<AppState>, SignedIn(caller): SignedIn, Id(id): Id<SessionId>) -> Reply<StatusCode> {
    identity::revoke_session(&s.platform, &caller.cx, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends all of one's sessions but this one.
#[utoipa::path(delete, path = "/api/v1/sessions", tag = "session", responses((status = 204, description = "The other sessions have ended")))]
pub(crate) async fn revoke_others(State(s): State<AppState>, SignedIn(caller): SignedIn) -> Reply<StatusCode> {
    identity::revoke_other_sessions(&s.platform, &caller).await?;
    Ok(StatusCode::NO_CONTENT)
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
