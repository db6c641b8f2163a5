//! Passwords: argon2id with m = 64 MiB, t = 3, p = 1, and what may be chosen as one (NIST SP 800-63B-4 section 3.1.1).
//!
//! **Invariant:** verifying against no account costs what verifying against one costs. A password is hashed in Unicode form NFKC, so that it
//! is the same from every keyboard.
//!
//! Not here: hashing takes 64 MiB and 150 to 300 ms, so the caller keeps it off the async threads and few at a time.

mod acceptable;
mod breached;

pub use acceptable::{PASSWORD_CHARS_MIN_WITH_SECOND_FACTOR, Unacceptable, acceptable};

use argon2::{
    Algorithm, Argon2, Params, PasswordHash, PasswordHasher as _, PasswordVerifier as _, Version,
    password_hash::{SaltString, rand_core::OsRng},
};
use std::sync::LazyLock;
use unicode_normalization::UnicodeNormalization as _;
use vital_kernel::limits;
use zeroize::Zeroizing;

/// Memory of one hash, in KiB.
const MEMORY_KIB: u32 = 64 * 1024;
/// Passes over the memory.
const PASSES: u32 = 3;
/// Lanes.
const LANES: u32 = 1;
/// Most memory that a stored hash may ask for, in KiB: a row that was tampered with must not take the machine.
const STORED_MEMORY_KIB_MAX: u32 = 4 * MEMORY_KIB;
/// Most passes that a stored hash may ask for.
const STORED_PASSES_MAX: u32 = 4 * PASSES;

/// A password could not be hashed; nothing was stored.
#[derive(Debug, thiserror::Error)]
pub enum HashingFailed {
    /// The hash function refused, for want of memory as a rule.
    #[error("The password could not be hashed: {0}. Nothing was changed; try again.")]
    Argon2(String),
    /// The password is longer than any acceptable one.
    #[error("The password is longer than {} bytes. Nothing was changed.", limits::PASSWORD_BYTES_MAX)]
    TooLong,
}

/// What comparing a password with a stored hash says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// It is another password, or there is none.
    Wrong,
    /// It is the password.
    Right,
    /// It is the password, hashed with other parameters than today's: hash it again and store that.
    RightButStale,
}

/// A hash of nothing anybody knows, so that an unknown address costs what a known one costs.
static DECOY: LazyLock<Option<String>> = LazyLock::new(|| hash(crate::token::Token::generate().reveal()).ok());

/// Returns the hash to store, in PHC string format.
///
/// # Errors
/// `TooLong` above [`limits::PASSWORD_BYTES_MAX`]; `Argon2` when the memory cannot be had.
pub fn hash(password: &str) -> Result<String, HashingFailed> {
    if password.len() > limits::PASSWORD_BYTES_MAX {
        return Err(HashingFailed::TooLong);
    }
    let failed = |e: String| HashingFailed::Argon2(e);
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|e| failed(e.to_string()))?;
    let salt = SaltString::generate(&mut OsRng);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password(normal(password).as_bytes(), &salt)
        .map(|h| h.to_string())
        .map_err(|e| failed(e.to_string()))
}

/// Compares a password with a stored hash; without one, or with one that cannot be read, it does the same work and says no.
#[must_use]
pub fn verify(password: &str, stored: Option<&str>) -> Verdict {
    // Made at the first sign-in whoever it is, so that the first unknown address does not stand out.
    let decoy = DECOY.as_deref();
    // At once, whoever it is: the reply says something about the password alone, never about the account.
    if password.len() > limits::PASSWORD_BYTES_MAX {
        return Verdict::Wrong;
    }
    let readable = stored.and_then(|s| PasswordHash::new(s).ok()).filter(affordable);
    let known = readable.is_some();
    let Some(against) = readable.or_else(|| decoy.and_then(|d| PasswordHash::new(d).ok())) else { return Verdict::Wrong };
    // The parameters are those of the hash, not those of this instance.
    let right = Argon2::default().verify_password(normal(password).as_bytes(), &against).is_ok();
    match (right && known, current(&against)) {
        (false, _) => Verdict::Wrong,
        (true, true) => Verdict::Right,
        (true, false) => Verdict::RightButStale,
    }
}

fn affordable(hash: &PasswordHash<'_>) -> bool {
    Params::try_from(hash).is_ok_and(|p| p.m_cost() <= STORED_MEMORY_KIB_MAX && p.t_cost() <= STORED_PASSES_MAX)
}

fn current(hash: &PasswordHash<'_>) -> bool {
    hash.algorithm == Algorithm::Argon2id.ident()
        && hash.version == Some(Version::V0x13.into())
        && Params::try_from(hash).is_ok_and(|p| (p.m_cost(), p.t_cost(), p.p_cost()) == (MEMORY_KIB, PASSES, LANES))
}

fn normal(password: &str) -> Zeroizing<String> {
    Zeroizing::new(password.nfkc().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cheap(password: &str, algorithm: Algorithm) -> String {
        let params = Params::new(8, 1, 1, None).unwrap();
        let salt = SaltString::generate(&mut OsRng);
        Argon2::new(algorithm, Version::V0x13, params).hash_password(password.as_bytes(), &salt).unwrap().to_string()
    }

    #[test]
    fn a_hash_has_todays_parameters_and_verifies() {
        let stored = hash("correct horse battery staple").unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=65536,t=3,p=1$"), "{stored}");
        assert_eq!(verify("correct horse battery staple", Some(&stored)), Verdict::Right);
        assert_eq!(verify("correct horse battery stapl", Some(&stored)), Verdict::Wrong);
        assert_ne!(stored, hash("correct horse battery staple").unwrap());
    }

    #[test]
    fn other_parameters_and_other_algorithms_are_stale() {
        for algorithm in [Algorithm::Argon2id, Algorithm::Argon2i, Algorithm::Argon2d] {
            let stored = cheap("a password of former times", algorithm);
            assert_eq!(verify("a password of former times", Some(&stored)), Verdict::RightButStale);
            assert_eq!(verify("another password", Some(&stored)), Verdict::Wrong);
        }
    }

    #[test]
    fn without_an_account_every_password_is_wrong() {
        assert_eq!(verify("", None), Verdict::Wrong);
        assert_eq!(verify("correct horse battery staple", None), Verdict::Wrong);
    }

    #[test]
    fn a_damaged_or_greedy_row_is_wrong_and_takes_no_memory() {
        let greedy = cheap("x", Algorithm::Argon2id).replace("m=8", "m=4000000");
        for stored in ["", "plain text", "$argon2id$v=19$m=65536,t=3,p=1$short", &greedy] {
            assert_eq!(verify("x", Some(stored)), Verdict::Wrong, "{stored}");
        }
    }

    #[test]
    fn the_same_letters_from_another_keyboard_are_the_same_password() {
        let composed = "Straße caf\u{e9} Zürich";
        let decomposed = "Straße cafe\u{301} Zu\u{308}rich";
        assert_eq!(verify(decomposed, Some(&hash(composed).unwrap())), Verdict::Right);
    }

    #[test]
    fn a_password_beyond_the_limit_is_not_hashed() {
        let long = "x".repeat(limits::PASSWORD_BYTES_MAX + 1);
        assert!(matches!(hash(&long), Err(HashingFailed::TooLong)));
        assert_eq!(verify(&long, None), Verdict::Wrong);
    }
}
