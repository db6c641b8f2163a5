//! Tool servers: what is known of one, and how it is connected, changed and removed.

use super::{Faults, SeenTool, reading::CheckState, secret_of, store, tool, unknown};
use crate::{Platform, identity::GivenSecret};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use vital_kernel::{AuditAction, AuditEntry, Error, OpContext, Permission, Result, ToolServerId, limits, now};
use vital_keys::SecretText;
use vital_mcp_client::{Auth, SECRET_BYTES_MAX, may_be_named};
use vital_store::{TenantTx, Write};

/// Longest stable name, in bytes; what stands before the names of tools leaves them room.
const SLUG_BYTES_MAX: usize = 24;
/// Longest address, in bytes.
const ADDRESS_BYTES_MAX: usize = 500;
/// What an address must be.
const ADDRESS: &str = "Write the address at which the server takes requests, often ending in `/mcp`: it begins with `https://`, has no user name, and lies on port 443 of a public host, unless whoever runs the platform allows it.";

/// What a tool server is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ToolServerAuth {
    /// Nothing.
    None,
    /// A token, as `Authorization: Bearer …`.
    Bearer,
    /// A secret in a header of its own.
    Header,
}

impl ToolServerAuth {
    /// All ways.
    pub const ALL: [Self; 3] = [Self::None, Self::Bearer, Self::Header];

    /// The stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Bearer => "bearer",
            Self::Header => "header",
        }
    }

    /// The way of a stable name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|auth| auth.as_str() == name)
    }
}

/// A tool server of the organisation.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ToolServer {
    /// Its id.
    #[schema(value_type = uuid::Uuid)]
    pub id: ToolServerId,
    /// What stands before the names of its tools; it never changes.
    pub slug: String,
    /// What people call it.
    pub name: String,
    /// Where it is.
    pub address: String,
    /// What it is shown.
    pub auth: ToolServerAuth,
    /// The header that the secret goes in, for `header`.
    pub auth_header: Option<String>,
    /// Whether there is a secret; it is never shown.
    pub has_secret: bool,
    /// Since when the present secret is there (RFC 3339).
    #[serde(with = "time::serde::rfc3339::option")]
    pub secret_set_at: Option<OffsetDateTime>,
    /// Whether its approved tools are offered.
    pub enabled: bool,
    /// When it last told its tools (RFC 3339).
    #[serde(with = "time::serde::rfc3339::option")]
    pub read_at: Option<OffsetDateTime>,
    /// When it was last tested (RFC 3339).
    #[serde(with = "time::serde::rfc3339::option")]
    pub checked_at: Option<OffsetDateTime>,
    /// What that test found.
    pub check_state: Option<CheckState>,
    /// Its tools, by name.
    pub tools: Vec<SeenTool>,
    /// Since when it is connected (RFC 3339).
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it was last changed (RFC 3339).
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
}

/// A tool server to be connected.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewToolServer {
    /// What people call it, 1 to 80 characters.
    pub name: String,
    /// What stands before the names of its tools: 1 to 24 lower-case letters, digits and hyphens. Left out: made of the name. It never changes.
    pub slug: Option<String>,
    /// Where it is.
    pub address: String,
    /// What it is shown.
    pub auth: ToolServerAuth,
    /// The header that the secret goes in, for `header`.
    pub auth_header: Option<String>,
    /// The secret, for `bearer` and `header`.
    #[schema(value_type = Option<String>)]
    pub secret: Option<GivenSecret>,
}

/// What shall change of a tool server; what is left out stays.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ToolServerChange {
    /// Another name.
    pub name: Option<String>,
    /// Another address. The secret has to be given again and all tools have to be approved again: both belong to the address.
    pub address: Option<String>,
    /// Another way. The secret has to be given again.
    pub auth: Option<ToolServerAuth>,
    /// Another header, for `header`. The secret has to be given again.
    pub auth_header: Option<String>,
    /// A new secret.
    #[schema(value_type = Option<String>)]
    pub secret: Option<GivenSecret>,
    /// Whether its approved tools are offered.
    pub enabled: Option<bool>,
}

/// Lists the tool servers of the organisation with their tools, oldest first.
///
/// # Errors
/// `Forbidden` without the permission to see tool servers.
pub async fn tool_servers(p: &Platform, cx: &OpContext) -> Result<Vec<ToolServer>> {
    cx.require(Permission::ToolRead)?;
    let mut tx = p.db.read(cx).await?;
    let rows = store::servers(&mut tx, None).await?;
    let mut tools = tool::of_servers(&mut tx, &rows, None).await?;
    Ok(rows.into_iter().map(|row| shown(&mut tools, row)).collect())
}

/// Finds one tool server with its tools.
///
/// # Errors
/// `Forbidden` without the permission to see tool servers; `NotFound`.
pub async fn tool_server(p: &Platform, cx: &OpContext, id: ToolServerId) -> Result<ToolServer> {
    cx.require(Permission::ToolRead)?;
    let mut tx = p.db.read(cx).await?;
    let row = found(&mut tx, id).await?;
    let mut tools = tool::of_servers(&mut tx, std::slice::from_ref(&row), Some(id)).await?;
    Ok(shown(&mut tools, row))
}

fn shown(tools: &mut Vec<(ToolServerId, SeenTool)>, row: store::ServerRow) -> ToolServer {
    ToolServer {
        tools: tools.extract_if(.., |(of, _)| *of == row.id).map(|(_, tool)| tool).collect(),
        id: row.id,
        slug: row.slug,
        name: row.name,
        address: row.address,
        auth: row.auth,
        auth_header: row.auth_header,
        has_secret: row.secret.is_some(),
        secret_set_at: row.secret_set_at,
        enabled: row.enabled,
        read_at: row.read_at,
        checked_at: row.checked_at,
        check_state: row.check_state,
        created_at: row.created_at,
        updated_at: row.updated_at,
    }
}

pub(super) async fn found<M>(tx: &mut TenantTx<M>, id: ToolServerId) -> Result<store::ServerRow> {
    store::servers(tx, Some(id)).await?.into_iter().next().ok_or_else(unknown)
}

/// What a server is shown, with its secret opened.
pub(super) fn auth<M>(tx: &TenantTx<M>, row: &store::ServerRow) -> Result<Auth> {
    let Some(sealed) = &row.secret else { return Ok(Auth::None) };
    let secret = SecretText::given(&tx.open_text(secret_of(row.id), sealed)?);
    Ok(match (row.auth, row.auth_header.as_deref().and_then(may_be_named)) {
        (ToolServerAuth::None, _) => Auth::None,
        (ToolServerAuth::Bearer, _) => Auth::Bearer(secret),
        (ToolServerAuth::Header, Some(name)) => Auth::Header(name, secret),
        (ToolServerAuth::Header, None) => return Err(Error::internal("the header of a tool server cannot be used")),
    })
}

/// Connects a tool server. It is not asked for anything yet, and none of its tools is offered before it is approved.
///
/// # Errors
/// `Forbidden` without permission or a recent proof of a second factor; `Invalid` with a pointer per field; `Conflict` at the most there may be.
pub async fn add_tool_server(p: &Platform, cx: &OpContext, new: NewToolServer) -> Result<ToolServer> {
    cx.require(Permission::ToolManage)?;
    cx.require_step_up()?;
    let secret = given(new.secret);
    let id = ToolServerId::new();
    let mut row = store::ServerRow::new(id, new.name.trim(), new.address.trim(), new.auth);
    row.auth_header = header(new.auth, new.auth_header);
    row.slug = new.slug.map_or_else(|| slug_of(&row.name), |slug| slug.trim().to_owned());
    let mut faults = Faults::new();
    check(p, &mut faults, &row, secret.as_ref());
    if row.auth != ToolServerAuth::None && secret.is_none() {
        faults.add("/secret", "Give the secret that the server wants to see.");
    }
    let mut tx = p.db.write(cx).await?;
    let present = store::lock_servers(&mut tx).await?;
    if present.contains(&row.slug) {
        faults.add("/slug", "Another tool server of your organisation has this short name. Write another one.");
    }
    faults.outcome()?;
    if i64::try_from(present.len()).unwrap_or(i64::MAX) >= limits::TOOL_SERVERS_MAX {
        let most = limits::TOOL_SERVERS_MAX;
        let detail = format!("An organisation may have {most} tool servers. Remove one that is not needed; nothing was stored.");
        return Err(Error::conflict("tool_server.too_many", detail));
    }
    keep(&tx, &mut row, secret.as_ref())?;
    store::insert_server(&mut tx, &row).await?;
    let fields = ["name", "slug", "address", "auth", "secret"];
    tx.commit(AuditEntry::new(AuditAction::ToolServerAdded, "tool_server", id).fields(&fields)).await?;
    tool_server(p, cx, id).await
}

/// Changes a tool server, from the next call on.
///
/// # Errors
/// `Forbidden` without permission or a recent proof of a second factor; `Invalid` with a pointer per field; `NotFound`.
pub async fn change_tool_server(p: &Platform, cx: &OpContext, id: ToolServerId, change: ToolServerChange) -> Result<ToolServer> {
    cx.require(Permission::ToolManage)?;
    cx.require_step_up()?;
    let secret = given(change.secret);
    let mut tx = p.db.write(cx).await?;
    store::lock_server(&mut tx, id).await?.ok_or_else(unknown)?;
    let mut row = found(&mut tx, id).await?;
    let mut fields = Vec::new();
    if let Some(name) = change.name.map(|name| name.trim().to_owned()).filter(|name| *name != row.name) {
        row.name = name;
        fields.push("name");
    }
    let moved = change.address.map(|address| address.trim().to_owned()).filter(|address| *address != row.address);
    let elsewhere = moved.is_some();
    if let Some(address) = moved {
        row.address = address;
        fields.push("address");
    }
    let auth = change.auth.unwrap_or(row.auth);
    let name = header(auth, change.auth_header.or_else(|| row.auth_header.clone()));
    let otherwise = auth != row.auth || name != row.auth_header;
    if otherwise {
        (row.auth, row.auth_header) = (auth, name);
        fields.push("auth");
    }
    let mut faults = Faults::new();
    check(p, &mut faults, &row, secret.as_ref());
    if row.auth != ToolServerAuth::None && secret.is_none() && (elsewhere || otherwise || row.secret.is_none()) {
        faults.add("/secret", "A stored secret belongs to its address and its header and is sent to no other. Give the secret again.");
    }
    faults.outcome()?;
    if secret.is_some() || row.auth == ToolServerAuth::None {
        keep(&tx, &mut row, secret.as_ref())?;
        fields.push("secret");
    }
    if let Some(enabled) = change.enabled.filter(|enabled| *enabled != row.enabled) {
        row.enabled = enabled;
        fields.push("enabled");
    }
    if elsewhere {
        // Whoever approved a tool approved it of the server that stood there.
        store::delete_tools(&mut tx, id).await?;
        (row.read_at, row.checked_at, row.check_state) = (None, None, None);
        fields.push("tools");
    }
    row.updated_at = now();
    store::update_server(&mut tx, &row).await?;
    tx.commit(AuditEntry::new(AuditAction::ToolServerChanged, "tool_server", id).fields(&fields)).await?;
    p.tool_servers.breakers.invalidate(&(cx.tenant(), id));
    tool_server(p, cx, id).await
}

/// Removes a tool server with its secret and its tools. From the next call on none of them is called.
///
/// # Errors
/// `Forbidden` without permission or a recent proof of a second factor; `NotFound`.
pub async fn remove_tool_server(p: &Platform, cx: &OpContext, id: ToolServerId) -> Result<()> {
    cx.require(Permission::ToolManage)?;
    cx.require_step_up()?;
    let mut tx = p.db.write(cx).await?;
    found(&mut tx, id).await?;
    store::delete_server(&mut tx, id).await?;
    tx.commit(AuditEntry::new(AuditAction::ToolServerRemoved, "tool_server", id)).await
}

fn given(secret: Option<GivenSecret>) -> Option<GivenSecret> {
    secret.map(|secret| GivenSecret(secret.0.trim().to_owned())).filter(|secret| !secret.0.is_empty())
}

fn header(auth: ToolServerAuth, name: Option<String>) -> Option<String> {
    (auth == ToolServerAuth::Header).then(|| name.unwrap_or_default().trim().to_owned())
}

/// Seals the secret that the server is shown from now on, if any.
fn keep(tx: &TenantTx<Write>, row: &mut store::ServerRow, secret: Option<&GivenSecret>) -> Result<()> {
    let secret = secret.filter(|_| row.auth != ToolServerAuth::None);
    row.secret = secret.map(|secret| tx.seal(secret_of(row.id), secret.0.as_bytes())).transpose()?;
    row.secret_set_at = row.secret.as_ref().map(|_| now());
    Ok(())
}

fn check(p: &Platform, faults: &mut Faults, row: &store::ServerRow, secret: Option<&GivenSecret>) {
    if !(1..=80).contains(&row.name.chars().count()) || row.name.chars().any(vital_mcp_client::is_hidden) {
        faults.add("/name", "Write a name of 1 to 80 characters.");
    }
    if !is_slug(&row.slug) {
        let what = format!(
            "Write 1 to {SLUG_BYTES_MAX} lower-case letters, digits and single hyphens, beginning and ending with a letter or digit."
        );
        faults.add("/slug", what);
    }
    if row.address.len() > ADDRESS_BYTES_MAX || p.tool_servers.client(&row.address, &Auth::None).is_err() {
        faults.add("/address", ADDRESS);
    }
    if row.auth_header.as_deref().is_some_and(|name| may_be_named(name).is_none()) {
        faults.add(
            "/auth_header",
            "Write the name of a header that the server reads its secret from, such as `X-Api-Key`; not one that has a meaning already.",
        );
    }
    let sendable = |secret: &GivenSecret| secret.0.len() <= SECRET_BYTES_MAX && secret.0.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
    if secret.is_some_and(|secret| !sendable(secret)) {
        faults.add("/secret", format!("A secret has at most {SECRET_BYTES_MAX} visible characters, without letters with accents."));
    }
}

fn is_slug(slug: &str) -> bool {
    (1..=SLUG_BYTES_MAX).contains(&slug.len())
        && slug.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !slug.starts_with('-')
        && !slug.ends_with('-')
        && !slug.contains("--")
}

/// A stable name made of a name for people; `tools` where nothing of it is left.
fn slug_of(name: &str) -> String {
    let plain: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    let words: Vec<&str> = plain.split('-').filter(|word| !word.is_empty()).collect();
    let joined = words.join("-");
    let slug = joined[..joined.len().min(SLUG_BYTES_MAX)].trim_end_matches('-');
    if slug.is_empty() { "tools".to_owned() } else { slug.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_makes_a_stable_name() {
        for (name, slug) in [
            ("Corvane tools", "corvane-tools"),
            ("  ELN / LIMS (Basel)", "eln-lims-basel"),
            ("漢字", "tools"),
            ("A very long name of a server, longer", "a-very-long-name-of-a-se"),
        ] {
            assert_eq!(slug_of(name), slug);
            assert!(is_slug(slug));
        }
        for bad in ["", "-a", "a-", "a--b", "A", "a_b", "a b", "ä", &"a".repeat(SLUG_BYTES_MAX + 1)] {
            assert!(!is_slug(bad), "{bad:?}");
        }
    }
}
