//! A source of answers that does what a test says.

use crate::{ChatRequest, Delta, DeltaStream, LlmError, StopReason, TokenUsage};
use futures_util::{StreamExt as _, stream};
use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

/// What one call does.
#[derive(Clone, Debug)]
pub(super) enum Play {
    /// Refuses the call.
    Refuse(LlmError),
    /// Answers with these items, each after a pause.
    Answer(Vec<Result<Delta, LlmError>>, Duration),
    /// Answers with these items and then nothing more, without an end.
    Hang(Vec<Delta>),
    /// Accepts no call, ever.
    Silence,
}

/// Plays its plays in order, the last one for ever; counts calls and answers that are open.
#[derive(Clone)]
pub(super) struct Script(Arc<Inner>);

struct Inner {
    plays: Mutex<VecDeque<Play>>,
    calls: AtomicUsize,
    open: Arc<AtomicUsize>,
}

/// Counts an open answer until it is dropped.
struct Open(Arc<AtomicUsize>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

pub(super) const USAGE: TokenUsage = TokenUsage { input: 10, output: 2, cached_input: 0, cache_write_input: 4, reasoning: 0 };

pub(super) fn text(text: &str) -> Delta {
    Delta::Text(text.to_owned())
}

/// A whole answer with one piece of text.
pub(super) fn saying(word: &str) -> Play {
    let items = [text(word), Delta::Usage(USAGE), Delta::Stop(StopReason::EndTurn)];
    Play::Answer(items.into_iter().map(Ok).collect(), Duration::ZERO)
}

/// What a script is traced as.
pub(super) fn observed() -> vital_telemetry::Chat {
    let model = vital_telemetry::Model { provider: "script", name: "script", label: "script" };
    let asks = vital_telemetry::AsksModel { model, address: "script.example", port: 443, max_tokens: None, temperature: None, top_p: None };
    vital_telemetry::Chat::begin(asks)
}

impl Script {
    pub(super) fn new(plays: impl IntoIterator<Item = Play>) -> Self {
        let plays = Mutex::new(plays.into_iter().collect());
        Self(Arc::new(Inner { plays, calls: AtomicUsize::new(0), open: Arc::default() }))
    }

    pub(super) fn calls(&self) -> usize {
        self.0.calls.load(Ordering::Relaxed)
    }

    pub(super) fn open_answers(&self) -> usize {
        self.0.open.load(Ordering::Relaxed)
    }

    pub(super) fn repeatable(&self, request: &ChatRequest) -> Option<Vec<u8>> {
        (request.temperature == Some(0.0)).then(|| serde_json::to_vec(request).expect("a request is JSON"))
    }

    pub(super) async fn open(&self, _: &ChatRequest) -> Result<DeltaStream, LlmError> {
        self.0.calls.fetch_add(1, Ordering::Relaxed);
        let play = {
            let mut plays = self.0.plays.lock().expect("no test panics with the lock");
            if plays.len() > 1 { plays.pop_front() } else { plays.front().cloned() }
        };
        self.0.open.fetch_add(1, Ordering::Relaxed);
        let open = Open(Arc::clone(&self.0.open));
        match play.expect("a play") {
            Play::Refuse(error) => Err(error),
            Play::Silence => std::future::pending().await,
            Play::Answer(items, pause) => Ok(stream::iter(items)
                .then(move |item| {
                    let _open = &open;
                    async move {
                        if !pause.is_zero() {
                            tokio::time::sleep(pause).await;
                        }
                        item
                    }
                })
                .boxed()),
            Play::Hang(items) => {
                let items = stream::iter(items.into_iter().map(Ok)).chain(stream::pending());
                Ok(items.inspect(move |_| drop(Arc::clone(&open.0))).boxed())
            }
        }
    }
}
