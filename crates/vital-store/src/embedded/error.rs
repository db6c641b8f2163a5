//! What can go wrong with the private cluster, in words for the person who started the server.
//!
//! Every message says what happened, whether data is affected and what to do.

use std::{
    io,
    path::{Path, PathBuf},
};

/// A failure of the private database cluster or of the data folder that holds it.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each message says what its variant is")]
pub enum EmbeddedError {
    #[error(
        "PostgreSQL was not found. Run script/setup to install it, or set VITAL_PG_HOME to an installation of PostgreSQL 16 or later with pgvector, or DATABASE_URL to a running one. Looked in: {}",
        list(searched)
    )]
    NotInstalled { searched: Vec<PathBuf> },
    #[error("{} cannot be used as PostgreSQL: {reason}. Run script/setup to install a fitting one", path.display())]
    InstallUnusable { path: PathBuf, reason: String },
    #[error(
        "PostgreSQL refuses to run as root, and the user `{name}` that should run it does not exist. Run script/setup as root to create it, or name another user in the configuration"
    )]
    NoSuchUser { name: String },
    #[error("`{name}` is root, and PostgreSQL refuses to run as root. Name an unprivileged user in the configuration")]
    UserIsRoot { name: String },
    #[error(
        "another VITAL Path server ({}) uses the data folder {}. Stop it first, or choose another data folder. Nothing was changed",
        .pid.map_or_else(|| "process id unknown".to_owned(), |pid| format!("process {pid}")),
        folder.display()
    )]
    FolderInUse { folder: PathBuf, pid: Option<u32> },
    #[error("{} is on a read-only file system. Mount it writable, or choose another data folder. Nothing was changed", path.display())]
    ReadOnly { path: PathBuf },
    #[error("the disk under {} is full. Free at least {needed_mib} MiB, then start again. Stored data is intact", path.display())]
    DiskFull { path: PathBuf, needed_mib: u64 },
    #[error("permission denied while {doing} {}. Check the owner and mode of the data folder. Nothing was changed", path.display())]
    Denied { doing: &'static str, path: PathBuf },
    #[error(
        "the user `{user}`, which runs PostgreSQL, may not pass through {}. Choose a data folder elsewhere (for example under /var/lib), or run `chmod o+x {}`. Nothing was changed",
        path.display(), path.display()
    )]
    Untraversable { path: PathBuf, user: String },
    #[error(
        "the database in {} belongs to user id {owner}, but this server runs it as user id {expected}. Start the server as the same user as before, or hand the folder over with `chown -R`. Nothing was changed",
        path.display()
    )]
    OtherOwner { path: PathBuf, owner: u32, expected: u32 },
    #[error(
        "the database in {} was made by PostgreSQL {found}, and {installed} is installed. Set VITAL_PG_HOME to a PostgreSQL {found}, or back up with the old version and restore with the new one. Nothing was changed",
        path.display()
    )]
    OtherMajor { path: PathBuf, found: String, installed: u32 },
    #[error("{} is not a PostgreSQL data directory: {reason}. Restore it from a backup, or move it away to begin with an empty one", path.display())]
    NotACluster { path: PathBuf, reason: &'static str },
    #[error("the database password in {} is missing or damaged. Restore this file from a backup; the data is intact", path.display())]
    AdminPassword { path: PathBuf },
    #[error("PostgreSQL could not create its data directory; it is tried again at the next start. It said:\n{output}")]
    InitFailed { output: String },
    #[error("PostgreSQL ended while it was starting. Stored data is as it was. It said:\n{log}")]
    StartFailed { log: String },
    #[error(
        "PostgreSQL was not ready within {seconds} s. After a crash it may need longer to recover: raise the start timeout. Stored data is as it was. It said:\n{log}"
    )]
    StartTimeout { seconds: u64, log: String },
    #[error("PostgreSQL ended by itself. Committed data is safe and is recovered at the next start. It said:\n{log}")]
    Died { log: String },
    #[error("PostgreSQL processes of an earlier run do not end: {pids:?}. End them by hand (`kill`), then start again")]
    LeftoversStuck { pids: Vec<i32> },
    #[error("{} is needed for the database socket, but {reason}. Remove it, or choose a data folder with a shorter path", path.display())]
    SocketFolder { path: PathBuf, reason: &'static str },
    #[error("the private database answered with an error: {0}")]
    Database(#[from] sqlx::Error),
    #[error("{doing} {} failed: {source}", path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
}

/// Free space that a start asks for: four segments of the write-ahead log, so that recovery and a checkpoint can run.
pub(super) const FREE_MIB_MIN: u64 = 64;

impl EmbeddedError {
    /// Gives an I/O failure the words that help: `doing` is a gerund, as in "creating".
    pub(super) fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { path },
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull { path, needed_mib: FREE_MIB_MIN },
            io::ErrorKind::PermissionDenied => Self::Denied { doing, path },
            _ => Self::Io { doing, path, source },
        }
    }
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_and_a_read_only_disk_are_told_apart_from_other_failures() {
        let of = |kind: io::ErrorKind| EmbeddedError::io("writing", Path::new("/d"), kind.into()).to_string();
        assert!(of(io::ErrorKind::StorageFull).contains("Free at least 64 MiB"));
        assert!(of(io::ErrorKind::QuotaExceeded).contains("Free at least 64 MiB"));
        assert!(of(io::ErrorKind::ReadOnlyFilesystem).contains("read-only"));
        assert!(of(io::ErrorKind::PermissionDenied).starts_with("permission denied while writing /d"));
        assert!(of(io::ErrorKind::Other).starts_with("writing /d failed"));
    }
}
