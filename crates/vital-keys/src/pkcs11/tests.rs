//! Against SoftHSM, each test with a token of its own. PKCS#11 knows one initialisation a process, and SoftHSM finds its tokens by an
//! environment variable: so each test runs its body in a process of its own, which is this test program once more.

use super::{Pkcs11Config, Pkcs11Error, Pkcs11Root, State, WRAPPED_BYTES, at, locked, log_in, module, read_pin};
use cryptoki::{
    mechanism::Mechanism,
    object::{Attribute, AttributeInfo, AttributeType, KeyType, ObjectClass},
};
use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Instant,
};
use tempfile::TempDir;

const INSTALL: &str = "install it with `script/setup --checks`, or `apt-get install softhsm2`";
const CONF: &str = "SOFTHSM2_CONF";
const FOLDER: &str = "VITAL_TEST_TOKEN";
const PIN: &str = "824531";

/// The token of one test.
struct Token {
    folder: PathBuf,
}

impl Token {
    /// Runs a test's body in a process that sees a fresh token labelled `vital`.
    fn of(test: &str, body: impl FnOnce(&Self)) {
        if let Some(folder) = std::env::var_os(FOLDER) {
            return body(&Self { folder: folder.into() });
        }
        let folder = tempfile::tempdir().unwrap();
        let conf = Self::make(&folder);
        let own = std::env::current_exe().unwrap();
        let name = format!("{}::{test}", module_path!().split_once("::").unwrap().1);
        let ended = Command::new(own)
            .args(["--exact", &name, "--nocapture", "--test-threads=1"])
            .env(FOLDER, folder.path())
            .env(CONF, conf)
            .output()
            .unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
        assert!(ended.status.success() && said.contains("1 passed"), "{said}");
        if let Some(figure) = said.lines().find(|line| line.contains("figure:")) {
            println!("{figure}");
        }
    }

    fn make(folder: &TempDir) -> PathBuf {
        let (conf, tokens) = (folder.path().join("softhsm2.conf"), folder.path().join("tokens"));
        fs::create_dir(&tokens).unwrap();
        fs::write(&conf, format!("directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n", tokens.display())).unwrap();
        write_pin(&folder.path().join("pin"), PIN);
        let made = Command::new("softhsm2-util")
            .args(["--init-token", "--free", "--label", "vital", "--so-pin", "94820175", "--pin", PIN])
            .env(CONF, &conf)
            .output()
            .unwrap_or_else(|error| panic!("softhsm2-util cannot be run ({error}); {INSTALL}"));
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        conf
    }

    fn config(&self) -> Pkcs11Config {
        Pkcs11Config {
            module: library(),
            token_label: "vital".to_owned(),
            key_label: "vital-root".to_owned(),
            pin_file: self.folder.join("pin"),
        }
    }

    fn root(&self) -> Pkcs11Root {
        Pkcs11Root::make_key(&self.config()).unwrap();
        Pkcs11Root::open(self.config()).unwrap()
    }
}

fn library() -> PathBuf {
    let places = ["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so"];
    places.iter().map(PathBuf::from).find(|path| path.exists()).unwrap_or_else(|| panic!("there is no libsofthsm2.so; {INSTALL}"))
}

fn write_pin(path: &Path, pin: &str) {
    fs::write(path, format!("{pin}\n")).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}

/// Ends the login of the whole process, as a token that was taken out and put back does.
fn lose_session(config: &Pkcs11Config) {
    let session = log_in(&module(&config.module).unwrap(), &config.token_label, &read_pin(&config.pin_file).unwrap(), super::Access::Read);
    session.unwrap().logout().unwrap();
}

#[test]
fn a_wrapped_key_comes_back_where_it_belongs_and_nowhere_else() {
    Token::of("a_wrapped_key_comes_back_where_it_belongs_and_nowhere_else", |token| {
        let root = token.root();
        let key = [7; 32];
        for aad in [b"tenant a".as_slice(), b"", &[0; 4096]] {
            let wrapped = root.wrap(aad, &key).unwrap();
            assert_eq!(wrapped.len(), WRAPPED_BYTES);
            assert!(!wrapped.windows(8).any(|w| w == &key[..8]));
            assert_eq!(*root.unwrap(aad, &wrapped).unwrap(), key);
            assert!(matches!(root.unwrap(b"tenant b", &wrapped), Err(Pkcs11Error::Rejected { .. })));
        }
        assert_ne!(root.wrap(b"a", &key).unwrap(), root.wrap(b"a", &key).unwrap(), "nonces differ");
    });
}

#[test]
fn what_another_implementation_of_gcm_computes_is_the_same() {
    // The key is given to the token for once, so that ring can be asked for the same.
    Token::of("what_another_implementation_of_gcm_computes_is_the_same", |token| {
        use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
        let config = token.config();
        let session =
            log_in(&module(&config.module).unwrap(), "vital", &read_pin(&config.pin_file).unwrap(), super::Access::Write).unwrap();
        let value = [0x42; 32];
        session
            .create_object(&[
                Attribute::Class(ObjectClass::SECRET_KEY),
                Attribute::KeyType(KeyType::AES),
                Attribute::Value(value.to_vec()),
                Attribute::Label(b"vital-root".to_vec()),
                Attribute::Token(true),
                Attribute::Sensitive(true),
                Attribute::Extractable(false),
                Attribute::Encrypt(true),
                Attribute::Decrypt(true),
            ])
            .unwrap();
        let wrapped = Pkcs11Root::open(config).unwrap().wrap(b"aad", &[9; 32]).unwrap();
        let (nonce, sealed) = wrapped[1..].split_first_chunk::<12>().unwrap();
        let ring = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &value).unwrap());
        let mut sealed = sealed.to_vec();
        let plain = ring.open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(b"aad"), &mut sealed).unwrap();
        assert_eq!(*plain, [9; 32]);
    });
}

#[test]
fn every_flipped_bit_and_every_other_length_is_rejected() {
    Token::of("every_flipped_bit_and_every_other_length_is_rejected", |token| {
        let root = token.root();
        let wrapped = root.wrap(b"place", &[1; 32]).unwrap();
        for bit in 0..WRAPPED_BYTES * 8 {
            let mut changed = wrapped.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(matches!(root.unwrap(b"place", &changed), Err(Pkcs11Error::Rejected { .. })), "bit {bit}");
        }
        for length in [0, 1, 12, 13, 29, WRAPPED_BYTES - 1] {
            assert!(matches!(root.unwrap(b"place", &wrapped[..length]), Err(Pkcs11Error::Rejected { .. })), "{length} bytes");
        }
        let longer = [wrapped.as_slice(), &[0]].concat();
        assert!(matches!(root.unwrap(b"place", &longer), Err(Pkcs11Error::Rejected { .. })));
        assert_eq!(*root.unwrap(b"place", &wrapped).unwrap(), [1; 32], "the token still works");
    });
}

#[test]
fn the_id_is_the_keys_own_and_stays() {
    Token::of("the_id_is_the_keys_own_and_stays", |token| {
        let root = token.root();
        let other = Pkcs11Config { key_label: "vital-root-2".to_owned(), ..token.config() };
        Pkcs11Root::make_key(&other).unwrap();
        let (again, other) = (Pkcs11Root::open(token.config()).unwrap(), Pkcs11Root::open(other).unwrap());
        assert!(root.key_id().len() == 16 && root.key_id().bytes().all(|b| b.is_ascii_hexdigit()));
        assert_eq!(root.key_id(), again.key_id());
        assert_ne!(root.key_id(), other.key_id());
        let error = other.unwrap(b"a", &root.wrap(b"a", &[3; 32]).unwrap()).unwrap_err();
        assert!(matches!(&error, Pkcs11Error::Rejected { .. }) && error.to_string().contains(other.key_id()), "{error}");
        assert!(matches!(Pkcs11Root::make_key(&token.config()), Err(Pkcs11Error::KeyAmbiguous { count: 1, .. })));
    });
}

#[test]
fn a_former_key_of_the_token_still_unwraps_while_the_new_one_wraps() {
    Token::of("a_former_key_of_the_token_still_unwraps_while_the_new_one_wraps", |token| {
        let old = crate::RootSource::Token {
            key: {
                token.root();
                token.config()
            },
            former: None,
        }
        .load()
        .unwrap()
        .unwrap();
        let tenant = vital_kernel::TenantId::new();
        let wrapped = crate::new_key(tenant, crate::Purpose::Content, 1, old.current()).unwrap();
        let key = Pkcs11Config { key_label: "vital-root-2".to_owned(), ..token.config() };
        Pkcs11Root::make_key(&key).unwrap();
        let source = crate::RootSource::Token { key, former: Some("vital-root".to_owned()) };
        let both = source.load().unwrap().unwrap();
        let again = wrapped.rewrap(tenant, &both).unwrap();
        assert_eq!((both.all().count(), again.root_key.as_str()), (2, both.current().id()));
        assert_ne!(again.root_key, wrapped.root_key);
        assert!(source.add().is_err(), "a key in a token is made there and not here");
        source.retire().unwrap();
    });
}

#[test]
fn a_wrong_pin_is_tried_once() {
    Token::of("a_wrong_pin_is_tried_once", |token| {
        Pkcs11Root::make_key(&token.config()).unwrap();
        let wrong = Pkcs11Config { pin_file: token.folder.join("wrong"), ..token.config() };
        write_pin(&wrong.pin_file, "000000");
        let error = Pkcs11Root::open(wrong).unwrap_err();
        assert!(matches!(&error, Pkcs11Error::WrongPin { label } if label == "vital"), "{error}");
        assert!(!error.to_string().contains("000000"));

        // A session is lost while somebody has changed the PIN: the first use tries it, no later one does.
        let root = Pkcs11Root::open(token.config()).unwrap();
        let session = log_in(&root.module, "vital", &root.pin, super::Access::Write).unwrap();
        session.set_pin(&root.pin, &cryptoki::types::AuthPin::from("135790")).unwrap();
        session.logout().unwrap();
        assert!(matches!(root.wrap(b"", &[0; 32]), Err(Pkcs11Error::WrongPin { .. })));
        assert!(matches!(*root.state.lock().unwrap(), State::Refused));
        session.set_pin(&cryptoki::types::AuthPin::from("135790"), &root.pin).unwrap();
        assert!(matches!(root.wrap(b"", &[0; 32]), Err(Pkcs11Error::WrongPin { .. })), "it would be right again, and is not tried");
    });
}

#[test]
fn a_token_that_is_locked_or_about_to_be_is_left_alone() {
    assert_eq!(locked(false, false), None);
    assert!(locked(true, false).is_some() && locked(true, true).is_some());
    assert!(locked(false, true).unwrap().contains("one more"));
}

#[test]
fn what_is_missing_is_named_with_what_is_there() {
    Token::of("what_is_missing_is_named_with_what_is_there", |token| {
        let fault = |config| Pkcs11Root::open(config).unwrap_err().to_string();
        let said = fault(token.config());
        assert!(said.contains("`vital` holds no AES key labelled `vital-root`; it holds none"), "{said}");
        Pkcs11Root::make_key(&Pkcs11Config { key_label: "elsewhere".into(), ..token.config() }).unwrap();
        let said = fault(token.config());
        assert!(said.contains("it holds `elsewhere`"), "{said}");
        let said = fault(Pkcs11Config { token_label: "hsm".into(), ..token.config() });
        assert!(said.contains("no token is labelled `hsm`; the module sees `vital`"), "{said}");
        let said = fault(Pkcs11Config { module: "/nonexistent/p11.so".into(), ..token.config() });
        assert!(said.contains("/nonexistent/p11.so") && said.contains("libsofthsm2.so"), "{said}");
        let said = fault(Pkcs11Config { module: std::env::current_exe().unwrap(), ..token.config() });
        assert!(said.contains("cannot be loaded"), "{said}");
    });
}

#[test]
fn a_pin_file_is_for_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pin");
    let said = |path: &Path| read_pin(path).unwrap_err().to_string();
    assert!(said(&path).contains("cannot be read"));
    write_pin(&path, PIN);
    assert!(read_pin(&path).is_ok());
    fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    assert!(said(&path).contains("chmod 600"));
    for bad in ["", &"1".repeat(300)] {
        write_pin(&path, bad);
        assert!(said(&path).contains("1 to 256 bytes"));
    }
}

#[test]
fn the_key_cannot_leave_the_token_and_one_that_could_is_refused() {
    Token::of("the_key_cannot_leave_the_token_and_one_that_could_is_refused", |token| {
        let root = token.root();
        let State::Open(opened) = &*root.state.lock().unwrap() else { panic!("it was just opened") };
        let info = opened.session.get_attribute_info(opened.key, &[AttributeType::Value]).unwrap();
        assert!(matches!(info.as_slice(), [AttributeInfo::Sensitive]), "{info:?}");
        assert!(opened.session.update_attributes(opened.key, &[Attribute::Extractable(true)]).is_err());
        assert!(opened.session.update_attributes(opened.key, &[Attribute::Sensitive(false)]).is_err());

        let writer = log_in(&root.module, "vital", &root.pin, super::Access::Write).unwrap();
        for (label, extractable, sensitive, bytes, says) in
            [("leaves", true, true, 32_u64, "taken out"), ("open", false, false, 32, "read"), ("short", false, true, 16, "256 bits")]
        {
            let template = [
                Attribute::ValueLen(bytes.into()),
                Attribute::Label(label.into()),
                Attribute::Token(true),
                Attribute::Sensitive(sensitive),
                Attribute::Extractable(extractable),
                Attribute::Encrypt(true),
                Attribute::Decrypt(true),
            ];
            writer.generate_key(&Mechanism::AesKeyGen, &template).map_err(at("making")).unwrap();
            let said = Pkcs11Root::open(Pkcs11Config { key_label: label.into(), ..token.config() }).unwrap_err().to_string();
            assert!(said.contains(says) && said.contains(label), "{said}");
        }
    });
}

#[test]
fn eight_threads_share_a_root_while_its_session_is_lost_again_and_again() {
    Token::of("eight_threads_share_a_root_while_its_session_is_lost_again_and_again", |token| {
        let root = token.root();
        thread::scope(|scope| {
            for thread in 0..8_u8 {
                let (root, config) = (&root, token.config());
                scope.spawn(move || {
                    for round in 0..100_u8 {
                        let (key, aad) = ([thread ^ round; 32], [thread, round]);
                        let wrapped = root.wrap(&aad, &key).unwrap();
                        assert_eq!(*root.unwrap(&aad, &wrapped).unwrap(), key);
                        if thread == 0 && round % 10 == 0 {
                            // Held, so that nobody else is between two tries of one call.
                            let state = root.state.lock().unwrap();
                            lose_session(&config);
                            drop(state);
                        }
                    }
                });
            }
        });
    });
}

#[test]
fn keys_are_unwrapped_fast_enough_for_a_start_with_many_tenants() {
    Token::of("keys_are_unwrapped_fast_enough_for_a_start_with_many_tenants", |token| {
        let root = token.root();
        let wrapped = root.wrap(b"tenant", &[5; 32]).unwrap();
        let (begun, count) = (Instant::now(), 2_000_u32);
        for _ in 0..count {
            assert_eq!(*root.unwrap(b"tenant", &wrapped).unwrap(), [5; 32]);
        }
        let rate = f64::from(count) / begun.elapsed().as_secs_f64();
        println!("figure: {rate:.0} unwraps a second by SoftHSM");
        // Ten thousand within a minute, wraps not counted.
        assert!(rate > 200.0, "{rate:.0} a second");
    });
}
