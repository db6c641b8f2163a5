//! A domain that an organisation may bring: normalised, and none that could never be its own.

use std::{fmt, net::IpAddr};

/// Longest domain, in bytes (RFC 1035 section 2.3.4, without the closing dot).
const DOMAIN_BYTES_MAX: usize = 253;
/// Names that no public zone delegates (RFC 6761, RFC 6762, RFC 7686, RFC 9476 and private use).
const SPECIAL: [&str; 10] = ["localhost", "local", "internal", "test", "example", "invalid", "onion", "alt", "arpa", "home.arpa"];

/// A domain in lower-case ASCII, as DNS and certificates write it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Domain(String);

/// Why a text is no domain that can be brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DomainFault {
    /// Not a host name.
    #[error("Write a host name such as `path.example.com`, without `https://`, path or port.")]
    NotAName,
    /// A number.
    #[error("An address of a machine cannot be proven by DNS; write a host name.")]
    Address,
    /// A suffix under which strangers register names.
    #[error("This is a suffix under which others register names, so nobody owns it as a whole; write a host name below it.")]
    PublicSuffix,
    /// A name that is not part of the public DNS.
    #[error("Names like this one are not part of the public DNS, so no authority gives a certificate for it.")]
    Special,
}

impl Domain {
    /// Reads a domain as somebody typed it: any case, international letters (IDNA 2008 by UTS 46), a closing dot.
    ///
    /// # Errors
    /// Why it cannot be brought.
    pub fn parse(text: &str) -> Result<Self, DomainFault> {
        let text = text.trim();
        let text = text.strip_suffix('.').unwrap_or(text);
        if text.len() > 4 * DOMAIN_BYTES_MAX {
            return Err(DomainFault::NotAName);
        }
        if text.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() {
            return Err(DomainFault::Address);
        }
        let ascii = idna::domain_to_ascii_strict(text).map_err(|_| DomainFault::NotAName)?;
        let labels: Vec<&str> = ascii.split('.').collect();
        let plain = |label: &&str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if ascii.len() > DOMAIN_BYTES_MAX || !labels.iter().all(plain) {
            return Err(DomainFault::NotAName);
        }
        // What ends in a number is an address to browsers, whatever its other labels are.
        if labels.last().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x")) {
            return Err(DomainFault::Address);
        }
        let special = |name: &str| ascii == name || ascii.ends_with(&format!(".{name}"));
        if SPECIAL.into_iter().any(special) {
            return Err(DomainFault::Special);
        }
        match psl::suffix(ascii.as_bytes()) {
            Some(suffix) if suffix.as_bytes().len() < ascii.len() => Ok(Self(ascii)),
            _ => Err(DomainFault::PublicSuffix),
        }
    }

    /// The domain as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_are_written_one_way() {
        for (typed, kept) in [
            ("Path.Example.COM", "path.example.com"),
            (" path.example.com. ", "path.example.com"),
            ("wissen.müller.de", "wissen.xn--mller-kva.de"),
            ("日本.jp", "xn--wgv71a.jp"),
            ("a.b.co.uk", "a.b.co.uk"),
        ] {
            assert_eq!(Domain::parse(typed).map(|d| d.0), Ok(kept.to_owned()), "{typed}");
        }
    }

    #[test]
    fn what_nobody_could_prove_is_refused() {
        use DomainFault::{Address, NotAName, PublicSuffix, Special};
        for (typed, fault) in [
            ("", NotAName),
            ("https://path.example.com", NotAName),
            ("path.example.com/x", NotAName),
            ("path.example.com:443", NotAName),
            ("a b.example.com", NotAName),
            ("*.example.com", NotAName),
            ("-a.example.com", NotAName),
            ("a..example.com", NotAName),
            ("_dmarc.example.com", NotAName),
            ("192.0.2.1", Address),
            ("[2001:db8::1]", Address),
            ("2001:db8::1", Address),
            ("10.1", Address),
            ("0x7f.1", Address),
            ("example.0x7f", Address),
            ("com", PublicSuffix),
            ("co.uk", PublicSuffix),
            ("github.io", PublicSuffix),
            ("localhost", Special),
            ("db.internal", Special),
            ("a.test", Special),
            ("printer.local", Special),
        ] {
            assert_eq!(Domain::parse(typed), Err(fault), "{typed}");
        }
        assert_eq!(Domain::parse(&"a.".repeat(200)), Err(NotAName));
        assert_eq!(Domain::parse(&format!("{}.com", "a".repeat(64))), Err(NotAName));
    }

    proptest::proptest! {
        #[test]
        fn what_is_accepted_is_accepted_again_unchanged(text in "[a-zA-Z0-9.äé\u{200d}-]{1,40}") {
            if let Ok(domain) = Domain::parse(&text) {
                proptest::prop_assert_eq!(Domain::parse(domain.as_str()), Ok(domain.clone()));
                proptest::prop_assert!(domain.as_str().is_ascii());
            }
        }
    }
}
