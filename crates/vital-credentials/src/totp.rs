//! One-time codes of authenticator apps: TOTP (RFC 6238) with HMAC-SHA-1, steps of 30 seconds and six digits, the one form all apps read.
//!
//! **Invariant:** a code works once: the caller stores the step that [`verify`] returns and hands it over the next time. The secret must be
//! known to the server, so the caller seals it at rest.
//!
//! HMAC-SHA-1 is ring's, which TLS brings anyway; its name warns of SHA-1, whose broken collision resistance HMAC does not need (RFC 6194).

use crate::alphabet;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use qrcode::{Color, EcLevel, QrCode};
use ring::hmac;
use std::fmt::{self, Write as _};
use subtle::ConstantTimeEq as _;
use time::OffsetDateTime;
use zeroize::Zeroizing;

/// Bytes of a secret: 160 bits (RFC 4226 section 4, R6).
pub const SECRET_BYTES: usize = 20;
/// Seconds of one step.
pub const STEP_SECONDS: u64 = 30;
/// Digits of a code.
const DIGITS: usize = 6;
/// Steps that a clock may be ahead or behind (RFC 6238 section 5.2 recommends one).
const SKEW_STEPS: u64 = 1;
/// Who the code is for, as the app shows it.
const ISSUER: &str = "VITAL Path";
/// Longest account name in the QR code, in characters; a longer one is cut.
const ACCOUNT_CHARS_MAX: usize = 120;
/// Blank modules around a QR code (ISO/IEC 18004 section 9.1).
const QUIET_MODULES: usize = 4;
/// What stays as it is in a URI (RFC 3986 section 2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A secret shared with a person's authenticator app.
#[derive(Clone)]
pub struct Secret(Zeroizing<[u8; SECRET_BYTES]>);

impl Secret {
    /// Makes a new secret.
    #[must_use]
    pub fn generate() -> Self {
        Self(alphabet::random())
    }

    /// Takes back a stored secret; nothing when it has another length.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(|b| Self(Zeroizing::new(b)))
    }

    /// The bytes, for the caller to seal and store.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; SECRET_BYTES] {
        &self.0
    }

    /// The secret in base 32, for people whose app cannot scan.
    #[must_use]
    pub fn base32(&self) -> Zeroizing<String> {
        Zeroizing::new(alphabet::base32(self.0.as_slice(), alphabet::RFC_4648))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Returns the step a moment lies in; moments before 1970 count as 1970.
#[must_use]
pub fn step_at(now: OffsetDateTime) -> u64 {
    u64::try_from(now.unix_timestamp()).unwrap_or(0) / STEP_SECONDS
}

/// Returns the code of a step: what the app shows.
#[must_use]
pub fn code(secret: &Secret, step: u64) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.as_bytes());
    let tag = hmac::sign(&key, &step.to_be_bytes());
    // Dynamic truncation (RFC 4226 section 5.3). The tag has 20 bytes and the offset is at most 15.
    let offset = usize::from(tag.as_ref().last().copied().unwrap_or(0) & 15);
    let word = tag.as_ref()[offset..].first_chunk::<4>().map_or(0, |b| u32::from_be_bytes(*b) & 0x7FFF_FFFF);
    format!("{:0width$}", word % 10_u32.pow(DIGITS as u32), width = DIGITS)
}

/// Checks a typed code and returns the step it belongs to, which the caller stores as `last_step`.
///
/// Spaces are ignored. A code of a step at or before `last_step` is refused: it was used, or is older than one that was.
#[must_use]
pub fn verify(secret: &Secret, typed: &str, now: OffsetDateTime, last_step: Option<u64>) -> Option<u64> {
    let mut digits = [0_u8; DIGITS];
    let mut count = 0;
    for c in typed.bytes().filter(|c| *c != b' ').take(DIGITS + 1) {
        if !c.is_ascii_digit() || count == DIGITS {
            return None;
        }
        digits[count] = c;
        count += 1;
    }
    if count != DIGITS {
        return None;
    }
    let current = step_at(now);
    let mut found = None;
    // All steps are compared, whichever fits, so that the time says nothing.
    for step in current.saturating_sub(SKEW_STEPS)..=current.saturating_add(SKEW_STEPS) {
        let fits = bool::from(code(secret, step).as_bytes().ct_eq(&digits));
        if fits && last_step.is_none_or(|last| step > last) {
            found = Some(step);
        }
    }
    found
}

/// Returns the `otpauth` URI that apps read (Key URI Format of Google Authenticator).
#[must_use]
pub fn otpauth_uri(secret: &Secret, account: &str) -> Zeroizing<String> {
    let issuer = utf8_percent_encode(ISSUER, RESERVED);
    let account: String = account.chars().take(ACCOUNT_CHARS_MAX).collect();
    let account = utf8_percent_encode(&account, RESERVED);
    let secret = secret.base32();
    Zeroizing::new(format!(
        "otpauth://totp/{issuer}:{account}?secret={}&issuer={issuer}&algorithm=SHA1&digits={DIGITS}&period={STEP_SECONDS}",
        secret.as_str()
    ))
}

/// A QR code could not be drawn.
#[derive(Debug, thiserror::Error)]
#[error("The QR code could not be drawn ({0}). Type the secret into the app instead.")]
pub struct QrFailed(qrcode::types::QrError);

/// Returns a QR code as an SVG element for a page; its white ground keeps it readable in dark mode.
///
/// # Errors
/// When the text is longer than a QR code holds.
pub fn qr_svg(uri: &str, label: &str) -> Result<String, QrFailed> {
    let qr = QrCode::with_error_correction_level(uri, EcLevel::M).map_err(QrFailed)?;
    let width = qr.width();
    let side = width + 2 * QUIET_MODULES;
    let mut path = String::new();
    let colors = qr.to_colors();
    for (y, row) in colors.chunks(width).enumerate() {
        let mut x = 0;
        while x < width {
            let run = row[x..].iter().take_while(|c| **c == Color::Dark).count();
            if run > 0 {
                // Writing to a string does not fail.
                let _ = write!(path, "M{} {}h{run}v1h-{run}z", x + QUIET_MODULES, y + QUIET_MODULES);
            }
            x += run.max(1);
        }
    }
    let label = label.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    Ok(format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {side} {side}" role="img" aria-label="{label}" shape-rendering="crispEdges"><rect width="{side}" height="{side}" fill="#fff"/><path fill="#000" d="{path}"/></svg>"##
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn vector() -> Secret {
        Secret::from_bytes(b"12345678901234567890").unwrap()
    }

    fn at(seconds: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(seconds).unwrap()
    }

    #[test]
    fn codes_are_those_of_rfc_6238_appendix_b() {
        // The appendix prints eight digits; six are its last six.
        for (seconds, printed) in [
            (59, "94287082"),
            (1_111_111_109, "07081804"),
            (1_111_111_111, "14050471"),
            (1_234_567_890, "89005924"),
            (2_000_000_000, "69279037"),
            (20_000_000_000, "65353130"),
        ] {
            assert_eq!(code(&vector(), step_at(at(seconds))), printed[2..]);
            assert_eq!(verify(&vector(), &printed[2..], at(seconds), None), Some(step_at(at(seconds))));
        }
    }

    #[test]
    fn one_step_of_skew_each_way_and_no_more() {
        let (secret, now) = (Secret::generate(), at(1_700_000_010));
        let step = step_at(now);
        for (other, expected) in
            [(step - 2, None), (step - 1, Some(step - 1)), (step, Some(step)), (step + 1, Some(step + 1)), (step + 2, None)]
        {
            let typed = code(&secret, other);
            let chance = (step - 1..=step + 1).any(|s| s != other && code(&secret, s) == typed);
            assert!(chance || verify(&secret, &typed, now, None) == expected);
        }
    }

    #[test]
    fn a_code_works_once_and_older_ones_are_dead_with_it() {
        let now = at(1_111_111_111);
        let step = step_at(now);
        let typed = code(&vector(), step);
        assert_eq!(verify(&vector(), &typed, now, Some(step - 1)), Some(step));
        assert_eq!(verify(&vector(), &typed, now, Some(step)), None);
        assert_eq!(verify(&vector(), &code(&vector(), step - 1), now, Some(step)), None);
    }

    #[test]
    fn spaces_are_ignored_and_anything_else_is_refused() {
        let now = at(59);
        assert_eq!(verify(&vector(), " 287 082 ", now, None), Some(1));
        for typed in ["", "28708", "2870822", "28708a", "２８７０８２", "-287082", "+287082"] {
            assert_eq!(verify(&vector(), typed, now, None), None, "{typed}");
        }
    }

    #[test]
    fn the_uri_names_issuer_account_and_parameters() {
        assert_eq!(
            otpauth_uri(&vector(), "a+b@example.org").as_str(),
            "otpauth://totp/VITAL%20Path:a%2Bb%40example.org?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=VITAL%20Path&algorithm=SHA1&digits=6&period=30"
        );
    }

    #[test]
    fn the_qr_code_is_an_element_with_a_white_ground_and_a_label() {
        let svg = qr_svg(&otpauth_uri(&vector(), &"ö".repeat(500)), "QR \"code\" <1>").unwrap();
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>"));
        assert!(svg.contains(r##"fill="#fff""##) && svg.contains(r#"aria-label="QR &quot;code&quot; &lt;1&gt;""#));
        assert!(qr_svg(&"x".repeat(5_000), "").is_err());
    }

    #[test]
    fn the_qr_code_draws_every_dark_module() {
        let uri = otpauth_uri(&vector(), "a@example.org");
        let dark = QrCode::with_error_correction_level(uri.as_str(), EcLevel::M)
            .unwrap()
            .to_colors()
            .iter()
            .filter(|c| **c == Color::Dark)
            .count();
        let svg = qr_svg(&uri, "x").unwrap();
        let drawn: usize = svg.split("v1h-").skip(1).map(|s| s.split('z').next().unwrap().parse::<usize>().unwrap()).sum();
        assert_eq!(drawn, dark);
    }

    #[test]
    fn debug_does_not_print_the_secret() {
        assert_eq!(format!("{:?}", vector()), "Secret(…)");
        assert!(Secret::from_bytes(&[0; 19]).is_none());
    }

    proptest! {
        #[test]
        fn any_text_at_any_time_is_judged_without_a_panic(typed in "\\PC{0,20}", seconds in -377_705_116_800_i64..253_402_300_799, last: Option<u64>) {
            let _ = verify(&vector(), &typed, at(seconds), last);
        }
    }
}
