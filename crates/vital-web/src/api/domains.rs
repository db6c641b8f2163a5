//! Custom domains, for administrators of an organisation.

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
use vital_platform::tenancy::{self, CustomDomain};

/// A domain to be claimed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"domain": "path.example.com"}))]
pub(crate) struct NewDomain {
    /// A host name such as `path.example.com`; international letters are written as browsers do.
    domain: String,
}

/// Lists the custom domains with the records that prove them.
#[utoipa::path(get, path = "/api/v1/domains", tag = "organisation", params(PageParams), responses((status = 200, body = Listing<CustomDomain>)))]
pub(crate) async fn list(State(s): State<AppState>, SignedIn(caller): SignedIn, paging: Paging) -> Reply<Json<Listing<CustomDomain>>> {
    Ok(Json(paging.page_of(tenancy::domains(&s.platform, &caller.cx).await?, |d| d.domain.clone())?))
}

/// Claims a domain; it leads nowhere until it is proven. Needs a recent step-up.
#[utoipa::path(post, path = "/api/v1/domains", tag = "organisation", request_body = NewDomain, responses((status = 201, body = CustomDomain)))]
pub(crate) async fn create(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    Body(new): Body<NewDomain>,
) -> Reply<(StatusCode, Json<CustomDomain>)> {
    Ok((StatusCode::CREATED, Json(tenancy::add_domain(&s.platform, &caller.cx, &new.domain).await?)))
}

/// Looks for the record of a domain and, where it is there, lets the domain lead to the organisation. Needs a recent step-up.
#[utoipa::path(post, path = "/api/v1/domains/{domain}/verify", tag = "organisation", params(("domain" = String, Path)), responses((status = 200, body = CustomDomain)))]
pub(crate) async fn verify(State(s): State<AppState>, SignedIn(caller): SignedIn, Id(domain): Id<String>) -> Reply<Json<CustomDomain>> {
    Ok(Json(tenancy::verify_domain(&s.platform, &caller.cx, &domain).await?))
}

/// Removes a domain; it leads nowhere any more. Needs a recent step-up.
#[utoipa::path(delete, path = "/api/v1/domains/{domain}", tag = "organisation", params(("domain" = String, Path)), responses((status = 204, description = "It leads nowhere any more")))]
pub(crate) async fn remove(State(s): State<AppState>, SignedIn(caller): SignedIn, Id(domain): Id<String>) -> Reply<StatusCode> {
    tenancy::remove_domain(&s.platform, &caller.cx, &domain).await?;
    Ok(StatusCode::NO_CONTENT)
}
