//! Collections: sets of documents with an owner and an access.
//!
//! **Invariants:** whoever may read a collection may, with the permission to add documents, also add and remove its documents; only its owner
//! may share, rename or delete it, or somebody who manages collections and has just proved a second factor. Managing shows names and access
//! of all collections and never their documents. The starter library and the organisation's common collection stay open to everybody in it.

use super::{
    OWN_COLLECTION,
    access::{Access, Sharing, unknown_group},
    store,
};
use crate::Platform;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use vital_kernel::{AuditAction, AuditEntry, CollectionId, Error, GroupId, OpContext, Permission, Result, limits};
use vital_store::{TenantTx, Write};

/// A set of documents that the caller may read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Collection {
    /// Id in this tenant.
    #[schema(value_type = uuid::Uuid)]
    pub id: CollectionId,
    /// Stable name.
    pub slug: String,
    /// Name.
    pub name: String,
    /// True for the library that ships with the product.
    pub starter: bool,
    /// Number of its documents.
    pub documents: i64,
    /// Who may read it.
    pub access: Access,
    /// Whether it belongs to the caller.
    pub owned: bool,
}

/// Who may read a collection, for those who decide it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CollectionAccess {
    /// Stable name.
    pub slug: String,
    /// Name.
    pub name: String,
    /// Who may read it.
    pub access: Access,
    /// Whether it belongs to the caller.
    pub owned: bool,
    /// Name of its owner; none for what belongs to the organisation.
    pub owner: Option<String>,
    /// The groups it is shared with.
    #[schema(value_type = Vec<uuid::Uuid>)]
    pub groups: Vec<GroupId>,
    /// True where the access cannot be changed: the starter library and the organisation's common collection.
    pub fixed: bool,
}

/// A collection to be made.
#[derive(Clone, Debug)]
pub struct NewCollection {
    /// Its name.
    pub name: String,
    /// Who may read it beside its owner.
    pub sharing: Sharing,
}

/// What is to change of a collection.
#[derive(Clone, Debug, Default)]
pub struct CollectionChange {
    /// Another name.
    pub name: Option<String>,
    /// Another access.
    pub sharing: Option<Sharing>,
}

/// Lists the collections that the caller may read, the organisation's own first.
///
/// # Errors
/// `Forbidden` without the permission to read documents.
pub async fn collections(p: &Platform, cx: &OpContext) -> Result<Vec<Collection>> {
    cx.require(Permission::DocumentRead)?;
    store::collections::list(&mut p.db.read(cx).await?).await
}

/// Lists who may read what, as far as the caller decides it: own collections, and all of them for those who manage collections.
///
/// # Errors
/// `Forbidden` without the permission to make collections.
pub async fn collections_admin(p: &Platform, cx: &OpContext) -> Result<Vec<CollectionAccess>> {
    cx.require(Permission::CollectionWrite)?;
    store::collections::access(&mut p.db.read(cx).await?, cx.may(Permission::CollectionManage), None).await
}

/// Makes an empty collection that belongs to the caller.
///
/// # Errors
/// `Invalid` for the name or the groups, `NotFound` for an unknown group, `Conflict` when the caller has one of that name or the
/// organisation has as many as it may have.
pub async fn create_collection(p: &Platform, cx: &OpContext, new: NewCollection) -> Result<CollectionAccess> {
    cx.require(Permission::CollectionWrite)?;
    let owner = cx.require_user()?;
    let name = valid_name(&new.name)?;
    let sharing = new.sharing.checked()?;
    let id = CollectionId::new();
    let slug = slug_of(&name, id);
    let mut tx = p.db.write(cx).await?;
    if store::collections::count(&mut tx).await? >= limits::COLLECTIONS_MAX {
        return Err(Error::conflict(
            "collection.too_many",
            format!(
                "Your organisation has {} collections, the most it may have. Nothing was stored; delete empty ones first.",
                limits::COLLECTIONS_MAX
            ),
        ));
    }
    if !store::collections::insert_owned(&mut tx, id, &slug, &name, owner, sharing.access).await? {
        return Err(name_taken());
    }
    if !store::collections::replace_grants(&mut tx, id, &sharing.groups).await? {
        return Err(unknown_group());
    }
    tx.commit(AuditEntry::new(AuditAction::CollectionCreated, "collection", id).fields(&["name", "access", "groups"])).await?;
    access_of(p, cx, &slug).await
}

/// Renames a collection or changes who may read it, or both at once. Takes effect with the next request of everybody.
///
/// # Errors
/// `NotFound` for what the caller can neither read nor manage, `Forbidden` for somebody else's collection without managing collections and a
/// fresh second factor, `Conflict` for the starter library and the common collection, `Invalid` for name or groups.
pub async fn change_collection(p: &Platform, cx: &OpContext, slug: &str, change: CollectionChange) -> Result<CollectionAccess> {
    cx.require(Permission::CollectionWrite)?;
    let name = change.name.as_deref().map(valid_name).transpose()?;
    let sharing = change.sharing.map(Sharing::checked).transpose()?;
    let mut tx = p.db.write(cx).await?;
    let id = governed(&mut tx, cx, slug).await?;
    let mut entries = Vec::new();
    if let Some(name) = name {
        if !store::collections::rename(&mut tx, id, &name).await? {
            return Err(name_taken());
        }
        entries.push(AuditEntry::new(AuditAction::CollectionRenamed, "collection", id).fields(&["name"]));
    }
    if let Some(sharing) = sharing {
        store::collections::set_access(&mut tx, id, sharing.access).await?;
        if !store::collections::replace_grants(&mut tx, id, &sharing.groups).await? {
            return Err(unknown_group());
        }
        entries.push(AuditEntry::new(AuditAction::CollectionShared, "collection", id).fields(&["access", "groups"]));
    }
    tx.commit_all(entries).await?;
    access_of(p, cx, slug).await
}

/// Deletes an empty collection.
///
/// # Errors
/// Those of `change_collection`; `Conflict` while it holds documents, with their number.
pub async fn delete_collection(p: &Platform, cx: &OpContext, slug: &str) -> Result<()> {
    cx.require(Permission::CollectionWrite)?;
    let mut tx = p.db.write(cx).await?;
    let id = governed(&mut tx, cx, slug).await?;
    match store::collections::documents_in(&mut tx, id).await? {
        0 => store::collections::delete(&mut tx, id).await?,
        n => {
            return Err(Error::conflict(
                "collection.not_empty",
                format!(
                    "This collection holds {n} document{}. Nothing was deleted; delete the documents first.",
                    if n == 1 { "" } else { "s" }
                ),
            ));
        }
    }
    tx.commit(AuditEntry::new(AuditAction::CollectionDeleted, "collection", id)).await
}

/// Locks a collection that the caller may change.
async fn governed(tx: &mut TenantTx<Write>, cx: &OpContext, slug: &str) -> Result<CollectionId> {
    let found =
        store::collections::lock(tx, slug).await?.filter(|c| c.visible || cx.may(Permission::CollectionManage)).ok_or_else(unknown)?;
    if found.starter || slug == OWN_COLLECTION {
        return Err(Error::conflict(
            "collection.fixed",
            "This collection belongs to the whole organisation and stays open to everybody in it. Nothing was changed; make a collection of your own.",
        ));
    }
    if found.owner.is_none() || found.owner != cx.user() {
        cx.require(Permission::CollectionManage)?;
        cx.require_step_up()?;
    }
    Ok(found.id)
}

async fn access_of(p: &Platform, cx: &OpContext, slug: &str) -> Result<CollectionAccess> {
    let all = cx.may(Permission::CollectionManage);
    store::collections::access(&mut p.db.read(cx).await?, all, Some(slug)).await?.pop().ok_or_else(unknown)
}

fn unknown() -> Error {
    Error::not_found("collection.unknown", "There is no such collection, or it is not yours to see. Nothing was changed.")
}

fn name_taken() -> Error {
    Error::conflict("collection.name_taken", "A collection of this owner has this name already. Nothing was changed; choose another name.")
        .with_field("/name", "Choose another name.")
}

fn valid_name(name: &str) -> Result<String> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > limits::COLLECTION_NAME_CHARS_MAX || name.chars().any(char::is_control) {
        let detail = format!("A collection needs a name of 1 to {} ordinary characters.", limits::COLLECTION_NAME_CHARS_MAX);
        return Err(Error::invalid("collection.name", format!("{detail} Nothing was changed.")).with_field("/name", detail));
    }
    Ok(name.to_owned())
}

/// The stable name of a new collection: its first words, and an end taken from its id. The end is always there: if it came only where a slug
/// is taken, it would tell that somebody has a collection of that name.
fn slug_of(name: &str, id: CollectionId) -> String {
    let words: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { ' ' }).take(40).collect();
    let mut parts: Vec<&str> = words.split_whitespace().collect();
    let id = id.0.simple().to_string();
    parts.push(id.get(24..).unwrap_or_default());
    parts.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slug_keeps_the_words_of_the_name_and_always_ends_in_its_own_way() {
        let (one, other) = (CollectionId::new(), CollectionId::new());
        let slug = slug_of("  Dose finding: Phase I/II (2026) ", one);
        assert!(slug.starts_with("dose-finding-phase-i-ii-2026-"), "{slug}");
        assert_ne!(slug, slug_of("  Dose finding: Phase I/II (2026) ", other));
        assert_eq!(slug_of("Übersicht", one).split('-').count(), 2);
        assert_eq!(slug_of("日本", one).len(), 8);
        assert!(slug_of(&"x".repeat(120), one).len() <= 50);
    }

    #[test]
    fn names_are_trimmed_and_must_be_readable() {
        assert_eq!(valid_name("  Trials ").unwrap(), "Trials");
        for bad in ["", "  ", "a\u{7}b", &"n".repeat(121)] {
            assert_eq!(valid_name(bad).unwrap_err().code(), "collection.name", "{bad:?}");
        }
    }
}
