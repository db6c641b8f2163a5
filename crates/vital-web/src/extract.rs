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

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        if media_type(&request) != "application/json" {
            return Err(Error::malformed("request.media_type", "Send the body as JSON, with `Content-Type: application/json`.").into());
        }
        let bytes = small_body(request).await?;
        serde_json::from_slice(&bytes).map(Self).map_err(|e| match e.classify() {
            Category::Data => Error::invalid("request.field", format!("The JSON does not have the expected fields: {e}.")).into(),
            Category::Syntax | Category::Eof | Category::Io => {
                Error::malformed("request.json", format!("The body is not valid JSON: {e}.")).into()
            }
        })
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
    to_bytes(request.into_body(), limits::BODY_BYTES_MAX).await.map_err(|e| {
        let over = std::error::Error::source(&e).is_some_and(|s| s.is::<http_body_util::LengthLimitError>());
        if over {
            body_too_large(limits::BODY_BYTES_MAX)
        } else {
            Error::malformed("request.body", "The body broke off before its end. Nothing was changed; send it again.").into()
        }
    })
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

    #[tokio::test]
    async fn json_bodies_are_read_strictly() {
        assert_eq!(read("application/json; charset=utf-8", r#"{"question":"why?"}"#).await.unwrap().question, "why?");
        assert_eq!(read("application/json", r#"{"question":"why?","x":1}"#).await.unwrap_err(), 422);
        assert_eq!(read("application/json", r#"{"question":"#).await.unwrap_err(), 400);
        assert_eq!(read("application/json", vec![b'{', 0xff]).await.unwrap_err(), 400);
        assert_eq!(read("text/plain", r#"{"question":"why?"}"#).await.unwrap_err(), 400);
        assert_eq!(read("application/json", vec![b' '; limits::BODY_BYTES_MAX + 1]).await.unwrap_err(), 413);
    }
}
