//! Recovery codes: ten codes on paper that stand in for a lost second factor, each once.
//!
//! A code is 120 random bits in Crockford's base 32, shown as six groups of four (`7K3M-…`). What is stored is SHA-256: from 112 bits on there
//! is nothing to guess (OWASP ASVS 5.0.0, 6.5.2), so a slow hash would buy nothing. Using one up is the caller's: it deletes the hash that matched.

use crate::alphabet::{self, CROCKFORD};
use sha2::{Digest as _, Sha256};
use std::fmt;
use zeroize::Zeroizing;

/// How many codes a person gets.
pub const CODES: usize = 10;
/// Random bytes of one code.
const CODE_BYTES: usize = 15;
/// Letters of one code; five bits each.
const CODE_CHARS: usize = CODE_BYTES * 8 / 5;
/// Letters of a code that was made before the codes were lengthened: those on paper still work, until new ones are made.
const FORMER_CODE_CHARS: usize = 16;
/// Letters that are shown together.
const GROUP_CHARS: usize = 4;
/// Longest text that is read as a code, in bytes: room for a separator after each letter.
const TYPED_BYTES_MAX: usize = 64;

/// A recovery code; shown once.
pub struct RecoveryCode(Zeroizing<String>);

impl RecoveryCode {
    /// Makes a new code.
    #[must_use]
    pub fn generate() -> Self {
        Self(Zeroizing::new(alphabet::base32(alphabet::random::<CODE_BYTES>().as_slice(), CROCKFORD)))
    }

    /// The code as it is shown: six groups of four letters.
    #[must_use]
    pub fn reveal(&self) -> String {
        let mut shown = String::with_capacity(CODE_CHARS + CODE_CHARS / GROUP_CHARS);
        for (at, letter) in self.0.chars().enumerate() {
            if at > 0 && at.is_multiple_of(GROUP_CHARS) {
                shown.push('-');
            }
            shown.push(letter);
        }
        shown
    }

    /// What is stored of the code.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
    }
}

impl fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryCode(…)")
    }
}

/// Makes a person's set of codes.
#[must_use]
pub fn generate() -> [RecoveryCode; CODES] {
    std::array::from_fn(|_| RecoveryCode::generate())
}

/// Returns the hash under which a typed code is looked up, or nothing when the text cannot be a code.
///
/// Case, white space and hyphens do not matter; O reads as 0, I and L as 1.
#[must_use]
pub fn read(typed: &str) -> Option<[u8; 32]> {
    if typed.len() > TYPED_BYTES_MAX {
        return None;
    }
    let mut code = Zeroizing::new(String::with_capacity(TYPED_BYTES_MAX));
    for letter in typed.chars().filter(|c| !c.is_whitespace() && !matches!(c, '-' | '‐' | '‑' | '–')) {
        let letter = match letter.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            other => other,
        };
        if !letter.is_ascii() || !CROCKFORD.contains(&(letter as u8)) {
            return None;
        }
        code.push(letter);
    }
    matches!(code.len(), CODE_CHARS | FORMER_CODE_CHARS).then(|| Sha256::digest(code.as_bytes()).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ten_different_codes_in_six_groups_of_at_least_112_bits() {
        let codes = generate();
        let hashes: std::collections::HashSet<_> = codes.iter().map(RecoveryCode::hash).collect();
        assert_eq!(hashes.len(), CODES);
        const { assert!(CODE_BYTES * 8 >= 112) };
        for code in &codes {
            assert_eq!(code.reveal().split('-').map(str::len).collect::<Vec<_>>(), [4; 6]);
            assert!(!format!("{code:?}").contains(&code.reveal()[..4]));
        }
    }

    #[test]
    fn a_code_is_read_as_people_type_it() {
        let code = RecoveryCode(Zeroizing::new("01AB01CD23EF45GH67JK89MN".to_owned()));
        for typed in [
            "01AB-01CD-23EF-45GH-67JK-89MN",
            " oiab olcd 23ef 45gh 67jk 89mn ",
            "OLABOICD23EF45GH67JK89MN",
            "01ab–01cd‑23ef-45gh-67jk89mn\n",
        ] {
            assert_eq!(read(typed), Some(code.hash()), "{typed}");
        }
    }

    #[test]
    fn a_code_of_the_former_length_is_still_read() {
        assert_eq!(read("01ab-01cd-23ef-45gh"), Some(Sha256::digest(b"01AB01CD23EF45GH").into()));
    }

    #[test]
    fn other_text_is_no_code() {
        for typed in [
            "",
            "01AB-01CD-23EF-45G",
            "01AB-01CD-23EF-45GHJ",
            "01AB-01CD-23EF-45GH-67JK-89M",
            "01AB-01CD-23EF-45GH-67JK-89MNJ",
            "01AB-01CD-23EF-45GH-67JK-89MU",
            "０１AB-01CD-23EF-45GH-67JK-89MN",
            "123456",
        ] {
            assert_eq!(read(typed), None, "{typed}");
        }
        assert_eq!(read(&"-".repeat(1_000_000)), None);
    }

    proptest! {
        #[test]
        fn every_code_reads_back_in_any_case(lower: bool) {
            let code = RecoveryCode::generate();
            let shown = if lower { code.reveal().to_lowercase() } else { code.reveal() };
            prop_assert_eq!(read(&shown), Some(code.hash()));
        }

        #[test]
        fn any_text_is_read_without_a_panic(typed in "\\PC{0,80}") {
            let _ = read(&typed);
        }
    }
}
