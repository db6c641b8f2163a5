//! Canonical text as blocks, with a byte range highlighted, and the window of a long document.
//!
//! **Invariant:** the highlight is the exact byte range of the citation; a range that cuts a character or leaves the text marks nothing
//! there and never panics.

use maud::{Markup, html};
use std::ops::Range;
use vital_documents::{Block, BlockKind};

/// What stands between the cells of a table row in canonical text.
const CELL: &str = " | ";

/// Which blocks are shown.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Window {
    /// Indexes of the blocks.
    pub(crate) blocks: Range<usize>,
    /// First byte of the window before, if there is text before.
    pub(crate) previous: Option<usize>,
    /// First byte of the window after.
    pub(crate) next: Option<usize>,
}

impl Window {
    /// Chooses whole blocks of about `bytes` in all: from the block at `from`, or around the one that holds `cited`.
    pub(crate) fn choose(blocks: &[Block], from: Option<usize>, cited: Option<usize>, bytes: usize) -> Self {
        let at = |byte: usize| blocks.partition_point(|b| b.end <= byte).min(blocks.len().saturating_sub(1));
        let back = |index: usize, bytes: usize| {
            let end = blocks.get(index).map_or(0, |b| b.start);
            blocks[..index].iter().rposition(|b| end - b.start > bytes).map_or(0, |i| i + 1)
        };
        let first = match (from, cited) {
            (Some(from), _) => at(from),
            (None, Some(cited)) => back(at(cited), bytes / 3),
            (None, None) => 0,
        };
        let begin = blocks.get(first).map_or(0, |b| b.start);
        let fit = blocks[first..].iter().take_while(|b| b.end - begin <= bytes).count();
        let last = (first + fit.max(1)).min(blocks.len());
        Self {
            blocks: first..last,
            previous: (first > 0).then(|| blocks[back(first, bytes).min(first - 1)].start),
            next: blocks.get(last).map(|b| b.start),
        }
    }
}

/// Renders the blocks of a window.
pub(crate) fn text(text: &str, blocks: &[Block], window: &Window, cited: Option<&Range<usize>>) -> Markup {
    let shown = &blocks[window.blocks.clone()];
    let first_marked = cited.and_then(|c| shown.iter().position(|b| b.start < c.end && c.start < b.end));
    let page_before = window.blocks.start.checked_sub(1).and_then(|i| blocks[i].page);
    let groups = shown.chunk_by(grouped).scan(0, |next, group| {
        let here = *next;
        *next += group.len();
        Some((here, group))
    });
    html! {
        div.canonical {
            @for (here, group) in groups {
                @let before = if here == 0 { page_before } else { shown[here - 1].page };
                @if let Some(page) = group[0].page.filter(|p| Some(*p) != before) { p.page-no id={ "page-" (page) } { "Page " (page) } }
                (render_group(text, group, cited, first_marked.and_then(|m| m.checked_sub(here)).filter(|m| *m < group.len())))
            }
        }
    }
}

/// Neighbours that share one list or table.
fn grouped(a: &Block, b: &Block) -> bool {
    a.page == b.page && matches!((a.kind, b.kind), (BlockKind::ListItem, BlockKind::ListItem) | (BlockKind::TableRow, BlockKind::TableRow))
}

fn render_group(text: &str, group: &[Block], cited: Option<&Range<usize>>, first_marked: Option<usize>) -> Markup {
    let piece = |i: usize, b: &Block| piece(text, b.start..b.end, cited, first_marked == Some(i));
    html! {
        @match group[0].kind {
            BlockKind::ListItem => ul { @for (i, b) in group.iter().enumerate() { li { (piece(i, b)) } } },
            BlockKind::TableRow => div.table-scroll { table { @for (i, b) in group.iter().enumerate() { tr { (cells(text, b, cited, first_marked == Some(i))) } } } },
            BlockKind::Heading { level: 1 } => h2 { (piece(0, &group[0])) },
            BlockKind::Heading { level: 2 } => h3 { (piece(0, &group[0])) },
            BlockKind::Heading { .. } => h4 { (piece(0, &group[0])) },
            BlockKind::Paragraph => p { (piece(0, &group[0])) },
            BlockKind::Code => pre { (piece(0, &group[0])) },
        }
    }
}

fn cells(text: &str, row: &Block, cited: Option<&Range<usize>>, anchor: bool) -> Markup {
    let content = text.get(row.start..row.end).unwrap_or_default();
    let mut at = row.start;
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for cell in content.split(CELL) {
        ranges.push(at..at + cell.len());
        at += cell.len() + CELL.len();
    }
    let first = ranges.iter().position(|r| cited.is_some_and(|c| r.start < c.end && c.start < r.end));
    html! { @for (i, r) in ranges.into_iter().enumerate() { td { (piece(text, r, cited, anchor && first == Some(i))) } } }
}

/// A range of the text with its cited part marked; the first mark of a page carries the anchor.
fn piece(text: &str, range: Range<usize>, cited: Option<&Range<usize>>, anchor: bool) -> Markup {
    let whole = text.get(range.clone()).unwrap_or_default();
    let marked = cited.map(|c| c.start.max(range.start)..c.end.min(range.end)).filter(|m| m.start < m.end);
    let Some(marked) = marked else { return html! { (whole) } };
    let parts = (text.get(range.start..marked.start), text.get(marked.clone()), text.get(marked.end..range.end));
    let (Some(before), Some(words), Some(after)) = parts else { return html! { (whole) } };
    html! { (before) mark id=[anchor.then_some("cited")] { (words) } (after) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample() -> (String, Vec<Block>) {
        let parts: [(BlockKind, &str, u32); 6] = [
            (BlockKind::Heading { level: 1 }, "Ünïcode heading", 1),
            (BlockKind::Paragraph, "Seven days, not <b>fifteen</b>.", 1),
            (BlockKind::ListItem, "one", 1),
            (BlockKind::ListItem, "two", 1),
            (BlockKind::TableRow, "dose | 10 mg | daily", 2),
            (BlockKind::Code, "a  b", 2),
        ];
        let (mut text, mut blocks) = (String::new(), Vec::new());
        for (kind, content, page) in parts {
            if !text.is_empty() {
                text.push_str("\n\n");
            }
            let start = text.len();
            text.push_str(content);
            blocks.push(Block { kind, start, end: text.len(), page: Some(page) });
        }
        (text, blocks)
    }

    fn rendered(cited: Option<&Range<usize>>) -> String {
        let (t, blocks) = sample();
        let window = Window::choose(&blocks, None, None, 10_000);
        text(&t, &blocks, &window, cited).into_string()
    }

    #[test]
    fn the_highlight_is_the_exact_range_and_markup_in_documents_is_text() {
        let (t, _) = sample();
        let start = t.find("not").unwrap();
        let html = rendered(Some(&(start..start + "not <b>fifteen".len())));
        assert!(html.contains("Seven days, <mark id=\"cited\">not &lt;b&gt;fifteen</mark>&lt;/b&gt;."), "{html}");
    }

    #[test]
    fn a_highlight_over_blocks_and_cells_has_one_anchor() {
        let (t, _) = sample();
        let html = rendered(Some(&(t.find("two").unwrap()..t.find("daily").unwrap())));
        assert_eq!(html.matches("id=\"cited\"").count(), 1);
        assert!(html.contains("<li><mark id=\"cited\">two</mark></li>"), "{html}");
        assert!(html.contains("<td><mark>10 mg</mark></td>"), "{html}");
    }

    #[test]
    fn pages_are_numbered_where_they_begin() {
        let html = rendered(None);
        assert_eq!(html.matches("class=\"page-no\"").count(), 2, "{html}");
    }

    #[test]
    fn windows_lead_through_the_whole_document() {
        let (_, blocks) = sample();
        let (mut seen, mut from) = (0, Some(0));
        while let Some(byte) = from {
            let window = Window::choose(&blocks, Some(byte), None, 20);
            assert_eq!(window.blocks.start, seen, "no block is skipped or shown twice");
            seen = window.blocks.end;
            from = window.next;
        }
        assert_eq!(seen, blocks.len());
    }

    proptest! {
        #[test]
        fn no_range_breaks_the_page(start in 0_usize..200, end in 0_usize..200, from in proptest::option::of(0_usize..200), bytes in 0_usize..60) {
            let (t, blocks) = sample();
            let window = Window::choose(&blocks, from, Some(start), bytes);
            let html = text(&t, &blocks, &window, Some(&(start..end))).into_string();
            prop_assert!(html.matches("id=\"cited\"").count() <= 1);
            let none = Window::choose(&[], from, Some(start), bytes);
            prop_assert_eq!(none, Window { blocks: 0..0, previous: None, next: None });
        }
    }
}
