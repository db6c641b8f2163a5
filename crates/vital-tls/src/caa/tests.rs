//! Records of a name server on this machine, and what they mean.

use super::*;
use std::time::Instant;
use vital_testkit::names::{Answer, Asked, Data, NameServer};

const DOMAIN: &str = "path.acme-bio.com";

fn caa(flags: u8, tag: &str, value: &str) -> Data {
    Data::Caa(flags, tag.to_owned(), value.as_bytes().to_vec())
}

fn ours() -> Vec<String> {
    vec!["ca.example".to_owned()]
}

/// A name server where one name has these records and all others have none.
async fn with(at: &'static str, records: Vec<Data>) -> (NameServer, Names) {
    let server = NameServer::start(move |asked| match (asked.kind.as_str(), asked.name == at) {
        ("CAA", true) => Answer::Records(records.iter().map(|data| (asked.name.clone(), data.clone())).collect()),
        ("CAA", false) if asked.name == DOMAIN => Answer::NoName,
        _ => Answer::Records(Vec::new()),
    })
    .await;
    let names = Names::new(Some(server.address)).unwrap();
    (server, names)
}

fn asked_names(server: &NameServer) -> Vec<String> {
    server.asked().into_iter().filter(|asked| asked.kind == "CAA").map(|Asked { name, .. }| name).collect()
}

#[tokio::test]
async fn the_closest_name_that_has_records_counts() {
    for (at, climbed) in
        [(DOMAIN, vec![DOMAIN]), ("acme-bio.com", vec![DOMAIN, "acme-bio.com"]), ("com", vec![DOMAIN, "acme-bio.com", "com"])]
    {
        let (server, names) = with(at, vec![caa(0, "Issue", "other.example"), caa(0, "iodef", "mailto:ops@acme-bio.com")]).await;
        let judged = names.issuance(DOMAIN, &ours(), Challenge::Http).await.unwrap();
        assert_eq!(judged, Issuance::Forbidden { at: at.to_owned(), issuers: vec!["other.example".to_owned()] });
        assert_eq!(asked_names(&server), climbed);
    }
    let (server, names) = with("elsewhere.example", vec![caa(0, "issue", ";")]).await;
    assert_eq!(names.issuance(&format!("{DOMAIN}."), &ours(), Challenge::Http).await.unwrap(), Issuance::Anybody);
    assert_eq!(asked_names(&server), [DOMAIN, "acme-bio.com", "com"]);
}

#[tokio::test]
async fn records_mean_to_our_authority_what_the_standards_say() {
    let allowed = |account: Option<&str>| Issuance::Allowed { at: DOMAIN.to_owned(), account: account.map(str::to_owned) };
    let forbidden =
        |issuers: &[&str]| Issuance::Forbidden { at: DOMAIN.to_owned(), issuers: issuers.iter().map(|i| (*i).to_owned()).collect() };
    let other = |methods: &str| Issuance::OtherChallenge { at: DOMAIN.to_owned(), methods: methods.to_owned() };
    let critical = |tag: &str| Issuance::Critical { at: DOMAIN.to_owned(), tag: tag.to_owned() };
    for (records, expected) in [
        (vec![caa(0, "issue", "ca.example")], allowed(None)),
        (vec![caa(0, "issue", " CA.Example. ; policy=ev")], allowed(None)),
        (vec![caa(128, "issue", "ca.example")], allowed(None)),
        (vec![caa(0, "issue", "other.example"), caa(0, "issue", "ca.example")], allowed(None)),
        (vec![caa(0, "issue", "xca.example")], forbidden(&["xca.example"])),
        (vec![caa(0, "issue", ";")], forbidden(&[])),
        (vec![caa(0, "issue", "")], forbidden(&[])),
        (vec![caa(0, "issue", "%%%%%")], forbidden(&[])),
        // Without an `issue` record a name without a wildcard is not restricted (section 4.3).
        (vec![caa(0, "issuewild", ";")], allowed(None)),
        (vec![caa(0, "iodef", "mailto:ops@acme-bio.com")], allowed(None)),
        (vec![caa(0, "future", "x"), caa(0, "issue", "ca.example")], allowed(None)),
        (vec![caa(128, "future", "x"), caa(0, "issue", "ca.example")], critical("future")),
        // RFC 8657.
        (vec![caa(0, "issue", "ca.example; validationmethods=dns-01,http-01")], allowed(None)),
        (vec![caa(0, "issue", "ca.example; validationmethods=dns-01")], other("dns-01")),
        (vec![caa(0, "issue", "ca.example; accounturi=https://ca.example/a/1")], allowed(Some("https://ca.example/a/1"))),
        (vec![caa(0, "issue", "ca.example; accounturi=https://ca.example/a/1"), caa(0, "issue", "ca.example")], allowed(None)),
    ] {
        let (_server, names) = with(DOMAIN, records.clone()).await;
        assert_eq!(names.issuance(DOMAIN, &ours(), Challenge::Http).await.unwrap(), expected, "{records:?}");
    }
    let (_server, names) = with(DOMAIN, vec![caa(0, "issue", "ca.example")]).await;
    let unnamed = names.issuance(DOMAIN, &[], Challenge::Http).await.unwrap();
    assert!(unnamed.may_issue().is_none() && unnamed.to_string().contains("only ca.example"), "{unnamed}");
}

#[tokio::test]
async fn a_name_with_an_alias_is_judged_by_the_records_of_its_target() {
    let server = NameServer::start(|asked| {
        let alias = (DOMAIN.to_owned(), Data::Cname("edge.host.example".to_owned()));
        match asked.name.as_str() {
            DOMAIN => Answer::Records(vec![alias, ("edge.host.example".to_owned(), caa(0, "issue", "other.example"))]),
            _ => Answer::Records(Vec::new()),
        }
    })
    .await;
    let judged = Names::new(Some(server.address)).unwrap().issuance(DOMAIN, &ours(), Challenge::Http).await.unwrap();
    assert_eq!(judged.may_issue(), Some(false), "{judged}");
}

#[tokio::test]
async fn a_name_server_that_fails_or_is_silent_says_nothing_about_the_records() {
    let failing = NameServer::start(|asked| if asked.name == "com" { Answer::Fails } else { Answer::Records(Vec::new()) }).await;
    let names = Names::new(Some(failing.address)).unwrap();
    assert!(matches!(names.caa(DOMAIN).await, Err(DnsError::NoAnswer { .. })));
    let (silent, begun) = (NameServer::start(|_| Answer::Silence).await, Instant::now());
    let names = Names::new(Some(silent.address)).unwrap();
    assert!(matches!(names.caa(DOMAIN).await, Err(DnsError::NoAnswer { .. })));
    assert!(begun.elapsed() <= LOOKUP_TIMEOUT + LOOKUP_TIMEOUT / 2);
}

proptest::proptest! {
    #[test]
    fn no_value_makes_the_reader_fail_or_lets_a_stranger_pass(value in "\\PC{0,60}", critical in proptest::bool::ANY) {
        let set = CaaSet { at: DOMAIN.to_owned(), records: vec![CaaRecord { critical, tag: "issue".to_owned(), value: value.clone() }] };
        let judged = set.judge(&ours(), Challenge::Http);
        let first = value.split(';').next().unwrap_or_default().trim().trim_end_matches('.').to_ascii_lowercase();
        proptest::prop_assert_eq!(judged.may_issue() == Some(true), first == "ca.example" && !value.contains("validationmethods"));
        proptest::prop_assert!(judged.to_string().len() < 600);
    }
}
