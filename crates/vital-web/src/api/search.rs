//! Search over passages, with the scores of its parts.

use crate::{caller::SignedIn, extract::Params, problem::Reply, state::AppState};
use axum::{Json, extract::State};
use serde::Deserialize;
use utoipa::IntoParams;
use vital_kernel::Error;
use vital_platform::knowledge::{self, SearchQuery, SearchResults};

/// Hits returned unless the caller says otherwise.
const LIMIT: usize = 10;
/// Most hits a caller may ask for.
const LIMIT_MAX: usize = 100;

/// What to search for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Query {
    /// The query.
    #[param(example = "substantial equivalence")]
    q: String,
    /// Slug of a collection; all unless given.
    collection: Option<String>,
    /// Only passages of documents that hold on this day, such as `2026-11-23`; without it, what holds no longer is shown too, and marked.
    valid_on: Option<String>,
    /// Only this authority, such as `regulator`.
    authority: Option<String>,
    /// Only findings of this level of evidence, 1 to 5, or a better one.
    #[param(minimum = 1, maximum = 5)]
    level: Option<u8>,
    /// At most so many hits; 10 unless given, 100 at most.
    limit: Option<usize>,
}

/// Finds passages by words and by meaning.
#[utoipa::path(get, path = "/api/v1/search", tag = "search", params(Query), responses((status = 200, body = SearchResults)))]
pub(crate) async fn search(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    Params(given): Params<Query>,
) -> Reply<Json<SearchResults>> {
    if given.q.trim().is_empty() {
        return Err(Error::invalid("search.empty", "There is nothing to search for. Give `q` some words.")
            .with_field("/q", "Write some words.")
            .into());
    }
    let limit = given.limit.unwrap_or(LIMIT).clamp(1, LIMIT_MAX);
    let valid_on = match given.valid_on.as_deref() {
        Some(text) => Some(day(text)?),
        None => None,
    };
    let collections = given.collection.into_iter().collect();
    let query = SearchQuery { query: given.q, collections, valid_on, authority: given.authority, level: given.level, limit };
    Ok(Json(knowledge::search(&s.platform, &caller.cx, query).await?))
}

/// Reads a day.
pub(crate) fn day(text: &str) -> Result<time::Date, Error> {
    knowledge::day::parse(text).map_err(|_| {
        Error::invalid("search.day", "The day on which documents hold is written like 2026-11-23. Nothing was searched.")
            .with_field("/valid_on", "Write it like 2026-11-23.")
    })
}
