//! Commands that talk to a running server over its HTTP API, as a signed-in person.
//!
//! Data enters from the command line and from the server, both untrusted; it leaves on standard output. Nothing here opens a database.

pub(crate) mod ask;
pub(crate) mod client;
pub(crate) mod credentials;
pub(crate) mod events;
pub(crate) mod experts;
pub(crate) mod files;
pub(crate) mod ingest;
pub(crate) mod mcp;
pub(crate) mod replay;
pub(crate) mod session;
pub(crate) mod transcript;
pub(crate) mod usage;
