//! The API description (OpenAPI 3.1) and its self-hosted reader.
//!
//! The description is collected from the handlers by the router. Failures, the headers of idempotency and conditions, and the two ways to
//! prove who one is are added here for every operation, by what it is, so that handlers need not repeat them.

use crate::{assets, caller::OPEN_ROUTES, compat, conditions::CONDITIONAL, frame::Policy, problem::Problem, problem::Reply, router};
use axum::{
    Json,
    extract::Path,
    http::{
        HeaderValue, Method,
        header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
};
use maud::{DOCTYPE, html};
use std::sync::{Arc, LazyLock};
use utoipa::{
    OpenApi,
    openapi::{
        Components, ContentBuilder, ObjectBuilder, Ref, RefOr, Required, ResponseBuilder,
        path::{Operation, Parameter, ParameterBuilder, ParameterIn},
        schema::{Schema, SchemaType, Type},
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};
use utoipa_swagger_ui::Config;
use vital_kernel::{Error, limits};

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
        vital_platform::ask::StoredEvent,
        crate::compat::failure::OpenAiFailure,
        crate::compat::failure::OpenAiError,
        crate::compat::failure::AnthropicFailure,
        crate::compat::failure::AnthropicError
    )),
    security(("bearer" = []), ("cookie" = []))
)]
pub(crate) struct Description;

/// What `If-Match` holds: up to sixteen entity tags, or `*` (RFC 9110 section 8.8.3).
const ENTITY_TAGS: &str = r#"^(\*|(W/)?"[!#-+\--~]{0,126}"( *, *(W/)?"[!#-+\--~]{0,126}"){0,15})$"#;

static DOCUMENT: LazyLock<utoipa::openapi::OpenApi> = LazyLock::new(openapi);

/// The API description, from the code.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    let mut api = router::api().into_openapi();
    for (path, item) in &mut api.paths.paths {
        let operations = [
            (Method::GET, &mut item.get),
            (Method::POST, &mut item.post),
            (Method::PUT, &mut item.put),
            (Method::PATCH, &mut item.patch),
            (Method::DELETE, &mut item.delete),
        ];
        for (method, operation) in operations {
            if let Some(operation) = operation {
                describe(path, &method, operation);
            }
        }
    }
    let components = api.components.get_or_insert_default();
    open_what_is_flattened(components);
    components.add_security_scheme("bearer", SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build()));
    components.add_security_scheme("x-api-key", SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("x-api-key"))));
    components.add_security_scheme("cookie", SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new("vital_session"))));
    api
}

/// A type that refuses unknown fields is a closed schema. Where it is flattened into another type it has to be open, or nothing fits both.
fn open_what_is_flattened(components: &mut Components) {
    let wholes = components.schemas.values().filter_map(|schema| if let RefOr::T(Schema::AllOf(all)) = schema { Some(all) } else { None });
    let parts = wholes.flat_map(|all| &all.items).filter_map(|part| if let RefOr::Ref(part) = part { Some(part) } else { None });
    let names: Vec<String> = parts.filter_map(|part| part.ref_location.rsplit('/').next().map(str::to_owned)).collect();
    for name in names {
        if let Some(RefOr::T(Schema::Object(object))) = components.schemas.get_mut(&name) {
            object.additional_properties = None;
        }
    }
}

/// Adds to an operation what all of its kind have: the headers that they read and send, and the failures that they can end with.
fn describe(path: &str, method: &Method, operation: &mut Operation) {
    let (media, schema, says) = match path {
        "/v1/messages" => ("application/json", "AnthropicFailure", "in Anthropic's shape"),
        path if compat::is_door(path) => ("application/json", "OpenAiFailure", "in OpenAI's shape"),
        _ => ("application/problem+json", "ProblemBody", "as a problem (RFC 9457)"),
    };
    let failure = |why: &str| {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(schema))).build();
        ResponseBuilder::new().description(format!("{why}; {says}")).content(media, content).build()
    };
    for parameter in operation.parameters.iter_mut().flatten() {
        if let RefOr::T(parameter) = parameter {
            forget_null(parameter);
        }
    }
    operation.operation_id = operation.operation_id.take().map(|id| operation_id(path, &id));
    let own = path.starts_with("/api/v1/");
    let (open, writes) = (OPEN_ROUTES.contains(&path), *method != Method::GET);
    for (status, why) in failures(path, operation, open, writes) {
        operation.responses.responses.entry(status.to_owned()).or_insert_with(|| failure(why).into());
    }
    operation.responses.responses.insert("default".to_owned(), failure("Any other failure").into());
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response
            && response.description.is_empty()
        {
            reason(status).clone_into(&mut response.description);
        }
    }
    let keyed = writes && !open && (own || compat::is_door(path));
    if keyed {
        let key = text().min_length(Some(1)).max_length(Some(limits::IDEMPOTENCY_KEY_CHARS_MAX)).pattern(Some("^[!-~]+$"));
        let says =
            "Sent again with the same key, the request takes effect once and gets the first reply; 1 to 255 visible ASCII characters";
        header(operation, "Idempotency-Key", says, key);
    }
    if own && !writes {
        operation.responses.responses.entry("304".to_owned()).or_insert_with(|| {
            ResponseBuilder::new().description("The reader holds this representation already (`If-None-Match`)").build().into()
        });
        header(operation, "If-None-Match", "Entity tags of representations that the reader holds", text());
    }
    if own && CONDITIONAL.contains(&(path, method.as_str())) {
        header(operation, "If-Match", "Changes only what still has one of these entity tags", text().pattern(Some(ENTITY_TAGS)));
    }
}

/// A parameter can be left out; there is no way to send it as `null`.
fn forget_null(parameter: &mut Parameter) {
    if let Some(RefOr::T(Schema::Object(object))) = &mut parameter.schema
        && let SchemaType::Array(types) = &object.schema_type
        && let [kind] = types.iter().filter(|t| **t != Type::Null).collect::<Vec<_>>()[..]
    {
        object.schema_type = SchemaType::Type(kind.clone());
    }
}

/// The name of an operation, unique in the description (OpenAPI 3.1, section 4.8.10): the words of its path and what its handler is called.
fn operation_id(path: &str, handler: &str) -> String {
    let words = path.trim_start_matches("/api/v1").split('/').filter(|s| !s.is_empty() && !s.starts_with('{'));
    let mut words: Vec<String> = words.map(|s| s.replace(['-', '.'], "_")).collect();
    if words.last().is_none_or(|last| last != handler) {
        words.push(handler.to_owned());
    }
    words.join("_")
}

/// What a success says of itself where its operation says nothing more: a response has to have a description (OpenAPI 3.1, section 4.8.17).
fn reason(status: &str) -> &'static str {
    match status {
        "201" => "Made",
        "202" => "Accepted; it is done in the background",
        "204" => "Done",
        _ => "As asked",
    }
}

/// The failures of an operation: those of every request, and those that its path, body and way of changing things bring.
fn failures(path: &str, operation: &Operation, open: bool, writes: bool) -> Vec<(&'static str, &'static str)> {
    let probe = matches!(path, "/livez" | "/readyz");
    let mut all = vec![("421", "The server is not reached under this name"), ("503", "Not available now; `Retry-After` says when")];
    if probe {
        return all;
    }
    all.extend([
        ("400", "The request cannot be read"),
        ("403", "Not allowed: a role, a scope or a recent second factor is missing"),
        ("422", "A field needs another look; `errors` points at it"),
        ("429", "Too often, or a budget is used up; `Retry-After` says when"),
        ("500", "A fault of the platform"),
    ]);
    if !open || path.contains("session") {
        all.push(("401", "Not signed in, or the proof was not accepted"));
    }
    if path.contains('{') || writes {
        all.push(("404", "There is no such thing, or it is not the caller's to see"));
    }
    if writes {
        all.extend([
            ("409", "Not possible in the present state, or the idempotency key is in use"),
            ("502", "A provider failed"),
            ("504", "A provider did not answer in time"),
        ]);
    }
    if CONDITIONAL.iter().any(|(conditional, _)| *conditional == path) && writes {
        all.push(("412", "Changed by somebody else since it was read (`If-Match`)"));
    }
    if writes || path == "/api/v1/usage/export.csv" {
        all.push(("413", "Larger than the stated limit"));
    }
    match path {
        "/api/v1/documents/{id}/text" => all.push(("409", "Not read yet, or it could not be read")),
        "/api/v1/turns/{id}/comparison" => all.push(("409", "It asks no earlier question again, or an answer is missing")),
        "/api/v1/turns/{id}/replay" => all.push(("409", "It has not searched for evidence, or that was not recorded")),
        _ => {}
    }
    if operation.request_body.is_some() {
        all.push(("415", "A media type that is not read here"));
    }
    all
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn header(operation: &mut Operation, name: &str, says: &str, text: ObjectBuilder) {
    let header = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Header).required(Required::False);
    operation.parameters.get_or_insert_default().push(header.description(Some(says)).schema(Some(text)).build().into());
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
    let mut response = ([(CONTENT_TYPE, kind)], found.bytes.into_owned()).into_response();
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=86400"));
    if found.gzpipped {
        response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_operation_is_described_and_only_open_routes_need_nobody() {
        let api = serde_json::to_value(openapi()).unwrap();
        assert!(api["openapi"].as_str().unwrap().starts_with("3.1"));
        let mut names = BTreeSet::new();
        for (path, item) in api["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                assert!(names.insert(operation["operationId"].as_str().unwrap()), "{method} {path} has the name of another operation");
                assert!(operation["summary"].is_string() || operation["description"].is_string(), "{method} {path} says nothing");
                assert!(operation["responses"]["default"].is_object(), "{method} {path} has no problem response");
                for (status, response) in operation["responses"].as_object().unwrap() {
                    assert!(response["description"].as_str().is_some_and(|d| !d.is_empty()), "{method} {path} {status} says nothing");
                }
                if operation["security"] == serde_json::json!([{}]) {
                    assert!(OPEN_ROUTES.contains(&path.as_str()), "{method} {path} is described as open but needs a caller");
                }
            }
        }
    }

    #[test]
    fn failures_are_described_by_what_an_operation_is() {
        let api = serde_json::to_value(openapi()).unwrap();
        let has = |path: &str, method: &str, status: &str| api["paths"][path][method]["responses"][status].is_object();
        for (path, item) in api["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let problem = &operation["responses"]["503"]["content"];
                assert!(problem.as_object().is_some_and(|c| !c.is_empty()) || has(path, method, "503"), "{method} {path}");
                if path.starts_with("/api/v1/") && method != "get" && !OPEN_ROUTES.contains(&path.as_str()) {
                    let names: Vec<&str> =
                        operation["parameters"].as_array().unwrap().iter().map(|p| p["name"].as_str().unwrap()).collect();
                    assert!(names.contains(&"Idempotency-Key"), "{method} {path}");
                    assert!(has(path, method, "401") && has(path, method, "409"), "{method} {path}");
                }
                if path.starts_with("/api/v1/") && operation["requestBody"].is_object() {
                    assert!(has(path, method, "413") && has(path, method, "415"), "{method} {path}");
                }
            }
        }
        for (path, method) in CONDITIONAL {
            assert!(has(path, &method.to_lowercase(), "412"), "{method} {path} is not there, or does not say that it is conditional");
        }
    }
}
