//! What a request that left the platform can end in.
//!
//! **Invariant:** of what was resolved or connected to nothing is told, and where a tenant gave the address, "it does not exist", "it lies
//! in a private network", "nothing listens" and "it speaks no TLS" are one error, after one time.

use crate::{AddressFault, response::HEADER_BYTES_MAX};

/// A request without a usable answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutboundError {
    /// The address cannot be asked, as its text and the configuration say. Nothing was sent.
    #[error("The address cannot be used: {0}. Nothing was sent.")]
    Address(#[from] AddressFault),
    /// No connection: the name, the network, a port that is closed, TLS, or an address that is not allowed. Nothing was sent.
    #[error("{host} could not be reached, or this address is not allowed. Nothing was sent; check the address and try again.")]
    Unreachable {
        /// The host that was to be asked.
        host: String,
    },
    /// The connection broke off, or what came is not HTTP.
    #[error("The connection to {host} broke off. Whether the request arrived is not known; try again.")]
    Cut {
        /// The host that was asked.
        host: String,
    },
    /// No answer, or no whole one, within the time limit.
    #[error("{host} did not answer in time. Whether the request arrived is not known; try again.")]
    TooSlow {
        /// The host that was asked.
        host: String,
    },
    /// The body is over the limit.
    #[error("{host} sent more than {limit_bytes} bytes, so the answer was dropped.")]
    TooLarge {
        /// The host that was asked.
        host: String,
        /// The limit, in bytes.
        limit_bytes: u64,
    },
    /// The head is over the limit.
    #[error("{host} sent a head of more than {HEADER_BYTES_MAX} bytes, so the answer was dropped.")]
    Headers {
        /// The host that was asked.
        host: String,
    },
    /// The body is of another type than was asked for.
    #[error("{host} sent another type of content than was asked for, so the answer was dropped.")]
    Type {
        /// The host that was asked.
        host: String,
    },
    /// The body is compressed, which was not asked for.
    #[error("{host} sent a compressed answer, which is not accepted, so it was dropped.")]
    Encoded {
        /// The host that was asked.
        host: String,
    },
    /// Too many redirects, or one to an address that is not allowed.
    #[error("{host} sent the request on too often or to an address that is not allowed, so it was given up.")]
    Redirect {
        /// The host that was asked.
        host: String,
    },
    /// No client can be made.
    #[error("No HTTP client could be made ({what}); check that the machine has CA certificates (Debian package `ca-certificates`).")]
    Client {
        /// What is wrong.
        what: &'static str,
    },
}
