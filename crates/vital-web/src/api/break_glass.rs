//! When operators opened the organisation, and what came of it.

use super::{Listing, PageParams, Paging};
use crate::{
    caller::SignedIn,
    extract::{Body, Id},
    problem::Reply,
    state::AppState,
};
use axum::{Json, extract::State};
use serde::Deserialize;
use utoipa::ToSchema;
use vital_kernel::BreakGlassId;
use vital_platform::identity::break_glass::{self, Opening};

/// The review of an opening.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = OperatorAccessReview)]
pub(crate) struct Review {
    /// What the reviewer found.
    note: String,
}

/// Lists openings, newest first.
#[utoipa::path(get, path = "/api/v1/break-glass", tag = "break-glass", params(PageParams), responses((status = 200, body = Listing<Opening>)))]
pub(crate) async fn list(State(s): State<AppState>, SignedIn(caller): SignedIn, paging: Paging) -> Reply<Json<Listing<Opening>>> {
    Ok(Json(paging.page(break_glass::openings(&s.platform, &caller.cx, paging.before()?, paging.limit).await?, |o| o.id)))
}

/// Signs off what an operator did, once the opening has ended. Needs a recent second factor.
#[utoipa::path(post, path = "/api/v1/break-glass/{id}/review", tag = "break-glass", params(("id" = Uuid, Path)), request_body = Review,
    responses((status = 200, body = Opening)))]
pub(crate) async fn review(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    Id(id): Id<BreakGlassId>,
    Body(review): Body<Review>,
) -> Reply<Json<Opening>> {
    Ok(Json(break_glass::review(&s.platform, &caller.cx, id, &review.note).await?))
}
