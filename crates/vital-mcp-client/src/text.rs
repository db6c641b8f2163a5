//! Texts of strangers: what cannot be seen is taken out, what is too long is cut.
//!
//! **Invariant:** what is left shows on a screen as it is given to a model: no control characters but line feed and tab, nothing that changes
//! the direction of writing, nothing of no width, none of the signs that spell ASCII unseen.

/// Whether a character cannot be seen, or changes how others are seen.
///
/// Controls (ANSI sequences begin with one), bidirectional controls (Unicode Standard Annex 9), characters without width, fillers that look
/// empty, tags (U+E0000 to U+E007F), variation selectors but for the two that choose between text and picture, interlinear notes,
/// surrogates' stand-ins and private use.
#[must_use]
pub const fn is_hidden(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' => true,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' => true,
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' => true,
        '\u{fe00}'..='\u{fe0d}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' => true,
        '\u{e000}'..='\u{f8ff}' | '\u{e0000}'..='\u{e0fff}' | '\u{f0000}'..='\u{10ffff}' => true,
        _ => false,
    }
}

/// The text without what cannot be seen, line ends as line feeds, cut after so many characters. True where it was cut.
#[must_use]
pub fn readable(text: &str, chars_max: usize) -> (String, bool) {
    let mut seen = text.chars().filter(|c| !is_hidden(*c));
    let kept: String = seen.by_ref().take(chars_max).collect();
    (kept.trim().to_owned(), seen.next().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_cannot_be_seen_is_taken_out() {
        let evil = "Adds\u{202e} two\u{200b} \u{1b}[31mnumbers\u{e0049}\u{e0067}\u{feff}.\r\nThen\u{2066} stops\u{0}.";
        assert_eq!(readable(evil, 200), ("Adds two [31mnumbers.\nThen stops.".to_owned(), false));
        assert_eq!(readable("⚠\u{fe0f} µg ≥ 0,5 漢字\tи", 200).0, "⚠\u{fe0f} µg ≥ 0,5 漢字\tи");
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(readable("äöü", 2), ("äö".to_owned(), true));
        assert_eq!(readable("äö\u{200b}", 2), ("äö".to_owned(), false));
    }

    proptest! {
        #[test]
        fn nothing_hidden_is_left_and_nothing_is_longer(text in any::<String>(), max in 0_usize..50) {
            let (kept, _) = readable(&text, max);
            prop_assert!(kept.chars().count() <= max && !kept.chars().any(is_hidden));
            prop_assert_eq!(readable(&kept, max).0, kept);
        }
    }
}
