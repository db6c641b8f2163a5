//! Invitations to the organisation.

use super::{Listing, PageParams, Paging};
use crate::{
    caller::SignedIn,
    extract::{Body, Id},
    problem::Reply,
    state::AppState,
};
use axum::{Json, extract::State, http::StatusCode, response::IntoResponse};
use serde::Deserialize;
use utoipa::ToSchema;
use vital_kernel::{InvitationId, Role};
use vital_platform::identity::{self, Invitation, SentInvitation};

/// Whom to invite.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"email": "ada@pharma.example", "roles": ["member"]}))]
pub(crate) struct NewInvitation {
    /// Their address.
    email: String,
    /// Their name, if it is known; they can change it.
    #[serde(default)]
    display_name: String,
    /// The roles they will have.
    #[schema(value_type = Vec<String>)]
    roles: Vec<Role>,
}

/// Lists invitations, newest first.
#[utoipa::path(get, path = "/api/v1/invitations", tag = "members", params(PageParams), responses((status = 200, body = Listing<Invitation>)))]
pub(crate) async fn list(State(s): State<AppState>, SignedIn(caller): SignedIn, paging: Paging) -> Reply<Json<Listing<Invitation>>> {
    Ok(Json(paging.page(identity::invitations(&s.platform, &caller.cx, paging.before()?, paging.limit).await?, |i| i.id)))
}

/// Invites somebody by e-mail. `mail_problem` tells when the message did not leave. Needs a recent second factor for an administrator.
#[utoipa::path(post, path = "/api/v1/invitations", tag = "members", request_body = NewInvitation, responses((status = 201, body = SentInvitation)))]
pub(crate) async fn create(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    Body(new): Body<NewInvitation>,
) -> Reply<impl IntoResponse> {
    let new = identity::NewInvitation { email: new.email, display_name: new.display_name, roles: new.roles };
    Ok((StatusCode::CREATED, Json(identity::invite(&s.platform, &caller.cx, new).await?)))
}

/// Takes an invitation back; its link stops working.
#[utoipa::path(delete, path = "/api/v1/invitations/{id}", tag = "members", params(("id" = Uuid, Path)),
    responses((status = 204, description = "The link no longer works")))]
pub(crate) async fn revoke(State(s): State<AppState>, SignedIn(caller): SignedIn, Id(id): Id<InvitationId>) -> Reply<StatusCode> {
    identity::revoke_invitation(&s.platform, &caller.cx, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sends an invitation again with a new link, for another seven days.
#[utoipa::path(post, path = "/api/v1/invitations/{id}/resend", tag = "members", params(("id" = Uuid, Path)),
    responses((status = 200, body = SentInvitation)))]
pub(crate) async fn resend(State(s): State<AppState>, SignedIn(caller): SignedIn, Id(id): Id<InvitationId>) -> Reply<Json<SentInvitation>> {
    Ok(Json(identity::resend_invitation(&s.platform, &caller.cx, id).await?))
}
