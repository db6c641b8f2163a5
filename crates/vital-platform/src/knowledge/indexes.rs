//! The lexical indexes, one directory a tenant, holding keyed hashes of words and no words, opened when first needed and rebuilt from the database when lost, damaged or out of step.

use super::store;
use crate::Platform;
use moka::sync::Cache;
use std::{path::PathBuf, sync::Arc};
use tokio::sync::Mutex;
use uuid::Uuid;
use vital_kernel::{CollectionId, DocumentId, Error, OpContext, PassageId, Result, TenantId};
use vital_search::{LexicalIndex, PassageEntry, SearchError};

/// Tenants whose index is open at once; the least used are closed first.
const OPEN_MAX: u64 = 64;
/// Passages read from the database at a time while rebuilding.
const REBUILD_BATCH: i64 = 2_000;

/// The indexes of all tenants.
pub struct Indexes {
    folder: PathBuf,
    open: Cache<TenantId, Arc<LexicalIndex>>,
    opening: Mutex<()>,
}

impl Indexes {
    /// Indexes under a folder, which is made when first needed.
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder, open: Cache::builder().max_capacity(OPEN_MAX).build(), opening: Mutex::new(()) }
    }

    /// The index of the context's tenant.
    pub(crate) async fn of(&self, p: &Platform, cx: &OpContext) -> Result<Arc<LexicalIndex>> {
        if let Some(index) = self.open.get(&cx.tenant()) {
            return Ok(index);
        }
        let _one_at_a_time = self.opening.lock().await;
        if let Some(index) = self.open.get(&cx.tenant()) {
            return Ok(index);
        }
        let dir = self.folder.join(cx.tenant().to_string());
        let keys = p.db.keys(cx).await?;
        let (index, intact) = blocking(move || open_or_recreate(&dir)).await?;
        let index = Arc::new(index.hashed_by(Box::new(move |term| hex::encode(keys.hashed_word(term)))));
        let expected = store::ready_passages(&mut p.db.read(cx).await?).await?;
        if !intact || i64::try_from(index.len()).ok() != Some(expected) {
            rebuild(p, cx, &index).await?;
        }
        self.open.insert(cx.tenant(), index.clone());
        Ok(index)
    }

    /// Removes the index of a tenant that is erased.
    pub(crate) async fn erase(&self, tenant: TenantId) -> Result<()> {
        self.open.invalidate(&tenant);
        match tokio::fs::remove_dir_all(self.folder.join(tenant.to_string())).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::unavailable(
                "index.kept",
                "The search index of the organisation could not be removed. Run the command again when the data folder can be written.",
            )
            .with_source(error)),
            _ => Ok(()),
        }
    }

    /// Takes a document out of the index. The database has decided already; a failure here costs a little recall of others at most.
    pub(crate) async fn forget_document(&self, p: &Platform, cx: &OpContext, document: DocumentId) {
        let forget = async {
            let index = self.of(p, cx).await?;
            blocking(move || index.delete_document(document).and_then(|()| index.commit())).await
        };
        if let Err(error) = forget.await {
            tracing::warn!(%error, %document, "a deleted document stays in the index until it is rebuilt");
        }
    }

    /// Puts the passages of documents into the index, in place of what was there of them.
    pub(crate) async fn put_documents(&self, p: &Platform, cx: &OpContext, documents: &[DocumentId]) -> Result<()> {
        let index = self.of(p, cx).await?;
        let (target, gone) = (index.clone(), documents.to_vec());
        blocking(move || gone.into_iter().try_for_each(|d| target.delete_document(d))).await?;
        add_all(p, cx, &index, Some(documents)).await
    }
}

fn open_or_recreate(dir: &std::path::Path) -> Result<(LexicalIndex, bool), SearchError> {
    match LexicalIndex::open(dir) {
        Ok(index) => Ok((index, true)),
        Err(error) => {
            tracing::warn!(%error, "the index cannot be used and is rebuilt from the database");
            LexicalIndex::recreate(dir).map(|index| (index, false))
        }
    }
}

async fn rebuild(p: &Platform, cx: &OpContext, index: &Arc<LexicalIndex>) -> Result<()> {
    let target = index.clone();
    blocking(move || target.clear()).await?;
    add_all(p, cx, index, None).await
}

async fn add_all(p: &Platform, cx: &OpContext, index: &Arc<LexicalIndex>, documents: Option<&[DocumentId]>) -> Result<()> {
    let mut after = Uuid::nil();
    loop {
        let rows = store::passages_after(&mut p.db.read(cx).await?, documents, after, REBUILD_BATCH).await?;
        let Some(last) = rows.last() else { break };
        after = last.id;
        let entries: Vec<PassageEntry> = rows
            .into_iter()
            .map(|r| PassageEntry {
                passage: PassageId(r.id),
                document: DocumentId(r.document_id),
                collection: CollectionId(r.collection_id),
                title: r.title,
                headings: r.heading_path.join(" "),
                body: r.body,
            })
            .collect();
        let target = index.clone();
        blocking(move || target.add(&entries)).await?;
    }
    let target = index.clone();
    blocking(move || target.commit()).await
}

/// Runs index work off the async threads and maps its failure.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, SearchError> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(Error::internal)?.map_err(|e| {
        Error::unavailable("index.unavailable", "The search index cannot be written or read at the moment, perhaps because the data folder is full. Nothing was lost; try again.").with_source(e)
    })
}
