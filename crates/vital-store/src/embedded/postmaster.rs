//! Finding and ending PostgreSQL processes: those of this run by their handle, those of an earlier run by what they work on.
//!
//! A server that is killed leaves its PostgreSQL running. The data folder's lock says that nobody else owns it, so it is
//! ended here and started anew. A process counts as ours only if its program is `postgres` and its working directory is the
//! data directory, so a recycled process id is never signalled.

use super::EmbeddedError;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Each of the three requests to end gets this long: fast shutdown with its checkpoint, then quit, then kill.
const LEFTOVER_WAITS: [(Signal, Duration); 3] =
    [(Signal::SIGINT, Duration::from_secs(20)), (Signal::SIGQUIT, Duration::from_secs(5)), (Signal::SIGKILL, Duration::from_secs(5))];
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// The lines of `postmaster.pid` that matter (PostgreSQL source, `src/include/utils/pidfile.h`).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PidFile {
    pub(super) pid: i32,
    pub(super) socket_folder: Option<PathBuf>,
    pub(super) ready: bool,
}

impl PidFile {
    pub(super) fn path(data: &Path) -> PathBuf {
        data.join("postmaster.pid")
    }

    /// Reads the file; `None` when there is none or it is still being written.
    pub(super) fn read(data: &Path) -> Option<Self> {
        Self::parse(&fs::read_to_string(Self::path(data)).ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        // A stand-alone backend writes its process id as a negative number.
        let pid = lines.next()?.trim().parse::<i32>().ok()?.checked_abs()?;
        let socket_folder = lines.nth(3).filter(|line| !line.is_empty()).map(PathBuf::from);
        let ready = lines.nth(2).is_some_and(|status| status.trim() == "ready");
        Some(Self { pid, socket_folder, ready })
    }
}

/// Sends a signal; a process that has ended in the meantime is no failure.
pub(super) fn signal(pid: i32, signal: Signal) {
    // The only other failure is a missing right, and then the wait that follows every call runs out and reports it.
    let _ = kill(Pid::from_raw(pid), signal);
}

/// Ends what an earlier run left, and removes a pid file that would keep PostgreSQL from starting.
pub(super) async fn end_leftovers(data: &Path) -> Result<(), EmbeddedError> {
    let Some(file) = PidFile::read(data) else { return Ok(()) };
    let left = processes_in(data);
    if !left.is_empty() {
        tracing::warn!(pids = ?left, "ending the PostgreSQL that an earlier run of this server left behind");
        end(left, file.pid, data).await?;
    }
    forget(data, &file)
}

async fn end(mut left: Vec<i32>, postmaster: i32, data: &Path) -> Result<(), EmbeddedError> {
    for (request, wait) in LEFTOVER_WAITS {
        let told = match request {
            _ if left.contains(&postmaster) => vec![postmaster],
            // Only the postmaster knows how to shut down; without it there is nothing to finish.
            Signal::SIGINT => continue,
            _ => left.clone(),
        };
        told.into_iter().for_each(|pid| signal(pid, request));
        let until = Instant::now() + wait;
        while !left.is_empty() && Instant::now() < until {
            tokio::time::sleep(LOOK_EVERY).await;
            left.retain(|pid| works_in(*pid, data));
        }
        left = processes_in(data);
        if left.is_empty() {
            return Ok(());
        }
    }
    Err(EmbeddedError::LeftoversStuck { pids: left })
}

/// PostgreSQL believes a pid file whose number belongs to any process of its user, even to one that was given the number
/// after a crash or that is dead and not yet collected by its parent. That none works on the data is known here.
fn forget(data: &Path, file: &PidFile) -> Result<(), EmbeddedError> {
    let path = PidFile::path(data);
    if !path.exists() || kill(Pid::from_raw(file.pid), None).is_err() {
        return Ok(());
    }
    tracing::info!(pid = file.pid, "removing a stale postmaster.pid");
    fs::remove_file(&path).map_err(|error| EmbeddedError::io("removing", &path, error))
}

fn processes_in(data: &Path) -> Vec<i32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| works_in(*pid, data)).collect()
}

fn works_in(pid: i32, data: &Path) -> bool {
    let link = |name: &str| fs::read_link(format!("/proc/{pid}/{name}"));
    // After an update the link reads `…/postgres (deleted)`.
    let is_postgres = || link("exe").is_ok_and(|exe| exe.file_name().is_some_and(|name| name.to_string_lossy().starts_with("postgres")));
    link("cwd").is_ok_and(|cwd| cwd == data) && is_postgres()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FILE: &str = "4711\n/d/postgres/data\n1763800000\n5432\n/d/postgres/run\n\n  1234567   89\nready   \n";

    #[test]
    fn the_status_line_decides_whether_it_is_ready() {
        let ready = PidFile { pid: 4711, socket_folder: Some("/d/postgres/run".into()), ready: true };
        assert_eq!(PidFile::parse(FILE), Some(ready));
        assert!(!PidFile::parse(&FILE.replace("ready   ", "starting")).unwrap().ready);
        assert_eq!(PidFile::parse("4711\n"), Some(PidFile { pid: 4711, socket_folder: None, ready: false }));
        assert_eq!(PidFile::parse(""), None);
    }

    proptest! {
        #[test]
        fn no_pid_file_makes_the_reader_fail(text in ".{0,200}") {
            let _ = PidFile::parse(&text);
        }

        #[test]
        fn a_half_written_pid_file_is_never_ready(end in 0..FILE.len() - 8) {
            prop_assert!(!PidFile::parse(&FILE[..end]).is_some_and(|file| file.ready));
        }
    }

    #[test]
    fn a_program_that_is_not_postgres_is_not_taken_for_one() {
        let here = std::env::current_dir().unwrap();
        assert!(!processes_in(&here).contains(&(std::process::id() as i32)));
    }
}
