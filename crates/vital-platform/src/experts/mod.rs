//! Experts: versioned charters with instructions, seeded from the catalogue, who may ask them, and the routing of a question to one of them.

mod access;
mod catalogue;
mod routing;
mod store;
mod tools;

use crate::{Platform, knowledge};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;
use vital_kernel::{AuditAction, AuditEntry, Error, ExpertId, OpContext, Permission, Result};

pub(crate) use access::require_askable;
pub use access::{ExpertAccess, experts_admin, share_expert};
pub(crate) use catalogue::ships;
pub use catalogue::{built_in, parse};
pub use routing::{Profiles, rank_for_evaluation};
pub use tools::{ExpertTools, expert_tools, grant_tools};

/// The field an expert works in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the names say it")]
pub enum Domain {
    RegulatoryAffairs,
    ClinicalDevelopment,
    MarketAccess,
    EvidenceGeneration,
    ProductDevelopment,
}

impl Domain {
    /// All domains in the order pages show them.
    pub const ALL: [Self; 5] =
        [Self::RegulatoryAffairs, Self::ClinicalDevelopment, Self::MarketAccess, Self::EvidenceGeneration, Self::ProductDevelopment];

    /// The name people read.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::RegulatoryAffairs => "Regulatory affairs",
            Self::ClinicalDevelopment => "Clinical development",
            Self::MarketAccess => "Market access",
            Self::EvidenceGeneration => "Evidence generation",
            Self::ProductDevelopment => "Product development",
        }
    }
}

/// How an expert writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names say it")]
pub enum Tone {
    Precise,
    Pragmatic,
    Didactic,
    Cautious,
    Persuasive,
}

/// What an expert is for and what not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Charter {
    /// Which questions belong here.
    pub scope: String,
    /// Which do not, and who takes them.
    pub limits: String,
}

/// The instructions of an expert, in six parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Instructions {
    /// Who the expert is.
    pub who: String,
    /// What the expert does.
    pub what: String,
    /// What the expert never does.
    pub never: String,
    /// What a good answer is.
    pub success: String,
    /// What the expert does when unsure.
    pub unsure: String,
    /// What the expert accepts as evidence.
    pub evidence: String,
}

/// The whole of one version of an expert: what the catalogue file holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpertBody {
    /// Stable name.
    pub slug: String,
    /// Display name.
    pub name: String,
    /// Field of work.
    pub domain: Domain,
    /// One line for the gallery.
    pub tagline: String,
    /// How the expert writes.
    pub tone: Tone,
    /// Slugs of the collections searched first.
    pub collections: Vec<String>,
    /// Names of the tools that the expert may use besides the search of documents.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<String>,
    /// Questions to begin with.
    pub starters: Vec<String>,
    /// Further questions that belong here; routing compares with them.
    #[serde(default)]
    pub examples: Vec<String>,
    /// Scope and limits.
    pub charter: Charter,
    /// Instructions in six parts.
    pub instructions: Instructions,
}

/// An expert in lists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExpertSummary {
    /// Stable name.
    pub slug: String,
    /// Display name.
    pub name: String,
    /// Field of work.
    pub domain: Domain,
    /// One line.
    pub tagline: String,
}

/// An expert with the version in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Expert {
    /// Id in this tenant.
    #[schema(value_type = uuid::Uuid)]
    pub id: ExpertId,
    /// Version in force, from 1.
    pub version: i32,
    /// The whole of it.
    #[serde(flatten)]
    pub body: ExpertBody,
}

impl Expert {
    /// The expert as lists show it.
    #[must_use]
    pub fn summary(&self) -> ExpertSummary {
        let b = &self.body;
        ExpertSummary { slug: b.slug.clone(), name: b.name.clone(), domain: b.domain, tagline: b.tagline.clone() }
    }
}

/// An expert that was considered for a question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Candidate {
    /// The expert.
    pub expert: ExpertSummary,
    /// Score from 0 to 1.
    pub score: f32,
    /// Why, in words.
    pub reasons: Vec<String>,
}

/// Lists the experts that the caller may ask, by domain and name.
///
/// # Errors
/// `Forbidden` without the permission to read experts.
pub async fn list(p: &Platform, cx: &OpContext) -> Result<Vec<ExpertSummary>> {
    cx.require(Permission::ExpertRead)?;
    let visible = access::visible(p, cx).await?;
    let profile = profile(p, cx).await?;
    let mut all: Vec<ExpertSummary> = profile.experts.iter().filter(|e| visible.contains(&e.id)).map(Expert::summary).collect();
    all.sort_by(|a, b| (a.domain, &a.name).cmp(&(b.domain, &b.name)));
    Ok(all)
}

/// Finds an expert by its stable name.
///
/// # Errors
/// `NotFound` when the tenant has no such expert that the caller may ask.
pub async fn find(p: &Platform, cx: &OpContext, slug: &str) -> Result<Expert> {
    cx.require(Permission::ExpertRead)?;
    let visible = access::visible(p, cx).await?;
    let profile = profile(p, cx).await?;
    profile.experts.iter().find(|e| e.body.slug == slug && visible.contains(&e.id)).cloned().ok_or_else(|| unknown(slug))
}

fn unknown(slug: &str) -> Error {
    Error::not_found(
        "expert.unknown",
        format!("There is no expert `{}`. The list of experts shows their names.", slug.chars().take(80).collect::<String>()),
    )
}

/// Ranks the experts that the caller may ask for a question, best first, with scores and reasons; at most five.
///
/// # Errors
/// `Forbidden` without the permission to read experts; `NotFound` while the tenant has no experts yet.
pub async fn route(p: &Platform, cx: &OpContext, question: &str) -> Result<Vec<Candidate>> {
    cx.require(Permission::ExpertRead)?;
    let vector = knowledge::embed_query(p, question).await;
    route_by(p, cx, question, vector.as_deref()).await
}

/// Ranks experts for a question whose vector is known already.
///
/// # Errors
/// Those of `route`.
pub(crate) async fn route_by(p: &Platform, cx: &OpContext, question: &str, vector: Option<&[f32]>) -> Result<Vec<Candidate>> {
    cx.require(Permission::ExpertRead)?;
    let visible = access::visible(p, cx).await?;
    let profile = profile(p, cx).await?;
    let ranked = profile.rank(question, vector, &visible);
    if ranked.is_empty() && !profile.experts.is_empty() {
        return Err(Error::not_found(
            "expert.none_shared",
            "No expert of your organisation is shared with you. Ask an administrator to share one; nothing was lost.",
        ));
    }
    if ranked.is_empty() {
        return Err(Error::not_found(
            "expert.none",
            "The experts of this organisation are still being set up. Nothing was lost; try again in a moment.",
        ));
    }
    Ok(ranked)
}

/// The summaries of all experts by id, for the caller's own records, which go on naming the expert that answered.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub(crate) async fn by_id(p: &Platform, cx: &OpContext) -> Result<Vec<(ExpertId, ExpertSummary)>> {
    Ok(profile(p, cx).await?.experts.iter().map(|e| (e.id, e.summary())).collect())
}

/// The expert of a conversation, with the version in force.
///
/// # Errors
/// `NotFound` when the tenant has no such expert; `Forbidden` when the caller may no longer ask it.
pub(crate) async fn get(p: &Platform, cx: &OpContext, id: ExpertId) -> Result<Expert> {
    if !access::visible(p, cx).await?.contains(&id) {
        return Err(access::no_longer_shared());
    }
    let profile = profile(p, cx).await?;
    profile
        .experts
        .iter()
        .find(|e| e.id == id)
        .cloned()
        .ok_or_else(|| Error::not_found("expert.unknown", "The expert of this conversation is gone. Choose another one."))
}

async fn profile(p: &Platform, cx: &OpContext) -> Result<std::sync::Arc<routing::Profile>> {
    let versions = || async {
        let mut tx = p.db.read(cx).await?;
        store::all(&mut tx).await
    };
    p.profiles.get(p, cx.tenant(), versions).await
}

/// Stores the built-in experts that are new or have changed as new versions. Running it again changes nothing.
///
/// # Errors
/// `Unavailable` when the database does not answer; what was stored before stays.
pub async fn seed(p: &Platform, cx: &OpContext) -> Result<()> {
    let mut tx = p.db.write(cx).await?;
    let known = store::hashes(&mut tx).await?;
    let mut entries = Vec::new();
    for body in built_in()? {
        let json = serde_json::to_value(&body).map_err(Error::internal)?;
        let hash: [u8; 32] = Sha256::digest(json.to_string().as_bytes()).into();
        match known.iter().find(|k| k.slug == body.slug) {
            Some(k) if k.content_hash == hash => {}
            Some(k) => {
                store::add_version(&mut tx, ExpertId(k.id), k.version + 1, &hash, json).await?;
                entries.push(AuditEntry::new(AuditAction::ExpertVersionSeeded, "expert", k.id));
            }
            None => {
                let id = ExpertId::new();
                store::insert(&mut tx, id, &body.slug).await?;
                store::add_version(&mut tx, id, 1, &hash, json).await?;
                entries.push(AuditEntry::new(AuditAction::ExpertVersionSeeded, "expert", id));
            }
        }
    }
    if !entries.is_empty() {
        tx.commit_all(entries).await?;
        p.profiles.forget(cx.tenant());
    }
    Ok(())
}
