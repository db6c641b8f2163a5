//! Requests in an open loop, each timed from the moment it was due.

use crate::{
    samples::{Samples, ms},
    server::http_client,
    stream::Lines,
};
use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Longest wait for one answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Who is asked.
#[derive(Clone)]
pub(super) struct Target {
    http: reqwest::Client,
    address: String,
    key: String,
    body: Value,
}

/// What came of a number of requests.
pub(super) struct Outcome {
    /// Milliseconds from the moment a request was due to the end of its answer.
    pub(super) times: Samples,
    pub(super) failed: usize,
}

impl Target {
    pub(super) fn new(address: &str, key: &str, model: &str) -> anyhow::Result<Self> {
        let messages =
            json!([{ "role": "system", "content": "Be brief." }, { "role": "user", "content": "Write a title for a protocol." }]);
        let body = json!({ "model": model, "stream": true, "max_tokens": 64, "messages": messages });
        Ok(Self { http: http_client()?, address: address.to_owned(), key: key.to_owned(), body })
    }

    pub(super) async fn send(&self) -> anyhow::Result<reqwest::Response> {
        let sent = self.http.post(&self.address).bearer_auth(&self.key).timeout(PATIENCE * 10).json(&self.body).send().await?;
        let status = sent.status();
        if !status.is_success() {
            anyhow::bail!("{} came with status {status}: {}", self.address, sent.text().await.unwrap_or_default());
        }
        Ok(sent)
    }

    async fn whole(&self) -> anyhow::Result<()> {
        let answer = tokio::time::timeout(PATIENCE, async { anyhow::Ok(self.send().await?.bytes().await?) }).await??;
        ensure!(answer.ends_with(b"data: [DONE]\n\n"), "an answer broke off: {}", String::from_utf8_lossy(&answer));
        Ok(())
    }

    /// Asks, and returns when the first piece of text was there.
    pub(super) async fn first_frame(&self) -> anyhow::Result<Instant> {
        let mut lines = Lines::of(self.send().await?);
        let mut arrived = None;
        while let Some(line) = lines.next().await? {
            if arrived.is_none() && line.contains("\"content\":\"word") {
                arrived = Some(Instant::now());
            }
        }
        arrived.context("no text came")
    }
}

/// Sends so many requests at a rate, whatever becomes of those before.
pub(super) async fn open_loop(target: &Target, rate: f64, count: usize) -> Outcome {
    let begun = tokio::time::Instant::now();
    let mut under_way = tokio::task::JoinSet::new();
    for n in 0..count {
        let due = begun + Duration::from_secs_f64(n as f64 / rate);
        tokio::time::sleep_until(due).await;
        let target = target.clone();
        under_way.spawn(async move { target.whole().await.map(|()| ms(due.elapsed())) });
    }
    let (mut times, mut failed) = (Vec::with_capacity(count), 0);
    while let Some(done) = under_way.join_next().await {
        match done {
            Ok(Ok(took)) => times.push(took),
            Ok(Err(error)) => {
                if failed == 0 {
                    crate::say(&format!("    failed: {error:#}"));
                }
                failed += 1;
            }
            Err(_) => failed += 1,
        }
    }
    Outcome { times: Samples::new(times), failed }
}
