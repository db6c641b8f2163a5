//! SQL of budgets.

use super::super::{BudgetScope, NewBudget, Period, budget::Row};
use time::OffsetDateTime;
use vital_kernel::{BudgetId, ExpertId, Result, UserId};
use vital_store::{TenantTx, Write, db_error};

/// Keeps reservations and settlements of the organisation out until the transaction ends.
pub(in crate::usage) async fn lock_alone(tx: &mut TenantTx<Write>) -> Result<()> {
    sqlx::query!(r#"select app.lock_usage(true) as "locked: ()""#).execute(tx.conn()).await.map_err(db_error)?;
    Ok(())
}

/// The budgets with their counters of the period that a moment belongs to; of every person's budget, those of who spent the most.
pub(in crate::usage) async fn budgets<M>(tx: &mut TenantTx<M>, at: OffsetDateTime, only: Option<BudgetId>) -> Result<Vec<Row>> {
    let rows = sqlx::query!(
        r#"select b.id, b.scope, b.user_id, b.expert_id, b.period, b.limit_tokens, b.limit_pico, b.soft_percent,
                  coalesce(m.display_name, x.name) as name,
                  coalesce(c.tokens_spent, 0) as "tokens_spent!", coalesce(c.tokens_held, 0) as "tokens_held!",
                  coalesce(c.pico_spent, 0) as "pico_spent!", coalesce(c.pico_held, 0) as "pico_held!"
           from budgets b
           left join members m on m.tenant_id = b.tenant_id and m.id = b.user_id
           left join lateral (select v.body ->> 'name' as name from expert_versions v where v.tenant_id = b.tenant_id and v.expert_id = b.expert_id
                              order by v.version desc limit 1) x on true
           left join lateral (select max(c.tokens_spent) as tokens_spent, max(c.tokens_held) as tokens_held, max(c.pico_spent) as pico_spent,
                                     max(c.pico_held) as pico_held
                              from budget_counters c where c.tenant_id = b.tenant_id and c.budget_id = b.id
                                and c.period_start = app.period_start(b.period, $1)) c on true
           where $2::uuid is null or b.id = $2
           order by array_position(array['organisation', 'every_person', 'person', 'expert'], b.scope), b.period desc, name, b.id"#,
        at,
        only.map(|id| id.0)
    )
    .fetch_all(tx.conn())
    .await
    .map_err(db_error)?;
    rows.into_iter()
        .map(|r| {
            Ok(Row {
                id: r.id,
                scope: BudgetScope::parse(&r.scope)?,
                user: r.user_id,
                expert: r.expert_id,
                name: r.name,
                period: Period::parse(&r.period)?,
                limit_tokens: r.limit_tokens,
                limit_pico: r.limit_pico,
                soft_percent: r.soft_percent,
                tokens_spent: r.tokens_spent,
                tokens_held: r.tokens_held,
                pico_spent: r.pico_spent,
                pico_held: r.pico_held,
            })
        })
        .collect()
}

pub(in crate::usage) async fn count_budgets(tx: &mut TenantTx<Write>) -> Result<i64> {
    sqlx::query_scalar!(r#"select count(*) as "n!" from budgets"#).fetch_one(tx.conn()).await.map_err(db_error)
}

/// Stores a budget or its new limits; the warning is due again then.
pub(in crate::usage) async fn put_budget(tx: &mut TenantTx<Write>, new: &NewBudget, at: OffsetDateTime) -> Result<BudgetId> {
    let id = sqlx::query_scalar!(
        "insert into budgets (id, scope, user_id, expert_id, period, limit_tokens, limit_pico, soft_percent, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)
         on conflict (tenant_id, scope, user_id, expert_id, period) do update set limit_tokens = excluded.limit_tokens,
             limit_pico = excluded.limit_pico, soft_percent = excluded.soft_percent, updated_at = excluded.updated_at
         returning id",
        BudgetId::new().0,
        new.scope.as_str(),
        new.user.map(|id| id.0),
        new.expert.map(|id| id.0),
        new.period.as_str(),
        new.limit_tokens.and_then(|n| i64::try_from(n).ok()),
        new.limit_pico(),
        i32::from(new.soft_percent.unwrap_or(super::super::budget::SOFT_PERCENT)),
        at
    )
    .fetch_one(tx.conn())
    .await
    .map_err(db_error)?;
    sqlx::query!("update budget_counters set warned_at = null where budget_id = $1", id).execute(tx.conn()).await.map_err(db_error)?;
    Ok(BudgetId(id))
}

/// Counts what the period under way has spent and holds already, for a budget that is new.
pub(in crate::usage) async fn count_spent(tx: &mut TenantTx<Write>, id: BudgetId, at: OffsetDateTime) -> Result<()> {
    sqlx::query!(r#"select app.count_budget($1, $2) as "counted: ()""#, id.0, at).execute(tx.conn()).await.map_err(db_error)?;
    Ok(())
}

pub(in crate::usage) async fn delete_budget(tx: &mut TenantTx<Write>, id: BudgetId) -> Result<bool> {
    let done = sqlx::query!("delete from budgets where id = $1", id.0).execute(tx.conn()).await.map_err(db_error)?;
    Ok(done.rows_affected() == 1)
}

pub(in crate::usage) async fn is_member(tx: &mut TenantTx<Write>, id: UserId) -> Result<bool> {
    sqlx::query_scalar!(r#"select exists (select from members where id = $1 and removed_at is null) as "known!""#, id.0)
        .fetch_one(tx.conn())
        .await
        .map_err(db_error)
}

pub(in crate::usage) async fn is_expert(tx: &mut TenantTx<Write>, id: ExpertId) -> Result<bool> {
    sqlx::query_scalar!(r#"select exists (select from experts where id = $1) as "known!""#, id.0)
        .fetch_one(tx.conn())
        .await
        .map_err(db_error)
}
