//! Signed tokens in compact form (RFC 7515): reading, without trusting anything yet.
//!
//! **Invariant:** nothing in a header leads to a key or to a fetch: `jku`, `x5u`, `jwk` and `x5c` are not even read.
//! **Invariant:** the claims of a [`Compact`] are unverified; they leave this crate through [`crate::Claims`] alone.

use crate::TokenRefused;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Longest token, in bytes. The largest seen in the field carry some hundred groups in 12 KiB.
pub const TOKEN_BYTES_MAX: usize = 16 * 1024;
/// Longest key id, in bytes.
const KEY_ID_BYTES_MAX: usize = 256;

/// The part of a header that is looked at.
#[derive(Debug, Deserialize)]
pub(crate) struct Header {
    pub alg: String,
    #[serde(default)]
    pub kid: Option<String>,
    #[serde(default)]
    pub typ: Option<String>,
    // Present even when null: the meaning of both would have to be known.
    #[serde(default, deserialize_with = "present")]
    crit: bool,
    #[serde(default, deserialize_with = "present")]
    b64: bool,
}

/// A token taken apart.
#[derive(Debug)]
pub(crate) struct Compact<'a> {
    pub header: Header,
    /// What was signed: header and claims as they came.
    pub signed: &'a [u8],
    pub unverified: Map<String, Value>,
    pub signature: Vec<u8>,
}

impl<'a> Compact<'a> {
    /// Takes a token apart and refuses headers that cannot be honoured.
    pub(crate) fn parse(token: &'a str) -> Result<Self, TokenRefused> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenRefused::Malformed);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenRefused::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(TokenRefused::Malformed)?;
        let header: Header = json(header)?;
        if header.crit || header.b64 {
            return Err(TokenRefused::Extension);
        }
        if header.kid.as_ref().is_some_and(|kid| kid.len() > KEY_ID_BYTES_MAX) {
            return Err(TokenRefused::Malformed);
        }
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| TokenRefused::Malformed)?;
        Ok(Self { header, signed: signed.as_bytes(), unverified: json(claims)?, signature })
    }

    /// Refuses a token whose `typ` is not among `accepted`; absent is accepted (RFC 7519 section 5.1), letter case does not count.
    pub(crate) fn check_type(&self, accepted: &[&str]) -> Result<(), TokenRefused> {
        match &self.header.typ {
            Some(typ) if !accepted.iter().any(|accepted| typ.eq_ignore_ascii_case(accepted)) => Err(TokenRefused::Type),
            _ => Ok(()),
        }
    }
}

fn json<T: for<'de> Deserialize<'de>>(part: &str) -> Result<T, TokenRefused> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenRefused::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| TokenRefused::Malformed)
}

fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    serde::de::IgnoredAny::deserialize(deserializer).map(|_| true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn token(header: &str, claims: &str) -> String {
        format!("{}.{}.AAAA", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims))
    }

    #[test]
    fn a_header_that_demands_an_extension_is_refused() {
        for extension in [r#""crit":["exp"]"#, r#""crit":null"#, r#""b64":false"#, r#""b64":true"#] {
            let token = token(&format!(r#"{{"alg":"ES256",{extension}}}"#), "{}");
            assert_eq!(Compact::parse(&token).map(|_| ()), Err(TokenRefused::Extension), "{extension}");
        }
    }

    #[test]
    fn a_header_that_names_its_algorithm_twice_is_refused() {
        let token = token(r#"{"alg":"none","alg":"RS256"}"#, "{}");
        assert_eq!(Compact::parse(&token).map(|_| ()), Err(TokenRefused::Malformed));
    }

    #[test]
    fn padding_other_alphabets_and_missing_parts_are_refused() {
        let good = token(r#"{"alg":"ES256"}"#, "{}");
        assert!(Compact::parse(&good).is_ok());
        for bad in [format!("{good}="), format!("{good}+"), format!(".{good}"), good.replacen('.', "", 1), String::new(), "..".to_owned()] {
            assert_eq!(Compact::parse(&bad).map(|_| ()), Err(TokenRefused::Malformed), "{bad}");
        }
        let long = token(r#"{"alg":"ES256"}"#, &format!(r#"{{"a":"{}"}}"#, "a".repeat(TOKEN_BYTES_MAX)));
        assert_eq!(Compact::parse(&long).map(|_| ()), Err(TokenRefused::Malformed));
    }

    #[test]
    fn another_kind_of_token_is_told_apart() {
        let token = token(r#"{"alg":"ES256","typ":"logout+JWT"}"#, "{}");
        let compact = Compact::parse(&token).expect("well-formed");
        assert_eq!(compact.check_type(&["JWT"]), Err(TokenRefused::Type));
        assert_eq!(compact.check_type(&["JWT", "logout+jwt"]), Ok(()));
    }

    proptest! {
        #[test]
        fn any_string_is_read_or_refused(token in ".{0,200}", header in ".{0,60}", claims in ".{0,60}") {
            let _ = Compact::parse(&token);
            let _ = Compact::parse(&self::token(&header, &claims));
        }
    }
}
