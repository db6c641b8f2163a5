//! An authenticator app for tests and measurements: it knows the seed that was shown and says what the app would show.

use time::OffsetDateTime;
use vital_credentials::totp::{self, Secret};

/// An authenticator app, with a clock that can be set ahead by whole steps.
#[derive(Debug)]
pub struct Authenticator {
    secret: Secret,
    /// Steps of 30 seconds that its clock is ahead.
    pub ahead: u64,
}

impl Authenticator {
    /// Reads the seed as it is shown for typing (base32, RFC 4648); none where it is no seed.
    #[must_use]
    pub fn of(base32: &str) -> Option<Self> {
        let mut bytes = Vec::new();
        let (mut bits, mut held) = (0_u32, 0_u8);
        for letter in base32.chars() {
            let value = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".find(letter)?;
            bits = (bits << 5 | u32::try_from(value).ok()?) & 0xfff;
            held += 5;
            if held >= 8 {
                held -= 8;
                bytes.push(u8::try_from(bits >> held & 0xff).ok()?);
            }
        }
        Some(Self { secret: Secret::from_bytes(&bytes)?, ahead: 0 })
    }

    /// The seed.
    #[must_use]
    pub fn seed(&self) -> &[u8] {
        self.secret.as_bytes()
    }

    /// The code that it shows now.
    #[must_use]
    pub fn shown(&self) -> String {
        totp::code(&self.secret, totp::step_at(OffsetDateTime::now_utc()) + self.ahead)
    }

    /// A code that it has not said before: the clock goes one step ahead each time.
    pub fn fresh(&mut self) -> String {
        let code = self.shown();
        self.ahead += 1;
        code
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_reads_back_from_how_it_is_shown() {
        let secret = Secret::generate();
        assert_eq!(Authenticator::of(&secret.base32()).map(|a| a.seed().to_vec()), Some(secret.as_bytes().to_vec()));
        assert!(Authenticator::of("not a seed").is_none());
    }
}
