//! Outgoing mail: SMTP, or a folder of files where no server is configured.
//!
//! **Invariants:** a message reaches exactly one recipient; no header can be forged through an address or a subject; without
//! encryption nothing leaves the machine; neither errors nor `Debug` carry an address, a subject, a text or a password.
//!
//! Deliberately not here: templates, queues and retries. The caller decides what a failure means ([`MailError::is_temporary`]).

mod error;
mod folder;
mod message;
mod smtp;

pub use error::MailError;
pub use folder::FILES_MAX;
pub use message::{ADDRESS_BYTES_MAX, LOCAL_PART_BYTES_MAX, Message, SUBJECT_CHARS_MAX, TEXT_BYTES_MAX};
pub use smtp::{Security, SmtpConfig, TIMEOUT_MAX};

use std::path::Path;

/// Sends messages one at a time; cheap to share behind an `Arc`.
#[derive(Debug)]
pub struct Mailer(Way);

#[derive(Debug)]
enum Way {
    Smtp(Box<smtp::Smtp>),
    Folder(folder::Outbox),
}

impl Mailer {
    /// Makes a mailer that hands messages to an SMTP server (RFC 5321). Does not connect yet.
    ///
    /// # Errors
    /// `Configuration` when the settings contradict each other, for example a remote host without encryption.
    pub fn smtp(config: SmtpConfig) -> Result<Self, MailError> {
        smtp::Smtp::new(config).map(|s| Self(Way::Smtp(Box::new(s))))
    }

    /// Makes a mailer that writes each message as one `.eml` file into a folder, which is made with mode 0700 if it is missing.
    ///
    /// # Errors
    /// `Configuration` for a sender that is no address, `Outbox` when the folder cannot be made or its mode cannot be set.
    pub fn folder(path: impl AsRef<Path>, from: &str) -> Result<Self, MailError> {
        folder::Outbox::open(path.as_ref(), from).map(|o| Self(Way::Folder(o)))
    }

    /// Tells whether messages leave the machine's disk; if not, an operator must read the folder.
    #[must_use]
    pub const fn is_folder(&self) -> bool {
        matches!(self.0, Way::Folder(_))
    }

    /// Sends one message and returns once the server has taken responsibility for it or the file is on disk.
    ///
    /// # Errors
    /// See [`MailError`]; the message was not delivered, except that after `TooSlow` a server may still deliver it.
    pub async fn send(&self, message: &Message) -> Result<(), MailError> {
        match &self.0 {
            Way::Smtp(smtp) => smtp.send(message).await,
            Way::Folder(outbox) => outbox.send(message).await,
        }
    }
}
