//! The choice of the process's TLS implementation, for programs and tests whose `main` has not made it.

use rustls::crypto::{CryptoProvider, ring};

/// Installs ring as the process's TLS implementation unless one is installed already.
///
/// The binary's `main` calls it first; [`crate::Builder::build`] calls it again, because building an HTTP client without one panics.
pub fn ensure_crypto_provider() {
    if CryptoProvider::get_default().is_none() {
        // An error says that another thread was faster, which is as good.
        let _ = ring::default_provider().install_default();
    }
}
