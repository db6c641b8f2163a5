//! Passwords: argon2id with m = 64 MiB, t = 3, p = 1 (security design section 9), off the async threads, few at a time.

use crate::Platform;
use argon2::{
    Algorithm, Argon2, Params, PasswordHash, PasswordHasher as _, PasswordVerifier as _, Version,
    password_hash::{SaltString, rand_core::OsRng},
};
use std::sync::LazyLock;
use vital_kernel::{Error, Result, limits};

/// Memory of one hash, in KiB.
const MEMORY_KIB: u32 = 64 * 1024;
/// Passes over the memory.
const PASSES: u32 = 3;

/// Words that are refused as the whole of a password however they are repeated; the breached-password list is a later issue.
const COMMON: [&str; 8] = ["password", "passwort", "letmein", "qwerty", "welcome", "vitalpath", "administrator", "123456789"];

fn argon2() -> Result<Argon2<'static>> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, None).map_err(|e| Error::internal(e.to_string()))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// A hash of nothing anybody knows, so that an unknown address costs what a known one costs.
static DECOY: LazyLock<Option<String>> = LazyLock::new(|| {
    let salt = SaltString::generate(&mut OsRng);
    argon2().ok()?.hash_password(SaltString::generate(&mut OsRng).as_str().as_bytes(), &salt).ok().map(|h| h.to_string())
});

/// Says why a password cannot be used.
pub(super) fn acceptable(password: &str, email: &str) -> Result<(), String> {
    let chars = password.chars().count();
    if chars < limits::PASSWORD_CHARS_MIN {
        return Err(format!("Use at least {} characters; several unrelated words are easy to remember.", limits::PASSWORD_CHARS_MIN));
    }
    if password.len() > limits::PASSWORD_BYTES_MAX {
        return Err(format!("Use at most {} bytes.", limits::PASSWORD_BYTES_MAX));
    }
    let lower = password.to_lowercase();
    let rest = COMMON.iter().fold(lower.clone(), |s, w| s.replace(w, ""));
    let letters: std::collections::HashSet<char> = lower.chars().collect();
    if letters.len() < 5 || rest.chars().filter(|c| c.is_alphanumeric()).count() < 5 || lower == email {
        return Err("This password is too easy to guess: use several unrelated words.".to_owned());
    }
    Ok(())
}

pub(super) async fn hash(p: &Platform, password: String) -> Result<String> {
    on_own_thread(p, move || {
        let salt = SaltString::generate(&mut OsRng);
        argon2()?.hash_password(password.as_bytes(), &salt).map(|h| h.to_string()).map_err(|e| Error::internal(e.to_string()))
    })
    .await
}

/// Verifies a password; without a stored hash it does the same work and says no.
pub(super) async fn verify(p: &Platform, password: String, stored: Option<String>) -> Result<bool> {
    on_own_thread(p, move || {
        let known = stored.is_some();
        // Made at the first sign-in whoever it is, so that the first unknown address does not stand out.
        let decoy = DECOY.clone();
        let Some(stored) = stored.or(decoy) else { return Ok(false) };
        let parsed = PasswordHash::new(&stored).map_err(|e| Error::internal(e.to_string()))?;
        let right = argon2()?.verify_password(password.as_bytes(), &parsed).is_ok();
        Ok(right && known)
    })
    .await
}

/// Hashing takes 64 MiB and 150 to 300 ms: a semaphore keeps a burst of sign-ins from taking the memory of the machine.
async fn on_own_thread<T: Send + 'static>(p: &Platform, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let _permit = p.hashing.acquire().await.map_err(Error::internal)?;
    tokio::task::spawn_blocking(work).await.map_err(Error::internal)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_repeated_and_well_known_passwords_are_refused() {
        for bad in ["short", "aaaaaaaaaaaaaaaaaaaa", "passwordpasswordpassword", "someone.long@example.org"] {
            assert!(acceptable(bad, "someone.long@example.org").is_err(), "{bad}");
        }
        assert_eq!(acceptable("correct horse battery staple", "a@b.org"), Ok(()));
    }
}
