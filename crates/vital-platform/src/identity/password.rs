//! Password hashing off the async threads, few at a time: each hash takes 64 MiB and 150 to 300 ms.

use crate::Platform;
use vital_credentials::password;
pub(super) use vital_credentials::password::Verdict;
use vital_kernel::{Error, Result, limits};

/// Says why a password cannot be used.
pub(super) fn acceptable(password: &str, context: &[&str], second_factor: bool) -> Result<(), String> {
    password::acceptable(password, context, second_factor).map_err(|why| why.to_string())
}

/// Whether a password may stand without a second factor.
pub(super) fn is_long(password: &str) -> bool {
    password.chars().count() >= limits::PASSWORD_CHARS_MIN
}

pub(super) async fn hash(p: &Platform, password: String) -> Result<String> {
    on_own_thread(p, move || password::hash(&password).map_err(Error::internal)).await
}

/// Verifies a password; without a stored hash it does the same work and says no.
pub(super) async fn verify(p: &Platform, password: String, stored: Option<String>) -> Result<Verdict> {
    // What is over the limit is hashed as nothing: wrong at the same cost, without reading a megabyte.
    let (password, stored) = if password.len() <= limits::PASSWORD_BYTES_MAX { (password, stored) } else { (String::new(), None) };
    on_own_thread(p, move || Ok(password::verify(&password, stored.as_deref()))).await
}

/// A semaphore keeps a burst of sign-ins from taking the memory of the machine; who would wait too long is told so.
async fn on_own_thread<T: Send + 'static>(p: &Platform, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let permit = tokio::time::timeout(limits::PASSWORD_HASH_WAIT, p.hashing.clone().acquire_owned()).await.map_err(|_| {
        Error::unavailable(
            "sign_in.busy",
            "Too many people are signing in at this moment. Nothing was changed; try again in a few seconds.",
        )
        .with_retry_after(limits::PASSWORD_HASH_WAIT)
    })?;
    let permit = permit.map_err(Error::internal)?;
    // The permit goes with the work, not with the request: a client that leaves frees nothing before the memory is free.
    let done = tokio::task::spawn_blocking(move || {
        let done = work();
        drop(permit);
        done
    });
    done.await.map_err(Error::internal)?
}
