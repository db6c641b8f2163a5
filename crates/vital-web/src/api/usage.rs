//! What models are used for: reports, the ledger as a table, budgets and prices.

use super::{Listing, PageParams, Paging};
use crate::{
    caller::SignedIn,
    extract::{Body, Id, Params},
    problem::Reply,
    state::AppState,
};
use axum::{
    Json,
    extract::State,
    http::{HeaderName, StatusCode, header},
    response::IntoResponse,
};
use serde::Deserialize;
use time::{Date, format_description::well_known::Iso8601};
use utoipa::{IntoParams, ToSchema};
use vital_kernel::{BudgetId, Error, ModelId, Result};
use vital_platform::{
    providers::{self, ModelPrice, NewPrice},
    usage::{self, Budget, NewBudget, UsageReport},
};

/// Which days, by the calendar in UTC.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Days {
    /// The first day, such as `2026-11-01`; 30 days up to the last one unless given.
    pub(crate) from: Option<String>,
    /// The last day; today unless given. At most 400 days.
    pub(crate) to: Option<String>,
    /// Only the reader's own use, where `true`.
    pub(crate) own: Option<bool>,
    /// What a page says was done.
    #[param(ignore)]
    pub(crate) done: Option<String>,
}

impl Days {
    /// The days, where they are given.
    pub(crate) fn read(&self) -> Result<(Option<Date>, Option<Date>)> {
        Ok((day("/from", self.from.as_deref())?, day("/to", self.to.as_deref())?))
    }
}

fn day(pointer: &str, text: Option<&str>) -> Result<Option<Date>> {
    let Some(text) = text.filter(|t| !t.is_empty()) else { return Ok(None) };
    let read = Date::parse(text, &Iso8601::DATE).ok().filter(|_| text.len() == 10);
    let wrong = || Error::invalid("usage.day", "This is no day. Nothing was read.").with_field(pointer, "Write it as 2026-11-23.");
    read.map(Some).ok_or_else(wrong)
}

/// A price to be set or removed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PriceDecision {
    /// The model; none for the installation's provider.
    #[schema(value_type = Option<uuid::Uuid>)]
    model: Option<ModelId>,
    /// Its price; none removes the one that was set.
    price: Option<NewPrice>,
}

/// Reports what models were used for. Whoever may not see everybody's use sees their own.
#[utoipa::path(get, path = "/api/v1/usage", tag = "usage", params(Days), responses((status = 200, body = UsageReport)))]
pub(crate) async fn report(State(s): State<AppState>, SignedIn(caller): SignedIn, Params(d): Params<Days>) -> Reply<Json<UsageReport>> {
    let (from, to) = d.read()?;
    Ok(Json(usage::report(&s.platform, &caller.cx, from, to, d.own == Some(true)).await?))
}

/// Gives the ledger as a table (CSV): each request with its exact cost. It is recorded.
#[utoipa::path(get, path = "/api/v1/usage/export.csv", tag = "usage", params(Days),
    responses((status = 200, description = "The ledger", body = String, content_type = "text/csv")))]
pub(crate) async fn export(State(s): State<AppState>, SignedIn(caller): SignedIn, Params(d): Params<Days>) -> Reply<impl IntoResponse> {
    let (from, to) = d.read()?;
    let headers: [(HeaderName, &str); 2] = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8; header=present"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"usage.csv\""),
    ];
    Ok((headers, usage::export(&s.platform, &caller.cx, from, to).await?))
}

/// Lists the budgets and how they stand.
#[utoipa::path(get, path = "/api/v1/budgets", tag = "usage", params(PageParams), responses((status = 200, body = Listing<Budget>)))]
pub(crate) async fn budgets(State(s): State<AppState>, SignedIn(caller): SignedIn, paging: Paging) -> Reply<Json<Listing<Budget>>> {
    Ok(Json(paging.page_of(usage::budgets(&s.platform, &caller.cx).await?, |b| b.id)?))
}

/// Sets a budget: there is one for each scope, subject and period.
#[utoipa::path(put, path = "/api/v1/budgets", tag = "usage", request_body = NewBudget, responses((status = 200, body = Budget)))]
pub(crate) async fn set_budget(State(s): State<AppState>, SignedIn(caller): SignedIn, Body(new): Body<NewBudget>) -> Reply<Json<Budget>> {
    Ok(Json(usage::set_budget(&s.platform, &caller.cx, new).await?))
}

/// Removes a budget.
#[utoipa::path(delete, path = "/api/v1/budgets/{id}", tag = "usage", params(("id" = uuid::Uuid, Path)), responses((status = 204)))]
pub(crate) async fn remove_budget(State(s): State<AppState>, SignedIn(caller): SignedIn, Id(id): Id<BudgetId>) -> Reply<StatusCode> {
    usage::remove_budget(&s.platform, &caller.cx, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists the models that may write answers, and what is known of their prices.
#[utoipa::path(get, path = "/api/v1/model-prices", tag = "usage", params(PageParams), responses((status = 200, body = Listing<ModelPrice>)))]
pub(crate) async fn prices(State(s): State<AppState>, SignedIn(caller): SignedIn, paging: Paging) -> Reply<Json<Listing<ModelPrice>>> {
    let key = |price: &ModelPrice| price.model.map_or_else(|| "installation".to_owned(), |id| id.to_string());
    Ok(Json(paging.page_of(providers::prices(&s.platform, &caller.cx).await?, key)?))
}

/// Sets the price of a model, or removes it.
#[utoipa::path(put, path = "/api/v1/model-prices", tag = "usage", request_body = PriceDecision, responses((status = 200, body = Vec<ModelPrice>)))]
pub(crate) async fn set_price(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    Body(d): Body<PriceDecision>,
) -> Reply<Json<Vec<ModelPrice>>> {
    match d.price {
        Some(price) => providers::set_price(&s.platform, &caller.cx, d.model, price).await?,
        None => providers::remove_price(&s.platform, &caller.cx, d.model).await?,
    }
    Ok(Json(providers::prices(&s.platform, &caller.cx).await?))
}
