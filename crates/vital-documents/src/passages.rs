//! Cuts a document into passages: the pieces that are embedded, retrieved and cited.
//!
//! **Invariants:** passages are ordered and disjoint, lie on character boundaries, cover every block, and are no longer than
//! the rules allow. A passage never crosses a heading of the level of its own section or a higher one. Borders lie between
//! blocks, or between sentences of a long block; only a sentence that is itself too long is cut, at a space.

use crate::{BlockKind, Parsed, sentences};
use serde::{Deserialize, Serialize};

/// How passages are cut. Sizes are in bytes of UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassageRules {
    /// Size that passages are filled up to.
    pub target_bytes: usize,
    /// Size that no passage passes. English has about 4.7 bytes a token, and the embedding model reads 256 tokens.
    pub max_bytes: usize,
    /// Passages under this size are merged with a neighbour where the structure allows it.
    pub min_bytes: usize,
}

impl Default for PassageRules {
    fn default() -> Self {
        Self { target_bytes: 900, max_bytes: 1_200, min_bytes: 250 }
    }
}

/// A piece of the canonical text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passage {
    /// Position in the document, from 0.
    pub ordinal: u32,
    /// First byte in `Parsed::text`.
    pub start: usize,
    /// One past the last byte in `Parsed::text`.
    pub end: usize,
    /// The headings above its first sentence, from the highest; a heading it opens with is the last of them.
    pub heading_path: Vec<String>,
    /// The page on which it starts.
    pub page: Option<u32>,
}

/// A piece that is never cut again.
#[derive(Clone, Copy)]
struct Unit {
    start: usize,
    end: usize,
    block: usize,
    heading: bool,
}

impl PassageRules {
    /// Brings contradictory rules into an order that can be kept: min <= target <= max, max at least 4 bytes (one character).
    fn ordered(self) -> Self {
        let max_bytes = self.max_bytes.max(4);
        let target_bytes = self.target_bytes.clamp(1, max_bytes);
        Self { target_bytes, max_bytes, min_bytes: self.min_bytes.min(target_bytes) }
    }
}

/// Cuts a document into passages.
#[must_use]
pub fn passages(parsed: &Parsed, rules: &PassageRules) -> Vec<Passage> {
    let rules = rules.ordered();
    let mut groups: Vec<Vec<Unit>> = Vec::new();
    for section in sections(parsed, &rules) {
        let first = groups.len();
        pack(parsed, &section, &rules, &mut groups);
        merge_small_tail(&mut groups, first, &rules);
    }
    label(parsed, &groups)
}

/// Groups the blocks that may share a passage: a section, with its subsections while it is still too small to stand alone.
fn sections(parsed: &Parsed, rules: &PassageRules) -> Vec<Vec<Unit>> {
    /// Text before any heading stands in a section that every heading ends.
    const NO_HEADING: u8 = u8::MAX;
    let mut all: Vec<Vec<Unit>> = Vec::new();
    let mut current: Vec<Unit> = Vec::new();
    let mut level = NO_HEADING;
    let mut has_text = false;
    for (block, piece) in parsed.blocks.iter().enumerate() {
        let heading = if let BlockKind::Heading { level } = piece.kind { Some(level) } else { None };
        if let Some(next) = heading {
            let small = current.first().is_none_or(|first| piece.start - first.start < rules.min_bytes);
            let ends = next <= level || (has_text && !small);
            if ends && !current.is_empty() {
                all.push(std::mem::take(&mut current));
                has_text = false;
            }
            // The section is that of the last heading above its first text.
            if !has_text {
                level = next;
            }
        }
        has_text |= heading.is_none();
        current.push(Unit { start: piece.start, end: piece.end, block, heading: heading.is_some() });
    }
    all.push(current);
    all
}

/// Fills passages with the units of one section.
fn pack(parsed: &Parsed, section: &[Unit], rules: &PassageRules, groups: &mut Vec<Vec<Unit>>) {
    let mut open = Vec::new();
    for unit in section {
        let whole = unit.end - unit.start <= rules.target_bytes;
        if whole && (open.is_empty() || fits(&open, *unit, rules)) {
            open.push(*unit);
            continue;
        }
        // A whole block that does not fit starts the next passage, unless that would leave a stump behind.
        let pieces = if whole && !is_stump(&open, rules) { vec![*unit] } else { split(&parsed.text, *unit, rules) };
        for piece in pieces {
            if !open.is_empty() && !fits(&open, piece, rules) {
                let next = take_trailing_headings(&mut open, piece, rules);
                groups.push(std::mem::replace(&mut open, next));
            }
            open.push(piece);
        }
    }
    if !open.is_empty() {
        groups.push(open);
    }
}

fn size(group: &[Unit]) -> usize {
    group.first().zip(group.last()).map_or(0, |(first, last)| last.end - first.start)
}

/// Too little to stand alone: a few words, or headings without text.
fn is_stump(group: &[Unit], rules: &PassageRules) -> bool {
    !group.is_empty() && (size(group) < rules.min_bytes || group.iter().all(|u| u.heading))
}

fn fits(group: &[Unit], unit: Unit, rules: &PassageRules) -> bool {
    let total = group.first().map_or(0, |first| unit.end - first.start);
    total <= if is_stump(group, rules) { rules.max_bytes } else { rules.target_bytes }
}

/// Takes the headings off the end of a full passage, so that they open the next one with the text they stand above.
fn take_trailing_headings(open: &mut Vec<Unit>, next: Unit, rules: &PassageRules) -> Vec<Unit> {
    let keep = open.iter().rposition(|u| !u.heading).map_or(open.len(), |last| last + 1);
    match open.get(keep) {
        Some(first) if next.end - first.start <= rules.max_bytes => open.split_off(keep),
        _ => Vec::new(),
    }
}

/// Cuts a block between its sentences, and a sentence that is too long at a space.
fn split(text: &str, unit: Unit, rules: &PassageRules) -> Vec<Unit> {
    let Some(block) = text.get(unit.start..unit.end) else { return vec![unit] };
    let mut pieces = Vec::new();
    for sentence in sentences(block) {
        let mut rest = sentence;
        while rest.len() > rules.max_bytes {
            let Some(long) = block.get(rest.clone()) else { break };
            let cut = rest.start + cut_at_space(long, rules.max_bytes);
            pieces.push(Unit { start: unit.start + rest.start, end: unit.start + cut, ..unit });
            let left = block.get(cut..rest.end).unwrap_or_default();
            rest.start = cut + (left.len() - left.trim_start().len());
        }
        pieces.push(Unit { start: unit.start + rest.start, end: unit.start + rest.end, ..unit });
    }
    pieces
}

/// Where to cut a text of more than `max` bytes: before its last space in the first `max`, else at a character border.
fn cut_at_space(text: &str, max: usize) -> usize {
    let head = text.get(..text.floor_char_boundary(max)).unwrap_or(text);
    let at_space = head.rfind(char::is_whitespace).map(|at| head.get(..at).unwrap_or(head).trim_end().len());
    at_space.filter(|at| *at > 0).unwrap_or(head.len())
}

/// Joins the last passage of a section to the one before it when it is small and both fit.
fn merge_small_tail(groups: &mut Vec<Vec<Unit>>, first: usize, rules: &PassageRules) {
    if groups.len() < first + 2 {
        return;
    }
    let Some(tail) = groups.pop() else { return };
    match groups.last_mut() {
        Some(last)
            if size(&tail) < rules.min_bytes
                && tail.last().map_or(0, |u| u.end) - last.first().map_or(0, |u| u.start) <= rules.max_bytes =>
        {
            last.extend(tail);
        }
        _ => groups.push(tail),
    }
}

fn label(parsed: &Parsed, groups: &[Vec<Unit>]) -> Vec<Passage> {
    let mut path: Vec<(u8, String)> = Vec::new();
    let mut walked = 0;
    let mut labelled = Vec::with_capacity(groups.len());
    for group in groups {
        let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
        let anchor = group.iter().find(|u| !u.heading).unwrap_or(last).block;
        for block in parsed.blocks.get(walked..=anchor).unwrap_or_default() {
            if let BlockKind::Heading { level } = block.kind {
                path.retain(|(above, _)| *above < level);
                path.push((level, parsed.text.get(block.start..block.end).unwrap_or_default().to_owned()));
            }
        }
        walked = walked.max(anchor + 1);
        labelled.push(Passage {
            ordinal: u32::try_from(labelled.len()).unwrap_or(u32::MAX),
            start: first.start,
            end: last.end,
            heading_path: path.iter().map(|(_, heading)| heading.clone()).collect(),
            page: parsed.blocks.get(first.block).and_then(|b| b.page),
        });
    }
    labelled
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ParseLimits, parse};

    fn cut(markdown: &str) -> (Parsed, Vec<Passage>) {
        let parsed = parse("a.md", markdown.as_bytes(), &ParseLimits::default()).unwrap();
        let passages = passages(&parsed, &PassageRules::default());
        (parsed, passages)
    }

    fn sentences_of(words: &str, count: usize) -> String {
        (0..count).map(|n| format!("{words} number {n} is written down here. ")).collect()
    }

    #[test]
    fn sections_of_one_level_never_share_a_passage() {
        let (parsed, passages) = cut("# A

one

## B

two

## C

three");
        let texts: Vec<_> = passages.iter().map(|p| &parsed.text[p.start..p.end]).collect();
        assert_eq!(
            texts,
            ["A

one

B

two

C

three"],
            "small subsections join the section above them"
        );
        let (parsed, passages) = cut("## B

two

## C

three

# D

four");
        let texts: Vec<_> = passages.iter().map(|p| &parsed.text[p.start..p.end]).collect();
        assert_eq!(
            texts,
            [
                "B

two", "C

three", "D

four"
            ]
        );
    }

    #[test]
    fn headings_stay_with_their_text_and_label_it() {
        let (parsed, passages) = cut(&format!(
            "# Guide

## Scope

{}

## Terms

Short.",
            sentences_of("Fact", 60)
        ));
        assert!(parsed.text[passages[0].start..passages[0].end].starts_with(
            "Guide

Scope

Fact number 0"
        ));
        assert_eq!(passages[0].heading_path, ["Guide", "Scope"]);
        assert_eq!(passages[1].heading_path, ["Guide", "Scope"]);
        assert_eq!(passages.last().unwrap().heading_path, ["Guide", "Terms"]);
    }

    #[test]
    fn long_paragraphs_are_cut_between_sentences() {
        let (parsed, passages) = cut(&sentences_of("Measurement", 100));
        assert!(passages.len() > 3);
        for passage in &passages {
            let text = &parsed.text[passage.start..passage.end];
            assert!(text.starts_with("Measurement") && text.ends_with('.'), "{text}");
            assert!((250..=1200).contains(&text.len()));
        }
    }

    #[test]
    fn a_heading_over_a_paragraph_near_the_limit_is_not_left_alone() {
        let (parsed, passages) = cut(&format!(
            "# {}

{}",
            "Long heading ".repeat(30),
            sentences_of("Result", 21)
        ));
        assert!(parsed.text[passages[0].start..passages[0].end].contains("Result number 0"));
    }

    #[test]
    fn a_single_endless_sentence_is_cut_at_spaces() {
        let (parsed, passages) = cut(&"word ".repeat(1_000));
        for passage in &passages {
            let text = &parsed.text[passage.start..passage.end];
            assert!(text.len() <= 1200 && text.split(' ').all(|w| w == "word"));
        }
    }
}
