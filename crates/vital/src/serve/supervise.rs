//! Keeps the private database running: one that ends by itself is started again, unless it keeps ending.
//!
//! The connection pools notice by themselves, and turns in progress wait for the database to come back.

use crate::{config::Config, database};
use std::{
    collections::VecDeque,
    future::pending,
    time::{Duration, Instant},
};
use vital_store::embedded::{Cluster, DataFolder, EmbeddedError, Stopped};

/// Restarts within [`WINDOW`] after which the server gives up.
const RESTARTS_MAX: usize = 3;
/// How far back restarts count.
const WINDOW: Duration = Duration::from_secs(600);

/// The private database and what it takes to start it again.
pub(super) struct Supervisor {
    /// None only while it is being started again.
    cluster: Option<Cluster>,
    folder: DataFolder,
    config: Config,
    restarts: VecDeque<Instant>,
}

/// Returns once the private database ended and cannot be started again; never where there is none.
pub(super) async fn failed(supervisor: &mut Option<Supervisor>) -> anyhow::Error {
    match supervisor {
        Some(supervisor) => supervisor.watch().await,
        None => pending().await,
    }
}

impl Supervisor {
    pub(super) fn new(cluster: Cluster, folder: DataFolder, config: Config) -> Self {
        Self { cluster: Some(cluster), folder, config, restarts: VecDeque::new() }
    }

    async fn watch(&mut self) -> anyhow::Error {
        while let Some(cluster) = &mut self.cluster {
            let ended = cluster.died().await;
            self.cluster = None;
            if !may_restart(&mut self.restarts, Instant::now()) {
                return anyhow::Error::from(ended).context(format!(
                    "the private database ended {} times within {} s",
                    RESTARTS_MAX + 1,
                    WINDOW.as_secs()
                ));
            }
            tracing::error!(%ended, "the private database ended and is started again");
            match database::start(&self.config, &self.folder).await {
                Ok(cluster) => self.cluster = Some(cluster),
                Err(error) => return error.context("the private database cannot be started again"),
            }
        }
        anyhow::anyhow!("the private database is not running")
    }

    /// Stops the private database with a checkpoint. One that has ended by itself is recovered at the next start.
    pub(super) async fn stop(self) -> Result<(), EmbeddedError> {
        let Some(cluster) = self.cluster else { return Ok(()) };
        if cluster.stop().await? == Stopped::Forced {
            tracing::warn!("the private database had to be forced; nothing committed is lost, and the next start recovers");
        }
        Ok(())
    }
}

/// Notes a restart, unless there were too many of late.
fn may_restart(restarts: &mut VecDeque<Instant>, now: Instant) -> bool {
    while restarts.front().is_some_and(|at| now.duration_since(*at) > WINDOW) {
        restarts.pop_front();
    }
    if restarts.len() == RESTARTS_MAX {
        return false;
    }
    restarts.push_back(now);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_that_keeps_ending_is_given_up_and_one_that_recovered_is_not() {
        let mut restarts = VecDeque::new();
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        assert!([0, 10, 20].into_iter().all(|s| may_restart(&mut restarts, at(s))));
        assert!(!may_restart(&mut restarts, at(30)));
        assert!(may_restart(&mut restarts, at(601)));
        assert!(!may_restart(&mut restarts, at(602)));
    }
}
