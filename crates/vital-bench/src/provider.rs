//! The model provider of the measurement: local, scripted, with a pace, and measured by itself with the very requests that the server sent.

use crate::{samples::ms, stream::Lines};
use anyhow::{Context as _, ensure};
use serde_json::Value;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use vital_testkit::provider::{Request, Script, ScriptedProvider, Usage};

/// Pieces of text in one answer.
pub(crate) const PIECES: usize = 40;
/// Words in one piece: a little more than a token of a real provider.
const PIECE_WORDS: usize = 2;

/// How fast the provider writes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// From the request to the first piece.
    pub(crate) first: Duration,
    /// Between two pieces.
    pub(crate) piece: Duration,
}

impl Pace {
    /// From the request to the last piece.
    pub(crate) fn answer(self) -> Duration {
        self.first + self.piece * u32::try_from(PIECES - 1).unwrap_or(u32::MAX)
    }
}

/// A running provider.
pub(crate) struct Paced {
    scripted: ScriptedProvider,
}

/// When the parts of the provider's own answer came, in milliseconds after the request began to be sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Own {
    /// The first piece of text.
    pub(crate) first_token_ms: f64,
    /// The end mark of the stream.
    pub(crate) done_ms: f64,
}

impl Paced {
    /// Starts on a free port of the loopback.
    ///
    /// # Errors
    /// That of the operating system.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        Ok(Self { scripted: ScriptedProvider::start().await.context("the scripted provider could not start")? })
    }

    /// What the server is configured with.
    pub(crate) fn base_url(&self) -> String {
        format!("{}/v1", self.scripted.base_url())
    }

    /// Answers from now on at this pace, or as fast as it can.
    pub(crate) fn set_pace(&self, pace: Option<Pace>) {
        self.scripted.reply_with(move |request| script(request, pace));
    }

    /// The last request that the server sent, to be sent again.
    ///
    /// # Errors
    /// When it sent none.
    pub(crate) fn last_request(&self) -> anyhow::Result<Arc<Request>> {
        self.scripted.requests().pop().context("the server has not asked the provider yet")
    }

    /// Sends a request of the server once more, from here.
    ///
    /// # Errors
    /// When the connection broke.
    pub(crate) async fn ask(&self, http: &reqwest::Client, request: &Request) -> anyhow::Result<Own> {
        let begun = Instant::now();
        let address = format!("{}{}", self.scripted.base_url(), request.path);
        let sent = http.post(address).header("content-type", "application/json").body(request.body.clone()).send();
        let mut lines = Lines::of(sent.await?.error_for_status()?);
        let (mut first_token_ms, mut done_ms) = (f64::NAN, f64::NAN);
        while let Some(line) = lines.next().await? {
            let Some(data) = line.strip_prefix("data: ") else { continue };
            let now = ms(begun.elapsed());
            if data == "[DONE]" {
                done_ms = now;
            } else if first_token_ms.is_nan() && has_text(data) {
                first_token_ms = now;
            }
        }
        ensure!(!first_token_ms.is_nan() && !done_ms.is_nan(), "the provider's stream ended early");
        Ok(Own { first_token_ms, done_ms })
    }
}

fn has_text(data: &str) -> bool {
    let frame: Value = serde_json::from_str(data).unwrap_or_default();
    frame["choices"][0]["delta"]["content"].as_str().is_some_and(|text| !text.is_empty())
}

/// An answer made of the first passage's own words with a citation, so that binding and checking have real work. It always has the
/// same number of pieces, so that the provider's own time does not depend on the question.
fn script(request: &Request, pace: Option<Pace>) -> Script {
    let prompt = request.last_user();
    let passage = prompt
        .split_once("<passage number=\"1\"")
        .and_then(|(_, rest)| rest.split_once(">\n"))
        .and_then(|(_, rest)| rest.split_once("\n</passage>"));
    let words: Vec<&str> = passage
        .map_or("No passage was given.", |(body, _)| body)
        .split_whitespace()
        .filter(|word| word.chars().any(char::is_alphanumeric))
        .collect();
    let mut words = words.iter().cycle();
    let mut script = Script::new().usage(Usage { input: 1_500, output: (PIECES * PIECE_WORDS) as u64, ..Usage::default() });
    for piece in 0..PIECES {
        if let Some(pace) = pace {
            script = script.pause(if piece == 0 { pace.first } else { pace.piece });
        }
        let text: String = words.by_ref().take(PIECE_WORDS).flat_map(|word| [word, " "]).collect();
        script = script.text(if piece + 1 == PIECES { format!("{} [1]", text.trim_end()) } else { text });
    }
    script
}
