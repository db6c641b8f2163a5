//! The private PostgreSQL of a server that was given no other: started with it in its data folder, stopped with it.
//!
//! **Invariant:** it listens on a Unix socket alone, which only its own user (and root) can open, and asks for a password
//! even there; it never runs as root; one server owns a data folder, by a lock that the kernel releases with the process.
//! **Invariant:** however server and PostgreSQL end, the next start finds committed data and needs no hand.
//!
//! Order of a start: [`Install::find`], [`DataFolder::claim`], [`Cluster::start`]. Migrations, roles and pools are not
//! here: above this module, a private cluster and any other PostgreSQL are the same. Finding leftovers reads `/proc`, so
//! crash recovery is complete on Linux alone.

mod cluster;
mod create;
mod error;
mod folder;
mod install;
mod layout;
mod log;
mod postmaster;
mod run_as;
mod settings;
#[cfg(test)]
mod tests;

pub use cluster::{Cluster, ClusterOptions, Stopped};
pub use error::EmbeddedError;
pub use folder::DataFolder;
pub use install::Install;
