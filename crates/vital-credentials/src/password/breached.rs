//! The embedded list of breached and commonplace passwords; provenance, licences and format are in `data/breached.md`.

use sha2::{Digest as _, Sha256};

/// Sorted prefixes of SHA-256, side by side.
static LIST: &[u8] = include_bytes!("../../data/breached.bin");
/// Bytes of one prefix.
const PREFIX_BYTES: usize = 5;

/// Tells whether the list has a password, or a password without the digits and punctuation around it; `lower` is in lower case.
pub(super) fn listed(lower: &str) -> bool {
    let around_letters = |c: char| !c.is_alphabetic();
    let around_words = |c: char| !c.is_alphanumeric();
    // `abc123!!!` needs its digits kept, `2024-dragon!` needs them gone, `1qaz2wsx!99` needs them kept at one end.
    [
        lower,
        lower.trim_matches(around_words),
        lower.trim_end_matches(around_letters),
        lower.trim_start_matches(around_letters).trim_end_matches(around_words),
        lower.trim_matches(around_letters),
    ]
    .iter()
    .any(|form| contains(form))
}

fn contains(word: &str) -> bool {
    let digest = Sha256::digest(word.as_bytes());
    let (entries, _) = LIST.as_chunks::<PREFIX_BYTES>();
    digest.first_chunk::<PREFIX_BYTES>().is_some_and(|prefix| entries.binary_search(prefix).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{hint::black_box, time::Instant};

    #[test]
    fn the_list_is_whole_sorted_and_small() {
        let (entries, rest) = LIST.as_chunks::<PREFIX_BYTES>();
        assert!(rest.is_empty() && entries.len() > 50_000 && LIST.len() < 400 * 1024);
        assert!(entries.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn well_known_passwords_are_listed_also_with_digits_and_punctuation_around_them() {
        for bad in
            ["password", "trustno1", "qwertyuiop", "password2024!!!!", "!!christopher-1985", "1234567890", "abc123???????", "1qaz2wsx!99"]
        {
            assert!(listed(bad), "{bad}");
        }
        for good in ["correct horse battery staple", "zorvex-plimth", ""] {
            assert!(!listed(good), "{good}");
        }
    }

    #[test]
    fn a_look_up_takes_less_than_50_microseconds() {
        // The best of many runs: what the code costs, not what else the machine does.
        let best = (0..200)
            .map(|i| {
                let candidate = format!("!{i}correct horse battery staple{i}!");
                let start = Instant::now();
                black_box(listed(black_box(&candidate)));
                start.elapsed()
            })
            .min()
            .unwrap();
        assert!(best.as_micros() < 50, "{best:?}");
    }
}
