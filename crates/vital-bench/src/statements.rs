//! SQL statements to open a conversation of 1,000 turns, counted in the log of PostgreSQL.
//!
//! The server itself is not changed: `local.conf`, the operator's settings, makes PostgreSQL log every statement. Beginning and ending
//! a transaction, and setting its tenant, are counted too, and shown apart; the aim is for all of them.

use crate::{
    api::Api,
    corpus::questions,
    provider::Paced,
    row::{Aim, Report, Row},
    samples::Samples,
    server::{Server, Setting},
};
use anyhow::Context as _;
use std::{fs, path::Path, time::Duration};

/// Turns of the conversation.
const TURNS: usize = 1_000;
/// Openings that are counted; five before them are not. Background work of the server falls into a few of them, hence the median.
const OPENINGS: usize = 21;
const WARM_UP: usize = 5;
/// How long the log has to be quiet before it is taken to be complete.
const QUIET: Duration = Duration::from_millis(50);
/// The aim.
const STATEMENTS_MAX: f64 = 5.0;

/// Makes a conversation by asking 1,000 questions, one after the other, with a provider that answers at once. Returns its id.
///
/// # Errors
/// When an answer failed.
pub(crate) async fn long_conversation(api: &Api, provider: &Paced) -> anyhow::Result<String> {
    crate::say("asking 1,000 questions in one conversation");
    provider.set_pace(None);
    let questions = questions()?;
    let conversation = api.open_conversation().await?;
    for question in questions.iter().cycle().take(TURNS) {
        api.ask(&conversation, question).await?;
    }
    Ok(conversation)
}

/// Opens the conversation again and again, as a page and through the API, and counts.
///
/// # Errors
/// When the server refuses or the log cannot be read.
pub(crate) async fn measure(setting: &Setting, api: &Api, conversation: &str, report: &mut Report) -> anyhow::Result<()> {
    crate::say("counting statements");
    let folder = setting.data().join("postgres");
    let local = folder.join("local.conf");
    fs::write(&local, "log_min_duration_statement = 0\n").context("the private database's settings cannot be written")?;
    let counted = count(setting, api, conversation, &folder.join("postgres.log"), report).await;
    fs::remove_file(&local)?;
    counted
}

async fn count(setting: &Setting, api: &Api, conversation: &str, log: &Path, report: &mut Report) -> anyhow::Result<()> {
    let server = Server::start(setting).await?;
    let api = api.at(&server).await?;
    for (how, path) in
        [("as a page", format!("/conversations/{conversation}")), ("through the API", format!("/api/v1/conversations/{conversation}"))]
    {
        let (mut reading, mut all) = (Vec::new(), Vec::new());
        for n in 0..WARM_UP + OPENINGS {
            let before = settled(log).await?;
            api.get(&path).await?;
            settled(log).await?;
            let text = fs::read(log)?;
            let counts = counts(&String::from_utf8_lossy(text.get(before..).unwrap_or_default()));
            if n >= WARM_UP {
                reading.push(counts.reading as f64);
                all.push((counts.reading + counts.framing) as f64);
            }
        }
        let (reading, all) = (Samples::new(reading), Samples::new(all));
        let figures = [("reading", reading.percentile(50.0)), ("with transaction control", all.percentile(50.0))];
        report.add(Row::new(
            format!("statements to open {TURNS} turns {how}"),
            "",
            &figures,
            Some(Aim::AtMost(STATEMENTS_MAX)),
            reading.len(),
        ));
    }
    server.stop()
}

/// Waits until the log has stopped growing and returns its length in bytes.
async fn settled(log: &Path) -> anyhow::Result<usize> {
    let length = || fs::metadata(log).map(|meta| meta.len()).context("the log of the private database cannot be read");
    let mut last = length()?;
    loop {
        tokio::time::sleep(QUIET).await;
        let now = length()?;
        if now == last {
            return Ok(usize::try_from(now)?);
        }
        last = now;
    }
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    /// Statements that read or write rows.
    reading: usize,
    /// Statements that begin, set up or end a transaction, or test a connection.
    framing: usize,
}

/// Counts executed statements: a prepared one is logged as parsed and bound as well, which are not counted.
fn counts(log: &str) -> Counts {
    let mut counts = Counts::default();
    for line in log.lines() {
        let Some((_, rest)) = line.split_once("LOG:  duration: ") else { continue };
        let executed = rest.split_once(" execute ").and_then(|(_, rest)| rest.split_once(": ")).or_else(|| rest.split_once(" statement: "));
        let Some((_, statement)) = executed else { continue };
        let statement = statement.trim().to_ascii_lowercase();
        let framing = ["begin", "start", "commit", "rollback", "set ", "/*"].iter().any(|word| statement.starts_with(word))
            || statement.contains("set_config(");
        if framing { counts.framing += 1 } else { counts.reading += 1 }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executions_are_counted_once_and_transaction_control_apart() {
        let log = "2026-11-22 17:00:00.000 UTC [1] vital_app@vital LOG:  duration: 0.020 ms  statement: BEGIN READ ONLY
2026-11-22 17:00:00.000 UTC [1] vital_app@vital LOG:  duration: 0.100 ms  parse sqlx_s_1: select id from turns
2026-11-22 17:00:00.000 UTC [1] vital_app@vital LOG:  duration: 0.100 ms  bind sqlx_s_1: select id from turns
2026-11-22 17:00:00.000 UTC [1] vital_app@vital LOG:  duration: 0.100 ms  execute sqlx_s_1: select id
    from turns
2026-11-22 17:00:00.000 UTC [1] vital_app@vital LOG:  duration: 0.100 ms  execute sqlx_s_2: select set_config('app.tenant_id', $1, true)
2026-11-22 17:00:00.000 UTC [1] vital_app@vital LOG:  duration: 0.010 ms  statement: ROLLBACK
";
        assert_eq!(counts(log), Counts { reading: 1, framing: 3 });
    }
}
