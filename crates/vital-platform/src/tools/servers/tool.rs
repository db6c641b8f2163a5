//! The tools of a server as people see them: what it tells, what was approved, and how the two differ.

use super::{approved_of, store, told_of};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use utoipa::ToSchema;
use vital_kernel::{Error, Result, ToolServerId};
use vital_mcp_client::Definition;
use vital_store::TenantTx;

/// Longest name of a tool that all model providers take, in bytes.
const OFFERED_BYTES_MAX: usize = 64;
/// Digits that tell apart names that had to be changed.
const MARK_DIGITS: usize = 8;

/// Where a tool stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ToolState {
    /// The server tells it, and nobody has approved it yet.
    New,
    /// What the server tells is what was approved: experts may be granted it.
    Approved,
    /// The server tells something else than what was approved, so it is withdrawn until it is approved again.
    Changed,
    /// The server tells it no more, so it is withdrawn.
    Gone,
}

/// One definition of a tool. All of it was written by the server.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ToolVersion {
    /// SHA-256 of the definition, in hexadecimal digits: what is approved.
    pub digest: String,
    /// Its name for people; empty where it has none.
    pub title: String,
    /// What it says it does: what a model is given.
    pub description: String,
    /// The schema of its arguments.
    pub input_schema: Value,
    /// The schema of its results.
    pub output_schema: Option<Value>,
    /// Whether the server says that it changes nothing.
    pub says_read_only: bool,
    /// Whether the server says, or does not deny, that it may destroy something.
    pub says_destructive: bool,
}

impl ToolVersion {
    fn of(definition: Definition) -> Self {
        Self {
            digest: hex::encode(definition.digest()),
            title: definition.title,
            description: definition.description,
            input_schema: definition.input_schema,
            output_schema: definition.output_schema,
            says_read_only: definition.hints.read_only,
            says_destructive: definition.hints.destructive && !definition.hints.read_only,
        }
    }
}

/// A tool of a server.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SeenTool {
    /// Its name at the server.
    pub name: String,
    /// The name that it is offered under.
    pub offered_as: String,
    /// Where it stands.
    pub state: ToolState,
    /// What the server told last; none where it tells the tool no more.
    pub told: Option<ToolVersion>,
    /// What was approved; none where nothing was.
    pub approved: Option<ToolVersion>,
    /// When it was approved (RFC 3339).
    #[serde(with = "time::serde::rfc3339::option")]
    pub approved_at: Option<OffsetDateTime>,
    /// Whether a person has to agree to every call.
    pub writes: bool,
}

impl store::ToolRow {
    pub(super) fn state(&self) -> ToolState {
        match (&self.digest, &self.approved_digest) {
            (None, _) => ToolState::Gone,
            (Some(_), None) => ToolState::New,
            (Some(told), Some(approved)) if told == approved => ToolState::Approved,
            (Some(_), Some(_)) => ToolState::Changed,
        }
    }

    pub(super) fn told<M>(&self, tx: &TenantTx<M>) -> Result<Option<Definition>> {
        self.definition.as_deref().map(|sealed| tx.open_json(told_of(self.id), sealed)).transpose()
    }

    /// What was approved. That it has the number that was approved is checked again: a definition that somebody put in its place is none.
    pub(super) fn approved<M>(&self, tx: &TenantTx<M>) -> Result<Option<Definition>> {
        let Some((sealed, digest)) = self.approved_definition.as_deref().zip(self.approved_digest.as_deref()) else { return Ok(None) };
        let definition: Definition = tx.open_json(approved_of(self.id), sealed)?;
        if definition.digest().as_slice() != digest {
            return Err(Error::internal("an approved definition of a tool has another number than the one that was approved"));
        }
        Ok(Some(definition))
    }
}

/// The tools of some servers, by name.
pub(super) async fn of_servers<M>(
    tx: &mut TenantTx<M>,
    servers: &[store::ServerRow],
    only: Option<ToolServerId>,
) -> Result<Vec<(ToolServerId, SeenTool)>> {
    let mut seen = Vec::new();
    for row in store::tools(tx, only).await? {
        let Some(server) = servers.iter().find(|server| server.id == row.server) else { continue };
        let tool = SeenTool {
            offered_as: offered_as(&server.slug, &row.name),
            state: row.state(),
            told: row.told(tx)?.map(ToolVersion::of),
            approved: row.approved(tx)?.map(ToolVersion::of),
            approved_at: row.approved_at,
            writes: row.writes,
            name: row.name,
        };
        seen.push((row.server, tool));
    }
    Ok(seen)
}

/// The name that a tool is offered under, which every model provider takes. A name that has to be changed for that gets a mark made of the
/// whole name, so that no two tools of a server share one.
pub(super) fn offered_as(slug: &str, name: &str) -> String {
    let whole = format!("{slug}__{name}");
    if whole.len() <= OFFERED_BYTES_MAX && !name.contains('.') {
        return whole;
    }
    let mark = hex::encode(Sha256::digest(name.as_bytes()));
    let plain: String = whole.replace('.', "_").chars().take(OFFERED_BYTES_MAX - MARK_DIGITS - 1).collect();
    format!("{plain}_{}", &mark[..MARK_DIGITS])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_fit_all_model_providers_and_stay_apart() {
        assert_eq!(offered_as("eln", "get_entry"), "eln__get_entry");
        let long = "x".repeat(128);
        let names = ["a.b", "a_b", "a..b", &long, &long[1..], &format!("{}y", &long[..127])];
        let offered: BTreeSet<String> = names.iter().map(|name| offered_as("a-very-long-name-of-a-se", name)).collect();
        assert_eq!(offered.len(), names.len());
        for name in offered {
            assert!(
                name.len() <= OFFERED_BYTES_MAX && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')),
                "{name}"
            );
        }
    }
}
