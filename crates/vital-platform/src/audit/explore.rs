//! Looking at the trail: the auditor's explorer, who saw a document, and what a person finds about themselves.
//!
//! **Invariants:** entries hold ids and field names; names of people are joined when they are shown, and only those of this organisation.
//! Somebody without `audit.read` sees the entries of which they are the actor, and when operators were in the organisation: nothing else.
//! Whatever the filter, a page is bounded and goes on behind the id of its last entry.

use super::{store, words};
use crate::Platform;
use serde::Serialize;
use time::{Duration, OffsetDateTime};
use utoipa::ToSchema;
use uuid::Uuid;
use vital_kernel::{AuditAction, BreakGlassId, DocumentId, Error, OpContext, Permission, RequestId, Result, UserId, limits, now};
use vital_store::{Read, TenantTx};

/// How far the clock of a node may be from that of the database: ids carry the node's time, entries the database's.
pub(super) const CLOCKS_APART: Duration = Duration::hours(1);
/// How long after its request an entry may still belong to it: answers are written after the reply.
const REQUEST_LASTS: Duration = Duration::hours(24);
/// Openings by operators that a member is shown.
const OPENINGS: i64 = 50;

/// Somebody who acted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Who {
    /// Their id.
    #[schema(value_type = uuid::Uuid)]
    pub id: UserId,
    /// Their name today; empty where the account is not in the organisation.
    pub name: String,
    /// `person`, `service` or `operator`; empty where the account is not in the organisation.
    pub kind: String,
    /// The opening by which an operator was here.
    #[schema(value_type = Option<uuid::Uuid>)]
    pub opening: Option<BreakGlassId>,
}

/// One entry of the trail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Entry {
    /// Its id; ids sort by time.
    pub id: Uuid,
    /// Its number in the chain; none while it waits for the sequencer.
    pub seq: Option<i64>,
    /// When (RFC 3339).
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// Who; none where the platform acted, or somebody who had not proven who they are.
    pub actor: Option<Who>,
    /// What was done, as a stable dotted name.
    pub action: String,
    /// The same in words.
    pub says: String,
    /// The kind of object.
    pub resource: String,
    /// The ids of the objects.
    pub objects: Vec<String>,
    /// The name of the member that the entry is about, where it is about one.
    pub member: Option<String>,
    /// Names of the fields that changed.
    pub fields: Vec<String>,
    /// The request.
    pub request_id: Uuid,
}

/// Which entries to show, newest first.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only of this actor: an id, or a part of the name or address of members.
    pub who: Option<String>,
    /// Only of this action or group of actions.
    pub action: Option<String>,
    /// Only about this kind of object.
    pub resource: Option<String>,
    /// Only about the object with this id.
    pub object: Option<String>,
    /// Only of this request.
    pub request: Option<RequestId>,
    /// Only from this moment on.
    pub since: Option<OffsetDateTime>,
    /// Only before this moment.
    pub until: Option<OffsetDateTime>,
    /// Only older than this one: the cursor of the next page.
    pub before: Option<Uuid>,
    /// At most so many; cut to the largest page size.
    pub limit: i64,
}

/// How somebody came to see a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// Its text was opened.
    Read,
    /// A search showed passages of it.
    Found,
    /// An answer cites it.
    Cited,
}

/// One time that somebody saw a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Sighting {
    /// The entry that says so.
    pub entry: Uuid,
    /// Who.
    pub who: Option<Who>,
    /// When (RFC 3339).
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// How.
    pub how: How,
}

/// One time that an operator was in the organisation, as every member may know of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct OperatorAccess {
    /// The opening.
    #[schema(value_type = uuid::Uuid)]
    pub id: BreakGlassId,
    /// The operator's name.
    pub operator: String,
    /// When it began (RFC 3339).
    #[serde(with = "time::serde::rfc3339")]
    pub opened_at: OffsetDateTime,
    /// When it ended, or will at the latest (RFC 3339).
    #[serde(with = "time::serde::rfc3339")]
    pub ends_at: OffsetDateTime,
    /// Whether somebody of the organisation has reviewed it.
    pub reviewed: bool,
}

/// Lists entries of the organisation, newest first.
///
/// # Errors
/// `Forbidden` without the permission to read the trail; `Invalid` for an action that does not exist.
pub async fn entries(p: &Platform, cx: &OpContext, filter: &Filter) -> Result<Vec<Entry>> {
    cx.require(Permission::AuditRead)?;
    let mut tx = p.db.read(cx).await?;
    let wanted = wanted(&mut tx, filter).await?;
    let rows = store::explore::entries(&mut tx, &wanted).await?;
    named(&mut tx, rows).await
}

/// Reads one entry.
///
/// # Errors
/// `NotFound` when the organisation has no such entry.
pub async fn entry(p: &Platform, cx: &OpContext, id: Uuid) -> Result<Entry> {
    cx.require(Permission::AuditRead)?;
    let mut tx = p.db.read(cx).await?;
    let wanted = store::explore::Wanted { only: Some(id), limit: 1, ..store::explore::Wanted::default() };
    let rows = store::explore::entries(&mut tx, &wanted).await?;
    named(&mut tx, rows)
        .await?
        .pop()
        .ok_or_else(|| Error::not_found("audit.unknown", "There is no such entry in the trail of your organisation."))
}

/// Lists what is recorded with the caller as the actor, newest first.
///
/// # Errors
/// `Forbidden` for whoever may not see the settings.
pub async fn own_entries(p: &Platform, cx: &OpContext, before: Option<Uuid>, limit: i64) -> Result<Vec<Entry>> {
    cx.require(Permission::SettingsRead)?;
    let oneself = cx.require_user()?;
    let mut tx = p.db.read(cx).await?;
    let limit = limit.clamp(1, limits::PAGE_SIZE_MAX);
    let wanted = store::explore::Wanted { actors: Some(vec![oneself.0]), before, limit, ..store::explore::Wanted::default() };
    let rows = store::explore::entries(&mut tx, &wanted).await?;
    named(&mut tx, rows).await
}

/// Lists when operators were in the organisation, newest first. Why they came is for those who review it.
///
/// # Errors
/// `Forbidden` for whoever may not see the settings.
pub async fn operator_accesses(p: &Platform, cx: &OpContext) -> Result<Vec<OperatorAccess>> {
    cx.require(Permission::SettingsRead)?;
    store::explore::openings(&mut p.db.read(cx).await?, OPENINGS).await
}

/// Lists who saw a document and how, newest first. Also of a document that is gone: the trail outlives it.
///
/// # Errors
/// `Forbidden` without the permission to read the trail; `NotFound` when the organisation never had such a document.
pub async fn who_saw(p: &Platform, cx: &OpContext, document: DocumentId, before: Option<Uuid>, limit: i64) -> Result<Vec<Sighting>> {
    cx.require(Permission::AuditRead)?;
    let mut tx = p.db.read(cx).await?;
    let rows = store::explore::sightings(&mut tx, document.0, before, limit.clamp(1, limits::PAGE_SIZE_MAX)).await?;
    if rows.is_empty() && before.is_none() && !store::explore::had_document(&mut tx, document.0).await? {
        return Err(Error::not_found("document.unknown", "There is no such document, or it is not yours to see."));
    }
    let seen = named(&mut tx, rows).await?.into_iter().map(|e| {
        let how = match e.action.as_str() {
            "search.performed" => How::Found,
            "evidence.cited" => How::Cited,
            _ => How::Read,
        };
        Sighting { entry: e.id, who: e.actor, at: e.at, how }
    });
    Ok(seen.collect())
}

/// Reads a day (`2026-11-22`, its beginning in UTC) or a moment (RFC 3339); `after` takes the end of the day instead.
///
/// # Errors
/// `Invalid` with a pointer to the field.
pub fn moment_of(text: &str, field: &str, after: bool) -> Result<Option<OffsetDateTime>> {
    use time::{
        Date,
        format_description::well_known::{Iso8601, Rfc3339},
    };
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let whole_day = Date::parse(text, &Iso8601::DATE).ok().filter(|_| text.len() == 10);
    let moment = match whole_day {
        Some(day) if after => day.next_day().map(|d| d.midnight().assume_utc()),
        Some(day) => Some(day.midnight().assume_utc()),
        None => OffsetDateTime::parse(text, &Rfc3339).ok(),
    };
    // Ids of version 7 begin in 1970 and end with year 10889; a day far outside has no entries.
    moment.filter(|at| (1970..=9000).contains(&at.year())).map(Some).ok_or_else(|| {
        Error::invalid("audit.time", "This is no time that can be searched for.")
            .with_field(field, "Write a day such as 2026-11-22, or a time such as 2026-11-22T08:00:00Z.")
    })
}

/// What a filter means to the database.
///
/// # Errors
/// `Invalid` for an action that does not exist.
pub(super) async fn wanted(tx: &mut TenantTx<Read>, filter: &Filter) -> Result<store::explore::Wanted> {
    let actions = filter.action.as_deref().map(wanted_actions).transpose()?;
    let actors = match filter.who.as_deref().map(str::trim).filter(|who| !who.is_empty()) {
        Some(who) => Some(match who.parse::<Uuid>() {
            Ok(id) => vec![id],
            Err(_) => store::explore::members_like(tx, who).await?,
        }),
        None => None,
    };
    let (mut least, mut most) = (filter.since.map(|at| first_id(at - CLOCKS_APART)), filter.until.map(|at| first_id(at + CLOCKS_APART)));
    if let Some(made) = filter.request.and_then(|r| time_of(r.0)) {
        least = Some(first_id(made - CLOCKS_APART));
        most = Some(first_id(made + REQUEST_LASTS));
    }
    Ok(store::explore::Wanted {
        actors,
        actions,
        resource: filter.resource.clone().filter(|r| !r.is_empty()),
        object: filter.object.clone().filter(|o| !o.is_empty()),
        object_id: filter.object.as_deref().and_then(|o| o.parse().ok()),
        request: filter.request.map(|r| r.0),
        since: filter.since,
        until: filter.until,
        least,
        most,
        before: filter.before,
        only: None,
        limit: filter.limit.clamp(1, limits::PAGE_SIZE_MAX),
    })
}

fn wanted_actions(name: &str) -> Result<Vec<String>> {
    let actions = words::actions_of(name.trim());
    if actions.is_empty() {
        return Err(Error::invalid("audit.action", "There is no such action or group of actions.")
            .with_field("/action", "Use a name such as `document.read`, or a group such as `reading`."));
    }
    Ok(actions.into_iter().map(|a: AuditAction| a.as_str().to_owned()).collect())
}

/// The first id of version 7 that a moment can have (RFC 9562 section 5.7).
pub(super) fn first_id(at: OffsetDateTime) -> Uuid {
    let ms = u128::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or(0).min((1 << 48) - 1);
    Uuid::from_u128(ms << 80)
}

fn time_of(id: Uuid) -> Option<OffsetDateTime> {
    let (seconds, _) = id.get_timestamp()?.to_unix();
    OffsetDateTime::from_unix_timestamp(i64::try_from(seconds).ok()?).ok().filter(|at| *at < now() + CLOCKS_APART)
}

/// Puts names to the ids of people.
pub(super) async fn named(tx: &mut TenantTx<Read>, rows: Vec<store::explore::EntryRow>) -> Result<Vec<Entry>> {
    let about = |r: &store::explore::EntryRow| (r.resource == "user").then(|| r.resource_id.parse::<Uuid>().ok()).flatten();
    let mut ids: Vec<Uuid> = rows.iter().filter_map(|r| r.actor_id).chain(rows.iter().filter_map(about)).collect();
    ids.sort_unstable();
    ids.dedup();
    let people = store::explore::people(tx, &ids).await?;
    let known = |id: Uuid| people.iter().find(|person| person.id == id);
    let entry = |r: store::explore::EntryRow| {
        let actor = r.actor_id.map(|id| {
            let person = known(id);
            Who {
                id: UserId(id),
                name: person.map(|m| m.display_name.clone()).unwrap_or_default(),
                kind: person.map(|m| m.kind.clone()).unwrap_or_default(),
                opening: person.and_then(|m| m.opening).map(BreakGlassId),
            }
        });
        Entry {
            member: about(&r).and_then(known).map(|m| m.display_name.clone()),
            id: r.id,
            seq: r.seq,
            at: r.at,
            actor,
            says: words::says(&r.action).to_owned(),
            action: r.action,
            resource: r.resource,
            objects: r.resource_id.split(',').filter(|id| !id.is_empty()).map(str::to_owned).collect(),
            fields: r.fields,
            request_id: r.request_id,
        }
    };
    Ok(rows.into_iter().map(entry).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_lies_between_the_bounds_of_its_time() {
        let (before, id, after) = (now() - Duration::SECOND, Uuid::now_v7(), now() + Duration::SECOND);
        assert!(first_id(before) < id && id < first_id(after));
        assert!(time_of(id).is_some_and(|at| before - Duration::SECOND < at && at < after));
        assert_eq!(time_of(Uuid::new_v4()), None);
    }

    #[test]
    fn days_and_moments_are_read_and_everything_else_is_refused() {
        let read = |text, after| moment_of(text, "/since", after).unwrap().map(vital_kernel::iso);
        assert_eq!(read("2026-11-22", false).as_deref(), Some("2026-11-22T00:00:00Z"));
        assert_eq!(read("2026-11-22", true).as_deref(), Some("2026-11-23T00:00:00Z"), "the whole day");
        assert_eq!(read("2026-12-31T08:00:00+01:00", true).map(|at| at.len()), Some("2026-12-31T07:00:00+01:00".len()));
        assert_eq!(read(" ", false), None);
        for bad in ["yesterday", "2026-13-01", "22.11.2026", "99999-01-01", "-2000-01-01", "1066-10-14", "2026-11-22x"] {
            assert_eq!(moment_of(bad, "/since", false).unwrap_err().fields()[0].pointer, "/since", "{bad}");
        }
    }
}
