//! Experts: list, profile, and which of them would take a question.

use super::{Listing, PageParams, Paging, collections::NewSharing};
use crate::{caller::SignedIn, extract::Body, problem::Reply, state::AppState};
use axum::{
    Json,
    extract::{Path, State},
};
use serde::Deserialize;
use utoipa::ToSchema;
use vital_platform::experts::{self, Candidate, Expert, ExpertAccess, ExpertSummary};

/// A question to be routed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Route {
    /// The question.
    question: String,
}

/// Lists the experts that the caller may ask, by domain and name.
#[utoipa::path(get, path = "/api/v1/experts", tag = "experts", params(PageParams), responses((status = 200, body = Listing<ExpertSummary>)))]
pub(crate) async fn list(State(s): State<AppState>, SignedIn(caller): SignedIn, paging: Paging) -> Reply<Json<Listing<ExpertSummary>>> {
    Ok(Json(paging.page_of(experts::list(&s.platform, &caller.cx).await?, |e| e.slug.clone())?))
}

/// Shows an expert with the version in force.
#[utoipa::path(get, path = "/api/v1/experts/{slug}", tag = "experts", params(("slug", description = "Stable name")), responses((status = 200, body = Expert)))]
pub(crate) async fn find(State(s): State<AppState>, SignedIn(caller): SignedIn, Path(slug): Path<String>) -> Reply<Json<Expert>> {
    Ok(Json(experts::find(&s.platform, &caller.cx, &slug).await?))
}

/// Lists who may ask which expert.
#[utoipa::path(get, path = "/api/v1/experts/access", tag = "experts", params(PageParams), responses((status = 200, body = Listing<ExpertAccess>)))]
pub(crate) async fn access(State(s): State<AppState>, SignedIn(caller): SignedIn, paging: Paging) -> Reply<Json<Listing<ExpertAccess>>> {
    Ok(Json(paging.page_of(experts::experts_admin(&s.platform, &caller.cx).await?, |e| e.slug.clone())?))
}

/// Chooses who may ask an expert. Made private, it belongs to the caller. Needs a second factor proved within the last five minutes.
#[utoipa::path(patch, path = "/api/v1/experts/{slug}/access", tag = "experts", params(("slug", description = "Stable name")),
    request_body = NewSharing, responses((status = 200, body = ExpertAccess)))]
pub(crate) async fn share(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    Path(slug): Path<String>,
    Body(given): Body<NewSharing>,
) -> Reply<Json<ExpertAccess>> {
    Ok(Json(experts::share_expert(&s.platform, &caller.cx, &slug, given.into()).await?))
}

/// Ranks experts for a question, with scores and reasons. Nothing is asked.
#[utoipa::path(post, path = "/api/v1/route", tag = "experts", request_body = Route, responses((status = 200, body = [Candidate])))]
pub(crate) async fn route(State(s): State<AppState>, SignedIn(caller): SignedIn, Body(given): Body<Route>) -> Reply<Json<Vec<Candidate>>> {
    Ok(Json(experts::route(&s.platform, &caller.cx, &given.question).await?))
}
