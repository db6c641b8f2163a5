//! What may be chosen as a password: long enough, not in the breached list, not made of the person's own words or of a pattern.
//!
//! There are no rules of composition ("one digit, one capital"): NIST SP 800-63B-4 section 3.1.1.2 forbids them.

use super::breached;
use std::collections::HashSet;
use vital_kernel::limits;

/// Shortest password, in characters, of a person who also has a second factor (NIST SP 800-63B-4 section 3.1.1.2).
pub const PASSWORD_CHARS_MIN_WITH_SECOND_FACTOR: usize = 8;
/// What must be left of a password, in characters, when words and patterns that anybody would try are taken out.
const REST_CHARS_MIN: usize = 6;
/// Different characters that must be among them.
const REST_DISTINCT_MIN: usize = 5;
/// Shortest run along a keyboard row or the alphabet that counts as a pattern; shorter ones are inside ordinary words.
const WALK_CHARS_MIN: usize = 4;
/// Shortest piece of a name or an address that counts as a word of the person.
const CONTEXT_CHARS_MIN: usize = 3;
/// Most words of the person that are looked for.
const CONTEXT_WORDS_MAX: usize = 32;
/// Words of this product.
const OWN_WORDS: [&str; 3] = ["vitalpath", "vital", "path"];
/// Rows along which fingers walk: alphabet, digits, QWERTY, QWERTZ, AZERTY, columns.
const WALKS: [&str; 6] = [
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890123456789",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm",
    "azertyuiopqsdfghjklmwxcvbn",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
];

/// Why a password cannot be chosen.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unacceptable {
    /// Fewer characters than asked for.
    #[error("Use at least {at_least} characters; several unrelated words are easy to remember.")]
    TooShort {
        /// How many are needed.
        at_least: usize,
    },
    /// More bytes than are hashed.
    #[error("Use at most {} bytes.", limits::PASSWORD_BYTES_MAX)]
    TooLong,
    /// It, or it without the digits and punctuation around it, is in the breached list.
    #[error("This password is on the list of those that attackers try first. Use several unrelated words.")]
    Breached,
    /// Little is left of it without the person's name, address and this product's name.
    #[error("This password is made of your name, your address or the name of this product. Use several unrelated words.")]
    AboutYou,
    /// It repeats itself or follows the keyboard.
    #[error("This password repeats itself or follows the keyboard. Use several unrelated words.")]
    Pattern,
}

/// Says whether a password may be chosen; `context_words` are the person's address, name and the like.
///
/// # Errors
/// The first reason against it.
pub fn acceptable(password: &str, context_words: &[&str], second_factor: bool) -> Result<(), Unacceptable> {
    if password.len() > limits::PASSWORD_BYTES_MAX {
        return Err(Unacceptable::TooLong);
    }
    let at_least = if second_factor { PASSWORD_CHARS_MIN_WITH_SECOND_FACTOR } else { limits::PASSWORD_CHARS_MIN };
    let normal = super::normal(password);
    // One letter of Arabic can become eighteen in form NFKC.
    if normal.len() > limits::PASSWORD_BYTES_MAX {
        return Err(Unacceptable::TooLong);
    }
    if normal.chars().count() < at_least {
        return Err(Unacceptable::TooShort { at_least });
    }
    let lower = normal.to_lowercase();
    if breached::listed(&lower) {
        return Err(Unacceptable::Breached);
    }
    if repeats(&lower) {
        return Err(Unacceptable::Pattern);
    }
    let impersonal = without_words(&lower, context_words);
    if impersonal != lower && !enough(&impersonal) {
        return Err(Unacceptable::AboutYou);
    }
    if enough(&without_walks(&impersonal)) { Ok(()) } else { Err(Unacceptable::Pattern) }
}

/// Tells whether a text is one unit over and over, the last time perhaps cut short.
fn repeats(text: &str) -> bool {
    let chars: Vec<char> = text.chars().collect();
    (1..=chars.len() / 2).any(|unit| chars.iter().zip(&chars[unit..]).all(|(a, b)| a == b))
}

fn enough(rest: &str) -> bool {
    let chars: Vec<char> = rest.chars().filter(|c| !c.is_whitespace()).collect();
    chars.len() >= REST_CHARS_MIN && chars.iter().collect::<HashSet<_>>().len() >= REST_DISTINCT_MIN
}

fn without_words(lower: &str, context: &[&str]) -> String {
    let context: Vec<String> = context.iter().map(|w| w.to_lowercase()).collect();
    let pieces = context.iter().flat_map(|w| w.split(|c: char| !c.is_alphanumeric()));
    let mut words: Vec<&str> = pieces.filter(|w| w.chars().count() >= CONTEXT_CHARS_MIN).take(CONTEXT_WORDS_MAX).collect();
    words.extend(OWN_WORDS);
    // The longest first, or the rest of a word would stay behind its beginning.
    words.sort_by_key(|w| std::cmp::Reverse(w.len()));
    words.iter().fold(lower.to_owned(), |rest, word| rest.replace(word, " "))
}

fn without_walks(lower: &str) -> String {
    let chars: Vec<char> = lower.chars().collect();
    let mut rest = String::with_capacity(lower.len());
    let mut at = 0;
    while at < chars.len() {
        let run = walk(&chars[at..]);
        if run >= WALK_CHARS_MIN {
            at += run;
        } else {
            rest.push(chars[at]);
            at += 1;
        }
    }
    rest
}

/// Returns how many characters at the start lie side by side on one of the rows, in either direction.
fn walk(chars: &[char]) -> usize {
    let (mut forward, mut backward) = (String::new(), String::new());
    for (length, c) in chars.iter().enumerate() {
        forward.push(*c);
        backward.insert(0, *c);
        if !WALKS.iter().any(|row| row.contains(&forward) || row.contains(&backward)) {
            return length;
        }
    }
    chars.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WHO: [&str; 2] = ["maria.kowalska@biopharm-labs.example", "Maria Kowalska"];

    #[test]
    fn several_unrelated_words_are_accepted() {
        for good in [
            "correct horse battery staple",
            "Regen über dem Fjord",
            "naprawdę długie hasło",
            "我的密码是很长的一句话真的很长",
            "x7#kQ2!pv9Lm@w4R",
        ] {
            assert_eq!(acceptable(good, &WHO, false), Ok(()), "{good}");
        }
    }

    #[test]
    fn a_second_factor_allows_eight_characters() {
        assert_eq!(acceptable("x7#kQ2!p", &WHO, true), Ok(()));
        assert_eq!(acceptable("x7#kQ2!", &WHO, true), Err(Unacceptable::TooShort { at_least: 8 }));
        assert_eq!(acceptable("x7#kQ2!p", &WHO, false), Err(Unacceptable::TooShort { at_least: 15 }));
    }

    #[test]
    fn breached_passwords_are_refused_in_any_dress() {
        for bad in ["Password20262026!", "qwertyuiopasdfghjkl;'", "CHRISTOPHER-1985-!", "!!!!!!!!Dragon!!!!!!!!"] {
            assert!(matches!(acceptable(bad, &WHO, false), Err(Unacceptable::Breached | Unacceptable::Pattern)), "{bad}");
        }
        assert_eq!(acceptable("Password20262026!", &WHO, false), Err(Unacceptable::Breached));
        assert_eq!(acceptable("trustno1!!", &WHO, true), Err(Unacceptable::Breached));
    }

    #[test]
    fn the_persons_own_words_are_refused() {
        for bad in ["Maria.Kowalska@biopharm-labs.example", "MariaKowalska2026", "VITAL Path biopharm!", "kowalska1kowalska2"] {
            assert_eq!(acceptable(bad, &WHO, false), Err(Unacceptable::AboutYou), "{bad}");
        }
        assert_eq!(acceptable("Maria likes quiet mornings", &WHO, false), Ok(()));
    }

    #[test]
    fn patterns_are_refused() {
        for bad in [
            "aaaaaaaaaaaaaaaaaaaa",
            "passwordpasswordpassword",
            "xK3!xK3!xK3!xK3!x",
            "abcdefghijklmnop",
            "9876543210987654",
            "1q1q1q1q2w2w2w2w",
            "mnbvcxz poiuytrewq",
        ] {
            assert_eq!(acceptable(bad, &WHO, false), Err(Unacceptable::Pattern), "{bad}");
        }
    }

    #[test]
    fn length_counts_characters_and_the_limit_counts_bytes() {
        assert_eq!(acceptable(&"ä".repeat(600), &WHO, false), Err(Unacceptable::TooLong));
        assert_eq!(acceptable(&"\u{fdfa}".repeat(300), &WHO, false), Err(Unacceptable::TooLong));
        assert_eq!(acceptable("żółć żółć", &[], false), Err(Unacceptable::TooShort { at_least: 15 }));
    }

    proptest! {
        #[test]
        fn any_password_is_judged_without_a_panic(password in "\\PC{0,200}", word in "\\PC{0,20}", second: bool) {
            let _ = acceptable(&password, &[&word], second);
        }

        #[test]
        fn random_letters_are_always_accepted(password in "[a-z]{30}") {
            // A chance run of walks or repeats of this length would be a defect of the rule, not bad luck.
            prop_assert_eq!(acceptable(&password, &[], false), Ok(()));
        }
    }
}
