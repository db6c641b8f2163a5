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

/// Cuts a text between paragraphs into parts of at most so many bytes; a longer paragraph is cut between characters.
pub(super) fn parts(text: &str, bytes_max: usize) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    for paragraph in text.split("\n\n") {
        let mut rest = paragraph;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.floor_char_boundary(bytes_max));
            match parts.last_mut() {
                Some(last) if last.len() + 2 + now.len() <= bytes_max => {
                    last.push_str("\n\n");
                    last.push_str(now);
                }
                _ => parts.push(now.to_owned()),
            }
            rest = later;
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines_become_paragraphs_and_pages_disappear() {
        let raw = "<html><head><title>Federal Register, Volume 89</title></head><body><pre>\n[Federal Register Volume 89]\n\n    The first para-\ngraph ends &amp; here.\n    The \
            second goes on and\n\n[[Page 7497]]\n\nends there.\nItem            1\nOther........  2\n</pre></body></html>";
        assert_eq!(
            unwrapped(raw),
            "Federal Register, Volume 89\n\n[Federal Register Volume 89]\n\nThe first para-graph ends & here.\n\nThe second goes on and ends there.\nItem 1\nOther........ 2"
        );
    }

    proptest! {
        #[test]
        fn parts_hold_every_paragraph_within_the_limit(paragraphs in prop::collection::vec("[a-zä]{1,40}", 0..30), bytes_max in 8_usize..64) {
            let text = paragraphs.join("\n\n");
            let parts = parts(&text, bytes_max);
            prop_assert!(parts.iter().all(|part| !part.is_empty() && part.len() <= bytes_max));
            prop_assert_eq!(parts.concat().replace('\n', ""), text.replace('\n', ""));
        }
    }
}
