//! What people and attackers write for a host.

use super::*;
use crate::{AddressFault, Egress, URL_BYTES_MAX};

/// One host a line, as it would stand after `https://`: each leads, or would lead some reader of URLs, where a tenant has no business.
const REFUSED: &str = "
127.0.0.1
127.1
127.0.1
127.8.7.6
127.0.0.1.
2130706433
0x7f000001
0x7F.0.0.1
0x7f.1
0177.0.0.1
0177.0.0.01
017700000001
00000177.0.0.1
127.0.0.0x1
0
0.0.0.0
0.0.0.1
0x0
10.0.0.1
10.1
012.0.0.1
0xa.0.0.1
167772161
172.16.0.1
172.31.255.254
192.168.0.1
192.168.1
0xc0a80001
3232235521
100.64.0.1
100.127.255.254
100.100.100.200
168.63.129.16
169.254.169.254
169.254.170.2
2852039166
0xA9FEA9FE
0251.0376.0251.0376
169.254.43518
169.16689662
192.0.0.192
192.0.2.1
192.88.99.1
198.18.0.1
198.19.255.255
198.51.100.7
203.0.113.7
224.0.0.1
239.255.255.250
240.0.0.1
255.255.255.255
4294967295
256.256.256.256
1.1.1.1.
0x08080808
134744072
8.8.2056
localhost
LOCALHOST
localhost.
intranet
metadata
user@public.example
user:password@public.example
public.example@127.0.0.1
public.example:443@10.0.0.1
public.example%40127.0.0.1
127.0.0.1%2f
%31%32%37.0.0.1
127%2e0%2e0%2e1
%6c%6f%63%61%6c%68%6f%73%74
public%2eexample
public.example%00.evil.example
127\u{3002}0\u{3002}0\u{3002}1
\u{ff11}\u{ff12}\u{ff17}\u{ff0e}\u{ff10}\u{ff0e}\u{ff10}\u{ff0e}\u{ff11}
\u{ff11}\u{ff12}\u{ff17}.0.0.1
\u{2460}\u{2461}\u{2466}.\u{24ea}.\u{24ea}.\u{2460}
public\u{3002}example
\u{24d4}xample.com
\u{ff50}\u{ff55}\u{ff42}\u{ff4c}\u{ff49}\u{ff43}\u{ff0e}\u{ff45}\u{ff58}\u{ff41}\u{ff4d}\u{ff50}\u{ff4c}\u{ff45}
pub\u{ad}lic.example
pub\u{200b}lic.example
public.example\u{2024}evil.example
b\u{fc}cher.example
\u{435}xample.com
127.0.0.1\u{2044}.public.example
public.example.
public..example
.public.example
-public.example
public.example-
public_.example.1
public.example:80
public.example:8443
public.example:22
public.example:0
public.example:65536
public.example:
public.example:+443
public.example\\@127.0.0.1
127.0.0.1\\public.example
public.example\\.evil.example
 public.example
public .example
pub\\tlic.example
pub\\nlic.example
[::1]
[::]
[0:0:0:0:0:0:0:1]
[0000::1]
[::1%25lo]
[fe80::1%25eth0]
[fe80::1]
[febf::1]
[fec0::1]
[fc00::1]
[fd00:ec2::254]
[fd20:ce::254]
[fdff::1]
[ff02::1]
[ff05::1]
[::ffff:127.0.0.1]
[::ffff:7f00:1]
[::ffff:169.254.169.254]
[::ffff:8.8.8.8]
[::127.0.0.1]
[::7f00:1]
[::ffff:0:127.0.0.1]
[64:ff9b::127.0.0.1]
[64:ff9b::a9fe:a9fe]
[64:ff9b::808:808]
[64:ff9b:1::a00:1]
[64:ff9b:1:ffff:ffff:ffff:a00:1]
[2002:7f00:1::]
[2002:a9fe:a9fe::1]
[2002:808:808::1]
[2001::1]
[2001:0:7f00:1::]
[2001:0:4136:e378:8000:63bf:80ff:fffe]
[2001:2::1]
[2001:10::1]
[2001:20::1]
[2001:db8::1]
[3fff::1]
[5f00::1]
[100::1]
[4000::1]
[2606:4700:4700:0:0:0:0:1111]
[2606:4700:4700::1111
2606:4700:4700::1111
[v1.fe80::1]
[]
";

#[test]
fn no_host_leads_a_tenant_where_it_should_not() {
    let outbound = Outbound::builder(Purpose::UrlFetch).build().unwrap();
    let hosts: Vec<String> = REFUSED.lines().skip(1).map(|host| host.replace("\\t", "\t").replace("\\n", "\n")).collect();
    assert!(hosts.len() >= 60, "{}", hosts.len());
    for host in hosts {
        for address in [format!("https://{host}/"), format!("https://{host}"), format!("HTTPS://{host}/a?b=c")] {
            let outcome = outbound.address(&address);
            assert!(outcome.is_err(), "{address:?} is let through as {outcome:?}");
        }
    }
}

#[tokio::test]
async fn an_address_that_was_read_elsewhere_is_judged_again_before_it_is_asked() {
    let server = Server::start(|_, _| Reply::text("", "secret")).await;
    let outbound = fetching(&server);
    for address in [
        "https://127.1/",
        "https://0x7f000001/",
        "https://[::ffff:10.0.0.1]/",
        "http://public.example/",
        "https://a:b@public.example/",
        "https://public.example:8443/",
        "https://localhost/",
        "ftp://public.example/",
    ] {
        assert!(matches!(get(&outbound, address).await, Err(OutboundError::Address(_))), "{address}");
    }
    assert!(server.seen().is_empty());
}

#[test]
fn plain_public_addresses_are_allowed() {
    let outbound = Outbound::builder(Purpose::Webhook).build().unwrap();
    for address in [
        "https://public.example",
        "https://PUBLIC.example/Path?q=1",
        "https://public.example:443/",
        "https://xn--bcher-kva.example/",
        "https://8.8.8.8/",
        "https://[2606:4700:4700::1111]/",
        "https://a_b.public.example/~x/%C3%A9",
    ] {
        outbound.address(address).unwrap_or_else(|fault| panic!("{address}: {fault}"));
    }
}

#[test]
fn what_is_wrong_with_an_address_is_said() {
    let outbound = Outbound::builder(Purpose::Webhook).build().unwrap();
    let long = format!("https://public.example/{}", "a".repeat(URL_BYTES_MAX));
    for (address, fault) in [
        ("", AddressFault::NotUrl),
        ("public.example", AddressFault::NotUrl),
        ("//public.example/", AddressFault::NotUrl),
        ("https:public.example", AddressFault::NotUrl),
        ("https:///public.example", AddressFault::Spelling),
        (long.as_str(), AddressFault::NotUrl),
        ("http://public.example/", AddressFault::NotHttps),
        ("file:///etc/passwd", AddressFault::NotHttps),
        ("gopher://public.example/", AddressFault::NotHttps),
        ("https://u@public.example/", AddressFault::Credentials),
        ("https://@public.example/", AddressFault::Credentials),
        ("https://public.example/#a", AddressFault::Fragment),
        ("https://bücher.example/", AddressFault::Spelling),
        ("https://127.1/", AddressFault::Spelling),
        ("https://127.0.0.1/", AddressFault::NotAllowed),
        ("https://public.example:22/", AddressFault::NotAllowed),
    ] {
        assert_eq!(outbound.address(address), Err(fault), "{address}");
    }
}

#[test]
fn an_operator_may_name_a_private_address_but_no_metadata_service() {
    for purpose in [Purpose::Provider, Purpose::CertificateAuthority] {
        let outbound = Outbound::builder(purpose).build().unwrap();
        for address in [
            "http://127.0.0.1:11434/",
            "http://[::1]:1/",
            "http://ollama:11434/v1",
            "http://10.0.0.5/",
            "https://gateway.corp.example:8443/v1",
        ] {
            outbound.address(address).unwrap_or_else(|fault| panic!("{address}: {fault}"));
        }
        for address in [
            "http://169.254.169.254/",
            "http://0.0.0.0:11434/",
            "http://[fd00:ec2::254]/",
            "http://127.1/",
            "https://k@h.example/",
            "ftp://h.example/",
        ] {
            assert!(outbound.address(address).is_err(), "{address}");
        }
    }
}

#[test]
fn the_development_switch_is_for_this_machine_alone_and_opens_no_typed_address() {
    let egress = Egress::default().loopback_issuers(true);
    let with = |purpose| Outbound::builder(purpose).egress(egress.clone()).build().unwrap();
    let issuers = with(Purpose::IdentityProvider);
    for address in ["http://localhost:1/", "http://127.8.7.6/", "http://[::1]:80/", "https://localhost:8443/"] {
        assert!(issuers.address(address).is_ok(), "{address}");
        assert!(with(Purpose::UrlFetch).address(address).is_err(), "{address}");
    }
    for address in [
        "http://10.0.0.1/",
        "http://localhost.example/",
        "http://public.example/",
        "http://127.0.0.1.public.example/",
        "http://0.0.0.0/",
        "http://[::ffff:127.0.0.1]/",
        "http://127.1/",
    ] {
        assert!(issuers.address(address).is_err(), "{address}");
    }
}

#[test]
fn the_operators_list_opens_ports_and_private_networks_for_the_hosts_it_names() {
    let egress = Egress::parse(["*", "idp.corp.example", "kc.example:8443", "10.1.2.3", "10.1.2.0/24"]).unwrap();
    let outbound = Outbound::builder(Purpose::IdentityProvider).egress(egress).build().unwrap();
    for (address, allowed) in [
        ("https://public.example/", true),
        ("https://kc.example:8443/", true),
        ("https://kc.example/", true),
        ("https://public.example:8443/", false),
        ("https://10.1.2.3/", true),
        ("https://10.1.2.4/", false),
        ("https://10.1.3.3/", false),
        ("http://10.1.2.3/", false),
    ] {
        assert_eq!(outbound.address(address).is_ok(), allowed, "{address}");
    }
}
