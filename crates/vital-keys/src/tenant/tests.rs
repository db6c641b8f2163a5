//! A sealed value opens at its place and nowhere else; nothing about it can be changed unseen.

use super::*;
use proptest::prelude::*;

fn roots(byte: u8) -> RootKeys {
    RootKeys::new(RootKey::software(&[byte; 32]).unwrap(), Vec::new())
}

fn keys(tenant: TenantId, versions: u32, roots: &RootKeys) -> (Vec<WrappedKey>, TenantKeys) {
    let mut wrapped = vec![new_key(tenant, Purpose::Index, 1, roots.current()).unwrap()];
    wrapped.extend((1..=versions).map(|v| new_key(tenant, Purpose::Content, v, roots.current()).unwrap()));
    let keys = TenantKeys::unwrap(tenant, &wrapped, roots).unwrap();
    (wrapped, keys)
}

#[test]
fn a_value_opens_at_its_place_and_nowhere_else() {
    let (tenant, roots) = (TenantId::new(), roots(7));
    let (_, ours) = keys(tenant, 1, &roots);
    let (_, theirs) = keys(TenantId::new(), 1, &roots);
    let here = Place { column: "turns.question", row: Uuid::now_v7(), part: 4 };
    let sealed = ours.seal(here, b"What is ICH E9(R1)?").unwrap();
    assert_eq!(ours.open(here, &sealed).unwrap(), b"What is ICH E9(R1)?");
    assert_eq!(sealed.len(), OVERHEAD + 19);
    for elsewhere in [Place { row: Uuid::now_v7(), ..here }, Place { column: "turns.answer", ..here }, Place { part: 5, ..here }] {
        assert!(matches!(ours.open(elsewhere, &sealed), Err(KeyError::Broken)));
    }
    assert!(matches!(theirs.open(here, &sealed), Err(KeyError::Broken)), "another tenant");
}

#[test]
fn the_same_keys_under_another_tenant_id_open_nothing() {
    let (tenant, other, roots) = (TenantId::new(), TenantId::new(), roots(7));
    let (wrapped, _) = keys(tenant, 1, &roots);
    assert!(matches!(TenantKeys::unwrap(other, &wrapped, &roots), Err(KeyError::Broken)), "a wrapped key moved to another tenant");
}

#[test]
fn a_wrong_root_key_is_named() {
    let (tenant, right, wrong) = (TenantId::new(), roots(7), roots(8));
    let (wrapped, _) = keys(tenant, 1, &right);
    let error = TenantKeys::unwrap(tenant, &wrapped, &wrong).unwrap_err().to_string();
    assert!(error.contains(right.current().id()) && error.contains(wrong.current().id()), "{error}");
}

#[test]
fn former_versions_open_and_the_newest_seals() {
    let (tenant, roots) = (TenantId::new(), roots(7));
    let (mut wrapped, old) = keys(tenant, 1, &roots);
    let here = Place::of("documents.title", Uuid::now_v7());
    let sealed = old.seal(here, b"Protocol").unwrap();
    wrapped.push(new_key(tenant, Purpose::Content, 2, roots.current()).unwrap());
    let both = TenantKeys::unwrap(tenant, &wrapped, &roots).unwrap();
    assert_eq!(both.open(here, &sealed).unwrap(), b"Protocol");
    assert_eq!(sealed_version(&both.seal(here, b"").unwrap()), Some(2));
    wrapped[2].seals = false;
    assert_eq!(TenantKeys::unwrap(tenant, &wrapped, &roots).unwrap().version(), 1, "a version that is not known everywhere does not seal");
    wrapped[2].seals = true;
    let new = TenantKeys::unwrap(
        tenant,
        &wrapped.iter().filter(|k| k.purpose == Purpose::Index || k.version == 2).cloned().collect::<Vec<_>>(),
        &roots,
    );
    assert!(matches!(new.unwrap().open(here, &sealed), Err(KeyError::NoVersion(1))), "a destroyed key opens nothing");
}

#[test]
fn a_version_number_cannot_be_exchanged() {
    let (tenant, roots) = (TenantId::new(), roots(7));
    let (_, keys) = keys(tenant, 2, &roots);
    let here = Place::of("documents.title", Uuid::now_v7());
    let mut sealed = keys.seal(here, b"Protocol").unwrap();
    sealed[4] = 1;
    assert!(matches!(keys.open(here, &sealed), Err(KeyError::Broken)));
}

#[test]
fn wrapping_again_with_a_new_root_keeps_what_was_sealed() {
    let (tenant, before) = (TenantId::new(), roots(7));
    let (wrapped, keys) = keys(tenant, 1, &before);
    let here = Place::of("documents.title", Uuid::now_v7());
    let sealed = keys.seal(here, b"Protocol").unwrap();
    let during = RootKeys::new(RootKey::software(&[9; 32]).unwrap(), vec![RootKey::software(&[7; 32]).unwrap()]);
    let again: Vec<_> = wrapped.iter().map(|k| k.rewrap(tenant, &during).unwrap()).collect();
    let after = TenantKeys::unwrap(tenant, &again, &roots(9)).unwrap();
    assert_eq!(after.open(here, &sealed).unwrap(), b"Protocol");
    assert_eq!(after.hashed_word("shelf"), keys.hashed_word("shelf"));
    assert!(TenantKeys::unwrap(tenant, &again, &before).is_err(), "the old root key no longer unwraps");
}

#[test]
fn words_are_hashed_for_each_tenant_by_its_own_key() {
    let roots = roots(7);
    let ((_, a), (_, b)) = (keys(TenantId::new(), 1, &roots), keys(TenantId::new(), 1, &roots));
    assert_eq!(a.hashed_word("stability"), a.hashed_word("stability"));
    assert_ne!(a.hashed_word("stability"), b.hashed_word("stability"));
    assert_ne!(a.hashed_word("stability"), a.hashed_word("stable"));
}

proptest! {
    #[test]
    fn any_value_comes_back_and_any_change_is_found(value in prop::collection::vec(any::<u8>(), 0..300), at in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let (_, keys) = keys(TenantId::new(), 1, &roots(7));
        let here = Place::of("passages.body", Uuid::now_v7());
        let sealed = keys.seal(here, &value).unwrap();
        prop_assert_eq!(keys.open(here, &sealed).unwrap(), value.clone());
        prop_assert_ne!(&keys.seal(here, &value).unwrap(), &sealed);
        let at = at.index(sealed.len());
        let mut flipped = sealed.clone();
        flipped[at] ^= 1 << bit;
        prop_assert!(keys.open(here, &flipped).is_err());
        prop_assert!(keys.open(here, &sealed[..at]).is_err());
    }
}
