//! Webhooks of the organisation, their deliveries, and sending again.

use super::{Listing, PageParams, Paging};
use crate::{
    caller::SignedIn,
    extract::{Body, Id, Params},
    problem::Reply,
    state::AppState,
};
use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};
use vital_kernel::{WebhookDeliveryId, WebhookId};
use vital_platform::webhooks::{
    self, Delivery, DeliveryFilter, DeliveryState, EventDescription, IssuedWebhook, NewWebhook, Webhook, WebhookChange,
};

/// Which deliveries to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filter {
    /// Only those that stand here.
    state: Option<DeliveryState>,
    /// `next_cursor` of the page before.
    #[expect(dead_code, reason = "read as `Paging`")]
    cursor: Option<String>,
    /// At most so many; 50 unless given, 200 at most.
    #[expect(dead_code, reason = "read as `Paging`")]
    limit: Option<i64>,
}

/// From when on missed messages are sent.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Recovery {
    /// Messages of events from this moment on (RFC 3339).
    #[serde(with = "time::serde::rfc3339")]
    since: OffsetDateTime,
}

/// What is sent again.
#[derive(Serialize, ToSchema)]
pub(crate) struct Recovered {
    /// How many messages; at most 10,000 at once, the oldest first.
    messages: u64,
}

/// Lists the webhooks. Secrets are never shown.
#[utoipa::path(get, path = "/api/v1/webhooks", tag = "webhooks", params(PageParams), responses((status = 200, body = Listing<Webhook>)))]
pub(crate) async fn list(State(s): State<AppState>, SignedIn(caller): SignedIn, paging: Paging) -> Reply<Json<Listing<Webhook>>> {
    Ok(Json(paging.page_of(webhooks::webhooks(&s.platform, &caller.cx).await?, |w| w.id)?))
}

/// Sets a webhook up and shows its secret, once. Needs a recent step-up.
#[utoipa::path(post, path = "/api/v1/webhooks", tag = "webhooks", request_body = NewWebhook, responses((status = 201, body = IssuedWebhook)))]
pub(crate) async fn create(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    Body(new): Body<NewWebhook>,
) -> Reply<(StatusCode, Json<IssuedWebhook>)> {
    Ok((StatusCode::CREATED, Json(webhooks::add_webhook(&s.platform, &caller.cx, new).await?)))
}

/// Finds one webhook.
#[utoipa::path(get, path = "/api/v1/webhooks/{id}", tag = "webhooks", params(("id" = uuid::Uuid, Path)), responses((status = 200, body = Webhook)))]
pub(crate) async fn find(State(s): State<AppState>, SignedIn(caller): SignedIn, Id(id): Id<WebhookId>) -> Reply<Json<Webhook>> {
    Ok(Json(webhooks::webhook(&s.platform, &caller.cx, id).await?))
}

/// Changes a webhook; what is left out stays. Another address needs a recent step-up.
#[utoipa::path(patch, path = "/api/v1/webhooks/{id}", tag = "webhooks", params(("id" = uuid::Uuid, Path)), request_body = WebhookChange, responses((status = 200, body = Webhook)))]
pub(crate) async fn change(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    Id(id): Id<WebhookId>,
    Body(change): Body<WebhookChange>,
) -> Reply<Json<Webhook>> {
    Ok(Json(webhooks::change_webhook(&s.platform, &caller.cx, id, change).await?))
}

/// Removes a webhook with its secret, what waits for it and its log. Needs a recent step-up.
#[utoipa::path(delete, path = "/api/v1/webhooks/{id}", tag = "webhooks", params(("id" = uuid::Uuid, Path)), responses((status = 204, description = "Nothing is sent there any more")))]
pub(crate) async fn remove(State(s): State<AppState>, SignedIn(caller): SignedIn, Id(id): Id<WebhookId>) -> Reply<StatusCode> {
    webhooks::remove_webhook(&s.platform, &caller.cx, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Gives a webhook a new secret and shows it, once. The former one signs beside it for 24 hours. Needs a recent step-up.
#[utoipa::path(post, path = "/api/v1/webhooks/{id}/secret", tag = "webhooks", params(("id" = uuid::Uuid, Path)), responses((status = 200, body = IssuedWebhook)))]
pub(crate) async fn rotate(State(s): State<AppState>, SignedIn(caller): SignedIn, Id(id): Id<WebhookId>) -> Reply<Json<IssuedWebhook>> {
    Ok(Json(webhooks::rotate_secret(&s.platform, &caller.cx, id).await?))
}

/// Sends a test, as any other message. The reply comes before its delivery.
#[utoipa::path(post, path = "/api/v1/webhooks/{id}/test", tag = "webhooks", params(("id" = uuid::Uuid, Path)), responses((status = 202, body = Delivery)))]
pub(crate) async fn test(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    Id(id): Id<WebhookId>,
) -> Reply<(StatusCode, Json<Delivery>)> {
    Ok((StatusCode::ACCEPTED, Json(webhooks::test_webhook(&s.platform, &caller.cx, id).await?)))
}

/// Lists the deliveries of a webhook with their attempts, those of the newest messages first. The log goes back 30 days.
#[utoipa::path(get, path = "/api/v1/webhooks/{id}/deliveries", tag = "webhooks", params(("id" = uuid::Uuid, Path), Filter), responses((status = 200, body = Listing<Delivery>)))]
pub(crate) async fn deliveries(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    Id(id): Id<WebhookId>,
    paging: Paging,
    Params(filter): Params<Filter>,
) -> Reply<Json<Listing<Delivery>>> {
    let filter = DeliveryFilter { state: filter.state, before: paging.before()?, limit: paging.limit };
    Ok(Json(paging.page(webhooks::deliveries(&s.platform, &caller.cx, id, filter).await?, |d| d.id)))
}

/// Sends a webhook what it missed since a moment, what happened while it was switched off included.
#[utoipa::path(post, path = "/api/v1/webhooks/{id}/recover", tag = "webhooks", params(("id" = uuid::Uuid, Path)), request_body = Recovery, responses((status = 202, body = Recovered)))]
pub(crate) async fn recover(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    Id(id): Id<WebhookId>,
    Body(from): Body<Recovery>,
) -> Reply<(StatusCode, Json<Recovered>)> {
    let messages = webhooks::recover(&s.platform, &caller.cx, id, from.since).await?;
    Ok((StatusCode::ACCEPTED, Json(Recovered { messages })))
}

/// Sends a message again, under the same id. The reply comes before its delivery.
#[utoipa::path(post, path = "/api/v1/webhook-deliveries/{id}/resend", tag = "webhooks", params(("id" = uuid::Uuid, Path)), responses((status = 202, body = Delivery)))]
pub(crate) async fn resend(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    Id(id): Id<WebhookDeliveryId>,
) -> Reply<(StatusCode, Json<Delivery>)> {
    Ok((StatusCode::ACCEPTED, Json(webhooks::resend(&s.platform, &caller.cx, id).await?)))
}

/// Lists the types of events that a webhook can choose.
#[utoipa::path(get, path = "/api/v1/webhook-events", tag = "webhooks", params(PageParams), responses((status = 200, body = Listing<EventDescription>)))]
pub(crate) async fn events(SignedIn(caller): SignedIn, paging: Paging) -> Reply<Json<Listing<EventDescription>>> {
    Ok(Json(paging.page_of(webhooks::event_types(&caller.cx)?, |e| e.kind.as_str())?))
}
