//! Identities that other systems vouch for: OpenID Connect, signed tokens, SCIM resources.
//!
//! Data enters as an address, a token or a callback that a stranger wrote, and leaves as [`Claims`] that a configured issuer
//! signed, or as a [`FederationError`] that says what happened. Which account, tenant and role the claims stand for is decided by
//! the caller; nothing is stored here.
//!
//! **Invariant:** a value of type [`Claims`] is only made after the signature, issuer, audience and times were checked.
//! **Invariant:** keys come from the configured secret or from the configured issuer's own key set, never from the token.
//!
//! Signatures are checked with ring, the platform's one provider of cryptography, by some two hundred lines of this crate. The crate
//! `openidconnect` 4 brings a second stack (rsa, p256, p384, ed25519-dalek, and chrono beside time), and `jsonwebtoken` without aws-lc
//! the same one; neither bounds answers, remembers key sets or follows their rotation, and both have code for HMAC beside public
//! keys that settings must keep shut. Written for this use, what is not accepted has no code.

mod claims;
mod error;
mod http;
mod jwks;
mod jws;
pub mod jwt;
pub mod oidc;
mod remembered;
pub mod scim;
#[cfg(any(test, feature = "scripted"))]
pub mod scripted;
mod secret;

pub use claims::{CLOCK_SKEW_SECONDS, Claims, claim_values};
pub use error::{FederationError, TokenRefused};
pub use http::{Http, HttpBuilder, TOTAL_TIMEOUT};
pub use jws::TOKEN_BYTES_MAX;
pub use remembered::{FAILURE_PAUSE, REMEMBERED_FOR, RENEWAL_PAUSE};
pub use secret::Secret;
