//! Ceremonies against a soft authenticator: it makes keys, authenticator data, client data and attestations as the standard says.

use super::*;
use ciborium::Value as Cbor;
use proptest::prelude::*;
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _},
};

const ORIGIN: &str = "https://vital.example.org";
const UP_UV: u8 = 0x05;

enum Key {
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// What the authenticator and the browser do; tests bend one field at a time.
struct Soft {
    key: Key,
    id: Vec<u8>,
    handle: Vec<u8>,
    counter: u32,
    flags: u8,
    rp_id: String,
    origin: String,
    extra_client_data: Value,
    extensions: Option<Cbor>,
}

impl Soft {
    fn with(key: Key) -> Self {
        let id = alphabet::random::<32>().to_vec();
        let (rp_id, origin) = ("vital.example.org".to_owned(), ORIGIN.to_owned());
        let extra_client_data =
            json!({ "crossOrigin": false, "other_keys_can_be_added_here": "do not compare clientDataJSON against a template" });
        Self { key, id, handle: Vec::new(), counter: 1, flags: UP_UV, rp_id, origin, extra_client_data, extensions: None }
    }

    fn p256() -> Self {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
        Self::with(Key::P256(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.as_ref(), &random).unwrap()))
    }

    fn ed25519() -> Self {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self::with(Key::Ed25519(Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap()))
    }

    fn cose(&self) -> Vec<u8> {
        let map = match &self.key {
            Key::P256(key) => {
                let point = key.public_key().as_ref();
                vec![(1, 2.into()), (3, (-7).into()), (-1, 1.into()), (-2, point[1..33].into()), (-3, point[33..].into())]
            }
            Key::Ed25519(key) => vec![(1, 1.into()), (3, (-8).into()), (-1, 6.into()), (-2, key.public_key().as_ref().into())],
        };
        written(&cose_map(map))
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        match &self.key {
            Key::P256(key) => key.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec(),
            Key::Ed25519(key) => key.sign(message).as_ref().to_vec(),
        }
    }

    fn authenticator_data(&self, credential: bool) -> Vec<u8> {
        let announced = self.flags | (u8::from(credential) << 6) | (u8::from(self.extensions.is_some()) << 7);
        let mut data = digest(&SHA256, self.rp_id.as_bytes()).as_ref().to_vec();
        data.push(announced);
        data.extend(self.counter.to_be_bytes());
        if credential {
            data.extend([7; 16]);
            data.extend(u16::try_from(self.id.len()).unwrap().to_be_bytes());
            data.extend(&self.id);
            data.extend(self.cose());
        }
        if let Some(extensions) = &self.extensions {
            data.extend(written(extensions));
        }
        data
    }

    fn client_data(&self, ceremony: &str, challenge: &Value) -> Vec<u8> {
        let mut data = json!({ "type": ceremony, "challenge": challenge, "origin": self.origin });
        for (name, value) in self.extra_client_data.as_object().unwrap() {
            data[name] = value.clone();
        }
        data.to_string().into_bytes()
    }

    fn register(&mut self, options: &Value) -> Value {
        self.handle = decode(options["user"]["id"].as_str().unwrap()).unwrap();
        let client_data = self.client_data("webauthn.create", &options["challenge"]);
        registration_answer(&self.id, &client_data, &attestation(self.authenticator_data(true)))
    }

    fn sign_in(&self, options: &Value) -> Value {
        let client_data = self.client_data("webauthn.get", &options["challenge"]);
        let data = self.authenticator_data(false);
        let signature = self.sign(&[data.as_slice(), digest(&SHA256, &client_data).as_ref()].concat());
        json!({
            "id": encode(&self.id), "rawId": encode(&self.id), "type": "public-key", "authenticatorAttachment": "platform",
            "clientExtensionResults": {},
            "response": {
                "clientDataJSON": encode(&client_data), "authenticatorData": encode(&data), "signature": encode(&signature),
                "userHandle": encode(&self.handle),
            },
        })
    }
}

fn cose_map(map: Vec<(i64, Cbor)>) -> Cbor {
    Cbor::Map(map.into_iter().map(|(k, v)| (k.into(), v)).collect())
}

fn written(value: &Cbor) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).unwrap();
    bytes
}

fn attestation(authenticator_data: Vec<u8>) -> Vec<u8> {
    written(&Cbor::Map(vec![
        ("fmt".into(), "none".into()),
        ("attStmt".into(), Cbor::Map(Vec::new())),
        ("authData".into(), Cbor::Bytes(authenticator_data)),
    ]))
}

fn registration_answer(id: &[u8], client_data: &[u8], attestation: &[u8]) -> Value {
    json!({
        "id": encode(id), "rawId": encode(id), "type": "public-key", "clientExtensionResults": { "credProps": { "rk": true } },
        "response": {
            "clientDataJSON": encode(client_data), "attestationObject": encode(attestation), "publicKeyAlgorithm": -7,
            "transports": ["internal", "hybrid", "Not a transport"],
        },
    })
}

fn server() -> RelyingParty {
    RelyingParty::new(ORIGIN).unwrap()
}

fn maria() -> PasskeyUser<'static> {
    PasskeyUser { handle: b"0123456789abcdef", name: "maria@example.org", display_name: "Maria" }
}

fn registered(soft: &mut Soft) -> StoredPasskey {
    let ceremony = server().start_registration(maria(), &[]).unwrap();
    server().finish_registration(&ceremony.state, &soft.register(&ceremony.options)).unwrap()
}

/// Registers, lets a test bend the authenticator, and signs in as a known person.
fn signed_in_after(bend: impl FnOnce(&mut Soft)) -> Result<StoredPasskey, PasskeyError> {
    let mut soft = Soft::p256();
    let stored = registered(&mut soft);
    soft.counter = 2;
    bend(&mut soft);
    let ceremony = server().start_authentication(std::slice::from_ref(&stored))?;
    server().finish_authentication(&ceremony.state, &soft.sign_in(&ceremony.options), &stored)
}

fn registered_after(bend: impl FnOnce(&mut Soft)) -> Result<StoredPasskey, PasskeyError> {
    let mut soft = Soft::p256();
    bend(&mut soft);
    let ceremony = server().start_registration(maria(), &[])?;
    server().finish_registration(&ceremony.state, &soft.register(&ceremony.options))
}

#[test]
fn the_relying_party_follows_from_the_public_url() {
    for (url, id, origin) in [
        ("https://vital.example.org", "vital.example.org", "https://vital.example.org"),
        ("https://VITAL.example.org:443/app?x", "vital.example.org", "https://vital.example.org"),
        ("https://vital.example.org:8443/", "vital.example.org", "https://vital.example.org:8443"),
        ("http://localhost:8080", "localhost", "http://localhost:8080"),
        ("http://vital.localhost", "vital.localhost", "http://vital.localhost"),
        ("https://bücher.example", "xn--bcher-kva.example", "https://xn--bcher-kva.example"),
    ] {
        let rp = RelyingParty::new(url).unwrap();
        assert_eq!((rp.id(), rp.origin()), (id, origin));
    }
}

#[test]
fn urls_where_browsers_refuse_passkeys_are_named() {
    for ip in ["https://192.0.2.7", "http://127.0.0.1:8080", "https://[2001:db8::1]/"] {
        assert_eq!(RelyingParty::new(ip), Err(OriginUnsuited::IpAddress(ip.to_owned())));
    }
    for plain in ["http://vital.example.org", "http://notlocalhost", "http://localhost.example.org", "ftp://vital.example.org"] {
        assert_eq!(RelyingParty::new(plain), Err(OriginUnsuited::NotSecure(plain.to_owned())));
    }
    for none in ["", "vital.example.org", "https://", "data:text/plain,x"] {
        assert_eq!(RelyingParty::new(none), Err(OriginUnsuited::NotAUrl(none.to_owned())));
    }
}

#[test]
fn registration_options_ask_for_what_the_platform_needs() {
    let mut soft = Soft::p256();
    let existing = registered(&mut soft);
    let options = server().start_registration(maria(), &[existing]).unwrap().options;
    assert_eq!(options["rp"], json!({ "id": "vital.example.org", "name": "VITAL Path" }));
    assert_eq!(options["user"]["id"], encode(maria().handle));
    assert_eq!(decode(options["challenge"].as_str().unwrap()).unwrap().len(), CHALLENGE_BYTES);
    assert_eq!(
        options["pubKeyCredParams"].as_array().unwrap().iter().map(|p| p["alg"].as_i64().unwrap()).collect::<Vec<_>>(),
        [-7, -8, -257]
    );
    assert_eq!(options["authenticatorSelection"]["userVerification"], "required");
    assert_eq!(options["authenticatorSelection"]["residentKey"], "preferred");
    assert_eq!(options["attestation"], "none");
    assert_eq!(
        options["excludeCredentials"],
        json!([{ "type": "public-key", "id": encode(&soft.id), "transports": ["internal", "hybrid"] }])
    );
}

#[test]
fn a_passkey_registers_and_signs_in_as_a_known_person() {
    for mut soft in [Soft::p256(), Soft::ed25519()] {
        let stored = registered(&mut soft);
        assert_eq!((&stored.credential_id, stored.counter, stored.aaguid), (&soft.id, 1, Uuid::from_bytes([7; 16])));
        assert_eq!((stored.user_handle.as_slice(), stored.transports.join(" ")), (maria().handle, "internal hybrid".to_owned()));
        let ceremony = server().start_authentication(std::slice::from_ref(&stored)).unwrap();
        assert_eq!(ceremony.options["allowCredentials"][0]["id"], encode(&soft.id));
        assert_eq!(ceremony.options["userVerification"], "required");
        soft.counter = 9;
        let now = server().finish_authentication(&ceremony.state, &soft.sign_in(&ceremony.options), &stored).unwrap();
        assert_eq!(now, StoredPasskey { counter: 9, ..stored });
    }
}

#[test]
fn a_passkey_signs_in_without_a_name() {
    let mut soft = Soft::p256();
    let stored = registered(&mut soft);
    let ceremony = server().start_discoverable().unwrap();
    assert_eq!(ceremony.options["allowCredentials"], json!([]));
    soft.counter = 2;
    let mut answer = soft.sign_in(&ceremony.options);
    let claimed = claim(&answer).unwrap();
    assert_eq!(claimed, Claim { credential_id: soft.id.clone(), user_handle: Some(maria().handle.to_vec()) });
    assert_eq!(server().finish_authentication(&ceremony.state, &answer, &stored).unwrap().user_handle, maria().handle);
    answer["response"]["userHandle"] = Value::Null;
    assert_eq!(server().finish_authentication(&ceremony.state, &answer, &stored), Err(PasskeyError::WrongUser));
}

#[test]
fn another_persons_handle_is_refused_and_a_missing_one_only_without_an_allow_list() {
    assert_eq!(signed_in_after(|s| s.handle = b"somebody else".to_vec()), Err(PasskeyError::WrongUser));
    let mut soft = Soft::p256();
    let stored = registered(&mut soft);
    let ceremony = server().start_authentication(std::slice::from_ref(&stored)).unwrap();
    soft.counter = 2;
    let mut answer = soft.sign_in(&ceremony.options);
    answer["response"].as_object_mut().unwrap().remove("userHandle");
    assert!(server().finish_authentication(&ceremony.state, &answer, &stored).is_ok());
}

#[test]
fn a_page_of_another_origin_is_refused() {
    for other in
        ["https://evil.example", "http://vital.example.org", "https://vital.example.org:8443", "https://vital.example.org.evil.example"]
    {
        let refused = Err(PasskeyError::WrongOrigin { got: other.to_owned(), expected: ORIGIN.to_owned() });
        assert_eq!(signed_in_after(|s| s.origin = other.to_owned()), refused);
        assert_eq!(registered_after(|s| s.origin = other.to_owned()), refused);
    }
    for framed in [json!({ "crossOrigin": true }), json!({ "topOrigin": "https://evil.example" })] {
        assert_eq!(signed_in_after(|s| s.extra_client_data = framed.clone()), Err(PasskeyError::CrossOrigin));
        assert_eq!(registered_after(|s| s.extra_client_data = framed.clone()), Err(PasskeyError::CrossOrigin));
    }
}

#[test]
fn an_answer_to_another_challenge_is_refused() {
    let mut soft = Soft::p256();
    let stored = registered(&mut soft);
    soft.counter = 2;
    let earlier = server().start_discoverable().unwrap();
    let answer = soft.sign_in(&earlier.options);
    assert!(server().finish_authentication(&earlier.state, &answer, &stored).is_ok());
    let later = server().start_discoverable().unwrap();
    assert_eq!(server().finish_authentication(&later.state, &answer, &stored), Err(PasskeyError::WrongChallenge));
}

#[test]
fn the_two_ceremonies_do_not_stand_in_for_each_other() {
    let (mut soft, other_type) = (Soft::p256(), json!({ "type": "webauthn.create" }));
    assert_eq!(signed_in_after(|s| s.extra_client_data = other_type), Err(PasskeyError::WrongCeremony));
    let stored = registered(&mut soft);
    let registration = server().start_registration(maria(), &[]).unwrap();
    let authentication = server().start_discoverable().unwrap();
    let answer = soft.sign_in(&authentication.options);
    assert_eq!(server().finish_authentication(&registration.state, &answer, &stored), Err(PasskeyError::State));
    assert_eq!(server().finish_registration(&authentication.state, &answer), Err(PasskeyError::State));
    assert_eq!(server().finish_authentication("", &answer, &stored), Err(PasskeyError::State));
}

#[test]
fn a_counter_that_does_not_advance_is_a_possible_clone() {
    for presented in [0, 1] {
        assert_eq!(signed_in_after(|s| s.counter = presented), Err(PasskeyError::CounterRegressed { stored: 1, presented }));
    }
}

#[test]
fn an_authenticator_that_does_not_count_signs_in_again_and_again() {
    let mut soft = Soft::p256();
    soft.counter = 0;
    let mut stored = registered(&mut soft);
    for _ in 0..3 {
        let ceremony = server().start_discoverable().unwrap();
        stored = server().finish_authentication(&ceremony.state, &soft.sign_in(&ceremony.options), &stored).unwrap();
    }
    assert_eq!(stored.counter, 0);
}

#[test]
fn presence_verification_and_backup_flags_are_checked_in_both_ceremonies() {
    for (flags, refused) in [(0x04, PasskeyError::UserNotPresent), (0x01, PasskeyError::UserNotVerified), (0x15, PasskeyError::BackupFlags)]
    {
        assert_eq!(signed_in_after(|s| s.flags = flags), Err(refused.clone()));
        assert_eq!(registered_after(|s| s.flags = flags), Err(refused));
    }
    // Eligible now but not when registered.
    assert_eq!(signed_in_after(|s| s.flags = UP_UV | 0x08), Err(PasskeyError::BackupFlags));
    let synced = registered_after(|s| s.flags = UP_UV | 0x18).unwrap();
    assert!(synced.backup_eligible && synced.backed_up);
}

#[test]
fn an_answer_for_another_relying_party_is_refused() {
    assert_eq!(signed_in_after(|s| s.rp_id = "evil.example".to_owned()), Err(PasskeyError::WrongRelyingParty));
    assert_eq!(registered_after(|s| s.rp_id = "example.org".to_owned()), Err(PasskeyError::WrongRelyingParty));
}

#[test]
fn a_tampered_signature_client_data_or_key_is_refused() {
    let mut soft = Soft::p256();
    let stored = registered(&mut soft);
    soft.counter = 2;
    let ceremony = server().start_discoverable().unwrap();
    let answer = soft.sign_in(&ceremony.options);
    let refused = |answer: &Value, stored: &StoredPasskey| server().finish_authentication(&ceremony.state, answer, stored);
    for field in ["signature", "authenticatorData"] {
        let mut bent = answer.clone();
        let mut bytes = decode(bent["response"][field].as_str().unwrap()).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        bent["response"][field] = encode(&bytes).into();
        assert_eq!(refused(&bent, &stored), Err(PasskeyError::Signature), "{field}");
    }
    let mut bent = answer.clone();
    let spaced = [decode(answer["response"]["clientDataJSON"].as_str().unwrap()).unwrap(), b" ".to_vec()].concat();
    bent["response"]["clientDataJSON"] = encode(&spaced).into();
    assert_eq!(refused(&bent, &stored), Err(PasskeyError::Signature));
    let other = StoredPasskey { public_key: Soft::p256().cose(), ..stored };
    assert_eq!(refused(&answer, &other), Err(PasskeyError::Signature));
}

#[test]
fn a_passkey_outside_the_allow_list_is_refused() {
    let (mut one, mut two) = (Soft::p256(), Soft::p256());
    let (first, second) = (registered(&mut one), registered(&mut two));
    let ceremony = server().start_authentication(std::slice::from_ref(&first)).unwrap();
    two.counter = 2;
    let answer = two.sign_in(&ceremony.options);
    for stored in [&first, &second] {
        assert_eq!(server().finish_authentication(&ceremony.state, &answer, stored), Err(PasskeyError::UnknownPasskey));
    }
    assert_eq!(server().start_authentication(&[]).unwrap_err(), PasskeyError::NoPasskeys);
}

#[test]
fn an_authenticator_that_is_registered_already_is_refused() {
    let mut soft = Soft::p256();
    let stored = registered(&mut soft);
    let ceremony = server().start_registration(maria(), &[stored]).unwrap();
    assert_eq!(server().finish_registration(&ceremony.state, &soft.register(&ceremony.options)), Err(PasskeyError::AlreadyRegistered));
}

#[test]
fn extensions_are_read_past_and_anything_else_after_the_data_is_refused() {
    let extensions = Cbor::Map(vec![("credProtect".into(), 2.into())]);
    assert!(registered_after(|s| s.extensions = Some(extensions.clone())).is_ok());
    assert!(signed_in_after(|s| s.extensions = Some(extensions)).is_ok());
    assert!(matches!(signed_in_after(|s| s.extensions = Some(7.into())), Err(PasskeyError::Malformed(_))));
    let mut data = Soft::p256().authenticator_data(true);
    assert!(AuthenticatorData::read(&data).is_ok());
    data.push(0);
    assert!(matches!(AuthenticatorData::read(&data), Err(PasskeyError::Malformed(_))));
}

#[test]
fn user_handles_have_1_to_64_bytes() {
    for handle in [&[][..], &[0; 65]] {
        assert_eq!(server().start_registration(PasskeyUser { handle, ..maria() }, &[]).unwrap_err(), PasskeyError::UserHandle);
    }
}

#[test]
fn keys_of_other_kinds_are_refused() {
    // ES384, ES256 on another curve, EdDSA with an EC2 key, RSA-PSS.
    for (kind, algorithm, curve) in [(2, -35, 2), (2, -7, 2), (2, -8, 6), (3, -37, 1)] {
        let cose = written(&cose_map(vec![
            (1, kind.into()),
            (3, algorithm.into()),
            (-1, curve.into()),
            (-2, vec![1; 32].into()),
            (-3, vec![2; 32].into()),
        ]));
        assert_eq!(PublicKey::read(&cose), Err(PasskeyError::UnsupportedKey));
    }
    let short = written(&cose_map(vec![(1, 3.into()), (3, (-257).into()), (-1, vec![0xFF; 128].into()), (-2, vec![1, 0, 1].into())]));
    assert!(matches!(PublicKey::read(&short), Err(PasskeyError::Malformed(_))));
}

#[test]
fn rs256_signatures_verify() {
    // Made with `openssl dgst -sha256 -sign` and a key of 2,048 bits that was thrown away.
    let n = "0rG57D12oF_pJLlTeCy-xjVQJivDlMD3E0EI8aQrufN5TZqDhWEeTj2m4G3nxFxUWEGBE3ck3K2nWsl1yml9sFNVnVHdsz3iW9Ik6CJWYIJqhIC23ywWlsBacK9pdPpk86O2uuOua4t42HgNATduVTFkA-GyRogvs_ni0QymQ2XJ-5mXU3wR5M5g_gbgsP_nW3AC_UMn6A3amBG9jfKiMSJWDn_p4k-lGiEFjtd1lmbXXsNfiOd8nlcumN6KQbuRC7bcWm6YjbHt6Aygmcdq15SrvtBd8Mq8M_rUNrpUyb7UMITDdiZQ4DXEgDGbIQDWeFNwtrwXuVkkzrfCTSFr1w";
    let signature = "miAo0Ro3o87KfpfYIi8idSl5Jh9JstjDzaGF3DCIwU698IMSLHrgXAiyXj2TNJvUOhR1v4SejTMfrf4gBobi-Q0BhuANu56wj0IKQ33wEarhWqKgb6BAzt1Qk2WpjlwZdEhVvBhulPz2UCWDH5iqwR7qXQaFOJauJjEcHyDr3eSTw_T5_Az4LfBJJ9dwCZNQDuzerzSW7csJaGIwf4GV63jfpsTNHrf2TirblKQt78oimSMTQqsUyl35TFK_8Ln4uVZtE8YIqHJwYaLixNtB8fEH0jMqToIPkxQOJl2tZVSK5NktYmZsWWAXDN_h-aL9kbhKF8J0wadtVSKTMfmG4g";
    let modulus = decode(n).unwrap();
    let cose = written(&cose_map(vec![(1, 3.into()), (3, (-257).into()), (-1, modulus.into()), (-2, vec![1, 0, 1].into())]));
    let key = PublicKey::read(&cose).unwrap();
    let signature = decode(signature).unwrap();
    assert!(key.verify(b"authenticator data and client data hash", &signature));
    assert!(!key.verify(b"authenticator data and client data hasH", &signature));
}

#[test]
fn a_stored_passkey_and_a_state_survive_storage() {
    let stored = registered(&mut Soft::p256());
    let json = serde_json::to_string(&stored).unwrap();
    assert_eq!(serde_json::from_str::<StoredPasskey>(&json).unwrap(), stored);
    assert!(json.contains(&encode(&stored.credential_id)));
}

#[test]
fn huge_answers_are_refused_by_their_length() {
    let ceremony = server().start_registration(maria(), &[]).unwrap();
    let mut answer = Soft::p256().register(&ceremony.options);
    answer["response"]["attestationObject"] = "A".repeat(10_000_000).into();
    assert_eq!(server().finish_registration(&ceremony.state, &answer), Err(PasskeyError::TooLong("attestationObject")));
    answer["response"]["attestationObject"] = encode(&[0x81; 60_000]).into();
    assert!(matches!(server().finish_registration(&ceremony.state, &answer), Err(PasskeyError::Malformed(_))));
    // A byte string that claims 2^62 bytes.
    answer["response"]["attestationObject"] = encode(&[0x5B, 0x40, 0, 0, 0, 0, 0, 0, 0, 1]).into();
    assert!(matches!(server().finish_registration(&ceremony.state, &answer), Err(PasskeyError::Malformed(_))));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,40}".prop_map(Value::from)
    ];
    let names = prop_oneof![
        Just("id"),
        Just("rawId"),
        Just("type"),
        Just("response"),
        Just("clientDataJSON"),
        Just("signature"),
        Just("userHandle")
    ];
    leaf.prop_recursive(3, 24, 6, move |inner| {
        let entry = (names.clone().prop_map(str::to_owned), inner.clone());
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(Value::from),
            prop::collection::vec(entry, 0..6).prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_json_is_refused_without_a_panic(answer in any_json(), state in "\\PC{0,60}") {
        let registration = server().start_registration(maria(), &[]).unwrap();
        let stored = registered(&mut Soft::ed25519());
        let discoverable = server().start_discoverable().unwrap();
        prop_assert!(server().finish_registration(&registration.state, &answer).is_err());
        prop_assert!(server().finish_authentication(&discoverable.state, &answer, &stored).is_err());
        prop_assert!(server().finish_authentication(&state, &answer, &stored).is_err());
        let _ = claim(&answer);
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = (AuthenticatorData::read(&bytes), PublicKey::read(&bytes), reply::authenticator_data(&bytes));
        let _ = reply::check_client_data(&bytes, "webauthn.get", "", ORIGIN);
    }

    #[test]
    fn a_bent_attestation_never_panics_and_never_changes_whose_passkey_it_is(at in 0_usize..200, flip in 1_u8..) {
        let ceremony = server().start_registration(maria(), &[]).unwrap();
        let mut soft = Soft::p256();
        let mut answer = soft.register(&ceremony.options);
        let mut bytes = decode(answer["response"]["attestationObject"].as_str().unwrap()).unwrap();
        let at = at % bytes.len();
        bytes[at] ^= flip;
        answer["response"]["attestationObject"] = encode(&bytes).into();
        if let Ok(stored) = server().finish_registration(&ceremony.state, &answer) {
            prop_assert_eq!((stored.credential_id, stored.user_handle), (soft.id, soft.handle));
        }
    }

    #[test]
    fn one_flipped_bit_in_what_is_signed_never_signs_in(which in 0_usize..3, at: usize, bit in 0_u8..8) {
        let field = ["clientDataJSON", "authenticatorData", "signature"][which];
        let mut soft = Soft::ed25519();
        let stored = registered(&mut soft);
        soft.counter = 2;
        let ceremony = server().start_discoverable().unwrap();
        let mut answer = soft.sign_in(&ceremony.options);
        let mut bytes = decode(answer["response"][field].as_str().unwrap()).unwrap();
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        answer["response"][field] = encode(&bytes).into();
        prop_assert!(server().finish_authentication(&ceremony.state, &answer, &stored).is_err());
    }
}
