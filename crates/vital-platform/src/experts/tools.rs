//! Which tools an expert has.

use super::{profile, store, unknown};
use crate::{Platform, tools};
use serde::Serialize;
use utoipa::ToSchema;
use vital_kernel::{AuditAction, AuditEntry, Error, OpContext, Permission, Result};

/// The tools of one expert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ExpertTools {
    /// Stable name of the expert.
    pub slug: String,
    /// Its display name.
    pub name: String,
    /// Names of the tools that it may use, as far as the organisation allows their kind.
    pub granted: Vec<String>,
    /// Names of those that the catalogue gives it.
    pub given: Vec<String>,
}

/// Tells which tools an expert has.
///
/// # Errors
/// `Forbidden` without the permission to see tools; `NotFound` for an unknown expert.
pub async fn expert_tools(p: &Platform, cx: &OpContext, slug: &str) -> Result<ExpertTools> {
    cx.require(Permission::ToolRead)?;
    let profile = profile(p, cx).await?;
    let expert = profile.experts.iter().find(|e| e.body.slug == slug).ok_or_else(|| unknown(slug))?;
    let mut given = vec![tools::SEARCH_DOCUMENTS.to_owned()];
    given.extend(expert.body.tools.iter().cloned());
    let granted = tools::granted(p, cx, expert.id, &expert.body.tools).await?;
    Ok(ExpertTools { slug: slug.to_owned(), name: expert.body.name.clone(), granted, given })
}

/// Gives an expert exactly these tools, from its next answer on.
///
/// # Errors
/// `Forbidden` without permission or a recent proof of a second factor; `NotFound` for an unknown expert; `Invalid` for an unknown tool.
pub async fn grant_tools(p: &Platform, cx: &OpContext, slug: &str, wanted: &[String]) -> Result<ExpertTools> {
    cx.require(Permission::ToolManage)?;
    cx.require_step_up()?;
    let known = tools::names(p, cx).await?;
    if let Some(other) = wanted.iter().find(|name| !known.contains(name)) {
        let shown: String = other.chars().take(64).collect();
        return Err(Error::invalid(
            "tool.unknown",
            format!("There is no tool `{shown}`. Nothing was changed; the tools are {}.", known.join(", ")),
        )
        .with_field("/tools", "Name tools that there are."));
    }
    if wanted.len() > tools::TOOLS_MAX {
        let detail = format!("An expert can have {} tools at most. Nothing was changed.", tools::TOOLS_MAX);
        return Err(Error::invalid("tool.too_many", detail).with_field("/tools", "Name fewer tools."));
    }
    let profile = profile(p, cx).await?;
    let given = profile.experts.iter().find(|e| e.body.slug == slug).map(|e| e.body.tools.clone()).ok_or_else(|| unknown(slug))?;
    let mut tx = p.db.write(cx).await?;
    let id = store::access::lock(&mut tx, slug).await?.ok_or_else(|| unknown(slug))?;
    tools::grant(&mut tx, id, &given, &known, wanted).await?;
    tx.commit(AuditEntry::new(AuditAction::ToolsGranted, "expert", id).fields(&["tools"])).await?;
    expert_tools(p, cx, slug).await
}
