//! Asks what was heard and follows the answer. A client that leaves leaves the answer alone: it is written to its end and kept.

use super::{
    AUTO, Note,
    heard::Heard,
    telling::{End, Said, Telling},
};
use crate::{idempotency::AskedBefore, limits, problem::Reply, state::AppState};
use axum::{
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::{
        IntoResponse as _, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::{Stream, StreamExt as _, stream};
use std::{convert::Infallible, time::Duration};
use vital_kernel::{ConversationId, Error, Permission, RequestId};
use vital_platform::{
    ask::{self, Question, Turn},
    identity::Caller,
};

/// Names the conversation of the product: in a reply, the one that the answer stands in; in a request, the one to go on with.
pub(crate) const CONVERSATION: HeaderName = HeaderName::from_static("x-conversation-id");
/// Names the turn.
pub(crate) const TURN: HeaderName = HeaderName::from_static("x-turn-id");
/// Says how many exchanges of the history were left out.
pub(crate) const LEFT_OUT: HeaderName = HeaderName::from_static("x-history-left-out");
/// Names what was taken and had no effect.
pub(crate) const IGNORED: HeaderName = HeaderName::from_static("x-vital-ignored");
/// What is said there where instructions came along.
pub(super) const SYSTEM: &str = "system";
/// A comment keeps proxies from ending a quiet stream.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// What answering takes, asked for before anything is stored: the answer is written with the rights of the caller.
const NEEDED: [Permission; 4] = [Permission::Ask, Permission::ConversationRead, Permission::ExpertRead, Permission::DocumentRead];

/// A question that was accepted.
pub(super) struct Asked {
    pub turn: Turn,
    pub headers: HeaderMap,
    /// What was asked of: a slug, or `auto`.
    pub model: String,
    caller: Caller,
}

/// Asks in a conversation of its own, or in the one that the request names, whose turns are then the history.
/// A request that comes again with its idempotency key gets the turn that it asked for then.
pub(super) async fn ask(
    s: &AppState,
    caller: Caller,
    request: &HeaderMap,
    AskedBefore(before): AskedBefore,
    model: String,
    heard: Heard,
) -> Reply<Asked> {
    for permission in NEEDED {
        caller.cx.require(permission)?;
    }
    limits::asking(s, &caller).await?;
    let expert = (model != AUTO).then(|| model.clone());
    let mut left_out = heard.left_out();
    let ignored: &[&str] = if heard.instructions.is_empty() { &[] } else { &[SYSTEM] };
    let question =
        Question { text: heard.question, expert, earlier: heard.earlier, client_instructions: heard.instructions, repeats: None };
    let turn = match (before, request.get(CONVERSATION)) {
        (Some(turn), _) => ask::turn(&s.platform, &caller.cx, turn).await?,
        (None, None) => ask::ask_anew(&s.platform, &caller.cx, question).await?,
        (None, Some(id)) => {
            left_out = 0;
            let id: Option<ConversationId> = id.to_str().ok().and_then(|id| id.parse().ok());
            let id =
                id.ok_or_else(|| Error::not_found("conversation.unknown", "There is no such conversation, or it is not yours to see."))?;
            ask::ask(&s.platform, &caller.cx, id, Question { earlier: Vec::new(), ..question }).await?
        }
    };
    let mut headers = HeaderMap::new();
    let mut say = |name, value: String| headers.extend(HeaderValue::try_from(value).ok().map(|value| (name, value)));
    say(CONVERSATION, turn.conversation_id.to_string());
    say(TURN, turn.id.to_string());
    if left_out > 0 {
        say(LEFT_OUT, left_out.to_string());
    }
    if !ignored.is_empty() {
        say(IGNORED, ignored.join(", "));
    }
    Ok(Asked { turn, headers, model, caller })
}

impl Asked {
    /// Follows the answer to its end, or until the server stops.
    pub(super) async fn follow(&self, s: &AppState) -> Reply<impl Stream<Item = Said> + Send + use<>> {
        let events = ask::follow(s.platform.clone(), self.caller.clone(), self.turn.id, 0).await?;
        let mut telling = Telling::new(self.model.clone());
        let events = events.take_until(s.closing.clone().cancelled_owned()).map(Some).chain(stream::once(async { None }));
        Ok(events.map(move |event| stream::iter(telling.take(event))).flatten())
    }

    /// The request, for the log.
    pub(super) const fn request_id(&self) -> RequestId {
        self.caller.cx.request_id()
    }

    /// What the formats have no place for.
    pub(super) fn note(&self, end: End) -> Note {
        note(&self.turn, end)
    }
}

/// What the formats have no place for.
pub(super) fn note(turn: &Turn, end: End) -> Note {
    let End { state, composer, confidence, trust, .. } = end;
    let ignored = if turn.client_instructions.is_empty() { Vec::new() } else { vec![SYSTEM] };
    Note { conversation_id: turn.conversation_id.0, turn_id: turn.id.0, state, composer, confidence, trust, ignored }
}

/// A response that is a stream of frames.
pub(super) fn streaming(frames: impl Stream<Item = Event> + Send + 'static) -> Response {
    let frames = Sse::new(frames.map(Ok::<_, Infallible>)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE).text("keep-alive"));
    ([(header::CACHE_CONTROL, "no-store")], frames).into_response()
}
