//! What the server says about itself (RFC 7644 section 4): the same for everybody who is signed in.

use super::document;
use crate::{
    caller::SignedIn,
    problem::{Problem, Reply},
    state::AppState,
};
use axum::{
    extract::{FromRequestParts, Path, RawQuery, State},
    http::request::Parts,
    response::Response,
};
use vital_federation::scim::{self as wire, ScimError};
use vital_kernel::Error;
use vital_platform::identity::scim;

/// A request without a filter: these lists refuse one (RFC 7644 section 4).
pub(crate) struct Unfiltered;

impl<S: Send + Sync> FromRequestParts<S> for Unfiltered {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let RawQuery(query) = RawQuery::from_request_parts(parts, state).await.unwrap_or_else(|never| match never {});
        if query.unwrap_or_default().split('&').any(|pair| pair.split('=').next() == Some("filter")) {
            return Err(
                Error::forbidden("scim.discovery_filter", "This list is short and is not filtered. Ask for it without `filter`.").into()
            );
        }
        Ok(Self)
    }
}

/// `GET /scim/v2/ServiceProviderConfig`
pub(crate) async fn config(State(s): State<AppState>, SignedIn(_): SignedIn, _: Unfiltered) -> Response {
    document(&wire::service_provider_config(&scim::base(&s.platform)))
}

/// `GET /scim/v2/ResourceTypes`
pub(crate) async fn resource_types(State(s): State<AppState>, SignedIn(_): SignedIn, _: Unfiltered) -> Response {
    document(&wire::resource_types(&scim::base(&s.platform)))
}

/// `GET /scim/v2/ResourceTypes/{id}`
pub(crate) async fn resource_type(State(s): State<AppState>, SignedIn(_): SignedIn, Path(id): Path<String>) -> Reply<Response> {
    let found = wire::resource_type(&id, &scim::base(&s.platform)).ok_or_else(ScimError::not_found).map_err(scim::refused)?;
    Ok(document(&found))
}

/// `GET /scim/v2/Schemas`
pub(crate) async fn schemas(State(s): State<AppState>, SignedIn(_): SignedIn, _: Unfiltered) -> Response {
    document(&wire::schema_documents(&scim::base(&s.platform)))
}

/// `GET /scim/v2/Schemas/{id}`
pub(crate) async fn schema(State(s): State<AppState>, SignedIn(_): SignedIn, Path(urn): Path<String>) -> Reply<Response> {
    let found = wire::schema_document(&urn, &scim::base(&s.platform)).ok_or_else(ScimError::not_found).map_err(scim::refused)?;
    Ok(document(&found))
}
