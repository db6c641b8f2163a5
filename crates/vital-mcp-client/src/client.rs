//! Where a tool server is and with what it is asked.

use crate::{ClientError, Session};
use std::fmt;
use tokio::time::Instant;
use vital_keys::SecretText;
use vital_outbound::{
    Outbound, Url,
    header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue},
};
use zeroize::Zeroizing;

/// Longest secret, in bytes.
pub const SECRET_BYTES_MAX: usize = 4_000;
/// Longest name of a header of one's own, in bytes.
pub const HEADER_BYTES_MAX: usize = 64;
/// Headers that carry no secret: the protocol's own, those of the connection, and those that would change what is asked or of whom.
const TAKEN: [&str; 20] = [
    "accept",
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "last-event-id",
    "mcp-protocol-version",
    "mcp-session-id",
    "origin",
    "range",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
];

/// What a tool server is shown.
#[derive(Clone)]
pub enum Auth {
    /// Nothing.
    None,
    /// `Authorization: Bearer …`.
    Bearer(SecretText),
    /// A header of its own.
    Header(HeaderName, SecretText),
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Bearer(_) => "Bearer(hidden)",
            Self::Header(..) => "Header(hidden)",
        })
    }
}

/// The name of a header that may carry a secret, in lower case; none for a name that is no name of a header or has a meaning already.
#[must_use]
pub fn may_be_named(name: &str) -> Option<HeaderName> {
    let name = HeaderName::from_bytes(name.as_bytes()).ok().filter(|name| name.as_str().len() <= HEADER_BYTES_MAX)?;
    let taken = TAKEN.contains(&name.as_str()) || name.as_str().starts_with("proxy-") || name.as_str().starts_with("x-forwarded-");
    (!taken).then_some(name)
}

impl Auth {
    fn headers(&self) -> Result<HeaderMap, ClientError> {
        let (name, prefix, secret) = match self {
            Self::None => return Ok(HeaderMap::new()),
            Self::Bearer(secret) => (AUTHORIZATION, "Bearer ", secret),
            Self::Header(name, secret) => (name.clone(), "", secret),
        };
        let secret = secret.now();
        if secret.is_empty() || secret.len() > SECRET_BYTES_MAX || !secret.bytes().all(|b| b.is_ascii_graphic() || b == b' ') {
            return Err(ClientError::Key);
        }
        let text = Zeroizing::new(format!("{prefix}{}", secret.as_str()));
        let mut value = HeaderValue::from_str(&text).map_err(|_| ClientError::Key)?;
        value.set_sensitive(true);
        Ok(HeaderMap::from_iter([(name, value)]))
    }
}

/// A tool server that can be asked. Making one sends nothing.
#[derive(Clone, Debug)]
pub struct Client {
    pub(crate) outbound: Outbound,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
}

impl Client {
    /// A server at an address.
    ///
    /// # Errors
    /// [`ClientError::Address`] and [`ClientError::Key`].
    pub fn new(outbound: Outbound, address: &str, auth: &Auth) -> Result<Self, ClientError> {
        let url = outbound.address(address)?;
        Ok(Self { outbound, url, headers: auth.headers()? })
    }

    /// Opens a session, in which everything has to be done until the deadline.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn connect(&self, deadline: Instant) -> Result<Session, ClientError> {
        Session::open(self.clone(), deadline).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_has_a_header_of_its_own() {
        for (name, fine) in [
            ("X-Api-Key", true),
            ("authorization", true),
            ("Host", false),
            ("Mcp-Session-Id", false),
            ("content-length", false),
            ("x-forwarded-for", false),
            ("proxy-authorization", false),
            ("a b", false),
            ("", false),
            ("x\r\ny", false),
        ] {
            assert_eq!(may_be_named(name).is_some(), fine, "{name:?}");
        }
        assert!(may_be_named(&"x".repeat(HEADER_BYTES_MAX + 1)).is_none());
    }

    #[test]
    fn a_secret_is_never_shown_and_never_splits_a_header() {
        let auth = Auth::Bearer(SecretText::given("s3cret"));
        assert!(!format!("{auth:?} {:?}", auth.headers().unwrap()).contains("s3cret"));
        for bad in ["", "a\r\nb", "ü", &"x".repeat(SECRET_BYTES_MAX + 1)] {
            assert_eq!(Auth::Bearer(SecretText::given(bad)).headers(), Err(ClientError::Key), "{bad:?}");
        }
    }
}
