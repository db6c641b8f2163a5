//! Keys made for one test, their public half as a JWK, and tokens signed with them or only seemingly so.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaKeyPair,
        RsaPublicKeyComponents,
    },
};
use rsa::{RsaPrivateKey, pkcs1::EncodeRsaPrivateKey as _, rand_core::OsRng};
use serde_json::{Value, json};

enum Pair {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

/// A private key with its id and algorithm.
pub struct SigningKey {
    /// Its id.
    pub kid: &'static str,
    /// Its algorithm.
    pub alg: &'static str,
    pair: Pair,
}

impl SigningKey {
    /// Makes a key for RS256, PS256, ES256 or EdDSA.
    #[must_use]
    pub fn new(alg: &'static str, kid: &'static str) -> Self {
        let random = SystemRandom::new();
        let pair = match alg {
            "RS256" | "PS256" => {
                let key = RsaPrivateKey::new(&mut OsRng, 2048).expect("a key").to_pkcs1_der().expect("encodes");
                Pair::Rsa(RsaKeyPair::from_der(key.as_bytes()).expect("a key"))
            }
            "ES256" => {
                let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).expect("a key");
                Pair::Ec(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.as_ref(), &random).expect("a key"))
            }
            "EdDSA" => {
                let key = Ed25519KeyPair::generate_pkcs8(&random).expect("a key");
                Pair::Ed(Ed25519KeyPair::from_pkcs8(key.as_ref()).expect("a key"))
            }
            other => panic!("no key for {other}"),
        };
        Self { kid, alg, pair }
    }

    /// The public key as a JWK.
    #[must_use]
    pub fn public(&self) -> Value {
        let mut jwk = match &self.pair {
            Pair::Rsa(pair) => {
                let public = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public());
                json!({ "kty": "RSA", "n": encode(&public.n), "e": encode(&public.e) })
            }
            Pair::Ec(pair) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                json!({ "kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y) })
            }
            Pair::Ed(pair) => json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(pair.public_key().as_ref()) }),
        };
        jwk["kid"] = json!(self.kid);
        jwk["use"] = json!("sig");
        jwk
    }

    /// The header that an honest issuer writes.
    #[must_use]
    pub fn header(&self) -> Value {
        json!({ "alg": self.alg, "kid": self.kid, "typ": "JWT" })
    }

    /// A token signed by this key, whatever the header says.
    #[must_use]
    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        assemble(header, claims, |signed| self.signature(signed))
    }

    fn signature(&self, signed: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                match self.alg {
                    "PS256" => pair.sign(&RSA_PSS_SHA256, &random, signed, &mut signature),
                    _ => pair.sign(&RSA_PKCS1_SHA256, &random, signed, &mut signature),
                }
                .expect("signs");
                signature
            }
            Pair::Ec(pair) => pair.sign(&random, signed).expect("signs").as_ref().to_vec(),
            Pair::Ed(pair) => pair.sign(signed).as_ref().to_vec(),
        }
    }
}

/// Puts a token together; the signature is what `sign` makes of the signed part.
#[must_use]
pub fn assemble(header: &Value, claims: &Value, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let signed = format!("{}.{}", encode(header.to_string().as_bytes()), encode(claims.to_string().as_bytes()));
    let signature = encode(&sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
