//! The client against servers and name servers that a test scripts.

mod answers;
mod hosts;
mod names;
mod rebinding;
mod redirects;
mod server;

use crate::{Accept, Builder, Limits, Outbound, OutboundError, Purpose, Request, Response, Url, resolve::Lookup};
use server::{Reply, Server};
use std::{net::IpAddr, sync::Arc, time::Duration};

/// An address that passes for public; connections to it are dialled at the test's server.
const PUBLIC: &str = "93.184.216.34";
const SHORT: Duration = Duration::from_millis(300);
const FAR: Duration = Duration::from_secs(20);

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

fn limits() -> Limits {
    Limits { connect: FAR, first_byte: FAR, total: FAR, body_bytes_max: 64 * 1024 }
}

/// A client whose names are looked up by the function and whose judged addresses are the server.
fn client(purpose: Purpose, server: &Server, names: impl Fn(&str) -> Vec<IpAddr> + Send + Sync + 'static) -> Builder {
    let lookup = Lookup::Scripted(Arc::new(names), server.address);
    Outbound::builder(purpose).limits(limits()).authorities(&server.authority).unwrap().lookup(lookup)
}

fn fetching(server: &Server) -> Outbound {
    client(Purpose::UrlFetch, server, |_| vec![ip(PUBLIC)]).build().unwrap()
}

async fn get(outbound: &Outbound, address: &str) -> Result<Response, OutboundError> {
    let sending = outbound.send(Request::get(url(address), Accept::Types(&["text/plain"])));
    tokio::time::timeout(FAR, sending).await.expect("hangs")
}

async fn body(outbound: &Outbound, address: &str) -> Result<Vec<u8>, OutboundError> {
    let reading = get(outbound, address).await?.bytes();
    tokio::time::timeout(FAR, reading).await.expect("hangs")
}
