//! The starter library: articles of `catalogue/library`, embedded in the binary and seeded into every tenant idempotently.

use super::{OWN_COLLECTION, ingest::cut, store};
use crate::Platform;
use include_dir::{Dir, include_dir};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use vital_documents::ParseLimits;
use vital_kernel::{AuditAction, AuditEntry, DocumentId, Error, OpContext, Result};
use vital_store::JobKind;

static LIBRARY: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../catalogue/library");

/// Names of the starter collections by slug.
const COLLECTIONS: [(&str, &str); 8] = [
    ("regulatory", "Regulatory"),
    ("clinical", "Clinical development"),
    ("safety", "Safety"),
    ("medical-affairs", "Medical affairs"),
    ("market-access", "Market access"),
    ("evidence", "Evidence"),
    ("product", "Product development"),
    ("quality", "Quality"),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FrontMatter {
    slug: String,
    title: String,
    collection: String,
    authority: String,
    identifiers: Vec<String>,
    #[expect(dead_code, reason = "the catalogue test reads it; the product shows the release date")]
    reviewed: String,
}

struct Article {
    front: FrontMatter,
    bytes: &'static [u8],
}

fn articles() -> Result<Vec<Article>> {
    let mut files: Vec<_> = LIBRARY.dirs().flat_map(Dir::files).filter(|f| f.path().extension().is_some_and(|e| e == "md")).collect();
    files.sort_by_key(|f| f.path());
    let article = |f: &'static include_dir::File<'static>| {
        let text = f.contents_utf8()?;
        let front = text.strip_prefix("+++\n")?.split_once("\n+++")?.0;
        Some(Article { front: toml::from_str(front).ok()?, bytes: f.contents() })
    };
    files
        .into_iter()
        .map(|f| article(f).ok_or_else(|| Error::internal(format!("the article {} has no readable front matter", f.path().display()))))
        .collect()
}

/// Brings the starter library of a tenant up to date. Running it again changes nothing.
///
/// # Errors
/// `Unavailable` when the database does not answer; what was stored before stays.
pub(crate) async fn seed(p: &Platform, cx: &OpContext) -> Result<()> {
    let mut tx = p.db.write(cx).await?;
    store::collections::insert_common(&mut tx, OWN_COLLECTION, "Own documents", false).await?;
    let known = store::starters(&mut tx).await?;
    let mut entries = Vec::new();
    let mut changed = Vec::new();
    for article in articles()? {
        let hash: [u8; 32] = Sha256::digest(article.bytes).into();
        let found = known.iter().find(|k| k.slug == article.front.slug);
        if found.is_some_and(|k| k.content_hash == hash && k.ready) {
            continue;
        }
        let id = found.map_or_else(DocumentId::new, |k| DocumentId(k.id));
        store_article(&mut tx, id, &article, &hash).await?;
        entries.push(AuditEntry::new(AuditAction::DocumentAdded, "document", id));
        changed.push(id);
    }
    tx.commit_all(entries).await?;
    if changed.is_empty() {
        return Ok(());
    }
    p.indexes.put_documents(p, cx, &changed).await?;
    let mut tx = p.db.write(cx).await?;
    let mut entries = Vec::new();
    for id in changed {
        store::set_state(&mut tx, id, super::DocumentState::Ready).await?;
        tx.enqueue(JobKind::EmbedDocument, id.0).await?;
        entries.push(AuditEntry::new(AuditAction::DocumentIngested, "document", id));
    }
    tx.commit_all(entries).await?;
    p.work_waiting.notify_one();
    Ok(())
}

async fn store_article(tx: &mut vital_store::TenantTx<vital_store::Write>, id: DocumentId, article: &Article, hash: &[u8]) -> Result<()> {
    let front = &article.front;
    let name = COLLECTIONS.iter().find(|(slug, _)| *slug == front.collection).map_or(front.collection.as_str(), |(_, name)| name);
    let collection = store::collections::insert_common(tx, &front.collection, name, true).await?;
    let new = store::NewStarter {
        id,
        collection,
        slug: &front.slug,
        title: &front.title,
        authority: &front.authority,
        identifiers: &front.identifiers,
        content_hash: hash,
        size_bytes: i64::try_from(article.bytes.len()).map_err(Error::internal)?,
    };
    store::upsert_starter(tx, &new).await?;
    let parsed = vital_documents::parse(&format!("{}.md", front.slug), article.bytes, &ParseLimits::default()).map_err(Error::internal)?;
    // Estimated, so that the passages of the starter library are the same whether the model is loaded by then or not.
    let passages = cut(&parsed, None)?;
    let version: [u8; 32] = Sha256::digest(parsed.text.as_bytes()).into();
    store::store_text(tx, id, &front.title, &parsed, &version, &passages).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    const AUTHORITIES: [&str; 5] = ["regulator", "standards-body", "professional-body", "peer-reviewed", "institution"];

    #[test]
    fn every_article_keeps_the_rules_of_the_catalogue() {
        let all = articles().unwrap();
        assert!(all.len() >= 60, "{} articles", all.len());
        let slugs: HashSet<&str> = all.iter().map(|a| a.front.slug.as_str()).collect();
        assert_eq!(slugs.len(), all.len(), "slugs are unique");
        for a in &all {
            let f = &a.front;
            assert!(
                LIBRARY.get_file(format!("{}/{}.md", f.collection, f.slug)).is_some(),
                "{} does not stand where its front matter says",
                f.slug
            );
            assert!(COLLECTIONS.iter().any(|(slug, _)| *slug == f.collection), "{}: collection", f.slug);
            assert!(AUTHORITIES.contains(&f.authority.as_str()), "{}: authority {}", f.slug, f.authority);
            assert!(!f.identifiers.is_empty(), "{}: identifiers", f.slug);
        }
    }

    #[test]
    fn no_sentence_of_the_library_leans_on_the_one_before() {
        let leaning = ["It ", "This ", "They ", "These ", "However", "Also ", "In addition", "Therefore", "Moreover"];
        for a in articles().unwrap() {
            let parsed = vital_documents::parse("a.md", a.bytes, &ParseLimits::default()).unwrap();
            for range in vital_documents::sentences(&parsed.text) {
                let sentence = &parsed.text[range];
                assert!(!leaning.iter().any(|l| sentence.starts_with(l)), "{}: `{sentence}`", a.front.slug);
            }
        }
    }
}
