//! SQL of holds and counters; the functions are those of `migrations/0013_usage.sql`.

use super::super::{
    BudgetScope, Period,
    notice::Crossed,
    reserve::{Lacking, Refusal, Reserved},
    settle::{Hold, Owner},
    sweep::Overdue,
};
use time::OffsetDateTime;
use vital_kernel::{Result, UserId};
use vital_store::{Read, TenantTx, Write, db_error};

/// Holds what a request may cost, or says which budget has not enough left; then nothing is held.
pub(in crate::usage) async fn reserve(tx: &mut TenantTx<Write>, hold: &Hold) -> Result<Reserved> {
    let row = sqlx::query!(
        r#"select refused, scope, period, period_start, limit_tokens, left_tokens, limit_pico, left_pico, money as "money!"
           from app.reserve_usage($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"#,
        hold.id,
        hold.at,
        hold.expires_at,
        hold.cx.user().map(|UserId(id)| id),
        hold.meter.expert.map(|id| id.0),
        hold.meter.turn.map(|id| id.0),
        hold.meter.purpose.as_str(),
        hold.provider,
        hold.model,
        hold.input,
        hold.output,
        hold.pico
    )
    .fetch_one(tx.conn())
    .await
    .map_err(db_error)?;
    match (row.refused, row.scope, row.period, row.period_start) {
        (Some(why), Some(scope), Some(period), Some(period_start)) => Ok(Reserved::Refused(Refusal {
            why: Lacking::parse(&why)?,
            scope: BudgetScope::parse(&scope)?,
            period: Period::parse(&period)?,
            period_start,
            limit_tokens: row.limit_tokens,
            left_tokens: row.left_tokens,
            limit_pico: row.limit_pico,
            left_pico: row.left_pico,
        })),
        _ => Ok(Reserved::Held { priced_only: row.money }),
    }
}

/// Replaces a hold by what was spent. Returns the budgets whose threshold is crossed for the first time in their period.
pub(in crate::usage) async fn settle(tx: &mut TenantTx<Write>, owner: &Owner<'_>, tokens: i64, pico: i64) -> Result<Vec<Crossed>> {
    let rows = sqlx::query!(
        r#"select s.scope as "scope!", s.period as "period!", s.period_start as "period_start!", s.limit_tokens, s.limit_pico,
                  s.spent_tokens as "spent_tokens!", s.spent_pico as "spent_pico!",
                  case s.scope when 'expert' then (select e.slug from experts e where e.id = $4)
                               when 'organisation' then null else (select m.display_name from members m where m.id = $3) end as name
           from app.settle_usage($1, $2, $3, $4, $5, $6) s"#,
        owner.id,
        owner.at,
        owner.user,
        owner.expert,
        tokens,
        pico
    )
    .fetch_all(tx.conn())
    .await
    .map_err(db_error)?;
    rows.into_iter()
        .map(|r| {
            Ok(Crossed {
                scope: BudgetScope::parse(&r.scope)?,
                period: Period::parse(&r.period)?,
                period_start: r.period_start,
                limit_tokens: r.limit_tokens,
                spent_tokens: r.spent_tokens,
                limit_pico: r.limit_pico,
                spent_pico: r.spent_pico,
                name: r.name,
            })
        })
        .collect()
}

/// Holds that nobody settled in time, oldest first.
pub(in crate::usage) async fn overdue(tx: &mut TenantTx<Read>, at: OffsetDateTime, limit: i64) -> Result<Vec<Overdue>> {
    sqlx::query_as!(
        Overdue,
        r#"select id, at, user_id as "user", expert_id as expert, turn_id as turn, purpose, provider, model, input_tokens as input,
                  output_tokens as output, cost_pico as pico
           from usage_holds where expires_at <= $1 order by expires_at limit $2"#,
        at,
        limit
    )
    .fetch_all(tx.conn())
    .await
    .map_err(db_error)
}
