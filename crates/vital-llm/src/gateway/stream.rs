//! The answer of a gateway, from its first item on.
//!
//! **Invariant:** from here on nothing is tried again: whatever goes wrong is the last item.
//! **Invariant:** the slot is free and the breaker told before the last item is handed out; dropping the stream does the same and
//! ends the provider's answer.

use super::{breaker::Ticket, cache::Recording, error::Attempt, observe, price::PriceKey, slots::Permit};
use crate::{Delta, DeltaStream, LlmError};
use futures_util::{Stream, StreamExt as _};
use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::time::{Instant, Sleep};
use vital_telemetry::Chat;

/// Who answers, and what was tried before.
#[derive(Clone, Debug)]
pub struct Answering {
    /// The target's name.
    pub target: Arc<str>,
    /// Under which name its price is looked up.
    pub price: Arc<PriceKey>,
    /// The tries that gave no answer, in order; empty as a rule.
    pub attempts: Vec<Attempt>,
    /// How long the try that gave the answer waited for a slot.
    pub queued: Duration,
    /// What the exact cache had to do with it.
    pub cached: Cached,
}

/// What the exact cache had to do with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cached {
    /// The request is none of those whose answers are kept, or nothing is kept.
    NotMeant,
    /// There was none, so a provider was asked.
    Missing,
    /// The answer was kept from before: no provider was asked, and its usage, whose whole prompt is marked as cached, costs nothing.
    Found,
}

impl Answering {
    /// Tells whether the answer was kept from before.
    #[must_use]
    pub const fn is_replayed(&self) -> bool {
        matches!(self.cached, Cached::Found)
    }
}

/// An answer that has begun: its items, in order, and who gives it. Ends after [`Delta::Stop`] or the first error.
pub struct GatewayStream {
    answering: Answering,
    state: State,
}

enum State {
    Live(Box<Live>),
    Replay { items: Arc<[Delta]>, next: usize },
    Done,
}

/// An answer under way.
pub(super) struct Live {
    /// What the provider sent up to the first item that can be shown: its usage, if any, and that item.
    pub(super) head: [Option<Delta>; 2],
    pub(super) rest: DeltaStream,
    /// Is told of what follows; it knows of the items in `head`.
    pub(super) chat: Chat,
    pub(super) ticket: Ticket,
    pub(super) deadline: Pin<Box<Sleep>>,
    pub(super) recording: Option<Recording>,
    /// Frees the slot when all this is dropped.
    pub(super) permit: Permit,
}

impl GatewayStream {
    pub(super) fn live(answering: Answering, live: Live) -> Self {
        Self { answering, state: State::Live(Box::new(live)) }
    }

    pub(super) fn replay(answering: Answering, items: Arc<[Delta]>) -> Self {
        Self { answering, state: State::Replay { items, next: 0 } }
    }

    /// Who answers, and what was tried before.
    #[must_use]
    pub const fn answering(&self) -> &Answering {
        &self.answering
    }
}

impl std::fmt::Debug for GatewayStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GatewayStream").field("answering", &self.answering).finish_non_exhaustive()
    }
}

impl Stream for GatewayStream {
    type Item = Result<Delta, LlmError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let item = match &mut self.state {
            State::Done => return Poll::Ready(None),
            State::Replay { items, next } => {
                *next += 1;
                Ok(super::cache::again(&items[*next - 1]))
            }
            State::Live(live) => ready!(live.next(cx)),
        };
        let last = matches!(item, Ok(Delta::Stop(_)) | Err(_));
        if last && let State::Live(live) = std::mem::replace(&mut self.state, State::Done) {
            live.end(item.as_ref().err());
        }
        Poll::Ready(Some(item))
    }
}

impl Live {
    fn next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Delta, LlmError>> {
        let item = match self.head.iter_mut().find_map(Option::take) {
            Some(item) => item,
            None => match self.rest.poll_next_unpin(cx) {
                Poll::Ready(Some(item)) => {
                    let item = item?;
                    observe::item(&mut self.chat, &item);
                    item
                }
                Poll::Ready(None) => return Poll::Ready(Err(LlmError::Cut)),
                Poll::Pending => {
                    ready!(self.deadline.as_mut().poll(cx));
                    return Poll::Ready(Err(LlmError::TotalTimeout));
                }
            },
        };
        // A provider that always has something ready does not outlive the deadline either.
        if Instant::now() >= self.deadline.deadline() && !matches!(item, Delta::Stop(_)) {
            return Poll::Ready(Err(LlmError::TotalTimeout));
        }
        self.recording = self.recording.take().and_then(|recording| recording.item(&item));
        Poll::Ready(Ok(item))
    }

    fn end(mut self, error: Option<&LlmError>) {
        if let Some(error) = error {
            self.chat.failed(error.code());
        }
        if error.is_some_and(is_targets_fault) {
            self.ticket.failed();
        }
        drop(self.permit);
    }
}

/// Tells whether an error speaks against the target, so that it counts for the breaker, rather than against this one request.
pub(super) const fn is_targets_fault(error: &LlmError) -> bool {
    match error {
        LlmError::Connect
        | LlmError::Unauthorized
        | LlmError::UnknownModel
        | LlmError::RateLimited { .. }
        | LlmError::FirstTokenTimeout
        | LlmError::Stalled
        | LlmError::FrameTooLarge
        | LlmError::Garbled { .. }
        | LlmError::Cut => true,
        LlmError::Status { status } => matches!(status, 408 | 425 | 500..),
        LlmError::ContextTooLong
        | LlmError::ContentFiltered
        | LlmError::TotalTimeout
        | LlmError::OutputTooLarge
        | LlmError::Request { .. }
        | LlmError::Config { .. } => false,
    }
}
