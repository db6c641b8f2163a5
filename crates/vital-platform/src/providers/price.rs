//! Prices of an organisation's own contracts, over the list that ships with the product.

use super::{Faults, model, store};
use crate::{Platform, usage::OwnPrice};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use vital_kernel::{AuditAction, AuditEntry, Error, ModelId, OpContext, Permission, Result, now};
use vital_llm::gateway::PRICE_MAX;

/// A model with what its tokens cost.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ModelPrice {
    /// The model; none for the installation's provider.
    #[schema(value_type = Option<uuid::Uuid>)]
    pub model: Option<ModelId>,
    /// Name of its provider.
    pub provider: String,
    /// Its name there.
    pub name: String,
    /// The price that the organisation set.
    pub own: Option<OwnPrice>,
    /// Whether a price is known: the organisation's own, or the list's.
    pub priced: bool,
}

/// A price to be set, in millionths of a US dollar per million tokens, each at most 10,000 dollars.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPrice {
    /// Tokens of the prompt that are in no cache.
    pub input: u64,
    /// Tokens of the prompt read from the provider's cache; as `input` where nothing is said.
    pub cached_input: Option<u64>,
    /// Tokens of the prompt written to it; as `input` where nothing is said.
    pub cache_write: Option<u64>,
    /// Tokens generated.
    pub output: u64,
}

/// Lists the models that may write answers with their prices, the installation's provider last.
///
/// # Errors
/// `Forbidden` without the permission to see use.
pub async fn prices(p: &Platform, cx: &OpContext) -> Result<Vec<ModelPrice>> {
    cx.require(Permission::UsageRead)?;
    let choice = super::choice::priced(p, cx).await?;
    let mut tx = p.db.read(cx).await?;
    let own = store::prices(&mut tx).await?;
    tx.end().await?;
    let shown = choice.into_iter().map(|(model, provider, name, rates)| ModelPrice {
        model,
        provider,
        name,
        own: own.get(&model).copied(),
        priced: rates.most(0, 0, now().date()).is_some(),
    });
    Ok(shown.collect())
}

/// Sets the price of a model, or of the installation's provider where none is named, for requests that begin from now on.
///
/// # Errors
/// `Forbidden` without permission; `Invalid`; `NotFound`.
pub async fn set_price(p: &Platform, cx: &OpContext, of: Option<ModelId>, new: NewPrice) -> Result<()> {
    cx.require(Permission::BudgetManage)?;
    let price = OwnPrice {
        input: new.input,
        cached_input: new.cached_input.unwrap_or(new.input),
        cache_write: new.cache_write.unwrap_or(new.input),
        output: new.output,
    };
    let mut faults = Faults::new();
    let fields =
        [("/input", price.input), ("/cached_input", price.cached_input), ("/cache_write", price.cache_write), ("/output", price.output)];
    for (pointer, _) in fields.iter().filter(|(_, amount)| *amount > PRICE_MAX) {
        faults.add(*pointer, "Give at most 10,000 dollars for a million tokens.");
    }
    faults.outcome()?;
    let mut tx = p.db.write(cx).await?;
    store::begin_change(&mut tx).await?;
    if let Some(id) = of {
        model::found(&mut tx, id).await?;
    }
    store::put_price(&mut tx, of, &price).await?;
    tx.commit(AuditEntry::new(AuditAction::ModelPriceSet, "model", named(of)).fields(&["price"])).await
}

/// Removes a price that the organisation set; that of the list, if there is one, holds again.
///
/// # Errors
/// `Forbidden` without permission; `NotFound`.
pub async fn remove_price(p: &Platform, cx: &OpContext, of: Option<ModelId>) -> Result<()> {
    cx.require(Permission::BudgetManage)?;
    let mut tx = p.db.write(cx).await?;
    store::begin_change(&mut tx).await?;
    if !store::delete_price(&mut tx, of).await? {
        return Err(Error::not_found(
            "usage.price_unknown",
            "Your organisation has set no price for this model, so there is none to remove.",
        ));
    }
    tx.commit(AuditEntry::new(AuditAction::ModelPriceRemoved, "model", named(of))).await
}

fn named(of: Option<ModelId>) -> String {
    of.map_or_else(|| "installation".to_owned(), |id| id.to_string())
}
