//! Memory of an idle server: the proportional set size counts shared pages once over all processes that share them, the resident set
//! size counts them in each.

use crate::{
    api::Api,
    machine::{kib, value_of},
    row::{Aim, Report, Row},
    server::{Server, Setting},
};
use anyhow::Context as _;
use std::{collections::HashMap, fs, time::Duration};

/// How long the server is left alone before its memory is read.
const IDLE: Duration = Duration::from_secs(10);

/// Memory of one process.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Size {
    pub(crate) pss_mib: f64,
    rss_mib: f64,
}

/// Starts a server on an existing data folder, leaves it alone, and reads the memory of it and of its database.
///
/// # Errors
/// When the server does not start or `/proc` cannot be read.
pub(crate) async fn measure(setting: &Setting, how: &str, aim_mib: f64, report: &mut Report) -> anyhow::Result<()> {
    crate::say(&format!("idle memory {how}"));
    let server = Server::start(setting).await?;
    if aim_mib > 100.0 {
        Api::sign_in(&server).await?.model_ready().await?;
    }
    tokio::time::sleep(IDLE).await;
    let own = size(server.process())?;
    let below = descendants(server.process());
    let mut database = Size::default();
    for process in &below {
        // A process of the database may have ended meanwhile.
        let size = size(*process).unwrap_or_default();
        database = Size { pss_mib: database.pss_mib + size.pss_mib, rss_mib: database.rss_mib + size.rss_mib };
    }
    server.stop()?;
    let figures = |size: Size| [("RSS", size.rss_mib), ("PSS", size.pss_mib)];
    report.add(Row::new(format!("idle memory of the server, {how}"), "MiB", &figures(own), Some(Aim::AtMost(aim_mib)), 1));
    let what = format!("(idle memory of its {} PostgreSQL processes)", below.len());
    report.add(Row::new(what, "MiB", &figures(database), None, 1));
    Ok(())
}

/// Reads the memory of a process.
///
/// # Errors
/// When it has ended.
pub(crate) fn size(process: u32) -> anyhow::Result<Size> {
    let path = format!("/proc/{process}/smaps_rollup");
    let text = fs::read_to_string(&path).with_context(|| format!("{path} cannot be read"))?;
    let mib = |name| value_of(&text, name).and_then(kib).map(|kib| kib / 1024.0).with_context(|| format!("{path} has no {name}"));
    Ok(Size { pss_mib: mib("Pss")?, rss_mib: mib("Rss")? })
}

/// All processes below one, from the parents that `/proc` names.
pub(crate) fn descendants(process: u32) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    let numbers = fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    for number in numbers {
        let stat = fs::read_to_string(format!("/proc/{number}/stat")).unwrap_or_default();
        // The name in parentheses may hold anything; state and parent follow its last one.
        let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse().ok());
        if let Some(parent) = parent {
            children.entry(parent).or_default().push(number);
        }
    }
    let mut found = Vec::new();
    let mut waiting = vec![process];
    while let Some(next) = waiting.pop() {
        for child in children.get(&next).into_iter().flatten() {
            found.push(*child);
            waiting.push(*child);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_found_and_a_process_has_memory() {
        let mut child = std::process::Command::new("sleep").arg("30").spawn().unwrap();
        let found = descendants(std::process::id());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(found.contains(&child.id()));
        let own = size(std::process::id()).unwrap();
        assert!(own.rss_mib >= own.pss_mib && own.pss_mib > 0.0);
    }
}
