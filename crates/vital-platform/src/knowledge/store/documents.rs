//! Reading the records of documents.

use super::{appraisal::Columns, file_name_of, origin_of, title_of};
use crate::knowledge::{Document, DocumentFilter, DocumentState, Failure, Titled};
use time::{Date, OffsetDateTime};
use uuid::Uuid;
use vital_kernel::{DocumentId, Error, Result};
use vital_store::{Read, TenantTx, db_error};

/// Documents read at a time while their titles are looked through.
const TITLES_BATCH: i64 = 500;

struct DocumentRow {
    id: Uuid,
    title: Vec<u8>,
    file_name: Vec<u8>,
    collection: String,
    starter: bool,
    yours: bool,
    format: Option<String>,
    size_bytes: i64,
    state: String,
    failure_code: Option<String>,
    failure_detail: Option<String>,
    warnings: Vec<String>,
    pages: Option<i32>,
    passage_count: i32,
    embedded_count: i32,
    authority: String,
    level: Option<i16>,
    issued_on: Option<Date>,
    status: String,
    effective_from: Option<Date>,
    effective_until: Option<Date>,
    superseded_by: Option<Uuid>,
    appraised: bool,
    quality: Option<serde_json::Value>,
    origin: Option<Vec<u8>>,
    identifiers: Vec<String>,
    version_hash: Option<Vec<u8>>,
    created_at: OffsetDateTime,
    ready_at: Option<OffsetDateTime>,
}

impl DocumentRow {
    fn open<M>(self, tx: &TenantTx<M>) -> Result<Document> {
        let r = self;
        Ok(Document {
            id: DocumentId(r.id),
            title: tx.open_text(title_of(r.id), &r.title)?,
            file_name: tx.open_text(file_name_of(r.id), &r.file_name)?,
            collection: r.collection,
            starter: r.starter,
            yours: r.yours,
            format: r.format,
            size_bytes: r.size_bytes,
            state: DocumentState::parse(&r.state),
            failure: r.failure_code.zip(r.failure_detail).map(|(code, detail)| Failure { code, detail }),
            warnings: r.warnings,
            pages: r.pages,
            passages: r.passage_count,
            embedded: r.embedded_count,
            appraisal: Columns {
                authority: r.authority,
                level: r.level,
                issued_on: r.issued_on,
                status: r.status,
                effective_from: r.effective_from,
                effective_until: r.effective_until,
                superseded_by: r.superseded_by,
            }
            .into(),
            appraised: r.appraised,
            quality: r.quality.map(serde_json::from_value).transpose().map_err(Error::internal)?,
            origin: r.origin.map(|sealed| tx.open_json(origin_of(r.id), &sealed)).transpose()?,
            identifiers: r.identifiers,
            version: r.version_hash.map(hex::encode),
            created_at: r.created_at,
            ready_at: r.ready_at,
        })
    }
}

/// Documents that the actor may read, newest first. Titles and file names are sealed, so a filter on them reads on until there are enough.
pub(in crate::knowledge) async fn documents(tx: &mut TenantTx<Read>, filter: &DocumentFilter) -> Result<Vec<Document>> {
    let Some(wanted) = filter.title.as_deref().map(str::to_lowercase) else {
        return documents_before(tx, filter, filter.before.map(|d| d.0), filter.limit).await;
    };
    let limit = usize::try_from(filter.limit).unwrap_or_default();
    let (mut found, mut before) = (Vec::new(), filter.before.map(|d| d.0));
    while found.len() < limit {
        let batch = documents_before(tx, filter, before, TITLES_BATCH).await?;
        let Some(last) = batch.last() else { break };
        before = Some(last.id.0);
        found
            .extend(batch.into_iter().filter(|d| d.title.to_lowercase().contains(&wanted) || d.file_name.to_lowercase().contains(&wanted)));
    }
    found.truncate(limit);
    Ok(found)
}

async fn documents_before(tx: &mut TenantTx<Read>, filter: &DocumentFilter, before: Option<Uuid>, limit: i64) -> Result<Vec<Document>> {
    let rows = sqlx::query_as!(
        DocumentRow,
        r#"select d.id, d.title, d.file_name, c.slug as collection, c.starter,
                  coalesce(d.uploaded_by = app.actor_id() or c.owner_id = app.actor_id(), false) as "yours!", d.format, d.size_bytes, d.state, d.failure_code, d.failure_detail,
                  d.warnings, d.pages, d.passage_count, d.embedded_count, d.authority, d.level, d.issued_on, d.status, d.effective_from,
                  d.effective_until, d.superseded_by, d.appraised_by is not null as "appraised!", d.quality, d.origin, d.identifiers, d.version_hash, d.created_at, d.ready_at
           from documents d join collections c on c.tenant_id = d.tenant_id and c.id = d.collection_id
           where ($1::text is null or c.slug = $1) and ($2::bool is null or c.starter = $2)
             and ($3::uuid is null or d.id < $3) and c.id in (select app.visible_collections())
           order by d.id desc limit $4"#,
        filter.collection,
        filter.starter,
        before,
        limit
    )
    .fetch_all(tx.conn())
    .await
    .map_err(db_error)?;
    rows.into_iter().map(|r| r.open(tx)).collect()
}

pub(in crate::knowledge) async fn document<M>(tx: &mut TenantTx<M>, id: DocumentId) -> Result<Option<Document>> {
    let row = sqlx::query_as!(
        DocumentRow,
        r#"select d.id, d.title, d.file_name, c.slug as collection, c.starter,
                  coalesce(d.uploaded_by = app.actor_id() or c.owner_id = app.actor_id(), false) as "yours!", d.format, d.size_bytes, d.state, d.failure_code, d.failure_detail,
                  d.warnings, d.pages, d.passage_count, d.embedded_count, d.authority, d.level, d.issued_on, d.status, d.effective_from,
                  d.effective_until, d.superseded_by, d.appraised_by is not null as "appraised!", d.quality, d.origin, d.identifiers, d.version_hash, d.created_at, d.ready_at
           from documents d join collections c on c.tenant_id = d.tenant_id and c.id = d.collection_id
           where d.id = $1 and c.id in (select app.visible_collections())"#,
        id.0
    )
    .fetch_optional(tx.conn())
    .await
    .map_err(db_error)?;
    row.map(|r| r.open(tx)).transpose()
}

/// Names of documents that the actor may read, the latest first.
pub(in crate::knowledge) async fn titled(tx: &mut TenantTx<Read>, limit: i64) -> Result<Vec<Titled>> {
    let rows = sqlx::query!(
        r#"select d.id, d.title, d.file_name, d.identifiers, c.slug, c.starter
           from documents d join collections c on c.tenant_id = d.tenant_id and c.id = d.collection_id
           where d.state = 'ready' and c.id in (select app.visible_collections()) order by d.id desc limit $1"#,
        limit
    )
    .fetch_all(tx.conn())
    .await
    .map_err(db_error)?;
    rows.into_iter()
        .map(|r| {
            Ok(Titled {
                id: DocumentId(r.id),
                title: tx.open_text(title_of(r.id), &r.title)?,
                file_name: tx.open_text(file_name_of(r.id), &r.file_name)?,
                identifiers: r.identifiers,
                collection: r.slug,
                starter: r.starter,
            })
        })
        .collect()
}
