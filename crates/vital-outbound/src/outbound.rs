//! The client of one purpose: settings, and the way of a request from the check of its address to the head of its answer.

use crate::{
    AddressFault, Egress, Limits, OutboundError, Purpose, Request, Response, address, ensure_crypto_provider,
    policy::Policy,
    resolve::{Judge, Lookup},
    response::{HEADER_BYTES_MAX, HEADERS_MAX},
};
use reqwest::{Certificate, Client, Method, Url, header::LOCATION, redirect};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep_until, timeout_at};

/// How long an unused connection is kept.
const IDLE_CONNECTION: Duration = Duration::from_secs(60);
/// Most unused connections kept to one host.
const IDLE_CONNECTIONS_MAX: usize = 64;

/// The client of one purpose; clones share its connections.
#[derive(Clone, Debug)]
pub struct Outbound {
    client: Client,
    policy: Arc<Policy>,
    limits: Limits,
}

/// The settings of an [`Outbound`].
pub struct Builder {
    policy: Policy,
    limits: Limits,
    plain_http: bool,
    authorities: Vec<Certificate>,
    lookup: Lookup,
}

impl Builder {
    /// Sets where addresses of tenants may lead; without it, to every public host.
    #[must_use]
    pub fn egress(mut self, egress: Egress) -> Self {
        self.policy.egress = egress;
        self
    }

    /// Sets limits other than the purpose's own.
    #[must_use]
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Loads no certificates, for a client that is only used over plain HTTP: a machine without any installed can then make one.
    #[must_use]
    pub const fn plain_http(mut self) -> Self {
        self.plain_http = true;
        self
    }

    /// Trusts further certificate authorities, in PEM, beside the system's.
    ///
    /// # Errors
    /// [`OutboundError::Client`] when the text has no readable certificate.
    pub fn authorities(mut self, pem: &[u8]) -> Result<Self, OutboundError> {
        let unreadable = OutboundError::Client { what: "the certificates of a private authority cannot be read" };
        self.authorities = Certificate::from_pem_bundle(pem).ok().filter(|found| !found.is_empty()).ok_or(unreadable)?;
        Ok(self)
    }

    #[cfg(test)]
    pub(crate) fn lookup(mut self, lookup: Lookup) -> Self {
        self.lookup = lookup;
        self
    }

    /// Makes the client; nothing is sent.
    ///
    /// # Errors
    /// [`OutboundError::Client`] when the system's certificates cannot be read.
    pub fn build(self) -> Result<Outbound, OutboundError> {
        ensure_crypto_provider();
        let policy = Arc::new(self.policy);
        #[expect(clippy::disallowed_methods, reason = "this is the one outbound client")]
        let builder = Client::builder();
        let builder = builder
            .user_agent(concat!("vital-path/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .referer(false)
            .no_proxy()
            // Another crate may turn the features on; here nothing is ever unpacked.
            .no_gzip()
            .no_brotli()
            .no_zstd()
            .no_deflate()
            .no_hickory_dns()
            .dns_resolver(Judge::new(Arc::clone(&policy), self.lookup))
            .http1_max_headers(HEADERS_MAX)
            .http2_max_header_list_size(u32::try_from(HEADER_BYTES_MAX).unwrap_or(u32::MAX))
            .connect_timeout(self.limits.connect)
            .tcp_nodelay(true)
            .tcp_keepalive(IDLE_CONNECTION)
            .pool_idle_timeout(IDLE_CONNECTION)
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX);
        let builder = match self.plain_http {
            true => builder.tls_certs_only(std::iter::empty::<Certificate>()),
            false => builder.tls_certs_merge(self.authorities),
        };
        let client = builder.build().map_err(|_| OutboundError::Client { what: "the system's root certificates cannot be read" })?;
        Ok(Outbound { client, policy, limits: self.limits })
    }
}

impl Outbound {
    /// Begins the settings of a client.
    #[must_use]
    pub fn builder(purpose: Purpose) -> Builder {
        let policy = Policy { purpose, egress: Egress::default() };
        Builder { policy, limits: purpose.limits(), plain_http: false, authorities: Vec::new(), lookup: Lookup::System }
    }

    /// Reads an address as somebody typed it, and tells whether requests may go there as far as its text says.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn address(&self, text: &str) -> Result<Url, AddressFault> {
        let url = address::parse(text)?;
        self.policy.check(&url).map(|()| url)
    }

    /// Sends a request and returns once the head of the answer is there, after redirects where the purpose follows them.
    ///
    /// # Errors
    /// [`OutboundError`]; where a tenant gave the address, a failure before an answer takes the same time whatever its cause.
    pub async fn send(&self, mut request: Request) -> Result<Response, OutboundError> {
        self.policy.check(&request.url)?;
        let begun = Instant::now();
        let deadline = begun + self.limits.total;
        let first_byte = deadline.min(begun + self.limits.first_byte);
        let (first_host, mut redirects) = (host(&request.url), 0);
        loop {
            let response = self.exchange(&request, first_byte).await?;
            let location = response.headers().get(LOCATION).filter(|_| response.status().is_redirection() && request.method == Method::GET);
            let Some(location) = location.filter(|_| self.policy.purpose.redirects_max() > 0) else {
                return Response::checked(response, &request, deadline, self.limits.body_bytes_max);
            };
            redirects += 1;
            let refused = || OutboundError::Redirect { host: first_host.clone() };
            let next = location.to_str().ok().and_then(|location| address::hop(&request.url, location).ok()).ok_or_else(refused)?;
            if redirects > self.policy.purpose.redirects_max() || self.policy.check(&next).is_err() {
                return Err(refused());
            }
            request = request.redirected(next);
        }
    }

    async fn exchange(&self, request: &Request, first_byte: Instant) -> Result<reqwest::Response, OutboundError> {
        let begun = Instant::now();
        let sending = self.client.request(request.method.clone(), request.url.clone()).headers(request.headers.clone());
        let sending = request.body.iter().fold(sending, |sending, body| sending.body(body.clone())).send();
        let host = || host(&request.url);
        let error = match timeout_at(first_byte, sending).await {
            Ok(Ok(response)) => return Ok(response),
            Ok(Err(error)) => error,
            Err(_) => return Err(OutboundError::TooSlow { host: host() }),
        };
        tracing::warn!(
            purpose = self.policy.purpose.as_str(),
            host = host(),
            connect = error.is_connect(),
            timeout = error.is_timeout(),
            "a request got no answer"
        );
        if self.policy.tells_nothing() {
            // As long as a connection may take: a refusal is then no faster than a host that does not answer.
            sleep_until(first_byte.min(begun + self.limits.connect)).await;
        }
        Err(if error.is_connect() { OutboundError::Unreachable { host: host() } } else { OutboundError::Cut { host: host() } })
    }
}

fn host(url: &Url) -> String {
    url.host_str().unwrap_or_default().to_owned()
}
