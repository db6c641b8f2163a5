//! SQL of the weekly reviews. The findings are computed where the entries are.

use super::super::{
    Finding, FindingKind, ReviewSummary, Verdict, Week, Who, WorkingHours,
    explore::{CLOCKS_APART, first_id},
    review::is_overdue,
};
use time::{Date, OffsetDateTime};
use uuid::Uuid;
use vital_kernel::{BreakGlassId, Result, UserId, limits, now};
use vital_store::{Read, TenantTx, Write, db_error};

/// How long the findings of one week may take to compute, in milliseconds.
const PREPARING_MS_MAX: u32 = 300_000;

pub(crate) async fn working_hours<M>(tx: &mut TenantTx<M>) -> Result<Option<WorkingHours>> {
    sqlx::query_as!(WorkingHours, "select time_zone, from_hour, to_hour, weekdays from working_hours")
        .fetch_optional(tx.conn())
        .await
        .map_err(db_error)
}

pub(crate) async fn is_time_zone(tx: &mut TenantTx<Write>, name: &str) -> Result<bool> {
    sqlx::query_scalar!(r#"select exists (select from pg_timezone_names where name = $1) as "is!""#, name)
        .fetch_one(tx.conn())
        .await
        .map_err(db_error)
}

pub(crate) async fn set_working_hours(tx: &mut TenantTx<Write>, hours: &WorkingHours) -> Result<()> {
    sqlx::query!(
        "insert into working_hours (time_zone, from_hour, to_hour, weekdays) values ($1, $2, $3, $4)
         on conflict (tenant_id) do update set time_zone = excluded.time_zone, from_hour = excluded.from_hour, to_hour = excluded.to_hour,
             weekdays = excluded.weekdays",
        hours.time_zone,
        hours.from_hour,
        hours.to_hour,
        &hours.weekdays
    )
    .execute(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(())
}

/// Lets a transaction of background work take minutes where those of people may take seconds: it looks at every entry of a week.
pub(crate) async fn take_time(tx: &mut TenantTx<Write>) -> Result<()> {
    sqlx::query_scalar!("select set_config('statement_timeout', $1, true)", PREPARING_MS_MAX.to_string())
        .fetch_one(tx.conn())
        .await
        .map_err(db_error)?;
    Ok(())
}

/// A week with the moments at which it begins and ends in the organisation's time zone.
pub(crate) struct Span {
    pub week: Week,
    pub starts_at: OffsetDateTime,
    pub ends_at: OffsetDateTime,
}

/// Weeks that ended before a moment, had begun to be recorded by their end, and have no review. Oldest first.
pub(crate) async fn due_weeks(tx: &mut TenantTx<Read>, time_zone: &str, at: OffsetDateTime, back: i64) -> Result<Vec<Span>> {
    let rows = sqlx::query!(
        r#"with weeks as (
               select (date_trunc('week', $1::timestamptz at time zone $2) - k * interval '7 days')::date as monday
               from generate_series(1, $3::bigint) k)
           select w.monday as "monday!", w.monday::timestamp at time zone $2 as "starts_at!",
                  (w.monday + 7)::timestamp at time zone $2 as "ends_at!"
           from weeks w
           where not exists (select from activity_reviews r where r.week = w.monday)
             and (select e.at from audit_entries e order by e.id limit 1) < (w.monday + 7)::timestamp at time zone $2
           order by w.monday"#,
        at,
        time_zone,
        back
    )
    .fetch_all(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(rows.into_iter().map(|r| Span { week: Week::of(r.monday), starts_at: r.starts_at, ends_at: r.ends_at }).collect())
}

/// Makes the review of a week. Returns false where it has one.
pub(crate) async fn insert(tx: &mut TenantTx<Write>, span: &Span, hours: &WorkingHours) -> Result<bool> {
    let made = sqlx::query!(
        "insert into activity_reviews (week, starts_at, ends_at, time_zone, from_hour, to_hour, weekdays, entries, prepared_at)
         select $1, $2, $3, $4, $5, $6, $7, (select count(*) from audit_entries e where e.at >= $2 and e.at < $3 and e.id >= $9 and e.id < $10), $8
         on conflict do nothing",
        span.week.monday(),
        span.starts_at,
        span.ends_at,
        hours.time_zone,
        hours.from_hour,
        hours.to_hour,
        &hours.weekdays,
        now(),
        first_id(span.starts_at - CLOCKS_APART),
        first_id(span.ends_at + CLOCKS_APART)
    )
    .execute(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(made.rows_affected() == 1)
}

/// Computes and stores the findings of a week. Returns how many there are.
///
/// Hours of reading and of failed sign-ins begin at full and at half hours, so that whatever happens within half an hour is seen together;
/// every entry is then looked at twice, not once with each of its neighbours.
pub(crate) async fn insert_findings(tx: &mut TenantTx<Write>, span: &Span, hours: &WorkingHours) -> Result<u64> {
    let made = sqlx::query!(
        r#"with w as (
               select e.id, e.at, e.actor_id, e.action, e.resource_id, m.kind as actor_kind
               from audit_entries e left join members m on m.tenant_id = e.tenant_id and m.id = e.actor_id
               where e.at >= $2 and e.at < $3 and e.id >= $14 and e.id < $15
           ), hourly as (
               select w.*, h.begins from w, lateral (values
                   (date_trunc('hour', w.at)),
                   (date_trunc('hour', w.at) + case when extract(minute from w.at) >= 30 then interval '30 minutes' else interval '-30 minutes' end)
               ) h (begins) where w.action in ('document.read', 'session.sign_in_failed')
           ), bulk as (
               select distinct on (actor_id) actor_id, count(distinct resource_id) as n, min(at) as first_at, max(at) as last_at
               from hourly where action = 'document.read' and actor_id is not null group by actor_id, begins
               having count(distinct resource_id) > $8 order by actor_id, n desc, first_at
           ), spray as (
               select count(distinct resource_id) as n, min(at) as first_at, max(at) as last_at
               from hourly where action = 'session.sign_in_failed' group by begins having count(distinct resource_id) >= $9
               order by 1 desc, 2 limit 1
           ), opened as (
               select actor_id, count(distinct resource_id) as n, min(at) as first_at, max(at) as last_at
               from w where action = 'document.read' and actor_id is not null group by actor_id having count(distinct resource_id) >= $10
           ), past as (
               select o.actor_id, k, count(distinct e.resource_id) as n
               from opened o cross join generate_series(1, $11::bigint) k
               left join audit_entries e on e.actor_id = o.actor_id and e.action = 'document.read'
                   and e.id >= $16 and e.id < $15 and e.at >= $2 - k * interval '7 days' and e.at < $2 - (k - 1) * interval '7 days'
               group by o.actor_id, k
           ), usual as (
               select actor_id, percentile_disc(0.5) within group (order by n) as n from past group by actor_id
           ), found as (
               select 1 as place, 'break_glass' as kind, b.member_id as subject, b.id as object,
                      greatest(1, (select count(*) from w a where a.actor_id = b.member_id)) as events, null::bigint as usual, w.at as first_at,
                      coalesce(b.closed_at, b.ends_at) as last_at
               from w join break_glass b on b.id::text = w.resource_id where w.action = 'break_glass.opened'
               union all
               select 2, 'operator_grant', actor_id, resource_id::uuid, 1, null, at, at from w where action = 'operator.access_granted'
               union all
               select 3, 'export', actor_id, null, count(*), null, min(at), max(at) from w where action like '%.exported' group by actor_id
               union all
               select 4, 'bulk_read', actor_id, null, n, null, first_at, last_at from bulk
               union all
               select 5, 'unusual_volume', o.actor_id, null, o.n, u.n, o.first_at, o.last_at
               from opened o join usual u on u.actor_id = o.actor_id where o.n > u.n * $12
               union all
               select 6, 'sign_in_spray', null, null, n, null, first_at, last_at from spray
               union all
               select 7, 'admin_granted', actor_id, resource_id::uuid, 1, null, at, at from w where action = 'user.admin_granted'
               union all
               select 8, 'off_hours', actor_id, null, count(*), null, min(at), max(at) from w
               where actor_id is not null and coalesce(actor_kind, 'person') = 'person' and action not in ('document.ingested', 'document.failed')
                 and not (extract(isodow from at at time zone $4)::smallint = any ($7)
                          and extract(hour from at at time zone $4)::smallint >= $5 and extract(hour from at at time zone $4)::smallint < $6)
               group by actor_id
           ), ranked as (
               select *, row_number() over (partition by place order by events desc, first_at, subject) as rank from found
           )
           insert into review_findings (week, n, kind, subject_id, object_id, events, usual, first_at, last_at)
           select $1, row_number() over (order by place, rank), kind, subject, object, events, usual, first_at, last_at
           from ranked where rank <= $13"#,
        span.week.monday(),
        span.starts_at,
        span.ends_at,
        hours.time_zone,
        hours.from_hour,
        hours.to_hour,
        &hours.weekdays,
        limits::BULK_DOCUMENTS_HOUR_MAX,
        limits::SPRAY_ACCOUNTS_MIN,
        limits::UNUSUAL_DOCUMENTS_MIN,
        limits::UNUSUAL_WEEKS,
        limits::UNUSUAL_FACTOR,
        limits::REVIEW_FINDINGS_MAX,
        first_id(span.starts_at - CLOCKS_APART),
        first_id(span.ends_at + CLOCKS_APART),
        first_id(span.starts_at - time::Duration::weeks(limits::UNUSUAL_WEEKS) - CLOCKS_APART)
    )
    .execute(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(made.rows_affected())
}

pub(crate) async fn list(tx: &mut TenantTx<Read>, before: Option<Week>, limit: i64) -> Result<Vec<ReviewSummary>> {
    let rows = sqlx::query!(
        r#"select r.week, r.ends_at, r.entries, r.signer_name, r.signed_at, count(f.n) as "findings!",
                  count(f.n) filter (where f.verdict = 'follow_up') as "follow_ups!"
           from activity_reviews r left join review_findings f on f.tenant_id = r.tenant_id and f.week = r.week
           where $1::date is null or r.week < $1 group by r.tenant_id, r.week order by r.week desc limit $2"#,
        before.map(Week::monday),
        limit
    )
    .fetch_all(tx.conn())
    .await
    .map_err(db_error)?;
    let summary = rows.into_iter().map(|r| ReviewSummary {
        week: Week::of(r.week),
        ends_at: r.ends_at,
        entries: r.entries,
        findings: r.findings,
        follow_ups: r.follow_ups,
        overdue: r.signed_at.is_none() && is_overdue(r.ends_at),
        signer: r.signer_name,
        signed_at: r.signed_at,
    });
    Ok(summary.collect())
}

pub(crate) async fn overdue(tx: &mut TenantTx<Read>, ended_before: OffsetDateTime) -> Result<i64> {
    sqlx::query_scalar!(r#"select count(*) as "n!" from activity_reviews where signed_at is null and ends_at < $1"#, ended_before)
        .fetch_one(tx.conn())
        .await
        .map_err(db_error)
}

/// A review as it is stored.
pub(crate) struct ReviewRow {
    pub starts_at: OffsetDateTime,
    pub ends_at: OffsetDateTime,
    pub time_zone: String,
    pub from_hour: i16,
    pub to_hour: i16,
    pub weekdays: Vec<i16>,
    pub entries: i64,
    pub signed_by: Option<Uuid>,
    pub signer_name: Option<String>,
    pub signed_at: Option<OffsetDateTime>,
    pub meaning: Option<String>,
    pub sole_reviewer: bool,
    pub record_hash: Option<Vec<u8>>,
}

pub(crate) async fn find<M>(tx: &mut TenantTx<M>, week: Week) -> Result<Option<ReviewRow>> {
    sqlx::query_as!(
        ReviewRow,
        "select starts_at, ends_at, time_zone, from_hour, to_hour, weekdays, entries, signed_by, signer_name, signed_at, meaning, sole_reviewer,
                record_hash
         from activity_reviews where week = $1",
        week.monday()
    )
    .fetch_optional(tx.conn())
    .await
    .map_err(db_error)
}

pub(crate) async fn findings<M>(tx: &mut TenantTx<M>, week: Week) -> Result<Vec<Finding>> {
    let rows = sqlx::query!(
        r#"select f.n, f.kind, f.subject_id, f.object_id, f.events, f.usual, f.first_at, f.last_at, f.verdict, f.note,
                  m.display_name as "name?", m.kind as "member_kind?", o.display_name as "object_name?",
                  (select b.id from break_glass b where b.tenant_id = f.tenant_id and b.member_id = f.subject_id limit 1) as opening
           from review_findings f
           left join members m on m.tenant_id = f.tenant_id and m.id = f.subject_id
           left join members o on o.tenant_id = f.tenant_id and o.id = f.object_id and f.kind in ('admin_granted', 'operator_grant')
           where f.week = $1 order by f.n"#,
        week.monday()
    )
    .fetch_all(tx.conn())
    .await
    .map_err(db_error)?;
    let finding = rows.into_iter().map(|r| {
        let subject = r.subject_id.map(|id| Who {
            id: UserId(id),
            name: r.name.unwrap_or_default(),
            kind: r.member_kind.unwrap_or_default(),
            opening: r.opening.map(BreakGlassId),
        });
        Ok(Finding {
            n: r.n,
            kind: FindingKind::parse(&r.kind)?,
            subject,
            object: r.object_id,
            object_name: r.object_name,
            events: r.events,
            usual: r.usual,
            first_at: r.first_at,
            last_at: r.last_at,
            verdict: r.verdict.as_deref().map(Verdict::parse),
            note: r.note,
        })
    });
    finding.collect()
}

/// Locks a review. Tells whether it can still be signed; none where there is none.
pub(crate) async fn lock_unsigned(tx: &mut TenantTx<Write>, week: Week) -> Result<Option<bool>> {
    let unsigned =
        sqlx::query_scalar!(r#"select signed_at is null as "unsigned!" from activity_reviews where week = $1 for update"#, week.monday());
    unsigned.fetch_optional(tx.conn()).await.map_err(db_error)
}

pub(crate) async fn set_judgements(tx: &mut TenantTx<Write>, week: Week, findings: &[Finding]) -> Result<()> {
    let numbers: Vec<i16> = findings.iter().map(|f| f.n).collect();
    let verdicts: Vec<String> = findings.iter().filter_map(|f| f.verdict).map(|v| v.as_str().to_owned()).collect();
    let notes: Vec<String> = findings.iter().filter_map(|f| f.note.clone()).collect();
    sqlx::query!(
        "update review_findings f set verdict = j.verdict, note = j.note
         from unnest($2::smallint[], $3::text[], $4::text[]) j (n, verdict, note) where f.week = $1 and f.n = j.n",
        week.monday(),
        &numbers,
        &verdicts,
        &notes
    )
    .execute(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(())
}

/// What a signature stores.
pub(crate) struct Signing<'a> {
    pub signer: UserId,
    pub name: &'a str,
    pub at: OffsetDateTime,
    pub meaning: &'a str,
    pub sole_reviewer: bool,
    pub hash: &'a [u8],
}

pub(crate) async fn sign(tx: &mut TenantTx<Write>, week: Week, s: &Signing<'_>) -> Result<()> {
    let week: Date = week.monday();
    sqlx::query!(
        "update activity_reviews set signed_by = $2, signer_name = $3, signed_at = $4, meaning = $5, sole_reviewer = $6, record_hash = $7
         where week = $1",
        week,
        s.signer.0,
        s.name,
        s.at,
        s.meaning,
        s.sole_reviewer,
        s.hash
    )
    .execute(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(())
}

/// Active people who have one of these roles.
pub(crate) async fn active_with_roles<M>(tx: &mut TenantTx<M>, roles: &[&str]) -> Result<Vec<UserId>> {
    let roles: Vec<String> = roles.iter().map(ToString::to_string).collect();
    let ids = sqlx::query_scalar!("select id from members where roles && $1 and kind = 'person' and active and removed_at is null", &roles)
        .fetch_all(tx.conn())
        .await
        .map_err(db_error)?;
    Ok(ids.into_iter().map(UserId).collect())
}
