//! `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header) on every write of the API and the doors: of equal requests with one key, one
//! is carried out and all get its reply.
//!
//! **Invariants:** a request without the header costs nothing here; a request that is carried out goes on to its end also where its sender
//! leaves, so that its reply is there for the next one; a reply that sets a cookie is never kept. The key counts from behind the caller, the
//! rates and the limits of bodies: what is refused there has never begun.
//!
//! A request is the same as another one where method, path, query, media type, body and named conversation are. Of a form with files the
//! parts count and not their boundary, which clients choose anew for every try. The reply of a stream is the turn that it tells: the stream
//! is told again from the stored events.

use crate::{
    caller::SignedIn,
    compat::{self, CONVERSATION, IGNORED, LEFT_OUT, TURN},
    extract,
    problem::Problem,
    state::AppState,
    upload,
};
use axum::{
    body::{Body, to_bytes},
    extract::{FromRequest as _, FromRequestParts, Multipart, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use sha2::{Digest as _, Sha256};
use std::{convert::Infallible, panic::resume_unwind};
use tracing::Instrument as _;
use vital_kernel::{Error, TurnId, limits};
use vital_platform::idempotency::{self, Attempt, Claim, KeptReply, Keyed, Outcome};

/// The header with the key.
pub(crate) const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Says that a reply is that of an earlier request.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// Headers that belong to a reply itself; the others are those of the exchange.
const KEPT: [HeaderName; 7] = [header::CONTENT_TYPE, header::LOCATION, header::ETAG, CONVERSATION, TURN, LEFT_OUT, IGNORED];

/// The turn whose stream a request gets instead of asking again, if it was asked before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AskedBefore(pub(crate) Option<TurnId>);

impl<S: Sync> FromRequestParts<S> for AskedBefore {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Self>().copied().unwrap_or(Self(None)))
    }
}

/// Carries a write with a key out once.
pub(crate) async fn guard(State(s): State<AppState>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let writes = matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH | Method::DELETE);
    if !writes || !request.headers().contains_key(KEY) || !(path.starts_with("/api/v1/") || compat::is_door(path)) {
        return next.run(request).await;
    }
    // What needs nobody to be signed in has nobody for whom a key could count.
    let Some(who) = request.extensions().get::<SignedIn>().cloned() else { return next.run(request).await };
    once(s, who, request, next).await.unwrap_or_else(Problem::into_response)
}

async fn once(s: AppState, SignedIn(mut caller): SignedIn, request: Request, next: Next) -> Result<Response, Problem> {
    let key = key_of(request.headers())?;
    let (mut request, fingerprint) = read(request).await?;
    let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
    let keyed = Keyed { key: &key, method: &method, path: &path, fingerprint };
    match idempotency::claim(&s.platform, &caller, keyed).await? {
        Claim::Replay(reply) => Ok(replayed(reply)),
        Claim::Follow(turn) => {
            request.extensions_mut().insert(AskedBefore(Some(turn)));
            let mut response = next.run(request).await;
            response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
            Ok(response)
        }
        Claim::Run(attempt) => {
            caller.cx = caller.cx.attempted(attempt.id());
            request.extensions_mut().insert(SignedIn(caller));
            let work = async move { settle(attempt, next.run(request).await).await };
            match idempotency::carry_on(&s.platform, work.in_current_span()).await {
                Ok(response) => Ok(response),
                Err(error) => match error.try_into_panic() {
                    Ok(panic) => resume_unwind(panic),
                    Err(error) => Err(Error::internal(error).into()),
                },
            }
        }
    }
}

/// The key of a request: 1 to 255 visible characters of ASCII, once.
fn key_of(headers: &HeaderMap) -> Result<String, Problem> {
    let mut all = headers.get_all(KEY).iter();
    let key = all.next().and_then(|value| value.to_str().ok());
    let key = key.filter(|k| (1..=limits::IDEMPOTENCY_KEY_CHARS_MAX).contains(&k.len()) && k.bytes().all(|b| b.is_ascii_graphic()));
    match (key, all.next()) {
        (Some(key), None) => Ok(key.to_owned()),
        _ => {
            let detail = format!(
                "An idempotency key is 1 to {} visible characters of ASCII, such as a random UUID, and is sent once. Nothing was done.",
                limits::IDEMPOTENCY_KEY_CHARS_MAX
            );
            Err(Error::malformed("idempotency.key", detail).into())
        }
    }
}

/// Reads the body, and hashes everything that was asked.
async fn read(request: Request) -> Result<(Request, [u8; 32]), Problem> {
    let (parts, body) = request.into_parts();
    let limit = upload::limit_of(&parts.extensions);
    let bytes = read_whole(body, limit).await?;
    let mut hash = Sha256::new();
    let media = parts.headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let media = media.split(|b| *b == b';').next().unwrap_or_default().trim_ascii().to_ascii_lowercase();
    let query = parts.uri.query().unwrap_or_default().as_bytes();
    for part in [parts.method.as_str().as_bytes(), parts.uri.path().as_bytes(), query, &media] {
        add(&mut hash, part);
    }
    // In another conversation, or on another condition, a request asks for something else.
    for name in [CONVERSATION, header::IF_MATCH] {
        for value in parts.headers.get_all(&name) {
            add(&mut hash, name.as_str().as_bytes());
            add(&mut hash, value.as_bytes());
        }
    }
    let of_parts = if media == b"multipart/form-data" {
        let mut form = Request::new(Body::from(bytes.clone()));
        *form.headers_mut() = parts.headers.clone();
        *form.extensions_mut() = parts.extensions.clone();
        hash_of_parts(form).await
    } else {
        None
    };
    // Of a form that cannot be read the bytes count: the handler says what is wrong with it.
    add(&mut hash, of_parts.as_ref().map_or(bytes.as_ref(), |of_parts| of_parts));
    Ok((Request::from_parts(parts, Body::from(bytes)), hash.finalize().into()))
}

/// Reads a body up to the limit of its route.
async fn read_whole(body: Body, limit: usize) -> Result<Bytes, Problem> {
    let whole = to_bytes(body, limit).await;
    whole.map_err(|e| if limit == upload::UPLOAD_BODY_BYTES_MAX { upload::unread(&e) } else { extract::unread(&e, limit) })
}

/// Adds a value with its length before it, so that no two rows of values are the same bytes.
fn add(hash: &mut Sha256, value: &[u8]) {
    hash.update((value.len() as u64).to_be_bytes());
    hash.update(value);
}

/// The hash of the names, media types and bytes of a form's parts in their order; none where it is no form that can be read.
async fn hash_of_parts(form: Request) -> Option<[u8; 32]> {
    let mut form = Multipart::from_request(form, &()).await.ok()?;
    let mut hash = Sha256::new();
    while let Some(mut field) = form.next_field().await.ok()? {
        for part in [field.name(), field.file_name(), field.content_type()] {
            add(&mut hash, part.unwrap_or_default().as_bytes());
        }
        let mut of_part = Sha256::new();
        while let Some(chunk) = field.chunk().await.ok()? {
            of_part.update(&chunk);
        }
        add(&mut hash, &of_part.finalize());
    }
    Some(hash.finalize().into())
}

/// Keeps what a request came to, and gives its reply on.
async fn settle(attempt: Attempt, response: Response) -> Response {
    let (outcome, response) = outcome(response).await;
    if let Err(error) = attempt.finish(outcome).await {
        // What took effect stands and its reply is right; only an equal request later is told that it was lost.
        tracing::warn!(%error, "the reply to a request with an idempotency key cannot be kept");
    }
    response
}

async fn outcome(response: Response) -> (Outcome, Response) {
    let status = response.status();
    if status.is_server_error() {
        return (Outcome::Failed, response);
    }
    let has_cookie = response.headers().contains_key(header::SET_COOKIE);
    if status.is_client_error() || has_cookie {
        return (Outcome::Refused, response);
    }
    let (parts, body) = response.into_parts();
    let kept = |name: &HeaderName| parts.headers.get(name).and_then(|v| Some((name.to_string(), v.to_str().ok()?.to_owned())));
    let head = KeptReply { status: status.as_u16(), headers: KEPT.iter().filter_map(kept).collect(), body: Vec::new() };
    let turn = head.header(TURN.as_str()).and_then(|id| id.parse().ok());
    if let Some(turn) = turn.filter(|_| head.header("content-type").is_some_and(|media| media.starts_with("text/event-stream"))) {
        return (Outcome::Streamed { turn, head }, Response::from_parts(parts, body));
    }
    match body.collect().await {
        Ok(whole) => {
            let bytes = whole.to_bytes();
            let fits = bytes.len() <= limits::IDEMPOTENCY_REPLY_BYTES_MAX;
            let outcome = if fits { Outcome::Replied(KeptReply { body: bytes.to_vec(), ..head }) } else { Outcome::TooLarge(head) };
            (outcome, Response::from_parts(parts, Body::from(bytes)))
        }
        Err(error) => (Outcome::Failed, Problem::from(Error::internal(error)).into_response()),
    }
}

/// A kept reply as a response.
fn replayed(reply: KeptReply) -> Response {
    let mut response = Response::new(Body::from(reply.body));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or_default();
    for (name, value) in reply.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn fingerprint(method: &str, uri: &str, media: &str, body: impl Into<Body>) -> [u8; 32] {
        let request = Request::builder().method(method).uri(uri).header("content-type", media).body(body.into()).unwrap();
        read(request).await.unwrap().1
    }

    #[tokio::test]
    async fn a_request_is_what_was_asked_and_not_how_it_was_written() {
        let json = "application/json";
        let first = fingerprint("POST", "/api/v1/keys?a=1", json, "{}").await;
        assert_eq!(first, fingerprint("POST", "/api/v1/keys?a=1", "Application/JSON; charset=utf-8", "{}").await);
        for (method, uri, media, body) in [
            ("PUT", "/api/v1/keys?a=1", json, "{}"),
            ("POST", "/api/v1/key?sa=1", json, "{}"),
            ("POST", "/api/v1/keys", json, "{}"),
            ("POST", "/api/v1/keys?a=1", "text/plain", "{}"),
            ("POST", "/api/v1/keys?a=1", json, "{ }"),
        ] {
            assert_ne!(first, fingerprint(method, uri, media, body).await, "{method} {uri} {media} {body}");
        }
    }

    #[tokio::test]
    async fn of_a_form_the_parts_count_and_not_their_boundary() {
        let form = |boundary: &str, name: &str, text: &str| {
            format!(
                "--{boundary}\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n{text}\r\n--{boundary}--\r\n"
            )
        };
        let of = async |boundary: &str, name: &str, text: &str| {
            let media = format!("multipart/form-data; boundary={boundary}");
            fingerprint("POST", "/api/v1/documents", &media, form(boundary, name, text)).await
        };
        let first = of("one", "a.txt", "hello").await;
        assert_eq!(first, of("another", "a.txt", "hello").await);
        assert_ne!(first, of("one", "b.txt", "hello").await);
        assert_ne!(first, of("one", "a.txt", "hallo").await);
        assert_ne!(first, of("one", "a.tx", "thello").await);
        let broken = fingerprint("POST", "/api/v1/documents", "multipart/form-data; boundary=one", "--one\r\n").await;
        assert_ne!(first, broken, "what is no form is told apart by its bytes");
    }

    #[test]
    fn a_key_is_visible_ascii_of_bounded_length_and_comes_once() {
        let of = |keys: &[&[u8]]| {
            let mut headers = HeaderMap::new();
            for key in keys {
                headers.append(KEY, HeaderValue::from_bytes(key).unwrap());
            }
            key_of(&headers).map_err(|p| p.status().as_u16())
        };
        assert_eq!(of(&[b"\"8e03978e-40d5-43dd-bc93-6894a57f9324\""]).unwrap(), "\"8e03978e-40d5-43dd-bc93-6894a57f9324\"");
        assert_eq!(of(&[&[b'k'; 255]]).unwrap().len(), 255);
        for refused in [&[&[b'k'; 256][..]][..], &[b""], &[b"a b"], &["schl\u{fc}ssel".as_bytes()], &[b"a", b"a"]] {
            assert_eq!(of(refused).unwrap_err(), 400, "{refused:?}");
        }
    }

    #[tokio::test]
    async fn only_replies_of_success_without_a_cookie_are_kept_and_large_ones_by_their_head() {
        let reply = |status: u16, size: usize| {
            Response::builder().status(status).header("location", "/x").body(Body::from(vec![b'x'; size])).unwrap()
        };
        assert!(matches!(outcome(reply(422, 1)).await.0, Outcome::Refused));
        assert!(matches!(outcome(reply(503, 1)).await.0, Outcome::Failed));
        let mut cookie = reply(200, 1);
        cookie.headers_mut().insert(header::SET_COOKIE, HeaderValue::from_static("a=b"));
        assert!(matches!(outcome(cookie).await.0, Outcome::Refused));
        let (kept, response) = outcome(reply(201, limits::IDEMPOTENCY_REPLY_BYTES_MAX)).await;
        assert!(
            matches!(kept, Outcome::Replied(r) if r.body.len() == limits::IDEMPOTENCY_REPLY_BYTES_MAX && r.header("location") == Some("/x"))
        );
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes().len(), limits::IDEMPOTENCY_REPLY_BYTES_MAX);
        let (head, _) = outcome(reply(201, limits::IDEMPOTENCY_REPLY_BYTES_MAX + 1)).await;
        assert!(matches!(head, Outcome::TooLarge(r) if r.body.is_empty()));
    }
}
