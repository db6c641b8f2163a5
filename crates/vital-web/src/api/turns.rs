//! Turns: asking, reading the answer, stopping and asking again.

use crate::{
    caller::SignedIn,
    extract::{Body, Id},
    problem::Reply,
    state::AppState,
};
use axum::{
    Json,
    extract::State,
    http::{HeaderName, StatusCode, header},
    response::IntoResponse,
};
use serde::Deserialize;
use utoipa::ToSchema;
use vital_kernel::{ConversationId, TurnId};
use vital_platform::ask::{self, Comparison, Question, Replay, Turn};

/// A question.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"question": "How long does FDA review a traditional 510(k)?"}))]
pub(crate) struct NewTurn {
    /// The question, at most 16 KiB.
    question: String,
    /// Slug of the expert, to overrule the conversation's or the platform's choice.
    expert: Option<String>,
}

/// Asks. The answer is written in the background; follow its events.
#[utoipa::path(post, path = "/api/v1/conversations/{id}/turns", tag = "ask", params(("id" = Uuid, Path)), request_body = NewTurn,
    responses((status = 202, body = Turn, headers(("location", description = "The turn")))))]
pub(crate) async fn create(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    Id(id): Id<ConversationId>,
    Body(new): Body<NewTurn>,
) -> Reply<impl IntoResponse> {
    let turn = ask::ask(&s.platform, &caller.cx, id, Question { text: new.question, expert: new.expert, ..Question::default() }).await?;
    Ok(accepted(turn))
}

/// Shows a turn with its answer.
#[utoipa::path(get, path = "/api/v1/turns/{id}", tag = "ask", params(("id" = Uuid, Path)), responses((status = 200, body = Turn)))]
pub(crate) async fn find(State(s): State<AppState>, SignedIn(caller): SignedIn, Id(id): Id<TurnId>) -> Reply<Json<Turn>> {
    Ok(Json(ask::turn(&s.platform, &caller.cx, id).await?))
}

/// Stops an answer; what was written is kept.
#[utoipa::path(post, path = "/api/v1/turns/{id}/cancel", tag = "ask", params(("id" = Uuid, Path)), responses((status = 204, description = "It stops")))]
pub(crate) async fn cancel(State(s): State<AppState>, SignedIn(caller): SignedIn, Id(id): Id<TurnId>) -> Reply<StatusCode> {
    ask::cancel(&s.platform, &caller.cx, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Asks the same question again, in a new turn.
#[utoipa::path(post, path = "/api/v1/turns/{id}/regenerate", tag = "ask", params(("id" = Uuid, Path)),
    responses((status = 202, body = Turn, headers(("location", description = "The new turn")))))]
pub(crate) async fn regenerate(State(s): State<AppState>, SignedIn(caller): SignedIn, Id(id): Id<TurnId>) -> Reply<impl IntoResponse> {
    Ok(accepted(ask::regenerate(&s.platform, &caller.cx, id).await?))
}

/// Holds an answer against the earlier one whose question it asks again.
#[utoipa::path(get, path = "/api/v1/turns/{id}/comparison", tag = "ask", params(("id" = Uuid, Path)), responses((status = 200, body = Comparison)))]
pub(crate) async fn compare(State(s): State<AppState>, SignedIn(caller): SignedIn, Id(id): Id<TurnId>) -> Reply<Json<Comparison>> {
    Ok(Json(ask::compare(&s.platform, &caller.cx, id).await?))
}

/// Plays an answer again from its record: its passages at their bytes, today's search beside them, and the sentences where they were selected.
#[utoipa::path(get, path = "/api/v1/turns/{id}/replay", tag = "ask", params(("id" = Uuid, Path)), responses((status = 200, body = Replay)))]
pub(crate) async fn replay(State(s): State<AppState>, SignedIn(caller): SignedIn, Id(id): Id<TurnId>) -> Reply<Json<Replay>> {
    Ok(Json(ask::replay(&s.platform, &caller.cx, id).await?))
}

fn accepted(turn: Turn) -> (StatusCode, [(HeaderName, String); 1], Json<Turn>) {
    (StatusCode::ACCEPTED, [(header::LOCATION, format!("/api/v1/turns/{}", turn.id))], Json(turn))
}
