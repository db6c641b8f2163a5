//! What can go wrong with certificates, for the person who runs the server.

use std::{io, path::PathBuf};
use time::OffsetDateTime;

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("`{}` cannot be read: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is larger than certificates and keys are.
    #[error("`{}` is larger than {max} bytes, so it is no certificate or key", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit.
        max: u64,
    },
    /// No certificate where one has to be.
    #[error(
        "no certificate was found; write the server's certificate first, then the intermediate ones, each as a `BEGIN CERTIFICATE` block"
    )]
    NoCertificate,
    /// No key where one has to be.
    #[error("no private key was found; write it as an unencrypted `BEGIN PRIVATE KEY` block (PKCS #8, or the older RSA and EC blocks)")]
    NoKey,
    /// A block that cannot be decoded.
    #[error("certificate {position} of the chain cannot be decoded: {what}")]
    Unreadable {
        /// From 1.
        position: usize,
        /// Why.
        what: String,
    },
    /// Too many certificates.
    #[error("the chain has {count} certificates; at most {max} are sent")]
    TooMany {
        /// How many.
        count: usize,
        /// The limit.
        max: usize,
    },
    /// The key is of a kind that cannot sign.
    #[error("the private key cannot be used: {0}; make an ECDSA P-256, an Ed25519 or an RSA key of at least 2048 bits")]
    Key(String),
    /// The key is another certificate's.
    #[error("the private key does not belong to the certificate; they come in pairs, so one of the two files is that of another pair")]
    KeyMismatch,
    /// The certificates stand in another order than they sign.
    #[error(
        "the chain is in the wrong order: certificate {position} is not signed by the one after it, but by another one in the file; write the server's certificate first, then each issuer after what it signed"
    )]
    Order {
        /// From 1.
        position: usize,
    },
    /// A link of the chain is missing.
    #[error(
        "the chain is broken: certificate {position} (`{subject}`) was issued by `{issuer}`, and the certificate after it is `{next}`; put the missing intermediate certificate between them"
    )]
    Broken {
        /// From 1.
        position: usize,
        /// Whose certificate.
        subject: String,
        /// Who issued it.
        issuer: String,
        /// Whose stands there.
        next: String,
    },
    /// It has ended.
    #[error("certificate {position} of the chain expired at {not_after}; browsers refuse it. Renew it and put the new one in its place")]
    Expired {
        /// From 1; the server's own is the first.
        position: usize,
        /// Its end.
        not_after: OffsetDateTime,
    },
    /// It has not begun.
    #[error(
        "certificate {position} of the chain is valid from {not_before} on, and this machine's clock says {now}; if the clock is wrong, set it"
    )]
    NotYetValid {
        /// From 1.
        position: usize,
        /// Its begin.
        not_before: OffsetDateTime,
        /// What the clock says.
        now: OffsetDateTime,
    },
    /// It is another site's.
    #[error("the certificate is for {names}, and not for `{host}`, which is the name people use; get one that has this name")]
    WrongHost {
        /// The name that people use.
        host: String,
        /// The names it has.
        names: String,
    },
}

/// Why no certificate came from the authority. The one in use stays.
#[derive(Debug, thiserror::Error)]
pub enum AcmeError {
    /// The settings cannot work.
    #[error("{0}")]
    Settings(String),
    /// The authority could not be talked to.
    #[error("the certificate authority could not be reached: {0}")]
    Unreachable(String),
    /// The authority refused.
    #[error("the certificate authority refused: {0}")]
    Refused(String),
    /// The authority does not know the account.
    #[error("the certificate authority does not know the account in `account.json`")]
    NoAccount,
    /// The authority could not see the proof.
    #[error(
        "the certificate authority could not check `{domain}`: {what}; the name must lead to this server, with port {port} reachable from outside"
    )]
    Unproven {
        /// The name.
        domain: String,
        /// What it said.
        what: String,
        /// The port that it asks.
        port: u16,
    },
    /// It does not offer this kind of proof.
    #[error("the certificate authority does not offer `{0}`; choose the other `tls.acme.challenge`")]
    NoSuchChallenge(&'static str),
    /// It took too long.
    #[error("the certificate authority did not finish within {0} s")]
    TooSlow(u64),
    /// What it sent cannot be used.
    #[error("the certificate authority sent a certificate that cannot be used: {0}")]
    Certificate(#[from] CertificateError),
    /// It cannot be kept.
    #[error("`{}` cannot be written: {source}", path.display())]
    Keep {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Why the TXT records of a name are not known.
#[derive(Debug, thiserror::Error)]
pub enum DnsError {
    /// The name servers did not answer, or said that they cannot.
    #[error("the name servers did not answer for `{name}`; try again in a few minutes")]
    NoAnswer {
        /// What was asked for.
        name: String,
    },
    /// The name servers of this machine are not known.
    #[error("the name servers of this machine cannot be read ({0}); name one with `tls.name_server`")]
    Settings(String),
}
