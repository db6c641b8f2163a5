//! Models of providers: their order, which is that of fallback, and the experts that have an order of their own.

use super::{Faults, ProviderFormat, TestState, provider, store};
use crate::Platform;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use vital_kernel::{AuditAction, AuditEntry, Error, ModelId, ModelProviderId, OpContext, Permission, Result, limits};
use vital_store::{TenantTx, Write};

/// Most tokens that a model can be set to generate.
const OUTPUT_TOKENS_MAX: u32 = 1_000_000;

/// Longest name of a model that stands in the address of a request, in bytes.
const MODEL_IN_ADDRESS_BYTES_MAX: usize = 128;

/// A model of the organisation.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Model {
    /// Its id.
    #[schema(value_type = uuid::Uuid)]
    pub id: ModelId,
    /// The provider it is at.
    #[schema(value_type = uuid::Uuid)]
    pub provider: ModelProviderId,
    /// What people call the provider.
    pub provider_name: String,
    /// The model, in the provider's own name; at Azure the name of the deployment.
    pub name: String,
    /// Most tokens of one answer.
    pub max_output_tokens: u32,
    /// Sampling temperature; 1 leaves it to the model.
    pub temperature: f32,
    /// Whether it was switched on.
    pub enabled: bool,
    /// Whether it is used: it and its provider are switched on.
    pub in_use: bool,
    /// When it was last tested (RFC 3339).
    #[serde(with = "time::serde::rfc3339::option")]
    pub tested_at: Option<OffsetDateTime>,
    /// What that test found.
    pub test_state: Option<TestState>,
}

const fn tokens() -> u32 {
    2_048
}

const fn temperature() -> f32 {
    0.2
}

/// A model to be added.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewModel {
    /// The model, in the provider's own name, 1 to 200 characters; at Azure the name of the deployment.
    pub name: String,
    /// Most tokens of one answer, 1 to 1,000,000; 2,048 unless given.
    #[serde(default = "tokens")]
    pub max_output_tokens: u32,
    /// Sampling temperature: 0 to 2, for `anthropic` 0 to 1; 0.2 unless given. At 1 it is left to the model, which reasoning models need.
    #[serde(default = "temperature")]
    pub temperature: f32,
}

/// What shall change of a model; what is left out stays.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelChange {
    /// Another number of tokens.
    pub max_output_tokens: Option<u32>,
    /// Another temperature.
    pub temperature: Option<f32>,
    /// Whether it is used.
    pub enabled: Option<bool>,
}

/// Which models an expert uses.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ExpertModels {
    /// The expert's stable name.
    pub slug: String,
    /// The expert's name.
    pub name: String,
    /// Its own order; empty: that of the organisation.
    #[schema(value_type = Vec<uuid::Uuid>)]
    pub models: Vec<ModelId>,
}

/// Lists the models of the organisation in the order in which they are used.
///
/// # Errors
/// `Forbidden` without the permission to see model providers.
pub async fn models(p: &Platform, cx: &OpContext) -> Result<Vec<Model>> {
    cx.require(Permission::ProviderRead)?;
    store::models(&mut p.db.read(cx).await?).await
}

/// Finds one model.
///
/// # Errors
/// `Forbidden` without the permission to see model providers; `NotFound`.
pub async fn model(p: &Platform, cx: &OpContext, id: ModelId) -> Result<Model> {
    cx.require(Permission::ProviderRead)?;
    found(&mut p.db.read(cx).await?, id).await
}

pub(super) async fn found<M>(tx: &mut TenantTx<M>, id: ModelId) -> Result<Model> {
    store::models(tx).await?.into_iter().find(|m| m.id == id).ok_or_else(unknown)
}

/// Adds a model to a provider, behind all others.
///
/// # Errors
/// `Forbidden` without permission; `Invalid` with a pointer per field; `Conflict` at the most there may be; `NotFound`.
pub async fn add_model(p: &Platform, cx: &OpContext, of: ModelProviderId, new: NewModel) -> Result<Model> {
    cx.require(Permission::ProviderManage)?;
    let mut tx = p.db.write(cx).await?;
    store::begin_change(&mut tx).await?;
    let format = provider::found(&mut tx, of).await?.format;
    let mut faults = Faults::new();
    let new = check(&mut faults, "", format, new);
    if store::models(&mut tx).await?.iter().any(|m| m.provider == of && m.name == new.name) {
        faults.add("/name", "This provider has the model already.");
    }
    faults.outcome()?;
    room_for(&mut tx, 1).await?;
    let id = ModelId::new();
    store::insert_model(&mut tx, id, of, &new).await?;
    tx.commit(AuditEntry::new(AuditAction::ModelAdded, "model", id)).await?;
    model(p, cx, id).await
}

/// Refuses where so many models more would be too many.
pub(super) async fn room_for(tx: &mut TenantTx<Write>, more: usize) -> Result<()> {
    let there = store::count_models(tx).await?;
    if there.saturating_add(i64::try_from(more).unwrap_or(i64::MAX)) <= limits::MODELS_MAX {
        return Ok(());
    }
    let detail = format!("An organisation may have {} models. Remove one that is not needed; nothing was stored.", limits::MODELS_MAX);
    Err(Error::conflict("provider.too_many_models", detail))
}

/// Changes a model, from the next answer on.
///
/// # Errors
/// `Forbidden` without permission; `Invalid` with a pointer per field; `NotFound`.
pub async fn change_model(p: &Platform, cx: &OpContext, id: ModelId, change: ModelChange) -> Result<Model> {
    cx.require(Permission::ProviderManage)?;
    let mut tx = p.db.write(cx).await?;
    store::begin_change(&mut tx).await?;
    let before = found(&mut tx, id).await?;
    tx.expect_unchanged(&before)?;
    let format = provider::found(&mut tx, before.provider).await?.format;
    let mut faults = Faults::new();
    let wanted = NewModel {
        name: before.name,
        max_output_tokens: change.max_output_tokens.unwrap_or(before.max_output_tokens),
        temperature: change.temperature.unwrap_or(before.temperature),
    };
    let wanted = check(&mut faults, "", format, wanted);
    faults.outcome()?;
    store::update_model(&mut tx, id, &wanted, change.enabled.unwrap_or(before.enabled)).await?;
    let given = [
        change.max_output_tokens.map(|_| "max_output_tokens"),
        change.temperature.map(|_| "temperature"),
        change.enabled.map(|_| "enabled"),
    ];
    let fields: Vec<&'static str> = given.into_iter().flatten().collect();
    tx.commit(AuditEntry::new(AuditAction::ModelChanged, "model", id).fields(&fields)).await?;
    model(p, cx, id).await
}

/// Removes a model; experts that named it go on with what is left of their order.
///
/// # Errors
/// `Forbidden` without permission; `Conflict` where an expert has no other model; `NotFound`.
pub async fn remove_model(p: &Platform, cx: &OpContext, id: ModelId) -> Result<()> {
    cx.require(Permission::ProviderManage)?;
    let mut tx = p.db.write(cx).await?;
    store::begin_change(&mut tx).await?;
    let before = found(&mut tx, id).await?;
    tx.expect_unchanged(&before)?;
    keep_experts_order(&mut tx, &[id]).await?;
    store::delete_model(&mut tx, id).await?;
    tx.commit(AuditEntry::new(AuditAction::ModelRemoved, "model", id)).await
}

/// Refuses to take away all that is in an expert's own order: its content would go where the order of the organisation leads.
pub(super) async fn keep_experts_order(tx: &mut TenantTx<Write>, without: &[ModelId]) -> Result<()> {
    let left_alone = |e: &ExpertModels| !e.models.is_empty() && e.models.iter().all(|m| without.contains(m));
    match store::experts(tx).await?.into_iter().find(left_alone) {
        None => Ok(()),
        Some(expert) => Err(Error::conflict(
            "provider.expert_needs_it",
            format!(
                "The expert {} uses nothing else, and without it its questions would go to other models. Choose other models for it first, or the order of the organisation; nothing was removed.",
                expert.name
            ),
        )),
    }
}

/// Sets the order of all models.
///
/// # Errors
/// `Forbidden` without permission; `Invalid` unless every model is named once.
pub async fn order_models(p: &Platform, cx: &OpContext, order: &[ModelId]) -> Result<()> {
    cx.require(Permission::ProviderManage)?;
    let mut tx = p.db.write(cx).await?;
    store::begin_change(&mut tx).await?;
    let mut known: Vec<ModelId> = store::models(&mut tx).await?.into_iter().map(|m| m.id).collect();
    let mut named = order.to_vec();
    known.sort_unstable();
    named.sort_unstable();
    if known != named {
        let mut faults = Faults::new();
        faults.add("/models", "Name every model of the organisation once.");
        return faults.outcome();
    }
    store::set_order(&mut tx, order).await?;
    tx.commit(AuditEntry::new(AuditAction::ModelsOrdered, "tenant", cx.tenant())).await
}

/// Moves a model one place up, or down. The first one stays first, the last one last.
///
/// # Errors
/// `Forbidden` without permission; `NotFound`.
pub async fn move_model(p: &Platform, cx: &OpContext, id: ModelId, up: bool) -> Result<()> {
    cx.require(Permission::ProviderManage)?;
    let mut tx = p.db.write(cx).await?;
    store::begin_change(&mut tx).await?;
    let mut order: Vec<ModelId> = store::models(&mut tx).await?.into_iter().map(|m| m.id).collect();
    let place = order.iter().position(|m| *m == id).ok_or_else(unknown)?;
    let to = if up { place.saturating_sub(1) } else { (place + 1).min(order.len() - 1) };
    order.swap(place, to);
    store::set_order(&mut tx, &order).await?;
    tx.commit(AuditEntry::new(AuditAction::ModelsOrdered, "tenant", cx.tenant())).await
}

/// Lists all experts with the models that they use, by name.
///
/// # Errors
/// `Forbidden` without the permission to see model providers.
pub async fn models_of_experts(p: &Platform, cx: &OpContext) -> Result<Vec<ExpertModels>> {
    cx.require(Permission::ProviderRead)?;
    store::experts(&mut p.db.read(cx).await?).await
}

/// Finds the models that one expert uses.
///
/// # Errors
/// `Forbidden` without the permission to see model providers; `NotFound`.
pub async fn expert_models(p: &Platform, cx: &OpContext, slug: &str) -> Result<ExpertModels> {
    models_of_experts(p, cx).await?.into_iter().find(|e| e.slug == slug).ok_or_else(unknown_expert)
}

/// Gives an expert an order of its own, or with no model that of the organisation. An expert whose own models are all switched off
/// writes by selection on this server: nothing of it goes where nobody sent it.
///
/// # Errors
/// `Forbidden` without permission; `Invalid` for a model that is unknown or named twice; `NotFound` for an unknown expert.
pub async fn set_expert_models(p: &Platform, cx: &OpContext, slug: &str, order: &[ModelId]) -> Result<ExpertModels> {
    cx.require(Permission::ProviderManage)?;
    let mut tx = p.db.write(cx).await?;
    store::begin_change(&mut tx).await?;
    let expert = store::expert(&mut tx, slug).await?.ok_or_else(unknown_expert)?;
    if tx.is_conditional() {
        let present = store::experts(&mut tx).await?.into_iter().find(|e| e.slug == slug).ok_or_else(unknown_expert)?;
        tx.expect_unchanged(&present)?;
    }
    let known = store::models(&mut tx).await?;
    let mut faults = Faults::new();
    for (i, id) in order.iter().enumerate().take(limits::MODELS_MAX.unsigned_abs() as usize + 1) {
        if !known.iter().any(|m| m.id == *id) {
            faults.add(format!("/models/{i}"), "Your organisation has no such model.");
        } else if order[..i].contains(id) {
            faults.add(format!("/models/{i}"), "This model is named twice.");
        }
    }
    faults.outcome()?;
    store::set_expert_models(&mut tx, expert, order).await?;
    tx.commit(AuditEntry::new(AuditAction::ExpertModelsChosen, "expert", expert)).await?;
    expert_models(p, cx, slug).await
}

/// Tidies and checks several models of one provider.
pub(super) fn checked(faults: &mut Faults, pointer: &str, format: ProviderFormat, models: Vec<NewModel>) -> Vec<NewModel> {
    let mut tidy: Vec<NewModel> = Vec::new();
    for (i, new) in models.into_iter().enumerate() {
        let at = format!("{pointer}/{i}");
        let new = check(faults, &at, format, new);
        if tidy.iter().any(|m| m.name == new.name) {
            faults.add(format!("{at}/name"), "This model is named twice.");
        }
        tidy.push(new);
    }
    tidy
}

fn check(faults: &mut Faults, pointer: &str, format: ProviderFormat, mut new: NewModel) -> NewModel {
    new.name = new.name.trim().to_owned();
    if !(1..=200).contains(&new.name.chars().count()) || new.name.contains(char::is_control) {
        faults.add(format!("{pointer}/name"), "Write the name of the model as the provider does, in 1 to 200 characters.");
    }
    let plain = |name: &str| name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')) && !name.starts_with('.');
    if format.model_in_address() && !(plain(&new.name) && new.name.len() <= MODEL_IN_ADDRESS_BYTES_MAX) {
        faults.add(
            format!("{pointer}/name"),
            "Here the name has letters without accents, digits, hyphens, underscores and dots alone, 128 at most.",
        );
    }
    if !(1..=OUTPUT_TOKENS_MAX).contains(&new.max_output_tokens) {
        faults.add(format!("{pointer}/max_output_tokens"), "Choose 1 to 1,000,000 tokens.");
    }
    let hottest = format.temperature_max();
    if !(0.0..=hottest).contains(&new.temperature) {
        faults.add(format!("{pointer}/temperature"), format!("Choose 0 to {hottest}."));
    }
    new
}

pub(super) fn unknown() -> Error {
    Error::not_found("provider.model_unknown", "There is no such model in your organisation. It may have been removed.")
}

fn unknown_expert() -> Error {
    Error::not_found("expert.unknown", "There is no such expert in your organisation.")
}
