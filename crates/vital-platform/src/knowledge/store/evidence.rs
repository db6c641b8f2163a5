//! Reading passages as evidence.

use super::{body_of, headings_of, title_of};
use crate::knowledge::{Evidence, Recorded, Status};
use time::Date;
use uuid::Uuid;
use vital_kernel::{DocumentId, Error, PassageId, Result};
use vital_store::{Read, TenantTx, db_error};

/// A passage that was found, with what decides about its use.
pub(in crate::knowledge) struct FoundRow {
    pub evidence: Evidence,
    pub collection: String,
    pub status: Status,
    /// Whether its document holds on the day that was asked for.
    pub holds: bool,
}

struct Row {
    id: Uuid,
    document_id: Uuid,
    start_byte: i32,
    page: Option<i32>,
    heading_path: Vec<u8>,
    body: Vec<u8>,
    title: Vec<u8>,
    version_hash: Vec<u8>,
    authority: String,
    level: Option<i16>,
    issued_on: Option<Date>,
    status: String,
    holds: bool,
    slug: String,
    starter: bool,
}

impl Row {
    fn open(self, tx: &TenantTx<Read>) -> Result<FoundRow> {
        let r = self;
        Ok(FoundRow {
            evidence: Evidence {
                passage: PassageId(r.id),
                document: DocumentId(r.document_id),
                title: tx.open_text(title_of(r.document_id), &r.title)?,
                version: r.version_hash.try_into().map_err(|_| Error::internal("a version hash has the wrong length"))?,
                start: usize::try_from(r.start_byte).map_err(Error::internal)?,
                body: tx.open_text(body_of(r.id), &r.body)?,
                heading_path: tx.open_json(headings_of(r.id), &r.heading_path)?,
                page: r.page.and_then(|n| u32::try_from(n).ok()),
                authority: r.authority,
                level: r.level.and_then(|l| u8::try_from(l).ok()),
                issued_on: r.issued_on,
                score: 0.0,
                lexical: None,
                dense: None,
                own: !r.starter,
                fetched: None,
            },
            collection: r.slug,
            status: Status::parse(&r.status),
            holds: r.holds,
        })
    }
}

/// Reads passages by id. Those of documents that are gone, not ready or not for the actor to read are left out: this is where a stale index
/// stops, and what keeps a passage from whoever may not read it.
pub(in crate::knowledge) async fn evidence(tx: &mut TenantTx<Read>, ids: &[Uuid], on: Date) -> Result<Vec<FoundRow>> {
    let rows = sqlx::query_as!(
        Row,
        r#"select p.id, p.document_id, p.start_byte, p.page, p.heading_path, p.body, d.title, d.version_hash as "version_hash!", d.authority, d.level,
                  d.issued_on, d.status, d.status in ('current', 'superseded') and coalesce(d.effective_from <= $2, true)
                      and coalesce($2 < d.effective_until, d.status = 'current') as "holds!", c.slug, c.starter
           from passages p
           join documents d on d.tenant_id = p.tenant_id and d.id = p.document_id
           join collections c on c.tenant_id = d.tenant_id and c.id = d.collection_id
           where p.id = any ($1) and d.state = 'ready' and d.version_hash is not null and c.id in (select app.visible_collections())"#,
        ids,
        on
    )
    .fetch_all(tx.conn())
    .await
    .map_err(db_error)?;
    rows.into_iter().map(|r| r.open(tx)).collect()
}

/// Reads passages at recorded bytes, under the same conditions, whether or not their documents hold today.
pub(in crate::knowledge) async fn evidence_at(tx: &mut TenantTx<Read>, recorded: &[Recorded]) -> Result<Vec<Evidence>> {
    let documents: Vec<Uuid> = recorded.iter().map(|r| r.document_id).collect();
    let starts: Vec<i32> = recorded.iter().map(|r| i32::try_from(r.start).unwrap_or(i32::MAX)).collect();
    let rows = sqlx::query_as!(
        Row,
        r#"select p.id, p.document_id, p.start_byte, p.page, p.heading_path, p.body, d.title, d.version_hash as "version_hash!", d.authority, d.level,
                  d.issued_on, d.status, d.status = 'current' as "holds!", c.slug, c.starter
           from unnest($1::uuid[], $2::int[]) as wanted (document_id, start_byte)
           join passages p on p.document_id = wanted.document_id and p.start_byte = wanted.start_byte
           join documents d on d.tenant_id = p.tenant_id and d.id = p.document_id
           join collections c on c.tenant_id = d.tenant_id and c.id = d.collection_id
           where d.state = 'ready' and d.version_hash is not null and c.id in (select app.visible_collections())"#,
        &documents,
        &starts
    )
    .fetch_all(tx.conn())
    .await
    .map_err(db_error)?;
    rows.into_iter().map(|r| Ok(r.open(tx)?.evidence)).collect()
}
