//! One pass over the characters of a text.

use super::Direction;

/// Share of letters read from right to left from which a text is mixed, and from which it is all right to left.
const MIXED_FROM: f64 = 0.05;
const RIGHT_TO_LEFT_FROM: f64 = 0.5;

#[derive(Default)]
pub(super) struct Letters {
    /// Characters that are no white space.
    pub(super) chars: usize,
    pub(super) words: usize,
    pub(super) replacements: usize,
    pub(super) private_use: usize,
    pub(super) misdecoded: usize,
    alphabetic: usize,
    right_to_left: usize,
    /// Words of one letter of an alphabet.
    single: usize,
}

impl Letters {
    pub(super) fn of(text: &str) -> Self {
        let mut found = Self::default();
        // Of the word at hand: its letters and digits, and whether the last was an ideograph.
        let mut word = 0_usize;
        let mut single = false;
        let mut before = ' ';
        for c in text.chars() {
            if c.is_whitespace() {
                found.end_word(&mut word, single);
                before = c;
                continue;
            }
            found.chars += 1;
            match c {
                '\u{fffd}' => found.replacements += 1,
                '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..='\u{10ffff}' => found.private_use += 1,
                _ => {}
            }
            found.misdecoded += usize::from(is_misdecoded(before, c));
            found.alphabetic += usize::from(c.is_alphabetic());
            found.right_to_left += usize::from(is_right_to_left(c));
            if is_ideograph(c) {
                found.end_word(&mut word, single);
                found.words += 1;
            } else if c.is_alphanumeric() {
                single = word == 0 && c.is_alphabetic();
                word += 1;
            }
            before = c;
        }
        found.end_word(&mut word, single);
        found
    }

    fn end_word(&mut self, word: &mut usize, single: bool) {
        self.words += usize::from(*word > 0);
        self.single += usize::from(*word == 1 && single);
        *word = 0;
    }

    /// The share of a number of characters in all of them.
    #[expect(clippy::cast_precision_loss, reason = "a share needs no more than a few digits")]
    pub(super) fn share(&self, chars: usize) -> f64 {
        if self.chars == 0 { 0.0 } else { chars as f64 / self.chars as f64 }
    }

    /// The share of words that are one letter.
    #[expect(clippy::cast_precision_loss, reason = "a share needs no more than a few digits")]
    pub(super) fn single_letters(&self) -> f64 {
        if self.words == 0 { 0.0 } else { self.single as f64 / self.words as f64 }
    }

    #[expect(clippy::cast_precision_loss, reason = "a share needs no more than a few digits")]
    pub(super) fn direction(&self) -> Direction {
        let share = if self.alphabetic == 0 { 0.0 } else { self.right_to_left as f64 / self.alphabetic as f64 };
        if share >= RIGHT_TO_LEFT_FROM {
            Direction::RightToLeft
        } else if share >= MIXED_FROM {
            Direction::Mixed
        } else {
            Direction::LeftToRight
        }
    }
}

/// UTF-8 read as Windows-1252: a lead byte shows as `Ã`, `Â` or `â` and the next one as a sign that never follows it.
fn is_misdecoded(before: char, c: char) -> bool {
    match before {
        'Ã' | 'Â' => matches!(c, '\u{a1}'..='\u{bf}' | '€' | '‚' | '„' | '…' | '†' | '‡' | '‰' | '‹' | '‘' | '’' | '“' | '”' | '•' | '™'),
        'â' => c == '€',
        _ => false,
    }
}

/// Letters of Hebrew, Arabic, Syriac, Thaana, `N'Ko` and their presentation forms.
fn is_right_to_left(c: char) -> bool {
    c.is_alphabetic()
        && matches!(c, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{feff}' | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}')
}

/// Characters that are words of their own: CJK ideographs and kana.
fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}
