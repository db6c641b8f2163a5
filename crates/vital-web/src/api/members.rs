//! Members of the organisation, service accounts, and one's own profile.

use super::{Listing, Paging};
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
use uuid::Uuid;
use vital_kernel::{GroupId, Role, UserId};
use vital_platform::identity::{self, Member, MemberFilter, MemberKind};

/// Which members to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filter {
    /// Only with this in the name or address.
    query: Option<String>,
    /// Only of this kind.
    kind: Option<MemberKind>,
    /// Only of this group.
    group: Option<Uuid>,
    /// `next_cursor` of the page before.
    #[expect(dead_code, reason = "read as `Paging`")]
    cursor: Option<String>,
    /// At most so many; 50 unless given, 200 at most.
    #[expect(dead_code, reason = "read as `Paging`")]
    limit: Option<i64>,
}

/// What changes about a member.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MemberChange {
    /// All roles they shall have.
    #[schema(value_type = Vec<String>)]
    roles: Vec<Role>,
}

/// What changes about oneself.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"display_name": "Ada Byron"}))]
pub(crate) struct ProfileChange {
    /// The name that others see.
    display_name: String,
}

/// A new service account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "Notebook", "roles": ["member"]}))]
pub(crate) struct NewServiceAccount {
    /// Its name.
    name: String,
    /// Its roles; its keys can be limited further.
    #[schema(value_type = Vec<String>)]
    roles: Vec<Role>,
}

/// Lists members, newest first.
#[utoipa::path(get, path = "/api/v1/members", tag = "members", params(Filter), responses((status = 200, body = Listing<Member>)))]
pub(crate) async fn list(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    paging: Paging,
    Params(f): Params<Filter>,
) -> Reply<Json<Listing<Member>>> {
    let filter = MemberFilter {
        query: f.query.unwrap_or_default(),
        kind: f.kind,
        group: f.group.map(GroupId),
        before: paging.before()?,
        limit: paging.limit,
    };
    Ok(Json(paging.page(identity::members(&s.platform, &caller.cx, &filter).await?, |m| m.id)))
}

/// Shows a member.
#[utoipa::path(get, path = "/api/v1/members/{id}", tag = "members", params(("id" = Uuid, Path)), responses((status = 200, body = Member)))]
pub(crate) async fn find(State(s): State<AppState>, SignedIn(caller): SignedIn, Id(id): Id<UserId>) -> Reply<Json<Member>> {
    Ok(Json(identity::member(&s.platform, &caller.cx, id).await?))
}

/// Gives a member other roles. Needs a recent second factor.
#[utoipa::path(patch, path = "/api/v1/members/{id}", tag = "members", params(("id" = Uuid, Path)), request_body = MemberChange,
    responses((status = 200, body = Member)))]
pub(crate) async fn change(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    Id(id): Id<UserId>,
    Body(change): Body<MemberChange>,
) -> Reply<Json<Member>> {
    Ok(Json(identity::change_roles(&s.platform, &caller.cx, id, change.roles).await?))
}

/// Takes a member's access away: sessions, keys and links end. Needs a recent second factor.
#[utoipa::path(post, path = "/api/v1/members/{id}/deactivate", tag = "members", params(("id" = Uuid, Path)),
    responses((status = 204, description = "Their access has ended")))]
pub(crate) async fn deactivate(State(s): State<AppState>, SignedIn(caller): SignedIn, Id(id): Id<UserId>) -> Reply<StatusCode> {
    identity::deactivate(&s.platform, &caller.cx, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Gives a member their access back; keys stay revoked. Needs a recent second factor.
#[utoipa::path(post, path = "/api/v1/members/{id}/reactivate", tag = "members", params(("id" = Uuid, Path)),
    responses((status = 204, description = "They can sign in again")))]
pub(crate) async fn reactivate(State(s): State<AppState>, SignedIn(caller): SignedIn, Id(id): Id<UserId>) -> Reply<StatusCode> {
    identity::reactivate(&s.platform, &caller.cx, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Changes one's own name.
#[utoipa::path(patch, path = "/api/v1/me", tag = "session", request_body = ProfileChange, responses((status = 204, description = "Changed")))]
pub(crate) async fn change_me(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    Body(change): Body<ProfileChange>,
) -> Reply<StatusCode> {
    identity::update_profile(&s.platform, &caller, &change.display_name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes a service account: a member that works through keys and cannot sign in. Needs a recent second factor.
#[utoipa::path(post, path = "/api/v1/service-accounts", tag = "members", request_body = NewServiceAccount,
    responses((status = 201, body = Member, headers(("location", description = "The member")))))]
pub(crate) async fn create_service_account(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    Body(new): Body<NewServiceAccount>,
) -> Reply<impl IntoResponse> {
    let made = identity::create_service_account(&s.platform, &caller.cx, &new.name, new.roles).await?;
    Ok((StatusCode::CREATED, [(header::LOCATION, format!("/api/v1/members/{}", made.id))], Json(made)))
}
