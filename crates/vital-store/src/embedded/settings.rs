//! What the private cluster is told: sized for one machine that also runs the server, durable, quiet, local.
//!
//! `vital.conf` is written anew at each start, so that a new release brings its settings with it; an operator's own go
//! into `local.conf` beside it. What keeps the cluster private is not here but on the command line, which no file and no
//! `ALTER SYSTEM` can override (`process.rs`).

/// The generated configuration file, which ends with the operator's own when `has_local`.
///
/// - `shared_buffers`: the hot set of a small installation (catalogue, recent turns, the upper layers of the HNSW graph)
///   fits, and the page cache does the rest. Buffers cost memory only once they are used.
/// - `max_connections`: two pools of at most 16, plus command line, backup and reserve.
/// - `io_method = sync`: workers would be three more idle processes for reads that the page cache serves anyhow.
/// - `recovery_init_sync_method = syncfs`: after a crash, one call instead of one for each of a thousand files (0.2 s instead of 3.5 s, measured).
/// - `max_parallel_maintenance_workers = 0`: a parallel HNSW build wants `maintenance_work_mem` of /dev/shm, which is 64 MB in most containers.
/// - `log_error_verbosity = terse` and `log_min_error_statement = panic`: a log must not hold what people wrote, and
///   DETAIL lines and failing statements do.
pub(super) fn configuration(major: u32, has_local: bool) -> String {
    let mut text = String::from(
        "# Written by VITAL Path at each start; your own settings go into local.conf beside this file.
max_connections = 40
superuser_reserved_connections = 3
shared_buffers = 64MB
huge_pages = off
work_mem = 8MB
maintenance_work_mem = 128MB
effective_cache_size = 512MB
random_page_cost = 1.1
jit = off
max_worker_processes = 4
max_parallel_workers = 2
max_parallel_workers_per_gather = 1
max_parallel_maintenance_workers = 0
max_logical_replication_workers = 0
autovacuum = on
autovacuum_max_workers = 2
fsync = on
full_page_writes = on
synchronous_commit = on
recovery_init_sync_method = syncfs
wal_level = replica
max_wal_senders = 4
max_wal_size = 512MB
min_wal_size = 80MB
lc_messages = 'C'
timezone = 'UTC'
log_timezone = 'UTC'
datestyle = 'iso, ymd'
default_text_search_config = 'pg_catalog.english'
log_destination = 'stderr'
logging_collector = off
log_line_prefix = '%m [%p] %q%u@%d '
log_checkpoints = off
log_error_verbosity = terse
log_min_error_statement = panic
",
    );
    if major >= 18 {
        text.push_str("io_method = sync\nautovacuum_worker_slots = 4\n");
    }
    if has_local {
        text.push_str("include 'local.conf'\n");
    }
    text
}

/// Who may connect: over the socket, with a password, and nobody else.
pub(super) const HOST_BASED_AUTHENTICATION: &str = "# Written by VITAL Path at each start.
# TYPE  DATABASE     USER  METHOD
local   all          all   scram-sha-256
local   replication  all   scram-sha-256
";
