//! `/scim/v2`: the door for directories (RFC 7644). Handlers read and write the wire format; what happens is in `identity::scim`.
//!
//! These routes describe themselves by SCIM's own discovery, so they are not part of the OpenAPI document. Every failure below `/scim`
//! leaves as a SCIM error (see `failure`), whatever part of the server it comes from.

pub(crate) mod discovery;
pub(crate) mod failure;
pub(crate) mod groups;
pub(crate) mod users;

use crate::{
    caller::SignedIn,
    extract::{media_type, small_body},
    problem::{Problem, Reply},
    state::AppState,
};
use axum::{
    extract::{FromRequest, FromRequestParts, RawQuery, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use serde_json::Value;
use std::convert::Infallible;
use vital_federation::scim::{ListQuery, MEDIA_TYPE, ResourceKind, ScimError, not_modified, parse_body};
use vital_platform::identity::scim;

/// What the query of an address asks for: filter, page, attributes.
pub(crate) struct Asked(pub(crate) ListQuery);

impl<S: Send + Sync> FromRequestParts<S> for Asked {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let RawQuery(query) = RawQuery::from_request_parts(parts, state).await.unwrap_or_else(|never| match never {});
        let pairs: Vec<(String, String)> = serde_urlencoded::from_str(&query.unwrap_or_default())
            .map_err(|_| refused(ScimError::invalid_value("The query of the address cannot be read.")))?;
        ListQuery::from_pairs(pairs.iter().map(|(k, v)| (k.as_str(), v.as_str()))).map(Self).map_err(refused)
    }
}

/// A JSON body, as `application/scim+json` or `application/json` (RFC 7644 section 3.1).
pub(crate) struct Body(pub(crate) Value);

impl<S: Sync> FromRequest<S> for Body {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        let media = media_type(&request);
        if !media.eq_ignore_ascii_case(MEDIA_TYPE) && !media.eq_ignore_ascii_case("application/json") {
            return Err(Problem::unsupported_media(format!(
                "Send the body as JSON, with `Content-Type: {MEDIA_TYPE}`. Nothing was stored."
            )));
        }
        parse_body(&small_body(request).await?).map(Self).map_err(refused)
    }
}

/// Versions that a client holds: `If-Match` and `If-None-Match`. What cannot be read names no version that exists.
pub(crate) struct Versions {
    pub(crate) if_match: Option<String>,
    pub(crate) if_none_match: Option<String>,
}

impl<S: Sync> FromRequestParts<S> for Versions {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        let text = |name: HeaderName| parts.headers.get(name).map(|v| v.to_str().unwrap_or("unreadable").to_owned());
        Ok(Self { if_match: text(header::IF_MATCH), if_none_match: text(header::IF_NONE_MATCH) })
    }
}

/// `POST /scim/v2/.search`
pub(crate) async fn search(State(s): State<AppState>, SignedIn(caller): SignedIn, Body(body): Body) -> Reply<Response> {
    let query = ListQuery::from_search(&body).map_err(refused)?;
    Ok(document(&scim::search(&s.platform, &caller.cx, &query).await?))
}

/// `/scim/v2/Me`: a directory is no person.
pub(crate) async fn me(SignedIn(_): SignedIn) -> Problem {
    Problem::not_offered("This server does not offer `/Me`. Ask for the person under `/Users`.")
}

fn refused(error: ScimError) -> Problem {
    scim::refused(error).into()
}

/// One resource with the attributes that were asked for.
fn resource(status: StatusCode, kind: ResourceKind, asked: &ListQuery, whole: Value) -> Response {
    let head = head(status, &whole);
    (status, head, asked.projection.apply(kind, whole).to_string()).into_response()
}

/// One resource to a reader who may hold this version already.
fn unless_known(versions: &Versions, kind: ResourceKind, asked: &ListQuery, whole: Value) -> Response {
    if not_modified(versions.if_none_match.as_deref(), &whole) {
        return (StatusCode::NOT_MODIFIED, head(StatusCode::OK, &whole)).into_response();
    }
    resource(StatusCode::OK, kind, asked, whole)
}

/// A list or a document that has no version.
fn document(body: &Value) -> Response {
    ([(header::CONTENT_TYPE, MEDIA_TYPE)], body.to_string()).into_response()
}

/// The headers of a resource: its version, and of a new one its address.
fn head(status: StatusCode, whole: &Value) -> HeaderMap {
    let mut head = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE))]);
    let mut add = |name: HeaderName, pointer: &str| {
        if let Some(value) = whole.pointer(pointer).and_then(Value::as_str).and_then(|v| HeaderValue::from_str(v).ok()) {
            head.insert(name, value);
        }
    };
    add(header::ETAG, "/meta/version");
    if status == StatusCode::CREATED {
        add(header::LOCATION, "/meta/location");
    }
    head
}
