//! What every handler can reach.

use crate::{
    health::Probe,
    mcp,
    protection::{Protection, Settings},
};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use vital_mcp::Endpoint;
use vital_platform::Platform;

/// For how many seconds browsers insist on https unless configured: two years, as lists of such sites ask for.
const HSTS_S: u32 = 63_072_000;

/// The state of the router.
#[derive(Clone)]
pub struct AppState {
    /// The platform whose verbs the handlers call.
    pub platform: Arc<Platform>,
    /// True where people reach the server by https: cookies are then `Secure` with the `__Host-` prefix, and HSTS is sent.
    pub https: bool,
    /// Cancelled when the server stops: open event streams then end, and their readers come back with `Last-Event-ID`.
    pub closing: CancellationToken,
    pub(crate) probe: Arc<Probe>,
    /// Names beside the site's own and the custom domains; with any, every other one is refused.
    pub(crate) hosts: Arc<Vec<String>>,
    /// For how many seconds browsers insist on https; 0 says nothing about it.
    pub(crate) hsts_s: u32,
    /// Where the Model Context Protocol is spoken.
    pub(crate) mcp: Arc<Endpoint<mcp::Server>>,
    /// How often and how many at once.
    pub protection: Protection,
}

impl AppState {
    /// Makes the state with the default protection. `closing` is the token that also stops `serve`.
    #[must_use]
    pub fn new(platform: Arc<Platform>, https: bool, closing: CancellationToken) -> Self {
        let protection = Protection::new(Settings::default());
        let mcp = Arc::new(mcp::endpoint(closing.clone()));
        Self { platform, https, closing, probe: Arc::new(Probe::default()), hosts: Arc::default(), hsts_s: HSTS_S, mcp, protection }
    }

    /// The same for a server that has these names beside its site's, and refuses every other one if there are any.
    #[must_use]
    pub fn with_hosts(mut self, hosts: Vec<String>) -> Self {
        self.hosts = Arc::new(hosts);
        self
    }

    /// The same with another time for which browsers insist on https, in seconds; 0 for none.
    #[must_use]
    pub const fn with_hsts(mut self, seconds: u32) -> Self {
        self.hsts_s = seconds;
        self
    }

    /// The same with another protection; `serve` takes it from here as well.
    #[must_use]
    pub fn protected_by(mut self, protection: Protection) -> Self {
        self.protection = protection;
        self
    }

    /// Name of the session cookie. The `__Host-` prefix makes browsers insist on `Secure`, `Path=/` and no domain (RFC 6265bis 4.1.3.2).
    pub(crate) const fn cookie_name(&self) -> &'static str {
        if self.https { "__Host-vital" } else { "vital_session" }
    }

    /// Name of the cookie of a sign-in at an identity provider.
    pub(crate) const fn sso_cookie_name(&self) -> &'static str {
        if self.https { "__Host-vital-sso" } else { "vital_sso" }
    }
}
