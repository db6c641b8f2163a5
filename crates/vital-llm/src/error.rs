//! What can go wrong between the platform and a provider.
//!
//! **Invariant:** the messages are written here alone: nothing a provider sent, no key and no address is part of them.

use crate::sse::FrameTooLarge;
use std::time::Duration;
use vital_kernel::{Error, Kind};

/// Longest wait that a provider's `Retry-After` can ask for; longer ones are cut to it.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(60 * 60);

/// A request to a provider that did not end with a whole answer. Text yielded before it stays valid but is incomplete.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LlmError {
    /// No connection could be made: name, address, TLS or time.
    #[error(
        "The model provider could not be reached, so nothing was generated. Try again; if it goes on, an administrator should check its address."
    )]
    Connect,
    /// 401 or 403, or the same inside the stream.
    #[error(
        "The model provider refused the platform's key, so nothing was generated. An administrator should check the key and its rights."
    )]
    Unauthorized,
    /// 429, or the same inside the stream.
    #[error("The model provider takes no more requests for now. Try again later.")]
    RateLimited {
        /// How long the provider asks to wait, at most one hour.
        retry_after: Option<Duration>,
    },
    /// The provider has no model of this name.
    #[error("The model provider does not have this model, so nothing was generated. An administrator should check the model's name.")]
    UnknownModel,
    /// The request has more tokens or bytes than the model takes.
    #[error("The request is longer than the model can take, so nothing was generated. Shorten it, or begin a new conversation.")]
    ContextTooLong,
    /// A content filter of the provider refused the request before an answer began.
    #[error("The model provider's content filter refused the request, so nothing was generated. Put the question another way.")]
    ContentFiltered,
    /// Another status that is not a success, or the same inside the stream.
    #[error(
        "The model provider answered with the error status {status}, so there is no complete answer. Try again; if it goes on, an administrator should check the provider."
    )]
    Status {
        /// The HTTP status, also for errors inside a stream.
        status: u16,
    },
    /// Nothing was generated in time.
    #[error("The model provider did not begin to answer in time. Try again.")]
    FirstTokenTimeout,
    /// The answer began and then nothing more came.
    #[error("The model provider stopped in the middle of the answer, which is incomplete. Try again.")]
    Stalled,
    /// The whole answer took too long.
    #[error("The answer took longer than is allowed and was stopped; it is incomplete. Ask a narrower question.")]
    TotalTimeout,
    /// One frame of the stream is over [`crate::sse::FRAME_BYTES_MAX`].
    #[error(
        "The model provider sent a message that is too large, so the answer is incomplete. An administrator should check the provider."
    )]
    FrameTooLarge,
    /// What came is not what the format says.
    #[error(
        "The model provider sent something that cannot be read ({what}), so there is no complete answer. An administrator should check that its format and address are right."
    )]
    Garbled {
        /// What is wrong, in words of this crate.
        what: &'static str,
    },
    /// The connection ended before the format's own end mark.
    #[error("The connection to the model provider broke off, so the answer is incomplete. Try again.")]
    Cut,
    /// More than [`crate::OUTPUT_BYTES_MAX`] of text or of arguments, [`crate::TOOL_ARGUMENT_BYTES_MAX`] in one tool call,
    /// [`crate::TOOL_CALLS_MAX`] calls, or [`crate::RESPONSE_BYTES_MAX`] in all.
    #[error("The model provider sent more than is allowed, so the answer was stopped and is incomplete. Ask a narrower question.")]
    OutputTooLarge,
    /// The request cannot be sent to any provider; nothing was sent.
    #[error("The request to the model cannot be used: {detail}. Nothing was sent.")]
    Request {
        /// What is wrong and what would be right.
        detail: String,
    },
    /// The provider's settings cannot be used, or not for this.
    #[error("The settings of the model provider cannot be used: {detail}.")]
    Config {
        /// What is wrong and what would be right.
        detail: String,
    },
}

impl LlmError {
    /// Tells whether the same request may succeed if it is sent again, here or to another provider.
    #[must_use]
    pub const fn retryable(&self) -> bool {
        match self {
            Self::Connect | Self::RateLimited { .. } | Self::FirstTokenTimeout | Self::Stalled | Self::Cut => true,
            Self::Status { status } => matches!(status, 408 | 409 | 425 | 500..),
            Self::Unauthorized
            | Self::UnknownModel
            | Self::ContextTooLong
            | Self::ContentFiltered
            | Self::Request { .. }
            | Self::TotalTimeout
            | Self::FrameTooLarge
            | Self::Garbled { .. }
            | Self::OutputTooLarge
            | Self::Config { .. } => false,
        }
    }

    /// The stable dotted code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Connect => "provider.connect",
            Self::Unauthorized => "provider.unauthorized",
            Self::RateLimited { .. } => "provider.rate_limited",
            Self::UnknownModel => "provider.unknown_model",
            Self::ContextTooLong => "provider.context_too_long",
            Self::ContentFiltered => "provider.content_filtered",
            Self::Status { .. } => "provider.status",
            Self::FirstTokenTimeout => "provider.first_token_timeout",
            Self::Stalled => "provider.stalled",
            Self::TotalTimeout => "provider.total_timeout",
            Self::FrameTooLarge => "provider.frame_too_large",
            Self::Garbled { .. } => "provider.garbled",
            Self::Cut => "provider.cut",
            Self::OutputTooLarge => "provider.output_too_large",
            Self::Request { .. } => "provider.request",
            Self::Config { .. } => "provider.config",
        }
    }

    /// The error for an HTTP status that is not a success; `retry_after` is bounded here.
    pub(crate) fn from_status(status: u16, retry_after: Option<Duration>) -> Self {
        match status {
            401 | 403 => Self::Unauthorized,
            413 => Self::ContextTooLong,
            429 => Self::RateLimited { retry_after: retry_after.map(|wait| wait.min(RETRY_AFTER_MAX)) },
            status => Self::Status { status },
        }
    }
}

impl From<FrameTooLarge> for LlmError {
    fn from(_: FrameTooLarge) -> Self {
        Self::FrameTooLarge
    }
}

/// The domain's error for a failed request: the same words, and this error as the cause for the log.
impl From<LlmError> for Error {
    #[track_caller]
    fn from(error: LlmError) -> Self {
        let kind = match error {
            LlmError::FirstTokenTimeout | LlmError::Stalled | LlmError::TotalTimeout => Kind::UpstreamTimeout,
            LlmError::ContextTooLong => Kind::TooLarge,
            LlmError::Request { .. } => Kind::Invalid,
            LlmError::Connect | LlmError::RateLimited { .. } | LlmError::Config { .. } => Kind::Unavailable,
            _ => Kind::Upstream,
        };
        let mapped = Self::new(kind, error.code(), error.to_string());
        match error {
            LlmError::RateLimited { retry_after: Some(wait) } => mapped.with_retry_after(wait).with_source(error),
            error => mapped.with_source(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_that_a_provider_asks_for_is_bounded_and_reaches_the_domain_error() {
        let error = LlmError::from_status(429, Some(Duration::MAX));
        assert_eq!(error, LlmError::RateLimited { retry_after: Some(RETRY_AFTER_MAX) });
        let mapped = Error::from(error);
        assert_eq!(
            (mapped.kind(), mapped.code(), mapped.retry_after()),
            (Kind::Unavailable, "provider.rate_limited", Some(RETRY_AFTER_MAX))
        );
    }

    #[test]
    fn a_refused_key_is_not_retried_and_an_overloaded_provider_is() {
        assert!(!LlmError::from_status(403, None).retryable());
        assert!(!LlmError::from_status(404, None).retryable());
        assert!(LlmError::from_status(529, None).retryable());
    }
}
