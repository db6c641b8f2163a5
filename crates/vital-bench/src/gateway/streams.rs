//! Many streams at once: does every frame arrive, and how much memory does the server take.

use super::{Provider, load::Target};
use crate::{
    machine::{kib, value_of},
    row::{Aim, Report, Row},
    stream::Lines,
};
use anyhow::Context as _;
use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

/// Streams in a full and in a quick run.
const STREAMS: (usize, usize) = (5_000, 1_000);
/// Streams that begin within a second.
const BEGIN_PER_S: usize = 400;
/// Pieces of one stream, and how far they are apart: the last stream begins before the first one ends.
const PIECES: usize = 25;
const APART: Duration = Duration::from_secs(1);
/// The aim of 600 MB, in MiB.
const MEMORY_MIB_MAX: f64 = 572.0;
/// How often the memory is read.
const LOOK_EVERY: Duration = Duration::from_millis(500);

#[derive(Default)]
struct Counted {
    open: AtomicUsize,
    open_max: AtomicUsize,
    whole: AtomicUsize,
    frames: AtomicUsize,
}

/// Opens them all and follows each to its end.
///
/// # Errors
/// When the memory of the server cannot be read.
pub(super) async fn measure(target: &Target, provider: &Provider, server: u32, quick: bool, report: &mut Report) -> anyhow::Result<()> {
    let streams = if quick { STREAMS.1 } else { STREAMS.0 };
    crate::say(&format!("{streams} streams at once"));
    provider.slowly(PIECES, APART);
    let counted = Arc::new(Counted::default());
    let mut under_way = tokio::task::JoinSet::new();
    let begun = tokio::time::Instant::now();
    for n in 0..streams {
        let (target, counted) = (target.clone(), Arc::clone(&counted));
        under_way.spawn(async move {
            tokio::time::sleep_until(begun + Duration::from_secs_f64(n as f64 / BEGIN_PER_S as f64)).await;
            if let Err(error) = follow(&target, &counted).await {
                crate::say(&format!("    failed: {error:#}"));
            }
        });
    }
    let mut most_mib: f64 = 0.0;
    loop {
        most_mib = most_mib.max(resident(server)?);
        match tokio::time::timeout(LOOK_EVERY, async { while under_way.join_next().await.is_some() {} }).await {
            Ok(()) => break,
            Err(_) => continue,
        }
    }
    provider.at_once();
    let of = |count: &AtomicUsize| count.load(Ordering::Relaxed) as f64;
    let figures = [("open at once", of(&counted.open_max)), ("whole", of(&counted.whole))];
    report.add(Row::new("streams", "", &figures, Some(Aim::AtLeast(streams as f64)), streams));
    let (came, sent) = (of(&counted.frames), (streams * PIECES) as f64);
    report.add(Row::new(
        "frames with text that arrived, of those sent",
        "%",
        &[("", 100.0 * came / sent)],
        Some(Aim::AtLeast(100.0)),
        streams * PIECES,
    ));
    report.add(Row::new("most memory of the server beside them (RSS)", "MiB", &[("", most_mib)], Some(Aim::AtMost(MEMORY_MIB_MAX)), 1));
    Ok(())
}

async fn follow(target: &Target, counted: &Counted) -> anyhow::Result<()> {
    let mut lines = Lines::of(target.send().await?);
    let open = counted.open.fetch_add(1, Ordering::Relaxed) + 1;
    counted.open_max.fetch_max(open, Ordering::Relaxed);
    let (mut frames, mut whole) = (0, false);
    while let Ok(Some(line)) = lines.next().await {
        frames += usize::from(line.contains("\"content\":\"word"));
        whole |= line == "data: [DONE]";
    }
    counted.open.fetch_sub(1, Ordering::Relaxed);
    counted.frames.fetch_add(frames, Ordering::Relaxed);
    counted.whole.fetch_add(usize::from(whole && frames == PIECES), Ordering::Relaxed);
    Ok(())
}

/// Resident set size in MiB.
fn resident(process: u32) -> anyhow::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).context("the server has ended")?;
    Ok(value_of(&status, "VmRSS").and_then(kib).context("the server has no memory")? / 1024.0)
}
