//! Against real programs on this machine: Debian's `pebble` as the authority, `pebble-challtestsrv` as the name server.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod names;
mod orders;
mod support;
