//! HTML: the words of a page's content, without its scripts, navigation and other furniture.
//!
//! The tree is walked with a stack of its own, so that deep nesting costs memory under a limit and not the call stack.

use crate::{
    BlockKind, Format, ParseError, ParseLimits, Parsed,
    canonical::{Canonical, raised, row},
    text,
};
use scraper::{ElementRef, Html, Node, Selector, node::Element};

/// Elements that hold no content of the page.
const DROPPED: &[&str] = &[
    "script", "style", "nav", "footer", "aside", "noscript", "template", "svg", "math-annotation", "iframe", "object", "canvas", "button",
    "select", "textarea", "input", "form-control", "head", "dialog", "video", "audio", "map",
];
/// Elements that start and end a block.
const BLOCKS: &[&str] = &[
    "p", "div", "section", "article", "main", "header", "ul", "ol", "dl", "table", "thead", "tbody", "tfoot", "tr", "td", "th", "caption",
    "blockquote", "figure", "figcaption", "form", "fieldset", "address", "hr", "details", "summary", "body", "html", "li", "dt", "dd", "pre",
    "h1", "h2", "h3", "h4", "h5", "h6", "hgroup", "legend", "center",
];

pub(crate) fn parse(bytes: &[u8], limits: &ParseLimits) -> Result<Parsed, ParseError> {
    let decoded = text::decode(bytes)?;
    let mut canonical = Canonical::new(limits);
    if let Some(warning) = decoded.warning {
        canonical.warn(warning);
    }
    let document = Html::parse_document(&decoded.text);
    walk(&document, limits, &mut canonical)?;
    let title = Selector::parse("head title").ok().and_then(|s| document.select(&s).next().map(|t| t.text().collect::<String>()));
    canonical.finish(Format::Html, title, None)
}

/// Reads a piece of HTML into blocks of a document of another format.
pub(crate) fn push_blocks(fragment: &str, limits: &ParseLimits, canonical: &mut Canonical) -> Result<(), ParseError> {
    walk(&Html::parse_fragment(fragment), limits, canonical)
}

type NodeRef<'a> = ego_tree::NodeRef<'a, Node>;
