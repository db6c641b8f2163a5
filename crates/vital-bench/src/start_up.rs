//! Start on an existing data folder, as the server reports it and as somebody outside sees it.

use crate::{
    row::{Aim, Report, Row},
    samples::Samples,
    server::{Server, Setting},
};

/// Starts that are counted; one before them is not.
const STARTS: usize = 5;
/// The aim, in milliseconds.
const START_MS_MAX: f64 = 1_000.0;

/// Starts and stops a server in order, again and again.
///
/// # Errors
/// When a start or a stop failed.
pub(crate) async fn measure(setting: &Setting, report: &mut Report) -> anyhow::Result<()> {
    crate::say("start on an existing data folder");
    Server::start(setting).await?.stop()?;
    let (mut reported, mut answered) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let server = Server::start(setting).await?;
        reported.push(server.reported_ms().await?);
        answered.push(server.answered_ms());
        server.stop()?;
    }
    for (what, taken) in [("start to ready, as the server reports it", reported), ("start to the first page read, from outside", answered)]
    {
        let samples = Samples::new(taken);
        let figures = [("min", samples.percentile(0.0)), ("max", samples.percentile(100.0)), ("median", samples.percentile(50.0))];
        report.add(Row::new(what, "ms", &figures, Some(Aim::AtMost(START_MS_MAX)), samples.len()));
    }
    Ok(())
}
