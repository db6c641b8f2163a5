//! `[server]`: where the server listens and where it keeps what it keeps.
//!
//! | Key | Default | Meaning |
//! |---|---|---|
//! | `listen` | `127.0.0.1:8080` | Address and port. `VITAL_LISTEN` and `--listen` win over it. Port 0 takes any free one. |
//! | `public_url` | none | The address people use, for example `https://vital.example`: that of a proxy with TLS in front, or of this server with `[tls]`. Cookies are then for https alone. |
//! | `hosts` | none | Further names under which the server answers. With any here, a request for a name that is not the site's, not in the list and no proven custom domain gets 421. |
//! | `trusted_proxies` | none | Networks of the proxies in front, for example `["127.0.0.1/32"]`: what they say about the client's address is believed, and nobody else. |
//! | `forwarded_header` | `x-forwarded-for` | The header in which they say it: `x-forwarded-for` or `forwarded` (RFC 7239). The other one is ignored. |
//! | `data` | `data` | The data folder: private database, indexes, secrets. `VITAL_DATA` and `--data` win over it. |
//! | `allow_plain_http` | `false` | Allows an address that other machines can reach, although the server speaks plain HTTP. |

use crate::failure::Failure;
use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize};
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
};
use vital_web::{ForwardedHeader, Proxies};

/// The header in which proxies name the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ForwardedBy {
    /// `X-Forwarded-For`.
    XForwardedFor,
    /// `Forwarded`.
    Forwarded,
}

/// The section.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Server {
    /// Address and port.
    #[serde(deserialize_with = "address")]
    pub(crate) listen: SocketAddr,
    /// The address people use, where it is not that of `listen`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) public_url: Option<String>,
    /// Further names under which the server answers; with any, every unknown one is refused.
    pub(crate) hosts: Vec<String>,
    /// Networks of the proxies in front.
    pub(crate) trusted_proxies: Vec<IpNet>,
    /// The header in which they name the client.
    pub(crate) forwarded_header: ForwardedBy,
    /// The data folder; a relative path starts at the working directory.
    pub(crate) data: PathBuf,
    /// Allows plain HTTP on an address that other machines can reach.
    pub(crate) allow_plain_http: bool,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            public_url: None,
            hosts: Vec::new(),
            trusted_proxies: Vec::new(),
            forwarded_header: ForwardedBy::XForwardedFor,
            data: PathBuf::from("data"),
            allow_plain_http: false,
        }
    }
}

impl Server {
    /// Refuses what would put passwords on a network in the clear. `tls` says whether the server speaks https itself.
    pub(super) fn check(&self, tls: bool) -> anyhow::Result<()> {
        if self.public_url.as_deref().is_some_and(|url| !is_origin(url)) {
            let failure = Failure::new("`server.public_url` is not the address of a site");
            return Err(failure.hint("write scheme and host without a path, for example `https://vital.example`").into());
        }
        if let Some(all) = self.trusted_proxies.iter().find(|net| net.prefix_len() == 0) {
            let failure =
                Failure::new(format!("`server.trusted_proxies` has `{all}`, which is everybody: any client could say to be any other"));
            return Err(failure.hint("name the addresses of the proxies themselves, for example `[\"127.0.0.1/32\"]`").into());
        }
        if let Some(bad) = self.hosts.iter().find(|host| !is_host(host)) {
            let failure = Failure::new(format!("`server.hosts` has `{bad}`, which is no host name"));
            return Err(failure.hint("write names without scheme, port and path, for example `[\"vital.internal.example\"]`").into());
        }
        if self.listen.ip().to_canonical().is_loopback() || self.allow_plain_http || tls {
            return Ok(());
        }
        let failure = Failure::new(format!(
            "`server.listen` is `{}`, which other machines can reach, and this server speaks plain HTTP: passwords and answers would cross the network unencrypted",
            self.listen
        ));
        Err(failure
            .hint("name a certificate in `[tls]`, or listen on `127.0.0.1` and put a proxy with TLS in front; inside a network that is encrypted otherwise, set `allow_plain_http = true` in `[server]`")
            .into())
    }
}

impl Server {
    /// Tells whether people reach the server by https. `tls` says whether it speaks https itself.
    pub(crate) fn is_https(&self, tls: bool) -> bool {
        tls || self.public_url.as_deref().is_some_and(|url| url.starts_with("https://"))
    }

    /// The host name of the site, where it is configured.
    pub(crate) fn host(&self) -> Option<String> {
        let url = reqwest::Url::parse(self.public_url.as_deref()?).ok()?;
        url.host_str().map(|host| host.trim_matches(['[', ']']).to_owned())
    }

    /// Whose word on the client's address counts.
    pub(crate) fn proxies(&self) -> Proxies {
        let header = match self.forwarded_header {
            ForwardedBy::XForwardedFor => ForwardedHeader::XForwardedFor,
            ForwardedBy::Forwarded => ForwardedHeader::Forwarded,
        };
        Proxies { trusted: self.trusted_proxies.clone(), header }
    }

    /// The address that links and passkeys are bound to: browsers allow passkeys for names alone, so a loopback address becomes `localhost`.
    pub(crate) fn site(&self, bound: SocketAddr, tls: bool) -> String {
        self.address(bound, tls).replacen(&format!("//{}:", Ipv4Addr::LOCALHOST), "//localhost:", 1)
    }

    /// The address for people, without a closing slash. `bound` is where the server really listens.
    pub(crate) fn address(&self, bound: SocketAddr, tls: bool) -> String {
        if let Some(url) = &self.public_url {
            return url.trim_end_matches('/').to_owned();
        }
        let shown = match bound.ip() {
            ip if !ip.is_unspecified() => bound,
            ip if ip.is_ipv4() => SocketAddr::from((Ipv4Addr::LOCALHOST, bound.port())),
            _ => SocketAddr::from((Ipv6Addr::LOCALHOST, bound.port())),
        };
        format!("{}://{shown}", if tls { "https" } else { "http" })
    }
}

/// A host name or an address, in lower case.
fn is_host(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-' | b':');
    (1..=253).contains(&text.len()) && text.bytes().all(plain) && (!text.contains(':') || text.parse::<IpAddr>().is_ok())
}

/// Scheme and host, optionally a port, and nothing behind them.
fn is_origin(url: &str) -> bool {
    reqwest::Url::parse(url).is_ok_and(|url| {
        let bare =
            url.path() == "/" && url.query().is_none() && url.fragment().is_none() && url.username().is_empty() && url.password().is_none();
        matches!(url.scheme(), "http" | "https") && url.has_host() && bare
    })
}

/// Whether an address is one that only this machine reaches.
pub(super) fn is_on_this_machine(url: &str) -> bool {
    let url = reqwest::Url::parse(url).ok();
    let host = url.as_ref().and_then(reqwest::Url::host_str).unwrap_or_default();
    host == "localhost" || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Reads an address; `localhost` stands for `127.0.0.1`.
pub(crate) fn parse_address(text: &str) -> Result<SocketAddr, String> {
    let numeric = text.strip_prefix("localhost:").map_or_else(|| text.to_owned(), |port| format!("127.0.0.1:{port}"));
    numeric.parse().map_err(|_| format!("`{text}` is not an address with a port; write one such as `127.0.0.1:8080` or `[::1]:8080`"))
}

fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    parse_address(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_passkeys_are_bound_to_a_name() {
        let bound = SocketAddr::from((Ipv4Addr::LOCALHOST, 8080));
        assert_eq!(Server::default().site(bound, false), "http://localhost:8080");
        let named = Server { public_url: Some("https://vital.example/".to_owned()), ..Server::default() };
        assert_eq!(named.site(bound, false), "https://vital.example");
    }

    #[test]
    fn an_address_that_others_reach_needs_a_deliberate_setting() {
        for (listen, fine) in [
            ("127.0.0.1:8080", true),
            ("127.8.8.8:1", true),
            ("[::1]:8080", true),
            ("[::ffff:127.0.0.1]:80", true),
            ("localhost:0", true),
            ("0.0.0.0:8080", false),
            ("[::]:8080", false),
            ("192.168.1.4:8080", false),
        ] {
            let server = Server { listen: parse_address(listen).unwrap(), ..Server::default() };
            assert_eq!(server.check(false).is_ok(), fine, "{listen}");
            assert!(server.check(true).is_ok(), "with a certificate");
            assert!(Server { allow_plain_http: true, ..server }.check(false).is_ok());
        }
        assert!(parse_address("localhost").is_err() && parse_address("8080").is_err() && parse_address("example.org:80").is_err());
    }

    #[test]
    fn with_a_certificate_people_are_sent_to_https() {
        let bound = SocketAddr::from((Ipv4Addr::LOCALHOST, 8443));
        let server = Server::default();
        assert!(server.is_https(true));
        assert_eq!(
            (server.address(bound, true), server.site(bound, true)),
            ("https://127.0.0.1:8443".into(), "https://localhost:8443".into())
        );
        let named = Server { public_url: Some("https://Vital.example:444".into()), ..Server::default() };
        assert_eq!((named.host(), server.host()), (Some("vital.example".to_owned()), None));
    }

    #[test]
    fn further_names_are_names() {
        for (host, fine) in [
            ("vital.internal", true),
            ("10.0.0.1", true),
            ("::1", true),
            ("", false),
            ("https://a", false),
            ("a:80", false),
            ("A.example", false),
            ("a/b", false),
        ] {
            assert_eq!(Server { hosts: vec![host.to_owned()], ..Server::default() }.check(false).is_ok(), fine, "{host}");
        }
    }

    #[test]
    fn only_named_proxies_can_be_trusted() {
        let server: Server =
            toml::from_str("trusted_proxies = [\"10.0.0.0/8\", \"fd00::1/128\"]\nforwarded_header = \"forwarded\"").unwrap();
        assert!(server.check(false).is_ok());
        assert_eq!((server.proxies().trusted.len(), server.proxies().header), (2, ForwardedHeader::Forwarded));
        for everybody in ["0.0.0.0/0", "::/0"] {
            let server = Server { trusted_proxies: vec![everybody.parse().unwrap()], ..Server::default() };
            assert!(server.check(false).unwrap_err().to_string().contains(everybody));
        }
        assert!(toml::from_str::<Server>("trusted_proxies = [\"proxy.example\"]").is_err());
    }

    #[test]
    fn people_are_sent_to_an_address_that_works() {
        let bound = |text: &str| text.parse::<SocketAddr>().unwrap();
        let plain = Server::default();
        assert_eq!(plain.address(bound("0.0.0.0:80"), false), "http://127.0.0.1:80");
        assert_eq!(plain.address(bound("[::]:80"), false), "http://[::1]:80");
        assert_eq!(plain.address(bound("127.0.0.1:8080"), false), "http://127.0.0.1:8080");
        let behind = Server { public_url: Some("https://vital.example/".into()), ..Server::default() };
        assert_eq!(behind.address(bound("127.0.0.1:8080"), false), "https://vital.example");
        assert!(behind.is_https(false) && behind.check(false).is_ok() && !plain.is_https(false));
        for bad in ["vital.example", "ftp://vital.example", "https://vital.example/path", "https://u:p@vital.example", "https://"] {
            assert!(Server { public_url: Some(bad.into()), ..Server::default() }.check(false).is_err(), "{bad}");
        }
    }
}
