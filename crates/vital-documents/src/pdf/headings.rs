//! Tells headings from their size, weight, number and surroundings.

use super::lines::Line;
use std::collections::HashMap;

/// Longest heading, in characters, of one line.
const CHARS_MAX: usize = 120;
/// A heading's type is larger than the body's by at least this factor, where size alone decides.
const LARGER: f32 = 1.12;
/// Most levels told apart by size.
const SIZE_LEVELS_MAX: usize = 4;

/// What headings look like in one document.
pub(super) struct Headings {
    body_size: f32,
    body_bold: bool,
    /// Sizes of headings, from the largest.
    sizes: Vec<f32>,
    pitch: f32,
}

impl Headings {
    pub(super) fn of(lines: &[&Line], pitch: f32) -> Self {
        // Sizes are compared in half points.
        let half = |size: f32| (size * 2.0).round() as i32;
        let mut letters: HashMap<i32, usize> = HashMap::new();
        let (mut bold, mut all) = (0, 0);
        for line in lines {
            let count = line.text.chars().count();
            *letters.entry(half(line.size)).or_default() += count;
            all += count;
            bold += if line.bold { count } else { 0 };
        }
        let body = letters.iter().max_by_key(|(size, count)| (**count, **size)).map_or(20, |(size, _)| *size);
        let body_size = body as f32 / 2.0;
        let mut halves: Vec<i32> =
            lines.iter().filter(|l| l.size >= body_size * LARGER && is_title_like(&l.text)).map(|l| half(l.size)).collect();
        halves.sort_unstable_by(|a, b| b.cmp(a));
        halves.dedup_by(|a, b| (*a - *b).abs() <= 1);
        let sizes = halves.into_iter().take(SIZE_LEVELS_MAX).map(|h| h as f32 / 2.0).collect();
        Self { body_size, body_bold: bold * 2 > all, sizes, pitch }
    }

    /// The level of a heading, or `None` for other lines.
    pub(super) fn level(&self, previous: Option<&Line>, line: &Line, next: Option<&Line>) -> Option<u8> {
        if !is_title_like(&line.text) {
            return None;
        }
        let gap = |above: &Line, below: &Line| {
            above.page != below.page || (above.y - below.y).abs() > self.pitch * 1.2 * above.size.max(below.size)
        };
        let apart = previous.is_none_or(|p| gap(p, line) || (p.size - line.size).abs() > 0.5);
        let stands_alone = apart && next.is_some_and(|n| gap(line, n) || n.bold != line.bold || !n.text.starts_with(char::is_lowercase));
        let bold = line.bold && !self.body_bold;
        let depth = number_depth(&line.text);
        if line.size >= self.body_size * LARGER {
            let by_size = self.sizes.iter().position(|size| line.size > size - 0.75).unwrap_or(SIZE_LEVELS_MAX - 1);
            return Some(level(by_size + 1));
        }
        let below_sizes = self.sizes.len();
        // Numbered lines on top of each other are the items of a list.
        let listed =
            |other: Option<&Line>| depth == Some(1) && other.is_some_and(|o| o.page == line.page && number_depth(&o.text) == Some(1));
        if !bold && (listed(previous) || listed(next)) {
            return None;
        }
        match depth {
            Some(depth) if line.size >= self.body_size * 0.95 && (bold || (stands_alone && has_capital(&line.text))) => {
                Some(level(if below_sizes == 0 { depth } else { depth + 1 }))
            }
            None if bold && apart && line.size >= self.body_size * 0.95 => Some(level(below_sizes + 1)),
            None if stands_alone && is_capitals(&line.text) => Some(level(below_sizes + 1)),
            _ => None,
        }
    }
}

fn level(level: usize) -> u8 {
    u8::try_from(level.clamp(1, 6)).unwrap_or(6)
}

/// Short, worded, and without the stop of a sentence.
fn is_title_like(text: &str) -> bool {
    let letters = text.chars().filter(|c| c.is_alphabetic()).count();
    let cells = text.matches('\t').count();
    let numbered_cell = cells == 1 && number_depth(text).is_some();
    letters >= 3
        && letters * 2 > text.chars().filter(|c| !c.is_whitespace()).count()
        && text.chars().count() <= CHARS_MAX
        && (cells == 0 || numbered_cell)
        && !text.ends_with(['.', ';', ',', ':', '-'])
        && !text.starts_with(char::is_lowercase)
        && crate::text::bullet(text).is_none()
}

/// Letters in capitals alone, and at least two words' worth of them.
fn is_capitals(text: &str) -> bool {
    let letters = text.chars().filter(|c| c.is_alphabetic()).count();
    letters >= 5 && text.chars().count() <= 80 && !text.chars().any(char::is_lowercase)
}

/// Whether the words after the number begin with a capital.
fn has_capital(text: &str) -> bool {
    text.split_whitespace().nth(1).is_some_and(|word| word.starts_with(char::is_uppercase))
}

/// How deep a section number goes: 1 for "3 Scope", 2 for "3.2 Scope" or "A.1 Scope"; `None` without one.
pub(super) fn number_depth(text: &str) -> Option<usize> {
    let (number, rest) = text.split_once(char::is_whitespace)?;
    let named = ["Annex", "Appendix", "Chapter", "Part", "Section", "Article", "Table", "Figure"].contains(&number);
    if named {
        let mark = rest.split_whitespace().next()?;
        let numbered = mark.len() <= 5 && mark.starts_with(|c: char| c.is_ascii_digit() || c.is_ascii_uppercase());
        let heading = !matches!(number, "Table" | "Figure") && numbered && (mark.len() == 1 || mark.chars().any(|c| c.is_ascii_digit()));
        return heading.then_some(1);
    }
    let parts: Vec<&str> = number.trim_end_matches('.').split('.').collect();
    let digits = |part: &&str| (1..=3).contains(&part.len()) && part.chars().all(|c| c.is_ascii_digit());
    let lettered = |part: &&str| part.len() == 1 && part.chars().all(|c| c.is_ascii_uppercase());
    let (first, others) = parts.split_first()?;
    let numbered = (digits(first) && first.len() <= 2) || (lettered(first) && !others.is_empty());
    let worded = rest.trim_start().starts_with(char::is_alphabetic);
    (numbered && others.iter().all(digits) && parts.len() <= 6 && worded).then_some(parts.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn section_numbers_have_a_depth() {
        for (text, depth) in [
            ("3 Scope", Some(1)),
            ("3. Scope", Some(1)),
            ("3.2.1\tScope", Some(3)),
            ("A.1 Terms", Some(2)),
            ("Annex B Forms", Some(1)),
            ("2019 was wet", None),
            ("5 % of all", None),
            ("A man came", None),
            ("Part of it", None),
            ("Table 3 Doses", None),
        ] {
            assert_eq!(number_depth(text), depth, "{text}");
        }
    }

    #[test]
    fn numbered_lines_on_top_of_each_other_are_a_list() {
        let line = |text: &str, y: f32| Line {
            text: text.to_owned(),
            x0: 72.0,
            x1: 200.0,
            y,
            size: 10.0,
            turns: 0,
            bold: false,
            page: 1,
            row: false,
            inks: vec![],
        };
        let lines = [
            line("1. Wash hands", 700.0),
            line("2. Put on gloves", 680.0),
            line("3 Methods", 600.0),
            line("A sentence follows here.", 570.0),
        ];
        let headings = Headings::of(&lines.iter().collect::<Vec<_>>(), 1.2);
        assert_eq!(headings.level(None, &lines[0], Some(&lines[1])), None);
        assert_eq!(headings.level(Some(&lines[3]), &lines[2], Some(&lines[3])), Some(1));
    }

    #[test]
    fn sentences_and_rows_are_no_titles() {
        for text in ["It ends here.", "and goes on", "12.4 3.5 ab", "a\tb\tc", "• Item"] {
            assert!(!is_title_like(text), "{text}");
        }
        assert!(is_title_like("Conformity assessment") && is_title_like("4.2\tScope"));
    }
}
