//! The raw text of a document: lines of 72 characters with marks of pages, made into paragraphs.

use crate::public::markup::untagged;

/// Indentation that begins a paragraph.
const INDENT: usize = 4;

/// Joins the lines of paragraphs, takes out marks of pages, and leaves rows of tables as lines.
pub(super) fn unwrapped(raw: &str) -> String {
    let mut out: Vec<String> = Vec::new();
    let (mut open, mut after_page) = (false, false);
    for line in untagged(raw).lines() {
        let words = line.split_whitespace().collect::<Vec<_>>().join(" ");
        if words.starts_with("[[Page ") && words.ends_with("]]") {
            after_page = true;
            continue;
        }
        if words.is_empty() {
            open = false;
            continue;
        }
        let indented = line.chars().take_while(|c| c.is_whitespace()).count() >= INDENT;
        let row = line.trim().contains("   ") || words.contains("....") || words.starts_with("----");
        // A page that ends within a sentence goes on after the mark.
        let goes_on = after_page && out.last().is_some_and(|last| !last.ends_with(['.', ':', ';', '?', '!', ']']));
        match out.last_mut() {
            Some(last) if row && open => {
                last.push('\n');
                last.push_str(&words);
            }
            Some(last) if !indented && (open || goes_on) => {
                // A word that is divided at its hyphen goes on without a space; a dash of two hyphens is none.
                if !last.ends_with('-') || last.ends_with("--") {
                    last.push(' ');
                }
                last.push_str(&words);
            }
            _ => out.push(words),
        }
        (open, after_page) = (true, false);
    }
    out.join("\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_paragraphs_and_pages_disappear() {
        let raw = "<html><head><title>Federal Register, Volume 89</title></head><body><pre>\n[Federal Register Volume 89]\n\n    The first para-\ngraph ends &amp; here.\n    The \
            second goes on and\n\n[[Page 7497]]\n\nends there.\nItem            1\nOther........  2\n</pre></body></html>";
        assert_eq!(
            unwrapped(raw),
            "Federal Register, Volume 89\n\n[Federal Register Volume 89]\n\nThe first para-graph ends & here.\n\nThe second goes on and ends there.\nItem 1\nOther........ 2"
        );
    }
}
