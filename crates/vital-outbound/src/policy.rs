//! The rules of one purpose: which addresses may be asked, and which of a host's addresses may be connected to.

use crate::{
    Egress, Given, Purpose,
    address::{AddressFault, Host, host_of},
    reach::{Reach, reach},
};
use reqwest::Url;
use std::net::IpAddr;

#[derive(Clone, Debug)]
pub(crate) struct Policy {
    pub(crate) purpose: Purpose,
    pub(crate) egress: Egress,
}

impl Policy {
    /// Judges an address before anything is sent or resolved.
    pub(crate) fn check(&self, url: &Url) -> Result<(), AddressFault> {
        let text = url.host_str().unwrap_or_default();
        let port = url.port_or_known_default().unwrap_or_default();
        let host = host_of(url)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(AddressFault::Credentials);
        }
        let allowed = match self.purpose.given() {
            _ if !matches!(url.scheme(), "https" | "http") => return Err(AddressFault::NotHttps),
            Given::ByOperator => true,
            Given::ByTenant if self.is_own_machine(text) => true,
            Given::ByTenant if url.scheme() != "https" => return Err(AddressFault::NotHttps),
            Given::ByTenant => self.egress.allows(text, port),
        };
        let leads = match host {
            // Without a dot the resolver would complete a name with the domains of our own network.
            Host::Name(name) => {
                self.purpose.given() == Given::ByOperator || name.contains('.') || self.egress.names(name) || self.is_own_machine(name)
            }
            Host::Address(address) => self.admits(text, address),
        };
        if allowed && leads { Ok(()) } else { Err(AddressFault::NotAllowed) }
    }

    /// Judges one address of a host, as it stands in the URL or as the resolver gave it.
    pub(crate) fn admits(&self, host: &str, address: IpAddr) -> bool {
        match (reach(address), self.purpose.given()) {
            (Reach::Never, _) => false,
            (reach, Given::ByTenant) if self.is_own_machine(host) => reach == Reach::Loopback,
            (Reach::Public, _) | (_, Given::ByOperator) => true,
            (Reach::Private, Given::ByTenant) => self.egress.names(host) && self.egress.opens(address),
            (Reach::Loopback, Given::ByTenant) => false,
        }
    }

    /// Whether the host is this machine and the development switch allows it.
    fn is_own_machine(&self, host: &str) -> bool {
        let for_trying_out =
            matches!(self.purpose, Purpose::IdentityProvider | Purpose::OrganisationProvider | Purpose::Tool | Purpose::Webhook);
        let literal = || host.trim_matches(['[', ']']).parse().is_ok_and(|address| reach(address) == Reach::Loopback);
        self.egress.loopback_issuers && for_trying_out && (host == "localhost" || literal())
    }

    /// Whether a tenant could learn something about the network from how a request fails.
    pub(crate) fn tells_nothing(&self) -> bool {
        self.purpose.given() == Given::ByTenant
    }
}
