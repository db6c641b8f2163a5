//! The API description (OpenAPI 3.1) and its self-hosted reader.
//!
//! The description is collected from the handlers by the router. Every operation also gets the problem body as its default response and
//! the two ways to prove who one is, so that handlers need not repeat them.

use crate::{assets, compat, frame::Policy, problem::Problem, problem::Reply, router};
use axum::{
    Json,
    extract::Path,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use maud::{DOCTYPE, html};
use std::sync::{Arc, LazyLock};
use utoipa::{
    OpenApi,
    openapi::{
        ContentBuilder, Ref, ResponseBuilder,
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};
use utoipa_swagger_ui::Config;
use vital_kernel::Error;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "VITAL Path",
        description = "Ask life-science experts and get answers in which every factual sentence is bound to the passage that supports it. \
                       Business software for professionals; not a medical device; no patient-specific advice."
    ),
    components(schemas(
        crate::problem::ProblemBody,
        crate::problem::FieldFault,
        crate::compat::failure::OpenAiFailure,
        crate::compat::failure::OpenAiError,
        crate::compat::failure::AnthropicFailure,
        crate::compat::failure::AnthropicError
    )),
    security(("bearer" = []), ("cookie" = []))
)]
pub(crate) struct Description;

static DOCUMENT: LazyLock<utoipa::openapi::OpenApi> = LazyLock::new(openapi);

/// The API description, from the code.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    let mut api = router::api().into_openapi();
    let failure = |says: &str, media: &str, schema: &str| {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(schema))).build();
        ResponseBuilder::new().description(says).content(media, content).build()
    };
    let own = failure("A problem (RFC 9457)", "application/problem+json", "ProblemBody");
    let openai = failure("A failure in OpenAI's shape", "application/json", "OpenAiFailure");
    let anthropic = failure("A failure in Anthropic's shape", "application/json", "AnthropicFailure");
    for (path, item) in &mut api.paths.paths {
        let problem = match path.as_str() {
            "/v1/messages" => &anthropic,
            path if compat::is_door(path) => &openai,
            _ => &own,
        };
        let operations = [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
        for operation in operations.into_iter().flatten() {
            operation.responses.responses.insert("default".to_owned(), problem.clone().into());
        }
    }
    let components = api.components.get_or_insert_default();
    components.add_security_scheme("bearer", SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build()));
    components.add_security_scheme("x-api-key", SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("x-api-key"))));
    components.add_security_scheme("cookie", SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new("vital_session"))));
    api
}

/// Serves the description.
pub(crate) async fn document() -> Json<&'static utoipa::openapi::OpenApi> {
    Json(&DOCUMENT)
}

/// Serves the reader's page.
pub(crate) async fn docs() -> Response {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                title { "API · VITAL Path" }
                meta name="viewport" content="width=device-width";
                link rel="icon" href=(assets::url("icon.svg"));
                link rel="stylesheet" href="/api/docs/swagger-ui.css";
                script defer src="/api/docs/swagger-ui-bundle.js" {}
                script defer src=(assets::url("docs.js")) {}
            }
            body { main id="swagger-ui" {} }
        }
    };
    let mut response = page.into_response();
    response.extensions_mut().insert(Policy::ApiDocs);
    response
}

/// Serves the two files that the reader consists of.
pub(crate) async fn docs_file(Path(file): Path<String>) -> Reply<Response> {
    let unknown = || Problem::from(Error::not_found("asset.unknown", "There is no such file."));
    if !matches!(file.as_str(), "swagger-ui.css" | "swagger-ui-bundle.js") {
        return Err(unknown());
    }
    let found =
        utoipa_swagger_ui::serve(&file, Arc::new(Config::default())).map_err(|e| Error::internal(e.to_string()))?.ok_or_else(unknown)?;
    let kind = if found.content_type.starts_with("text/") { format!("{}; charset=utf-8", found.content_type) } else { found.content_type };
    let mut response = ([(header::CONTENT_TYPE, kind)], found.bytes.into_owned()).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=86400"));
    if found.gzpipped {
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caller::OPEN_ROUTES;

    #[test]
    fn every_operation_is_described_and_only_open_routes_need_nobody() {
        let api = serde_json::to_value(openapi()).unwrap();
        assert!(api["openapi"].as_str().unwrap().starts_with("3.1"));
        for (path, item) in api["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                assert!(operation["summary"].is_string() || operation["description"].is_string(), "{method} {path} says nothing");
                assert!(operation["responses"]["default"].is_object(), "{method} {path} has no problem response");
                if operation["security"] == serde_json::json!([{}]) {
                    assert!(OPEN_ROUTES.contains(&path.as_str()), "{method} {path} is described as open but needs a caller");
                }
            }
        }
    }
}
