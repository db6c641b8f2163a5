//! Keeps the private database running: one that ends by itself is started again, unless it keeps ending.
//!
//! The connection pools notice by themselves, and turns in progress wait for the database to come back.

use crate::{config::Config, database};
use std::{
    future::pending,
    time::{Duration, Instant},
};
use vital_store::embedded::{Cluster, DataFolder, Install, Stopped};

/// Starts within [`WINDOW`] after which the server gives up.
const RESTARTS_MAX: usize = 3;
/// How far back restarts count.
const WINDOW: Duration = Duration::from_secs(600);
