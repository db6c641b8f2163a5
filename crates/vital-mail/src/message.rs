//! One plain-text message, and its checked form as an RFC 5322 document.
//!
//! **Invariant:** nothing that holds a control character gets into a header.

use crate::MailError;
use lettre::message::{Mailbox, SinglePart};
use std::fmt;

/// Longest address, in bytes (RFC 5321 section 4.5.3.1.3, less the angle brackets).
pub const ADDRESS_BYTES_MAX: usize = 254;
/// Longest part before the `@`, in bytes (RFC 5321 section 4.5.3.1.1).
pub const LOCAL_PART_BYTES_MAX: usize = 64;
/// Longest subject, in characters.
pub const SUBJECT_CHARS_MAX: usize = 200;
/// Longest text, in bytes of UTF-8.
pub const TEXT_BYTES_MAX: usize = 64 * 1024;

/// A message to one person, in plain text.
#[derive(Clone)]
pub struct Message {
    /// The recipient's bare address in ASCII, for example `ada@example.org`.
    pub to: String,
    /// The subject: one line.
    pub subject: String,
    /// The text, in UTF-8.
    pub text: String,
}

/// Shows sizes only: the content is personal and may hold a sign-in link.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message").field("text_bytes", &self.text.len()).finish_non_exhaustive()
    }
}

impl Message {
    /// Checks every limit and returns the document to send.
    pub(crate) fn build(&self, from: &Mailbox) -> Result<lettre::Message, MailError> {
        let to = address(&self.to).map_err(MailError::Address)?;
        if self.subject.chars().any(char::is_control) {
            return Err(MailError::Content("the subject holds a line break or another control character"));
        }
        if self.subject.chars().count() > SUBJECT_CHARS_MAX {
            return Err(MailError::Content("the subject is longer than 200 characters"));
        }
        if self.text.len() > TEXT_BYTES_MAX {
            return Err(MailError::Content("the text is longer than 64 KiB"));
        }
        lettre::Message::builder()
            .from(from.clone())
            .to(Mailbox::new(None, to))
            .subject(self.subject.as_str())
            .date_now()
            .message_id(None)
            .singlepart(SinglePart::plain(self.text.clone()))
            .map_err(|_| MailError::Content("the message cannot be written as a mail document"))
    }
}

/// Reads a bare address; says what is wrong with it otherwise.
fn address(text: &str) -> Result<lettre::Address, &'static str> {
    if text.len() > ADDRESS_BYTES_MAX {
        return Err("it is longer than 254 bytes");
    }
    // Addresses beyond ASCII need SMTPUTF8 on every hop; quoted local parts hide control characters and separators.
    if !text.bytes().all(|b| b.is_ascii_graphic()) || text.contains(['"', '\\', '<', '>', ',', ';', '(', ')', '[', ']']) {
        return Err("it holds a character that an address may not have");
    }
    let address: lettre::Address = text.parse().map_err(|_| "it does not look like name@domain")?;
    if address.user().len() > LOCAL_PART_BYTES_MAX {
        return Err("the part before the @ is longer than 64 bytes");
    }
    Ok(address)
}

/// Reads the configured sender, `name@domain` or `Name <name@domain>`.
pub(crate) fn sender(text: &str) -> Result<Mailbox, MailError> {
    let wrong = || MailError::Configuration("`from` must be `name@domain` or `Name <name@domain>` on one line".to_owned());
    if text.chars().any(char::is_control) {
        return Err(wrong());
    }
    let mailbox: Mailbox = text.parse().map_err(|_| wrong())?;
    address(mailbox.email.as_ref()).map_err(|_| wrong())?;
    Ok(mailbox)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn build(to: &str, subject: &str, text: &str) -> Result<String, MailError> {
        let from = sender("VITAL Path <no-reply@example.org>").unwrap();
        let message = Message { to: to.into(), subject: subject.into(), text: text.into() };
        message.build(&from).map(|m| String::from_utf8(m.formatted()).unwrap())
    }

    #[test]
    fn addresses_that_could_forge_headers_or_recipients_are_refused() {
        for to in [
            "",
            "ada",
            "@example.org",
            "ada@",
            "a\r\nBcc: eve@evil.example@example.org",
            "ada@example.org\n",
            "ada@example.org, eve@evil.example",
        ] {
            assert!(matches!(build(to, "s", "t"), Err(MailError::Address(_))), "{to:?}");
        }
        assert!(matches!(build("\"a b\"@example.org", "s", "t"), Err(MailError::Address(_))));
        assert!(matches!(build(&format!("{}@example.org", "a".repeat(65)), "s", "t"), Err(MailError::Address(_))));
        assert!(matches!(build(&format!("a@{}org", "b.".repeat(126)), "s", "t"), Err(MailError::Address(_))));
    }

    #[test]
    fn a_subject_of_two_lines_is_refused() {
        assert!(matches!(build("ada@example.org", "hello\r\nBcc: eve@evil.example", "t"), Err(MailError::Content(_))));
        assert!(matches!(build("ada@example.org", &"x".repeat(201), "t"), Err(MailError::Content(_))));
        assert!(matches!(build("ada@example.org", "s", &"x".repeat(TEXT_BYTES_MAX + 1)), Err(MailError::Content(_))));
    }

    #[test]
    fn utf8_in_subject_and_text_travels_as_ascii() {
        let document = build("ada@example.org", "Einladung für Ärzte", "Grüße").unwrap();
        assert!(document.is_ascii());
        assert!(document.contains("To: ada@example.org\r\n") && document.contains("charset=utf-8"));
    }

    proptest! {
        /// Whatever text comes in, the headers are the ones we write and no others.
        #[test]
        fn no_input_adds_a_header(to in "[a-z\r\n:@. ]{1,40}", subject in any::<String>(), text in any::<String>()) {
            if let Ok(document) = build(&to, &subject, &text) {
                let head = document.split("\r\n\r\n").next().unwrap();
                for line in head.split("\r\n").filter(|l| !l.starts_with([' ', '\t'])) {
                    let name = line.split(':').next().unwrap();
                    prop_assert!(
                        ["From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type", "Content-Transfer-Encoding"].contains(&name),
                        "{line:?}"
                    );
                }
            }
        }
    }
}
