//! How random a text looks: Shannon entropy of its letters, and the marks of text that somebody wrote.

/// Bits per character, 0 for an empty text (C. E. Shannon, A Mathematical Theory of Communication, 1948).
#[expect(clippy::cast_precision_loss, reason = "lengths of lines are far below 2^52")]
pub fn bits(text: &str) -> f64 {
    let mut counts = [0_usize; 256];
    for byte in text.bytes() {
        counts[usize::from(byte)] += 1;
    }
    let length = text.len() as f64;
    counts.iter().filter(|n| **n > 0).map(|n| *n as f64 / length).map(|share| -share * share.log2()).sum()
}

/// Whether a value looks as if a machine had drawn it at random.
///
/// Hexadecimal of at least 32 digits needs 3 bits a character; anything else needs 3.5 bits, letters and digits, and must not read like words: a
/// run of six small letters where digits are rare. Among letters of both cases such a run is rare, and among small letters alone digits are not.
pub fn looks_random(value: &str) -> bool {
    if value.len() >= 32 && value.bytes().all(|b| b.is_ascii_hexdigit()) {
        return bits(value) >= 3.0;
    }
    let letters = value.bytes().any(|b| b.is_ascii_alphabetic());
    let digits = value.bytes().filter(u8::is_ascii_digit).count();
    let words = value.split(|c: char| !c.is_ascii_lowercase()).any(|run| run.len() >= 6);
    letters && digits > 0 && !(words && digits * 6 < value.len()) && bits(value) >= 3.5
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entropy_of_worked_examples() {
        assert!(bits("").abs() < 1e-9);
        assert!(bits("aaaa").abs() < 1e-9);
        assert!((bits("abcd") - 2.0).abs() < 1e-9);
        assert!((bits("0123456789abcdef") - 4.0).abs() < 1e-9);
    }

    #[test]
    fn what_was_drawn_looks_random_whatever_its_letters() {
        for text in ["q4w8zjkfmdx73hv9b2ntr6cs5gpl0ay1", "7kQ2xV9bT4mZ8pL1wR6s", "9f86d081884c7d659a2feaa0c55ad015", "ABQ7XK4MZ2TWNRC5"] {
            assert!(looks_random(text), "{text}");
        }
    }

    #[test]
    fn words_paths_and_names_do_not_look_random() {
        for text in [
            "correct-horse-battery-staple-42",
            "/run/secrets/anthropic-key1",
            "session.token.expired.2026",
            "00000000000000000000000000000000",
        ] {
            assert!(!looks_random(text), "{text}");
        }
    }
}
