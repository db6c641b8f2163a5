//! What the platform adds to the time of its provider, over the whole authenticated path.
//!
//! A closed loop at fixed concurrency: each client asks its next question when the last answer has ended. Clients start spread over
//! one answer of the provider, so that they do not ask in step. The provider alone is measured first, by the same client code with a
//! request that the server had sent, at the same concurrency; its median is taken from every sample, so that what is left holds the
//! provider's own jitter as well and is rather too high than too low.

use crate::{
    Options,
    api::{Answered, Api},
    corpus::questions,
    provider::{Own, Pace, Paced},
    row::{Aim, Report, Row},
    samples::Samples,
    server::http_client,
};
use std::time::Duration;

/// Clients at once, with the questions each asks in a full and in a quick run.
const LEVELS: [(usize, usize, usize); 3] = [(1, 100, 30), (16, 30, 10), (64, 20, 8)];
/// Answers of each client that are not counted: connections, caches and statements are warm afterwards.
const WARM_UP: usize = 2;
/// The aim for what is added at 64 concurrent, in milliseconds at p99.
const ADDED_MS_MAX: f64 = 5.0;

/// Measures all levels on a running server.
///
/// # Errors
/// When the server or the provider does not answer at all. Single answers that fail are left out of the figures, and counted in the row.
pub(crate) async fn measure(api: &Api, provider: &Paced, options: &Options, by_meaning: bool, report: &mut Report) -> anyhow::Result<()> {
    let how = if by_meaning { "with the model" } else { "without the model" };
    let pace = Pace { first: Duration::from_millis(options.provider_first_ms), piece: Duration::from_millis(options.provider_piece_ms) };
    provider.set_pace(Some(pace));
    let questions = questions()?;
    for (clients, full, quick) in LEVELS {
        let rounds = if options.quick { quick } else { full };
        crate::say(&format!("latency {how}, {clients} at once"));
        // The first question gives the request that the provider is then measured with.
        api.ask(&api.open_conversation().await?, &questions[0]).await?;
        let own = provider_alone(provider, pace, clients, rounds.div_ceil(2)).await?;
        let seen = platform(api, by_meaning, pace, clients, rounds, &questions).await?;
        add_rows(report, how, clients, &own, &seen);
    }
    Ok(())
}

/// What clients of one level saw, as far as shares are taken of it.
pub(crate) struct Level {
    /// Answers, those that warm up included.
    pub(crate) turns: usize,
    /// What the platform added to the provider's own time until the end of an answer, p95.
    pub(crate) added_p95_ms: f64,
    /// From the question to the end of its answer, p95.
    pub(crate) done_p95_ms: f64,
}

/// Measures one level on a running server without the model.
///
/// # Errors
/// As [`measure`], and when an answer fails: what is divided by the number of answers would be wrong.
pub(crate) async fn at_level(
    api: &Api,
    provider: &Paced,
    options: &Options,
    (clients, full, quick): (usize, usize, usize),
) -> anyhow::Result<Level> {
    let pace = Pace { first: Duration::from_millis(options.provider_first_ms), piece: Duration::from_millis(options.provider_piece_ms) };
    provider.set_pace(Some(pace));
    let questions = questions()?;
    let rounds = if options.quick { quick } else { full };
    api.ask(&api.open_conversation().await?, &questions[0]).await?;
    let own = provider_alone(provider, pace, clients, rounds.div_ceil(2)).await?;
    let seen = platform(api, false, pace, clients, rounds, &questions).await?;
    anyhow::ensure!(seen.failed == 0, "{} answers failed", seen.failed);
    let done = Samples::new(seen.answered.iter().map(|a| a.done_ms));
    let own_ms = Samples::new(own.iter().map(|o| o.done_ms)).percentile(50.0);
    Ok(Level { turns: 1 + clients * (WARM_UP + rounds), added_p95_ms: done.percentile(95.0) - own_ms, done_p95_ms: done.percentile(95.0) })
}

fn add_rows(report: &mut Report, how: &str, clients: usize, own: &[Own], seen: &Seen) {
    let answered = &seen.answered;
    let failed = if seen.failed > 0 { format!(", {} FAILED", seen.failed) } else { String::new() };
    let percentiles = |samples: &Samples| [("p50", samples.percentile(50.0)), ("p99", samples.percentile(99.0))];
    let own_first = Samples::new(own.iter().map(|o| o.first_token_ms));
    let own_done = Samples::new(own.iter().map(|o| o.done_ms));
    let aim = (clients == 64).then_some(Aim::AtMost(ADDED_MS_MAX));
    let added = [
        ("first token", Samples::new(answered.iter().map(|a| a.first_token_ms)).less(own_first.percentile(50.0)), aim),
        ("done", Samples::new(answered.iter().map(|a| a.done_ms)).less(own_done.percentile(50.0)), None),
    ];
    for (what, samples, aim) in added {
        report.add(Row::new(
            format!("added to {what}, {clients} at once, {how}{failed}"),
            "ms",
            &percentiles(&samples),
            aim,
            samples.len(),
        ));
    }
    let first = Samples::new(answered.iter().map(|a| a.first_event_ms));
    report.add(Row::new(format!("first event, {clients} at once, {how}"), "ms", &percentiles(&first), None, first.len()));
    report.add(Row::new(
        format!("(provider alone, first token, {clients} at once)"),
        "ms",
        &percentiles(&own_first),
        None,
        own_first.len(),
    ));
    report.add(Row::new(format!("(provider alone, done, {clients} at once)"), "ms", &percentiles(&own_done), None, own_done.len()));
}

async fn provider_alone(provider: &Paced, pace: Pace, clients: usize, rounds: usize) -> anyhow::Result<Vec<Own>> {
    let request = provider.last_request()?;
    let http = http_client()?;
    let client = |number: usize| {
        let (http, request) = (&http, &request);
        async move {
            stagger(pace, number, clients).await;
            let mut taken = Vec::with_capacity(rounds);
            for round in 0..WARM_UP + rounds {
                let own = provider.ask(http, request).await?;
                if round >= WARM_UP {
                    taken.push(own);
                }
            }
            anyhow::Ok(taken)
        }
    };
    let all = futures_util::future::try_join_all((0..clients).map(client)).await?;
    Ok(all.into_iter().flatten().collect())
}

/// What the clients of one level saw.
#[derive(Default)]
struct Seen {
    answered: Vec<Answered>,
    failed: usize,
}

async fn platform(api: &Api, by_meaning: bool, pace: Pace, clients: usize, rounds: usize, questions: &[String]) -> anyhow::Result<Seen> {
    let tasks: Vec<_> = (0..clients)
        .map(|number| {
            let (api, questions) = (api.clone(), questions.to_vec());
            tokio::spawn(async move {
                stagger(pace, number, clients).await;
                let conversation = api.open_conversation().await?;
                let mut seen = Seen::default();
                for round in 0..WARM_UP + rounds {
                    // Each client goes through the questions from another place.
                    let question = &questions[(number * 7 + round) % questions.len()];
                    match api.ask(&conversation, question).await {
                        Ok(_) if round < WARM_UP => {}
                        Ok(answered) if answered.by_meaning != by_meaning => {
                            crate::say(&format!("    failed: by meaning was {}", answered.by_meaning));
                            seen.failed += 1;
                        }
                        Ok(answered) => seen.answered.push(answered),
                        Err(error) => {
                            crate::say(&format!("    failed: {error:#}"));
                            seen.failed += 1;
                        }
                    }
                }
                anyhow::Ok(seen)
            })
        })
        .collect();
    let mut all = Seen::default();
    for task in tasks {
        let seen = task.await??;
        all.answered.extend(seen.answered);
        all.failed += seen.failed;
    }
    Ok(all)
}

/// Waits for a client's turn within one answer of the provider.
async fn stagger(pace: Pace, number: usize, clients: usize) {
    tokio::time::sleep(pace.answer().mul_f64(number as f64 / clients as f64)).await;
}
