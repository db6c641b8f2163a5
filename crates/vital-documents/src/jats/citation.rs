//! References, whose parts often stand side by side without the punctuation that a printed list has.
//!
//! Most of PubMed Central gives a reference as elements alone (`element-citation`, and `mixed-citation` as well); some
//! publishers keep their punctuation between them. A separator is put in only where two parts touch.

/// The elements of a reference that a printed list sets apart.
const PARTS: &[&str] = &[
    "person-group",
    "name",
    "string-name",
    "surname",
    "given-names",
    "prefix",
    "suffix",
    "collab",
    "etal",
    "article-title",
    "chapter-title",
    "data-title",
    "part-title",
    "source",
    "edition",
    "series",
    "publisher-name",
    "publisher-loc",
    "conf-name",
    "conf-date",
    "conf-loc",
    "year",
    "month",
    "day",
    "season",
    "volume",
    "issue",
    "supplement",
    "fpage",
    "lpage",
    "page-range",
    "elocation-id",
    "date-in-citation",
    "comment",
    "pub-id",
];

/// The place within a reference.
#[derive(Default)]
pub(super) struct Citation {
    /// The part that was closed last, while nothing has followed it.
    closed: Option<String>,
    /// Whether an element was opened and nothing has followed.
    fresh: bool,
}

impl Citation {
    /// What to write before an element that opens under these.
    pub(super) fn open(&mut self, name: &str, open: &[String]) -> Option<&'static str> {
        self.fresh = true;
        let before = self.closed.take()?;
        if !PARTS.contains(&name) || citation(open).is_none() {
            return None;
        }
        Some(match (before.as_str(), name) {
            ("fpage", "lpage") => "–",
            ("surname" | "given-names" | "prefix", "surname" | "given-names" | "suffix") | ("year" | "month", "month" | "day") => " ",
            _ => ", ",
        })
    }

    /// What to write at the end of an element that stood under these.
    pub(super) fn close(&mut self, name: &str, open: &[String]) -> Option<&'static str> {
        let empty = std::mem::take(&mut self.fresh);
        if !PARTS.contains(&name) || citation(open).is_none() {
            self.closed = None;
            return None;
        }
        self.closed = Some(name.to_owned());
        (name == "etal" && empty).then_some("et al.")
    }

    /// Notes text under these elements; false where it is only the layout of the file.
    pub(super) fn text(&mut self, text: &str, open: &[String]) -> bool {
        let blank = text.trim().is_empty();
        self.fresh &= blank;
        let within = citation(open);
        // A reference that has text of its own has its spaces as well.
        let is_layout = blank && within.is_some_and(|c| c != "mixed-citation") && open.last().is_some_and(|e| holds_parts(e));
        if !is_layout && (!blank || within == Some("mixed-citation")) {
            self.closed = None;
        }
        !is_layout
    }
}

/// Elements of a reference that hold parts and no text.
fn holds_parts(name: &str) -> bool {
    matches!(name, "element-citation" | "nlm-citation" | "citation" | "person-group" | "name" | "string-name" | "date")
}

/// The reference around the open elements; names stand a few levels below it.
fn citation(open: &[String]) -> Option<&str> {
    const LEVELS: usize = 4;
    let is_citation = |name: &&str| matches!(*name, "element-citation" | "mixed-citation" | "nlm-citation" | "citation");
    open.iter().rev().take(LEVELS).map(String::as_str).find(is_citation)
}
