//! Conversations.

use super::{Listing, PageParams, Paging};
use crate::{
    caller::SignedIn,
    extract::{Body, Id, Params},
    problem::Reply,
    state::AppState,
};
use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use vital_kernel::ConversationId;
use vital_platform::ask::{self, Conversation, ConversationView};

/// A conversation to be opened.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewConversation {
    /// Slug of the expert; the platform chooses for each question unless given.
    expert: Option<String>,
}

/// Which turns to show.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Turns {
    /// Only turns before this place in the conversation.
    pub(crate) before: Option<i32>,
}

/// Lists the caller's conversations, newest first.
#[utoipa::path(get, path = "/api/v1/conversations", tag = "ask", params(PageParams), responses((status = 200, body = Listing<Conversation>)))]
pub(crate) async fn list(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    paging: Paging,
    Params(PageParams { .. }): Params<PageParams>,
) -> Reply<Json<Listing<Conversation>>> {
    Ok(Json(paging.page(ask::conversations(&s.platform, &caller.cx, paging.before()?, paging.limit).await?, |c| c.id)))
}

/// Opens a conversation.
#[utoipa::path(post, path = "/api/v1/conversations", tag = "ask", request_body = NewConversation,
    responses((status = 201, body = Conversation, headers(("location", description = "The conversation")))))]
pub(crate) async fn create(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    Body(new): Body<NewConversation>,
) -> Reply<impl IntoResponse> {
    let opened = ask::open_conversation(&s.platform, &caller.cx, new.expert.as_deref()).await?;
    Ok((StatusCode::CREATED, [(header::LOCATION, format!("/api/v1/conversations/{}", opened.id))], Json(opened)))
}

/// Shows a conversation with its latest turns, or with those before a given one.
#[utoipa::path(get, path = "/api/v1/conversations/{id}", tag = "ask", params(("id" = Uuid, Path), Turns), responses((status = 200, body = ConversationView)))]
pub(crate) async fn find(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    Id(id): Id<ConversationId>,
    Params(page): Params<Turns>,
) -> Reply<Json<ConversationView>> {
    Ok(Json(ask::conversation(&s.platform, &caller.cx, id, page.before).await?))
}

/// Deletes a conversation with its turns.
#[utoipa::path(delete, path = "/api/v1/conversations/{id}", tag = "ask", params(("id" = Uuid, Path)), responses((status = 204, description = "Deleted")))]
pub(crate) async fn delete(State(s): State<AppState>, SignedIn(caller): SignedIn, Id(id): Id<ConversationId>) -> Reply<StatusCode> {
    ask::delete_conversation(&s.platform, &caller.cx, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
