//! TLS of the server: certificates from files or from an ACME authority, chosen by name, renewed and reloaded while connections go on.
//!
//! Data enters as PEM files, as what an ACME authority sends, as DNS answers and as the first bytes of strangers' connections; it leaves
//! as decrypted streams and as what is known about each certificate. Listening, HTTP and whose domain it is stand in other crates.
//!
//! **Invariant:** a certificate that is in use was checked when it was taken: key, order and signatures of the chain, times, names. One
//! that fails the check never replaces one that is in use.
//! **Invariant:** TLS 1.3, and 1.2 with ECDHE and AEAD alone; no early data, no stateless tickets. One provider of cryptography: ring.
//! **Invariant:** nothing here asks for a certificate of a name that the caller has not listed.

pub mod acme;
mod caa;
mod certificate;
mod certificates;
mod domain;
mod error;
mod files;
mod folder;
#[cfg(any(test, feature = "scripted"))]
pub mod scripted;
mod server;
mod standing;
mod txt;

pub use caa::{CaaRecord, CaaSet, Issuance};
pub use certificate::Certificate;
pub use certificates::Certificates;
pub use domain::{Domain, DomainFault};
pub use error::{AcmeError, CertificateError, DnsError};
pub use files::{Files, RELOAD_LOOK, Watch};
pub use folder::Folder;
pub use server::{HANDSHAKE, Tls};
pub use standing::{Standing, State, WARN_DAYS};
pub use txt::{LOOKUP_TIMEOUT, Names};
