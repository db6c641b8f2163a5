//! Why a message did not leave. Only codes and reasons of our own: server replies repeat addresses, so they are not kept.

use std::{io, path::PathBuf, time::Duration};

/// Why a message was not sent.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The settings contradict each other or cannot be used.
    #[error("mail is not configured correctly: {0}")]
    Configuration(String),
    /// The recipient's address is not one that mail can be sent to.
    #[error("the address was refused and nothing was sent: {0}")]
    Address(&'static str),
    /// The subject or the text breaks a rule.
    #[error("the message was refused and nothing was sent: {0}")]
    Content(&'static str),
    /// No connection to the server, or it was lost before the server took the message.
    #[error("the mail server cannot be reached, nothing was sent; check host and port, then try again")]
    Unreachable,
    /// The server did not finish in time. It may still deliver the message.
    #[error("the mail server did not answer within {} ms; the message may or may not arrive, try again later", .0.as_millis())]
    TooSlow(Duration),
    /// The encrypted connection could not be made, for example because of an untrusted certificate.
    #[error("no encrypted connection to the mail server, nothing was sent; check its certificate and the configured host name")]
    Encryption,
    /// The server lacks STARTTLS or every sign-in mechanism, though the configuration asks for it.
    #[error("the mail server does not offer STARTTLS or the sign-in that is configured; nothing was sent")]
    NotOffered,
    /// The server answered with a 4xx code: the same message may pass later.
    #[error("the mail server refused the message for now (code {code}); nothing was sent, try again later")]
    RejectedForNow {
        /// The reply code (RFC 5321 section 4.2), 400 to 499.
        code: u16,
    },
    /// The server answered with a 5xx code: the same message will be refused again.
    #[error("the mail server refused the message (code {code}); nothing was sent, check the address and the sign-in of the server")]
    Rejected {
        /// The reply code (RFC 5321 section 4.2), 500 to 599.
        code: u16,
    },
    /// The server does not speak SMTP.
    #[error("the mail server answered in a way that is not SMTP; nothing was sent, check host and port")]
    Protocol,
    /// The outbox holds as many files as it may.
    #[error("the outbox {} holds {max} messages, the most it may; nothing was written, remove old files", .path.display())]
    OutboxFull {
        /// The folder.
        path: PathBuf,
        /// The limit.
        max: usize,
    },
    /// The outbox cannot be written.
    #[error("the outbox {} cannot be written; nothing was sent", .path.display())]
    Outbox {
        /// The folder.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
}

impl MailError {
    /// Tells whether the same message may pass later without anybody changing anything.
    #[must_use]
    pub const fn is_temporary(&self) -> bool {
        matches!(self, Self::Unreachable | Self::TooSlow(_) | Self::RejectedForNow { .. })
    }
}
