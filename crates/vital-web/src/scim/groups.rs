//! `/scim/v2/Groups`

use super::{Asked, Body, Versions, document, refused, resource, unless_known};
use crate::{caller::SignedIn, extract::Id, problem::Reply, state::AppState};
use axum::{extract::State, http::StatusCode, response::Response};
use vital_federation::scim::{ListQuery, NewGroup, Patch, ResourceKind::Group};
use vital_kernel::GroupId;
use vital_platform::identity::scim;

/// `GET /scim/v2/Groups`
pub(crate) async fn list(State(s): State<AppState>, SignedIn(caller): SignedIn, Asked(query): Asked) -> Reply<Response> {
    Ok(document(&scim::groups(&s.platform, &caller.cx, &query).await?))
}

/// `POST /scim/v2/Groups/.search`
pub(crate) async fn search(State(s): State<AppState>, SignedIn(caller): SignedIn, Body(body): Body) -> Reply<Response> {
    let query = ListQuery::from_search(&body).map_err(refused)?;
    Ok(document(&scim::groups(&s.platform, &caller.cx, &query).await?))
}

/// `POST /scim/v2/Groups`
pub(crate) async fn create(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    Asked(asked): Asked,
    Body(body): Body,
) -> Reply<Response> {
    let new = NewGroup::parse(&body).map_err(refused)?;
    let made = scim::provision_group(&s.platform, &caller.cx, new).await?;
    Ok(resource(StatusCode::CREATED, Group, &asked, made.to_json(&scim::base(&s.platform))))
}

/// `GET /scim/v2/Groups/{id}`
pub(crate) async fn find(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    Id(id): Id<GroupId>,
    versions: Versions,
    Asked(asked): Asked,
) -> Reply<Response> {
    let found = scim::group(&s.platform, &caller.cx, id).await?;
    Ok(unless_known(&versions, Group, &asked, found.to_json(&scim::base(&s.platform))))
}

/// `PUT /scim/v2/Groups/{id}`
pub(crate) async fn replace(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    Id(id): Id<GroupId>,
    versions: Versions,
    Asked(asked): Asked,
    Body(body): Body,
) -> Reply<Response> {
    let new = NewGroup::parse(&body).map_err(refused)?;
    let now = scim::replace_group(&s.platform, &caller.cx, id, versions.if_match.as_deref(), new).await?;
    Ok(resource(StatusCode::OK, Group, &asked, now.to_json(&scim::base(&s.platform))))
}

/// `PATCH /scim/v2/Groups/{id}`
pub(crate) async fn patch(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    Id(id): Id<GroupId>,
    versions: Versions,
    Asked(asked): Asked,
    Body(body): Body,
) -> Reply<Response> {
    let patch = Patch::parse(&body).map_err(refused)?;
    let now = scim::patch_group(&s.platform, &caller.cx, id, versions.if_match.as_deref(), &patch).await?;
    Ok(resource(StatusCode::OK, Group, &asked, now.to_json(&scim::base(&s.platform))))
}

/// `DELETE /scim/v2/Groups/{id}`
pub(crate) async fn remove(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    Id(id): Id<GroupId>,
    versions: Versions,
) -> Reply<StatusCode> {
    scim::remove_group(&s.platform, &caller.cx, id, versions.if_match.as_deref()).await?;
    Ok(StatusCode::NO_CONTENT)
}
