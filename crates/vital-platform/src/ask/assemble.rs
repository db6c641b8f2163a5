//! Turns the text deltas of a provider into typed pieces of an answer: blocks, sentences, and the citation numbers after them.
//!
//! **Invariants:** the pieces depend on the text alone, not on how it was split into deltas (tokens joined). No citation mark reaches
//! the text. A sentence is closed only when no mark can follow it any more. HTML stays text: nothing here is markup for anybody.
//!
//! The Markdown that models write is understood as far as an answer needs it: headings, list items, paragraphs; `**` and backticks go.
//! Deliberately not here: what a number cites (`bind.rs`) and whether that is true (`check.rs`).

use super::answer::BlockKind;
use vital_documents::sentences;

/// Longest text in square brackets that can be a citation mark, in characters.
const MARK_CHARS_MAX: usize = 80;
/// Most citation numbers that one sentence keeps.
const MARKS_MAX: usize = 16;
/// Largest range `[2-5]` that is spelt out.
const MARK_RANGE_MAX: u32 = 12;
/// Characters of the line that decide what kind of line it is.
const PREFIX_CHARS_MAX: usize = 40;
/// Bytes of a sentence that decide where it ends.
const LOOK_BACK_BYTES: usize = 240;
/// Longest word after a stop that is waited for, in bytes.
const NEXT_WORD_BYTES_MAX: usize = 64;

/// A piece of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Text to append to a sentence.
    Token {
        /// Running number of the block, from 0.
        block: u32,
        /// What the block is for.
        block_kind: BlockKind,
        /// Running number of the sentence in the answer, from 0.
        sentence: u32,
        /// The text to append.
        text: String,
    },
    /// A sentence is complete.
    SentenceEnd {
        /// Running number of the sentence.
        sentence: u32,
        /// Its whole text.
        text: String,
        /// The citation numbers it carried, in order, without repeats.
        markers: Vec<u32>,
    },
}

/// Assembles an answer from deltas.
#[derive(Debug, Default)]
pub struct Assembler {
    place: Place,
    /// Start of a line, until it is known what kind of line it is.
    prefix: String,
    /// A bracket that may become a citation mark.
    bracket: Option<String>,
    /// A star that may become one of two.
    star: bool,
    /// White space that is written only if text follows.
    space: bool,
    /// After a stop: the first word of what may be the next sentence, with the marks before it.
    next_word: Option<String>,
    /// Whether white space was seen since the stop.
    stop_seen: bool,
    /// The block that is open; its number counts only once it has text.
    block: Option<BlockKind>,
    block_has_text: bool,
    blocks: u32,
    had_body: bool,
    sentence: u32,
    text: String,
    markers: Vec<u32>,
    pending: String,
    out: Vec<Piece>,
}

/// Where in a line the assembler is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// Before the first character that tells what the line is.
    #[default]
    LineStart,
    /// In the text of a line.
    Text,
}

impl Assembler {
    /// Takes a delta and returns the pieces that are certain now.
    pub fn push(&mut self, delta: &str) -> Vec<Piece> {
        for c in delta.chars().filter(|c| !is_invisible(*c)) {
            self.take(if c == '\r' { '\n' } else { c });
        }
        self.flush_pending();
        std::mem::take(&mut self.out)
    }

    /// Ends the text and returns what was held back.
    pub fn finish(mut self) -> Vec<Piece> {
        if self.place == Place::LineStart && !self.prefix.is_empty() {
            self.decide_line(true);
        }
        self.end_bracket();
        self.end_star(' ');
        self.decide_stop(true);
        self.close_sentence();
        std::mem::take(&mut self.out)
    }

    fn take(&mut self, c: char) {
        match self.place {
            Place::LineStart => self.take_line_start(c),
            Place::Text => self.take_text(c),
        }
    }

    fn take_line_start(&mut self, c: char) {
        if c == '\n' {
            let rule = self.prefix.chars().filter(|c| !c.is_whitespace()).count() >= 3
                && self.prefix.chars().all(|c| matches!(c, '-' | '*' | '_' | ' '));
            if !self.prefix.trim().is_empty() && !rule {
                self.decide_line(true);
                self.take_text('\n');
                return;
            }
            self.prefix.clear();
            self.close_block();
            return;
        }
        self.prefix.push(if c.is_whitespace() { ' ' } else { c });
        if self.prefix_is_open() && self.prefix.chars().count() < PREFIX_CHARS_MAX {
            return;
        }
        self.decide_line(false);
    }

    /// Whether the start of the line can still become a heading, a list item or a rule.
    fn prefix_is_open(&self) -> bool {
        let text = self.prefix.trim_start();
        if text.is_empty() {
            return true;
        }
        let rule = text.chars().all(|c| matches!(c, '-' | '*' | '_' | ' ')) && !matches!(text.trim_end(), "-" | "*");
        let hashes = text.len() <= 6 && text.bytes().all(|b| b == b'#');
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let number = (1..=3).contains(&digits) && (text.len() == digits || (text.len() == digits + 1 && text.ends_with(['.', ')'])));
        rule || hashes || number || matches!(text, "-" | "*" | "+" | "•" | "–" | ">")
    }

    /// Opens the block that the line belongs to and reads what is left of its start as text.
    fn decide_line(&mut self, at_end: bool) {
        let line = std::mem::take(&mut self.prefix);
        let text = line.trim_start();
        self.place = Place::Text;
        let item = |rest: &str| rest.starts_with(' ') || (at_end && rest.is_empty());
        let hashes = text.bytes().take_while(|b| *b == b'#').count();
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let bullet = ["-", "*", "+", "•", "–"].iter().find_map(|b| text.strip_prefix(b)).filter(|r| item(r));
        let numbered = text[digits..].strip_prefix(['.', ')']).filter(|r| (1..=3).contains(&digits) && item(r));
        let rest = if (1..=6).contains(&hashes) && item(&text[hashes..]) {
            self.open_block(BlockKind::Heading);
            &text[hashes..]
        } else if let Some(rest) = bullet.or(numbered) {
            self.open_block(BlockKind::Point);
            rest
        } else {
            if self.block.is_none() {
                self.open_block(if self.had_body { BlockKind::Paragraph } else { BlockKind::Lead });
            } else {
                self.take_text(' ');
            }
            text.strip_prefix("> ").unwrap_or(text)
        };
        let rest = rest.to_owned();
        rest.chars().for_each(|c| self.take_text(c));
    }

    fn open_block(&mut self, kind: BlockKind) {
        self.close_block();
        self.block = Some(kind);
    }

    fn close_block(&mut self) {
        self.end_bracket();
        self.end_star(' ');
        self.decide_stop(true);
        self.close_sentence();
        self.markers.clear();
        self.blocks += u32::from(std::mem::take(&mut self.block_has_text));
        self.block = None;
    }

    fn take_text(&mut self, c: char) {
        if let Some(bracket) = &mut self.bracket {
            if is_close(c) {
                let held = self.bracket.take().unwrap_or_default();
                match read_mark(&held) {
                    Some(numbers) => self.mark(&numbers),
                    None => {
                        held.chars().for_each(|c| self.put(c));
                        self.put(']');
                    }
                }
                return;
            }
            if !is_open(c) && c != '\n' && bracket.chars().count() < MARK_CHARS_MAX {
                bracket.push(c);
                return;
            }
            self.end_bracket();
        }
        if self.star {
            if c == '*' {
                self.star = false;
                return;
            }
            self.end_star(c);
        }
        match c {
            '\n' => self.end_line(),
            '`' => {}
            '*' => self.star = true,
            _ if is_open(c) => self.bracket = Some("[".to_owned()),
            _ => self.put(c),
        }
    }

    fn end_line(&mut self) {
        self.place = Place::LineStart;
        if self.block == Some(BlockKind::Heading) {
            self.close_block();
        }
    }

    /// Gives up on a bracket: what it held is text, unless it began like a citation mark that was cut off.
    fn end_bracket(&mut self) {
        if let Some(held) = self.bracket.take() {
            let digits_only =
                held.chars().skip(1).all(|c| digit(c).is_some() || c.is_whitespace() || matches!(c, ',' | ';' | '-' | '–' | '^'));
            if !digits_only {
                held.chars().for_each(|c| self.put(c));
            }
        }
    }

    /// Writes a single star where it multiplies or stands alone; as emphasis it goes.
    fn end_star(&mut self, next: char) {
        if std::mem::take(&mut self.star) {
            let before = if self.space { ' ' } else { self.text.chars().next_back().unwrap_or(' ') };
            let between = before.is_alphanumeric() && next.is_alphanumeric() && before.is_ascii_digit() == next.is_ascii_digit();
            if between || (before.is_whitespace() && next.is_whitespace() && !self.text.is_empty()) {
                self.put('*');
            }
        }
    }

    fn mark(&mut self, numbers: &[u32]) {
        let after_stop = self.stop_seen && self.next_word.as_ref().is_none_or(String::is_empty);
        if !after_stop {
            self.decide_stop(false);
        }
        for n in numbers {
            if !self.markers.contains(n) && self.markers.len() < MARKS_MAX {
                self.markers.push(*n);
            }
        }
    }

    /// Takes a character of text that is no markup.
    fn put(&mut self, c: char) {
        if c.is_whitespace() {
            if self.next_word.as_ref().is_some_and(|w| !w.is_empty()) {
                self.decide_stop(true);
            }
            self.space |= !self.text.is_empty();
            if ends_with_stop(&self.text) {
                self.stop_seen = true;
            }
            return;
        }
        if self.stop_seen {
            let word = self.next_word.get_or_insert_default();
            word.push(c);
            if word.len() >= NEXT_WORD_BYTES_MAX {
                self.decide_stop(true);
            }
            return;
        }
        self.write(c);
    }

    /// After a stop and the word behind it: ends the sentence there, or goes on with it.
    fn decide_stop(&mut self, word_complete: bool) {
        let Some(word) = self.next_word.take() else {
            self.stop_seen &= !word_complete;
            return;
        };
        self.stop_seen = false;
        let from = self.text.ceil_char_boundary(self.text.len().saturating_sub(LOOK_BACK_BYTES));
        let joined = format!("{} {word} ", &self.text[from..]);
        let at = self.text.len() - from;
        if sentences(&joined).iter().any(|s| s.start > 0 && s.start >= at) {
            self.close_sentence();
        }
        word.chars().for_each(|c| self.write(c));
    }

    /// Writes a character to the sentence.
    fn write(&mut self, c: char) {
        if is_close(c) && self.would_become_a_mark() {
            return;
        }
        if std::mem::take(&mut self.space) && !self.text.is_empty() && !matches!(c, '.' | ',' | ';' | ':' | '!' | '?') {
            self.pending.push(' ');
            self.text.push(' ');
        }
        self.pending.push(c);
        self.text.push(c);
        self.block_has_text = true;
        self.had_body |= self.block != Some(BlockKind::Heading);
    }

    /// Whether a closing bracket would complete something that reads like a citation mark.
    fn would_become_a_mark(&self) -> bool {
        let Some(open) = self.text.rfind(is_open) else { return false };
        read_mark(&self.text[open..]).is_some()
    }

    fn flush_pending(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let block_kind = self.block.unwrap_or(BlockKind::Lead);
        let text = std::mem::take(&mut self.pending);
        self.out.push(Piece::Token { block: self.blocks, block_kind, sentence: self.sentence, text });
    }

    fn close_sentence(&mut self) {
        self.flush_pending();
        self.space = false;
        self.stop_seen = false;
        if self.text.is_empty() {
            return;
        }
        let piece = Piece::SentenceEnd {
            sentence: self.sentence,
            text: std::mem::take(&mut self.text),
            markers: std::mem::take(&mut self.markers),
        };
        self.out.push(piece);
        self.sentence += 1;
    }
}

/// Zero-width and direction marks, and control characters: they carry no words and hide marks from the eye.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
        || (c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
}

fn is_open(c: char) -> bool {
    matches!(c, '[' | '［' | '【')
}

fn is_close(c: char) -> bool {
    matches!(c, ']' | '］' | '】')
}

/// The value of a digit, in any of the widths and scripts that models produce.
fn digit(c: char) -> Option<u32> {
    match c {
        '0'..='9' => c.to_digit(10),
        '０'..='９' => Some(c as u32 - '０' as u32),
        '²' => Some(2),
        '³' => Some(3),
        '¹' => Some(1),
        '٠'..='٩' => Some(c as u32 - '٠' as u32),
        _ => None,
    }
}

fn ends_with_stop(text: &str) -> bool {
    text.trim_end_matches([')', '"', '\'', '”', '’', '»']).ends_with(['.', '!', '?', '…'])
}

/// Reads what stands in brackets as citation numbers: `1`, `1, 2`, `2-4`, `^1`, `Source 3`, `3†L1`; none where it is something else.
/// A number too large to be one saturates, so that it is dropped as forged and not read as another.
fn read_mark(held: &str) -> Option<Vec<u32>> {
    let inner = held.trim_start_matches(is_open).trim();
    let lower = inner.to_lowercase();
    let inner = ["source", "sources", "passage", "passages", "ref", "citation", "^", "#"]
        .iter()
        .find_map(|w| lower.strip_prefix(w))
        .unwrap_or(&lower);
    let inner = inner.trim_start_matches(['s', ' ', ':', '^', '#', '.']);
    let inner = inner.split('†').next().unwrap_or_default();
    let mut numbers: Vec<u32> = Vec::new();
    let mut current: Option<u32> = None;
    let mut range_from: Option<u32> = None;
    for c in inner.chars().chain(std::iter::once(',')) {
        if let Some(d) = digit(c) {
            current = Some(current.unwrap_or(0).saturating_mul(10).saturating_add(d));
        } else if matches!(c, ',' | ';' | '-' | '–' | '&' | '/') || c.is_whitespace() {
            if let Some(n) = current.take() {
                match range_from.take() {
                    Some(from) if from < n && n - from <= MARK_RANGE_MAX => numbers.extend(from + 1..=n),
                    _ => numbers.push(n),
                }
                range_from = matches!(c, '-' | '–').then_some(n);
            }
        } else {
            return None;
        }
    }
    (!numbers.is_empty()).then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::super::bind::bind;
    use super::*;
    use crate::knowledge::Evidence;
    use proptest::prelude::*;
    use vital_kernel::{DocumentId, PassageId};

    /// Pieces with tokens of one sentence joined.
    fn joined(pieces: Vec<Piece>) -> Vec<Piece> {
        let mut out: Vec<Piece> = Vec::new();
        for piece in pieces {
            match (out.last_mut(), piece) {
                (Some(Piece::Token { sentence: a, text, .. }), Piece::Token { sentence: b, text: more, .. }) if *a == b => {
                    text.push_str(&more);
                }
                (_, piece) => out.push(piece),
            }
        }
        out
    }

    fn assemble(parts: &[&str]) -> Vec<Piece> {
        let mut assembler = Assembler::default();
        let mut pieces: Vec<Piece> = parts.iter().flat_map(|p| assembler.push(p)).collect();
        pieces.extend(assembler.finish());
        joined(pieces)
    }

    /// Block number, kind, text and marks of every sentence.
    fn sentences_of(text: &str) -> Vec<(u32, BlockKind, String, Vec<u32>)> {
        let mut place = (0, BlockKind::Lead);
        let mut found = Vec::new();
        for piece in assemble(&[text]) {
            match piece {
                Piece::Token { block, block_kind, .. } => place = (block, block_kind),
                Piece::SentenceEnd { text, markers, .. } => found.push((place.0, place.1, text, markers)),
            }
        }
        found
    }

    #[test]
    fn blocks_and_marks_are_read_from_markdown() {
        let text = "FDA decides in 90 days [1]. It may ask, e.g. for data. [2][3]\n\n## **Timelines**\n- Screening takes `15` days.[1, 4] Then review [2-4].\n2) Next\nline [9]\n\nLast *one*.\n";
        let found = sentences_of(text);
        let expected = [
            (0, BlockKind::Lead, "FDA decides in 90 days.", vec![1]),
            (0, BlockKind::Lead, "It may ask, e.g. for data.", vec![2, 3]),
            (1, BlockKind::Heading, "Timelines", vec![]),
            (2, BlockKind::Point, "Screening takes 15 days.", vec![1, 4]),
            (2, BlockKind::Point, "Then review.", vec![2, 3, 4]),
            (3, BlockKind::Point, "Next line", vec![9]),
            (4, BlockKind::Paragraph, "Last one.", vec![]),
        ];
        assert_eq!(found, expected.map(|(b, k, t, m)| (b, k, t.to_owned(), m)));
    }

    #[test]
    fn html_brackets_and_arithmetic_stay_text() {
        let found = sentences_of("<b onclick=x>5*3 = 2 * 7.5</b> as in [sic] and a[i].");
        assert_eq!(found[0].2, "<b onclick=x>5*3 = 2 * 7.5</b> as in [sic] and a[i].");
    }

    #[test]
    fn a_number_too_large_for_a_passage_is_not_read_as_another() {
        assert_eq!(sentences_of("A [99999999999999999999] b [4294967297].")[0].3, [u32::MAX]);
    }

    fn has_mark(text: &str) -> bool {
        text.char_indices()
            .filter(|(_, c)| is_open(*c))
            .any(|(at, _)| text[at..].find(is_close).is_some_and(|end| read_mark(&text[at..at + end]).is_some()))
    }

    fn evidence() -> Vec<Evidence> {
        let passage = |body: &str| Evidence {
            passage: PassageId::new(),
            document: DocumentId::new(),
            title: "T".into(),
            version: [7; 32],
            start: 11,
            body: body.into(),
            heading_path: Vec::new(),
            page: None,
            authority: "own".into(),
            score: 1.0,
            lexical: None,
            dense: None,
            own: false,
            level: None,
            issued_on: None,
            fetched: None,
        };
        vec![passage("Über 15 days. The sponsor — must report… Then 7 days pass."), passage(" \n "), passage("日本語。第二文。 End")]
    }

    const SOUP: &str = "(\\[[0-9, ;^-]{0,24}\\]|【[0-9]{1,3}†?[a-z0-9]{0,4}】|\\[\\[?[0-9]|［１２］|[.!?] |\\n\\n|\\n[-*#] |\\n1\\. |\\*\\*?|`|The sponsor must report |15 days|e\\.g\\. |\u{200b}|\u{202e}|\"quote\"|\\PC{0,6}){0,24}";

    proptest! {
        #[test]
        fn any_split_gives_the_same_pieces(text in SOUP, cuts in prop::collection::vec(0.0f64..1.0, 0..8)) {
            let mut places: Vec<usize> = cuts.iter().map(|c| text.floor_char_boundary((c * text.len() as f64) as usize)).collect();
            places.extend([0, text.len()]);
            places.sort_unstable();
            let parts: Vec<&str> = places.windows(2).map(|w| &text[w[0]..w[1]]).collect();
            let every: Vec<String> = text.chars().map(String::from).collect();
            let every: Vec<&str> = every.iter().map(String::as_str).collect();
            prop_assert_eq!(assemble(&parts), assemble(&[&text]));
            prop_assert_eq!(assemble(&every), assemble(&[&text]));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]
        #[test]
        fn no_forged_output_gets_a_mark_into_the_text_or_a_citation_that_does_not_hold(text in SOUP) {
            let evidence = evidence();
            let mut tokens = String::new();
            for piece in assemble(&[&text]) {
                match piece {
                    Piece::Token { text, .. } => tokens.push_str(&text),
                    Piece::SentenceEnd { text, markers, .. } => {
                        prop_assert!(!has_mark(&text), "{text:?}");
                        prop_assert_eq!(&std::mem::take(&mut tokens), &text);
                        let bound = bind(&text, &markers, &evidence);
                        prop_assert!(bound.forged as usize + bound.spans.len() <= markers.len());
                        for span in bound.spans {
                            let citation = evidence[span.evidence].cite(1, span.range.clone());
                            prop_assert!(citation.is_some_and(|c| evidence[span.evidence].holds(&c)));
                        }
                    }
                }
            }
        }
    }
}
