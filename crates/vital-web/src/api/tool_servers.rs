//! Tool servers of the organisation, what their tools are and which are approved.

use super::{Listing, PageParams, Paging};
use crate::{
    caller::SignedIn,
    extract::{Body, Id},
    problem::Reply,
    state::AppState,
};
use axum::{Json, extract::State, http::StatusCode};
use serde::Deserialize;
use utoipa::ToSchema;
use vital_kernel::ToolServerId;
use vital_platform::tools::servers::{self, NewToolServer, ToolApproval, ToolServer, ToolServerChange, ToolServerTest};

/// A tool that is withdrawn.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ToolWithdrawal {
    /// The tool, in the server's own name.
    tool: String,
}

/// Lists the tool servers with their tools. Secrets are never shown.
#[utoipa::path(get, path = "/api/v1/tool-servers", tag = "tools", params(PageParams), responses((status = 200, body = Listing<ToolServer>)))]
pub(crate) async fn list(State(s): State<AppState>, SignedIn(caller): SignedIn, paging: Paging) -> Reply<Json<Listing<ToolServer>>> {
    Ok(Json(paging.page_of(servers::tool_servers(&s.platform, &caller.cx).await?, |server| server.id)?))
}

/// Connects a tool server. None of its tools is offered before it is approved. Needs a recent step-up.
#[utoipa::path(post, path = "/api/v1/tool-servers", tag = "tools", request_body = NewToolServer, responses((status = 201, body = ToolServer)))]
pub(crate) async fn create(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    Body(new): Body<NewToolServer>,
) -> Reply<(StatusCode, Json<ToolServer>)> {
    Ok((StatusCode::CREATED, Json(servers::add_tool_server(&s.platform, &caller.cx, new).await?)))
}

/// Finds one tool server with its tools.
#[utoipa::path(get, path = "/api/v1/tool-servers/{id}", tag = "tools", params(("id" = uuid::Uuid, Path)), responses((status = 200, body = ToolServer)))]
pub(crate) async fn find(State(s): State<AppState>, SignedIn(caller): SignedIn, Id(id): Id<ToolServerId>) -> Reply<Json<ToolServer>> {
    Ok(Json(servers::tool_server(&s.platform, &caller.cx, id).await?))
}

/// Changes a tool server; what is left out stays. Needs a recent step-up.
#[utoipa::path(patch, path = "/api/v1/tool-servers/{id}", tag = "tools", params(("id" = uuid::Uuid, Path)), request_body = ToolServerChange, responses((status = 200, body = ToolServer)))]
pub(crate) async fn change(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    Id(id): Id<ToolServerId>,
    Body(change): Body<ToolServerChange>,
) -> Reply<Json<ToolServer>> {
    Ok(Json(servers::change_tool_server(&s.platform, &caller.cx, id, change).await?))
}

/// Removes a tool server with its secret and its tools. Needs a recent step-up.
#[utoipa::path(delete, path = "/api/v1/tool-servers/{id}", tag = "tools", params(("id" = uuid::Uuid, Path)), responses((status = 204, description = "None of its tools is called any more")))]
pub(crate) async fn remove(State(s): State<AppState>, SignedIn(caller): SignedIn, Id(id): Id<ToolServerId>) -> Reply<StatusCode> {
    servers::remove_tool_server(&s.platform, &caller.cx, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Has a tool server tell its tools and says what came. Nothing is called. Needs a recent step-up.
#[utoipa::path(post, path = "/api/v1/tool-servers/{id}/test", tag = "tools", params(("id" = uuid::Uuid, Path)), responses((status = 200, body = ToolServerTest)))]
pub(crate) async fn test(State(s): State<AppState>, SignedIn(caller): SignedIn, Id(id): Id<ToolServerId>) -> Reply<Json<ToolServerTest>> {
    Ok(Json(servers::test_tool_server(&s.platform, &caller.cx, id).await?))
}

/// Approves a tool in exactly the definition that was looked at. Needs a recent step-up.
#[utoipa::path(post, path = "/api/v1/tool-servers/{id}/approvals", tag = "tools", params(("id" = uuid::Uuid, Path)), request_body = ToolApproval, responses((status = 200, body = ToolServer)))]
pub(crate) async fn approve(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    Id(id): Id<ToolServerId>,
    Body(approval): Body<ToolApproval>,
) -> Reply<Json<ToolServer>> {
    servers::approve_tool(&s.platform, &caller.cx, id, &approval).await?;
    Ok(Json(servers::tool_server(&s.platform, &caller.cx, id).await?))
}

/// Takes the approval of a tool back.
#[utoipa::path(post, path = "/api/v1/tool-servers/{id}/withdrawals", tag = "tools", params(("id" = uuid::Uuid, Path)), request_body = ToolWithdrawal, responses((status = 204, description = "It is neither offered nor called any more")))]
pub(crate) async fn withdraw(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    Id(id): Id<ToolServerId>,
    Body(withdrawal): Body<ToolWithdrawal>,
) -> Reply<StatusCode> {
    servers::withdraw_tool(&s.platform, &caller.cx, id, &withdrawal.tool).await?;
    Ok(StatusCode::NO_CONTENT)
}
