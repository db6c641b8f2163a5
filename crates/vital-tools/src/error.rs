//! What a call of a tool can end in other than an output.

use std::time::Duration;
use vital_outbound::OutboundError;

/// A call without an output; the text is for the model and for people alike.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ToolError {
    /// No built-in tool has this name.
    #[error("There is no tool `{name}`. Nothing was run; call one of the tools that were offered.")]
    UnknownTool {
        /// The name, cut to 64 characters.
        name: String,
    },
    /// The arguments do not fit the tool's schema, or one another. Nothing was run.
    #[error("The argument at `{pointer}` cannot be used: {why}. Nothing was run; call `{tool}` again with arguments that fit its schema.")]
    Arguments {
        /// The tool that was called.
        tool: &'static str,
        /// JSON Pointer (RFC 6901) to the argument; empty for all of them.
        pointer: String,
        /// What is wrong, and what would be right.
        why: String,
    },
    /// The arguments are well-formed and have no answer: a unit that is not known, dimensions that do not fit, a power out of reach.
    #[error("This has no result: {why}.")]
    Domain {
        /// Why, and what would have one.
        why: String,
    },
    /// The source could not be reached, or the connection broke off.
    #[error("{host} could not be reached. Nothing was found or lost; try again later or answer without it.")]
    Unreachable {
        /// The host.
        host: String,
    },
    /// No whole answer by the deadline.
    #[error("The tool did not end in time. Nothing is lost; try again, or ask for less.")]
    TooSlow,
    /// The source asks for a pause, or the rate that it allows is used up beyond the deadline.
    #[error("The source is asked too often at the moment; try again in {} s.", retry_after.as_secs().max(1))]
    Busy {
        /// The shortest wait that helps.
        retry_after: Duration,
    },
    /// The source answered with an error.
    #[error("The source refused the request with status {status}. Nothing was found; change the query or try again later.")]
    Refused {
        /// The HTTP status.
        status: u16,
    },
    /// The answer is not in the documented format.
    #[error("The source's answer could not be read ({what}). Nothing was found; try again later or answer without it.")]
    Unreadable {
        /// What could not be read.
        what: String,
    },
    /// The answer is over the limit.
    #[error("The source's answer is over {limit_bytes} bytes and was dropped; ask for fewer results.")]
    TooLarge {
        /// The limit, in bytes.
        limit_bytes: u64,
    },
    /// The toolbox cannot be made.
    #[error("The tools cannot be set up: {why}.")]
    Setup {
        /// What is wrong.
        why: String,
    },
}

impl ToolError {
    /// The stable code, for metrics, spans and logs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::UnknownTool { .. } => "tool.unknown_tool",
            Self::Arguments { .. } => "tool.arguments",
            Self::Domain { .. } => "tool.no_result",
            Self::Unreachable { .. } => "tool.unreachable",
            Self::TooSlow => "tool.too_slow",
            Self::Busy { .. } => "tool.busy",
            Self::Refused { .. } => "tool.refused",
            Self::Unreadable { .. } => "tool.unreadable",
            Self::TooLarge { .. } => "tool.too_large",
            Self::Setup { .. } => "tool.setup",
        }
    }

    /// An argument that does not fit, by its pointer.
    pub(crate) fn argument(tool: &'static str, pointer: &str, why: impl Into<String>) -> Self {
        Self::Arguments { tool, pointer: pointer.to_owned(), why: why.into() }
    }

    pub(crate) fn domain(why: impl Into<String>) -> Self {
        Self::Domain { why: why.into() }
    }

    pub(crate) fn unreadable(what: impl Into<String>) -> Self {
        Self::Unreadable { what: what.into() }
    }
}

impl From<OutboundError> for ToolError {
    fn from(error: OutboundError) -> Self {
        match error {
            OutboundError::Unreachable { host } | OutboundError::Cut { host } => Self::Unreachable { host },
            OutboundError::TooSlow { .. } => Self::TooSlow,
            OutboundError::TooLarge { limit_bytes, .. } => Self::TooLarge { limit_bytes },
            OutboundError::Type { .. } => Self::unreadable("another type of content"),
            OutboundError::Headers { .. } => Self::unreadable("too large a head"),
            OutboundError::Encoded { .. } => Self::unreadable("compressed, which was not asked for"),
            OutboundError::Redirect { .. } => Self::unreadable("a redirect"),
            OutboundError::Address(fault) => Self::Setup { why: format!("an address cannot be used: {fault}") },
            OutboundError::Client { what } => Self::Setup { why: what.to_owned() },
        }
    }
}
