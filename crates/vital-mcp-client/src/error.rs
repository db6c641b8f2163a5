//! What an exchange with a tool server can end in.

use vital_outbound::{AddressFault, OutboundError};

/// An exchange with a tool server without a usable answer. What the server wrote is in [`Self::Refused`] and [`Self::Version`] alone, readable
/// and short.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The address cannot be asked.
    #[error("The address cannot be used: {0}. Nothing was sent.")]
    Address(#[from] AddressFault),
    /// The key or the name of its header cannot be sent.
    #[error("The key cannot be sent in this header. Nothing was sent.")]
    Key,
    /// The arguments are too large.
    #[error("The arguments are larger than {limit_bytes} bytes. Nothing was sent.")]
    Arguments {
        /// The limit, in bytes.
        limit_bytes: usize,
    },
    /// No connection, or an address that is not allowed.
    #[error("Nothing was reached at the address of the tool server.")]
    NotReached,
    /// The connection broke off.
    #[error("The connection to the tool server broke off. Whether the request arrived is not known.")]
    Cut,
    /// No answer, or no whole one, in time.
    #[error("The tool server did not answer in time. Whether the call had an effect is not known.")]
    TooSlow,
    /// The answer is too large.
    #[error("The tool server sent more than {limit_bytes} bytes, so its answer was dropped while it was read.")]
    TooLarge {
        /// The limit, in bytes.
        limit_bytes: u64,
    },
    /// The server does not accept the key, or wants one.
    #[error("The tool server refused the key, or wants one.")]
    Unauthorized,
    /// There is no tool server at this address.
    #[error("There is no tool server with streamable HTTP at this address.")]
    NotThere,
    /// The server takes no more requests for now.
    #[error("The tool server takes no more requests for now.")]
    Limited,
    /// The server wants the request sent elsewhere; it is not followed.
    #[error("The tool server sent the request on to another address, which is not followed.")]
    Redirected,
    /// Another status.
    #[error("The tool server answered with the status {status}.")]
    Status {
        /// The status.
        status: u16,
    },
    /// What came is not the protocol.
    #[error("The tool server does not keep to the protocol: {what}.")]
    Garbled {
        /// What is wrong, without anything that the server wrote.
        what: &'static str,
    },
    /// The server speaks another version of the protocol.
    #[error("The tool server speaks version `{told}` of the protocol, which is not spoken here.")]
    Version {
        /// What it says.
        told: String,
    },
    /// The server sent too many messages, pages or tools.
    #[error("The tool server sent too many {what}.")]
    TooMany {
        /// Of what.
        what: &'static str,
    },
    /// The session ended twice while it was used.
    #[error("The tool server ended the session again and again.")]
    SessionLost,
    /// The server answered with an error of the protocol.
    #[error("The tool server refused the request (error {code}): {message}")]
    Refused {
        /// Its number (JSON-RPC 2.0 section 5.1).
        code: i64,
        /// What it says, readable and short.
        message: String,
    },
}

impl ClientError {
    /// Whether the server is to blame in a way that makes the next request likely to fail as well.
    #[must_use]
    pub const fn counts_against_server(&self) -> bool {
        !matches!(self, Self::Address(_) | Self::Key | Self::Arguments { .. } | Self::Refused { .. } | Self::Limited)
    }
}

impl From<OutboundError> for ClientError {
    fn from(error: OutboundError) -> Self {
        match error {
            OutboundError::Address(fault) => Self::Address(fault),
            OutboundError::Unreachable { .. } | OutboundError::Client { .. } => Self::NotReached,
            OutboundError::Cut { .. } => Self::Cut,
            OutboundError::TooSlow { .. } => Self::TooSlow,
            OutboundError::TooLarge { limit_bytes, .. } => Self::TooLarge { limit_bytes },
            OutboundError::Headers { .. } => Self::Garbled { what: "the head of its answer is too large" },
            OutboundError::Type { .. } => Self::Garbled { what: "its answer is neither JSON nor an event stream" },
            OutboundError::Encoded { .. } => Self::Garbled { what: "its answer is compressed" },
            OutboundError::Redirect { .. } => Self::Redirected,
        }
    }
}
