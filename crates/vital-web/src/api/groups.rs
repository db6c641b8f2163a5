//! Groups of members.

use super::{Listing, PageParams, Paging};
use crate::{
    caller::SignedIn,
    extract::{Body, Id},
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
use utoipa::ToSchema;
use uuid::Uuid;
use vital_kernel::{GroupId, UserId};
use vital_platform::identity::{self, Group, Member};

/// The name of a group.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "Biometrics"}))]
pub(crate) struct NewGroup {
    /// Unique in the organisation.
    name: String,
}

/// Members of a group to add or take out.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GroupMembers {
    /// Their ids.
    members: Vec<Uuid>,
}

impl GroupMembers {
    fn ids(self) -> Vec<UserId> {
        self.members.into_iter().map(UserId).collect()
    }
}

/// Lists the groups by name.
#[utoipa::path(get, path = "/api/v1/groups", tag = "members", params(PageParams), responses((status = 200, body = Listing<Group>)))]
pub(crate) async fn list(State(s): State<AppState>, SignedIn(caller): SignedIn, paging: Paging) -> Reply<Json<Listing<Group>>> {
    Ok(Json(paging.page_of(identity::groups(&s.platform, &caller.cx).await?, |g| g.id)?))
}

/// Makes a group.
#[utoipa::path(post, path = "/api/v1/groups", tag = "members", request_body = NewGroup,
    responses((status = 201, body = Group, headers(("location", description = "The group")))))]
pub(crate) async fn create(State(s): State<AppState>, SignedIn(caller): SignedIn, Body(new): Body<NewGroup>) -> Reply<impl IntoResponse> {
    let group = identity::create_group(&s.platform, &caller.cx, &new.name).await?;
    Ok((StatusCode::CREATED, [(header::LOCATION, format!("/api/v1/groups/{}", group.id))], Json(group)))
}

/// Shows a group.
#[utoipa::path(get, path = "/api/v1/groups/{id}", tag = "members", params(("id" = Uuid, Path)), responses((status = 200, body = Group)))]
pub(crate) async fn find(State(s): State<AppState>, SignedIn(caller): SignedIn, Id(id): Id<GroupId>) -> Reply<Json<Group>> {
    Ok(Json(identity::group(&s.platform, &caller.cx, id).await?))
}

/// Gives a group another name.
#[utoipa::path(patch, path = "/api/v1/groups/{id}", tag = "members", params(("id" = Uuid, Path)), request_body = NewGroup,
    responses((status = 200, body = Group)))]
pub(crate) async fn rename(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    Id(id): Id<GroupId>,
    Body(new): Body<NewGroup>,
) -> Reply<Json<Group>> {
    Ok(Json(identity::rename_group(&s.platform, &caller.cx, id, &new.name).await?))
}

/// Deletes a group; what was shared with it alone is then seen by its owner alone. Needs a recent second factor.
#[utoipa::path(delete, path = "/api/v1/groups/{id}", tag = "members", params(("id" = Uuid, Path)), responses((status = 204, description = "Deleted")))]
pub(crate) async fn delete(State(s): State<AppState>, SignedIn(caller): SignedIn, Id(id): Id<GroupId>) -> Reply<StatusCode> {
    identity::delete_group(&s.platform, &caller.cx, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists the members of a group.
#[utoipa::path(get, path = "/api/v1/groups/{id}/members", tag = "members", params(("id" = Uuid, Path), PageParams), responses((status = 200, body = Listing<Member>)))]
pub(crate) async fn members(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    Id(id): Id<GroupId>,
    paging: Paging,
) -> Reply<Json<Listing<Member>>> {
    let found = identity::group_members(&s.platform, &caller.cx, id, paging.before()?, paging.limit).await?;
    Ok(Json(paging.page(found, |m| m.id)))
}

/// Adds members to a group: all that are named, or none.
#[utoipa::path(post, path = "/api/v1/groups/{id}/members", tag = "members", params(("id" = Uuid, Path)), request_body = GroupMembers,
    responses((status = 200, body = Group)))]
pub(crate) async fn add(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    Id(id): Id<GroupId>,
    Body(named): Body<GroupMembers>,
) -> Reply<Json<Group>> {
    Ok(Json(identity::add_group_members(&s.platform, &caller.cx, id, &named.ids()).await?))
}

/// Takes members out of a group.
#[utoipa::path(delete, path = "/api/v1/groups/{id}/members", tag = "members", params(("id" = Uuid, Path)), request_body = GroupMembers,
    responses((status = 200, body = Group)))]
pub(crate) async fn remove(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    Id(id): Id<GroupId>,
    Body(named): Body<GroupMembers>,
) -> Reply<Json<Group>> {
    Ok(Json(identity::remove_group_members(&s.platform, &caller.cx, id, &named.ids()).await?))
}
