//! What a person is told: answers of theirs that stood on a document which holds no longer.

use super::{Listing, PageParams, Paging};
use crate::{caller::SignedIn, problem::Reply, state::AppState};
use axum::{Json, extract::State, http::StatusCode};
use vital_platform::ask::{self, Notice};

/// Lists what the caller was told, latest first.
#[utoipa::path(get, path = "/api/v1/notices", tag = "ask", params(PageParams), responses((status = 200, body = Listing<Notice>)))]
pub(crate) async fn list(State(s): State<AppState>, SignedIn(caller): SignedIn, paging: Paging) -> Reply<Json<Listing<Notice>>> {
    Ok(Json(paging.page(ask::notices(&s.platform, &caller.cx, paging.before()?, paging.limit).await?, |n| n.id)))
}

/// Records that the caller has seen all of it.
#[utoipa::path(post, path = "/api/v1/notices/seen", tag = "ask", responses((status = 204, description = "All are seen")))]
pub(crate) async fn seen(State(s): State<AppState>, SignedIn(caller): SignedIn) -> Reply<StatusCode> {
    ask::see_notices(&s.platform, &caller.cx).await?;
    Ok(StatusCode::NO_CONTENT)
}
