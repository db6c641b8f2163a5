//! Experts as a tool, as resources and as prompts.

use super::{failure, handler::On, tools::Given};
use crate::problem::Reply;
use rmcp::{
    ErrorData,
    model::{
        ArgumentInfo, CompletionInfo, GetPromptResult, Prompt, PromptArgument, PromptMessage, Reference, Resource, ResourceContents,
        ResourceTemplate, Role,
    },
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use vital_kernel::{Error, Permission};
use vital_platform::experts::{self, Expert, ExpertSummary};

/// Where experts stand among the resources.
pub(super) const EXPERTS: &str = "vital://experts/";
/// The argument of a prompt.
const QUESTION: &str = "question";

/// Nothing.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

#[derive(Serialize)]
struct Listed {
    experts: Vec<ExpertSummary>,
}

/// The tool `list_experts`.
pub(super) async fn list(on: &On, Nothing {}: Nothing) -> Reply<Given> {
    let experts = experts::list(&on.app().platform, on.cx()).await?;
    let text = experts.iter().map(|e| format!("{}: {}. {}\n", e.slug, e.name, e.tagline)).collect();
    Given::new(text, &Listed { experts })
}

/// The experts that the caller may ask; none for who may see none.
async fn visible(on: &On) -> Result<Vec<ExpertSummary>, ErrorData> {
    if !on.cx().may(Permission::ExpertRead) {
        return Ok(Vec::new());
    }
    experts::list(&on.app().platform, on.cx()).await.map_err(|e| on.error(e))
}

async fn find(on: &On, slug: &str) -> Result<Expert, ErrorData> {
    experts::find(&on.app().platform, on.cx(), slug).await.map_err(|e| on.error(e))
}

/// The experts as resources.
pub(super) async fn resources(on: &On) -> Result<Vec<Resource>, ErrorData> {
    let resource = |e: ExpertSummary| {
        Resource::new(format!("{EXPERTS}{}", e.slug), e.slug)
            .with_title(e.name)
            .with_description(e.tagline)
            .with_mime_type("application/json")
    };
    Ok(visible(on).await?.into_iter().map(resource).collect())
}

/// How the resource of an expert is named.
pub(super) fn template() -> ResourceTemplate {
    ResourceTemplate::new(format!("{EXPERTS}{{slug}}"), "expert")
        .with_title("Expert")
        .with_description("An expert: what it takes, what not, and questions to begin with.")
        .with_mime_type("application/json")
}

/// Reads the resource of an expert.
pub(super) async fn read(on: &On, uri: &str, slug: &str) -> Result<ResourceContents, ErrorData> {
    let Expert { version, body, .. } = find(on, slug).await?;
    let told = json!({
        "slug": body.slug, "name": body.name, "domain": body.domain, "tagline": body.tagline, "version": version,
        "scope": body.charter.scope, "limits": body.charter.limits, "starters": body.starters, "collections": body.collections,
    });
    Ok(ResourceContents::text(told.to_string(), uri).with_mime_type("application/json"))
}

/// A prompt for each expert.
pub(super) async fn prompts(on: &On) -> Result<Vec<Prompt>, ErrorData> {
    let prompt = |e: ExpertSummary| {
        let question =
            PromptArgument::new(QUESTION).with_description("What to ask; completion offers questions to begin with.").with_required(true);
        Prompt::new(e.slug, Some(e.tagline), Some(vec![question])).with_title(format!("Ask {}", e.name))
    };
    Ok(visible(on).await?.into_iter().map(prompt).collect())
}

/// The prompt of an expert.
pub(super) async fn prompt(on: &On, slug: &str, question: Option<&str>) -> Result<GetPromptResult, ErrorData> {
    let Expert { body, .. } = find(on, slug).await?;
    let Some(question) = question.map(str::trim).filter(|q| !q.is_empty()) else {
        let error = Error::invalid("mcp.prompt", "This prompt takes a question. Nothing was done.").with_field("/question", "Write one.");
        return Err(failure::error(error, on.cx().request_id()));
    };
    let text = format!(
        "Ask the expert `{slug}` ({}) with the tool `ask_expert`, and keep the marks of its sources in what you write:\n\n{question}",
        body.name
    );
    let mut prompt = GetPromptResult::new(vec![PromptMessage::new_text(Role::User, text)]);
    prompt.description = Some(body.tagline);
    Ok(prompt)
}

/// Completes the name of an expert, or a question to begin with.
pub(super) async fn complete(on: &On, what: &Reference, argument: &ArgumentInfo) -> Result<CompletionInfo, ErrorData> {
    let known = match what {
        Reference::Resource(template) if template.uri.starts_with(EXPERTS) && argument.name == "slug" => {
            visible(on).await?.into_iter().map(|e| e.slug).collect()
        }
        Reference::Prompt(prompt) if argument.name == QUESTION => find(on, &prompt.name).await?.body.starters,
        _ => Vec::new(),
    };
    let begun = argument.value.to_lowercase();
    let fitting: Vec<String> = known.into_iter().filter(|k| k.to_lowercase().starts_with(&begun)).collect();
    let total = u32::try_from(fitting.len()).ok();
    let has_more = fitting.len() > CompletionInfo::MAX_VALUES;
    let mut info = CompletionInfo::default();
    info.values = fitting.into_iter().take(CompletionInfo::MAX_VALUES).collect();
    info.total = total;
    info.has_more = Some(has_more);
    Ok(info)
}
