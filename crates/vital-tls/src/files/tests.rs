//! Changed files: what is good is taken, what is bad leaves the old one in use.

use super::*;
use crate::{State, scripted::Authority};
use std::{fs, os::unix::fs::PermissionsExt as _};

struct Place {
    folder: tempfile::TempDir,
    authority: Authority,
    certificates: Certificates,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), authority: Authority::default(), certificates: Certificates::default() }
    }

    fn files(&self) -> Files {
        Files { certificate: self.folder.path().join("chain.pem"), key: self.folder.path().join("key.pem") }
    }

    fn write(&self, names: &[&str]) {
        let issued = self.authority.issue(names);
        fs::write(self.files().certificate, issued.chain).unwrap();
        fs::write(self.files().key, issued.key).unwrap();
        fs::set_permissions(self.files().key, fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn in_use(&self) -> String {
        self.certificates.site().unwrap().fingerprint().to_owned()
    }
}

fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

#[test]
fn new_files_are_taken_and_the_same_ones_are_not_news() {
    let place = Place::new();
    place.write(&["a.example"]);
    let mut watch = Watch::start(place.files(), Some("a.example".to_owned()), &place.certificates, now()).unwrap();
    let first = place.in_use();
    assert!(watch.look(&place.certificates, now()).is_none() && watch.reload(&place.certificates, now()).is_none());
    place.write(&["a.example"]);
    assert!(watch.look(&place.certificates, now()).unwrap().is_ok());
    assert_ne!(place.in_use(), first);
}

#[test]
fn bad_files_are_told_once_and_the_certificate_in_use_stays() {
    let place = Place::new();
    place.write(&["a.example"]);
    let mut watch = Watch::start(place.files(), Some("a.example".to_owned()), &place.certificates, now()).unwrap();
    let first = place.in_use();
    let trouble = |place: &Place| place.certificates.standing(now())[0].trouble.clone();

    // Half of the pair is new: whoever writes two files cannot write both at once.
    fs::write(place.files().certificate, place.authority.issue(&["a.example"]).chain).unwrap();
    assert!(matches!(watch.look(&place.certificates, now()), Some(Err(CertificateError::KeyMismatch))));
    assert!(watch.look(&place.certificates, now()).is_none(), "it is told once");
    assert!(watch.reload(&place.certificates, now()).is_none());
    assert!(trouble(&place).unwrap().contains("does not belong"));

    place.write(&["b.example"]);
    assert!(matches!(watch.look(&place.certificates, now()), Some(Err(CertificateError::WrongHost { .. }))));
    fs::remove_file(place.files().key).unwrap();
    assert!(matches!(watch.look(&place.certificates, now()), Some(Err(CertificateError::File { .. }))));
    assert!(watch.look(&place.certificates, now()).is_none(), "a file that is still gone is no news");
    fs::write(place.files().key, vec![b'x'; 300_000]).unwrap();
    assert!(matches!(watch.look(&place.certificates, now()), Some(Err(CertificateError::TooLarge { .. }))));
    assert_eq!(place.in_use(), first, "through all of it");

    place.write(&["a.example"]);
    assert!(watch.look(&place.certificates, now()).unwrap().is_ok());
    assert_ne!(place.in_use(), first);
    assert_eq!(trouble(&place), None);
}

#[test]
fn an_expired_certificate_is_not_taken_and_one_that_expires_in_use_stays() {
    let place = Place::new();
    place.write(&["a.example"]);
    let later = now() + time::Duration::days(100);
    assert!(matches!(Watch::start(place.files(), None, &place.certificates, later), Err(CertificateError::Expired { .. })));
    let mut watch = Watch::start(place.files(), None, &place.certificates, now()).unwrap();
    for (days, state) in [
        (0, State::Good),
        (70, State::EndsIn21Days),
        (83, State::EndsIn7Days),
        (88, State::EndsInADay),
        (90, State::Expired),
        (-5, State::ClockBehind),
    ] {
        let at = now() + time::Duration::days(days);
        assert!(watch.look(&place.certificates, at).is_none());
        assert_eq!(place.certificates.standing(at)[0].state, state, "{days}");
    }
}

#[test]
fn a_key_that_others_can_read_is_warned_about() {
    let place = Place::new();
    place.write(&["a.example"]);
    for (mode, warns) in [(0o600, false), (0o400, false), (0o640, false), (0o644, true), (0o660, true), (0o604, true)] {
        fs::set_permissions(place.files().key, fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(place.files().warning().is_some(), warns, "{mode:o}");
    }
}
