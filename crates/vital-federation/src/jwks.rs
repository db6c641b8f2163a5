//! Key sets of issuers (RFC 7517) and the check of asymmetric signatures against them.
//!
//! **Invariant:** a key set holds public keys alone, and [`Algorithm`] names asymmetric signatures alone: neither `none` nor an HMAC,
//! for which a public key would be the secret, can be expressed here.
//! **Invariant:** a key is used with the algorithm of its own type, and of its own `alg` where it declares one.

use crate::{FederationError, Http, TokenRefused, http::nonsense, jws::Compact};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde::Deserialize;
use serde_json::Value;
use vital_outbound::Url;

/// Most keys of one set that are looked at; further ones are not read.
const KEYS_MAX: usize = 64;
/// Smallest and largest RSA modulus, in bytes (NIST SP 800-131A: at least 2048 bits).
const MODULUS_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;

/// The signature algorithms that are accepted (RFC 7518 section 3.1; `EdDSA` RFC 8037; `Ed25519` RFC 9864).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Rs256,
    Ps256,
    Es256,
    EdDsa,
}

impl Algorithm {
    pub(crate) fn named(name: &str) -> Result<Self, TokenRefused> {
        match name {
            "RS256" => Ok(Self::Rs256),
            "PS256" => Ok(Self::Ps256),
            "ES256" => Ok(Self::Es256),
            "EdDSA" | "Ed25519" => Ok(Self::EdDsa),
            _ => Err(TokenRefused::Algorithm),
        }
    }
}

#[derive(Debug)]
enum Material {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// An uncompressed point: 4, x, y (SEC 1 section 2.3.3).
    P256(Vec<u8>),
    Ed25519(Vec<u8>),
}

#[derive(Debug)]
struct Key {
    kid: Option<String>,
    declared: Option<Algorithm>,
    material: Material,
}

impl Key {
    fn fits(&self, algorithm: Algorithm) -> bool {
        let same_type = matches!(
            (&self.material, algorithm),
            (Material::Rsa { .. }, Algorithm::Rs256 | Algorithm::Ps256)
                | (Material::P256(_), Algorithm::Es256)
                | (Material::Ed25519(_), Algorithm::EdDsa)
        );
        same_type && self.declared.is_none_or(|declared| declared == algorithm)
    }

    fn verifies(&self, algorithm: Algorithm, signed: &[u8], signature: &[u8]) -> bool {
        match (&self.material, algorithm) {
            (Material::Rsa { n, e }, Algorithm::Rs256) => {
                RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, signed, signature).is_ok()
            }
            (Material::Rsa { n, e }, Algorithm::Ps256) => {
                RsaPublicKeyComponents { n, e }.verify(&RSA_PSS_2048_8192_SHA256, signed, signature).is_ok()
            }
            (Material::P256(point), Algorithm::Es256) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(signed, signature).is_ok()
            }
            (Material::Ed25519(point), Algorithm::EdDsa) => UnparsedPublicKey::new(&ED25519, point).verify(signed, signature).is_ok(),
            _ => false,
        }
    }
}

/// The usable public signing keys of an issuer.
#[derive(Debug)]
pub(crate) struct KeySet {
    keys: Vec<Key>,
}

impl KeySet {
    /// Reads a key set; keys of other types, for other uses or out of range are passed over (RFC 7517 section 5).
    fn parse(document: Document) -> Self {
        Self { keys: document.keys.into_iter().take(KEYS_MAX).filter_map(usable).collect() }
    }

    /// Checks the signature with the key that the token names, or with the only one that fits.
    fn verify(&self, token: &Compact<'_>, algorithm: Algorithm) -> Result<(), TokenRefused> {
        let kid = token.header.kid.as_deref();
        let fitting: Vec<&Key> =
            self.keys.iter().filter(|key| key.fits(algorithm) && kid.is_none_or(|kid| key.kid.as_deref() == Some(kid))).collect();
        // OpenID Connect Core section 10.1: with several keys the token must name one.
        if fitting.is_empty() || (kid.is_none() && fitting.len() > 1) {
            return Err(TokenRefused::UnknownKey);
        }
        match fitting.iter().any(|key| key.verifies(algorithm, token.signed, &token.signature)) {
            true => Ok(()),
            // Without key ids a new key shows only by its signature, so the set may have to be read anew.
            false if kid.is_none() => Err(TokenRefused::UnknownKey),
            false => Err(TokenRefused::Signature),
        }
    }
}

/// Checks a token's signature against the key set at `url`, which is fetched anew, within limits, when the key is unknown.
pub(crate) async fn verify(http: &Http, url: &Url, token: &Compact<'_>) -> Result<(), FederationError> {
    let algorithm = Algorithm::named(&token.header.alg)?;
    let set = http.key_sets.get(url.as_str(), fetch(http, url)).await?;
    match set.verify(token, algorithm) {
        Err(TokenRefused::UnknownKey) => match http.key_sets.renew(url.as_str(), &set, fetch(http, url)).await? {
            Some(newer) => Ok(newer.verify(token, algorithm)?),
            None => Err(TokenRefused::UnknownKey.into()),
        },
        checked => Ok(checked?),
    }
}

/// Fetches the key set at `url` and tells whether it has a usable key.
pub(crate) async fn reach(http: &Http, url: &Url) -> Result<(), FederationError> {
    http.key_sets.get(url.as_str(), fetch(http, url)).await.map(|_| ())
}

async fn fetch(http: &Http, url: &Url) -> Result<KeySet, FederationError> {
    let set = KeySet::parse(http.get(url, None).await?);
    match set.keys.is_empty() {
        true => Err(nonsense(url, "the key set has no usable key")),
        false => Ok(set),
    }
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

fn usable(key: Value) -> Option<Key> {
    let jwk: Jwk = serde_json::from_value(key).ok()?;
    if jwk.usage.is_some_and(|usage| usage != "sig") || jwk.key_ops.is_some_and(|operations| !operations.iter().any(|it| it == "verify")) {
        return None;
    }
    // A declared algorithm that is not accepted makes the key unusable.
    let declared = jwk.alg.map(|name| Algorithm::named(&name)).transpose().ok()?;
    let material = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
        ("RSA", _) => {
            let (n, e) = (number(&jwk.n?)?, number(&jwk.e?)?);
            if !MODULUS_BYTES.contains(&n.len()) {
                return None;
            }
            Material::Rsa { n, e }
        }
        ("EC", Some("P-256")) => Material::P256([vec![4], coordinate(&jwk.x?)?, coordinate(&jwk.y?)?].concat()),
        ("OKP", Some("Ed25519")) => Material::Ed25519(coordinate(&jwk.x?)?),
        _ => return None,
    };
    Some(Key { kid: jwk.kid, declared, material })
}

/// Reads a big-endian number; some issuers write a leading zero byte, which ring refuses.
fn number(text: &str) -> Option<Vec<u8>> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let first = bytes.iter().position(|&byte| byte != 0)?;
    bytes.get(first..).map(<[u8]>::to_vec)
}

/// Reads a coordinate of 32 bytes (RFC 7518 section 6.2.1.2: of full length, leading zeros included).
fn coordinate(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok().filter(|bytes| bytes.len() == 32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scripted::SigningKey;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn leading_zeros_of_a_modulus_do_not_matter_and_its_size_does() {
        let modulus = |bytes: &[u8]| json!({ "kty": "RSA", "n": URL_SAFE_NO_PAD.encode(bytes), "e": "AQAB" });
        assert!(usable(modulus(&[&[0][..], &[0xC1; 256]].concat())).is_some());
        assert!(usable(modulus(&[0xC1; 255])).is_none());
        assert!(usable(modulus(&[0xC1; 1_025])).is_none());
        assert!(usable(modulus(&[0; 256])).is_none());
    }

    #[test]
    fn a_key_that_declares_its_algorithm_is_used_with_that_alone() {
        let mut jwk = json!({ "kty": "RSA", "n": URL_SAFE_NO_PAD.encode([0xC1; 256]), "e": "AQAB" });
        let fits =
            |jwk: &Value| [Algorithm::Rs256, Algorithm::Ps256].map(|algorithm| usable(jwk.clone()).is_some_and(|key| key.fits(algorithm)));
        assert_eq!(fits(&jwk), [true, true]);
        jwk["alg"] = json!("PS256");
        assert_eq!(fits(&jwk), [false, true]);
        jwk["alg"] = json!("RS512");
        assert_eq!(fits(&jwk), [false, false]);
    }

    #[test]
    fn a_key_for_another_use_is_passed_over() {
        for (name, value, used) in [
            ("use", json!("sig"), true),
            ("use", json!("enc"), false),
            ("key_ops", json!(["verify"]), true),
            ("key_ops", json!(["encrypt"]), false),
        ] {
            let mut jwk = SigningKey::new("ES256", "key-1").public();
            jwk[name] = value;
            assert_eq!(usable(jwk).is_some(), used, "{name}");
        }
    }

    #[test]
    fn only_the_first_keys_of_a_huge_set_are_read() {
        let key = SigningKey::new("EdDSA", "key-1").public();
        let set = KeySet::parse(Document { keys: vec![key; KEYS_MAX + 1] });
        assert_eq!(set.keys.len(), KEYS_MAX);
    }

    proptest! {
        #[test]
        fn any_key_and_signature_is_checked_without_panic(
            kty in prop::sample::select(vec!["RSA", "EC", "OKP", "oct"]),
            crv in prop::sample::select(vec!["P-256", "Ed25519", "P-384"]),
            (a, b) in (prop::collection::vec(any::<u8>(), 0..300), prop::collection::vec(any::<u8>(), 32)),
            signature in prop::collection::vec(any::<u8>(), 0..300),
            text in ".{0,20}",
        ) {
            let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
            for (n, e, x) in [(encode(&a), encode(&b), encode(&b)), (text.clone(), encode(&a), text)] {
                let Some(key) = usable(json!({ "kty": kty, "crv": crv, "n": n, "e": e, "x": x, "y": encode(&b) })) else { continue };
                for algorithm in [Algorithm::Rs256, Algorithm::Ps256, Algorithm::Es256, Algorithm::EdDsa] {
                    prop_assert!(!key.verifies(algorithm, b"signed", &signature));
                }
            }
        }
    }
}
