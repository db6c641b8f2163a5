//! The handshake: protocol versions and suites, names and protocols that a client asks for.

use crate::{Certificates, certificates::Challenges};
use rustls::{
    ServerConfig,
    crypto::ring,
    server::{NoServerSessionStorage, ServerSessionMemoryCache},
    version::{TLS12, TLS13},
};
use std::{io, sync::Arc, time::Duration};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio_rustls::{LazyConfigAcceptor, server::TlsStream};

/// How long a client may take for the handshake.
pub const HANDSHAKE: Duration = Duration::from_secs(10);
/// Sessions of TLS 1.3 that are remembered for one resumption each; the key of each stays in this process.
const SESSIONS_MAX: usize = 4096;
/// The protocol of an authority that checks a domain (RFC 8737 section 6.2).
const ACME_PROTOCOL: &[u8] = b"acme-tls/1";

/// The server's side of TLS; clones share everything.
#[derive(Clone, Debug)]
pub struct Tls {
    web: Arc<ServerConfig>,
    challenge: Arc<ServerConfig>,
    certificates: Arc<Certificates>,
}

impl Tls {
    /// Makes it over certificates that may change while it runs.
    ///
    /// # Errors
    /// When ring's suites do not fit the protocol versions, which no machine causes.
    pub fn new(certificates: Arc<Certificates>) -> Result<Self, rustls::Error> {
        let begun = || ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let mut web = begun()
            .with_protocol_versions(&[&TLS13, &TLS12])?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&certificates) as Arc<_>);
        web.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        web.session_storage = ServerSessionMemoryCache::new(SESSIONS_MAX);
        // The strongest suite that both have, whatever the client names first.
        web.ignore_client_order = true;
        let mut challenge = begun()
            .with_protocol_versions(&[&TLS13, &TLS12])?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Challenges(Arc::clone(&certificates))));
        challenge.alpn_protocols = vec![ACME_PROTOCOL.to_vec()];
        challenge.session_storage = Arc::new(NoServerSessionStorage {});
        challenge.send_tls13_tickets = 0;
        Ok(Self { web: Arc::new(web), challenge: Arc::new(challenge), certificates })
    }

    /// The certificates in use.
    #[must_use]
    pub fn certificates(&self) -> &Arc<Certificates> {
        &self.certificates
    }

    /// Does the handshake within [`HANDSHAKE`]. None where the client was an authority that checked a domain: it is served and gone.
    ///
    /// # Errors
    /// When the client is too slow, speaks no TLS that is accepted, or asks for a name that has no certificate.
    pub async fn accept<S: AsyncRead + AsyncWrite + Unpin>(&self, io: S) -> io::Result<Option<TlsStream<S>>> {
        match tokio::time::timeout(HANDSHAKE, self.handshake(io)).await {
            Ok(done) => done,
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the handshake took too long")),
        }
    }

    async fn handshake<S: AsyncRead + AsyncWrite + Unpin>(&self, io: S) -> io::Result<Option<TlsStream<S>>> {
        let begun = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), io).await?;
        let hello = begun.client_hello();
        let is_check = hello.alpn().is_some_and(|mut asked| asked.next() == Some(ACME_PROTOCOL) && asked.next().is_none());
        let is_open = hello.server_name().is_some_and(|name| self.certificates.challenge(name).is_some());
        if is_check && is_open {
            let mut stream = begun.into_stream(Arc::clone(&self.challenge)).await?;
            // The authority has seen what it came for and may be gone already.
            let _gone = stream.shutdown().await;
            return Ok(None);
        }
        begun.into_stream(Arc::clone(&self.web)).await.map(Some)
    }
}
