//! `/scim/v2/Users`

use super::{Asked, Body, Versions, document, refused, resource, unless_known};
use crate::{caller::SignedIn, extract::Id, problem::Reply, state::AppState};
use axum::{extract::State, http::StatusCode, response::Response};
use vital_federation::scim::{ListQuery, NewUser, Patch, ResourceKind::User};
use vital_kernel::UserId;
use vital_platform::identity::scim;

/// `GET /scim/v2/Users`
pub(crate) async fn list(State(s): State<AppState>, SignedIn(caller): SignedIn, Asked(query): Asked) -> Reply<Response> {
    Ok(document(&scim::users(&s.platform, &caller.cx, &query).await?))
}

/// `POST /scim/v2/Users/.search`
pub(crate) async fn search(State(s): State<AppState>, SignedIn(caller): SignedIn, Body(body): Body) -> Reply<Response> {
    let query = ListQuery::from_search(&body).map_err(refused)?;
    Ok(document(&scim::users(&s.platform, &caller.cx, &query).await?))
}

/// `POST /scim/v2/Users`
pub(crate) async fn create(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    Asked(asked): Asked,
    Body(body): Body,
) -> Reply<Response> {
    let new = NewUser::parse(&body).map_err(refused)?;
    let made = scim::provision_user(&s.platform, &caller.cx, new).await?;
    Ok(resource(StatusCode::CREATED, User, &asked, made.to_json(&scim::base(&s.platform))))
}

/// `GET /scim/v2/Users/{id}`
pub(crate) async fn find(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    Id(id): Id<UserId>,
    versions: Versions,
    Asked(asked): Asked,
) -> Reply<Response> {
    let found = scim::user(&s.platform, &caller.cx, id).await?;
    Ok(unless_known(&versions, User, &asked, found.to_json(&scim::base(&s.platform))))
}

/// `PUT /scim/v2/Users/{id}`
pub(crate) async fn replace(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    Id(id): Id<UserId>,
    versions: Versions,
    Asked(asked): Asked,
    Body(body): Body,
) -> Reply<Response> {
    let new = NewUser::parse(&body).map_err(refused)?;
    let now = scim::replace_user(&s.platform, &caller.cx, id, versions.if_match.as_deref(), new).await?;
    Ok(resource(StatusCode::OK, User, &asked, now.to_json(&scim::base(&s.platform))))
}

/// `PATCH /scim/v2/Users/{id}`
pub(crate) async fn patch(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    Id(id): Id<UserId>,
    versions: Versions,
    Asked(asked): Asked,
    Body(body): Body,
) -> Reply<Response> {
    let patch = Patch::parse(&body).map_err(refused)?;
    let now = scim::patch_user(&s.platform, &caller.cx, id, versions.if_match.as_deref(), &patch).await?;
    Ok(resource(StatusCode::OK, User, &asked, now.to_json(&scim::base(&s.platform))))
}

/// `DELETE /scim/v2/Users/{id}`
pub(crate) async fn remove(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    Id(id): Id<UserId>,
    versions: Versions,
) -> Reply<StatusCode> {
    scim::remove_user(&s.platform, &caller.cx, id, versions.if_match.as_deref()).await?;
    Ok(StatusCode::NO_CONTENT)
}
