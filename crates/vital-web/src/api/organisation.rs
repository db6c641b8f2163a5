//! The organisation and its sign-in policy.

use crate::{caller::SignedIn, extract::Body, problem::Reply, state::AppState};
use axum::{Json, extract::State, http::StatusCode};
use vital_platform::tenancy::{self, Organisation, SignInPolicy};

/// Reads the organisation with its sign-in policy.
#[utoipa::path(get, path = "/api/v1/organisation", tag = "organisation", responses((status = 200, body = Organisation)))]
pub(crate) async fn find(State(s): State<AppState>, SignedIn(caller): SignedIn) -> Reply<Json<Organisation>> {
    Ok(Json(tenancy::organisation(&s.platform, &caller.cx).await?))
}

/// Changes the sign-in policy. Needs a recent step-up.
#[utoipa::path(put, path = "/api/v1/organisation/policy", tag = "organisation", request_body = SignInPolicy, responses((status = 204, description = "The policy is in force")))]
pub(crate) async fn set_policy(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    Body(policy): Body<SignInPolicy>,
) -> Reply<StatusCode> {
    tenancy::set_policy(&s.platform, &caller.cx, policy).await?;
    Ok(StatusCode::NO_CONTENT)
}
