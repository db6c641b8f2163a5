//! SQL of model providers.

use super::{ExpertModels, Model, NewModel, ProviderFormat, ProviderPolicyChange, TestState};
use crate::usage::OwnPrice;
use std::collections::HashMap;
use time::OffsetDateTime;
use uuid::Uuid;
use vital_kernel::{Error, ExpertId, ModelId, ModelProviderId, Result, now};
use vital_store::{Read, TenantTx, Write, db_error};

/// A provider with its key still sealed.
pub(super) struct ProviderRow {
    pub id: ModelProviderId,
    pub name: String,
    pub format: ProviderFormat,
    pub base_url: String,
    pub api_key: Option<Vec<u8>>,
    pub key_set_at: Option<OffsetDateTime>,
    pub enabled: bool,
    pub created_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
}

/// The providers of the tenant, oldest first; only one of them where it is named.
pub(super) async fn providers<M>(tx: &mut TenantTx<M>, only: Option<ModelProviderId>) -> Result<Vec<ProviderRow>> {
    let rows = sqlx::query!(
        "select id, name, format, base_url, api_key, key_set_at, enabled, created_at, updated_at from providers
         where $1::uuid is null or id = $1 order by id",
        only.map(|id| id.0)
    )
    .fetch_all(tx.conn())
    .await
    .map_err(db_error)?;
    rows.into_iter()
        .map(|r| {
            Ok(ProviderRow {
                id: ModelProviderId(r.id),
                name: r.name,
                format: ProviderFormat::parse(&r.format).ok_or_else(|| Error::internal("a provider has an unknown format"))?,
                base_url: r.base_url,
                api_key: r.api_key,
                key_set_at: r.key_set_at,
                enabled: r.enabled,
                created_at: r.created_at,
                updated_at: r.updated_at,
            })
        })
        .collect()
}

pub(super) async fn count_providers(tx: &mut TenantTx<Write>) -> Result<i64> {
    sqlx::query_scalar!(r#"select count(*) as "n!" from providers"#).fetch_one(tx.conn()).await.map_err(db_error)
}

/// Stores a provider, or what it has become.
pub(super) async fn put_provider(tx: &mut TenantTx<Write>, row: &ProviderRow) -> Result<()> {
    sqlx::query!(
        "insert into providers (id, name, format, base_url, api_key, key_set_at, enabled, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         on conflict (tenant_id, id) do update set name = excluded.name, base_url = excluded.base_url, api_key = excluded.api_key,
             key_set_at = excluded.key_set_at, enabled = excluded.enabled, updated_at = excluded.updated_at",
        row.id.0,
        row.name,
        row.format.as_str(),
        row.base_url,
        row.api_key,
        row.key_set_at,
        row.enabled,
        row.created_at,
        row.updated_at
    )
    .execute(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(())
}

pub(super) async fn delete_provider(tx: &mut TenantTx<Write>, id: ModelProviderId) -> Result<()> {
    sqlx::query!("delete from providers where id = $1", id.0).execute(tx.conn()).await.map_err(db_error)?;
    Ok(())
}

/// The models of the tenant in their order.
pub(super) async fn models<M>(tx: &mut TenantTx<M>) -> Result<Vec<Model>> {
    let rows = sqlx::query!(
        r#"select m.id, m.provider_id, p.name as provider_name, m.name, m.max_output_tokens, m.temperature, m.enabled,
                  m.enabled and p.enabled as "in_use!", m.tested_at, m.test_state
           from models m join providers p on p.tenant_id = m.tenant_id and p.id = m.provider_id order by m.position, m.id"#
    )
    .fetch_all(tx.conn())
    .await
    .map_err(db_error)?;
    rows.into_iter()
        .map(|r| {
            Ok(Model {
                id: ModelId(r.id),
                provider: ModelProviderId(r.provider_id),
                provider_name: r.provider_name,
                name: r.name,
                max_output_tokens: u32::try_from(r.max_output_tokens).map_err(Error::internal)?,
                temperature: r.temperature,
                enabled: r.enabled,
                in_use: r.in_use,
                tested_at: r.tested_at,
                test_state: r.test_state.as_deref().and_then(TestState::parse),
            })
        })
        .collect()
}

pub(super) async fn count_models(tx: &mut TenantTx<Write>) -> Result<i64> {
    sqlx::query_scalar!(r#"select count(*) as "n!" from models"#).fetch_one(tx.conn()).await.map_err(db_error)
}

/// Stores a model behind all others.
pub(super) async fn insert_model(tx: &mut TenantTx<Write>, id: ModelId, of: ModelProviderId, new: &NewModel) -> Result<()> {
    sqlx::query!(
        "insert into models (id, provider_id, name, max_output_tokens, temperature, position, created_at, updated_at)
         values ($1, $2, $3, $4, $5, (select coalesce(max(position) + 1, 0) from models), $6, $6)",
        id.0,
        of.0,
        new.name,
        tokens(new)?,
        new.temperature,
        now()
    )
    .execute(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(())
}

pub(super) async fn update_model(tx: &mut TenantTx<Write>, id: ModelId, to: &NewModel, enabled: bool) -> Result<()> {
    sqlx::query!(
        "update models set max_output_tokens = $2, temperature = $3, enabled = $4, updated_at = $5 where id = $1",
        id.0,
        tokens(to)?,
        to.temperature,
        enabled,
        now()
    )
    .execute(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(())
}

fn tokens(of: &NewModel) -> Result<i32> {
    i32::try_from(of.max_output_tokens).map_err(Error::internal)
}

pub(super) async fn delete_model(tx: &mut TenantTx<Write>, id: ModelId) -> Result<()> {
    sqlx::query!("delete from models where id = $1", id.0).execute(tx.conn()).await.map_err(db_error)?;
    Ok(())
}

/// Notes what a test found. False where the model is gone.
pub(super) async fn set_tested(tx: &mut TenantTx<Write>, id: ModelId, state: TestState) -> Result<bool> {
    let done = sqlx::query!("update models set tested_at = $2, test_state = $3 where id = $1", id.0, now(), state.as_str())
        .execute(tx.conn())
        .await
        .map_err(db_error)?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn set_order(tx: &mut TenantTx<Write>, order: &[ModelId]) -> Result<()> {
    sqlx::query!(
        "update models set position = o.place - 1 from unnest($1::uuid[]) with ordinality o (id, place) where models.id = o.id",
        &ids(order)
    )
    .execute(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(())
}

fn ids(of: &[ModelId]) -> Vec<Uuid> {
    of.iter().map(|id| id.0).collect()
}

/// All experts with their own orders, by name.
pub(super) async fn experts<M>(tx: &mut TenantTx<M>) -> Result<Vec<ExpertModels>> {
    let rows = sqlx::query!(
        r#"select e.slug, v.body ->> 'name' as "name!",
                  array(select x.model_id from expert_models x where x.tenant_id = e.tenant_id and x.expert_id = e.id order by x.position) as "models!"
           from experts e join expert_versions v on v.tenant_id = e.tenant_id and v.expert_id = e.id and v.version = e.version order by 2, e.slug"#
    )
    .fetch_all(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(rows.into_iter().map(|r| ExpertModels { slug: r.slug, name: r.name, models: r.models.into_iter().map(ModelId).collect() }).collect())
}

pub(super) async fn expert(tx: &mut TenantTx<Write>, slug: &str) -> Result<Option<ExpertId>> {
    let id = sqlx::query_scalar!("select id from experts where slug = $1", slug).fetch_optional(tx.conn()).await.map_err(db_error)?;
    Ok(id.map(ExpertId))
}

pub(super) async fn set_expert_models(tx: &mut TenantTx<Write>, expert: ExpertId, order: &[ModelId]) -> Result<()> {
    sqlx::query!("delete from expert_models where expert_id = $1", expert.0).execute(tx.conn()).await.map_err(db_error)?;
    sqlx::query!(
        "insert into expert_models (expert_id, model_id, position)
         select $1, o.id, o.place - 1 from unnest($2::uuid[]) with ordinality o (id, place)",
        expert.0,
        &ids(order)
    )
    .execute(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(())
}

/// Takes the number of a change: one change at a time, and every node knows that what it holds is old.
pub(super) async fn begin_change(tx: &mut TenantTx<Write>) -> Result<()> {
    sqlx::query!(
        "insert into provider_settings (updated_at) values ($1)
         on conflict (tenant_id) do update set version = provider_settings.version + 1, updated_at = excluded.updated_at",
        now()
    )
    .execute(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(())
}

/// What was decided about models.
pub(super) struct Decided {
    pub installation_allowed: bool,
    pub direct_models: bool,
}

pub(super) async fn decided<M>(tx: &mut TenantTx<M>) -> Result<Decided> {
    let row = sqlx::query!("select installation_allowed, direct_models from provider_settings").fetch_optional(tx.conn()).await;
    let row = row.map_err(db_error)?.map(|r| Decided { installation_allowed: r.installation_allowed, direct_models: r.direct_models });
    Ok(row.unwrap_or(Decided { installation_allowed: true, direct_models: false }))
}

pub(super) async fn decide(tx: &mut TenantTx<Write>, change: ProviderPolicyChange) -> Result<()> {
    sqlx::query!(
        "update provider_settings set installation_allowed = coalesce($1, installation_allowed), direct_models = coalesce($2, direct_models)",
        change.installation_allowed,
        change.direct_models
    )
    .execute(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(())
}

/// What an answer needs to know before it looks at what is held in memory.
pub(super) struct Situation {
    /// The number of the last change; 0 where there was none.
    pub version: i64,
    pub installation_allowed: bool,
    pub direct_models: bool,
    /// The expert's own order; empty: that of the organisation.
    pub own: Vec<ModelId>,
}

pub(super) async fn situation(tx: &mut TenantTx<Read>, expert: Option<ExpertId>) -> Result<Situation> {
    let r = sqlx::query!(
        r#"select (select version from provider_settings) as version, (select installation_allowed from provider_settings) as allowed,
                  (select direct_models from provider_settings) as direct,
                  array(select model_id from expert_models where expert_id = $1 order by position) as "own!""#,
        expert.map(|id| id.0)
    )
    .fetch_one(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(Situation {
        version: r.version.unwrap_or(0),
        installation_allowed: r.allowed.unwrap_or(true),
        direct_models: r.direct.unwrap_or(false),
        own: r.own.into_iter().map(ModelId).collect(),
    })
}

/// The prices that the organisation set, by model; none stands for the installation's provider.
pub(super) async fn prices<M>(tx: &mut TenantTx<M>) -> Result<HashMap<Option<ModelId>, OwnPrice>> {
    let rows = sqlx::query!("select model_id, input, cached_input, cache_write, output from model_prices")
        .fetch_all(tx.conn())
        .await
        .map_err(db_error)?;
    let amount = |n: i64| u64::try_from(n).unwrap_or_default();
    let price = |input, cached, written, output| OwnPrice {
        input: amount(input),
        cached_input: amount(cached),
        cache_write: amount(written),
        output: amount(output),
    };
    Ok(rows.into_iter().map(|r| (r.model_id.map(ModelId), price(r.input, r.cached_input, r.cache_write, r.output))).collect())
}

/// Stores the price of a model, or of the installation's provider.
pub(super) async fn put_price(tx: &mut TenantTx<Write>, model: Option<ModelId>, price: &OwnPrice) -> Result<()> {
    let amount = |n: u64| i64::try_from(n).map_err(Error::internal);
    sqlx::query!(
        "insert into model_prices (id, model_id, input, cached_input, cache_write, output, updated_at) values ($1, $2, $3, $4, $5, $6, $7)
         on conflict (tenant_id, model_id) do update set input = excluded.input, cached_input = excluded.cached_input,
             cache_write = excluded.cache_write, output = excluded.output, updated_at = excluded.updated_at",
        Uuid::now_v7(),
        model.map(|id| id.0),
        amount(price.input)?,
        amount(price.cached_input)?,
        amount(price.cache_write)?,
        amount(price.output)?,
        now()
    )
    .execute(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(())
}

pub(super) async fn delete_price(tx: &mut TenantTx<Write>, model: Option<ModelId>) -> Result<bool> {
    let done = sqlx::query!("delete from model_prices where model_id is not distinct from $1", model.map(|id| id.0))
        .execute(tx.conn())
        .await
        .map_err(db_error)?;
    Ok(done.rows_affected() == 1)
}
