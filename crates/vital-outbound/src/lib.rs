//! The one way out of the house: every HTTP request that the platform makes itself goes through an [`Outbound`].
//!
//! Data enters as an address and a [`Request`]; it leaves as a bounded [`Response`] or as an [`OutboundError`] that tells nothing of the
//! inner network. What may be asked follows from the [`Purpose`] and from the operator's [`Egress`] list; docs/EGRESS.md tells it to people.
//!
//! **Invariant:** a name is resolved once for a connection, every address it has is judged, and the connection goes to a judged address
//! with the original host in `Host` and SNI: an answer that changes between check and use (DNS rebinding) changes nothing.
//! **Invariant:** an address that a tenant typed leads into no private network unless the operator named the host and its network, and
//! never to link-local, metadata, multicast or reserved addresses.
//! **Invariant:** no proxy, cookie, referer or credential comes from the environment; bodies, headers, time and redirects are bounded;
//! nothing is decompressed.
//! **Invariant:** each purpose has connections of its own, so that one opened under a wide rule is never reused under a narrow one.
//!
//! Not here: PostgreSQL, Redis and SMTP, whose addresses the operator configures and whose libraries connect themselves (`fence` lists
//! them and checks that no other crate can), and the command line's client of our own server.

mod address;
mod egress;
mod error;
#[cfg(test)]
mod fence;
mod outbound;
mod policy;
mod purpose;
mod reach;
mod request;
mod resolve;
mod response;
pub mod sse;
#[cfg(test)]
mod tests;
mod tls;

pub use address::{AddressFault, URL_BYTES_MAX};
pub use egress::{Egress, EgressFault, RULES_MAX};
pub use error::OutboundError;
pub use outbound::{Builder, Outbound};
pub use purpose::{Given, Limits, Purpose, REDIRECTS_MAX};
pub use reach::{Reach, reach};
pub use request::{Accept, Request};
pub use reqwest::{Method, StatusCode, Url, header};
pub use resolve::LOOKUPS_MAX;
pub use response::{HEADER_BYTES_MAX, HEADERS_MAX, Response};
pub use tls::ensure_crypto_provider;
