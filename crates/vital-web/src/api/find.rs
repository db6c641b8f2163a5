//! Finding conversations, documents, passages and experts.

use crate::{caller::SignedIn, extract::Params, problem::Reply, state::AppState};
use axum::{Json, extract::State};
use serde::Deserialize;
use utoipa::IntoParams;
use vital_platform::find::{self, EACH, Findings};

/// What to look for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Query {
    /// Words, or beginnings of words; at most 200 characters.
    #[param(example = "stability")]
    q: String,
    /// At most so many findings of each kind; 5 unless given, 50 at most.
    #[param(minimum = 1, maximum = 50)]
    each: Option<usize>,
}

/// Finds what the caller may see: own conversations, documents, passages, experts.
#[utoipa::path(get, path = "/api/v1/find", tag = "search", params(Query), responses((status = 200, body = Findings)))]
pub(crate) async fn find(State(s): State<AppState>, SignedIn(caller): SignedIn, Params(given): Params<Query>) -> Reply<Json<Findings>> {
    Ok(Json(find::find(&s.platform, &caller.cx, &given.q, given.each.unwrap_or(EACH)).await?))
}
