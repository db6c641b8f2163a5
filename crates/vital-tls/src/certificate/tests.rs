//! What a certificate must be to be taken.

use super::*;
use crate::scripted::{Authority, Issued};

fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

fn refused(chain: &str, key: &str) -> CertificateError {
    Certificate::from_pem(chain.as_bytes(), key.as_bytes(), now()).unwrap_err()
}

#[test]
fn a_chain_with_its_key_is_taken_with_what_is_known_about_it() {
    let Issued { chain, key, .. } = Authority::default().issue(&["Path.Example.com", "*.vital.example", "192.0.2.7"]);
    let certificate = Certificate::from_pem(chain.as_bytes(), key.as_bytes(), now()).unwrap();
    for host in ["path.example.com", "PATH.example.com", "path.example.com.", "a.vital.example", "192.0.2.7"] {
        assert!(certificate.covers(host), "{host}");
    }
    for host in ["example.com", "x.path.example.com", "vital.example", "a.b.vital.example", ".vital.example", "192.0.2.8", ""] {
        assert!(!certificate.covers(host), "{host}");
    }
    assert!(certificate.check_host("other.example").unwrap_err().to_string().contains("`path.example.com`"));
    assert_eq!((certificate.left(now()).whole_days(), certificate.fingerprint().len()), (88, 64));
}

#[test]
fn one_file_may_hold_both() {
    let Issued { chain, key, .. } = Authority::default().issue(&["a.example"]);
    let both = format!("{key}{chain}");
    assert!(Certificate::from_pem(both.as_bytes(), both.as_bytes(), now()).is_ok());
}

#[test]
fn a_certificate_out_of_its_time_is_refused_with_which_and_when() {
    let (authority, now) = (Authority::default(), now());
    let old = authority.issue_for(&["a.example"], now - Duration::days(90), now - Duration::MINUTE);
    let error = refused(&old.chain, &old.key);
    assert!(matches!(error, CertificateError::Expired { position: 1, .. }), "{error}");
    let young = authority.issue_for(&["a.example"], now + Duration::DAY, now + Duration::days(90));
    let error = refused(&young.chain, &young.key);
    assert!(error.to_string().contains("this machine's clock says"), "{error}");
}

#[test]
fn a_chain_that_does_not_hold_is_refused_with_where() {
    let (authority, other) = (Authority::default(), Authority::default());
    let Issued { leaf, key, .. } = authority.issue(&["a.example"]);
    for (chain, says) in [
        (format!("{}{leaf}", authority.intermediate_pem), "wrong order"),
        (format!("{leaf}{}{}", authority.root_pem, authority.intermediate_pem), "wrong order"),
        (format!("{leaf}{}", authority.root_pem), "put the missing intermediate"),
        // The same names, another key: the names alone prove nothing.
        (format!("{leaf}{}", other.intermediate_pem), "put the missing intermediate"),
        (leaf.repeat(CHAIN_MAX + 1), "at most 8"),
        (String::new(), "no certificate was found"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned(), "certificate 1 of the chain cannot be decoded"),
    ] {
        let error = refused(&chain, &key);
        assert!(error.to_string().contains(says), "{says}: {error}");
    }
    assert!(
        Certificate::from_pem(leaf.as_bytes(), key.as_bytes(), now()).is_ok(),
        "an intermediate may be missing: a private root signs directly"
    );
}

#[test]
fn a_key_that_is_none_or_another_ones_is_refused() {
    let authority = Authority::default();
    let (one, two) = (authority.issue(&["a.example"]), authority.issue(&["a.example"]));
    assert!(matches!(refused(&one.chain, &two.key), CertificateError::KeyMismatch));
    assert!(matches!(refused(&one.chain, &one.chain), CertificateError::NoKey));
    assert!(matches!(refused(&one.chain, ""), CertificateError::NoKey));
    let garbage = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    assert!(matches!(refused(&one.chain, garbage), CertificateError::Key(_)));
}

#[test]
fn it_is_due_with_a_third_left_and_never_by_a_clock_that_stands_before_it() {
    let now = now();
    let Issued { chain, key, .. } = Authority::default().issue_for(&["a.example"], now - Duration::DAY, now + Duration::days(89));
    let certificate = Certificate::from_pem(chain.as_bytes(), key.as_bytes(), now).unwrap();
    for (days, due) in [(0, false), (58, false), (60, true), (200, true), (-2, false), (-4000, false)] {
        assert_eq!(certificate.is_due(now + Duration::days(days)), due, "{days}");
    }
    assert_eq!(certificate.left(now + Duration::days(200)), Duration::ZERO);
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(chain in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200), flip in 0_usize..1200, bit in 0_u8..8) {
        let _refused = Certificate::from_pem(&chain, &chain, now());
        let Issued { chain, key, .. } = Authority::default().issue(&["a.example"]);
        let mut bytes = chain.into_bytes();
        let at = flip % bytes.len();
        bytes[at] ^= 1 << bit;
        let _refused_or_harmless = Certificate::from_pem(&bytes, key.as_bytes(), now());
    }
}
