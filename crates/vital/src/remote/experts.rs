//! `vital experts` and `vital route`.

use super::client::{Client, Server};
use crate::{failure::Exit, terminal};
use vital_platform::experts::{Candidate, Domain, ExpertSummary};

/// Flags of `vital experts`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  vital experts --json | jq -r '.[].slug'")]
pub(crate) struct Experts {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

/// Flags of `vital route`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  vital route \"Which predicate fits our stimulator?\"")]
pub(crate) struct Route {
    /// The question; nothing is asked
    question: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

/// Lists the experts.
pub(crate) async fn list(flags: Experts) -> anyhow::Result<Exit> {
    let experts: Vec<ExpertSummary> = Client::signed_in(&flags.server)?.list("/api/v1/experts").await?;
    if flags.json {
        terminal::json(&experts)?;
        return Ok(Exit::Done);
    }
    let width = experts.iter().map(|e| e.slug.chars().count()).max().unwrap_or_default();
    let mut domain: Option<Domain> = None;
    for expert in &experts {
        if domain != Some(expert.domain) {
            terminal::data(&format!("{}{}", if domain.is_some() { "\n" } else { "" }, expert.domain.title()))?;
            domain = Some(expert.domain);
        }
        terminal::data(&terminal::plain(&format!("  {:<width$}  {}: {}", expert.slug, expert.name, expert.tagline)))?;
    }
    Ok(Exit::Done)
}

/// Shows which experts would take a question, and why.
pub(crate) async fn route(flags: Route) -> anyhow::Result<Exit> {
    let body = serde_json::json!({ "question": flags.question });
    let candidates: Vec<Candidate> = Client::signed_in(&flags.server)?.post("/api/v1/route", &body).await?;
    if flags.json {
        terminal::json(&candidates)?;
        return Ok(Exit::Done);
    }
    for candidate in &candidates {
        terminal::data(&terminal::plain(&format!("{:.2}  {}  {}", candidate.score, candidate.expert.slug, candidate.expert.name)))?;
        for reason in &candidate.reasons {
            terminal::data(&terminal::plain(&format!("      {reason}")))?;
        }
    }
    Ok(Exit::Done)
}
