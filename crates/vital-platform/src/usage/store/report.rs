//! SQL of reports and of the ledger as a table.

use super::super::{
    charge::Basis,
    export::Entry,
    rates::micros_up,
    report::{Part, Summed, Totals},
};
use time::{Date, OffsetDateTime};
use uuid::Uuid;
use vital_kernel::{Error, Result};
use vital_store::{Read, TenantTx, Write, db_error};

/// Sums by day, model, expert and person, and in all, in one pass over the ledger.
pub(in crate::usage) async fn summed(
    tx: &mut TenantTx<Read>,
    from: OffsetDateTime,
    to: OffsetDateTime,
    user: Option<Uuid>,
) -> Result<Vec<Summed>> {
    let rows = sqlx::query!(
        r#"select s.part as "part!", s.day, s.expert_id, s.user_id, s.requests as "requests!", s.input as "input!", s.cached as "cached!",
                  s.output as "output!", s.pico as "pico!", s.unpriced as "unpriced!", s.estimated as "estimated!",
                  case s.part when 11 then s.provider || ' ' || s.model when 13 then x.name when 14 then m.display_name end as name
           from (select grouping(day, (provider, model)::text, expert_id, user_id) as part, day, min(provider) as provider, min(model) as model,
                        expert_id, user_id, count(*) as requests, coalesce(sum(input_tokens), 0)::bigint as input,
                        coalesce(sum(cached_input_tokens), 0)::bigint as cached, coalesce(sum(output_tokens), 0)::bigint as output,
                        least(coalesce(sum(cost_pico), 0), 9000000000000000000)::bigint as pico,
                        count(*) filter (where cost_pico is null) as unpriced,
                        count(*) filter (where basis in ('estimated', 'overdue', 'bounded')) as estimated
                 from (select (l.at at time zone 'UTC')::date as day, l.* from usage_ledger l
                       where l.at >= $1 and l.at < $2 and ($3::uuid is null or l.user_id = $3)) l
                 group by grouping sets ((), (day), ((provider, model)::text), (expert_id), (user_id))) s
           left join members m on m.id = s.user_id
           left join lateral (select v.body ->> 'name' as name from expert_versions v where v.expert_id = s.expert_id
                              order by v.version desc limit 1) x on true"#,
        from,
        to,
        user
    )
    .fetch_all(tx.conn())
    .await
    .map_err(db_error)?;
    rows.into_iter()
        .map(|r| {
            // A bit for each of day, model, expert and person that the line does not tell apart.
            let (part, id) = match (r.part, r.day) {
                (15, _) => (Part::Total, None),
                (7, Some(day)) => (Part::Day(day), None),
                (11, _) => (Part::Model, None),
                (13, _) => (Part::Expert, r.expert_id),
                (14, _) => (Part::Person, r.user_id),
                _ => return Err(Error::internal("a sum of the ledger is of no known part")),
            };
            let totals = Totals {
                requests: r.requests,
                input_tokens: r.input,
                cached_input_tokens: r.cached,
                output_tokens: r.output,
                cost_micros: micros_up(r.pico),
                unpriced: r.unpriced,
                estimated: r.estimated,
            };
            Ok(Summed { part, id, name: r.name, totals })
        })
        .collect()
}

/// The day of the first request of all.
pub(in crate::usage) async fn first_day(tx: &mut TenantTx<Read>) -> Result<Option<Date>> {
    sqlx::query_scalar!("select (min(at) at time zone 'UTC')::date from usage_ledger").fetch_one(tx.conn()).await.map_err(db_error)
}

/// The cost of each day with a request.
pub(in crate::usage) async fn day_costs(tx: &mut TenantTx<Read>, from: OffsetDateTime) -> Result<Vec<(Date, i64)>> {
    let rows = sqlx::query!(
        r#"select (at at time zone 'UTC')::date as "day!", least(coalesce(sum(cost_pico), 0), 9000000000000000000)::bigint as "pico!"
           from usage_ledger where at >= $1 group by 1"#,
        from
    )
    .fetch_all(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(rows.into_iter().map(|r| (r.day, r.pico)).collect())
}

/// Rows of the ledger, oldest first.
pub(in crate::usage) async fn entries(
    tx: &mut TenantTx<Write>,
    from: OffsetDateTime,
    to: OffsetDateTime,
    limit: i64,
) -> Result<Vec<Entry>> {
    let rows = sqlx::query!(
        r#"select l.id, l.at, l.settled_at, l.user_id, m.display_name as "person?", l.expert_id, e.slug as "expert_name?", l.turn_id, l.purpose,
                  l.provider, l.model, l.input_tokens, l.cached_input_tokens, l.cache_write_tokens, l.output_tokens, l.reasoning_tokens,
                  l.cost_pico, l.basis
           from usage_ledger l
           left join members m on m.id = l.user_id
           left join experts e on e.id = l.expert_id
           where l.at >= $1 and l.at < $2 order by l.at, l.id limit $3"#,
        from,
        to,
        limit
    )
    .fetch_all(tx.conn())
    .await
    .map_err(db_error)?;
    rows.into_iter()
        .map(|r| {
            Ok(Entry {
                id: r.id,
                at: r.at,
                settled_at: r.settled_at,
                user: r.user_id,
                person: r.person,
                expert: r.expert_id,
                expert_name: r.expert_name,
                turn: r.turn_id,
                purpose: r.purpose,
                provider: r.provider,
                model: r.model,
                input: r.input_tokens,
                cached_input: r.cached_input_tokens,
                cache_write: r.cache_write_tokens,
                output: r.output_tokens,
                reasoning: r.reasoning_tokens,
                pico: r.cost_pico,
                basis: Basis::parse(&r.basis).ok_or_else(|| Error::internal("a row of the ledger has an unknown basis"))?,
            })
        })
        .collect()
}
