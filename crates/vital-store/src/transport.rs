//! How a database is reached: on this machine, or elsewhere by TLS that verifies the server's certificate and name.
//!
//! **Invariant:** what is judged is what will be connected to, after the address, its parameters and the `PG…` variables of the
//! environment were put together; a name counts as elsewhere unless it can only mean this machine. Whoever could listen on the way would
//! read everything that people ask, and whoever could answer in the server's place would be given the passwords, so `require` and
//! `verify-ca` are not enough.

use rustls::pki_types::{CertificateDer, pem::PemObject as _};
pub use sqlx::postgres::PgConnectOptions;
use sqlx::postgres::PgSslMode;
use std::{
    fs::File,
    io::{self, Read as _},
    net::{IpAddr, Ipv6Addr},
    path::{Path, PathBuf},
};

/// Largest file of certificates, in bytes.
const CA_BYTES_MAX: u64 = 1024 * 1024;

/// What the operator allows.
#[derive(Clone, Debug, Default)]
pub struct Transport {
    /// Certificates (PEM) of the authorities that may have signed the server's certificate, beside the public ones.
    pub ca_file: Option<PathBuf>,
    /// Allows a database elsewhere without verified TLS.
    pub allow_plain: bool,
}

/// Why an address cannot be used. No variant holds the address, which may hold a password.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// It is no address of a PostgreSQL.
    #[error("the address of the database cannot be read")]
    Unreadable,
    /// It names more than one host.
    #[error("the address of the database names several hosts; this server uses one")]
    SeveralHosts,
    /// The database is elsewhere and would not be verified.
    #[error(
        "the database is on another machine, `{host}`, and `sslmode={mode}` does not verify that it is the right one: passwords and all data could be read or changed on the way"
    )]
    Unverified {
        /// The host.
        host: String,
        /// The mode that the address or the environment asks for.
        mode: &'static str,
    },
    /// The file of certificates cannot be used.
    #[error(transparent)]
    Ca(#[from] CaError),
    /// Both the address and the option name certificates.
    #[error("certificates are named twice, by `sslrootcert` in the address of the database and by `ca_file`; keep one")]
    CaTwice,
}

/// Why a file of certificates cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the file of certificates `{}` {reason}", path.display())]
pub struct CaError {
    path: PathBuf,
    reason: String,
}

/// Reads the address of a database and makes sure that nobody on the way can read or answer.
///
/// Where the address says nothing about TLS and the database is elsewhere, it is verified (`verify-full`).
///
/// # Errors
/// Each variant of [`AddressError`] says what is wrong.
pub fn connect_options(url: &str, transport: &Transport) -> Result<PgConnectOptions, AddressError> {
    // The parser's message may hold parts of the address, and with it the password.
    let mut options: PgConnectOptions = url.parse().map_err(|_| AddressError::Unreadable)?;
    if let Some(path) = &transport.ca_file {
        if names(url, &["sslrootcert", "ssl-root-cert", "ssl-ca"]) {
            return Err(AddressError::CaTwice);
        }
        certificates(path)?;
        options = options.ssl_root_cert(path);
    }
    let host = options.get_host().to_owned();
    if host.contains(',') {
        return Err(AddressError::SeveralHosts);
    }
    if options.get_socket().is_some() || host.starts_with('/') || is_this_machine(&host) {
        return Ok(options);
    }
    // In an address an IPv6 host stands in brackets, in a certificate it does not.
    options = options.host(bare(&host));
    // A mode that is missed here is raised, never lowered.
    let is_unsaid = matches!(options.get_ssl_mode(), PgSslMode::Prefer) && !names(url, &["sslmode", "ssl-mode"]);
    match options.get_ssl_mode() {
        PgSslMode::VerifyFull => Ok(options),
        _ if transport.allow_plain => Ok(options),
        _ if is_unsaid => Ok(options.ssl_mode(PgSslMode::VerifyFull)),
        weak => Err(AddressError::Unverified { host: bare(&host).to_owned(), mode: name_of(weak) }),
    }
}

/// Tells whether a host can only mean this machine: `localhost` (RFC 6761) or a loopback address. Nothing is resolved; any other name and
/// any other way to write an address counts as elsewhere.
#[must_use]
pub fn is_this_machine(host: &str) -> bool {
    let host = bare(host);
    host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(|ip: IpAddr| ip.to_canonical().is_loopback())
}

/// Reads a file of certificates (PEM) that holds at least one.
///
/// # Errors
/// When it cannot be read, is larger than 1 MiB, or holds none.
pub fn certificates(path: &Path) -> Result<Vec<u8>, CaError> {
    let fault = |reason: String| CaError { path: path.to_owned(), reason };
    let mut pem = Vec::new();
    let read = File::open(path).and_then(|file| file.take(CA_BYTES_MAX + 1).read_to_end(&mut pem));
    let bytes = read.map_err(|error| fault(format!("cannot be read: {error}")))?;
    if bytes as u64 > CA_BYTES_MAX {
        return Err(fault(format!("is larger than {CA_BYTES_MAX} bytes")));
    }
    let mut store = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let added = certificate.map_err(|error| error.to_string()).and_then(|der| store.add(der).map_err(|error| error.to_string()));
        added.map_err(|why| fault(format!("holds a certificate that cannot be used: {why}")))?;
    }
    if store.is_empty() {
        return Err(fault("holds no certificate; write those of your authority in PEM, `-----BEGIN CERTIFICATE-----`".to_owned()));
    }
    Ok(pem)
}

/// What to do about a connection that failed at TLS; none where it did not.
#[must_use]
pub fn remedy(error: &sqlx::Error) -> Option<&'static str> {
    use rustls::{CertificateError as C, Error as E};
    let tls = match error {
        sqlx::Error::Io(error) => rustls_error(error)?,
        sqlx::Error::Tls(error) => match error.downcast_ref::<E>() {
            Some(tls) => tls,
            None if error.to_string().contains("does not support TLS") => {
                return Some("the server offers no TLS; turn it on there (`ssl = on`), nothing was sent to it");
            }
            None => return None,
        },
        _ => return None,
    };
    Some(match tls {
        E::InvalidCertificate(C::UnknownIssuer | C::BadSignature) => {
            "the server's certificate is signed by none of the known authorities; name the right one's certificate with `ca_file`"
        }
        E::InvalidCertificate(C::NotValidForName | C::NotValidForNameContext { .. }) => {
            "the server's certificate is for another name than the one in the address; use the name it was made for"
        }
        E::InvalidCertificate(C::Expired | C::ExpiredContext { .. }) => {
            "the server's certificate has expired, or this machine's clock is wrong"
        }
        E::InvalidCertificate(_) => "the server's certificate was refused",
        _ => return None,
    })
}

fn rustls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

fn bare(host: &str) -> &str {
    let inner = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    inner.filter(|inner| inner.parse::<Ipv6Addr>().is_ok()).unwrap_or(host)
}

fn names(url: &str, keys: &[&str]) -> bool {
    let query = url.split_once('?').map(|(_, query)| query).unwrap_or_default();
    query.split(['&', '#']).any(|pair| keys.contains(&pair.split('=').next().unwrap_or_default()))
}

const fn name_of(mode: PgSslMode) -> &'static str {
    match mode {
        PgSslMode::Disable => "disable",
        PgSslMode::Allow => "allow",
        PgSslMode::Prefer => "prefer",
        PgSslMode::Require => "require",
        PgSslMode::VerifyCa => "verify-ca",
        PgSslMode::VerifyFull => "verify-full",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn options(url: &str) -> Result<PgConnectOptions, AddressError> {
        connect_options(url, &Transport::default())
    }

    fn mode(url: &str) -> &'static str {
        name_of(options(url).unwrap().get_ssl_mode())
    }

    #[test]
    fn only_what_can_mean_nothing_else_is_this_machine() {
        for host in ["127.0.0.1", "127.8.9.10", "::1", "[::1]", "localhost", "LOCALHOST", "::ffff:127.0.0.1"] {
            assert!(is_this_machine(host), "{host}");
        }
        let elsewhere = [
            "10.0.0.5",
            "192.168.1.1",
            "0.0.0.0",
            "::",
            "db.internal",
            "localhost.",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0177.0.0.1",
            "::ffff:10.0.0.5",
            "fe80::1",
            "[127.0.0.1]",
            "",
            "127.0.0.1,10.0.0.5",
        ];
        for host in elsewhere {
            assert!(!is_this_machine(host), "{host}");
        }
    }

    #[test]
    fn a_database_on_this_machine_needs_no_tls() {
        for url in [
            "postgres://u@127.0.0.1/d?sslmode=disable",
            "postgres://u@[::1]:5433/d",
            "postgresql://u@localhost/d?sslmode=prefer",
            "postgres:///d?host=/run/postgresql&sslmode=disable",
            "postgres://%2Frun%2Fpostgresql/d",
            "postgres://u@db.internal/d?host=127.0.0.1",
            "postgres://u@db.internal/d?hostaddr=::1",
        ] {
            assert!(options(url).is_ok(), "{url}");
        }
    }

    #[test]
    fn a_database_elsewhere_is_verified_or_refused() {
        for host in ["10.0.0.5", "db.internal", "[2001:db8::1]", "localhost.evil.example", "127.1"] {
            assert_eq!(mode(&format!("postgres://u@{host}/d?sslmode=verify-full")), "verify-full");
            assert_eq!(mode(&format!("postgres://u@{host}/d")), "verify-full", "nothing said is the safe one");
            for weak in ["disable", "allow", "prefer", "require", "verify-ca"] {
                let error = options(&format!("postgres://u:s3cret@{host}:1/d?sslmode={weak}")).unwrap_err();
                let said = error.to_string();
                assert!(matches!(error, AddressError::Unverified { mode, .. } if mode == weak), "{said}");
                assert!(said.contains(weak) && !said.contains("s3cret"), "{said}");
            }
        }
        assert_eq!(options("postgres://u@[2001:db8::1]/d").unwrap().get_host(), "2001:db8::1");
    }

    #[test]
    fn parameters_do_not_lead_past_the_check() {
        for url in [
            "postgres://u@localhost/d?host=db.internal&sslmode=require",
            "postgres://u@127.0.0.1/d?hostaddr=10.0.0.5&sslmode=disable",
            "postgres:///d?host=10.0.0.5&sslmode=disable",
            "postgres://u@db.internal/d?sslmode=verify-full&sslmode=disable",
            "postgres://u@db.internal/d?ssl-mode=allow",
            "postgres://u@db.internal/d?ssl%6Dode=disable",
        ] {
            assert!(matches!(options(url), Err(AddressError::Unverified { .. })), "{url}");
        }
        assert!(matches!(options("postgres://u@127.0.0.1,db.internal/d"), Err(AddressError::SeveralHosts)));
        assert!(matches!(options("postgres:///d?host=localhost,db.internal&sslmode=disable"), Err(AddressError::SeveralHosts)));
        assert!(matches!(options("postgres://a:1,b:2/d"), Err(AddressError::Unreadable)));
        // A mode that is written so that only the parser sees it can raise what is done, never lower it.
        assert_eq!(mode("postgres://u@db.internal/d?ssl%6Dode=prefer"), "verify-full");
    }

    #[test]
    fn plain_is_a_deliberate_setting() {
        let plain = Transport { allow_plain: true, ..Transport::default() };
        let options = connect_options("postgres://u@10.0.0.5/d?sslmode=disable", &plain).unwrap();
        assert_eq!(name_of(options.get_ssl_mode()), "disable");
    }

    #[test]
    fn a_file_of_certificates_holds_some_and_is_named_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        let transport = Transport { ca_file: Some(path.clone()), allow_plain: false };
        let said = || connect_options("postgres://u@db.internal/d", &transport).unwrap_err().to_string();
        assert!(said().contains("ca.pem") && said().contains("cannot be read"));
        std::fs::write(&path, "no certificate").unwrap();
        assert!(said().contains("holds no certificate"));
        std::fs::write(&path, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
        assert!(said().contains("cannot be used"), "{}", said());
        let twice = connect_options("postgres://u@db.internal/d?sslrootcert=/other.pem", &transport);
        assert!(matches!(twice, Err(AddressError::CaTwice)));
    }

    proptest! {
        /// Whatever is written, a host that is not this machine is never connected to without verification.
        #[test]
        fn no_address_leads_elsewhere_unverified(rest in "[a-z0-9.:@/?&=%,\\[\\]_-]{0,40}", tail in "(|&sslmode=disable|&host=h|&hostaddr=10.1.1.1|&ssl-mode=require)") {
            if let Ok(options) = options(&format!("postgres://u@{rest}?{tail}")) {
                let local = options.get_socket().is_some() || options.get_host().starts_with('/') || is_this_machine(options.get_host());
                prop_assert!(local || matches!(options.get_ssl_mode(), PgSslMode::VerifyFull));
            }
        }
    }
}
