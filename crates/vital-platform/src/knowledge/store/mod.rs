//! SQL of knowledge. Names, texts, passages and files of documents are sealed under the tenant's key.
//!
//! **Invariant:** what is read for a person is limited to `app.visible_collections()` in the statement itself. Statements of ingestion,
//! embedding, seeding and indexing act for the platform and say so by taking no part in it; what they read is never shown.

pub(super) mod appraisal;
pub(super) mod collections;
mod documents;
mod evidence;

pub(super) use documents::{document, documents, titled};
pub(super) use evidence::{FoundRow, evidence, evidence_at};

use super::{DocumentState, Failure, Origin};
use crate::outbox::{self, Event};
use uuid::Uuid;
use vital_documents::{Block, Parsed, Passage};
use vital_kernel::{CollectionId, DocumentId, Error, PassageId, Result, limits, now};
use vital_keys::Place;
use vital_store::{Db, PlatformReason, Read, TenantTx, Write, db_error, is_unique_violation};

fn title_of(document: Uuid) -> Place {
    Place::of("documents.title", document)
}

fn file_name_of(document: Uuid) -> Place {
    Place::of("documents.file_name", document)
}

fn origin_of(document: Uuid) -> Place {
    Place::of("documents.origin", document)
}

fn headings_of(passage: Uuid) -> Place {
    Place::of("passages.heading_path", passage)
}

fn body_of(passage: Uuid) -> Place {
    Place::of("passages.body", passage)
}

pub(super) async fn insert_upload(
    tx: &mut TenantTx<Write>,
    id: DocumentId,
    collection: CollectionId,
    file_name: &str,
    content_hash: &[u8],
    bytes: &[u8],
    fetched: Option<(Origin, &str)>,
) -> Result<()> {
    let (origin, authority) = fetched.unzip();
    let title = origin.as_ref().map_or(file_name, |o| &o.title);
    let (title, name) = (tx.seal(title_of(id.0), title)?, tx.seal(file_name_of(id.0), file_name)?);
    let origin = origin.map(|o| tx.seal_json(origin_of(id.0), &o)).transpose()?;
    let sealed = tx.seal(Place::of("document_files.bytes", id.0), bytes)?;
    sqlx::query!(
        "insert into documents (id, collection_id, title, file_name, size_bytes, content_hash, authority, state, uploaded_by, created_at, origin)
         values ($1, $2, $3, $7, $4, $5, $8, 'queued', app.actor_id(), $6, $9)",
        id.0,
        collection.0,
        title,
        i64::try_from(bytes.len()).map_err(Error::internal)?,
        content_hash,
        now(),
        name,
        authority.unwrap_or("own"),
        origin
    )
    .execute(tx.conn())
    .await
    .map_err(|e| {
        if is_unique_violation(&e) {
            Error::conflict(
                "document.duplicate",
                format!("The content of `{file_name}` is in this collection already, perhaps under another name. Nothing was stored."),
            )
        } else {
            db_error(e)
        }
    })?;
    sqlx::query!("insert into document_files (document_id, bytes) values ($1, $2)", id.0, sealed)
        .execute(tx.conn())
        .await
        .map_err(db_error)?;
    Ok(())
}

pub(super) async fn text(tx: &mut TenantTx<Read>, id: DocumentId) -> Result<Option<(String, Vec<Block>)>> {
    let row = sqlx::query!(
        r#"select t.text, t.blocks
           from document_texts t join documents d on d.tenant_id = t.tenant_id and d.id = t.document_id
           where t.document_id = $1 and d.collection_id in (select app.visible_collections())"#,
        id.0
    )
    .fetch_optional(tx.conn())
    .await
    .map_err(db_error)?;
    row.map(|r| {
        let text = tx.open_text(Place::of("document_texts.text", id.0), &r.text)?;
        Ok((text, tx.open_json(Place::of("document_texts.blocks", id.0), &r.blocks)?))
    })
    .transpose()
}

pub(super) async fn file(tx: &mut TenantTx<Read>, id: DocumentId) -> Result<Option<(String, Vec<u8>, Option<Origin>)>> {
    let row = sqlx::query!(
        "select d.file_name, d.origin, f.bytes from documents d join document_files f on f.tenant_id = d.tenant_id and f.document_id = d.id where d.id = $1",
        id.0
    )
    .fetch_optional(tx.conn())
    .await
    .map_err(db_error)?;
    row.map(|r| {
        let origin = r.origin.map(|sealed| tx.open_json(origin_of(id.0), &sealed)).transpose()?;
        Ok((tx.open_text(file_name_of(id.0), &r.file_name)?, tx.open(Place::of("document_files.bytes", id.0), &r.bytes)?, origin))
    })
    .transpose()
}

pub(super) async fn lock_state(tx: &mut TenantTx<Write>, id: DocumentId) -> Result<Option<DocumentState>> {
    let state = sqlx::query_scalar!("select state from documents where id = $1 for update", id.0)
        .fetch_optional(tx.conn())
        .await
        .map_err(db_error)?;
    Ok(state.map(|s| DocumentState::parse(&s)))
}

/// Locks a document that the actor may read.
pub(super) async fn lock_visible(tx: &mut TenantTx<Write>, id: DocumentId) -> Result<Option<DocumentState>> {
    let state = sqlx::query_scalar!(
        "select state from documents where id = $1 and collection_id in (select app.visible_collections()) for update",
        id.0
    )
    .fetch_optional(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(state.map(|s| DocumentState::parse(&s)))
}

pub(super) async fn set_state(tx: &mut TenantTx<Write>, id: DocumentId, state: DocumentState) -> Result<()> {
    sqlx::query!(
        "update documents set state = $2, failure_code = null, failure_detail = null,
                ready_at = case when $2 = 'ready' then coalesce(ready_at, $3) else ready_at end where id = $1",
        id.0,
        state.as_str(),
        now()
    )
    .execute(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(())
}

pub(super) async fn set_failed(tx: &mut TenantTx<Write>, id: DocumentId, failure: &Failure) -> Result<()> {
    let failed = sqlx::query!(
        "update documents set state = 'failed', failure_code = $2, failure_detail = $3 where id = $1",
        id.0,
        failure.code,
        failure.detail
    )
    .execute(tx.conn())
    .await
    .map_err(db_error)?;
    if failed.rows_affected() == 0 {
        return Ok(());
    }
    outbox::enqueue(tx, Event::DocumentFailed { document: id }).await
}

/// Deletes a document that the actor added or whose collection they own; that of anybody for whoever manages documents. False where it is neither.
pub(super) async fn delete(tx: &mut TenantTx<Write>, id: DocumentId, manages: bool) -> Result<bool> {
    let gone = sqlx::query!(
        "delete from documents d using collections c
         where d.id = $1 and c.tenant_id = d.tenant_id and c.id = d.collection_id
           and ($2 or d.uploaded_by = app.actor_id() or c.owner_id = app.actor_id())",
        id.0,
        manages
    )
    .execute(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(gone.rows_affected() == 1)
}

/// Number of passages of ready documents that the actor may read.
pub(super) async fn visible_passages(tx: &mut TenantTx<Read>, within: &[Uuid]) -> Result<i64> {
    sqlx::query_scalar!(
        r#"select coalesce(sum(passage_count), 0)::bigint as "n!" from documents
           where state = 'ready' and collection_id = any ($1) and collection_id in (select app.visible_collections())"#,
        within
    )
    .fetch_one(tx.conn())
    .await
    .map_err(db_error)
}

/// A passage as it is stored.
pub(super) struct NewPassage {
    pub id: PassageId,
    pub cut: Passage,
}

/// Replaces the text and passages of a document by what was read from it.
pub(super) async fn store_text(
    tx: &mut TenantTx<Write>,
    id: DocumentId,
    title: &str,
    parsed: &Parsed,
    version: &[u8],
    passages: &[NewPassage],
) -> Result<()> {
    sqlx::query!("delete from passages where document_id = $1", id.0).execute(tx.conn()).await.map_err(db_error)?;
    sqlx::query!(
        "insert into document_texts (document_id, text, blocks) values ($1, $2, $3)
         on conflict (tenant_id, document_id) do update set text = excluded.text, blocks = excluded.blocks",
        id.0,
        tx.seal(Place::of("document_texts.text", id.0), &parsed.text)?,
        tx.seal_json(Place::of("document_texts.blocks", id.0), &parsed.blocks)?
    )
    .execute(tx.conn())
    .await
    .map_err(db_error)?;
    insert_passages(tx, id, &parsed.text, passages).await?;
    sqlx::query!(
        "update documents set title = $2, format = $3, version_hash = $4, pages = $5, warnings = $6, passage_count = $7, embedded_count = 0,
                quality = $8, state = 'indexing' where id = $1",
        id.0,
        tx.seal(title_of(id.0), title)?,
        parsed.format.as_str(),
        version,
        parsed.pages.and_then(|n| i32::try_from(n).ok()),
        &parsed.warnings,
        i32::try_from(passages.len()).map_err(Error::internal)?,
        serde_json::to_value(super::quality::of(parsed)).map_err(Error::internal)?
    )
    .execute(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(())
}

async fn insert_passages(tx: &mut TenantTx<Write>, document: DocumentId, text: &str, passages: &[NewPassage]) -> Result<()> {
    for batch in passages.chunks(500) {
        let (mut ids, mut ordinals, mut starts, mut ends, mut pages) = (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let (mut headings, mut bodies) = (Vec::new(), Vec::new());
        for NewPassage { id, cut } in batch {
            ids.push(id.0);
            ordinals.push(i32::try_from(cut.ordinal).map_err(Error::internal)?);
            starts.push(i32::try_from(cut.start).map_err(Error::internal)?);
            ends.push(i32::try_from(cut.end).map_err(Error::internal)?);
            pages.push(cut.page.and_then(|n| i32::try_from(n).ok()));
            headings.push(tx.seal_json(headings_of(id.0), &cut.heading_path)?);
            bodies.push(tx.seal(body_of(id.0), text.get(cut.start..cut.end).unwrap_or_default())?);
        }
        sqlx::query!(
            "insert into passages (id, document_id, ordinal, start_byte, end_byte, page, heading_path, body)
             select id, $1, ordinal, start_byte, end_byte, page, heading_path, body
             from unnest($2::uuid[], $3::int[], $4::int[], $5::int[], $6::int[], $7::bytea[], $8::bytea[])
                  as r (id, ordinal, start_byte, end_byte, page, heading_path, body)",
            document.0,
            &ids,
            &ordinals,
            &starts,
            &ends,
            &pages as &[Option<i32>],
            &headings,
            &bodies
        )
        .execute(tx.conn())
        .await
        .map_err(db_error)?;
    }
    Ok(())
}

/// A passage as the lexical index and the embedding model want it.
pub(super) struct IndexRow {
    pub id: Uuid,
    pub document_id: Uuid,
    pub collection_id: Uuid,
    pub title: String,
    pub heading_path: Vec<String>,
    pub body: String,
}

/// Reads passages of ready or almost ready documents in key order, for the index: of some documents, or of all.
pub(super) async fn passages_after(
    tx: &mut TenantTx<Read>,
    documents: Option<&[DocumentId]>,
    after: Uuid,
    limit: i64,
) -> Result<Vec<IndexRow>> {
    let documents: Option<Vec<Uuid>> = documents.map(|all| all.iter().map(|d| d.0).collect());
    let rows = sqlx::query!(
        "select p.id, p.document_id, d.collection_id, d.title, p.heading_path, p.body
         from passages p join documents d on d.tenant_id = p.tenant_id and d.id = p.document_id
         where ($1::uuid[] is null or p.document_id = any ($1)) and p.id > $2 and d.state in ('indexing', 'ready') order by p.id limit $3",
        documents.as_deref(),
        after,
        limit
    )
    .fetch_all(tx.conn())
    .await
    .map_err(db_error)?;
    let rows = rows.into_iter().map(|r| {
        Ok(IndexRow {
            id: r.id,
            document_id: r.document_id,
            collection_id: r.collection_id,
            title: tx.open_text(title_of(r.document_id), &r.title)?,
            heading_path: tx.open_json(headings_of(r.id), &r.heading_path)?,
            body: tx.open_text(body_of(r.id), &r.body)?,
        })
    });
    rows.collect()
}

pub(super) async fn ready_passages(tx: &mut TenantTx<Read>) -> Result<i64> {
    sqlx::query_scalar!(r#"select coalesce(sum(passage_count), 0)::bigint as "n!" from documents where state = 'ready'"#)
        .fetch_one(tx.conn())
        .await
        .map_err(db_error)
}

pub(super) struct Unembedded {
    pub id: Uuid,
    pub starter: bool,
    pub title: String,
    pub heading_path: Vec<String>,
    pub body: String,
}

pub(super) async fn unembedded(tx: &mut TenantTx<Read>, document: DocumentId, model: &str, limit: i64) -> Result<Vec<Unembedded>> {
    let rows = sqlx::query!(
        "select p.id, c.starter, d.title, p.heading_path, p.body
         from passages p
         join documents d on d.tenant_id = p.tenant_id and d.id = p.document_id
         join collections c on c.tenant_id = d.tenant_id and c.id = d.collection_id
         left join passage_embeddings e on e.tenant_id = p.tenant_id and e.passage_id = p.id and e.model = $2
         where p.document_id = $1 and e.passage_id is null order by p.ordinal limit $3",
        document.0,
        model,
        limit
    )
    .fetch_all(tx.conn())
    .await
    .map_err(db_error)?;
    let rows = rows.into_iter().map(|r| {
        Ok(Unembedded {
            id: r.id,
            starter: r.starter,
            title: tx.open_text(title_of(document.0), &r.title)?,
            heading_path: tx.open_json(headings_of(r.id), &r.heading_path)?,
            body: tx.open_text(body_of(r.id), &r.body)?,
        })
    });
    rows.collect()
}

pub(super) async fn insert_embeddings(
    tx: &mut TenantTx<Write>,
    document: DocumentId,
    model: &str,
    ids: &[Uuid],
    vectors: &[Vec<f32>],
) -> Result<()> {
    for (id, vector) in ids.iter().zip(vectors) {
        sqlx::query!(
            "insert into passage_embeddings (passage_id, document_id, model, embedding) select $1, $2, $3, $4::real[]::vector
             where exists (select from passages where id = $1)
             on conflict (tenant_id, passage_id) do update set model = excluded.model, embedding = excluded.embedding",
            id,
            document.0,
            model,
            vector
        )
        .execute(tx.conn())
        .await
        .map_err(db_error)?;
    }
    sqlx::query!(
        "update documents set embedded_count = (select count(*) from passage_embeddings where document_id = $1 and model = $2) where id = $1",
        document.0,
        model
    )
    .execute(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(())
}

/// Nearest passages by cosine (the vectors are unit vectors, so the inner product is the cosine), best first, of collections among `within`
/// that the actor may read. Up to the named number of passages the scan is exact: `+ 0` keeps the planner from the shared index, which
/// returned nothing to small tenants before iterative scans.
pub(super) async fn nearest(
    tx: &mut TenantTx<Read>,
    model: &str,
    query: &[f32],
    within: &[Uuid],
    limit: i64,
    passages: i64,
) -> Result<Vec<(PassageId, f32)>> {
    if passages <= limits::EXACT_SCAN_PASSAGES_MAX {
        let rows = sqlx::query!(
            r#"select e.passage_id, -(e.embedding <#> $2::real[]::vector) as "similarity!" from passage_embeddings e
               where e.model = $1 and e.document_id in (
                   select d.id from documents d where d.collection_id = any ($3) and d.collection_id in (select app.visible_collections()))
               order by (e.embedding <#> $2::real[]::vector) + 0 limit $4"#,
            model,
            query,
            within,
            limit
        )
        .fetch_all(tx.conn())
        .await
        .map_err(db_error)?;
        return Ok(rows.into_iter().map(|r| (PassageId(r.passage_id), r.similarity as f32)).collect());
    }
    // `is true` keeps the condition from becoming a join, which would sort all passages instead of walking the index in its order.
    let rows = sqlx::query!(
        r#"select e.passage_id, -(e.embedding <#> $2::real[]::vector) as "similarity!" from passage_embeddings e
           where e.model = $1 and (e.document_id in (
               select d.id from documents d where d.collection_id = any ($3) and d.collection_id in (select app.visible_collections()))) is true
           order by e.embedding <#> $2::real[]::vector limit $4"#,
        model,
        query,
        within,
        limit
    )
    .fetch_all(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(rows.into_iter().map(|r| (PassageId(r.passage_id), r.similarity as f32)).collect())
}

/// How similar given passages are to a question; those without a vector are left out.
pub(super) async fn similarities(tx: &mut TenantTx<Read>, model: &str, query: &[f32], passages: &[Uuid]) -> Result<Vec<(PassageId, f32)>> {
    if passages.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query!(
        r#"select e.passage_id, -(e.embedding <#> $2::real[]::vector) as "similarity!" from passage_embeddings e
           where e.model = $1 and e.passage_id = any ($3)"#,
        model,
        query,
        passages
    )
    .fetch_all(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(rows.into_iter().map(|r| (PassageId(r.passage_id), r.similarity as f32)).collect())
}

pub(super) struct StarterRow {
    pub id: Uuid,
    pub slug: String,
    pub content_hash: Vec<u8>,
    pub ready: bool,
}

pub(super) async fn starters(tx: &mut TenantTx<Write>) -> Result<Vec<StarterRow>> {
    sqlx::query_as!(
        StarterRow,
        r#"select id, slug as "slug!", content_hash, state = 'ready' as "ready!" from documents where slug is not null for update"#
    )
    .fetch_all(tx.conn())
    .await
    .map_err(db_error)
}

/// A starter article as it is stored.
pub(super) struct NewStarter<'a> {
    pub id: DocumentId,
    pub collection: CollectionId,
    pub slug: &'a str,
    pub title: &'a str,
    pub authority: &'a str,
    pub identifiers: &'a [String],
    pub content_hash: &'a [u8],
    pub size_bytes: i64,
}

pub(super) async fn upsert_starter(tx: &mut TenantTx<Write>, new: &NewStarter<'_>) -> Result<()> {
    let (title, file_name) = (tx.seal(title_of(new.id.0), new.title)?, tx.seal(file_name_of(new.id.0), format!("{}.md", new.slug))?);
    sqlx::query!(
        "insert into documents (id, collection_id, slug, title, file_name, size_bytes, content_hash, authority, identifiers, state, created_at)
         values ($1, $2, $3, $4, $10, $5, $6, $7, $8, 'indexing', $9)
         on conflict (tenant_id, slug) do update set collection_id = excluded.collection_id, title = excluded.title, size_bytes = excluded.size_bytes,
             content_hash = excluded.content_hash,
             authority = case when documents.appraised_by is null then excluded.authority else documents.authority end, identifiers = excluded.identifiers, state = 'indexing'",
        new.id.0,
        new.collection.0,
        new.slug,
        title,
        new.size_bytes,
        new.content_hash,
        new.authority,
        new.identifiers,
        now(),
        file_name
    )
    .execute(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(())
}

/// Vectors of public texts that are known already, by SHA-256 of the text.
pub(super) async fn public_embeddings(db: &Db, model: &str, hashes: &[Vec<u8>]) -> Result<Vec<(Vec<u8>, Vec<f32>)>> {
    let mut tx = db.platform(PlatformReason::PublicEmbeddings).await?;
    let rows = sqlx::query!(
        r#"select text_hash, embedding::real[] as "embedding!" from directory.public_embeddings where model = $1 and text_hash = any ($2)"#,
        model,
        hashes
    )
    .fetch_all(tx.conn())
    .await
    .map_err(db_error)?;
    Ok(rows.into_iter().map(|r| (r.text_hash, r.embedding)).collect())
}

pub(super) async fn insert_public_embeddings(db: &Db, model: &str, known: &[(Vec<u8>, Vec<f32>)]) -> Result<()> {
    let mut tx = db.platform(PlatformReason::PublicEmbeddings).await?;
    for (hash, vector) in known {
        sqlx::query!(
            "insert into directory.public_embeddings (model, text_hash, embedding) values ($1, $2, $3::real[]::vector) on conflict do nothing",
            model,
            hash,
            vector
        )
        .execute(tx.conn())
        .await
        .map_err(db_error)?;
    }
    tx.commit().await
}
