//! Why passkeys cannot be used at a URL, and why a ceremony failed.

/// Why browsers refuse passkeys at the public URL of the server.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum OriginUnsuited {
    /// The text is no URL with a host.
    #[error("`{0}` is not a URL such as https://vital.example.org; passkeys stay off until the public URL is set")]
    NotAUrl(String),
    /// The host is an IP address.
    #[error(
        "passkeys cannot be used at `{0}`: browsers bind them to a host name, not to an IP address; use https://name or http://localhost"
    )]
    IpAddress(String),
    /// Plain http, or another scheme.
    #[error("passkeys cannot be used at `{0}`: browsers offer them over https alone, and over http on localhost alone")]
    NotSecure(String),
}

/// Why a ceremony failed; nothing was registered and nobody signed in.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PasskeyError {
    /// The state is not one of this ceremony.
    #[error("This passkey request is over or belongs to another page. Start again.")]
    State,
    /// The user handle is empty or too long.
    #[error("The user handle must have 1 to {} bytes.", super::USER_HANDLE_BYTES_MAX)]
    UserHandle,
    /// The person has no passkey.
    #[error("There is no passkey for this account. Sign in another way and add one.")]
    NoPasskeys,
    /// The answer is not what a browser sends.
    #[error("The browser's answer could not be read: {0}. Start again.")]
    Malformed(&'static str),
    /// A field of the answer is longer than any authenticator makes it.
    #[error("The browser's answer could not be read: {0} is too long. Start again.")]
    TooLong(&'static str),
    /// An answer of the other ceremony.
    #[error("The browser answered another request than the one that was made. Start again.")]
    WrongCeremony,
    /// The answer is to another challenge.
    #[error("The browser's answer belongs to an earlier request. Start again.")]
    WrongChallenge,
    /// The answer comes from a page of another site.
    #[error("The answer comes from {got}, but passkeys of this server work at {expected} alone. Open that address and start again.")]
    WrongOrigin {
        /// Where the browser says it was made.
        got: String,
        /// The origin of this server.
        expected: String,
    },
    /// The page was inside a page of another site.
    #[error("The answer was made inside a page of another site. Open this server in a window of its own and start again.")]
    CrossOrigin,
    /// The authenticator signed for another domain.
    #[error("This passkey belongs to another site. Choose the one of this server.")]
    WrongRelyingParty,
    /// Nobody touched the authenticator.
    #[error("The authenticator did not confirm that somebody was there. Start again and touch it when it asks.")]
    UserNotPresent,
    /// The authenticator asked for neither PIN nor fingerprint nor face.
    #[error("The authenticator did not check who you are. Set a PIN, fingerprint or face on it and start again.")]
    UserNotVerified,
    /// The flags about copies contradict each other or what was registered.
    #[error("The authenticator contradicts itself about copies of this passkey. Remove the passkey and register it again.")]
    BackupFlags,
    /// None of the offered algorithms.
    #[error("This authenticator uses a kind of key that is not accepted here (accepted: ES256, EdDSA, RS256). Use another one.")]
    UnsupportedKey,
    /// The authenticator made a passkey that exists.
    #[error("This passkey is registered already.")]
    AlreadyRegistered,
    /// The passkey is not among those that may answer.
    #[error("This passkey is not registered for this account. Choose another one or sign in another way.")]
    UnknownPasskey,
    /// The passkey is another person's.
    #[error("This passkey belongs to another account. Choose another one.")]
    WrongUser,
    /// The signature is not that of the passkey.
    #[error("The signature of the passkey is wrong. Nobody was signed in.")]
    Signature,
    /// The signature counter did not advance: the passkey may have been cloned.
    #[error("The counter of this passkey went from {stored} to {presented}: it may have been copied. Sign in another way and remove it.")]
    CounterRegressed {
        /// The counter as last seen.
        stored: u32,
        /// The counter in this answer.
        presented: u32,
    },
}
