//! Providers of single sign-on, for administrators of an organisation.

use super::{Listing, PageParams, Paging};
use crate::{
    caller::SignedIn,
    extract::{Body, Id},
    problem::Reply,
    state::AppState,
};
use axum::{Json, extract::State, http::StatusCode};
use vital_kernel::ProviderId;
use vital_platform::identity::{self, NewProvider, ProviderChange, ProviderTest, SsoProvider};

/// Lists the providers. Secrets are never shown.
#[utoipa::path(get, path = "/api/v1/sso/providers", tag = "sso", params(PageParams), responses((status = 200, body = Listing<SsoProvider>)))]
pub(crate) async fn list(State(s): State<AppState>, SignedIn(caller): SignedIn, paging: Paging) -> Reply<Json<Listing<SsoProvider>>> {
    Ok(Json(paging.page_of(identity::providers(&s.platform, &caller.cx).await?, |p| p.id)?))
}

/// Sets a provider up. Needs a recent step-up.
#[utoipa::path(post, path = "/api/v1/sso/providers", tag = "sso", request_body = NewProvider, responses((status = 201, body = SsoProvider)))]
pub(crate) async fn create(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    Body(new): Body<NewProvider>,
) -> Reply<(StatusCode, Json<SsoProvider>)> {
    Ok((StatusCode::CREATED, Json(identity::add_provider(&s.platform, &caller.cx, new).await?)))
}

/// Finds one provider.
#[utoipa::path(get, path = "/api/v1/sso/providers/{id}", tag = "sso", params(("id" = uuid::Uuid, Path)), responses((status = 200, body = SsoProvider)))]
pub(crate) async fn find(State(s): State<AppState>, SignedIn(caller): SignedIn, Id(id): Id<ProviderId>) -> Reply<Json<SsoProvider>> {
    Ok(Json(identity::provider(&s.platform, &caller.cx, id).await?))
}

/// Changes a provider; what is left out stays. Needs a recent step-up.
#[utoipa::path(patch, path = "/api/v1/sso/providers/{id}", tag = "sso", params(("id" = uuid::Uuid, Path)), request_body = ProviderChange, responses((status = 200, body = SsoProvider)))]
pub(crate) async fn change(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    Id(id): Id<ProviderId>,
    Body(change): Body<ProviderChange>,
) -> Reply<Json<SsoProvider>> {
    Ok(Json(identity::change_provider(&s.platform, &caller.cx, id, change).await?))
}

/// Removes a provider; accounts stay. Needs a recent step-up.
#[utoipa::path(delete, path = "/api/v1/sso/providers/{id}", tag = "sso", params(("id" = uuid::Uuid, Path)), responses((status = 204, description = "Nobody gets in through it any more")))]
pub(crate) async fn remove(State(s): State<AppState>, SignedIn(caller): SignedIn, Id(id): Id<ProviderId>) -> Reply<StatusCode> {
    identity::remove_provider(&s.platform, &caller.cx, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Asks a provider for its metadata and keys and tells what came.
#[utoipa::path(post, path = "/api/v1/sso/providers/{id}/test", tag = "sso", params(("id" = uuid::Uuid, Path)), responses((status = 200, body = ProviderTest)))]
pub(crate) async fn test(State(s): State<AppState>, SignedIn(caller): SignedIn, Id(id): Id<ProviderId>) -> Reply<Json<ProviderTest>> {
    Ok(Json(identity::test_provider(&s.platform, &caller.cx, id).await?))
}
