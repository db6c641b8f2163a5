//! Tools that experts call while they answer: searching the organisation's documents, calculators, public sources, and those of tool servers
//! that the organisation connects.
//!
//! **Invariants:** a tool is offered where the organisation allows its kind and the expert has it; what it is given fits its schema; what it
//! returns is bounded, and untrusted. Words leave the organisation through a public source only where an administrator has allowed that.
//!
//! Deliberately not here: the loop of model and tool and the approval of a single call (`ask/tools/`), and who grants an expert its tools
//! (`experts/tools.rs`). What each tool does is in `vital-tools`.

mod programs;
mod run;
pub mod servers;
mod store;

use crate::Platform;
use serde::Serialize;
use serde_json::{Value, json};
use servers::ServerTool;
use std::{collections::HashMap, time::Duration};
use utoipa::ToSchema;
use vital_kernel::{AuditAction, AuditEntry, ExpertId, OpContext, Permission, Result};
use vital_store::{TenantTx, Write};
use vital_tools::ToolInfo;

pub use programs::{ProgramTool, call_as_program, program_tools};
pub(crate) use run::{Reply, run};

/// The tool that searches the organisation's documents; every expert has it unless the organisation takes it away.
pub const SEARCH_DOCUMENTS: &str = "search_documents";
/// What every tool of a server is called where only the product's own names are told.
const EXTERNAL: &str = "external";
/// Most tools that one expert is granted; models take no more than twice as many.
pub(crate) const TOOLS_MAX: usize = 64;
/// How long a search of documents may take.
const SEARCH_WITHIN: Duration = Duration::from_secs(20);
/// How long a call of a tool server may take.
const SERVER_WITHIN: Duration = Duration::from_secs(30);

/// Where what a tool is given goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// It stays on this server.
    Here,
    /// To a public source.
    Public,
    /// To a tool server that the organisation connected.
    Server,
}

/// A tool, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ToolView {
    /// Stable name.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// What it does.
    pub summary: String,
    /// Where what it is given goes.
    pub reach: Reach,
    /// The host that it asks; none where nothing leaves this server.
    pub host: Option<String>,
    /// What its source asks of those who use it; empty where there is none.
    pub licence: String,
    /// Whether the organisation allows its kind.
    pub allowed: bool,
}

/// What an organisation lets its experts do with tools.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ToolPolicy {
    /// Whether words of questions may be sent to public sources. At first they may not.
    pub public_sources: bool,
    /// The tools there are.
    pub tools: Vec<ToolView>,
}

/// A tool as it is offered to a model.
#[derive(Clone, Debug)]
pub(crate) struct Offered {
    pub name: String,
    /// Its name in spans and metrics: tools that organisations connect are all [`EXTERNAL`], for what they are called is theirs.
    pub label: &'static str,
    pub title: String,
    pub description: String,
    pub input_schema: Value,
    pub reach: Reach,
    /// Whether it changes something anywhere: then a person approves each call.
    pub writes: bool,
    pub timeout: Duration,
    /// The tool of a server that it is; none for built-in ones.
    pub server: Option<ServerTool>,
}

impl Offered {
    fn built_in(info: &ToolInfo) -> Self {
        Self {
            name: info.name.to_owned(),
            label: info.name,
            title: info.title.to_owned(),
            description: info.summary.to_owned(),
            input_schema: (info.input_schema)().clone(),
            reach: reach(info),
            writes: false,
            timeout: info.timeout,
            server: None,
        }
    }

    fn search_documents() -> Self {
        Self {
            name: SEARCH_DOCUMENTS.to_owned(),
            label: SEARCH_DOCUMENTS,
            title: "Search the documents".to_owned(),
            description: "Searches the organisation's documents and the built-in library, by words and by meaning, and returns passages that can be cited. Use it when the passages given do not cover a part of the question."
                .to_owned(),
            input_schema: json!({
                "type": "object",
                "properties": {
                    "query": { "type": "string", "minLength": 1, "maxLength": run::QUERY_CHARS_MAX, "description": "What to look for, as words or as a question" },
                    "limit": { "type": "integer", "minimum": 1, "maximum": run::PASSAGES_MAX, "description": "Most passages to return; 6 unless given" }
                },
                "required": ["query"],
                "additionalProperties": false
            }),
            reach: Reach::Here,
            writes: false,
            timeout: SEARCH_WITHIN,
            server: None,
        }
    }

    fn of_server(tool: ServerTool) -> Self {
        Self {
            name: tool.name.clone(),
            label: EXTERNAL,
            title: tool.title.clone(),
            description: tool.description.clone(),
            input_schema: tool.input_schema.clone(),
            reach: Reach::Server,
            writes: tool.writes,
            timeout: SERVER_WITHIN,
            server: Some(tool),
        }
    }

    /// The tool as a request carries it.
    pub(crate) fn for_model(&self) -> vital_llm::Tool {
        vital_llm::Tool { name: self.name.clone(), description: self.description.clone(), input_schema: self.input_schema.clone() }
    }
}

fn reach(info: &ToolInfo) -> Reach {
    match info.reach {
        vital_tools::Reach::Local => Reach::Here,
        vital_tools::Reach::Public { .. } => Reach::Public,
    }
}

/// Every tool of the product, whoever may use it.
fn built_in() -> Vec<Offered> {
    std::iter::once(Offered::search_documents()).chain(vital_tools::catalogue().iter().map(Offered::built_in)).collect()
}

/// Every tool there is for an organisation, whichever expert has it.
async fn all(p: &Platform, cx: &OpContext) -> Result<Vec<Offered>> {
    let servers = servers::offered(p, cx).await?;
    Ok(built_in().into_iter().chain(servers.into_iter().map(Offered::of_server)).collect())
}

/// Names of all tools that an expert of the organisation can have.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub(crate) async fn names(p: &Platform, cx: &OpContext) -> Result<Vec<String>> {
    Ok(all(p, cx).await?.into_iter().map(|tool| tool.name).collect())
}

/// The tools that an expert may use now: what the catalogue gives it, as the organisation changed that, of what the organisation allows.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub(crate) async fn for_expert(p: &Platform, cx: &OpContext, expert: ExpertId, given: &[String]) -> Result<Vec<Offered>> {
    cx.require(Permission::Ask)?;
    let mut tx = p.db.read(cx).await?;
    let public = store::public_sources(&mut tx).await?;
    let changed = store::changed(&mut tx, expert).await?;
    tx.end().await?;
    let granted = |tool: &Offered| is_granted(&tool.name, given, &changed);
    Ok(all(p, cx).await?.into_iter().filter(|tool| (public || tool.reach != Reach::Public) && granted(tool)).collect())
}

/// Whether an expert has a tool: as the organisation decided, else as the catalogue says.
fn is_granted(tool: &str, given: &[String], changed: &HashMap<String, bool>) -> bool {
    changed.get(tool).copied().unwrap_or_else(|| tool == SEARCH_DOCUMENTS || given.iter().any(|name| name == tool))
}

/// The tools with what the organisation lets them do.
///
/// # Errors
/// `Forbidden` without the permission to see tools.
pub async fn policy(p: &Platform, cx: &OpContext) -> Result<ToolPolicy> {
    cx.require(Permission::ToolRead)?;
    let public_sources = store::public_sources(&mut p.db.read(cx).await?).await?;
    let of_servers = servers::offered(p, cx).await?.into_iter().map(|tool| ToolView {
        name: tool.name,
        title: tool.title,
        summary: tool.description,
        reach: Reach::Server,
        host: None,
        licence: String::new(),
        allowed: true,
    });
    let search = Offered::search_documents();
    let first = ToolView {
        name: search.name,
        title: search.title,
        summary: search.description,
        reach: Reach::Here,
        host: None,
        licence: String::new(),
        allowed: true,
    };
    let built_in = vital_tools::catalogue().iter().map(|info| ToolView {
        name: info.name.to_owned(),
        title: info.title.to_owned(),
        summary: info.summary.to_owned(),
        reach: reach(info),
        host: match info.reach {
            vital_tools::Reach::Local => None,
            vital_tools::Reach::Public { host } => Some(host.to_owned()),
        },
        licence: info.licence.to_owned(),
        allowed: public_sources || reach(info) == Reach::Here,
    });
    Ok(ToolPolicy { public_sources, tools: std::iter::once(first).chain(built_in).chain(of_servers).collect() })
}

/// Lets words of questions be sent to public sources, or forbids it, from the next answer on.
///
/// # Errors
/// `Forbidden` without permission or a recent proof of a second factor.
pub async fn set_policy(p: &Platform, cx: &OpContext, public_sources: bool) -> Result<()> {
    cx.require(Permission::ToolManage)?;
    cx.require_step_up()?;
    let mut tx = p.db.write(cx).await?;
    store::set_public_sources(&mut tx, public_sources).await?;
    tx.commit(AuditEntry::new(AuditAction::ToolPolicyChanged, "tenant", cx.tenant()).fields(&["public_sources"])).await
}

/// Which tools an expert has.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub(crate) async fn granted(p: &Platform, cx: &OpContext, expert: ExpertId, given: &[String]) -> Result<Vec<String>> {
    let changed = store::changed(&mut p.db.read(cx).await?, expert).await?;
    Ok(names(p, cx).await?.into_iter().filter(|name| is_granted(name, given, &changed)).collect())
}

/// Stores which tools an expert has, where that departs from what the catalogue gives.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub(crate) async fn grant(tx: &mut TenantTx<Write>, expert: ExpertId, given: &[String], known: &[String], wanted: &[String]) -> Result<()> {
    store::forget(tx, expert).await?;
    for name in known {
        let granted = wanted.contains(name);
        if granted != is_granted(name, given, &HashMap::new()) {
            store::set(tx, expert, name, granted).await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_organisation_decides_before_the_catalogue() {
        let given = ["calculate".to_owned()];
        let changed = HashMap::from([("calculate".to_owned(), false), ("pubmed_search".to_owned(), true)]);
        assert!(is_granted(SEARCH_DOCUMENTS, &[], &HashMap::new()), "everybody may search");
        assert!(is_granted("calculate", &given, &HashMap::new()));
        assert!(!is_granted("pubmed_search", &given, &HashMap::new()));
        assert!(!is_granted("calculate", &given, &changed));
        assert!(is_granted("pubmed_search", &given, &changed));
    }

    #[test]
    fn every_tool_can_be_offered_to_every_model() {
        for tool in built_in() {
            assert!(
                tool.name.len() <= vital_llm::NAME_BYTES_MAX && tool.name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'),
                "{}",
                tool.name
            );
            assert_eq!(tool.input_schema["type"], "object", "{}", tool.name);
            assert!(!tool.description.is_empty() && !tool.title.is_empty(), "{}", tool.name);
        }
    }
}
