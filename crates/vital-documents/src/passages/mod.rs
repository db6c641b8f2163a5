//! Cuts a document into passages: the pieces that are embedded, retrieved and cited.
//!
//! **Invariants:** passages are ordered, lie on character boundaries, cover every block, and are no longer than the rules
//! allow. They are disjoint but where a sentence too long for one passage is cut: there the next one begins a few words
//! earlier. A passage never crosses a heading of the level of its own section or a higher one. Borders lie between blocks, or
//! between sentences of a long block.
//!
//! Sizes are in tokens, counted by the caller's model once for each block, and once more for each sentence of a block that is
//! cut; this crate knows no model.

mod long;
mod tokens;

use crate::{BlockKind, Parsed, sentences};
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, ops::Range};
use tokens::size;
pub use tokens::{TokenCount, estimated_tokens};

/// The share of a passage that the header of its table may take at most; with a longer one the passage has no header.
const HEADER_SHARE: usize = 2;

/// How passages are cut. Sizes are in tokens of the embedding model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassageRules {
    /// Size that passages are filled up to.
    pub target_tokens: usize,
    /// Size that no passage passes, the header of a table that it continues included.
    pub max_tokens: usize,
    /// Passages under this size are merged with a neighbour where the structure allows it.
    pub min_tokens: usize,
}

impl PassageRules {
    /// Rules for a model that reads this many tokens of a text, of which an eighth is left for the title, the heading and the
    /// tokens that frame a text.
    #[must_use]
    pub const fn for_model(tokens_max: usize) -> Self {
        let max_tokens = tokens_max - tokens_max / 8;
        Self { target_tokens: max_tokens - max_tokens / 7, max_tokens, min_tokens: max_tokens / 4 }
    }

    /// Brings contradictory rules into an order that can be kept: min <= target <= max, max at least 4 (no character has more
    /// bytes, and no tokenizer makes more tokens of one than bytes).
    fn ordered(self) -> Self {
        let max_tokens = self.max_tokens.max(4);
        let target_tokens = self.target_tokens.clamp(1, max_tokens);
        Self { target_tokens, max_tokens, min_tokens: self.min_tokens.min(target_tokens) }
    }
}

impl Default for PassageRules {
    /// Rules for a model that reads 256 tokens.
    fn default() -> Self {
        Self::for_model(256)
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
    /// For a passage that begins within a table: where the first row of that table stands in `Parsed::text`. A reader shows it
    /// above the passage and an index reads it with it; its bytes are no part of the passage.
    pub table_header: Option<Range<usize>>,
}

impl Passage {
    /// The passage as an index and a model read it, out of `Parsed::text`: under the header of the table that it continues.
    /// What is quoted is the text from `start` to `end` alone.
    #[must_use]
    pub fn with_header<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let body = text.get(self.start..self.end).unwrap_or_default();
        match self.table_header.clone().and_then(|header| text.get(header)) {
            Some(header) => Cow::Owned(format!("{header}\n{body}")),
            None => Cow::Borrowed(body),
        }
    }
}

/// A piece that is never cut again.
#[derive(Clone, Copy)]
struct Unit {
    start: usize,
    end: usize,
    tokens: usize,
    block: usize,
    heading: bool,
}

/// A document with what cutting it needs to know.
struct Document<'d> {
    parsed: &'d Parsed,
    count: &'d TokenCount<'d>,
    rules: PassageRules,
    /// For each block, the first row of its table when it is a later one.
    headers: Vec<Option<Header>>,
}

/// The first row of a table.
#[derive(Clone, Copy)]
struct Header {
    start: usize,
    end: usize,
    tokens: usize,
}

/// Cuts a document into passages, their sizes counted by `count`.
#[must_use]
pub fn passages(parsed: &Parsed, rules: &PassageRules, count: &TokenCount<'_>) -> Vec<Passage> {
    let rules = rules.ordered();
    let units = units(parsed, count);
    let headers = headers(parsed, &units, &rules);
    let document = Document { parsed, count, rules, headers };
    let mut groups: Vec<Vec<Unit>> = Vec::new();
    for section in sections(parsed, &units, &rules) {
        let first = groups.len();
        document.pack(section, &mut groups);
        document.merge_small_tail(&mut groups, first);
    }
    document.label(&groups)
}

/// Every block with its size.
fn units(parsed: &Parsed, count: &TokenCount<'_>) -> Vec<Unit> {
    let measured = |(block, piece): (usize, &crate::Block)| {
        let text = parsed.text.get(piece.start..piece.end).unwrap_or_default();
        let heading = matches!(piece.kind, BlockKind::Heading { .. });
        Unit { start: piece.start, end: piece.end, tokens: size(text, count), block, heading }
    };
    parsed.blocks.iter().enumerate().map(measured).collect()
}

/// Finds for each row of a table its first one. Rows of one table are parted by a line break, tables by an empty line.
fn headers(parsed: &Parsed, units: &[Unit], rules: &PassageRules) -> Vec<Option<Header>> {
    let mut headers = Vec::with_capacity(units.len());
    let mut first: Option<&Unit> = None;
    let mut end = 0;
    for (block, unit) in parsed.blocks.iter().zip(units) {
        let is_row = block.kind == BlockKind::TableRow;
        let goes_on = is_row && first.is_some() && block.start == end + 1;
        if !goes_on {
            first = is_row.then_some(unit);
        }
        let header = first.filter(|header| goes_on && header.tokens <= rules.max_tokens / HEADER_SHARE);
        headers.push(header.map(|header| Header { start: header.start, end: header.end, tokens: header.tokens }));
        end = block.end;
    }
    headers
}

/// Groups the blocks that may share a passage: a section, with its subsections while it is still too small to stand alone.
fn sections<'u>(parsed: &Parsed, units: &'u [Unit], rules: &PassageRules) -> Vec<&'u [Unit]> {
    /// Text before any heading stands in a section that every heading ends.
    const NO_HEADING: u8 = u8::MAX;
    let mut all = Vec::new();
    let (mut first, mut tokens) = (0, 0);
    let mut level = NO_HEADING;
    let mut has_text = false;
    for (at, (piece, unit)) in parsed.blocks.iter().zip(units).enumerate() {
        let heading = if let BlockKind::Heading { level } = piece.kind { Some(level) } else { None };
        if let Some(next) = heading {
            let ends = next <= level || (has_text && tokens >= rules.min_tokens);
            if ends && at > first {
                all.extend(units.get(first..at));
                (first, tokens) = (at, 0);
                has_text = false;
            }
            // The section is that of the last heading above its first text.
            if !has_text {
                level = next;
            }
        }
        has_text |= heading.is_none();
        tokens += unit.tokens;
    }
    all.extend(units.get(first..));
    all
}

impl Document<'_> {
    /// Fills passages with the units of one section.
    fn pack(&self, section: &[Unit], groups: &mut Vec<Vec<Unit>>) {
        let mut open = Group::default();
        for unit in section {
            let whole = unit.tokens <= self.rules.target_tokens;
            if whole && (open.units.is_empty() || self.fits(&open, *unit)) {
                open.push(*unit, self);
                continue;
            }
            // A whole block that does not fit starts the next passage, unless that would leave a stump behind.
            let pieces = if whole && !self.is_stump(&open) { vec![*unit] } else { self.split(*unit, &open) };
            for piece in pieces {
                if !open.units.is_empty() && !self.fits(&open, piece) {
                    let next = self.take_trailing_headings(&mut open, piece);
                    groups.push(std::mem::replace(&mut open, next).units);
                }
                open.push(piece, self);
            }
        }
        if !open.units.is_empty() {
            groups.push(open.units);
        }
    }

    /// Too little to stand alone: a few words, or headings without text.
    fn is_stump(&self, group: &Group) -> bool {
        !group.units.is_empty() && (group.tokens < self.rules.min_tokens || group.units.iter().all(|u| u.heading))
    }

    fn fits(&self, group: &Group, unit: Unit) -> bool {
        let limit = if self.is_stump(group) { self.rules.max_tokens } else { self.rules.target_tokens };
        group.tokens + unit.tokens <= limit
    }

    /// Takes the headings off the end of a full passage, so that they open the next one with the text they stand above.
    fn take_trailing_headings(&self, open: &mut Group, next: Unit) -> Group {
        let keep = open.units.iter().rposition(|u| !u.heading).map_or(open.units.len(), |last| last + 1);
        let tokens = open.units.get(keep..).unwrap_or_default().iter().map(|u| u.tokens).sum();
        if keep == open.units.len() || tokens + next.tokens > self.rules.max_tokens {
            return Group::default();
        }
        open.tokens -= tokens;
        Group { units: open.units.split_off(keep), tokens }
    }

    /// The header that a passage beginning with this unit has, if it leaves room for the unit.
    fn header(&self, first: &Unit) -> Option<Header> {
        let header = self.headers.get(first.block).copied().flatten();
        header.filter(|header| header.tokens + first.tokens <= self.rules.max_tokens)
    }

    /// Cuts a block between its sentences, and a sentence that is too long inside: small enough to stand after the stump that
    /// is open.
    fn split(&self, unit: Unit, open: &Group) -> Vec<Unit> {
        let text = &self.parsed.text;
        let Some(block) = text.get(unit.start..unit.end) else { return vec![unit] };
        let header = self.headers.get(unit.block).copied().flatten();
        let max = self.rules.max_tokens - header.map_or(0, |header| header.tokens);
        let reserved = if self.is_stump(open) { open.tokens.min(max / 2) } else { 0 };
        let mut pieces = Vec::new();
        for sentence in sentences(block) {
            let tokens = size(block.get(sentence.clone()).unwrap_or_default(), self.count);
            let (start, end) = (unit.start + sentence.start, unit.start + sentence.end);
            if tokens <= max {
                pieces.push(Unit { start, end, tokens, ..unit });
                continue;
            }
            let cut = long::cut(text, start..end, max - reserved, self.count);
            pieces.extend(cut.into_iter().map(|p| Unit { start: p.range.start, end: p.range.end, tokens: p.tokens, ..unit }));
        }
        pieces
    }

    /// Joins the last passage of a section to the one before it when it is small and both fit.
    fn merge_small_tail(&self, groups: &mut Vec<Vec<Unit>>, first: usize) {
        if groups.len() < first + 2 {
            return;
        }
        let Some(tail) = groups.pop() else { return };
        let tokens = |group: &[Unit]| group.iter().map(|u| u.tokens).sum::<usize>();
        match groups.last_mut() {
            Some(last) => {
                let header = last.first().and_then(|first| self.header(first)).map_or(0, |header| header.tokens);
                if tokens(&tail) < self.rules.min_tokens && header + tokens(last) + tokens(&tail) <= self.rules.max_tokens {
                    last.extend(tail);
                } else {
                    groups.push(tail);
                }
            }
            None => groups.push(tail),
        }
    }

    fn label(&self, groups: &[Vec<Unit>]) -> Vec<Passage> {
        let parsed = self.parsed;
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
                table_header: self.header(first).map(|header| header.start..header.end),
            });
        }
        labelled
    }
}

/// A passage being filled.
#[derive(Default)]
struct Group {
    units: Vec<Unit>,
    /// Its size, that of the header it repeats included.
    tokens: usize,
}

impl Group {
    fn push(&mut self, unit: Unit, document: &Document<'_>) {
        if self.units.is_empty() {
            self.tokens = document.header(&unit).map_or(0, |header| header.tokens);
        }
        self.tokens += unit.tokens;
        self.units.push(unit);
    }
}

#[cfg(test)]
mod tests;
