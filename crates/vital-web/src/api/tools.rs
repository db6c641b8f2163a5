//! Tools: what the organisation allows, which expert may use what, the decision about a call that waits, and fetched texts.

use crate::{
    caller::SignedIn,
    extract::{Body, Id},
    problem::Reply,
    state::AppState,
};
use axum::{
    Json,
    extract::{Path, State},
    http::{StatusCode, header},
    response::IntoResponse,
};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;
use vital_kernel::{Error, TurnId};
use vital_platform::{
    ask::{self, Source},
    experts::{self, ExpertTools},
    knowledge::Document,
    tools::{self, ToolPolicy},
};

/// What the organisation lets its experts do with tools.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ToolPolicyChange {
    /// Whether words of questions may be sent to public sources.
    public_sources: bool,
}

/// The tools of an expert.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ToolGrant {
    /// Names of exactly the tools that it may use.
    tools: Vec<String>,
}

/// A decision about a call that waits.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ToolDecision {
    /// Whether the call is made.
    approved: bool,
}

/// Shows the tools with what the organisation lets its experts do with them.
#[utoipa::path(get, path = "/api/v1/tool-policy", tag = "tools", responses((status = 200, body = ToolPolicy)))]
pub(crate) async fn policy(State(s): State<AppState>, SignedIn(caller): SignedIn) -> Reply<Json<ToolPolicy>> {
    Ok(Json(tools::policy(&s.platform, &caller.cx).await?))
}

/// Lets words be sent to public sources, or forbids it. Needs a recent step-up.
#[utoipa::path(put, path = "/api/v1/tool-policy", tag = "tools", request_body = ToolPolicyChange, responses((status = 204, description = "It holds from the next answer on")))]
pub(crate) async fn set_policy(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    Body(change): Body<ToolPolicyChange>,
) -> Reply<StatusCode> {
    tools::set_policy(&s.platform, &caller.cx, change.public_sources).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Shows which tools an expert has.
#[utoipa::path(get, path = "/api/v1/experts/{slug}/tools", tag = "tools", params(("slug" = String, Path)), responses((status = 200, body = ExpertTools)))]
pub(crate) async fn expert(State(s): State<AppState>, SignedIn(caller): SignedIn, Path(slug): Path<String>) -> Reply<Json<ExpertTools>> {
    Ok(Json(experts::expert_tools(&s.platform, &caller.cx, &slug).await?))
}

/// Gives an expert exactly these tools. Needs a recent step-up.
#[utoipa::path(put, path = "/api/v1/experts/{slug}/tools", tag = "tools", params(("slug" = String, Path)), request_body = ToolGrant, responses((status = 200, body = ExpertTools)))]
pub(crate) async fn grant(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    Path(slug): Path<String>,
    Body(grant): Body<ToolGrant>,
) -> Reply<Json<ExpertTools>> {
    Ok(Json(experts::grant_tools(&s.platform, &caller.cx, &slug, &grant.tools).await?))
}

/// Approves or rejects a call of a tool that waits for the person who asked.
#[utoipa::path(post, path = "/api/v1/turns/{id}/tool-calls/{call}/decision", tag = "ask", params(("id" = Uuid, Path), ("call" = u32, Path)), request_body = ToolDecision,
    responses((status = 204, description = "Decided")))]
pub(crate) async fn decide(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    Path((id, call)): Path<(String, String)>,
    Body(decision): Body<ToolDecision>,
) -> Reply<StatusCode> {
    ask::decide(&s.platform, &caller.cx, turn(&id)?, number(&call)?, decision.approved).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Shows a text that a tool fetched for an answer, as it was then.
#[utoipa::path(get, path = "/api/v1/sources/{id}", tag = "ask", params(("id" = Uuid, Path)), responses((status = 200, body = Source)))]
pub(crate) async fn source(State(s): State<AppState>, SignedIn(caller): SignedIn, Id(id): Id<SourceId>) -> Reply<Json<Source>> {
    Ok(Json(ask::source(&s.platform, &caller.cx, id.0).await?))
}

/// Where a fetched text is to be kept.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Keeping {
    /// Slug of a collection that the caller may read; `own` unless given.
    #[serde(default)]
    collection: Option<String>,
}

/// Keeps a text that a tool fetched as a document, with where it came from.
#[utoipa::path(post, path = "/api/v1/sources/{id}/keep", tag = "ask", params(("id" = Uuid, Path)), request_body = Keeping,
    responses((status = 201, body = Document, headers(("location", description = "The document")))))]
pub(crate) async fn keep(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    Id(id): Id<SourceId>,
    Body(keeping): Body<Keeping>,
) -> Reply<impl IntoResponse> {
    let document = ask::keep(&s.platform, &caller.cx, id.0, keeping.collection).await?;
    Ok((StatusCode::CREATED, [(header::LOCATION, format!("/api/v1/documents/{}", document.id))], Json(document)))
}

/// Id of a fetched text.
pub(crate) struct SourceId(pub(crate) Uuid);

impl std::str::FromStr for SourceId {
    type Err = uuid::Error;
    fn from_str(id: &str) -> Result<Self, uuid::Error> {
        id.parse().map(Self)
    }
}

/// The turn of an address.
pub(crate) fn turn(id: &str) -> Result<TurnId, Error> {
    id.parse().map(TurnId).map_err(|_| Error::not_found("turn.unknown", "There is no such question, or it is not yours to see."))
}

/// The number of a call in an address.
pub(crate) fn number(call: &str) -> Result<u32, Error> {
    call.parse().map_err(|_| Error::not_found("tool_call.unknown", "There is no call of this number."))
}
