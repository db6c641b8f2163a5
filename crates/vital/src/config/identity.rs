//! `[identity]`: which identity providers the server will talk to.
//!
//! | Key | Default | Meaning |
//! |---|---|---|
//! | `allow_loopback_issuers` | `false` | Accepts identity providers, and model providers, tool servers and webhooks of organisations, on this machine over plain HTTP, to try things out. Refused where other machines can reach the server. |
//!
//! The providers themselves are set up by each organisation's administrators (docs/SSO.md).

use super::{Server, server::is_on_this_machine};
use crate::failure::Failure;
use serde::{Deserialize, Serialize};

/// The section.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Identity {
    /// Accepts identity providers on this machine over plain HTTP.
    pub(crate) allow_loopback_issuers: bool,
}

impl Identity {
    /// Refuses what would let people of other machines sign in through a provider that anybody on this one can put up.
    pub(super) fn check(&self, server: &Server) -> anyhow::Result<()> {
        let public =
            server.public_url.as_deref().is_some_and(|url| !is_on_this_machine(url)) || !server.listen.ip().to_canonical().is_loopback();
        if self.allow_loopback_issuers && public {
            let failure = Failure::new("`identity.allow_loopback_issuers` is set, and other machines can reach this server");
            return Err(failure
                .hint("it is for trying things out on one machine; leave it out, and give the identity provider an `https` address")
                .into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn providers_on_this_machine_are_for_servers_that_only_this_machine_reaches() {
        let allowed = Identity { allow_loopback_issuers: true };
        assert!(allowed.check(&Server::default()).is_ok());
        let behind_a_proxy = Server { public_url: Some("https://vital.example".to_owned()), ..Server::default() };
        assert!(allowed.check(&behind_a_proxy).is_err() && Identity::default().check(&behind_a_proxy).is_ok());
        let local = Server { public_url: Some("http://localhost:8080".to_owned()), ..Server::default() };
        assert!(allowed.check(&local).is_ok());
        let open = Server { listen: "0.0.0.0:80".parse().unwrap(), allow_plain_http: true, ..Server::default() };
        assert!(allowed.check(&open).is_err());
    }
}
