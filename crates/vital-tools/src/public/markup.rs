//! Plain text from titles and abstracts in which sources send markup (JATS, HTML), and without signs that nobody sees.

/// Longest tag that is read as one, in bytes.
const TAG_BYTES_MAX: usize = 500;
/// Longest name of an entity, in bytes.
const ENTITY_BYTES_MAX: usize = 10;
/// Elements that stand apart from the text around them.
const BLOCKS: [&str; 27] = [
    "p",
    "div",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "title",
    "sec",
    "abstract",
    "ul",
    "ol",
    "li",
    "list",
    "list-item",
    "table",
    "tr",
    "pre",
    "blockquote",
    "section",
    "body",
    "html",
    "head",
    "dl",
    "dd",
    "dt",
];
/// Elements within a line. Any other name after `<` is text: `p<b`, `<IL-6>`.
const INLINE: [&str; 37] = [
    "i",
    "b",
    "u",
    "em",
    "strong",
    "sub",
    "sup",
    "span",
    "a",
    "italic",
    "bold",
    "sc",
    "small",
    "underline",
    "ext-link",
    "xref",
    "inline-formula",
    "tex-math",
    "named-content",
    "styled-content",
    "monospace",
    "roman",
    "td",
    "th",
    "tbody",
    "thead",
    "mark",
    "strike",
    "math",
    "mi",
    "mo",
    "mn",
    "mrow",
    "msub",
    "msup",
    "label",
    "font",
];
/// Entities beyond the five of XML that abstracts have.
const ENTITIES: [(&str, &str); 24] = [
    ("nbsp", " "),
    ("ndash", "–"),
    ("mdash", "—"),
    ("hellip", "…"),
    ("reg", "®"),
    ("trade", "™"),
    ("deg", "°"),
    ("plusmn", "±"),
    ("micro", "µ"),
    ("le", "≤"),
    ("ge", "≥"),
    ("times", "×"),
    ("alpha", "α"),
    ("beta", "β"),
    ("gamma", "γ"),
    ("delta", "δ"),
    ("kappa", "κ"),
    ("mu", "μ"),
    ("sect", "§"),
    ("para", "¶"),
    ("rsquo", "’"),
    ("lsquo", "‘"),
    ("ldquo", "“"),
    ("rdquo", "”"),
];

/// Returns the text without its tags: blocks become paragraphs, entities become what they stand for.
pub(crate) fn plain(text: &str) -> String {
    paragraphs(&untagged(text))
}

/// Returns the text without its tags as one line: a title or a heading.
pub(crate) fn plain_line(text: &str) -> String {
    plain(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Returns the text without its tags, with its lines and spaces as they are.
pub(crate) fn untagged(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['<', '&']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let (stands_for, bytes) = if rest.starts_with('<') { tag(rest) } else { entity(rest) };
        out.push_str(&stands_for);
        rest = &rest[bytes..];
    }
    out.push_str(rest);
    clean(&out)
}

/// Returns the text without control characters, and without signs that steer or hide text from a person while a model reads them:
/// marks of direction, invisible operators, interlinear annotations and tags (Unicode, general category Cf).
pub(crate) fn clean(text: &str) -> String {
    let shown = |c: char| match c {
        '\t' | '\u{b}' | '\u{c}' | '\u{85}' => Some(' '),
        '\n' => Some('\n'),
        '\u{ad}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' => None,
        '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}' => None,
        '\u{2028}' | '\u{2029}' => Some('\n'),
        c if c.is_control() => None,
        c => Some(c),
    };
    text.chars().filter_map(shown).collect()
}

/// Lines with single spaces; more than one line's end between two of them is an empty line.
fn paragraphs(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut empty = 0;
    for line in text.lines() {
        let mut words = line.split_whitespace().peekable();
        if words.peek().is_none() {
            empty += 1;
            continue;
        }
        if !out.is_empty() {
            out.push_str(if empty > 0 { "\n\n" } else { "\n" });
        }
        for (place, word) in words.enumerate() {
            if place > 0 {
                out.push(' ');
            }
            out.push_str(word);
        }
        empty = 0;
    }
    out
}

/// What a tag at the beginning of a text stands for, and its bytes.
fn tag(text: &str) -> (String, usize) {
    let as_text = ("<".to_owned(), 1);
    if text.starts_with("<!--") {
        return text.find("-->").map_or(as_text, |end| (String::new(), end + 3));
    }
    let head = &text[..text.floor_char_boundary(TAG_BYTES_MAX)];
    let Some(end) = head.find('>') else { return as_text };
    let inside = head[1..end].trim_start_matches(['/', '!', '?']);
    let name = inside.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, ':' | '-'))).next().unwrap_or_default();
    let name = name.rsplit(':').next().unwrap_or_default().to_ascii_lowercase();
    match name.as_str() {
        "script" | "style" => {
            // Neither is text; what is not closed is dropped to the end.
            let close = format!("</{name}");
            let after = text[end..].to_ascii_lowercase().find(&close).map(|at| end + at);
            let bytes = after.map_or(text.len(), |at| text[at..].find('>').map_or(text.len(), |more| at + more + 1));
            (String::new(), bytes)
        }
        "br" => ("\n".to_owned(), end + 1),
        "doctype" | "xml" => (String::new(), end + 1),
        known if BLOCKS.contains(&known) => ("\n\n".to_owned(), end + 1),
        known if INLINE.contains(&known) => (String::new(), end + 1),
        _ => as_text,
    }
}

/// What an entity at the beginning of a text stands for, and its bytes.
fn entity(text: &str) -> (String, usize) {
    let as_text = ("&".to_owned(), 1);
    let head = &text[1..text.floor_char_boundary(ENTITY_BYTES_MAX + 2)];
    let Some(end) = head.find(';') else { return as_text };
    let name = &head[..end];
    let number = name.strip_prefix('#').and_then(|number| match number.strip_prefix(['x', 'X']) {
        Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16).ok(),
        None => number.parse().ok(),
    });
    let known = || ENTITIES.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned());
    let found = match number.and_then(char::from_u32) {
        Some(c) => Some(c.to_string()),
        None => quick_xml::escape::resolve_predefined_entity(name).map(str::to_owned).or_else(known),
    };
    found.map_or(as_text, |found| (found, end + 2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn blocks_are_paragraphs_and_what_is_no_tag_stays() {
        let jats = "<jats:title>Methods</jats:title><jats:p>Levels of <jats:italic>IL</jats:italic>-6<jats:sub>a</jats:sub>\n  at p&lt;0.05.</jats:p>";
        assert_eq!(plain(jats), "Methods\n\nLevels of IL-6a\nat p<0.05.");
        assert_eq!(
            plain("<h4>Aims</h4>To see.<h4>Results</h4>5 &gt; 4 &#x3b1;&nbsp;&copy; &"),
            "Aims\n\nTo see.\n\nResults\n\n5 > 4 α &copy; &"
        );
        assert_eq!(plain("age <65 years and >18, <IL-6> x<y"), "age <65 years and >18, <IL-6> x<y");
        assert_eq!(plain("a<script>let x = '<p>';</SCRIPT>b<!-- hidden -->c<style>"), "abc");
    }

    #[test]
    fn nothing_invisible_is_left() {
        assert_eq!(clean("a\u{0}b\u{202e}c\u{200b}d\u{e0041}e\u{7}\tf\r\ng"), "abcde f\ng");
        assert_eq!(plain("x&#8238;y&#0;z"), "xyz", "nor what entities stand for");
    }

    proptest! {
        #[test]
        fn any_text_is_read_and_reading_lets_nothing_grow_beyond_reason(text in "(<|>|&|;|/|p|br|#x|script|[a-z ]|\\PC){0,80}") {
            let out = plain(&text);
            prop_assert!(out.len() <= text.len() * 2 + 2);
            prop_assert!(!out.chars().any(|c| c.is_control() && c != '\n'));
            prop_assert!(!out.contains("\n\n\n"));
        }
    }
}
