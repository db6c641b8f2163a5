//! HTML: the words of a page's content, without its scripts, navigation and other furniture.
//!
//! The tree is walked along its links and not by recursion, so that deep nesting meets a limit and not the end of the stack.

use crate::{BlockKind, Format, ParseError, ParseLimits, Parsed, canonical::Canonical, cells::Span, flow::Flow, text};
use scraper::{ElementRef, Html, Node, Selector};

/// Elements that hold no content of the page.
const DROPPED: &[&str] = &[
    "script", "style", "nav", "footer", "aside", "noscript", "template", "svg", "iframe", "object", "canvas", "button", "select",
    "textarea", "input", "head", "dialog", "video", "audio",
];
/// Elements that start and end a block.
const BLOCKS: &[&str] = &[
    "p",
    "div",
    "section",
    "article",
    "main",
    "header",
    "ul",
    "ol",
    "dl",
    "table",
    "thead",
    "tbody",
    "tfoot",
    "tr",
    "td",
    "th",
    "caption",
    "blockquote",
    "figure",
    "figcaption",
    "form",
    "fieldset",
    "address",
    "hr",
    "details",
    "summary",
    "body",
    "html",
    "li",
    "dt",
    "dd",
    "pre",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hgroup",
    "legend",
    "center",
];

pub(crate) fn parse(bytes: &[u8], limits: &ParseLimits) -> Result<Parsed, ParseError> {
    let decoded = text::decode_page(bytes)?;
    let mut canonical = Canonical::new(limits);
    if let Some(warning) = decoded.warning {
        canonical.warn(warning);
    }
    let document = Html::parse_document(&decoded.text);
    walk(&document, limits, &mut canonical)?;
    let title = Selector::parse("head title").ok().and_then(|s| document.select(&s).next().map(|t| t.text().collect::<String>()));
    canonical.finish(Format::Html, title, None)
}

/// Reads a whole page into blocks of a document of another format.
pub(crate) fn push_page(page: &str, limits: &ParseLimits, canonical: &mut Canonical) -> Result<(), ParseError> {
    walk(&Html::parse_document(page), limits, canonical)
}

/// Reads a piece of HTML into blocks of a document of another format.
pub(crate) fn push_blocks(fragment: &str, limits: &ParseLimits, canonical: &mut Canonical) -> Result<(), ParseError> {
    walk(&Html::parse_fragment(fragment), limits, canonical)
}

fn walk(document: &Html, limits: &ParseLimits, canonical: &mut Canonical) -> Result<(), ParseError> {
    let mut flow = Flow::new(canonical);
    let mut node = document.tree.root();
    let mut depth = 0;
    loop {
        let entered = match node.value() {
            Node::Text(text) => {
                flow.write(text);
                false
            }
            Node::Element(_) => match ElementRef::wrap(node) {
                Some(element) => open(&mut flow, element)?,
                None => false,
            },
            Node::Document | Node::Fragment => true,
            _ => false,
        };
        if let Some(child) = node.first_child().filter(|_| entered) {
            depth += 1;
            if depth > limits.nesting_max {
                return Err(ParseError::TooDeep { limit: limits.nesting_max });
            }
            node = child;
            continue;
        }
        if let Some(element) = ElementRef::wrap(node).filter(|_| entered) {
            close(&mut flow, element)?;
        }
        node = loop {
            if let Some(next) = node.next_sibling() {
                break next;
            }
            let Some(parent) = node.parent() else { return flow.border() };
            depth -= 1;
            if let Some(element) = ElementRef::wrap(parent) {
                close(&mut flow, element)?;
            }
            node = parent;
        };
    }
}

/// Enters an element; `false` skips it with all it holds.
fn open(flow: &mut Flow<'_>, element: ElementRef<'_>) -> Result<bool, ParseError> {
    let name = element.value().name();
    if is_dropped(element) {
        return Ok(false);
    }
    if BLOCKS.contains(&name) {
        flow.border()?;
    }
    if let Some(kind) = context(name) {
        flow.enter(kind);
    }
    match name {
        "br" => flow.line_break(),
        "sup" => flow.raise(),
        "table" => flow.begin_table(),
        "td" | "th" => flow.open_cell(Span::of(element.attr("colspan"), element.attr("rowspan"))),
        "tr" if !flow.in_row() && is_data_row(element) => flow.open_row(),
        _ => {}
    }
    Ok(true)
}

fn close(flow: &mut Flow<'_>, element: ElementRef<'_>) -> Result<(), ParseError> {
    let name = element.value().name();
    match name {
        "sup" => flow.lower(),
        "td" | "th" if flow.in_row() => flow.close_cell(),
        "tr" if flow.in_row() => flow.close_row()?,
        _ if BLOCKS.contains(&name) => flow.border()?,
        _ => {}
    }
    if context(name).is_some() {
        flow.leave();
    }
    Ok(())
}

fn context(name: &str) -> Option<BlockKind> {
    match name {
        "h1" => Some(BlockKind::Heading { level: 1 }),
        "h2" => Some(BlockKind::Heading { level: 2 }),
        "h3" => Some(BlockKind::Heading { level: 3 }),
        "h4" => Some(BlockKind::Heading { level: 4 }),
        "h5" => Some(BlockKind::Heading { level: 5 }),
        "h6" => Some(BlockKind::Heading { level: 6 }),
        "li" | "dt" | "dd" => Some(BlockKind::ListItem),
        "pre" => Some(BlockKind::Code),
        "table" => Some(BlockKind::Paragraph),
        _ => None,
    }
}

fn is_dropped(element: ElementRef<'_>) -> bool {
    let value = element.value();
    let hidden = value.attr("hidden").is_some() || value.attr("aria-hidden") == Some("true") || value.attr("role") == Some("navigation");
    // The header of a page is furniture, that of an article holds its heading.
    let page_header = value.name() == "header"
        && !element.ancestors().filter_map(ElementRef::wrap).any(|a| matches!(a.value().name(), "article" | "main" | "section"));
    hidden || page_header || DROPPED.contains(&value.name())
}

/// A row with at least two cells and no table inside; any other is layout, and its cells are read as blocks.
fn is_data_row(row: ElementRef<'_>) -> bool {
    let cells = row.child_elements().filter(|c| matches!(c.value().name(), "td" | "th")).take(2).count();
    cells == 2 && row.descendent_elements().all(|e| e.value().name() != "table")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(source: &str) -> Parsed {
        parse(source.as_bytes(), &ParseLimits::default()).unwrap()
    }

    #[test]
    fn furniture_is_dropped_and_content_kept() {
        let parsed = read(
            "<html><head><title>A &amp; B</title><style>p{}</style></head><body><header>Logo</header><nav><a>Home</a></nav>\
             <main><article><header><h1>Heading</h1></header><p>First&nbsp;words &lt;5&gt;<br>next line</p></article></main>\
             <aside>Ad</aside><p hidden>gone</p><script>var x</script><footer>Legal</footer></body></html>",
        );
        assert_eq!(parsed.text, "Heading\n\nFirst words <5>\nnext line");
        assert_eq!(parsed.title.as_deref(), Some("A & B"));
    }

    #[test]
    fn lists_tables_and_preformatted_text_become_their_kinds() {
        let parsed =
            read("<ul><li>one<li>two <b>bold</b><ul><li>in</ul></ul><table><tr><th>A<th>B<tr><td><p>1</p><td>2</table><pre>a\n  b</pre>");
        assert_eq!(parsed.text, "one\ntwo bold\nin\n\nA | B\n1 | 2\n\na\n  b");
    }

    #[test]
    fn cells_that_span_columns_and_rows_leave_the_others_in_theirs() {
        let source = "<table><tr><th rowspan=2>Event<th colspan=2>Arm A<th>B<tr><td>n<td>%<td>n<tr><td>Pain<td>1<td>2<td>3</table><table><tr><td>x<td>y</table>";
        assert_eq!(read(source).text, "Event | Arm A | | B\n| n | % | n\nPain | 1 | 2 | 3\n\nx | y");
    }

    #[test]
    fn layout_tables_are_read_as_blocks() {
        let parsed = read("<table><tr><td><h2>Menu</h2><p>x</p></td></tr></table><p>y");
        assert_eq!(parsed.blocks[0].kind, BlockKind::Heading { level: 2 });
        assert_eq!(parsed.text, "Menu\n\nx\n\ny");
    }

    #[test]
    fn raised_digits_stay_raised() {
        assert_eq!(read("<p>10<sup>6</sup> CO<sub>2</sub> text<sup>[3]</sup>").text, "10⁶ CO2 text[3]");
    }

    #[test]
    fn nesting_has_a_limit() {
        let deep = "<div>".repeat(2_000);
        assert_eq!(parse(format!("{deep}x").as_bytes(), &ParseLimits::default()), Err(ParseError::TooDeep { limit: 512 }));
    }

    #[test]
    fn a_page_of_scripts_has_no_text() {
        assert_eq!(parse(b"<html><script>x()</script>", &ParseLimits::default()), Err(ParseError::NoText { pages: None }));
    }
}
