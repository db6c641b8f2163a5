//! Conditional requests (RFC 9110 section 13): every representation that the API shows has a strong entity tag. `If-None-Match` saves its
//! transfer, and `If-Match` keeps a change from overwriting what somebody else changed meanwhile.
//!
//! **Invariant:** the tag is that of the very bytes that are sent, before they are compressed; whether `If-Match` holds is judged in the
//! transaction that changes (`vital-store/src/db/precondition.rs`) and not here.

use crate::{caller::SignedIn, problem::Problem, state::AppState};
use axum::{
    body::{Body, HttpBody as _},
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use http_body_util::BodyExt as _;
use vital_kernel::Error;
use vital_platform::entity_tag;

/// The changes that can be made on a condition; every other one is refused with `If-Match`. A test asks each of them.
pub(crate) const CONDITIONAL: [(&str, &str); 14] = [
    ("/api/v1/groups/{id}", "PATCH"),
    ("/api/v1/groups/{id}", "DELETE"),
    ("/api/v1/members/{id}", "PATCH"),
    ("/api/v1/documents/{id}", "DELETE"),
    ("/api/v1/documents/{id}/appraisal", "PUT"),
    ("/api/v1/organisation/policy", "PUT"),
    ("/api/v1/audit/working-hours", "PUT"),
    ("/api/v1/sso/providers/{id}", "PATCH"),
    ("/api/v1/sso/providers/{id}", "DELETE"),
    ("/api/v1/providers/{id}", "PATCH"),
    ("/api/v1/providers/{id}", "DELETE"),
    ("/api/v1/provider-models/{id}", "PATCH"),
    ("/api/v1/provider-policy", "PUT"),
    ("/api/v1/experts/{slug}/models", "PUT"),
];

/// Largest body that is given a tag, in bytes.
const TAGGED_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Most tags that a condition may name.
const TAGS_MAX: usize = 16;
/// Longest tag that is compared, in characters.
const TAG_CHARS_MAX: usize = 128;

/// Tags what is shown, and hands the condition of a change to the transaction that judges it.
pub(crate) async fn judge(State(_): State<AppState>, mut request: Request, next: Next) -> Response {
    if !request.uri().path().starts_with("/api/v1/") {
        return next.run(request).await;
    }
    let method = request.method().clone();
    if method == Method::GET {
        let held = request.headers().get_all(header::IF_NONE_MATCH).iter().cloned().collect::<Vec<_>>();
        return unless_held(&held, tagged(next.run(request).await).await);
    }
    let tags = match tags(request.headers(), &header::IF_MATCH) {
        Ok(tags) => tags,
        Err(problem) => return problem.into_response(),
    };
    let conditional = !tags.is_empty();
    if conditional && let Some(SignedIn(caller)) = request.extensions_mut().get_mut::<SignedIn>() {
        caller.cx = caller.cx.clone().only_if(tags);
    }
    let response = next.run(request).await;
    // Somebody else changed the row between its reading and its change.
    if conditional && response.extensions().get::<Problem>().is_some_and(|p| p.code() == "database.busy") {
        let detail = "Somebody changed this at the same moment. Nothing was overwritten; read it again and decide anew.";
        return Problem::from(Error::stale("request.stale", detail)).into_response();
    }
    let shows = matches!(method, Method::PUT | Method::PATCH) && response.status() == StatusCode::OK;
    if shows { tagged(response).await } else { response }
}

/// The tags that a condition names; none where there is no condition.
fn tags(headers: &HeaderMap, name: &HeaderName) -> Result<Vec<String>, Problem> {
    let wrong = || {
        let detail =
            format!("`If-Match` holds up to {TAGS_MAX} entity tags in quotes, as `ETag` showed them, or `*`. Nothing was changed.");
        Problem::from(Error::malformed("request.if_match", detail))
    };
    let mut all = Vec::new();
    for value in headers.get_all(name) {
        for tag in value.to_str().map_err(|_| wrong())?.split(',').map(str::trim) {
            let quoted = tag.len() >= 2 && tag.len() <= TAG_CHARS_MAX && tag.starts_with('"') && tag.ends_with('"');
            // A weak tag never holds for a change (RFC 9110 section 8.8.3.2); it is kept, so that the condition is there and fails.
            if !(quoted || tag == "*" || tag.starts_with("W/\"")) || all.len() == TAGS_MAX {
                return Err(wrong());
            }
            all.push(tag.to_owned());
        }
    }
    Ok(all)
}

/// Gives JSON of success its tag.
async fn tagged(response: Response) -> Response {
    let json = response.headers().get(header::CONTENT_TYPE).is_some_and(|v| v.as_bytes().starts_with(b"application/json"));
    let short = response.body().size_hint().exact().is_some_and(|n| n <= TAGGED_BYTES_MAX);
    if response.status() != StatusCode::OK || !json || !short || response.headers().contains_key(header::ETAG) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    match body.collect().await {
        Ok(whole) => {
            let bytes = whole.to_bytes();
            parts.headers.extend(HeaderValue::try_from(entity_tag(&bytes)).ok().map(|tag| (header::ETAG, tag)));
            Response::from_parts(parts, Body::from(bytes))
        }
        Err(error) => Problem::from(Error::internal(error)).into_response(),
    }
}

/// Leaves the body out where its reader holds it already.
fn unless_held(held: &[HeaderValue], mut response: Response) -> Response {
    let Some(tag) = response.headers().get(header::ETAG).and_then(|v| v.to_str().ok()) else { return response };
    let weak = |t: &str| t.trim().trim_start_matches("W/") == tag || t.trim() == "*";
    if !held.iter().filter_map(|v| v.to_str().ok()).any(|v| v.split(',').any(weak)) {
        return response;
    }
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    *response.body_mut() = Body::empty();
    for name in [header::CONTENT_TYPE, header::CONTENT_LENGTH] {
        response.headers_mut().remove(name);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_is_a_list_of_quoted_tags() {
        let read = |value: &str| {
            let headers = HeaderMap::from_iter([(header::IF_MATCH, HeaderValue::from_str(value).unwrap())]);
            tags(&headers, &header::IF_MATCH).map_err(|p| p.status().as_u16())
        };
        assert_eq!(read(r#""a", "b""#).unwrap(), [r#""a""#, r#""b""#]);
        assert_eq!(read("*").unwrap(), ["*"]);
        assert_eq!(read(r#"W/"a""#).unwrap(), [r#"W/"a""#]);
        for wrong in ["", "a", "\"", "\"a", &"\"a\",".repeat(20), &format!("\"{}\"", "a".repeat(200))] {
            assert_eq!(read(wrong).unwrap_err(), 400, "{wrong}");
        }
        assert!(tags(&HeaderMap::new(), &header::IF_MATCH).unwrap().is_empty());
    }

    #[tokio::test]
    async fn equal_bytes_have_equal_tags_and_are_not_sent_twice() {
        let json = |text: &str| ([(header::CONTENT_TYPE, "application/json")], text.to_owned()).into_response();
        let first = tagged(json("{}")).await;
        let tag = first.headers()[header::ETAG].clone();
        assert_eq!(tagged(json("{}")).await.headers()[header::ETAG], tag);
        assert_ne!(tagged(json("{ }")).await.headers()[header::ETAG], tag);
        let held = unless_held(std::slice::from_ref(&tag), tagged(json("{}")).await);
        assert_eq!((held.status(), &held.headers()[header::ETAG]), (StatusCode::NOT_MODIFIED, &tag));
        assert!(held.into_body().collect().await.unwrap().to_bytes().is_empty());
        let other = unless_held(&[HeaderValue::from_static("\"other\"")], tagged(json("{}")).await);
        assert_eq!(other.status(), StatusCode::OK);
        assert!(!tagged("text".into_response()).await.headers().contains_key(header::ETAG));
    }
}
