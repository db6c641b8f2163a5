//! What can go wrong between the platform and an identity provider.
//!
//! **Invariant:** the messages are written here alone. Of what a provider or a browser sent, only the host that was configured and
//! OAuth error words (lower-case letters and underscores) become part of them; no token, no key, no claim.

use vital_kernel::{Error, Kind};

/// A sign-in or a token that did not lead to claims. Nothing was stored and nobody was signed in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FederationError {
    /// No connection: name, address, TLS, or a connection that broke off.
    #[error(
        "The identity provider {host} could not be reached, so nobody was signed in. Try again; if it goes on, an administrator should check its address."
    )]
    Unreachable {
        /// The host that was asked.
        host: String,
    },
    /// No whole answer within the time limit.
    #[error("The identity provider {host} did not answer in time, so nobody was signed in. Try again.")]
    TooSlow {
        /// The host that was asked.
        host: String,
    },
    /// An answer with an HTTP status that is not a success; a redirect is one too.
    #[error(
        "The identity provider {host} answered with the error status {status}{}, so nobody was signed in. Start the sign-in again; if it goes on, an administrator should check the client's settings.",
        oauth_error.as_ref().map(|word| format!(" ({word})")).unwrap_or_default()
    )]
    Status {
        /// The host that was asked.
        host: String,
        /// The HTTP status.
        status: u16,
        /// The OAuth error word of the body, when it is one (RFC 6749 section 5.2).
        oauth_error: Option<String>,
    },
    /// An answer that is not what the protocol says.
    #[error(
        "The identity provider {host} sent something that cannot be used ({what}), so nobody was signed in. An administrator should check the provider's address and settings."
    )]
    Nonsense {
        /// The host that was asked.
        host: String,
        /// What is wrong, in words of this crate.
        what: &'static str,
    },
    /// The provider sent the browser back with an error instead of a code (RFC 6749 section 4.1.2.1).
    #[error("The identity provider did not sign you in ({oauth_error}). Start the sign-in again, or ask an administrator for access.")]
    Declined {
        /// The OAuth error word, or `unknown_error` when what came is not a word.
        oauth_error: String,
    },
    /// The browser's return does not belong to the sign-in that was begun.
    #[error("This sign-in does not belong to the one that was begun here ({what}), so nobody was signed in. Start the sign-in again.")]
    Callback {
        /// What does not fit, in words of this crate.
        what: &'static str,
    },
    /// A token that is not accepted.
    #[error("The token of the identity provider was refused, so nobody was signed in: {0}.")]
    Refused(#[from] TokenRefused),
    /// The settings of the provider cannot be used.
    #[error("The settings of the identity provider cannot be used: {what}.")]
    Settings {
        /// What is wrong and what would be right.
        what: &'static str,
    },
}

impl FederationError {
    /// The stable dotted code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "federation.unreachable",
            Self::TooSlow { .. } => "federation.too_slow",
            Self::Status { .. } => "federation.status",
            Self::Nonsense { .. } => "federation.nonsense",
            Self::Declined { .. } => "federation.declined",
            Self::Callback { .. } => "federation.callback",
            Self::Refused(reason) => reason.code(),
            Self::Settings { .. } => "federation.settings",
        }
    }
}

/// The domain's error for a failed sign-in: the same words, and this error as the cause for the log.
impl From<FederationError> for Error {
    #[track_caller]
    fn from(error: FederationError) -> Self {
        let kind = match error {
            FederationError::TooSlow { .. } => Kind::UpstreamTimeout,
            FederationError::Unreachable { .. } | FederationError::Status { .. } | FederationError::Nonsense { .. } => Kind::Upstream,
            FederationError::Declined { .. } | FederationError::Callback { .. } | FederationError::Refused(_) => Kind::Unauthenticated,
            FederationError::Settings { .. } => Kind::Unavailable,
        };
        Self::new(kind, error.code(), error.to_string()).with_source(error)
    }
}

/// Why a token is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenRefused {
    /// Not a JWS in compact form with a JSON header and JSON claims (RFC 7515 section 7.1), or over [`crate::TOKEN_BYTES_MAX`].
    #[error("it is not a signed token")]
    Malformed,
    /// `none`, an algorithm that is not accepted, or one of the other family of keys.
    #[error("its signature algorithm is not accepted")]
    Algorithm,
    /// A `crit` or `b64` header, whose meaning would have to be known (RFC 7515 section 4.1.11).
    #[error("it demands an extension that is not supported")]
    Extension,
    /// A `typ` header of another kind of token (RFC 8725 section 3.11).
    #[error("it is another kind of token")]
    Type,
    /// No key of the issuer has its key id and type.
    #[error("the issuer publishes no key that fits it")]
    UnknownKey,
    /// The signature is not the key's.
    #[error("its signature is wrong")]
    Signature,
    /// A required claim is absent or of another type.
    #[error("its claim `{0}` is missing or unreadable")]
    Claim(&'static str),
    /// `iss` is not the configured issuer.
    #[error("it comes from another issuer")]
    Issuer,
    /// `aud` does not name this client, or `azp` names another.
    #[error("it was made for another application")]
    Audience,
    /// `exp` has passed by more than the clock skew.
    #[error("it has expired; if that happens at once, the two clocks differ")]
    Expired,
    /// `nbf` or `iat` lie further ahead than the clock skew.
    #[error("it is not valid yet; the two clocks differ")]
    NotYetValid,
    /// `nonce` is not that of the sign-in: the token was made for another one.
    #[error("it belongs to another sign-in")]
    Nonce,
    /// `at_hash` is not that of the access token beside it.
    #[error("the access token beside it belongs to another sign-in")]
    AccessTokenHash,
    /// `auth_time` is longer ago than the sign-in asked for.
    #[error("the identity provider did not ask for the password again although it was told to")]
    AuthenticationTooOld,
    /// The `sub` of the userinfo answer is not the token's.
    #[error("the user information belongs to somebody else")]
    OtherSubject,
}

impl TokenRefused {
    /// The stable dotted code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed => "token.malformed",
            Self::Algorithm => "token.algorithm",
            Self::Extension => "token.extension",
            Self::Type => "token.type",
            Self::UnknownKey => "token.unknown_key",
            Self::Signature => "token.signature",
            Self::Claim(_) => "token.claim",
            Self::Issuer => "token.issuer",
            Self::Audience => "token.audience",
            Self::Expired => "token.expired",
            Self::NotYetValid => "token.not_yet_valid",
            Self::Nonce => "token.nonce",
            Self::AccessTokenHash => "token.access_token_hash",
            Self::AuthenticationTooOld => "token.authentication_too_old",
            Self::OtherSubject => "token.other_subject",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_provider_and_a_refused_token_are_different_kinds() {
        let host = || "idp.example".to_owned();
        let cases = [
            (FederationError::TooSlow { host: host() }, Kind::UpstreamTimeout, "federation.too_slow"),
            (FederationError::Unreachable { host: host() }, Kind::Upstream, "federation.unreachable"),
            (TokenRefused::Expired.into(), Kind::Unauthenticated, "token.expired"),
            (FederationError::Settings { what: "an address is not https" }, Kind::Unavailable, "federation.settings"),
        ];
        for (error, kind, code) in cases {
            let mapped = Error::from(error);
            assert_eq!((mapped.kind(), mapped.code()), (kind, code));
        }
    }

    #[test]
    fn the_words_of_an_error_status_are_told() {
        let error = |oauth_error| FederationError::Status { host: "idp.example".to_owned(), status: 400, oauth_error }.to_string();
        assert!(error(Some("invalid_grant".to_owned())).contains("error status 400 (invalid_grant), so nobody"));
        assert!(error(None).contains("error status 400, so nobody"));
    }
}
