//! From what somebody typed to an address that can be judged.
//!
//! **Invariant:** the host stands in the text exactly as it is used: no other notation of numbers, no percent signs, no characters that
//! are folded into others, no closing dot, no user. What a person or a filter reads is then what is asked.

use crate::egress::is_name;
use reqwest::Url;
use std::net::IpAddr;
use url::ParseError;

/// Longest address, in bytes.
pub const URL_BYTES_MAX: usize = 2_048;

/// Why an address is not asked. It follows from its text and the configuration alone, so it tells nothing of any network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressFault {
    /// Not a URL.
    #[error("it is not a web address of at most {URL_BYTES_MAX} characters")]
    NotUrl,
    /// Another scheme.
    #[error("it is not https")]
    NotHttps,
    /// A user or password in it.
    #[error("it has a user name or a password in it")]
    Credentials,
    /// A fragment.
    #[error("it has a fragment (`#…`)")]
    Fragment,
    /// The host is written in another form than the one it is used in.
    #[error("its host is not written in its plain form: lower-case ASCII letters, digits and hyphens, or an address in its usual notation")]
    Spelling,
    /// The host, the port, or the network it lies in.
    #[error("this address is not allowed")]
    NotAllowed,
}

/// A host that was read from a URL.
pub(crate) enum Host<'a> {
    Name(&'a str),
    Address(IpAddr),
}

/// Reads an address from text.
pub(crate) fn parse(text: &str) -> Result<Url, AddressFault> {
    if text.len() > URL_BYTES_MAX || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(if text.is_ascii() { AddressFault::NotUrl } else { AddressFault::Spelling });
    }
    let url = Url::parse(text).map_err(|_| AddressFault::NotUrl)?;
    if !matches!(url.scheme(), "https" | "http") {
        return Err(AddressFault::NotHttps);
    }
    if url.fragment().is_some() {
        return Err(AddressFault::Fragment);
    }
    let (_, rest) = text.split_once("://").ok_or(AddressFault::NotUrl)?;
    let written = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    if written.contains('@') || !url.username().is_empty() || url.password().is_some() {
        return Err(AddressFault::Credentials);
    }
    let host = url.host_str().unwrap_or_default();
    let used = |port: Option<u16>| port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    let plain = [used(url.port()), used(url.port_or_known_default())].iter().any(|form| written.eq_ignore_ascii_case(form));
    if !plain || text.contains('\\') {
        return Err(AddressFault::Spelling);
    }
    host_of(&url)?;
    Ok(url)
}

/// Returns the host of a URL, if it is a name or an address.
pub(crate) fn host_of(url: &Url) -> Result<Host<'_>, AddressFault> {
    let host = url.host_str().unwrap_or_default();
    match host.trim_matches(['[', ']']).parse() {
        Ok(address) => Ok(Host::Address(address)),
        Err(_) if is_name(host) => Ok(Host::Name(host)),
        Err(_) => Err(AddressFault::Spelling),
    }
}

/// Where a redirect leads. A path stays with the host; anything else must be a whole address in plain form.
pub(crate) fn hop(from: &Url, location: &str) -> Result<Url, AddressFault> {
    // A fragment is for the reader of the page, not for the server.
    let location = location.split('#').next().unwrap_or_default();
    let is_path = Url::parse(location) == Err(ParseError::RelativeUrlWithoutBase);
    if is_path && !location.starts_with("//") && !location.contains('\\') {
        return from.join(location).map_err(|_| AddressFault::NotUrl).and_then(|url| parse(url.as_str()));
    }
    parse(location)
}
