//! Providers: what is known of one, and how it is set up, changed and removed.

use super::{
    Faults, key_of,
    model::{self, Model, NewModel},
    store,
};
use crate::{Platform, identity::GivenSecret};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use time::OffsetDateTime;
use utoipa::ToSchema;
use vital_kernel::{AuditAction, AuditEntry, Error, ModelId, ModelProviderId, OpContext, Permission, Result, limits, now};
use vital_llm::{ApiKey, Provider, ProviderConfig, Timeouts, WireFormat};
use vital_store::{TenantTx, Write};

/// Longest key, in bytes.
const KEY_BYTES_MAX: usize = 4_000;
/// What an address must be.
const ADDRESS: &str = "Write the address without the part that names a single request: it begins with `https://`, has no user name and (but for `api-version` at Azure) no query, and lies on port 443 of a public host, unless whoever runs the platform allows it.";

/// The format that a provider speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProviderFormat {
    /// Chat completions: OpenAI, and servers such as Ollama, vLLM and llama.cpp.
    #[serde(rename = "openai")]
    OpenAi,
    /// Azure OpenAI: chat completions at a resource of one's own, where the model is the name of a deployment.
    Azure,
    /// Anthropic messages.
    Anthropic,
    /// Google Gemini.
    Google,
}

impl ProviderFormat {
    /// All formats.
    pub const ALL: [Self; 4] = [Self::OpenAi, Self::Azure, Self::Anthropic, Self::Google];

    /// The stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Azure => "azure",
            Self::Anthropic => "anthropic",
            Self::Google => "google",
        }
    }

    /// The format of a stable name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|f| f.as_str() == name)
    }

    /// The address of whoever made the format; none where every customer has one of their own.
    #[must_use]
    pub const fn own_address(self) -> Option<&'static str> {
        match self {
            Self::OpenAi => Some("https://api.openai.com/v1"),
            Self::Azure => None,
            Self::Anthropic => Some("https://api.anthropic.com"),
            Self::Google => Some("https://generativelanguage.googleapis.com"),
        }
    }

    /// The hottest temperature that the format takes.
    #[must_use]
    pub const fn temperature_max(self) -> f32 {
        match self {
            Self::Anthropic => 1.0,
            Self::OpenAi | Self::Azure | Self::Google => 2.0,
        }
    }

    /// Whether the name of a model stands in the address of a request, and so has fewer letters to choose from.
    pub(super) const fn model_in_address(self) -> bool {
        matches!(self, Self::Azure | Self::Google)
    }

    const fn wire(self) -> WireFormat {
        match self {
            Self::OpenAi => WireFormat::OpenAi,
            Self::Azure => WireFormat::AzureOpenAi,
            Self::Anthropic => WireFormat::Anthropic,
            Self::Google => WireFormat::Google,
        }
    }
}

/// A model provider of the organisation.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ModelProvider {
    /// Its id.
    #[schema(value_type = uuid::Uuid)]
    pub id: ModelProviderId,
    /// What people call it.
    pub name: String,
    /// The format it speaks.
    pub format: ProviderFormat,
    /// Where it is.
    pub base_url: String,
    /// Whether there is a key; it is never shown.
    pub has_key: bool,
    /// Since when the present key is there (RFC 3339).
    #[serde(with = "time::serde::rfc3339::option")]
    pub key_set_at: Option<OffsetDateTime>,
    /// Whether its models are used.
    pub enabled: bool,
    /// Its models, in the order in which they are used.
    pub models: Vec<Model>,
    /// Since when it is set up (RFC 3339).
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it was last changed (RFC 3339).
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
}

/// A provider to be set up.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewModelProvider {
    /// What people call it, 1 to 80 characters.
    pub name: String,
    /// The format it speaks; it never changes.
    pub format: ProviderFormat,
    /// Where it is; left out: the address of whoever made the format. For `azure` always needed: the resource, or the address that the portal
    /// shows, whose `api-version` then counts.
    pub base_url: Option<String>,
    /// Its key, if it wants one.
    #[schema(value_type = Option<String>)]
    pub api_key: Option<GivenSecret>,
    /// Its models, which are put behind those that are there.
    #[serde(default)]
    pub models: Vec<NewModel>,
}

/// What shall change of a provider; what is left out stays.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelProviderChange {
    /// Another name.
    pub name: Option<String>,
    /// Another address. The key has to be given again, or forgotten: it belongs to the address it was given for.
    pub base_url: Option<String>,
    /// A new key.
    #[schema(value_type = Option<String>)]
    pub api_key: Option<GivenSecret>,
    /// True: there is no key any more.
    #[serde(default)]
    pub forget_key: bool,
    /// Whether its models are used.
    pub enabled: Option<bool>,
}

/// Lists the model providers of the organisation, oldest first.
///
/// # Errors
/// `Forbidden` without the permission to see model providers.
pub async fn providers(p: &Platform, cx: &OpContext) -> Result<Vec<ModelProvider>> {
    cx.require(Permission::ProviderRead)?;
    let mut tx = p.db.read(cx).await?;
    let models = store::models(&mut tx).await?;
    Ok(store::providers(&mut tx, None).await?.into_iter().map(|row| shown(row, &models)).collect())
}

/// Finds one model provider.
///
/// # Errors
/// `Forbidden` without the permission to see model providers; `NotFound`.
pub async fn provider(p: &Platform, cx: &OpContext, id: ModelProviderId) -> Result<ModelProvider> {
    cx.require(Permission::ProviderRead)?;
    let mut tx = p.db.read(cx).await?;
    let row = found(&mut tx, id).await?;
    Ok(shown(row, &store::models(&mut tx).await?))
}

fn shown(row: store::ProviderRow, models: &[Model]) -> ModelProvider {
    ModelProvider {
        id: row.id,
        name: row.name,
        format: row.format,
        base_url: row.base_url,
        has_key: row.api_key.is_some(),
        key_set_at: row.key_set_at,
        enabled: row.enabled,
        models: models.iter().filter(|m| m.provider == row.id).cloned().collect(),
        created_at: row.created_at,
        updated_at: row.updated_at,
    }
}

pub(super) async fn found<M>(tx: &mut TenantTx<M>, id: ModelProviderId) -> Result<store::ProviderRow> {
    store::providers(tx, Some(id)).await?.into_iter().next().ok_or_else(unknown)
}

/// Refuses where the request says that the provider has to be as it was read, and it is not.
async fn expect_unchanged(tx: &mut TenantTx<Write>, id: ModelProviderId) -> Result<()> {
    if tx.is_conditional() {
        let present = found(tx, id).await?;
        let present = shown(present, &store::models(tx).await?);
        tx.expect_unchanged(&present)?;
    }
    Ok(())
}

/// Sets a provider up, with its models. From the next answer on they may be used.
///
/// # Errors
/// `Forbidden` without permission or a recent proof of a second factor; `Invalid` with a pointer per field; `Conflict` at the most there may be.
pub async fn add_provider(p: &Platform, cx: &OpContext, new: NewModelProvider) -> Result<ModelProvider> {
    cx.require(Permission::ProviderManage)?;
    cx.require_step_up()?;
    let given = new.base_url.map(|url| url.trim().to_owned()).filter(|url| !url.is_empty());
    let base_url = given.or_else(|| new.format.own_address().map(ToOwned::to_owned)).unwrap_or_default();
    let (name, key) = (new.name.trim().to_owned(), key_in(new.api_key));
    let mut faults = Faults::new();
    check(p, &mut faults, new.format, &name, &base_url, key.as_ref());
    let models = model::checked(&mut faults, "/models", new.format, new.models);
    faults.outcome()?;
    let id = ModelProviderId::new();
    let mut tx = p.db.write(cx).await?;
    store::begin_change(&mut tx).await?;
    if store::count_providers(&mut tx).await? >= limits::MODEL_PROVIDERS_MAX {
        let detail = format!(
            "An organisation may have {} model providers. Remove one that is not needed; nothing was stored.",
            limits::MODEL_PROVIDERS_MAX
        );
        return Err(Error::conflict("provider.too_many", detail));
    }
    let api_key = key.map(|key| tx.seal(key_of(id), key.0.as_bytes())).transpose()?;
    let key_set_at = api_key.as_ref().map(|_| now());
    let row = store::ProviderRow {
        id,
        name,
        format: new.format,
        base_url,
        api_key,
        key_set_at,
        enabled: true,
        created_at: now(),
        updated_at: now(),
    };
    store::put_provider(&mut tx, &row).await?;
    let mut entries =
        vec![AuditEntry::new(AuditAction::ModelProviderAdded, "provider", id).fields(&["name", "format", "base_url", "api_key"])];
    model::room_for(&mut tx, models.len()).await?;
    for model in &models {
        let of = ModelId::new();
        store::insert_model(&mut tx, of, id, model).await?;
        entries.push(AuditEntry::new(AuditAction::ModelAdded, "model", of));
    }
    tx.commit_all(entries).await?;
    provider(p, cx, id).await
}

/// Changes a provider, from the next answer on.
///
/// # Errors
/// `Forbidden` without permission or a recent proof of a second factor; `Invalid` with a pointer per field; `NotFound`.
pub async fn change_provider(p: &Platform, cx: &OpContext, id: ModelProviderId, change: ModelProviderChange) -> Result<ModelProvider> {
    cx.require(Permission::ProviderManage)?;
    cx.require_step_up()?;
    let mut tx = p.db.write(cx).await?;
    store::begin_change(&mut tx).await?;
    expect_unchanged(&mut tx, id).await?;
    let mut row = found(&mut tx, id).await?;
    let key = key_in(change.api_key);
    let mut fields = Vec::new();
    let mut faults = Faults::new();
    if let Some(name) = change.name.map(|name| name.trim().to_owned()).filter(|name| *name != row.name) {
        row.name = name;
        fields.push("name");
    }
    if let Some(base_url) = change.base_url.map(|url| url.trim().to_owned()).filter(|url| *url != row.base_url) {
        row.base_url = base_url;
        fields.push("base_url");
        if row.api_key.is_some() && key.is_none() && !change.forget_key {
            faults.add("/api_key", "The stored key belongs to the former address and is sent to no other. Give the key of this address.");
        }
    }
    if change.forget_key && key.is_some() {
        faults.add("/api_key", "Either give a new key or have the present one forgotten.");
    }
    check(p, &mut faults, row.format, &row.name, &row.base_url, key.as_ref());
    faults.outcome()?;
    if key.is_some() || change.forget_key {
        row.api_key = key.map(|key| tx.seal(key_of(id), key.0.as_bytes())).transpose()?;
        row.key_set_at = row.api_key.as_ref().map(|_| now());
        fields.push("api_key");
    }
    if let Some(enabled) = change.enabled.filter(|enabled| *enabled != row.enabled) {
        row.enabled = enabled;
        fields.push("enabled");
    }
    row.updated_at = now();
    store::put_provider(&mut tx, &row).await?;
    tx.commit(AuditEntry::new(AuditAction::ModelProviderChanged, "provider", id).fields(&fields)).await?;
    provider(p, cx, id).await
}

/// Removes a provider with its key and its models.
///
/// # Errors
/// `Forbidden` without permission or a recent proof of a second factor; `Conflict` where an expert has no other model; `NotFound`.
pub async fn remove_provider(p: &Platform, cx: &OpContext, id: ModelProviderId) -> Result<()> {
    cx.require(Permission::ProviderManage)?;
    cx.require_step_up()?;
    let mut tx = p.db.write(cx).await?;
    store::begin_change(&mut tx).await?;
    found(&mut tx, id).await?;
    expect_unchanged(&mut tx, id).await?;
    let models: Vec<ModelId> = store::models(&mut tx).await?.into_iter().filter(|m| m.provider == id).map(|m| m.id).collect();
    model::keep_experts_order(&mut tx, &models).await?;
    store::delete_provider(&mut tx, id).await?;
    tx.commit(AuditEntry::new(AuditAction::ModelProviderRemoved, "provider", id)).await
}

fn key_in(given: Option<GivenSecret>) -> Option<GivenSecret> {
    given.map(|key| GivenSecret(key.0.trim().to_owned())).filter(|key| !key.0.is_empty())
}

fn check(p: &Platform, faults: &mut Faults, format: ProviderFormat, name: &str, base_url: &str, key: Option<&GivenSecret>) {
    if !(1..=80).contains(&name.chars().count()) || name.contains(char::is_control) {
        faults.add("/name", "Write a name of 1 to 80 characters.");
    }
    if key.is_some_and(|key| key.0.len() > KEY_BYTES_MAX || !key.0.bytes().all(|b| b.is_ascii_graphic())) {
        faults.add("/api_key", format!("A key has at most {KEY_BYTES_MAX} visible characters, without blanks and letters with accents."));
    }
    if base_url.is_empty() {
        faults.add("/base_url", "Write the address of your resource, such as `https://your-resource.openai.azure.com`.");
    } else if base_url.len() > 500 || built(p, format, base_url, None, Spec { name, ..Spec::PROBE }).is_err() {
        faults.add("/base_url", ADDRESS);
    }
}

/// What is asked of a model.
#[derive(Clone, Copy)]
pub(super) struct Spec<'a> {
    /// Name of the provider, for people and logs.
    pub name: &'a str,
    pub model: &'a str,
    pub max_output_tokens: u32,
    pub temperature: f32,
    pub timeouts: Timeouts,
}

/// The timeouts of answers.
pub(super) const ANSWERING: Timeouts = Timeouts {
    connect: Duration::from_secs(5),
    first_token: Duration::from_secs(20),
    between_tokens: Duration::from_secs(15),
    total: Duration::from_secs(300),
};

impl Spec<'static> {
    /// Stands for any model where only the address is of interest.
    const PROBE: Self = Self { name: "", model: "any", max_output_tokens: 1, temperature: 1.0, timeouts: ANSWERING };
}

/// The client of a model; nothing is sent.
pub(super) fn built(
    p: &Platform,
    format: ProviderFormat,
    base_url: &str,
    api_key: Option<ApiKey>,
    spec: Spec<'_>,
) -> std::result::Result<Provider, vital_llm::LlmError> {
    let settings = ProviderConfig {
        name: spec.name.to_owned(),
        format: format.wire(),
        base_url: base_url.to_owned(),
        // The rules for addresses of organisations say where plain HTTP may lead.
        allow_http: false,
        model: spec.model.to_owned(),
        api_key,
        timeouts: spec.timeouts,
        max_output_tokens: spec.max_output_tokens,
        temperature: spec.temperature,
    };
    Provider::of_organisation(settings, p.egress.clone())
}

pub(super) fn unknown() -> Error {
    Error::not_found("provider.unknown", "There is no such model provider in your organisation. It may have been removed.")
}
