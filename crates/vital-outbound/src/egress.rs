//! The operator's list of where addresses that tenants give may lead.
//!
//! **Invariant:** a private address is reached only where the list names both the host and its network; loopback, link-local and reserved
//! networks cannot be listed at all.

use crate::reach::{Reach, reach};
use ipnet::IpNet;
use std::net::IpAddr;

/// Most rules of one list.
pub const RULES_MAX: usize = 1_000;
/// The port that every allowed host has.
pub(crate) const HTTPS_PORT: u16 = 443;
/// Longest name of a host (RFC 1035 section 2.3.4, without the closing dot).
const HOST_BYTES_MAX: usize = 253;

/// Where addresses that tenants give may lead. The default is every public host, by https on port 443.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Egress {
    rules: Vec<Rule>,
    pub(crate) loopback_issuers: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Rule {
    AnyPublicHost,
    Host { name: String, port: u16 },
    Below { domain: String, port: u16 },
    Network(IpNet),
}

/// A rule that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EgressFault {
    /// Too many rules.
    #[error("there are more than {RULES_MAX} rules")]
    TooMany,
    /// Not a rule at all.
    #[error("`{0}` is not a rule; write `*`, `host.example`, `host.example:8443`, `*.example` or a private network such as `10.1.2.0/24`")]
    Unreadable(String),
    /// A network that is not private as a whole.
    #[error(
        "`{0}` is not a private network; name hosts for public addresses. Loopback, link-local and reserved networks cannot be allowed"
    )]
    NotPrivate(String),
    /// A network without a host in it.
    #[error("`{0}` opens a network, but no host is named that lies in it; name the host as well, for example `idp.example`")]
    NetworkWithoutHost(String),
}

impl Default for Egress {
    fn default() -> Self {
        Self { rules: vec![Rule::AnyPublicHost], loopback_issuers: false }
    }
}

impl Egress {
    /// Reads a list: `*` for every public host, `host` and `*.domain` on port 443 or `:port`, and private networks in CIDR form, which
    /// open them for hosts that are named. An empty list lets nothing out.
    ///
    /// # Errors
    /// [`EgressFault`] with the rule and what would be right.
    pub fn parse<T: AsRef<str>>(rules: impl IntoIterator<Item = T>) -> Result<Self, EgressFault> {
        let rules = rules.into_iter().map(|rule| Rule::parse(rule.as_ref())).collect::<Result<Vec<_>, _>>()?;
        if rules.len() > RULES_MAX {
            return Err(EgressFault::TooMany);
        }
        let named = rules.iter().any(|rule| matches!(rule, Rule::Host { .. } | Rule::Below { .. }));
        match rules.iter().find(|rule| matches!(rule, Rule::Network(_))) {
            Some(Rule::Network(network)) if !named => Err(EgressFault::NetworkWithoutHost(network.to_string())),
            _ => Ok(Self { rules, loopback_issuers: false }),
        }
    }

    /// Allows identity providers, and model providers, tool servers and webhooks of organisations, on this machine, over plain HTTP and on any port: for development
    /// and tests.
    #[must_use]
    pub const fn loopback_issuers(mut self, allow: bool) -> Self {
        self.loopback_issuers = allow;
        self
    }

    /// Whether a request may go to the host at the port; where that leads is judged later.
    pub(crate) fn allows(&self, host: &str, port: u16) -> bool {
        self.rules.iter().any(|rule| match rule {
            Rule::AnyPublicHost => port == HTTPS_PORT,
            Rule::Host { port: named, .. } | Rule::Below { port: named, .. } => *named == port && rule.names(host),
            Rule::Network(_) => false,
        })
    }

    /// Whether the host is named, and not only one of all.
    pub(crate) fn names(&self, host: &str) -> bool {
        self.rules.iter().any(|rule| rule.names(host))
    }

    /// Whether a named host may have this private address.
    pub(crate) fn opens(&self, address: IpAddr) -> bool {
        self.rules.iter().any(|rule| matches!(rule, Rule::Network(network) if network.contains(&address)))
    }
}

impl Rule {
    fn parse(text: &str) -> Result<Self, EgressFault> {
        let unreadable = || EgressFault::Unreadable(text.chars().take(80).collect());
        if text == "*" {
            return Ok(Self::AnyPublicHost);
        }
        if text.contains('/') {
            let network: IpNet = text.parse().map_err(|_| unreadable())?;
            let private = |address| reach(address) == Reach::Private;
            return match private(network.network()) && private(network.broadcast()) {
                true => Ok(Self::Network(network.trunc())),
                false => Err(EgressFault::NotPrivate(network.to_string())),
            };
        }
        let (host, port) = with_port(text).ok_or_else(unreadable)?;
        match host.strip_prefix("*.") {
            Some(domain) if is_name(domain) => Ok(Self::Below { domain: domain.to_owned(), port }),
            None if is_name(&host) || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() => Ok(Self::Host { name: host, port }),
            _ => Err(unreadable()),
        }
    }

    fn names(&self, host: &str) -> bool {
        match self {
            Self::Host { name, .. } => name == host,
            Self::Below { domain, .. } => host.strip_suffix(domain).is_some_and(|below| below.len() > 1 && below.ends_with('.')),
            Self::AnyPublicHost | Self::Network(_) => false,
        }
    }
}

/// Splits a host, in lower case and as a URL writes it, from its port.
fn with_port(text: &str) -> Option<(String, u16)> {
    let text = text.to_ascii_lowercase();
    if let Ok(std::net::IpAddr::V6(address)) = text.parse() {
        return Some((format!("[{address}]"), HTTPS_PORT));
    }
    match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
            let port = port.parse().ok().filter(|&port| port != 0)?;
            Some((host.to_owned(), port))
        }
        Some(_) if !text.ends_with(']') => None,
        _ => Some((text, HTTPS_PORT)),
    }
}

/// Whether a text is a name of a host: labels of letters, digits, hyphens and underscores, and not a number at its end.
pub(crate) fn is_name(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last = text.rsplit('.').next().unwrap_or_default();
    text.len() <= HOST_BYTES_MAX && text.split('.').all(label) && last.bytes().any(|byte| byte.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_list_every_public_host_is_allowed_on_the_port_of_https() {
        let egress = Egress::default();
        assert_eq!(Egress::parse(["*"]), Ok(egress.clone()));
        assert!(egress.allows("idp.example", 443) && !egress.allows("idp.example", 8443) && !egress.names("idp.example"));
        let none = Egress::parse::<&str>([]).unwrap();
        assert!(!none.allows("idp.example", 443));
    }

    #[test]
    fn a_list_names_hosts_domains_and_ports() {
        let egress = Egress::parse(["IdP.example", "kc.example:8443", "*.corp.example", "10.1.2.3", "[fd12::1]:9443", "fd12::2"]).unwrap();
        for (host, port, allowed) in [
            ("idp.example", 443, true),
            ("idp.example", 8443, false),
            ("other.example", 443, false),
            ("xidp.example", 443, false),
            ("kc.example", 8443, true),
            ("kc.example", 443, false),
            ("a.corp.example", 443, true),
            ("a.b.corp.example", 443, true),
            ("corp.example", 443, false),
            ("xcorp.example", 443, false),
            (".corp.example", 443, false),
            ("10.1.2.3", 443, true),
            ("[fd12::1]", 9443, true),
            ("[fd12::2]", 443, true),
        ] {
            assert_eq!(egress.allows(host, port), allowed, "{host}:{port}");
        }
    }

    #[test]
    fn networks_are_private_ones_and_come_with_a_host() {
        let egress = Egress::parse(["idp.example", "10.1.2.99/24", "fd12::/48"]).unwrap();
        for (address, opened) in [("10.1.2.3", true), ("10.1.3.3", false), ("fd12::7", true), ("192.168.0.1", false)] {
            assert_eq!(egress.opens(address.parse().unwrap()), opened, "{address}");
        }
        for network in [
            "127.0.0.0/8",
            "169.254.0.0/16",
            "0.0.0.0/0",
            "10.0.0.0/7",
            "::/0",
            "fe80::/10",
            "fd00:ec2::/32",
            "8.8.8.0/24",
            "172.16.0.0/11",
            "::1/128",
        ] {
            assert!(matches!(Egress::parse(["idp.example", network]), Err(EgressFault::NotPrivate(_))), "{network}");
        }
        assert_eq!(Egress::parse(["*", "10.1.2.0/24"]), Err(EgressFault::NetworkWithoutHost("10.1.2.0/24".to_owned())));
    }

    #[test]
    fn what_is_no_rule_is_refused_by_name() {
        for rule in [
            "",
            "https://idp.example",
            "idp.example/path",
            "idp.example:0",
            "idp.example:99999",
            "*.",
            "a.*.example",
            "*idp.example",
            "idp .example",
            "idp.example.",
            "bücher.example",
            "10.1.2.0/33",
            "0x7f.1",
            "1234",
            "[::1",
            "user@idp.example",
            "-a.example",
            "[::1]x",
        ] {
            assert!(matches!(Egress::parse([rule]), Err(EgressFault::Unreadable(_))), "{rule}");
        }
        assert_eq!(Egress::parse(vec!["*"; RULES_MAX + 1]), Err(EgressFault::TooMany));
    }
}
