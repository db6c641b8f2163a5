//! The client's address: the peer of the connection, or what a trusted proxy says it was.
//!
//! **Invariants:** a header is believed only where the configuration names the peer as a proxy, and only as far as proxies vouch for it:
//! from the right, the first address that is no proxy is the client's; what stands left of it was written by the client. One header is
//! read, the configured one, because a proxy that sets one of them passes the other on as the client wrote it. `X-Forwarded-Host` and
//! `-Proto` are never read: the site's own address is configuration, and no header chooses the tenant.

use crate::state::AppState;
use axum::{
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, HeaderName, header},
    middleware::Next,
    response::Response,
};
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Addresses of one client's network that count as one: a customer of an access provider has at least a /64 to himself.
const IPV6_PREFIX: u32 = 64;

/// The header in which proxies tell for whom they ask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`, a list of addresses.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// The proxies whose word counts.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    /// Their networks; empty means that nobody's word counts.
    pub trusted: Vec<IpNet>,
    /// The header they set.
    pub header: ForwardedHeader,
}

/// Where a request comes from, in the extensions of every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ClientAddress(pub(crate) IpAddr);

impl ClientAddress {
    /// The address for counting: an IPv6 address stands for its /64.
    pub(crate) fn network(self) -> IpAddr {
        match self.0.to_canonical() {
            IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << (128 - IPV6_PREFIX)))),
            v4 => v4,
        }
    }
}

impl Proxies {
    /// Tells whether an address is that of a trusted proxy.
    pub(crate) fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|net| net.contains(&address.to_canonical()))
    }

    fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        if self.trusted.is_empty() {
            return client;
        }
        for said in self.chain(headers).into_iter().rev() {
            if !self.trusts(client) {
                break;
            }
            // What cannot be read hides who was in front of it: the last known address stands.
            let Some(address) = said else { break };
            client = address.to_canonical();
        }
        client
    }

    /// The addresses that the header names, in its order; none for one that cannot be read.
    fn chain(&self, headers: &HeaderMap) -> Vec<Option<IpAddr>> {
        let name = match self.header {
            ForwardedHeader::XForwardedFor => HeaderName::from_static("x-forwarded-for"),
            ForwardedHeader::Forwarded => header::FORWARDED,
        };
        let read = |part: &str| match self.header {
            ForwardedHeader::XForwardedFor => node(part),
            ForwardedHeader::Forwarded => forwarded_for(part),
        };
        let mut chain = Vec::new();
        for value in headers.get_all(name) {
            match value.to_str() {
                Ok(text) => chain.extend(unquoted_parts(text, ',').map(read)),
                Err(_) => chain.push(None),
            }
        }
        chain
    }
}

/// The parts between separators that are not within quotes.
fn unquoted_parts(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |c| {
        let splits = c == separator && !quoted;
        quoted ^= c == '"' && !escaped;
        escaped = c == '\\' && quoted && !escaped;
        splits
    })
}

/// The `for` of one element of `Forwarded` (RFC 7239 section 5.2).
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let value = unquoted_parts(element, ';').find_map(|pair| pair.split_once('=').filter(|(k, _)| k.trim().eq_ignore_ascii_case("for")))?.1;
    node(value.trim().trim_matches('"'))
}

/// An address, with or without a port.
fn node(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
    bare.unwrap_or(text).parse::<IpAddr>().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|s| s.ip()))
}

/// Puts the client's address where everything behind finds it.
pub(crate) async fn resolve(State(s): State<AppState>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |c| c.0.ip());
    let address = s.protection.proxies.client(peer, request.headers());
    request.extensions_mut().insert(ClientAddress(address));
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn client(trusted: &[&str], header: ForwardedHeader, peer: &str, lines: &[(&'static str, &'static str)]) -> String {
        let proxies = Proxies { trusted: trusted.iter().map(|t| t.parse().unwrap()).collect(), header };
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        proxies.client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn a_header_counts_only_as_far_as_proxies_vouch_for_it() {
        const PROXY: &[&str] = &["10.0.0.0/8", "fd00::/8"];
        let xff = |trusted, peer, lines| client(trusted, ForwardedHeader::XForwardedFor, peer, lines);
        for (trusted, peer, lines, expected) in [
            // Nobody is trusted, or the peer is not.
            (&[][..], "198.51.100.1", &[("x-forwarded-for", "203.0.113.9")][..], "198.51.100.1"),
            (PROXY, "198.51.100.1", &[("x-forwarded-for", "203.0.113.9")], "198.51.100.1"),
            (PROXY, "198.51.100.1", &[("x-forwarded-for", "10.0.0.1")], "198.51.100.1"),
            // The peer is.
            (PROXY, "10.0.0.1", &[], "10.0.0.1"),
            (PROXY, "10.0.0.1", &[("x-forwarded-for", "203.0.113.9")], "203.0.113.9"),
            (PROXY, "10.0.0.1", &[("x-forwarded-for", "127.0.0.1, 203.0.113.9")], "203.0.113.9"),
            (PROXY, "10.0.0.1", &[("x-forwarded-for", "6.6.6.6, 203.0.113.9, 10.2.2.2")], "203.0.113.9"),
            (PROXY, "10.0.0.1", &[("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "203.0.113.9")], "203.0.113.9"),
            (PROXY, "10.0.0.1", &[("x-forwarded-for", "10.3.3.3, 10.2.2.2")], "10.3.3.3"),
            // Rubbish ends the chain at what is known.
            (PROXY, "10.0.0.1", &[("x-forwarded-for", "203.0.113.9, rubbish")], "10.0.0.1"),
            (PROXY, "10.0.0.1", &[("x-forwarded-for", "203.0.113.9, unknown, 10.2.2.2")], "10.2.2.2"),
            (PROXY, "10.0.0.1", &[("x-forwarded-for", "")], "10.0.0.1"),
            // Ports, IPv6, mapped addresses.
            (PROXY, "10.0.0.1", &[("x-forwarded-for", "203.0.113.9:4711")], "203.0.113.9"),
            (PROXY, "fd00::1", &[("x-forwarded-for", "2001:db8::7")], "2001:db8::7"),
            (PROXY, "::ffff:10.0.0.1", &[("x-forwarded-for", "[2001:db8::7]:80")], "2001:db8::7"),
            (PROXY, "10.0.0.1", &[("x-forwarded-for", "::ffff:203.0.113.9")], "203.0.113.9"),
            // The other header was written by the client.
            (PROXY, "10.0.0.1", &[("forwarded", "for=6.6.6.6")], "10.0.0.1"),
            (PROXY, "10.0.0.1", &[("x-real-ip", "6.6.6.6"), ("x-forwarded-host", "evil"), ("x-forwarded-proto", "https")], "10.0.0.1"),
        ] {
            assert_eq!(xff(trusted, peer, lines), expected, "{trusted:?} {peer} {lines:?}");
        }
    }

    #[test]
    fn the_standard_header_is_read_where_it_is_configured() {
        for (value, expected) in [
            ("for=203.0.113.9;proto=http;by=10.0.0.1", "203.0.113.9"),
            ("For=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17"),
            ("for=6.6.6.6, for=203.0.113.9", "203.0.113.9"),
            ("for=6.6.6.6, by=\"a,for=7.7.7.7\";for=203.0.113.9", "203.0.113.9"),
            ("for=203.0.113.9, for=_hidden", "10.0.0.1"),
            ("proto=https", "10.0.0.1"),
            ("for=\"", "10.0.0.1"),
        ] {
            let line: &'static str = value;
            let lines = [("x-forwarded-for", "9.9.9.9"), ("forwarded", line)];
            assert_eq!(client(&["10.0.0.0/8"], ForwardedHeader::Forwarded, "10.0.0.1", &lines), expected, "{value}");
        }
    }

    #[test]
    fn an_ipv6_client_is_counted_by_its_network() {
        let network = |text: &str| ClientAddress(text.parse().unwrap()).network().to_string();
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(network("::ffff:192.0.2.1"), "192.0.2.1");
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
    }

    proptest::proptest! {
        #[test]
        fn no_header_can_make_it_fail_or_pass_a_distrusted_peer(value in "[ -~]{0,80}", peer in proptest::prelude::any::<[u8; 4]>()) {
            let mut headers = HeaderMap::new();
            headers.insert("x-forwarded-for", HeaderValue::from_str(&value).unwrap());
            headers.insert("forwarded", HeaderValue::from_str(&value).unwrap());
            let peer = IpAddr::from(peer);
            for header in [ForwardedHeader::XForwardedFor, ForwardedHeader::Forwarded] {
                let client = Proxies { trusted: vec!["10.0.0.0/8".parse().unwrap()], header }.client(peer, &headers);
                proptest::prop_assert!(client == peer || IpNet::from(peer).addr().to_string().starts_with("10."));
            }
        }
    }
}
