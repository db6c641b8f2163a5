//! How failures leave: RFC 9457 `application/problem+json` for the API, the same value as a page for people.
//!
//! **Invariants:** the mapping of kinds to statuses is here and nowhere else; a cause is logged once, with its chain, and never shown.
//! A `Problem` becomes a body in `render`, called by the frame, which knows the request id and what the client reads.

use crate::{
    compat::failure as compat,
    components::{layout, problem_page},
    frame::Reader,
    pages::View,
    scim::failure,
};
use axum::{
    Json,
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use std::{borrow::Cow, time::Duration};
use utoipa::ToSchema;
use vital_federation::scim::MEDIA_TYPE;
use vital_kernel::{Error, FieldError, Kind, RequestId};
use vital_platform::ask;

/// What a handler returns.
pub(crate) type Reply<T> = Result<T, Problem>;

/// A failure on its way out.
#[derive(Clone, Debug)]
pub(crate) struct Problem(Box<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    status: StatusCode,
    title: &'static str,
    code: Cow<'static, str>,
    detail: String,
    fields: Vec<FieldError>,
    retry_after: Option<Duration>,
    cause: Option<String>,
}

/// A problem as the API shows it (RFC 9457).
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ProblemBody {
    /// URN of the code.
    #[serde(rename = "type")]
    kind: String,
    /// What kind of failure it is.
    title: &'static str,
    /// HTTP status.
    status: u16,
    /// Stable dotted code.
    code: String,
    /// What happened, whether anything was lost and what to do.
    detail: String,
    /// The request, for a report.
    #[schema(value_type = uuid::Uuid)]
    request_id: RequestId,
    /// Faults of single fields.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldFault>,
}

/// A fault of one input field.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct FieldFault {
    /// JSON pointer to the field.
    pointer: String,
    /// What is wrong and what would be right.
    detail: String,
}

/// The status table of the architecture, section 5.
const fn status(kind: Kind) -> (StatusCode, &'static str) {
    match kind {
        Kind::Malformed => (StatusCode::BAD_REQUEST, "The request cannot be read"),
        Kind::Invalid => (StatusCode::UNPROCESSABLE_ENTITY, "Something in the request needs another look"),
        Kind::Unauthenticated => (StatusCode::UNAUTHORIZED, "Not signed in"),
        Kind::Forbidden => (StatusCode::FORBIDDEN, "Not allowed"),
        Kind::NotFound => (StatusCode::NOT_FOUND, "Not found"),
        Kind::Conflict => (StatusCode::CONFLICT, "Not possible now"),
        Kind::Stale => (StatusCode::PRECONDITION_FAILED, "Changed by somebody else"),
        Kind::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "Too large"),
        Kind::RateLimited => (StatusCode::TOO_MANY_REQUESTS, "Too often"),
        Kind::BudgetExhausted => (StatusCode::TOO_MANY_REQUESTS, "Budget used up"),
        Kind::Upstream => (StatusCode::BAD_GATEWAY, "A provider failed"),
        Kind::UpstreamTimeout => (StatusCode::GATEWAY_TIMEOUT, "A provider did not answer in time"),
        Kind::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "Not available now"),
        Kind::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong"),
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let (status, title) = status(error.kind());
        let cause = status.is_server_error().then(|| format!("{error:?}"));
        Self(Box::new(Inner {
            status,
            title,
            code: error.code().into(),
            detail: error.detail().to_owned(),
            fields: error.fields().to_vec(),
            retry_after: error.retry_after(),
            cause,
        }))
    }
}

impl Problem {
    /// What ended a turn, for a client that waits for its answer. Its cause was logged where it happened.
    pub(crate) fn of_turn(problem: &ask::Problem) -> Self {
        let kind = match problem.code.as_ref() {
            "budget.exhausted" => Kind::BudgetExhausted,
            _ if problem.retryable => Kind::Upstream,
            _ => Kind::Invalid,
        };
        let mut all = Self::from(Error::new(kind, "turn.failed", problem.detail.clone()));
        all.0.code = problem.code.clone().into();
        all.0.cause = None;
        all
    }

    /// The path exists, but not with this method.
    pub(crate) fn method_not_allowed(method: &Method) -> Self {
        let detail = format!("This address does not answer to {method}. The API description lists what it answers to.");
        Self::from(Error::malformed("request.method", detail)).at(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed")
    }

    /// The host is none of this server's.
    pub(crate) fn misdirected() -> Self {
        let detail =
            "This server is not reached under this name. Check the address; if it is right, ask whoever runs the server to add the name.";
        Self::from(Error::malformed("request.host", detail)).at(StatusCode::MISDIRECTED_REQUEST, "Not this server's name")
    }

    /// The body is of a kind that is not read here.
    pub(crate) fn unsupported_media(detail: String) -> Self {
        Self::from(Error::malformed("request.media_type", detail)).at(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Media type not read")
    }

    /// A standard names this, and the server does not offer it.
    pub(crate) fn not_offered(detail: &str) -> Self {
        Self::from(Error::malformed("request.not_offered", detail)).at(StatusCode::NOT_IMPLEMENTED, "Not offered")
    }

    /// The same with a status that no kind of the domain has.
    fn at(mut self, status: StatusCode, title: &'static str) -> Self {
        self.0.status = status;
        self.0.title = title;
        self
    }

    pub(crate) const fn status(&self) -> StatusCode {
        self.0.status
    }

    pub(crate) const fn title(&self) -> &'static str {
        self.0.title
    }

    pub(crate) fn code(&self) -> &str {
        &self.0.code
    }

    pub(crate) fn detail(&self) -> &str {
        &self.0.detail
    }

    pub(crate) fn fields(&self) -> &[FieldError] {
        &self.0.fields
    }

    /// The problem as the API shows it.
    pub(crate) fn body(&self, request_id: RequestId) -> ProblemBody {
        let p = &self.0;
        ProblemBody {
            kind: format!("urn:vital:problem:{}", p.code),
            title: p.title,
            status: p.status.as_u16(),
            code: p.code.to_string(),
            detail: p.detail.clone(),
            request_id,
            errors: p.fields.iter().map(|f| FieldFault { pointer: f.pointer.clone(), detail: f.detail.clone() }).collect(),
        }
    }

    /// Writes the cause to the log: once, when the problem leaves. What others did, as a provider that refuses, is no error of this program.
    pub(crate) fn log(&self, request_id: RequestId) {
        let Some(cause) = &self.0.cause else { return };
        if self.0.status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(%request_id, code = &*self.0.code, cause, "request failed");
        } else {
            tracing::warn!(%request_id, code = &*self.0.code, cause, "request failed");
        }
    }

    /// Makes the response in the shape that the reader understands.
    pub(crate) fn render(&self, view: &View, reader: Reader) -> Response {
        self.log(view.request_id);
        let mut status = self.status();
        let mut response = match reader {
            Reader::Person => layout::page(view, self.title(), layout::Section::None, &[], &problem_page::body(self, view)).into_response(),
            Reader::Program => ([(header::CONTENT_TYPE, "application/problem+json")], Json(self.body(view.request_id))).into_response(),
            Reader::OpenAi => {
                status = compat::status(self);
                Json(compat::openai(self)).into_response()
            }
            Reader::Anthropic => {
                status = compat::status(self);
                Json(compat::anthropic(self, view.request_id)).into_response()
            }
            Reader::Directory => {
                let (as_scim, body) = failure::body(self);
                status = as_scim;
                ([(header::CONTENT_TYPE, MEDIA_TYPE)], body.to_string()).into_response()
            }
        };
        *response.status_mut() = status;
        if matches!(reader, Reader::OpenAi | Reader::Anthropic) {
            let again = if compat::should_retry(self) { "true" } else { "false" };
            response.headers_mut().insert(HeaderName::from_static("x-should-retry"), HeaderValue::from_static(again));
        }
        if let Some(after) = self.0.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)));
        }
        // The official clients of OpenAI's and Anthropic's APIs try a 429 again unless they are told not to.
        if self.0.code == "budget.exhausted" {
            response.headers_mut().insert("x-should-retry", HeaderValue::from_static("false"));
        }
        if status == StatusCode::UNAUTHORIZED && reader != Reader::Person {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;

    #[tokio::test]
    async fn a_problem_has_the_members_of_rfc_9457_and_never_its_cause() {
        let error = Error::internal(std::io::Error::other("password=hunter2"));
        let view = View::for_test();
        let response = Problem::from(error).render(&view, Reader::Program);
        assert_eq!(response.status(), 500);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        let body: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        for member in ["type", "title", "status", "code", "detail", "request_id"] {
            assert!(body.get(member).is_some(), "{member} is missing");
        }
        assert!(!String::from_utf8_lossy(&bytes).contains("hunter2"));
    }

    #[tokio::test]
    async fn fields_and_retry_after_reach_the_client() {
        let error =
            Error::rate_limited("x.y", "Wait.").with_field("/email", "Write an address.").with_retry_after(Duration::from_millis(300));
        let response = Problem::from(error).render(&View::for_test(), Reader::Program);
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()["retry-after"], "1", "a wait below a second is rounded up");
        let body: serde_json::Value = serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap();
        assert_eq!(body["errors"][0]["pointer"], "/email");
    }

    #[tokio::test]
    async fn people_get_the_same_problem_as_a_page() {
        let response =
            Problem::from(Error::not_found("document.unknown", "There is no such <document>.")).render(&View::for_test(), Reader::Person);
        assert_eq!(response.status(), 404);
        let html = String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap();
        assert!(html.contains("There is no such &lt;document&gt;."));
        assert!(html.contains("document.unknown"));
    }

    #[test]
    fn every_kind_has_an_error_status() {
        use Kind::*;
        let all = [
            Malformed,
            Invalid,
            Unauthenticated,
            Forbidden,
            NotFound,
            Conflict,
            Stale,
            TooLarge,
            RateLimited,
            BudgetExhausted,
            Upstream,
            UpstreamTimeout,
            Unavailable,
            Internal,
        ];
        let statuses = all.map(|k| status(k).0.as_u16());
        assert_eq!(statuses, [400, 422, 401, 403, 404, 409, 412, 413, 429, 429, 502, 504, 503, 500]);
    }
}
