//! Secrets of webhooks and the signature `v1` of the specification: HMAC-SHA256 over `id.timestamp.body`.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::{
    hmac,
    rand::{SecureRandom as _, SystemRandom},
};
use vital_kernel::{Error, Result};
use zeroize::Zeroizing;

/// What a secret begins with.
const PREFIX: &str = "whsec_";
/// Random bytes of a secret; the specification wants 24 to 64.
const BYTES: usize = 32;

/// A secret that messages are signed with.
pub(super) struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Makes a new one.
    pub(super) fn generate() -> Result<Self> {
        let mut bytes = Zeroizing::new(vec![0; BYTES]);
        SystemRandom::new().fill(&mut bytes).map_err(|_| Error::internal("the system gave no random bytes"))?;
        Ok(Self(bytes))
    }

    pub(super) fn of(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes, to be sealed.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// As it is shown and as receivers' libraries take it.
    pub(super) fn shown(&self) -> String {
        format!("{PREFIX}{}", STANDARD.encode(&*self.0))
    }

    /// The signature of a message at a time in seconds since 1970.
    pub(super) fn sign(&self, id: &str, timestamp_s: i64, body: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        format!("v1,{}", STANDARD.encode(hmac::sign(&key, format!("{id}.{timestamp_s}.{body}").as_bytes())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's own libraries.
    #[test]
    fn the_signature_is_that_of_the_specifications_example() {
        let secret = Secret::of(STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap());
        let signature = secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_new_secret_is_as_long_as_the_specification_wants_and_another_each_time() {
        let (one, two) = (Secret::generate().unwrap(), Secret::generate().unwrap());
        let bytes = STANDARD.decode(one.shown().strip_prefix(PREFIX).unwrap()).unwrap();
        assert!((24..=64).contains(&bytes.len()) && one.shown() != two.shown());
    }
}
