//! Takes away what repeats on the pages without being part of the text: running heads, footers, page numbers.

use super::lines::Line;
use std::collections::HashMap;

/// How many lines at each end of a page can be furniture.
const EDGE_LINES: usize = 4;
/// Fewest pages on which a line must recur.
const PAGES_MIN: usize = 3;
/// Share of the pages, in percent, on which it must recur; left and right pages often have different heads.
const PAGES_PERCENT_MIN: usize = 40;

/// Fewest letters of a line that can recur.
const LETTERS_MIN: usize = 3;

/// Removes recurring lines from the edges of the pages, and page numbers.
pub(super) fn remove(pages: &mut [Vec<Line>]) {
    let edges: Vec<Vec<usize>> = pages.iter().map(|page| edge_lines(page)).collect();
    let mut seen: HashMap<String, usize> = HashMap::new();
    for (page, edge) in pages.iter().zip(&edges) {
        let mut keys: Vec<String> = edge.iter().filter_map(|at| page.get(*at)).map(|line| key(&line.text)).collect();
        keys.sort_unstable();
        keys.dedup();
        for key in keys {
            *seen.entry(key).or_default() += 1;
        }
    }
    let needed = PAGES_MIN.max(pages.len() * PAGES_PERCENT_MIN / 100);
    let many = pages.len() > 1;
    let shift = numbering(pages);
    let goes = |page: &[Line], edge: &[usize]| -> Vec<bool> {
        let outermost = outermost(page);
        let is_furniture = |(here, line): (usize, &Line)| {
            let key = key(&line.text);
            // Rows of numbers look alike once their numbers are blanked, so a line must have words to recur.
            let worded = key.chars().filter(|c| c.is_alphabetic()).count() >= LETTERS_MIN;
            let recurs = worded && edge.contains(&here) && seen.get(&key).is_some_and(|pages| *pages >= needed);
            let numbered = many && outermost.contains(&here) && (is_page_number(&line.text) || shift.is_some_and(|s| carries(line, s)));
            recurs || numbered
        };
        page.iter().enumerate().map(is_furniture).collect()
    };
    let furniture: Vec<Vec<bool>> = pages.iter().zip(&edges).map(|(page, edge)| goes(page, edge)).collect();
    // Where every line recurs, as on labels or forms, the lines are the text.
    if furniture.iter().flatten().all(|goes| *goes) {
        return;
    }
    for (page, furniture) in pages.iter_mut().zip(furniture) {
        let mut furniture = furniture.into_iter();
        page.retain(|_| !furniture.next().unwrap_or(false));
    }
}

fn by_height(page: &[Line]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..page.len()).collect();
    let height = |at: &usize| page.get(*at).map_or(0.0, |line| line.y);
    order.sort_by(|a, b| height(b).total_cmp(&height(a)));
    order
}

fn edge_lines(page: &[Line]) -> Vec<usize> {
    let order = by_height(page);
    let bottom = order.len().saturating_sub(EDGE_LINES).max(EDGE_LINES);
    order.iter().take(EDGE_LINES).chain(order.get(bottom..).unwrap_or_default()).copied().collect()
}

fn outermost(page: &[Line]) -> Vec<usize> {
    let order = by_height(page);
    order.first().into_iter().chain(order.last()).copied().collect()
}

/// A line with its numbers blanked, so that page numbers do not tell running heads apart.
fn key(text: &str) -> String {
    let mut key = String::with_capacity(text.len());
    for c in text.chars().filter(|c| !c.is_whitespace()) {
        match c {
            c if c.is_ascii_digit() => {
                if !key.ends_with('#') {
                    key.push('#');
                }
            }
            c => key.extend(c.to_lowercase()),
        }
    }
    key
}

/// By how much the printed page numbers run ahead of the count of pages, if most pages carry one at their edge.
fn numbering(pages: &[Vec<Line>]) -> Option<i64> {
    let mut shifts: HashMap<i64, usize> = HashMap::new();
    for page in pages {
        let mut found: Vec<i64> = outermost(page).into_iter().filter_map(|at| page.get(at)).flat_map(shifts_of).collect();
        found.sort_unstable();
        found.dedup();
        for shift in found {
            *shifts.entry(shift).or_default() += 1;
        }
    }
    let (shift, count) = shifts.into_iter().max_by_key(|(_, count)| *count)?;
    (count >= PAGES_MIN && count * 2 > pages.len()).then_some(shift)
}

/// The numbers at the start and at the end of a line, less the count of its page.
fn shifts_of(line: &Line) -> Vec<i64> {
    let words: Vec<&str> = line.text.split_whitespace().collect();
    let ends = words.first().into_iter().chain(words.last());
    ends.filter_map(|word| word.parse::<i64>().ok()).map(|number| number.saturating_sub(i64::from(line.page))).collect()
}

/// Whether a line carries the number of its page, as a running head of a chapter does.
fn carries(line: &Line, shift: i64) -> bool {
    shifts_of(line).contains(&shift)
}

fn is_page_number(text: &str) -> bool {
    let key = key(text);
    let bare = key.trim_matches(['-', '–', '—', '|', '[', ']']);
    let roman = !bare.is_empty() && bare.len() <= 6 && bare.chars().all(|c| matches!(c, 'i' | 'v' | 'x' | 'l'));
    roman || matches!(bare, "#" | "page#" | "page#of#" | "#of#" | "#/#" | "page#/#" | "p.#")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(number: u32, texts: &[&str]) -> Vec<Line> {
        let line = |(n, text): (usize, &&str)| Line {
            text: (*text).to_owned(),
            x0: 72.0,
            x1: 500.0,
            y: 800.0 - n as f32 * 14.0,
            size: 10.0,
            turns: 0,
            bold: false,
            page: number,
            row: false,
            inks: vec![],
        };
        texts.iter().enumerate().map(line).collect()
    }

    #[test]
    fn running_heads_and_page_numbers_go() {
        let mut pages: Vec<Vec<Line>> = (1..=5)
            .map(|n| {
                let (head, body, foot) =
                    (format!("Acme protocol {n}"), format!("Body {}", "x".repeat(n as usize)), format!("Page {n} of 5"));
                page(n, &[&head, &body, "Middle", "More", "Text", "Text b", "Text c", "Text d", "Last", &foot])
            })
            .collect();
        pages[0].remove(0);
        remove(&mut pages);
        assert!(pages.iter().flatten().all(|l| !l.text.contains("Acme") && !l.text.contains("Page")));
        assert!(pages.iter().all(|p| p.iter().any(|l| l.text.starts_with("Body"))));
    }

    #[test]
    fn running_heads_of_chapters_are_told_by_their_page_number() {
        let heads = ["Chapter 1: Scope", "Chapter 1: Scope", "Chapter 2: Terms", "Chapter 3: Methods"];
        let mut pages: Vec<Vec<Line>> = (1..)
            .zip(heads)
            .map(|(n, head)| {
                page(n, &[&format!("{head} {}", n + 4), &"Text ".repeat(n as usize), &format!("Dose {}", "b".repeat(n as usize))])
            })
            .collect();
        remove(&mut pages);
        assert!(pages.iter().all(|p| p.len() == 2 && p[0].text.starts_with("Text")), "{pages:?}");
    }

    #[test]
    fn pages_that_are_all_alike_keep_their_text() {
        let mut pages: Vec<Vec<Line>> = (1..=5).map(|n| page(n, &["Label of the device", "Sterile"])).collect();
        remove(&mut pages);
        assert!(pages.iter().all(|p| p.len() == 2));
    }

    #[test]
    fn a_single_page_keeps_everything() {
        let mut pages = vec![page(1, &["Title", "Text", "7"])];
        remove(&mut pages);
        assert_eq!(pages[0].len(), 3);
    }
}
