//! A BM25 index of one tenant's passages in one folder.
//!
//! **Invariants:** what was added is found only after `commit`; a commit is atomic and survives a crash; `delete_document`
//! acts on everything added before it and on nothing added after it, so deleting and adding a document in one commit
//! replaces it. Searching is safe from any number of threads at any time.
//!
//! Memory: passages are read through memory maps. The writer with its buffer and threads exists from the first change to the
//! `commit` or `rollback` that ends it, never while the index is idle.
//!
//! All functions block on the disk: call them off the async threads.

mod clauses;
mod near;
mod phrase;
mod question;
mod schema;
mod scope;
mod score;

use crate::SearchError;
pub use question::Question;
pub(crate) use question::placed;
use schema::{Fields, VERSION};
use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};
use tantivy::{Index, IndexReader, IndexWriter, ReloadPolicy, indexer::IndexWriterOptions};
use vital_kernel::{CollectionId, DocumentId, PassageId};

/// Memory of the writer before it writes a segment, in bytes; close to the least Tantivy accepts.
const WRITER_BYTES: usize = 20_000_000;
/// The file that names the layout, written last when an index is made.
const VERSION_FILE: &str = "vital-layout";

/// A passage as it is put into the index.
#[derive(Clone, Debug)]
pub struct PassageEntry {
    /// The passage.
    pub passage: PassageId,
    /// The document it belongs to.
    pub document: DocumentId,
    /// The collection of the document.
    pub collection: CollectionId,
    /// The title of the document.
    pub title: String,
    /// The headings above the passage, outermost first, in any spelling.
    pub headings: String,
    /// The words of the passage.
    pub body: String,
}

/// Which passages a search may return. What is left out has no part in the scores of the rest either.
#[derive(Clone, Copy, Debug)]
pub enum Filter<'a> {
    /// Every passage of the index.
    All,
    /// Those of the given documents.
    Documents(&'a HashSet<DocumentId>),
    /// Those of the given collections.
    Collections(&'a HashSet<CollectionId>),
}

/// A passage with its lexical score (no upper limit).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit {
    /// The passage.
    pub passage: PassageId,
    /// The document it belongs to.
    pub document: DocumentId,
    /// BM25, and what nearness adds where it is asked for.
    pub score: f32,
    /// What nearness adds.
    pub near: f32,
}

/// What was found for a question.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// The passages, best first; those of equal score in the order of their ids.
    pub hits: Vec<Hit>,
    /// The best BM25 score as a share of what a passage full of the question's words would have, 0 to 1. Words that no passage holds count
    /// against it.
    pub reach: f32,
}

/// How a term is written in the index, where it is not written as it is: a keyed hash, of which the term cannot be learned. The same term
/// must always give the same text.
pub type TermHash = Box<dyn Fn(&str) -> String + Send + Sync>;

/// The index of one tenant.
pub struct LexicalIndex {
    index: Index,
    reader: IndexReader,
    fields: Fields,
    hash: Option<TermHash>,
    writer: Mutex<Option<IndexWriter>>,
}

impl LexicalIndex {
    /// Opens the index in a folder, or makes an empty one where there is none.
    ///
    /// # Errors
    /// `WrongVersion` and `Damaged` mean that the owner has to call [`LexicalIndex::recreate`] and add every passage again.
    pub fn open(dir: &Path) -> Result<Self, SearchError> {
        fs::create_dir_all(dir)?;
        let damaged = |detail: String| SearchError::Damaged { dir: dir.to_owned(), detail };
        let index = match fs::read_to_string(dir.join(VERSION_FILE)) {
            Ok(found) if found.trim() == VERSION => Index::open_in_dir(dir).map_err(|e| damaged(e.to_string()))?,
            Ok(found) => {
                return Err(SearchError::WrongVersion {
                    dir: dir.to_owned(),
                    found: found.trim().chars().take(40).collect(),
                    expected: VERSION,
                });
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound && fs::read_dir(dir)?.next().is_none() => {
                let index = Index::create_in_dir(dir, Fields::schema().0)?;
                fs::write(dir.join(VERSION_FILE), VERSION)?;
                index
            }
            Err(e) if e.kind() == std::io::ErrorKind::InvalidData || e.kind() == std::io::ErrorKind::NotFound => {
                return Err(damaged("its layout marker is missing or unreadable".into()));
            }
            Err(e) => return Err(e.into()),
        };
        if index.schema() != Fields::schema().0 {
            return Err(damaged("its fields are not those of its layout".into()));
        }
        Self::over(index).map_err(|e| damaged(e.to_string()))
    }

    /// Removes whatever the folder holds and makes an empty index there. The folder must be the index's own.
    ///
    /// # Errors
    /// When the folder cannot be removed or written.
    pub fn recreate(dir: &Path) -> Result<Self, SearchError> {
        match fs::remove_dir_all(dir) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e.into()),
            _ => Self::open(dir),
        }
    }

    /// Makes an empty index in memory, for evaluations and tests.
    ///
    /// # Errors
    /// When its reader cannot be made.
    pub fn in_memory() -> Result<Self, SearchError> {
        Ok(Self::over(Index::create_in_ram(Fields::schema().0))?)
    }

    fn over(index: Index) -> tantivy::Result<Self> {
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).doc_store_cache_num_blocks(0).try_into()?;
        Ok(Self { index, reader, fields: Fields::schema().1, hash: None, writer: Mutex::new(None) })
    }

    /// Writes and looks up terms by their hash, so that the files hold no words. An index is used with one hash for all its life.
    #[must_use]
    pub fn hashed_by(self, hash: TermHash) -> Self {
        Self { hash: Some(hash), ..self }
    }

    fn written(&self, term: &str) -> String {
        self.hash.as_ref().map_or_else(|| term.to_owned(), |hash| hash(term))
    }

    /// Reads every file of the index and compares checksums: takes about a second for each gigabyte.
    ///
    /// # Errors
    /// `Damaged` when a file is not what was written.
    pub fn verify(&self, dir: &Path) -> Result<(), SearchError> {
        let broken = self.index.validate_checksum()?;
        match broken.iter().min() {
            None => Ok(()),
            Some(file) => Err(SearchError::Damaged {
                dir: dir.to_owned(),
                detail: format!("`{}` is not what was written", PathBuf::from(file).display()),
            }),
        }
    }

    /// Adds passages; they are found after the next commit. An id that is already there is added a second time.
    ///
    /// # Errors
    /// `Locked` when another process writes; other failures lose the changes since the last commit.
    pub fn add(&self, passages: &[PassageEntry]) -> Result<(), SearchError> {
        self.change(|writer| {
            for passage in passages {
                writer.add_document(self.fields.document(passage, |term| self.written(term)))?;
            }
            Ok(())
        })
    }

    /// Removes the passages of a document that were added so far, effective with the next commit.
    ///
    /// # Errors
    /// As [`LexicalIndex::add`].
    pub fn delete_document(&self, document: DocumentId) -> Result<(), SearchError> {
        self.change(|writer| {
            writer.delete_term(self.fields.document_term(document));
            Ok(())
        })
    }

    /// Removes everything, effective with the next commit.
    ///
    /// # Errors
    /// As [`LexicalIndex::add`].
    pub fn clear(&self) -> Result<(), SearchError> {
        self.change(|writer| writer.delete_all_documents().map(drop))
    }

    /// Makes all changes durable and visible, merges small segments and lets the writer's memory go.
    ///
    /// # Errors
    /// On failure the changes since the last commit are lost and have to be made again.
    pub fn commit(&self) -> Result<(), SearchError> {
        let mut slot = self.writer();
        if let Some(mut writer) = slot.take() {
            writer.commit()?;
            self.reader.reload()?;
            writer.wait_merging_threads()?;
        }
        Ok(self.reader.reload()?)
    }

    /// Forgets the changes since the last commit and lets the writer's memory go.
    ///
    /// # Errors
    /// When the disk fails; the committed state stays as it was.
    pub fn rollback(&self) -> Result<(), SearchError> {
        if let Some(mut writer) = self.writer().take() {
            writer.rollback()?;
        }
        Ok(())
    }

    /// Number of passages that can be found.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.reader.searcher().num_docs()
    }

    /// Tells whether no passage can be found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Finds the passages that fit the words of a question best by BM25, best first; those of equal score in the order of their ids.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn search(&self, query: &str, limit: usize, filter: Filter<'_>) -> Result<Vec<Hit>, SearchError> {
        Ok(self.ask(&Question::words(query), limit, filter)?.hits)
    }

    /// Finds the passages that fit a question best.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn ask(&self, question: &Question, limit: usize, filter: Filter<'_>) -> Result<Found, SearchError> {
        let question = question.written(|term| self.written(term));
        Ok(score::search(&self.reader.searcher(), &self.fields, &question, limit, filter)?)
    }

    /// The scores that [`LexicalIndex::ask`] would give to certain passages, best first; 0 for those that share nothing with the question.
    /// Passages that the filter hides, that lack a quoted phrase or that are not in the index are left out.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn scores_of(&self, question: &Question, passages: &[PassageId], filter: Filter<'_>) -> Result<Vec<Hit>, SearchError> {
        let question = question.written(|term| self.written(term));
        Ok(score::scores_of(&self.reader.searcher(), &self.fields, &question, passages, filter)?)
    }

    fn writer(&self) -> MutexGuard<'_, Option<IndexWriter>> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a change with the writer, which is made if there is none; a failed writer is given up with its changes.
    fn change(&self, make: impl FnOnce(&IndexWriter) -> tantivy::Result<()>) -> Result<(), SearchError> {
        let mut slot = self.writer();
        let writer = match slot.take() {
            Some(writer) => writer,
            None => {
                let options =
                    IndexWriterOptions::builder().memory_budget_per_thread(WRITER_BYTES).num_worker_threads(1).num_merge_threads(1).build();
                self.index.writer_with_options(options)?
            }
        };
        make(&writer)?;
        *slot = Some(writer);
        Ok(())
    }
}

#[cfg(test)]
mod question_tests;
#[cfg(test)]
mod tests;
