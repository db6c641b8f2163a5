//! Finds words in a text: runs of letters and digits, and compounds of them such as `510(k)`, `820.30(b)` or `COVID-19`.
//!
//! **Invariant:** all offsets are bytes of the given text, lie on character borders and grow from word to word.

use std::ops::Range;

/// Most parts a compound may have; what goes on longer is no identifier (a path, a table row) and begins anew.
const PARTS_MAX: usize = 8;
/// Longest group in brackets that belongs to the word before it, in bytes: `(k)`, `(R1)`, `(iii)`.
const GROUP_BYTES_MAX: usize = 4;

/// One word or compound.
#[derive(Debug)]
pub(super) struct Word {
    /// The runs of letters and digits it is made of; at least one.
    pub(super) parts: Vec<Range<usize>>,
    /// Where the whole ends, a closing bracket included.
    pub(super) end: usize,
    /// Index of the first part that stands in brackets.
    pub(super) first_group: Option<usize>,
}

impl Word {
    /// Where the whole begins.
    pub(super) fn start(&self) -> usize {
        self.parts.first().map_or(self.end, |p| p.start)
    }
}

/// Yields the words of a text in order. With `editions`, a number and the year of its edition are one word.
pub(super) fn words(text: &str, editions: bool) -> impl Iterator<Item = Word> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + text[at..].char_indices().find(|(_, c)| is_word(*c))?.0;
        let word = compound(text, start, editions);
        at = word.end;
        Some(word)
    })
}

fn compound(text: &str, start: usize, editions: bool) -> Word {
    let mut end = run_end(text, start);
    let mut word = Word { parts: std::iter::once(start..end).collect(), end, first_group: None };
    if text[start..end].chars().next().is_some_and(is_ideograph) {
        return word;
    }
    while word.parts.len() < PARTS_MAX {
        if let Some(group) = group_at(text, end) {
            word.first_group.get_or_insert(word.parts.len());
            end = group.end + 1;
            word.parts.push(group);
        } else if let Some(next) = joined_at(text, end, editions) {
            end = run_end(text, next);
            word.parts.push(next..end);
        } else {
            break;
        }
        word.end = end;
    }
    word
}

/// End of the run of word characters at `start`. An ideograph is a run of its own, for Chinese and Japanese write no spaces.
fn run_end(text: &str, start: usize) -> usize {
    let mut chars = text[start..].char_indices().peekable();
    let mut end = start;
    while let Some((offset, c)) = chars.next() {
        let at = start + offset;
        if is_ideograph(c) {
            return if at == start { at + c.len_utf8() } else { end };
        }
        let inside = is_apostrophe(c) && at > start && chars.peek().is_some_and(|(_, next)| next.is_alphabetic());
        if !(is_word(c) || inside || (is_ignorable(c) && at > start)) {
            break;
        }
        end = at + c.len_utf8();
    }
    end
}

/// A short group in brackets directly at `at`, without its brackets.
fn group_at(text: &str, at: usize) -> Option<Range<usize>> {
    let inner = text[at..].strip_prefix('(')?;
    let length = inner.bytes().take_while(u8::is_ascii_alphanumeric).count();
    ((1..=GROUP_BYTES_MAX).contains(&length) && inner[length..].starts_with(')')).then_some(at + 1..at + 1 + length)
}

/// Start of the run that a single connecting mark at `at` joins to what stands before it.
fn joined_at(text: &str, at: usize, editions: bool) -> Option<usize> {
    let mut chars = text[at..].chars();
    let mark = chars.next().filter(|c| is_hyphen(*c) || matches!(c, '.' | '/' | '_') || (editions && *c == ':' && is_edition(text, at)))?;
    chars.next().filter(|c| is_word(*c) && !is_ideograph(*c)).map(|_| at + mark.len_utf8())
}

/// Whether the colon at `at` stands between a number and the year of its edition: `14971:2019`.
fn is_edition(text: &str, at: usize) -> bool {
    let year: Vec<u8> = text[at + 1..].bytes().take_while(u8::is_ascii_alphanumeric).take(5).collect();
    let after_digit = text[..at].ends_with(|c: char| c.is_ascii_digit());
    after_digit && matches!(year.as_slice(), [b'1', b'9', _, _] | [b'2', b'0', _, _]) && year.iter().all(u8::is_ascii_digit)
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric()
}

/// Combining marks (their base letter comes first), the soft hyphen and joiners that PDF text carries inside words.
fn is_ignorable(c: char) -> bool {
    unicode_normalization::char::is_combining_mark(c) || matches!(c, '\u{ad}' | '\u{200c}' | '\u{200d}' | '\u{2060}')
}

fn is_apostrophe(c: char) -> bool {
    matches!(c, '\'' | '\u{2019}')
}

/// The hyphens and the dashes that stand for one: hyphen-minus, hyphen, no-break hyphen, figure dash, en dash.
pub(super) fn is_hyphen(c: char) -> bool {
    matches!(c, '-' | '\u{2010}'..='\u{2013}')
}

/// Han, Hiragana and Katakana.
fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parts(text: &str) -> Vec<Vec<&str>> {
        words(text, true).map(|w| w.parts.into_iter().map(|p| &text[p]).collect()).collect()
    }

    #[test]
    fn compounds_keep_their_parts_together() {
        assert_eq!(parts("a 510(k), then 820.30(b)(1)."), [vec!["a"], vec!["510", "k"], vec!["then"], vec!["820", "30", "b", "1"]]);
        assert_eq!(parts("see (EU) 2017/745 and E9(R1)"), [vec!["see"], vec!["EU"], vec!["2017", "745"], vec!["and"], vec!["E9", "R1"]]);
    }

    #[test]
    fn a_bracket_with_a_space_or_a_long_content_ends_the_word() {
        assert_eq!(parts("trial (k) drug(substance)"), [["trial"], ["k"], ["drug"], ["substance"]]);
    }

    #[test]
    fn chinese_text_is_cut_into_characters() {
        assert_eq!(parts("临床trial试验"), [["临"], ["床"], ["trial"], ["试"], ["验"]]);
    }

    proptest! {
        #[test]
        fn offsets_are_ordered_character_borders(text in "\\PC{0,60}|[a-z0-9().'/\u{ad}\u{2019} -]{0,60}") {
            let mut at = 0;
            for word in words(&text, true) {
                for part in &word.parts {
                    prop_assert!(part.start >= at && part.end > part.start && text.get(part.clone()).is_some());
                    at = part.end;
                }
                prop_assert!(word.end >= at && text.get(word.start()..word.end).is_some());
                at = word.end;
            }
        }
    }
}
