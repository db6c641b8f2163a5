//! Cuts a sentence into tokens that keep numbers and identifiers whole: `1,000`, `312.32(c)(1)`, `2017/745`, `E6(R3)`, `60601-1-6`.

use std::ops::Range;

/// One token.
#[derive(Clone, Debug)]
pub(crate) struct Token<'t> {
    pub(crate) text: &'t str,
    pub(crate) lower: String,
    pub(crate) range: Range<usize>,
}

impl Token<'_> {
    /// Digits with optional thousands separators and one decimal point.
    pub(crate) fn number(&self) -> Option<String> {
        let plain: String = self.text.chars().filter(|c| *c != ',').collect();
        let (whole, fraction) = plain.split_once('.').unwrap_or((&plain, ""));
        if whole.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
            return None;
        }
        let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
        let whole = if whole.is_empty() { "0" } else { whole };
        Some(if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") })
    }

    pub(crate) fn is_plain_number(&self) -> bool {
        self.text.bytes().all(|b| b.is_ascii_digit())
    }

    /// The token in the one spelling that its variants share; a bracket that closes a group is kept as a border.
    pub(crate) fn code(&self) -> String {
        self.lower.chars().filter(|c| !matches!(c, '-' | '‐' | '‑' | ')')).collect()
    }

    /// Whether it can stand after "class" or "Article": digits first, a Roman number, or a single capital with digits at most.
    pub(crate) fn is_mark(&self) -> bool {
        let text = self.text;
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            return true;
        }
        let roman = text.trim_end_matches(['a', 'b', 'c']);
        let is_roman = !roman.is_empty() && roman.len() <= 6 && roman.chars().all(|c| matches!(c, 'I' | 'V' | 'X' | 'L' | 'C'));
        let single = text.len() == 1 && text.starts_with(|c: char| c.is_ascii_uppercase());
        is_roman || single || (text.starts_with(|c: char| c.is_ascii_uppercase()) && text.chars().any(|c| c.is_ascii_digit()))
    }
}

/// Cuts a text into tokens, in order.
#[must_use]
pub(crate) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let end = if c.is_alphanumeric() {
            compound_end(text, at)
        } else if matches!(c, ',' | ';' | ':' | '%' | '§' | '≥' | '≤' | '<' | '>' | '$' | '€' | '£' | '/' | '-' | '–') {
            at + c.len_utf8()
        } else {
            at += c.len_utf8();
            continue;
        };
        found.push(Token { text: &text[at..end], lower: text[at..end].to_lowercase(), range: at..end });
        at = end;
    }
    found
}

/// End of the token that starts at `start`: runs of letters and digits with the marks that join them.
fn compound_end(text: &str, start: usize) -> usize {
    let mut end = run_end(text, start);
    loop {
        let token = &text[start..end];
        let has_digit = token.bytes().any(|b| b.is_ascii_digit());
        let rest = &text[end..];
        if has_digit && let Some(length) = group(rest) {
            end += length;
            continue;
        }
        let mut chars = rest.chars();
        let (Some(mark), Some(next)) = (chars.next(), chars.next()) else { return end };
        let last_is_digit = token.ends_with(|c: char| c.is_ascii_digit());
        let joins = match mark {
            ',' => last_is_digit && token.bytes().all(|b| b.is_ascii_digit() || b == b',') && thousands(&rest[1..]),
            '.' => (last_is_digit || token.ends_with(')')) && next.is_ascii_digit() || dotted_letters(token, next),
            '/' => last_is_digit && next.is_ascii_digit(),
            '-' | '‐' | '‑' => has_digit && next.is_ascii_digit() || next.is_ascii_digit() && short_capitals(token),
            '\'' | '’' => next.is_alphabetic(),
            _ => false,
        };
        if !joins {
            return end;
        }
        end = run_end(text, end + mark.len_utf8());
    }
}

fn run_end(text: &str, start: usize) -> usize {
    start + text[start..].find(|c: char| !c.is_alphanumeric()).unwrap_or(text.len() - start)
}

/// Length of a short group in brackets, `(k)` or `(R3)`, at the beginning.
fn group(rest: &str) -> Option<usize> {
    let inner = rest.strip_prefix('(')?;
    let length = inner.bytes().take_while(u8::is_ascii_alphanumeric).count();
    ((1..=4).contains(&length) && inner[length..].starts_with(')')).then_some(length + 2)
}

fn thousands(rest: &str) -> bool {
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    digits == 3
}

/// "U.S.C", "e.g": single letters joined by stops.
fn dotted_letters(token: &str, next: char) -> bool {
    next.is_alphabetic() && token.split('.').all(|p| p.chars().count() == 1 && p.chars().all(char::is_alphabetic))
}

/// "COVID-19", "KEYNOTE-189": the digits belong to the name.
fn short_capitals(token: &str) -> bool {
    token.len() >= 2 && token.chars().all(|c| c.is_uppercase())
}
