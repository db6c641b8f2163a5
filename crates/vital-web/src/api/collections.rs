//! Collections: listing, making, sharing and deleting them.

use super::{Listing, PageParams, Paging};
use crate::{caller::SignedIn, extract::Body, problem::Reply, state::AppState};
use axum::{
    Json,
    extract::{Path, State},
    http::{StatusCode, header},
    response::IntoResponse,
};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;
use vital_kernel::{Error, GroupId};
use vital_platform::knowledge::{self, Access, Collection, CollectionAccess, CollectionChange, GroupName, Sharing};

/// A collection to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "Stability", "access": "private"}))]
pub(crate) struct NewCollection {
    /// Its name.
    name: String,
    /// Who may read it beside its owner.
    access: Access,
    /// With which groups, where the access is `group`.
    #[serde(default)]
    groups: Vec<Uuid>,
}

/// What is to change of a collection; what is not given stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Change {
    /// Another name.
    name: Option<String>,
    /// Who may read it from now on.
    access: Option<Access>,
    /// With which groups, where the access is `group`; they replace those of before.
    #[serde(default)]
    groups: Vec<Uuid>,
}

/// How far something is shared from now on.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewSharing {
    /// How far.
    access: Access,
    /// With which groups, where the access is `group`; they replace those of before.
    #[serde(default)]
    groups: Vec<Uuid>,
}

impl From<NewSharing> for Sharing {
    fn from(given: NewSharing) -> Self {
        Self { access: given.access, groups: given.groups.into_iter().map(GroupId).collect() }
    }
}

/// Lists the collections that the caller may read, the organisation's own first.
#[utoipa::path(get, path = "/api/v1/collections", tag = "documents", params(PageParams), responses((status = 200, body = Listing<Collection>)))]
pub(crate) async fn list(State(s): State<AppState>, SignedIn(caller): SignedIn, paging: Paging) -> Reply<Json<Listing<Collection>>> {
    Ok(Json(paging.page_of(knowledge::collections(&s.platform, &caller.cx).await?, |c| c.slug.clone())?))
}

/// Makes an empty collection that belongs to the caller.
#[utoipa::path(post, path = "/api/v1/collections", tag = "documents", request_body = NewCollection,
    responses((status = 201, body = CollectionAccess, headers(("location", description = "The collection")))))]
pub(crate) async fn create(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    Body(given): Body<NewCollection>,
) -> Reply<impl IntoResponse> {
    let sharing = NewSharing { access: given.access, groups: given.groups }.into();
    let made = knowledge::create_collection(&s.platform, &caller.cx, knowledge::NewCollection { name: given.name, sharing }).await?;
    Ok((StatusCode::CREATED, [(header::LOCATION, format!("/api/v1/collections/{}", made.slug))], Json(made)))
}

/// Lists who may read what, as far as the caller decides it: own collections, and all for those who manage collections.
#[utoipa::path(get, path = "/api/v1/collections/access", tag = "documents", params(PageParams), responses((status = 200, body = Listing<CollectionAccess>)))]
pub(crate) async fn access(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    paging: Paging,
) -> Reply<Json<Listing<CollectionAccess>>> {
    Ok(Json(paging.page_of(knowledge::collections_admin(&s.platform, &caller.cx).await?, |c| c.slug.clone())?))
}

/// Renames a collection or changes who may read it.
#[utoipa::path(patch, path = "/api/v1/collections/{slug}", tag = "documents", params(("slug", description = "Stable name")),
    request_body = Change, responses((status = 200, body = CollectionAccess)))]
pub(crate) async fn change(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    Path(slug): Path<String>,
    Body(given): Body<Change>,
) -> Reply<Json<CollectionAccess>> {
    if given.access.is_none() && !given.groups.is_empty() {
        return Err(Error::invalid("access.groups_unused", "Groups were named without an access. Nothing was changed.")
            .with_field("/access", "Give the access `group` with the groups.")
            .into());
    }
    let sharing = given.access.map(|access| NewSharing { access, groups: given.groups }.into());
    Ok(Json(knowledge::change_collection(&s.platform, &caller.cx, &slug, CollectionChange { name: given.name, sharing }).await?))
}

/// Deletes an empty collection.
#[utoipa::path(delete, path = "/api/v1/collections/{slug}", tag = "documents", params(("slug", description = "Stable name")),
    responses((status = 204, description = "Deleted")))]
pub(crate) async fn delete(State(s): State<AppState>, SignedIn(caller): SignedIn, Path(slug): Path<String>) -> Reply<StatusCode> {
    knowledge::delete_collection(&s.platform, &caller.cx, &slug).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists the groups that collections and experts can be shared with.
#[utoipa::path(get, path = "/api/v1/sharing/groups", tag = "documents", params(PageParams), responses((status = 200, body = Listing<GroupName>)))]
pub(crate) async fn groups(State(s): State<AppState>, SignedIn(caller): SignedIn, paging: Paging) -> Reply<Json<Listing<GroupName>>> {
    Ok(Json(paging.page_of(knowledge::groups_to_share_with(&s.platform, &caller.cx).await?, |g| g.id)?))
}
