//! `GET /v1/models`: the experts that the caller may ask, `auto`, and behind them the models that programs may use directly, as either API
//! lists models.

use super::{AUTO, direct, speaks_anthropic};
use crate::{caller::SignedIn, extract::Params, problem::Reply, state::AppState};
use axum::{
    Json,
    extract::{Path, State},
    http::HeaderMap,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use vital_kernel::{Error, Permission};
use vital_platform::{
    experts::{self, ExpertSummary},
    identity::Caller,
    providers,
};

/// Models of one page unless the client asks for fewer.
const PAGE_MAX: usize = 1_000;
/// Experts have no date of release; both APIs provide for the epoch where it is unknown.
const UNKNOWN_DATE: &str = "1970-01-01T00:00:00Z";

/// Models, as the called API shows them.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum Models {
    /// OpenAI's list.
    OpenAi(OpenAiModels),
    /// Anthropic's page, where the request carries `anthropic-version`.
    Anthropic(AnthropicModels),
}

/// A model, as the called API shows it.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = ListedModel)]
pub(crate) enum Model {
    /// OpenAI's.
    OpenAi(OpenAiModel),
    /// Anthropic's, where the request carries `anthropic-version`.
    Anthropic(AnthropicModel),
}

/// OpenAI's list of models.
#[derive(Serialize, ToSchema)]
pub(crate) struct OpenAiModels {
    /// `list`.
    object: &'static str,
    data: Vec<OpenAiModel>,
}

/// An expert as OpenAI's API shows a model.
#[derive(Serialize, ToSchema)]
pub(crate) struct OpenAiModel {
    /// Slug of the expert, `auto`, or `models/` and the name of a model.
    id: String,
    /// `model`.
    object: &'static str,
    /// Always 0: not known.
    created: i64,
    /// `vital-path`.
    owned_by: &'static str,
    /// The name people read.
    name: String,
    /// What the expert is for.
    description: String,
}

/// A page of models as Anthropic's API shows it.
#[derive(Serialize, ToSchema)]
pub(crate) struct AnthropicModels {
    data: Vec<AnthropicModel>,
    /// Whether there are more in the direction that was asked for.
    has_more: bool,
    /// First id of the page.
    first_id: Option<String>,
    /// Last id of the page.
    last_id: Option<String>,
}

/// An expert as Anthropic's API shows a model.
#[derive(Serialize, ToSchema)]
pub(crate) struct AnthropicModel {
    /// `model`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// Slug of the expert, `auto`, or `models/` and the name of a model.
    id: String,
    /// The name people read.
    display_name: String,
    /// Always the epoch: not known.
    created_at: &'static str,
    /// `active`.
    lifecycle: &'static str,
}

/// Which models, as Anthropic's API asks.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Page {
    /// At most so many, from 1; Anthropic's format alone.
    limit: Option<usize>,
    /// Only those behind this id; Anthropic's format alone.
    after_id: Option<String>,
    /// Only those before this id; Anthropic's format alone.
    before_id: Option<String>,
}

/// Lists the experts that the caller may ask, as models, `auto`, and the models that the caller's programs may use. In Anthropic's format where the request carries `anthropic-version`.
#[utoipa::path(get, path = "/v1/models", tag = "compatible", params(Page), responses((status = 200, body = Models)),
    security(("bearer" = []), ("x-api-key" = [])))]
pub(crate) async fn list(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    headers: HeaderMap,
    Params(page): Params<Page>,
) -> Reply<Json<Models>> {
    let all = listed(&s, &caller).await?;
    if speaks_anthropic("", &headers) {
        return Ok(Json(Models::Anthropic(paged(all, &page))));
    }
    Ok(Json(Models::OpenAi(OpenAiModels { object: "list", data: all.into_iter().map(Listed::openai).collect() })))
}

/// Shows one expert as a model.
#[utoipa::path(get, path = "/v1/models/{model}", tag = "compatible", params(("model" = String, Path, description = "Slug of the expert, or `auto`")),
    responses((status = 200, body = Model)), security(("bearer" = []), ("x-api-key" = [])))]
pub(crate) async fn find(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    headers: HeaderMap,
    Path(model): Path<String>,
) -> Reply<Json<Model>> {
    let found = match model.as_str() {
        AUTO => {
            caller.cx.require(Permission::ExpertRead)?;
            Listed::auto()
        }
        // A name whose `/` came as `%2F`.
        model if direct::named(model).is_some() => one_direct(&s, &caller, direct::named(model).unwrap_or_default()).await?,
        slug => Listed::expert(experts::find(&s.platform, &caller.cx, slug).await?.summary()),
    };
    Ok(Json(if speaks_anthropic("", &headers) { Model::Anthropic(found.anthropic()) } else { Model::OpenAi(found.openai()) }))
}

/// Shows one model that programs may use.
#[utoipa::path(get, path = "/v1/models/models/{name}", tag = "compatible", params(("name" = String, Path, description = "The provider's name of the model; a `/` in it as `%2F`")),
    responses((status = 200, body = Model)), security(("bearer" = []), ("x-api-key" = [])))]
pub(crate) async fn find_direct(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    headers: HeaderMap,
    Path(name): Path<String>,
) -> Reply<Json<Model>> {
    let found = one_direct(&s, &caller, &name).await?;
    Ok(Json(if speaks_anthropic("", &headers) { Model::Anthropic(found.anthropic()) } else { Model::OpenAi(found.openai()) }))
}

async fn one_direct(s: &AppState, caller: &Caller, name: &str) -> Reply<Listed> {
    caller.cx.require(Permission::ModelUse)?;
    let known = providers::direct_models(&s.platform, &caller.cx).await?;
    let unknown = || Error::not_found("model.unknown", "There is no model of this name that programs may use here.");
    Ok(known.into_iter().find(|known| known == name).map(Listed::direct).ok_or_else(unknown)?)
}

/// Experts where the caller may see them, then models where the caller's programs may use them; a caller who may neither is refused.
async fn listed(s: &AppState, caller: &Caller) -> Reply<Vec<Listed>> {
    let mut all = Vec::new();
    if caller.cx.may(Permission::ExpertRead) || !caller.cx.may(Permission::ModelUse) {
        all.push(Listed::auto());
        all.extend(experts::list(&s.platform, &caller.cx).await?.into_iter().map(Listed::expert));
    }
    all.extend(providers::direct_models(&s.platform, &caller.cx).await?.into_iter().map(Listed::direct));
    Ok(all)
}

/// A model before it has a format.
struct Listed {
    id: String,
    name: String,
    description: String,
}

impl Listed {
    fn auto() -> Self {
        let description = "The expert that fits the question; the reply names it.".to_owned();
        Self { id: AUTO.to_owned(), name: "Automatic".to_owned(), description }
    }

    fn expert(expert: ExpertSummary) -> Self {
        Self { id: expert.slug, name: expert.name, description: expert.tagline }
    }

    fn direct(model: String) -> Self {
        let description = "A model of the organisation, asked directly: nothing that it writes is bound to sources.".to_owned();
        Self { id: direct::name(&model), name: model, description }
    }

    fn openai(self) -> OpenAiModel {
        let Self { id, name, description } = self;
        OpenAiModel { id, object: "model", created: 0, owned_by: "vital-path", name, description }
    }

    fn anthropic(self) -> AnthropicModel {
        AnthropicModel { kind: "model", id: self.id, display_name: self.name, created_at: UNKNOWN_DATE, lifecycle: "active" }
    }
}

fn paged(all: Vec<Listed>, page: &Page) -> AnthropicModels {
    let place = |id: &Option<String>| id.as_ref().and_then(|id| all.iter().position(|m| m.id == *id));
    let limit = page.limit.unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX);
    let end = place(&page.before_id).unwrap_or(all.len());
    let begin = place(&page.after_id).map_or(0, |at| at + 1).min(end);
    // Asked for those before one, the nearest to it are meant.
    let (from, to) = if page.before_id.is_some() { (end.saturating_sub(limit).max(begin), end) } else { (begin, end.min(begin + limit)) };
    let has_more = if page.before_id.is_some() { from > begin } else { to < end };
    let data: Vec<AnthropicModel> = all.into_iter().skip(from).take(to - from).map(Listed::anthropic).collect();
    let id = |model: Option<&AnthropicModel>| model.map(|m| m.id.clone());
    AnthropicModels { first_id: id(data.first()), last_id: id(data.last()), has_more, data }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(limit: Option<usize>, after: Option<&str>, before: Option<&str>) -> (String, bool) {
        let all = ["a", "b", "c", "d"].map(|id| Listed { id: id.to_owned(), name: String::new(), description: String::new() });
        let page = Page { limit, after_id: after.map(str::to_owned), before_id: before.map(str::to_owned) };
        let found = paged(all.into(), &page);
        (found.data.iter().map(|m| m.id.as_str()).collect(), found.has_more)
    }

    #[test]
    fn pages_join_without_gap_in_both_directions() {
        assert_eq!(page(None, None, None), ("abcd".to_owned(), false));
        assert_eq!(page(Some(3), None, None), ("abc".to_owned(), true));
        assert_eq!(page(Some(3), Some("c"), None), ("d".to_owned(), false));
        assert_eq!(page(Some(2), None, Some("d")), ("bc".to_owned(), true));
        assert_eq!(page(Some(2), None, Some("b")), ("a".to_owned(), false));
        assert_eq!(page(Some(0), Some("d"), None), (String::new(), false));
    }
}
