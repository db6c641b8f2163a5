//! A sentence that is longer than a passage may be: the one place where a passage ends inside a sentence.

use super::tokens::{TokenCount, size};
use std::ops::Range;

/// Words of a cut sentence that the next piece repeats, so that what a cut divides can still be found and read.
const OVERLAP_WORDS: usize = 8;
/// The share of a piece that the repeated words may take at most.
const OVERLAP_SHARE: usize = 8;
/// Pieces that a word without spaces is divided into, at least, so that they fill passages well.
const WORD_SHARE: usize = 8;

/// A piece of a sentence, in bytes of the text, with its size.
pub(super) struct Piece {
    pub(super) range: Range<usize>,
    pub(super) tokens: usize,
}

/// Cuts a sentence into pieces of at most `max` tokens, at spaces. Each piece but the first repeats the last words of the one
/// before it.
pub(super) fn cut(text: &str, sentence: Range<usize>, max: usize, count: &TokenCount<'_>) -> Vec<Piece> {
    let words = words(text, sentence, max, count);
    let mut pieces = Vec::new();
    let mut from = 0;
    while let Some(first) = words.get(from) {
        let (mut to, mut tokens) = (from + 1, first.tokens);
        while let Some(word) = words.get(to).filter(|word| tokens + word.tokens <= max) {
            tokens += word.tokens;
            to += 1;
        }
        let end = words.get(to - 1).map_or(first.range.end, |last| last.range.end);
        pieces.push(Piece { range: first.range.start..end, tokens });
        if to == words.len() {
            break;
        }
        from = to - repeated(&words, from, to, max);
    }
    pieces
}

/// How many words at the end of a piece the next one repeats; never all of them.
fn repeated(words: &[Piece], from: usize, to: usize, max: usize) -> usize {
    let mut tokens = 0;
    let last = words.get(from + 1..to).unwrap_or_default().iter().rev();
    last.take(OVERLAP_WORDS)
        .take_while(|word| {
            tokens += word.tokens;
            tokens <= max / OVERLAP_SHARE
        })
        .count()
}

/// The words of a sentence; one that is far too long is divided between characters.
fn words(text: &str, sentence: Range<usize>, max: usize, count: &TokenCount<'_>) -> Vec<Piece> {
    let mut words = Vec::new();
    let mut at = sentence.start;
    for word in text.get(sentence).unwrap_or_default().split_inclusive(char::is_whitespace) {
        let end = at + word.trim_end().len();
        if end > at {
            divide(text, at..end, (max / WORD_SHARE).max(1), max, count, &mut words);
        }
        at += word.len();
    }
    words
}

/// Halves a word until its parts are small, if all of it is too large for one piece.
fn divide(text: &str, word: Range<usize>, part_max: usize, max: usize, count: &TokenCount<'_>, into: &mut Vec<Piece>) {
    let mut waiting = vec![(word, max)];
    while let Some((range, allowed)) = waiting.pop() {
        let part = text.get(range.clone()).unwrap_or_default();
        let tokens = size(part, count);
        let half = Some(part.floor_char_boundary(part.len() / 2)).filter(|half| *half > 0);
        let middle = range.start + half.unwrap_or_else(|| part.ceil_char_boundary(1));
        if tokens <= allowed || middle == range.end {
            into.push(Piece { range, tokens: tokens.min(max) });
            continue;
        }
        waiting.push((middle..range.end, part_max));
        waiting.push((range.start..middle, part_max));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn each_char(text: &str) -> usize {
        text.chars().filter(|c| !c.is_whitespace()).count()
    }

    fn pieces<'t>(text: &'t str, max: usize, count: &TokenCount<'_>) -> Vec<&'t str> {
        cut(text, 0..text.len(), max, count).into_iter().map(|p| &text[p.range]).collect()
    }

    #[test]
    fn pieces_end_at_spaces_and_repeat_a_few_words() {
        let text = (0..100).map(|n| format!("w{n}")).collect::<Vec<_>>().join(" ");
        let found = pieces(&text, 40, &|t| t.split_whitespace().count());
        assert!(found[0].starts_with("w0 ") && found[0].ends_with(" w39"));
        assert!(found[1].starts_with("w35 ") && found[1].ends_with(" w74"), "an eighth of forty words is repeated");
        assert!(found[2].starts_with("w70 ") && found[2].ends_with(" w99"));
        assert_eq!(found.len(), 3);
    }

    #[test]
    fn a_word_without_spaces_is_divided_between_characters() {
        let text = "疼".repeat(100);
        let found = pieces(&text, 30, &each_char);
        assert!(found.iter().all(|p| (20..=30).contains(&p.chars().count()) || p.len() < 90), "{found:?}");
        assert_eq!(pieces("aé", 1, &each_char), ["a", "é"]);
    }
}
