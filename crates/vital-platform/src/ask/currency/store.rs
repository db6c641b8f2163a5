//! SQL of marks and notices.

use super::{NOTICE_TURNS_MAX, Notice, NoticeTurn, Outdated, Successor};
use crate::knowledge::Status;
use serde::Deserialize;
use serde_json::Value;
use std::collections::HashMap;
use time::OffsetDateTime;
use uuid::Uuid;
use vital_kernel::{DocumentId, Error, Result, TurnId, UserId, now};
use vital_keys::Place;
use vital_store::{Read, TenantTx, Write, db_error};

/// How far a document reaches.
pub(super) struct Reach {
    pub answers: i64,
    pub people: i64,
}

/// How many answers cite a document, and whose.
pub(super) async fn reach<M>(tx: &mut TenantTx<M>, document: DocumentId) -> Result<Reach> {
    sqlx::query_as!(
        Reach,
        r#"select count(distinct c.turn_id) as "answers!", count(distinct v.owner_id) as "people!"
           from citations c join turns t on t.tenant_id = c.tenant_id and t.id = c.turn_id
           join conversations v on v.tenant_id = t.tenant_id and v.id = t.conversation_id where c.document_id = $1"#,
        document.0
    )
    .fetch_one(tx.conn())
    .await
    .map_err(db_error)
}

/// Marks every answer that cites a document and tells their owners, in one statement.
pub(super) async fn mark(tx: &mut TenantTx<Write>, document: DocumentId, status: Status) -> Result<Reach> {
    sqlx::query_as!(
        Reach,
        r#"with stood as (
               select distinct c.turn_id, v.owner_id
               from citations c join turns t on t.tenant_id = c.tenant_id and t.id = c.turn_id
               join conversations v on v.tenant_id = t.tenant_id and v.id = t.conversation_id where c.document_id = $1),
           marked as (
               insert into answer_marks (turn_id, document_id, status, marked_at) select turn_id, $1, $2, $3 from stood
               on conflict (tenant_id, turn_id, document_id) do update set status = excluded.status, marked_at = excluded.marked_at),
           told as (
               insert into notices (person_id, document_id, status, answers, created_at)
               select owner_id, $1, $2, count(*), $3 from stood group by owner_id)
           select count(*) as "answers!", count(distinct owner_id) as "people!" from stood"#,
        document.0,
        status.as_str(),
        now()
    )
    .fetch_one(tx.conn())
    .await
    .map_err(db_error)
}

/// Takes back the marks of a document that holds again, and the notices that nobody has seen.
pub(super) async fn unmark(tx: &mut TenantTx<Write>, document: DocumentId) -> Result<Reach> {
    sqlx::query!(
        "with unmarked as (delete from answer_marks where document_id = $1) delete from notices where document_id = $1 and seen_at is null",
        document.0
    )
    .execute(tx.conn())
    .await
    .map_err(db_error)?;
    reach(tx, document).await
}

/// Marks an answer that ends now for those documents it cites that hold no longer. The rows of the documents are locked, so that whoever appraises one waits
/// and finds the answer, or has finished and is seen here.
pub(in crate::ask) async fn mark_ended(tx: &mut TenantTx<Write>, turn: TurnId, documents: &[Uuid]) -> Result<()> {
    sqlx::query!(
        "with cited as (select id, status from documents where id = any ($2) order by id for share)
         insert into answer_marks (turn_id, document_id, status, marked_at) select $1, id, status, $3 from cited where status <> 'current'
         on conflict do nothing",
        turn.0,
        documents,
        now()
    )
    .execute(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(())
}

/// A mark as a statement that reads turns brings it along.
#[derive(Deserialize)]
struct Mark {
    document: Uuid,
    status: Status,
    #[serde(with = "time::serde::rfc3339")]
    marked_at: OffsetDateTime,
    successor: Option<Uuid>,
    /// The sealed title of the successor, hexadecimal.
    title: Option<String>,
}

/// Opens the marks that came with a turn.
pub(in crate::ask) fn outdated<M>(tx: &TenantTx<M>, marks: Option<Value>) -> Result<Vec<Outdated>> {
    let marks: Vec<Mark> = marks.map(serde_json::from_value).transpose().map_err(Error::internal)?.unwrap_or_default();
    let open = |m: Mark| {
        let successor = match m.successor.zip(m.title) {
            Some((document_id, title)) => {
                let sealed = hex::decode(title).map_err(Error::internal)?;
                Some(Successor { document_id, title: title_of(tx, document_id, &sealed)? })
            }
            None => None,
        };
        Ok(Outdated { document_id: m.document, status: m.status, successor, marked_at: m.marked_at })
    };
    marks.into_iter().map(open).collect()
}

fn title_of<M>(tx: &TenantTx<M>, document: Uuid, sealed: &[u8]) -> Result<String> {
    tx.open_text(Place::of("documents.title", document), sealed)
}

/// Notices of a person, latest first, each with the latest answers that it tells of.
pub(super) async fn notices(tx: &mut TenantTx<Read>, person: UserId, before: Option<Uuid>, limit: i64) -> Result<Vec<Notice>> {
    let rows = sqlx::query!(
        r#"select n.id, n.document_id, n.status, n.answers, n.created_at, n.seen_at, d.title as "title?"
           from notices n
           left join documents d on d.tenant_id = n.tenant_id and d.id = n.document_id and d.collection_id in (select app.visible_collections())
           where n.person_id = $1 and ($2::uuid is null or (n.created_at, n.id) < (select b.created_at, b.id from notices b where b.id = $2))
           order by n.created_at desc, n.id desc limit $3"#,
        person.0,
        before,
        limit
    )
    .fetch_all(tx.conn())
    .await
    .map_err(db_error)?;
    let documents: Vec<Uuid> = rows.iter().map(|r| r.document_id).collect();
    let mut turns = turns_on(tx, person, &documents).await?;
    rows.into_iter()
        .map(|r| {
            Ok(Notice {
                id: r.id,
                document_id: r.document_id,
                title: r.title.map(|sealed| title_of(tx, r.document_id, &sealed)).transpose()?,
                status: Status::parse(&r.status),
                answers: r.answers,
                turns: turns.remove(&r.document_id).unwrap_or_default(),
                created_at: r.created_at,
                seen_at: r.seen_at,
            })
        })
        .collect()
}

/// The latest marked answers of a person by document.
async fn turns_on(tx: &mut TenantTx<Read>, person: UserId, documents: &[Uuid]) -> Result<HashMap<Uuid, Vec<NoticeTurn>>> {
    let rows = sqlx::query!(
        r#"select w.document_id as "document_id!", w.id as "id!", w.conversation_id as "conversation_id!", w.question as "question!"
           from unnest($2::uuid[]) as wanted (document)
           cross join lateral (
               select m.document_id, t.id, t.conversation_id, t.question
               from answer_marks m join turns t on t.tenant_id = m.tenant_id and t.id = m.turn_id
               join conversations v on v.tenant_id = t.tenant_id and v.id = t.conversation_id
               where m.document_id = wanted.document and v.owner_id = $1 order by t.created_at desc, t.id limit $3) w"#,
        person.0,
        documents,
        NOTICE_TURNS_MAX
    )
    .fetch_all(tx.conn())
    .await
    .map_err(db_error)?;
    let mut turns: HashMap<Uuid, Vec<NoticeTurn>> = HashMap::new();
    for r in rows {
        let question = tx.open_text(Place::of("turns.question", r.id), &r.question)?;
        let of = turns.entry(r.document_id).or_default();
        if !of.iter().any(|t| t.turn_id == r.id) {
            of.push(NoticeTurn { turn_id: r.id, conversation_id: r.conversation_id, question });
        }
    }
    Ok(turns)
}

pub(super) async fn unseen(tx: &mut TenantTx<Read>, person: UserId) -> Result<i64> {
    sqlx::query_scalar!(r#"select count(*) as "n!" from notices where person_id = $1 and seen_at is null"#, person.0)
        .fetch_one(tx.conn())
        .await
        .map_err(db_error)
}

pub(super) async fn see(tx: &mut TenantTx<Write>, person: UserId, at: OffsetDateTime) -> Result<()> {
    sqlx::query!("update notices set seen_at = $2 where person_id = $1 and seen_at is null", person.0, at)
        .execute(tx.conn())
        .await
        .map_err(db_error)?;
    Ok(())
}
