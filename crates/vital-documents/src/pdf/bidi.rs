//! Right-to-left text: from the order in which letters stand on the page to the order in which they are read.
//!
//! Programs write such lines in either order, and the page shows only places. So a line with letters of a right-to-left
//! script is sorted by place and then read from its own side, which undoes the reordering for display of Unicode Standard
//! Annex #9 for one level of embedding: words in other letters, and numbers, keep their order from left to right.

/// Which way a piece of a line is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Right,
    Left,
    Number,
    /// A mark that goes with its neighbours.
    Neutral,
}

/// Whether a character is a letter of a script that is read from right to left: Hebrew, Arabic, Syriac, Thaana, N'Ko and
/// their neighbours, with their presentation forms.
pub(super) fn is_right_to_left(c: char) -> bool {
    matches!(c, '\u{5be}'..='\u{65f}' | '\u{66e}'..='\u{6ef}' | '\u{6fa}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}' | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1eeff}')
}

fn way(text: &str) -> Way {
    let strong = text.chars().find(|c| c.is_alphanumeric());
    match strong {
        Some(c) if is_right_to_left(c) => Way::Right,
        Some(c) if c.is_numeric() => Way::Number,
        Some(_) => Way::Left,
        None if text.chars().any(is_right_to_left) => Way::Right,
        None => Way::Neutral,
    }
}

/// Whether most letters are read from right to left.
pub(super) fn is_mostly_right_to_left<'t>(texts: impl Iterator<Item = &'t str>) -> bool {
    let (mut right, mut left) = (0_usize, 0_usize);
    for text in texts {
        match way(text) {
            Way::Right => right += 1,
            Way::Left => left += 1,
            _ => {}
        }
    }
    right > left
}

/// Whether a line of pieces, from the left to the right of the page, is read from the right: its outermost letters say so, or
/// if they disagree most of them.
pub(super) fn is_line_right_to_left<'t>(texts: impl DoubleEndedIterator<Item = &'t str> + Clone) -> bool {
    let is_strong = |way: &Way| matches!(way, Way::Right | Way::Left);
    match (texts.clone().map(way).find(is_strong), texts.clone().rev().map(way).find(is_strong)) {
        (Some(first), Some(last)) if first == last => first == Way::Right,
        _ => is_mostly_right_to_left(texts),
    }
}

/// The order in which pieces are read that stand from left to right on the page.
pub(super) fn logical_order(texts: &[&str]) -> Vec<usize> {
    let ways: Vec<Way> = texts.iter().map(|text| way(text)).collect();
    let mut order: Vec<usize> = (0..texts.len()).collect();
    if is_line_right_to_left(texts.iter().copied()) {
        order.reverse();
        let turned: Vec<Way> = order.iter().filter_map(|at| ways.get(*at)).copied().collect();
        let words: Vec<&str> = order.iter().filter_map(|at| texts.get(*at)).copied().collect();
        turn_back(&mut order, &turned, &words, Way::Left);
    } else {
        turn_back(&mut order, &ways, texts, Way::Right);
    }
    order
}

/// Turns around every stretch that is read the other way than its line.
fn turn_back(order: &mut [usize], ways: &[Way], texts: &[&str], other: Way) {
    let mut at = 0;
    while let Some(way) = ways.get(at) {
        let numbers_too = other == Way::Left;
        let end = if *way == other || (numbers_too && *way == Way::Number) {
            let wide = stretch(ways, at, |way| way == other || (numbers_too && way == Way::Number));
            // Numbers beside a name in other letters are of it; on their own each is turned alone.
            if ways.get(at..wide).is_some_and(|ways| ways.contains(&other)) { wide } else { number_end(ways, texts, at) }
        } else {
            at + 1
        };
        if let Some(part) = order.get_mut(at..end) {
            part.reverse();
        }
        at = end;
    }
}

/// The end of a stretch that begins at `at`: past the last piece that `belongs` before a piece of another way; marks in
/// between are of it.
fn stretch(ways: &[Way], at: usize, belongs: impl Fn(Way) -> bool) -> usize {
    let mut end = at + 1;
    for (next, way) in ways.iter().enumerate().skip(at + 1) {
        if belongs(*way) {
            end = next + 1;
        } else if *way != Way::Neutral {
            break;
        }
    }
    end
}

/// The end of a number that begins at `at`: "12.5" is one number and "3 4" are two.
fn number_end(ways: &[Way], texts: &[&str], at: usize) -> usize {
    let is_digit = |at: usize| ways.get(at) == Some(&Way::Number);
    let joins = |at: usize| texts.get(at).is_some_and(|t| matches!(*t, "." | "," | ":" | "/" | "-" | "\u{2212}" | "\u{2013}"));
    let mut end = at + 1;
    while is_digit(end) || (joins(end) && is_digit(end + 1)) {
        end += 1;
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a line whose letters stand in this order from the left.
    fn read(shown: &str) -> String {
        let letters: Vec<String> = shown.chars().map(String::from).collect();
        let texts: Vec<&str> = letters.iter().map(String::as_str).collect();
        logical_order(&texts).into_iter().map(|at| texts[at]).collect()
    }

    #[test]
    fn hebrew_is_read_from_the_right_and_numbers_and_names_in_it_from_the_left() {
        assert_eq!(read("םולש"), "שלום");
        assert_eq!(read("ג\"מ 12.5 ןונימ"), "מינון 12.5 מ\"ג");
        assert_eq!(read("הנשב Acme Trial 7 רקחמ"), "מחקר Acme Trial 7 בשנה");
        assert_eq!(read("4 3 םיפיעס"), "סעיפים 3 4");
    }

    #[test]
    fn a_hebrew_word_in_an_english_line_is_turned_alone() {
        assert_eq!(read("the word םולש means peace"), "the word שלום means peace");
        assert_eq!(read("no such letters at all, 12.5 of them"), "no such letters at all, 12.5 of them");
    }

    #[test]
    fn arabic_is_read_from_the_right_with_either_digits() {
        assert_eq!(read("مك 25 ةعرج"), "جرعة 25 كم");
        assert_eq!(read("٢٥ ةعرج"), "جرعة ٢٥");
    }
}
