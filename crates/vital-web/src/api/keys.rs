//! API keys: one's own, those of service accounts, and for administrators everybody's.

use super::{Listing, Paging};
use crate::{
    caller::SignedIn,
    extract::{Body, Id, Params},
    problem::Reply,
    state::AppState,
};
use axum::{Json, extract::State, http::StatusCode, response::IntoResponse};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use vital_kernel::{KeyId, UserId};
use vital_platform::identity::{self, IssuedKey, Key};

/// Which keys to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filter {
    /// Those of everybody in the organisation instead of one's own.
    #[serde(default)]
    all: bool,
    /// `next_cursor` of the page before.
    #[expect(dead_code, reason = "read as `Paging`")]
    cursor: Option<String>,
    /// At most so many; 50 unless given, 200 at most.
    #[expect(dead_code, reason = "read as `Paging`")]
    limit: Option<i64>,
}

/// A new key.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "Notebook", "scopes": ["ask", "expert.read"], "days": 30}))]
pub(crate) struct NewKey {
    /// A name to tell it from others.
    name: String,
    /// Names of permissions; each must be held by the roles of the member it acts for.
    scopes: Vec<String>,
    /// Days until it ends, 1 to 365; 90 unless given.
    days: Option<i64>,
    /// Id of the service account it acts for; oneself unless given.
    member: Option<Uuid>,
}

/// Lists keys, newest first, without their secrets.
#[utoipa::path(get, path = "/api/v1/keys", tag = "keys", params(Filter), responses((status = 200, body = Listing<Key>)))]
pub(crate) async fn list(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    paging: Paging,
    Params(f): Params<Filter>,
) -> Reply<Json<Listing<Key>>> {
    if f.all {
        return Ok(Json(paging.page(identity::all_keys(&s.platform, &caller.cx, paging.before()?, paging.limit).await?, |k| k.id)));
    }
    Ok(Json(paging.page_of(identity::keys(&s.platform, &caller.cx).await?, |k| k.id)?))
}

/// Makes a key and shows it, this once. Needs a session with a recent second factor.
#[utoipa::path(post, path = "/api/v1/keys", tag = "keys", request_body = NewKey, responses((status = 201, body = IssuedKey)))]
pub(crate) async fn create(State(s): State<AppState>, SignedIn(caller): SignedIn, Body(new): Body<NewKey>) -> Reply<impl IntoResponse> {
    let new = identity::NewKey { name: new.name, scopes: new.scopes, days: new.days, member: new.member.map(UserId) };
    Ok((StatusCode::CREATED, Json(identity::issue_key(&s.platform, &caller, new).await?)))
}

/// Revokes a key: it stops working within a second.
#[utoipa::path(delete, path = "/api/v1/keys/{id}", tag = "keys", params(("id" = Uuid, Path)), responses((status = 204, description = "Revoked")))]
pub(crate) async fn revoke(State(s): State<AppState>, SignedIn(caller): SignedIn, Id(id): Id<KeyId>) -> Reply<StatusCode> {
    identity::revoke_key(&s.platform, &caller.cx, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
