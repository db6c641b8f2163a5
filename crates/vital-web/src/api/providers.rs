//! Model providers of the organisation, their models and what writes answers.

use super::{Listing, PageParams, Paging};
use crate::{
    caller::SignedIn,
    extract::{Body, Id},
    problem::Reply,
    state::AppState,
};
use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use serde::Deserialize;
use utoipa::ToSchema;
use vital_kernel::{ModelId, ModelProviderId};
use vital_platform::providers::{
    self, ExpertModels, Model, ModelChange, ModelProvider, ModelProviderChange, ModelTest, NewModel, NewModelProvider, ProviderPolicy,
    ProviderPolicyChange,
};

/// An order of models.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ModelOrder {
    /// Ids of models, those used first in front.
    #[schema(value_type = Vec<uuid::Uuid>)]
    models: Vec<ModelId>,
}

/// Lists the model providers with their models. Keys are never shown.
#[utoipa::path(get, path = "/api/v1/providers", tag = "providers", params(PageParams), responses((status = 200, body = Listing<ModelProvider>)))]
pub(crate) async fn list(State(s): State<AppState>, SignedIn(caller): SignedIn, paging: Paging) -> Reply<Json<Listing<ModelProvider>>> {
    Ok(Json(paging.page_of(providers::providers(&s.platform, &caller.cx).await?, |p| p.id)?))
}

/// Sets a model provider up, with its models. Needs a recent step-up.
#[utoipa::path(post, path = "/api/v1/providers", tag = "providers", request_body = NewModelProvider, responses((status = 201, body = ModelProvider)))]
pub(crate) async fn create(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    Body(new): Body<NewModelProvider>,
) -> Reply<(StatusCode, Json<ModelProvider>)> {
    Ok((StatusCode::CREATED, Json(providers::add_provider(&s.platform, &caller.cx, new).await?)))
}

/// Finds one model provider.
#[utoipa::path(get, path = "/api/v1/providers/{id}", tag = "providers", params(("id" = uuid::Uuid, Path)), responses((status = 200, body = ModelProvider)))]
pub(crate) async fn find(State(s): State<AppState>, SignedIn(caller): SignedIn, Id(id): Id<ModelProviderId>) -> Reply<Json<ModelProvider>> {
    Ok(Json(providers::provider(&s.platform, &caller.cx, id).await?))
}

/// Changes a model provider; what is left out stays. Needs a recent step-up.
#[utoipa::path(patch, path = "/api/v1/providers/{id}", tag = "providers", params(("id" = uuid::Uuid, Path)), request_body = ModelProviderChange, responses((status = 200, body = ModelProvider)))]
pub(crate) async fn change(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    Id(id): Id<ModelProviderId>,
    Body(change): Body<ModelProviderChange>,
) -> Reply<Json<ModelProvider>> {
    Ok(Json(providers::change_provider(&s.platform, &caller.cx, id, change).await?))
}

/// Removes a model provider with its key and its models. Needs a recent step-up.
#[utoipa::path(delete, path = "/api/v1/providers/{id}", tag = "providers", params(("id" = uuid::Uuid, Path)), responses((status = 204, description = "Nothing is sent there any more")))]
pub(crate) async fn remove(State(s): State<AppState>, SignedIn(caller): SignedIn, Id(id): Id<ModelProviderId>) -> Reply<StatusCode> {
    providers::remove_provider(&s.platform, &caller.cx, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Adds a model to a provider, behind all others.
#[utoipa::path(post, path = "/api/v1/providers/{id}/models", tag = "providers", params(("id" = uuid::Uuid, Path)), request_body = NewModel, responses((status = 201, body = Model)))]
pub(crate) async fn add_model(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    Id(id): Id<ModelProviderId>,
    Body(new): Body<NewModel>,
) -> Reply<(StatusCode, Json<Model>)> {
    Ok((StatusCode::CREATED, Json(providers::add_model(&s.platform, &caller.cx, id, new).await?)))
}

/// Lists the models of all providers in the order in which they are used.
#[utoipa::path(get, path = "/api/v1/provider-models", tag = "providers", params(PageParams), responses((status = 200, body = Listing<Model>)))]
pub(crate) async fn models(State(s): State<AppState>, SignedIn(caller): SignedIn, paging: Paging) -> Reply<Json<Listing<Model>>> {
    Ok(Json(paging.page_of(providers::models(&s.platform, &caller.cx).await?, |m| m.id)?))
}

/// Sets the order in which models are used; every model is named once.
#[utoipa::path(put, path = "/api/v1/provider-models", tag = "providers", request_body = ModelOrder, responses((status = 200, body = Vec<Model>)))]
pub(crate) async fn order_models(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    Body(order): Body<ModelOrder>,
) -> Reply<Json<Vec<Model>>> {
    providers::order_models(&s.platform, &caller.cx, &order.models).await?;
    Ok(Json(providers::models(&s.platform, &caller.cx).await?))
}

/// Changes a model; what is left out stays.
#[utoipa::path(patch, path = "/api/v1/provider-models/{id}", tag = "providers", params(("id" = uuid::Uuid, Path)), request_body = ModelChange, responses((status = 200, body = Model)))]
pub(crate) async fn change_model(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    Id(id): Id<ModelId>,
    Body(change): Body<ModelChange>,
) -> Reply<Json<Model>> {
    Ok(Json(providers::change_model(&s.platform, &caller.cx, id, change).await?))
}

/// Removes a model.
#[utoipa::path(delete, path = "/api/v1/provider-models/{id}", tag = "providers", params(("id" = uuid::Uuid, Path)), responses((status = 204, description = "It is no longer used")))]
pub(crate) async fn remove_model(State(s): State<AppState>, SignedIn(caller): SignedIn, Id(id): Id<ModelId>) -> Reply<StatusCode> {
    providers::remove_model(&s.platform, &caller.cx, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sends one small request to a model and tells what came. It costs a few tokens. Needs a recent step-up.
#[utoipa::path(post, path = "/api/v1/provider-models/{id}/test", tag = "providers", params(("id" = uuid::Uuid, Path)), responses((status = 200, body = ModelTest)))]
pub(crate) async fn test_model(State(s): State<AppState>, SignedIn(caller): SignedIn, Id(id): Id<ModelId>) -> Reply<Json<ModelTest>> {
    Ok(Json(providers::test_model(&s.platform, &caller.cx, id).await?))
}

/// Tells what was decided about models: whether the installation's provider may write answers, and whether programs may use models directly.
#[utoipa::path(get, path = "/api/v1/provider-policy", tag = "providers", responses((status = 200, body = ProviderPolicy)))]
pub(crate) async fn policy(State(s): State<AppState>, SignedIn(caller): SignedIn) -> Reply<Json<ProviderPolicy>> {
    Ok(Json(providers::policy(&s.platform, &caller.cx).await?))
}

/// Allows or forbids the installation's provider to write answers, and programs to use models directly; what is left out stays. Needs a
/// recent step-up.
#[utoipa::path(put, path = "/api/v1/provider-policy", tag = "providers", request_body = ProviderPolicyChange, responses((status = 200, body = ProviderPolicy)))]
pub(crate) async fn set_policy(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    Body(change): Body<ProviderPolicyChange>,
) -> Reply<Json<ProviderPolicy>> {
    providers::set_policy(&s.platform, &caller.cx, change).await?;
    Ok(Json(providers::policy(&s.platform, &caller.cx).await?))
}

/// Finds the models that an expert uses; none: those of the organisation in their order.
#[utoipa::path(get, path = "/api/v1/experts/{slug}/models", tag = "providers", params(("slug" = String, Path)), responses((status = 200, body = ExpertModels)))]
pub(crate) async fn expert(State(s): State<AppState>, SignedIn(caller): SignedIn, Path(slug): Path<String>) -> Reply<Json<ExpertModels>> {
    Ok(Json(providers::expert_models(&s.platform, &caller.cx, &slug).await?))
}

/// Gives an expert an order of models of its own; with none it uses that of the organisation.
#[utoipa::path(put, path = "/api/v1/experts/{slug}/models", tag = "providers", params(("slug" = String, Path)), request_body = ModelOrder, responses((status = 200, body = ExpertModels)))]
pub(crate) async fn set_expert(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    Path(slug): Path<String>,
    Body(order): Body<ModelOrder>,
) -> Reply<Json<ExpertModels>> {
    Ok(Json(providers::set_expert_models(&s.platform, &caller.cx, &slug, &order.models).await?))
}
