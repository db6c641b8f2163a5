//! How failures leave below `/v1`: in the error shapes of OpenAI's and Anthropic's APIs, made from the same `Problem` as everywhere.

use crate::problem::Problem;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;
use vital_kernel::RequestId;

/// A failure as OpenAI's API shows it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OpenAiFailure {
    error: OpenAiError,
}

/// What went wrong, in OpenAI's words.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OpenAiError {
    /// What happened, whether anything was lost and what to do.
    message: String,
    /// What kind of failure it is.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The field that is wrong, for example `messages[0].content`.
    param: Option<String>,
    /// OpenAI's code where it has one for this, otherwise the product's stable dotted code.
    code: String,
}

/// A failure as Anthropic's API shows it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AnthropicFailure {
    /// Always `error`.
    #[serde(rename = "type")]
    kind: &'static str,
    error: AnthropicError,
    /// The request, for a report.
    #[schema(value_type = uuid::Uuid)]
    request_id: RequestId,
}

/// What went wrong, in Anthropic's words.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AnthropicError {
    /// What kind of failure it is.
    #[serde(rename = "type")]
    kind: &'static str,
    /// What happened, whether anything was lost and what to do.
    message: String,
    /// The product's stable dotted code.
    code: String,
}

/// Failures of a model provider that are the same when asked again.
const LASTING: [&str; 8] = [
    "provider.unauthorized",
    "provider.unknown_model",
    "provider.config",
    "provider.garbled",
    "provider.none_usable",
    "provider.output_too_large",
    "provider.frame_too_large",
    "provider.total_timeout",
];

/// The status: neither API knows 422, what breaks a rule is 400 there; and what a model provider says of a prompt or of its own limits has the
/// status that clients know it by.
pub(crate) fn status(problem: &Problem) -> StatusCode {
    match (problem.code(), problem.status()) {
        ("provider.rate_limited" | "gateway.overloaded", _) => StatusCode::TOO_MANY_REQUESTS,
        ("provider.context_too_long" | "provider.content_filtered", _) | (_, StatusCode::UNPROCESSABLE_ENTITY) => StatusCode::BAD_REQUEST,
        (_, other) => other,
    }
}

/// Tells whether the same request may succeed later: clients of both APIs follow this, in `x-should-retry`, before their own rules.
pub(crate) fn should_retry(problem: &Problem) -> bool {
    let status = status(problem);
    let later =
        matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::CONFLICT | StatusCode::TOO_MANY_REQUESTS) || status.is_server_error();
    later && !is_exhausted(problem) && !LASTING.contains(&problem.code())
}

/// Whether a budget is used up: trying again before it renews is of no use.
fn is_exhausted(problem: &Problem) -> bool {
    problem.code() == "budget.exhausted"
}

/// The body for clients of OpenAI's API.
pub(crate) fn openai(problem: &Problem) -> OpenAiFailure {
    let kind = match status(problem) {
        // The kind and code of a used-up quota, which the official clients tell apart from a rate.
        StatusCode::TOO_MANY_REQUESTS if is_exhausted(problem) => "insufficient_quota",
        StatusCode::TOO_MANY_REQUESTS => "rate_limit_error",
        StatusCode::FORBIDDEN => "permission_error",
        StatusCode::UNAUTHORIZED => "authentication_error",
        status if status.is_server_error() => "server_error",
        _ => "invalid_request_error",
    };
    let code = match problem.code() {
        "budget.exhausted" => "insufficient_quota",
        "key.none" => "invalid_api_key",
        "expert.unknown" | "model.unknown" => "model_not_found",
        "question.too_long" | "request.too_large" | "provider.context_too_long" => "context_length_exceeded",
        "provider.content_filtered" => "content_filter",
        "provider.rate_limited" => "rate_limit_exceeded",
        code if code.starts_with("rate.") => "rate_limit_exceeded",
        code => code,
    };
    let param = problem.fields().first().map(|f| param(&f.pointer)).filter(|p| !p.is_empty());
    OpenAiFailure { error: OpenAiError { message: message(problem), kind, param, code: code.to_owned() } }
}

/// The body for clients of Anthropic's API.
pub(crate) fn anthropic(problem: &Problem, request_id: RequestId) -> AnthropicFailure {
    let kind = match status(problem) {
        StatusCode::UNAUTHORIZED => "authentication_error",
        StatusCode::FORBIDDEN => "permission_error",
        StatusCode::NOT_FOUND => "not_found_error",
        StatusCode::PAYLOAD_TOO_LARGE => "request_too_large",
        StatusCode::TOO_MANY_REQUESTS => "rate_limit_error",
        StatusCode::SERVICE_UNAVAILABLE => "overloaded_error",
        StatusCode::GATEWAY_TIMEOUT => "timeout_error",
        status if status.is_server_error() => "api_error",
        _ => "invalid_request_error",
    };
    let error = AnthropicError { kind, message: message(problem), code: problem.code().to_owned() };
    AnthropicFailure { kind: "error", error, request_id }
}

/// The sentence, with what is wrong in single fields.
fn message(problem: &Problem) -> String {
    problem
        .fields()
        .iter()
        .filter(|f| f.detail != problem.detail())
        .fold(problem.detail().to_owned(), |text, f| format!("{text} {}", f.detail))
}

/// A JSON pointer as clients of OpenAI's API know fields.
fn param(pointer: &str) -> String {
    pointer.split('/').skip(1).fold(String::new(), |path, part| {
        let number = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        match (path.is_empty(), number) {
            (_, true) => format!("{path}[{part}]"),
            (true, false) => part.to_owned(),
            (false, false) => format!("{path}.{part}"),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use uuid::Uuid;
    use vital_kernel::{Error, Kind};

    #[test]
    fn the_same_problem_has_the_words_of_either_api() {
        let wrong = Error::invalid("message.role", "No.").with_field("/messages/0/role", "Leave it out.");
        let table = [
            (Error::unauthenticated("key.none", "Who?"), 401, "authentication_error", "invalid_api_key", "authentication_error"),
            (Error::not_found("expert.unknown", "Who?"), 404, "invalid_request_error", "model_not_found", "not_found_error"),
            (Error::rate_limited("rate.user", "Wait."), 429, "rate_limit_error", "rate_limit_exceeded", "rate_limit_error"),
            (Error::too_large("question.too_long", "Long."), 413, "invalid_request_error", "context_length_exceeded", "request_too_large"),
            (
                Error::new(Kind::BudgetExhausted, "budget.exhausted", "Spent."),
                429,
                "insufficient_quota",
                "insufficient_quota",
                "rate_limit_error",
            ),
            (Error::unavailable("server.busy", "Busy."), 503, "server_error", "server.busy", "overloaded_error"),
            (Error::forbidden("access.scope", "No."), 403, "permission_error", "access.scope", "permission_error"),
            (
                Error::too_large("provider.context_too_long", "Long."),
                400,
                "invalid_request_error",
                "context_length_exceeded",
                "invalid_request_error",
            ),
            (Error::unavailable("provider.rate_limited", "Wait."), 429, "rate_limit_error", "rate_limit_exceeded", "rate_limit_error"),
            (Error::upstream("provider.content_filtered", "No."), 400, "invalid_request_error", "content_filter", "invalid_request_error"),
            (Error::upstream("provider.unauthorized", "No."), 502, "server_error", "provider.unauthorized", "api_error"),
            (Error::upstream_timeout("provider.stalled", "No."), 504, "server_error", "provider.stalled", "timeout_error"),
            (wrong, 400, "invalid_request_error", "message.role", "invalid_request_error"),
        ];
        for (error, code, openai_kind, openai_code, anthropic_kind) in table {
            let problem = Problem::from(error);
            assert_eq!(status(&problem).as_u16(), code);
            let ours = serde_json::to_value(openai(&problem)).unwrap();
            assert_eq!((&ours["error"]["type"], &ours["error"]["code"]), (&json!(openai_kind), &json!(openai_code)));
            let theirs = serde_json::to_value(anthropic(&problem, RequestId(Uuid::nil()))).unwrap();
            assert_eq!((&theirs["type"], &theirs["error"]["type"]), (&json!("error"), &json!(anthropic_kind)));
        }
    }

    #[test]
    fn clients_come_back_for_what_passes_and_for_nothing_else() {
        let again = [
            Error::unavailable("provider.rate_limited", "x"),
            Error::upstream("provider.cut", "x"),
            Error::rate_limited("rate.user", "x"),
            Error::unavailable("server.busy", "x"),
        ];
        let never = [
            Error::upstream("provider.unauthorized", "x"),
            Error::upstream("provider.unknown_model", "x"),
            Error::too_large("provider.context_too_long", "x"),
            Error::new(Kind::BudgetExhausted, "budget.exhausted", "x"),
            Error::not_found("model.unknown", "x"),
        ];
        assert!(again.into_iter().map(Problem::from).all(|p| should_retry(&p)));
        assert!(!never.into_iter().map(Problem::from).any(|p| should_retry(&p)));
    }

    #[test]
    fn the_field_is_named_as_clients_know_it() {
        let problem = Problem::from(Error::invalid("x.y", "No.").with_field("/messages/0/content/1/type", "Send text."));
        let body = serde_json::to_value(openai(&problem)).unwrap();
        assert_eq!((&body["error"]["param"], &body["error"]["message"]), (&json!("messages[0].content[1].type"), &json!("No. Send text.")));
    }
}
