//! Where an IP address leads: to everybody's network, into a private one, to this machine, or nowhere that a request belongs.
//!
//! Sources: the IANA special-purpose address registries for IPv4 and IPv6 (RFC 6890 and its updates) and the addresses at which cloud
//! providers answer with credentials. **Invariant:** of IPv6 only 2000::/3 is public, less what is listed; every form that carries an
//! IPv4 address inside (mapped, compatible, NAT64, 6to4, Teredo) is refused whole, whatever it carries.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where an address leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The public internet.
    Public,
    /// A private network: RFC 1918, the shared space of RFC 6598, unique local addresses of RFC 4193.
    Private,
    /// This machine.
    Loopback,
    /// Link-local, metadata, multicast, reserved, documentation, or another address in disguise: no request belongs there.
    Never,
}

const V4: &[(Ipv4Addr, u32, Reach)] = &[
    // Metadata services that do not answer on a link-local address: Azure, Alibaba. First, for the first match counts.
    (Ipv4Addr::new(168, 63, 129, 16), 32, Reach::Never),
    (Ipv4Addr::new(100, 100, 100, 200), 32, Reach::Never),
    // "This network" (RFC 791): Linux connects 0.0.0.0 to itself.
    (Ipv4Addr::new(0, 0, 0, 0), 8, Reach::Never),
    (Ipv4Addr::new(10, 0, 0, 0), 8, Reach::Private),
    (Ipv4Addr::new(100, 64, 0, 0), 10, Reach::Private),
    (Ipv4Addr::new(127, 0, 0, 0), 8, Reach::Loopback),
    (Ipv4Addr::new(169, 254, 0, 0), 16, Reach::Never),
    (Ipv4Addr::new(172, 16, 0, 0), 12, Reach::Private),
    // IETF protocol assignments (RFC 6890), with Oracle's metadata service in it.
    (Ipv4Addr::new(192, 0, 0, 0), 24, Reach::Never),
    (Ipv4Addr::new(192, 0, 2, 0), 24, Reach::Never),
    // Relays of 6to4, withdrawn (RFC 7526).
    (Ipv4Addr::new(192, 88, 99, 0), 24, Reach::Never),
    (Ipv4Addr::new(192, 168, 0, 0), 16, Reach::Private),
    // Benchmarking (RFC 2544) and documentation (RFC 5737).
    (Ipv4Addr::new(198, 18, 0, 0), 15, Reach::Never),
    (Ipv4Addr::new(198, 51, 100, 0), 24, Reach::Never),
    (Ipv4Addr::new(203, 0, 113, 0), 24, Reach::Never),
    // Multicast, reserved, broadcast.
    (Ipv4Addr::new(224, 0, 0, 0), 4, Reach::Never),
    (Ipv4Addr::new(240, 0, 0, 0), 4, Reach::Never),
];

const V6: &[(Ipv6Addr, u32, Reach)] = &[
    (Ipv6Addr::LOCALHOST, 128, Reach::Loopback),
    // Metadata services of AWS and Google in unique local space.
    (Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0), 32, Reach::Never),
    (Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0), 32, Reach::Never),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7, Reach::Private),
    // IETF protocol assignments (RFC 2928): Teredo, benchmarking, ORCHID.
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23, Reach::Never),
    // Documentation (RFC 3849, RFC 9637).
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32, Reach::Never),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20, Reach::Never),
    // 6to4 (RFC 3056).
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16, Reach::Never),
    // Global unicast; what is left is unassigned, link-local, multicast, or IPv4 in disguise.
    (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3, Reach::Public),
];

/// Tells where an address leads.
#[must_use]
pub fn reach(address: IpAddr) -> Reach {
    match address {
        IpAddr::V4(address) => {
            let within = |(network, length, _): &&(Ipv4Addr, u32, Reach)| (address.to_bits() ^ network.to_bits()) >> (32 - length) == 0;
            V4.iter().find(within).map_or(Reach::Public, |&(_, _, reach)| reach)
        }
        IpAddr::V6(address) => {
            let within = |(network, length, _): &&(Ipv6Addr, u32, Reach)| (address.to_bits() ^ network.to_bits()) >> (128 - length) == 0;
            V6.iter().find(within).map_or(Reach::Never, |&(_, _, reach)| reach)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipnet::IpNet;
    use proptest::prelude::*;

    /// The same knowledge in the words of the standard library and of prefixes as they are written.
    fn is_public(address: IpAddr) -> bool {
        let within = |networks: &[&str]| networks.iter().any(|network| network.parse::<IpNet>().unwrap().contains(&address));
        match address {
            IpAddr::V4(v4) => {
                let [a, b, c, d] = v4.octets();
                let special = v4.is_private()
                    || v4.is_loopback()
                    || v4.is_link_local()
                    || v4.is_broadcast()
                    || v4.is_documentation()
                    || v4.is_multicast()
                    || v4.is_unspecified();
                let further = a == 0
                    || a >= 240
                    || (a == 100 && b & 0xC0 == 64)
                    || (a == 192 && b == 0 && c == 0)
                    || (a == 192 && b == 88 && c == 99)
                    || (a == 198 && b & 0xFE == 18)
                    || [a, b, c, d] == [168, 63, 129, 16];
                !special && !further
            }
            IpAddr::V6(v6) => {
                let special = v6.is_loopback()
                    || v6.is_unspecified()
                    || v6.is_multicast()
                    || v6.is_unique_local()
                    || v6.is_unicast_link_local()
                    || v6.to_ipv4().is_some();
                let listed = [
                    "64:ff9b::/96",
                    "64:ff9b:1::/48",
                    "100::/64",
                    "2001::/23",
                    "2001:db8::/32",
                    "2002::/16",
                    "3fff::/20",
                    "5f00::/16",
                    "fec0::/10",
                ];
                !special && !within(&listed) && matches!(v6.segments()[0] >> 12, 2 | 3)
            }
        }
    }

    /// Addresses near the edges of networks, where a mistake of one bit shows; and any.
    fn v4() -> impl Strategy<Value = Ipv4Addr> {
        let edge = (prop::sample::select(V4), -2_i64..=2, any::<bool>()).prop_map(|((network, length, _), by, at_end)| {
            let start = i64::from(network.to_bits());
            let end = start + (1_i64 << (32 - length)) - 1;
            Ipv4Addr::from_bits(u32::try_from((if at_end { end } else { start } + by).clamp(0, i64::from(u32::MAX))).unwrap())
        });
        prop_oneof![edge, any::<Ipv4Addr>()]
    }

    fn v6() -> impl Strategy<Value = Ipv6Addr> {
        let edge =
            (prop::sample::select(V6), 0_u128..=2, any::<bool>(), any::<bool>()).prop_map(|((network, length, _), by, at_end, up)| {
                let end = network.to_bits() | u128::MAX.checked_shr(length).unwrap_or(0);
                let from = if at_end { end } else { network.to_bits() };
                Ipv6Addr::from_bits(if up { from.wrapping_add(by) } else { from.wrapping_sub(by) })
            });
        prop_oneof![edge, any::<Ipv6Addr>(), any::<u128>().prop_map(|bits| Ipv6Addr::from_bits(bits >> 3 | 1 << 125))]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5_000))]

        #[test]
        fn an_address_is_public_exactly_when_the_other_formulation_says_so(v4 in v4(), v6 in v6()) {
            for address in [IpAddr::V4(v4), IpAddr::V6(v6)] {
                prop_assert_eq!(reach(address) == Reach::Public, is_public(address), "{}", address);
            }
        }

        #[test]
        fn an_ipv4_address_inside_an_ipv6_one_is_refused_in_every_form(v4 in v4(), rest in any::<u64>()) {
            let bits = u128::from(v4.to_bits());
            let forms = [
                ("mapped", 0xffff_u128 << 32 | bits),
                ("compatible", bits),
                ("translated, RFC 2765", 0xffff_u128 << 48 | bits),
                ("NAT64", 0x0064_ff9b_u128 << 96 | bits),
                ("local NAT64, RFC 8215", 0x0064_ff9b_0001_u128 << 80 | bits),
                ("local NAT64, other lengths", 0x0064_ff9b_0001_u128 << 80 | bits << 24 | u128::from(rest & 0xff_ffff)),
                ("6to4", 0x2002_u128 << 112 | bits << 80 | u128::from(rest)),
                ("Teredo, server", 0x2001_0000_u128 << 96 | bits << 64 | u128::from(rest)),
                ("Teredo, client", 0x2001_0000_u128 << 96 | u128::from(rest) << 32 | (bits ^ 0xffff_ffff)),
                ("ISATAP at a link", 0xfe80_u128 << 112 | 0x5efe_u128 << 32 | bits),
            ];
            for (form, bits) in forms {
                let address = Ipv6Addr::from_bits(bits);
                let expected = if address == Ipv6Addr::LOCALHOST { Reach::Loopback } else { Reach::Never };
                prop_assert_eq!(reach(address.into()), expected, "{}: {}", form, address);
            }
        }
    }

    #[test]
    fn addresses_of_each_kind() {
        for (text, expected) in [
            ("8.8.8.8", Reach::Public),
            ("2606:4700:4700::1111", Reach::Public),
            ("10.255.255.255", Reach::Private),
            ("172.31.0.1", Reach::Private),
            ("172.32.0.1", Reach::Public),
            ("100.127.255.255", Reach::Private),
            ("100.128.0.0", Reach::Public),
            ("fc00::1", Reach::Private),
            ("127.255.0.1", Reach::Loopback),
            ("::1", Reach::Loopback),
            ("169.254.169.254", Reach::Never),
            ("fd00:ec2::254", Reach::Never),
            ("fd20:ce::254", Reach::Never),
            ("168.63.129.16", Reach::Never),
            ("100.100.100.200", Reach::Never),
            ("192.0.0.192", Reach::Never),
            ("255.255.255.255", Reach::Never),
            ("fe80::1", Reach::Never),
            ("fec0::1", Reach::Never),
            ("ff02::1", Reach::Never),
            ("::", Reach::Never),
            ("::ffff:8.8.8.8", Reach::Never),
            ("4000::1", Reach::Never),
        ] {
            assert_eq!(reach(text.parse().unwrap()), expected, "{text}");
        }
    }
}
