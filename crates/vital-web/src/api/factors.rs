//! Second factors of the caller, and their password.

use crate::{
    caller::{SignedIn, session_cookie},
    extract::{Body, Id},
    problem::Reply,
    state::AppState,
};
use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use axum_extra::extract::CookieJar;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use vital_kernel::FactorId;
use vital_platform::identity::{self, Enrolment, Factor, PasskeyOptions, Token};

/// The second factors of a person.
#[derive(Serialize, ToSchema)]
pub(crate) struct Factors {
    /// What they have.
    factors: Vec<Factor>,
    /// Recovery codes that have not been used.
    recovery_codes_left: i64,
}

/// A factor to be added.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewFactor {
    /// A name to know it by.
    name: String,
    /// The present password, where there is no second factor yet.
    #[serde(default)]
    password: String,
}

/// The first code of a new authenticator app.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FirstCode {
    /// Six digits.
    code: String,
}

/// The browser's answer for a new passkey.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPasskey {
    /// The ticket that came with the options.
    ticket: String,
    /// What `navigator.credentials.create` returned, as JSON.
    #[schema(value_type = Object)]
    credential: Value,
}

/// A factor was added: the session has a new token.
#[derive(Serialize, ToSchema)]
pub(crate) struct Added {
    /// The session's new token.
    token: String,
    /// With the first factor: codes for when it is lost; shown once.
    recovery_codes: Vec<String>,
}

/// New recovery codes.
#[derive(Serialize, ToSchema)]
pub(crate) struct RecoveryCodes {
    /// Each is good once; shown once.
    recovery_codes: Vec<String>,
}

/// A new password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasswordChange {
    /// The password in use.
    present: String,
    /// The new one.
    password: String,
}

/// Whose password was forgotten.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Forgotten {
    /// E-mail address.
    email: String,
}

/// A new password through a link.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reset {
    /// The link's secret.
    token: String,
    /// The new password.
    password: String,
}

fn added(s: &AppState, jar: CookieJar, token: &Token, recovery_codes: Vec<String>) -> Response {
    let body = Added { token: token.reveal().to_owned(), recovery_codes };
    (StatusCode::CREATED, jar.add(session_cookie(s, token.reveal())), Json(body)).into_response()
}

/// Lists one's second factors.
#[utoipa::path(get, path = "/api/v1/factors", tag = "factors", responses((status = 200, body = Factors)))]
pub(crate) async fn list(State(s): State<AppState>, SignedIn(caller): SignedIn) -> Reply<Json<Factors>> {
    let factors = identity::factors(&s.platform, &caller.cx).await?;
    Ok(Json(Factors { factors, recovery_codes_left: identity::recovery_codes_left(&s.platform, &caller.cx).await? }))
}

/// Begins adding an authenticator app.
#[utoipa::path(post, path = "/api/v1/factors/totp", tag = "factors", request_body = NewFactor, responses((status = 201, body = Enrolment)))]
pub(crate) async fn enrol_totp(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    Body(given): Body<NewFactor>,
) -> Reply<(StatusCode, Json<Enrolment>)> {
    let enrolment = identity::enrol_totp(&s.platform, &caller, &given.name, &given.password).await?;
    Ok((StatusCode::CREATED, Json(enrolment)))
}

/// Finishes adding an authenticator app.
#[utoipa::path(post, path = "/api/v1/factors/totp/{id}/confirm", tag = "factors", params(("id" = uuid::Uuid, Path)), request_body = FirstCode, responses((status = 201, body = Added)))]
pub(crate) async fn confirm_totp(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    Id(id): Id<FactorId>,
    jar: CookieJar,
    Body(given): Body<FirstCode>,
) -> Reply<Response> {
    let (token, codes) = identity::confirm_totp(&s.platform, &caller, id, &given.code).await?;
    Ok(added(&s, jar, &token, codes))
}

/// Begins adding a passkey.
#[utoipa::path(post, path = "/api/v1/factors/passkey/options", tag = "factors", request_body = NewFactor, responses((status = 200, body = PasskeyOptions)))]
pub(crate) async fn passkey_options(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    Body(given): Body<NewFactor>,
) -> Reply<Json<PasskeyOptions>> {
    Ok(Json(identity::begin_passkey(&s.platform, &caller, &given.name, &given.password).await?))
}

/// Finishes adding a passkey.
#[utoipa::path(post, path = "/api/v1/factors/passkey", tag = "factors", request_body = NewPasskey, responses((status = 201, body = Added)))]
pub(crate) async fn add_passkey(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    jar: CookieJar,
    Body(given): Body<NewPasskey>,
) -> Reply<Response> {
    let (token, codes) = identity::finish_passkey(&s.platform, &caller, &given.ticket, &given.credential).await?;
    Ok(added(&s, jar, &token, codes))
}

/// Removes one of one's second factors.
#[utoipa::path(delete, path = "/api/v1/factors/{id}", tag = "factors", params(("id" = uuid::Uuid, Path)), responses((status = 204, description = "The factor no longer counts")))]
pub(crate) async fn remove(State(s): State<AppState>, SignedIn(caller): SignedIn, Id(id): Id<FactorId>) -> Reply<StatusCode> {
    identity::remove_factor(&s.platform, &caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes new recovery codes; the old ones stop working.
#[utoipa::path(post, path = "/api/v1/factors/recovery-codes", tag = "factors", responses((status = 201, body = RecoveryCodes)))]
pub(crate) async fn recovery_codes(State(s): State<AppState>, SignedIn(caller): SignedIn) -> Reply<(StatusCode, Json<RecoveryCodes>)> {
    let recovery_codes = identity::make_recovery_codes(&s.platform, &caller.cx).await?;
    Ok((StatusCode::CREATED, Json(RecoveryCodes { recovery_codes })))
}

/// Changes one's password. Other sessions end; this one gets a new token.
#[utoipa::path(put, path = "/api/v1/password", tag = "factors", request_body = PasswordChange, responses((status = 200, body = Added)))]
pub(crate) async fn change_password(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    jar: CookieJar,
    Body(given): Body<PasswordChange>,
) -> Reply<impl IntoResponse> {
    let token = identity::change_password(&s.platform, &caller, &given.present, &given.password).await?;
    let body = Added { token: token.reveal().to_owned(), recovery_codes: Vec::new() };
    Ok((jar.add(session_cookie(&s, token.reveal())), Json(body)))
}

/// Sends a link for a new password, if an account has the address. The reply is the same either way.
#[utoipa::path(post, path = "/api/v1/password/forgot", tag = "factors", security(()), request_body = Forgotten, responses((status = 202, description = "If there is such an account, a message is on its way")))]
pub(crate) async fn forgot(State(s): State<AppState>, Body(given): Body<Forgotten>) -> StatusCode {
    identity::ask_password_reset(&s.platform, &given.email);
    StatusCode::ACCEPTED
}

/// Sets a new password through a link. All sessions of the account end.
#[utoipa::path(post, path = "/api/v1/password/reset", tag = "factors", security(()), request_body = Reset, responses((status = 204, description = "The new password is in force")))]
pub(crate) async fn reset(State(s): State<AppState>, Body(given): Body<Reset>) -> Reply<StatusCode> {
    identity::reset_password(&s.platform, &given.token, &given.password).await?;
    Ok(StatusCode::NO_CONTENT)
}
