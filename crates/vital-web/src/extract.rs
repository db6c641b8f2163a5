//! Reading requests: JSON bodies, forms, queries and ids in paths, each with its limit and a failure that says what to change.

use crate::problem::Problem;
use axum::{
    body::to_bytes,
    extract::{FromRequest, FromRequestParts, Path, RawQuery, Request},
    http::{header, request::Parts},
};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use std::str::FromStr;
use vital_kernel::{Error, limits};

/// A JSON body.
pub(crate) struct Body<T>(pub(crate) T);

/// A JSON body that may be as long as a model's context.
pub(crate) struct Prompt<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        json(request, limits::BODY_BYTES_MAX).await.map(Self)
    }
}

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for Prompt<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        json(request, limits::PROMPT_BYTES_MAX).await.map(Self)
    }
}

async fn json<T: DeserializeOwned>(request: Request, limit: usize) -> Result<T, Problem> {
    if media_type(&request) != "application/json" {
        return Err(Problem::unsupported_media("Send the body as JSON, with `Content-Type: application/json`.".to_owned()));
    }
    let bytes = body(request, limit).await?;
    let mut json = serde_json::Deserializer::from_slice(&bytes);
    let read = serde_path_to_error::deserialize(&mut json).map_err(|e| (pointer(e.path()), e.into_inner()));
    let read = read.and_then(|value| json.end().map(|()| value).map_err(|e| (String::new(), e)));
    read.map_err(|(pointer, e)| match e.classify() {
        Category::Data => Error::invalid("request.field", "The JSON does not have the expected fields. Nothing was changed.")
            .with_field(pointer_of(pointer, &e), format!("{e}."))
            .into(),
        Category::Syntax | Category::Eof | Category::Io => {
            Error::malformed("request.json", format!("The body is not valid JSON: {e}.")).into()
        }
    })
}

/// A JSON pointer (RFC 6901) from the path of a deserializer.
pub(crate) fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter()
        .map(|segment| match segment {
            Segment::Seq { index } => format!("/{index}"),
            Segment::Map { key } => format!("/{}", key.replace('~', "~0").replace('/', "~1")),
            Segment::Enum { variant } => format!("/{variant}"),
            Segment::Unknown => String::new(),
        })
        .collect()
}

/// The pointer to what is wrong: the path ends above a field that is missing, and the message names it.
fn pointer_of(path: String, error: &serde_json::Error) -> String {
    let message = error.to_string();
    match message.strip_prefix("missing field `").and_then(|rest| rest.split('`').next()) {
        Some(name) => format!("{path}/{name}"),
        None => path,
    }
}

/// A form as pages send it.
pub(crate) struct Form<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for Form<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        if media_type(&request) != "application/x-www-form-urlencoded" {
            return Err(Error::malformed("request.media_type", "This form has to be sent as `application/x-www-form-urlencoded`.").into());
        }
        let bytes = small_body(request).await?;
        read_pairs(&bytes).map(Self)
    }
}

/// The query of an address.
pub(crate) struct Params<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let RawQuery(query) = RawQuery::from_request_parts(parts, state).await.unwrap_or_else(|never| match never {});
        read_pairs(query.unwrap_or_default().as_bytes()).map(Self)
    }
}

/// An id in the path. What is no id cannot exist, so it is `NotFound` like every other unknown thing.
pub(crate) struct Id<T>(pub(crate) T);

impl<T: FromStr + Send, S: Send + Sync> FromRequestParts<S> for Id<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let text = Path::<String>::from_request_parts(parts, state).await.map(|Path(text)| text).unwrap_or_default();
        text.parse().map(Self).map_err(|_| Error::not_found("id.unknown", "There is nothing with this id.").into())
    }
}

fn read_pairs<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    serde_urlencoded::from_bytes(bytes).map_err(|e| Error::malformed("request.fields", format!("These fields cannot be read: {e}.")).into())
}

pub(crate) fn media_type(request: &Request) -> &str {
    let value = request.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim()
}

pub(crate) async fn small_body(request: Request) -> Result<Bytes, Problem> {
    body(request, limits::BODY_BYTES_MAX).await
}

async fn body(request: Request, limit: usize) -> Result<Bytes, Problem> {
    to_bytes(request.into_body(), limit).await.map_err(|e| unread(&e, limit))
}

/// The refusal of a body that could not be read.
pub(crate) fn unread(error: &axum::Error, limit: usize) -> Problem {
    if is_over_limit(error) {
        return body_too_large(limit);
    }
    Error::malformed("request.body", "The body broke off before its end. Nothing was changed; send it again.").into()
}

/// Tells whether a body was not read because it is longer than it may be.
pub(crate) fn is_over_limit(error: &axum::Error) -> bool {
    std::error::Error::source(error).is_some_and(|s| s.is::<http_body_util::LengthLimitError>())
}

/// The refusal of a body over its limit.
pub(crate) fn body_too_large(limit: usize) -> Problem {
    Error::too_large("request.too_large", format!("A request here may have at most {} KiB. Nothing was stored; send less.", limit / 1024))
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Input {
        question: String,
    }

    async fn read(media: &str, body: impl Into<axum::body::Body>) -> Result<Input, u16> {
        let request = Request::builder().header("content-type", media).body(body.into()).unwrap();
        Body::<Input>::from_request(request, &()).await.map(|b| b.0).map_err(|p| p.status().as_u16())
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        #[expect(dead_code, reason = "read by nobody here")]
        inner: Vec<Input>,
    }

    #[tokio::test]
    async fn what_is_wrong_in_json_is_named_with_a_pointer() {
        for (body, at) in [
            (r#"{"inner":[],"x/y":1}"#, "/x~1y"),
            (r#"{"inner":[{"question":"a"},{"question":"b","extra":1}]}"#, "/inner/1/extra"),
            (r#"{"inner":[{}]}"#, "/inner/0/question"),
            (r#"{"inner":[{"question":7}]}"#, "/inner/0/question"),
            (r#"{"inner":3}"#, "/inner"),
            (r"{}", "/inner"),
        ] {
            let request = Request::builder().header("content-type", "application/json").body(axum::body::Body::from(body)).unwrap();
            let problem = Body::<Outer>::from_request(request, &()).await.map(|_| ()).unwrap_err();
            assert_eq!((problem.status().as_u16(), problem.fields()[0].pointer.as_str()), (422, at), "{body}");
        }
    }

    #[tokio::test]
    async fn json_bodies_are_read_strictly() {
        assert_eq!(read("application/json; charset=utf-8", r#"{"question":"why?"}"#).await.unwrap().question, "why?");
        assert_eq!(read("application/json", r#"{"question":"why?","x":1}"#).await.unwrap_err(), 422);
        assert_eq!(read("application/json", r#"{"question":"why?"} x"#).await.unwrap_err(), 400);
        assert_eq!(read("application/json", r#"{"question":"#).await.unwrap_err(), 400);
        assert_eq!(read("application/json", vec![b'{', 0xff]).await.unwrap_err(), 400);
        assert_eq!(read("text/plain", r#"{"question":"why?"}"#).await.unwrap_err(), 415);
        assert_eq!(read("application/json", vec![b' '; limits::BODY_BYTES_MAX + 1]).await.unwrap_err(), 413);
    }
}
