//! The event stream of a turn (`text/event-stream`, WHATWG HTML section 9.2): replay from `Last-Event-ID`, then live.

use crate::{
    caller::SignedIn,
    extract::{Id, Params},
    problem::{Problem, Reply},
    state::AppState,
};
use axum::{
    extract::State,
    http::{HeaderMap, header},
    response::{
        IntoResponse,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::{Stream, StreamExt as _, stream};
use serde::Deserialize;
use std::{convert::Infallible, time::Duration};
use utoipa::{IntoParams, ToSchema};
use vital_kernel::{Error, RequestId, Result, TurnId};
use vital_platform::ask::{self, StoredEvent};

/// A comment keeps proxies from ending a quiet stream.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// How long a browser waits before it comes back.
const RETRY: Duration = Duration::from_millis(1_000);

/// Where to begin.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct After {
    /// Only events with a larger number; the header `Last-Event-ID` wins over it.
    after: Option<i32>,
}

/// A frame of an event stream: its fields, as text (WHATWG HTML section 9.2).
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes frames for the API document")]
pub(crate) struct EventFrame {
    /// What `Last-Event-ID` is to say after a broken connection.
    id: Option<String>,
    /// What kind of frame it is.
    event: Option<String>,
    /// JSON.
    data: String,
}

/// Follows a turn: its stored events from the given number on, then live ones, until `done`. The id of an event is its number.
#[utoipa::path(get, path = "/api/v1/turns/{id}/events", tag = "ask",
    params(("id" = Uuid, Path), After, ("Last-Event-ID" = Option<String>, Header, pattern = "^[0-9]{0,10}$", description = "Number of the last event that was received")),
    responses((status = 200, description = "The events, each a frame; `data` is a `StoredEvent`, or a problem, which ends the stream",
        body = EventFrame, content_type = "text/event-stream")))]
pub(crate) async fn follow(
    State(s): State<AppState>,
    SignedIn(caller): SignedIn,
    Id(id): Id<TurnId>,
    Params(given): Params<After>,
    headers: HeaderMap,
) -> Reply<impl IntoResponse> {
    let after = last_event_id(&headers)?.or(given.after).unwrap_or(0).max(0);
    let request_id = caller.cx.request_id();
    let events = ask::follow(s.platform, caller, id, after).await?;
    let closing = s.closing.cancelled_owned();
    let stream =
        Sse::new(frames(events, request_id).take_until(closing)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE).text("keep-alive"));
    // Events hold what people asked and read: unlike the default of `Sse`, no cache may keep them.
    Ok(([(header::CACHE_CONTROL, "no-store")], stream))
}

fn last_event_id(headers: &HeaderMap) -> Reply<Option<i32>> {
    let Some(value) = headers.get("last-event-id").filter(|v| !v.is_empty()) else { return Ok(None) };
    let digits = value.to_str().ok().filter(|v| v.bytes().all(|b| b.is_ascii_digit()));
    let number = digits.and_then(|v| v.parse().ok());
    number.map(Some).ok_or_else(|| Error::malformed("events.last_event_id", "`Last-Event-ID` has to be the number of an event.").into())
}

/// The frames of a stream; a failure becomes one `problem` frame without an id, and ends it.
fn frames(
    events: impl Stream<Item = Result<StoredEvent>> + Send,
    request_id: RequestId,
) -> impl Stream<Item = Result<Event, Infallible>> + Send {
    let retry = stream::once(async { Ok(Event::default().retry(RETRY)) });
    let mut failed = false;
    let frames = events
        .take_while(move |event| {
            let go_on = !failed;
            failed |= event.is_err();
            async move { go_on }
        })
        .map(move |event| Ok(event.map_or_else(|e| problem_frame(&e.into(), request_id), |e| frame(&e, request_id))));
    retry.chain(frames)
}

fn frame(stored: &StoredEvent, request_id: RequestId) -> Event {
    let event = Event::default().id(stored.seq.to_string()).event(stored.event.kind());
    event.json_data(stored).unwrap_or_else(|e| problem_frame(&Error::internal(e.to_string()).into(), request_id))
}

fn problem_frame(problem: &Problem, request_id: RequestId) -> Event {
    problem.log(request_id);
    let data = serde_json::to_string(&problem.body(request_id)).unwrap_or_default();
    Event::default().event("problem").data(data)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;
    use uuid::Uuid;
    use vital_platform::ask::TurnEvent;

    async fn wire(events: Vec<Result<StoredEvent>>) -> String {
        let response = Sse::new(frames(stream::iter(events), RequestId(Uuid::nil()))).into_response();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
    }

    fn usage(seq: i32) -> StoredEvent {
        StoredEvent {
            seq,
            event: TurnEvent::Usage { composer: "extractive".into(), input_tokens: 0, output_tokens: 0, elapsed_ms: 3, cost_micros: None },
        }
    }

    #[tokio::test]
    async fn a_frame_has_number_name_and_data() {
        let wire = wire(vec![Ok(usage(7))]).await;
        assert!(wire.starts_with("retry: 1000\n\n"), "{wire}");
        assert!(wire.contains("id: 7\n") && wire.contains("event: usage\n") && wire.contains("data: {\"seq\":7,"), "{wire}");
    }

    #[tokio::test]
    async fn a_failure_is_one_problem_and_the_end() {
        let wire = wire(vec![Ok(usage(1)), Err(Error::unavailable("db.away", "The database does not answer.")), Ok(usage(2))]).await;
        assert_eq!(wire.matches("event: problem").count(), 1);
        assert!(wire.contains("\"code\":\"db.away\""));
        assert!(!wire.contains("id: 2"), "nothing follows a failure: {wire}");
    }

    #[test]
    fn the_header_has_to_be_a_number() {
        let headers = |v: &str| HeaderMap::from_iter([("last-event-id".parse().unwrap(), v.parse().unwrap())]);
        assert_eq!(last_event_id(&headers("12")).unwrap(), Some(12));
        assert_eq!(last_event_id(&headers("")).unwrap(), None);
        for wrong in ["12; drop", "-1", "+1", "99999999999"] {
            assert!(last_event_id(&headers(wrong)).is_err(), "{wrong}");
        }
    }
}
