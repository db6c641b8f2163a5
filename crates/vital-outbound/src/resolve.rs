//! Resolution and judgement in one step: what the HTTP library connects to is what was judged here, and nothing else.

use crate::policy::Policy;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};
use tokio::sync::Semaphore;

/// Most look-ups of one purpose at once: each holds a thread for as long as a slow name server likes.
pub const LOOKUPS_MAX: usize = 32;
/// Most addresses of one host that are tried.
const ADDRESSES_MAX: usize = 8;

/// What a test's name server answers.
#[cfg(test)]
pub(crate) type Names = dyn Fn(&str) -> Vec<IpAddr> + Send + Sync;

/// Where a test lets the client connect for an address.
#[cfg(test)]
pub(crate) type Dial = dyn Fn(IpAddr) -> SocketAddr + Send + Sync;

/// Where names are looked up.
#[derive(Clone)]
pub(crate) enum Lookup {
    /// The system's resolver, with its hosts file and name servers.
    System,
    /// What a test says; judged addresses are then dialled at the test's own server.
    #[cfg(test)]
    Scripted(Arc<Names>, SocketAddr),
    /// A name server that a test runs; the second tells where each judged address is dialled.
    #[cfg(test)]
    NameServer(Arc<hickory_resolver::TokioResolver>, Arc<Dial>),
}

impl Lookup {
    async fn addresses(&self, host: &str) -> std::io::Result<Vec<IpAddr>> {
        match self {
            Self::System => {
                #[expect(clippy::disallowed_methods, reason = "the look-up of the one client; every address is judged below")]
                let found = tokio::net::lookup_host((host, 0)).await?;
                Ok(found.map(|address| address.ip()).collect())
            }
            #[cfg(test)]
            Self::Scripted(answer, _) => Ok(answer(host)),
            #[cfg(test)]
            Self::NameServer(resolver, _) => {
                Ok(resolver.lookup_ip(format!("{host}.")).await.map_err(std::io::Error::other)?.iter().collect())
            }
        }
    }

    /// Port 0 stands for the URL's.
    fn dial(&self, address: IpAddr) -> SocketAddr {
        match self {
            Self::System => SocketAddr::new(address, 0),
            #[cfg(test)]
            Self::Scripted(_, server) => *server,
            #[cfg(test)]
            Self::NameServer(_, dial) => dial(address),
        }
    }
}

pub(crate) struct Judge {
    policy: Arc<Policy>,
    lookup: Lookup,
    places: Arc<Semaphore>,
}

/// Why a host is not connected to. It ends in the same error as a closed port; the log has it.
#[derive(Debug, thiserror::Error)]
enum Unresolved {
    #[error("the name has no address")]
    NoAddress,
    #[error("an address of the host is not allowed")]
    NotAllowed,
}

impl Judge {
    pub(crate) fn new(policy: Arc<Policy>, lookup: Lookup) -> Self {
        Self { policy, lookup, places: Arc::new(Semaphore::new(LOOKUPS_MAX)) }
    }
}

impl Resolve for Judge {
    fn resolve(&self, name: Name) -> Resolving {
        let (policy, lookup, places) = (Arc::clone(&self.policy), self.lookup.clone(), Arc::clone(&self.places));
        Box::pin(async move {
            let host = name.as_str();
            let place = places.acquire_owned().await?;
            let found = lookup.addresses(host).await?;
            drop(place);
            if found.is_empty() {
                return Err(Unresolved::NoAddress.into());
            }
            // One bad address condemns all: which of a mixed answer is connected to would be the name server's choice.
            if !found.iter().all(|&address| policy.admits(host, address)) {
                tracing::warn!(host, purpose = policy.purpose.as_str(), "an address of the host is not allowed, so nothing was sent");
                return Err(Unresolved::NotAllowed.into());
            }
            let judged: Vec<SocketAddr> = found.into_iter().take(ADDRESSES_MAX).map(|address| lookup.dial(address)).collect();
            Ok(Box::new(judged.into_iter()) as Addrs)
        })
    }
}
