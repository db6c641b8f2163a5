//! References whose parts are elements without any punctuation between them (`element-citation`).

/// What a reader puts after a part of such a reference: commas between parts, spaces within a name.
pub(super) fn separator_after(name: &str, open: &[String]) -> Option<&'static str> {
    if !in_citation(open) {
        return None;
    }
    match name {
        "surname" | "month" | "day" | "prefix" => Some(" "),
        "name" | "string-name" | "collab" | "etal" | "article-title" | "source" | "year" | "volume" | "issue" | "fpage" | "lpage"
        | "elocation-id" | "publisher-name" | "publisher-loc" | "edition" | "chapter-title" | "comment" | "pub-id" => Some(", "),
        _ => None,
    }
}

/// Whether an element under the open ones is a part of such a reference; names stand a few levels below it.
pub(super) fn in_citation(open: &[String]) -> bool {
    const LEVELS: usize = 4;
    open.iter().rev().take(LEVELS).any(|e| e == "element-citation" || e == "nlm-citation")
}
