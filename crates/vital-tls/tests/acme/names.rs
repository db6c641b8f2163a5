//! TXT look-ups at a real name server on this machine.

use crate::support::NameServer;
use std::time::Instant;
use vital_tls::{DnsError, LOOKUP_TIMEOUT, Names};

#[tokio::test]
async fn records_are_found_and_their_absence_is_no_failure() {
    let server = NameServer::start();
    let names = Names::new(Some(server.address)).unwrap();
    assert!(names.txt("_vital-path.path.acme-bio.com").await.unwrap().is_empty());
    for value in ["vital-path-proof=abc", "something else"] {
        server.tell("set-txt", &format!(r#"{{"host": "_vital-path.path.acme-bio.com.", "value": "{value}"}}"#));
        assert!(names.txt("_vital-path.path.acme-bio.com").await.unwrap().contains(&value.to_owned()), "a new record is seen at once");
    }
    server.tell("clear-txt", r#"{"host": "_vital-path.path.acme-bio.com."}"#);
    assert!(names.txt("_vital-path.path.acme-bio.com.").await.unwrap().is_empty());
}

#[tokio::test]
async fn a_server_that_fails_or_is_not_there_says_nothing_about_the_records() {
    let server = NameServer::start();
    let names = Names::new(Some(server.address)).unwrap();
    server.tell("set-servfail", r#"{"host": "_vital-path.path.acme-bio.com"}"#);
    assert!(matches!(names.txt("_vital-path.path.acme-bio.com").await, Err(DnsError::NoAnswer { .. })));
    let (address, began) = (server.address, Instant::now());
    drop(server);
    assert!(matches!(Names::new(Some(address)).unwrap().txt("path.acme-bio.com").await, Err(DnsError::NoAnswer { .. })));
    assert!(began.elapsed() <= LOOKUP_TIMEOUT + LOOKUP_TIMEOUT / 2);
}
