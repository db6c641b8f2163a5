//! SMTP over rustls: implicit TLS, required STARTTLS, or plain text to the loopback alone.
//!
//! One connection per message: mail here is invitations and resets, and a fresh connection has no state to go stale.

use crate::{MailError, Message, message::sender};
use lettre::{
    AsyncSmtpTransport, AsyncTransport, Tokio1Executor,
    message::Mailbox,
    transport::smtp::{
        AsyncSmtpTransportBuilder,
        authentication::Credentials,
        client::{CertificateStore, Tls, TlsParameters},
        extension::ClientId,
    },
};
use std::{fmt, net::IpAddr, time::Duration};
use vital_keys::SecretText;

/// Longest time-out that may be configured.
pub const TIMEOUT_MAX: Duration = Duration::from_secs(300);

/// How the connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// TLS from the first byte (RFC 8314), usually port 465.
    Tls,
    /// STARTTLS (RFC 3207), usually port 587; a server that does not offer it is refused.
    StartTls,
    /// No encryption; only for a relay on this machine.
    PlainLoopbackOnly,
}

/// How to reach the SMTP server.
#[derive(Clone)]
pub struct SmtpConfig {
    /// Host name or address; its certificate must be valid for it.
    pub host: String,
    /// Port.
    pub port: u16,
    /// How the connection is protected.
    pub security: Security,
    /// User name; given together with `password` or not at all.
    pub username: Option<String>,
    /// Password; one in a file is read again when that changes.
    pub password: Option<SecretText>,
    /// The sender, `name@domain` or `Name <name@domain>`.
    pub from: String,
    /// Time for the whole delivery of one message, up to [`TIMEOUT_MAX`].
    pub timeout: Duration,
}

impl fmt::Debug for SmtpConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmtpConfig")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("security", &self.security)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

pub(crate) struct Smtp {
    transport: AsyncSmtpTransportBuilder,
    login: Option<(String, SecretText)>,
    from: Mailbox,
    timeout: Duration,
}

impl fmt::Debug for Smtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Smtp").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

impl Smtp {
    pub(crate) fn new(config: SmtpConfig) -> Result<Self, MailError> {
        let wrong = |what: &str| MailError::Configuration(what.to_owned());
        let from = sender(&config.from)?;
        if config.timeout.is_zero() || config.timeout > TIMEOUT_MAX {
            return Err(wrong("`timeout` must lie between 1 ms and 300 s"));
        }
        if config.security == Security::PlainLoopbackOnly && !is_loopback(&config.host) {
            return Err(wrong("without encryption only a server on this machine can be used; choose TLS or STARTTLS"));
        }
        let tls = match config.security {
            Security::PlainLoopbackOnly => Tls::None,
            Security::Tls => Tls::Wrapper(trust(&config.host)?),
            Security::StartTls => Tls::Required(trust(&config.host)?),
        };
        #[expect(clippy::disallowed_methods, reason = "the one place that sends mail, to the server that the operator configured")]
        let transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&config.host)
            .port(config.port)
            .tls(tls)
            .timeout(Some(config.timeout))
            .hello_name(ClientId::Domain(from.email.domain().to_owned()));
        let login = match (config.username, config.password) {
            (Some(user), Some(password)) => Some((user, password)),
            (None, None) => None,
            _ => return Err(wrong("`username` and `password` belong together")),
        };
        Ok(Self { transport, login, from, timeout: config.timeout })
    }

    pub(crate) async fn send(&self, message: &Message) -> Result<(), MailError> {
        let document = message.build(&self.from)?;
        let mut transport = self.transport.clone();
        if let Some((user, password)) = &self.login {
            // The password of this moment: it may have been exchanged since the last message.
            transport = transport.credentials(Credentials::new(user.clone(), password.now().to_string()));
        }
        let transport: AsyncSmtpTransport<Tokio1Executor> = transport.build();
        // The library's own time-out restarts with every reply; a server that drips must not hold us longer than promised.
        let delivery = tokio::time::timeout(self.timeout, transport.send(document));
        match Box::pin(delivery).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(self.read(&error)),
            Err(_) => Err(MailError::TooSlow(self.timeout)),
        }
    }

    fn read(&self, error: &lettre::transport::smtp::Error) -> MailError {
        match error.status().map(u16::from) {
            Some(code @ 400..=499) => MailError::RejectedForNow { code },
            Some(code) => MailError::Rejected { code },
            None if error.is_timeout() => MailError::TooSlow(self.timeout),
            None if error.is_tls() => MailError::Encryption,
            None if error.is_client() => MailError::NotOffered,
            None if error.is_response() => MailError::Protocol,
            None => MailError::Unreachable,
        }
    }
}

fn trust(host: &str) -> Result<TlsParameters, MailError> {
    TlsParameters::builder(host.to_owned())
        .certificate_store(CertificateStore::WebpkiRoots)
        .build_rustls()
        .map_err(|_| MailError::Configuration("`host` is not a name or address that a certificate can be checked for".to_owned()))
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
