//! The body of a scripted response: it plays the steps and notices when the client leaves before the end.

use super::{
    Shared,
    script::{Gate, Play},
};
use bytes::Bytes;
use hyper::body::{Body, Frame};
use std::{
    collections::VecDeque,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

/// The end of a connection on purpose.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ending {
    /// The script breaks it.
    Cut,
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cut by the script")
    }
}

impl std::error::Error for Ending {}

/// Counts a connection as closed early if it is dropped before it is done.
pub(super) struct Watch(Option<Arc<Shared>>);

impl Watch {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self(Some(shared))
    }

    /// The script reached its own end.
    pub(super) fn done(mut self) {
        self.0 = None;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(shared) = self.0.take() {
            shared.counts.send_modify(|c| c.closed_early += 1);
        }
    }
}

pub(super) struct ScriptBody {
    plays: VecDeque<Play>,
    /// The gate or pause that the script is at.
    waiting: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    watch: Option<Watch>,
}

impl ScriptBody {
    pub(super) fn new(plays: VecDeque<Play>, watch: Watch) -> Self {
        Self { plays, waiting: None, watch: Some(watch) }
    }

    pub(super) fn unwatched(body: Bytes) -> Self {
        Self { plays: [Play::Send(body)].into(), waiting: None, watch: None }
    }

    fn done(&mut self) {
        if let Some(watch) = self.watch.take() {
            watch.done();
        }
    }

    fn wait(&mut self, until: impl Future<Output = ()> + Send + 'static) {
        self.waiting = Some(Box::pin(until));
    }
}

impl Body for ScriptBody {
    type Data = Bytes;
    type Error = Ending;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Ending>>> {
        loop {
            if let Some(waiting) = &mut self.waiting {
                ready!(waiting.as_mut().poll(cx));
                self.waiting = None;
            }
            match self.plays.pop_front() {
                Some(Play::Send(bytes)) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
                Some(Play::Repeat(bytes)) => {
                    self.plays.push_front(Play::Repeat(bytes.clone()));
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
                Some(Play::Wait(gate)) => self.wait(Gate::opened(gate)),
                Some(Play::Pause(time)) => self.wait(tokio::time::sleep(time)),
                Some(Play::Hang) => self.wait(std::future::pending()),
                Some(Play::Cut) if self.watch.is_some() => {
                    // An error throws away what the server has not sent yet, so it gets one turn first.
                    self.done();
                    self.plays.push_front(Play::Cut);
                    self.wait(tokio::task::yield_now());
                }
                Some(Play::Cut) => return Poll::Ready(Some(Err(Ending::Cut))),
                Some(Play::End) | None => {
                    self.done();
                    return Poll::Ready(None);
                }
            }
        }
    }
}
