//! Identifiers that are written as several words: `21 CFR Part 11`, `ISO 14971`, `E9 R1`, `510 (k)`.

/// Standard bodies whose number follows as a word of its own.
const BODIES: &[&str] = &["astm", "clsi", "iec", "iso", "usp"];

/// The one term of an identifier that ends with the word `last` (as it is spelt whole, without its bracket); `before` are the words that
/// stand directly before it, nearest first, normalised. Gives how many of them belong to it.
pub(super) fn series(before: [&str; 3], last: &str) -> Option<(usize, String)> {
    let [first, second, third] = before;
    let numeric = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit());
    if last.starts_with(|c: char| c.is_ascii_digit()) {
        match first {
            "cfr" if numeric(second) => return Some((2, format!("{second}cfr{last}"))),
            "part" | "parts" if second == "cfr" && numeric(third) => return Some((3, format!("{third}cfr{last}"))),
            _ if BODIES.contains(&first) => {
                // The edition is another term: who asks for the standard means any.
                let edition = last.rsplit_once('-').filter(|(_, year)| year.len() == 4 && year.starts_with(['1', '2']));
                return Some((1, format!("{first}{}", edition.map_or(last, |(number, _)| number))));
            }
            _ => {}
        }
    }
    let revision = last.strip_prefix('r').is_some_and(numeric) && last.len() <= 3;
    let guideline = first.len() <= 4 && first.starts_with(['e', 'm', 'q', 's']) && first.len() > 1 && first.as_bytes()[1].is_ascii_digit();
    if (revision && guideline) || (first == "510" && last == "k") {
        return Some((1, format!("{first}{last}")));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_of_several_words_become_one_term() {
        assert_eq!(series(["cfr", "21", ""], "820.30"), Some((2, "21cfr820.30".into())));
        assert_eq!(series(["part", "cfr", "21"], "11"), Some((3, "21cfr11".into())));
        assert_eq!(series(["iso", "en", ""], "14971-2019"), Some((1, "iso14971".into())));
        assert_eq!(series(["iso", "", ""], "10993-1"), Some((1, "iso10993-1".into())));
        assert_eq!(series(["e9", "ich", ""], "r1"), Some((1, "e9r1".into())));
        assert_eq!(series(["510", "", ""], "k"), Some((1, "510k".into())));
    }

    #[test]
    fn other_words_are_left_alone() {
        for (before, last) in
            [(["part", "of", "21"], "11"), (["cfr", "the", ""], "11"), (["error", "", ""], "r1"), (["iso", "", ""], "form")]
        {
            assert_eq!(series(before, last), None);
        }
    }
}
