//! Years and spans of years that a question names as such.

use std::ops::Range;

/// The years that count as dates; other numbers of four digits are quantities or parts of identifiers.
const YEARS: Range<u16> = 1900..2100;

/// A span of years, both ends included; an open end is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Years {
    /// The first year.
    pub from: Option<u16>,
    /// The last year.
    pub to: Option<u16>,
}

/// A word of the question without the marks around it, in lower case, and its bytes.
struct Word {
    text: String,
    range: Range<usize>,
}

/// The years that a question asks for, with the words that say so. The first statement counts.
///
/// `since 2020`, `after 2019` (from 2020), `before 2018` (to 2017), `until 2018`, `from 2015 to 2018`, `between 2015 and 2018`, `2015-2018`,
/// `in 2020`, `in March 2020`, `2020-03-01`. A bare year says nothing: `ISO 14971 2019` means the edition.
pub(super) fn years(question: &str) -> (Option<Years>, Option<Range<usize>>) {
    let words = words(question);
    for (at, word) in words.iter().enumerate() {
        let from_here = &words[at..];
        let found = match word.text.as_str() {
            "since" | "from" | "between" => between(from_here).or_else(|| opened(from_here)),
            "after" => dated(from_here).map(|(year, used)| (Years { from: Some(year + bare(from_here)), to: None }, used + 1)),
            "before" => dated(from_here).map(|(year, used)| (Years { from: None, to: Some(year - bare(from_here)) }, used + 1)),
            "until" | "till" | "by" => dated(from_here).map(|(year, used)| (Years { from: None, to: Some(year) }, used + 1)),
            "in" | "during" => dated(from_here).map(|(year, used)| (Years { from: Some(year), to: Some(year) }, used + 1)),
            _ => span(&word.text).map(|years| (years, 1)),
        };
        if let Some((years, used)) = found
            && let Some(last) = words.get(at + used - 1)
        {
            return (Some(years), Some(word.range.start..last.range.end));
        }
    }
    (None, None)
}

/// `from 2015 to 2018`, `between March 2015 and 2018`.
fn between(words: &[Word]) -> Option<(Years, usize)> {
    let (from, used) = dated(words)?;
    words.get(used + 1).filter(|w| matches!(w.text.as_str(), "to" | "and" | "until" | "till"))?;
    let (to, more) = dated(&words[used + 1..])?;
    (from <= to).then_some((Years { from: Some(from), to: Some(to) }, used + more + 2))
}

/// `since 2020`; not `between 2020`.
fn opened(words: &[Word]) -> Option<(Years, usize)> {
    let (from, used) = dated(words)?;
    matches!(words.first()?.text.as_str(), "since" | "from").then_some((Years { from: Some(from), to: None }, used + 1))
}

/// The year of the date that follows the first word, and how many words the date has: `2020`, `March 2020`, `1 March 2020`.
fn dated(words: &[Word]) -> Option<(u16, usize)> {
    let mut at = 1;
    while at <= 3 {
        let text = words.get(at)?.text.as_str();
        if let Some(year) = year(text).or_else(|| iso_date(text)) {
            return Some((year, at));
        }
        if !(is_month(text) || text.parse::<u8>().is_ok_and(|day| (1..=31).contains(&day))) {
            return None;
        }
        at += 1;
    }
    None
}

/// 1 where nothing but a year follows the first word: `after 2019` begins a year later, `after March 2019` does not.
fn bare(words: &[Word]) -> u16 {
    words.get(1).map_or(0, |word| u16::from(year(&word.text).is_some()))
}

/// `2015-2018`, also with a dash.
fn span(text: &str) -> Option<Years> {
    let (from, to) = text.split_once(['-', '\u{2013}'])?;
    let (from, to) = (year(from)?, year(to)?);
    (from <= to).then_some(Years { from: Some(from), to: Some(to) })
}

fn year(text: &str) -> Option<u16> {
    let four = text.len() == 4 && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|year| four && YEARS.contains(year))
}

/// The year of `2020-03-01`.
fn iso_date(text: &str) -> Option<u16> {
    let mut parts = text.splitn(3, '-');
    let (first, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let within = |part: &str, most: u8| part.len() == 2 && part.parse::<u8>().is_ok_and(|n| (1..=most).contains(&n));
    year(first).filter(|_| within(month, 12) && within(day, 31))
}

fn is_month(text: &str) -> bool {
    const MONTHS: [&str; 12] =
        ["january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"];
    text.len() >= 3 && MONTHS.iter().any(|month| *month == text || (text.len() == 3 && month.starts_with(text)))
}

fn words(question: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut at = 0;
    for piece in question.split(char::is_whitespace) {
        let core = piece.trim_matches(|c: char| !c.is_alphanumeric());
        if let Some(offset) = piece.find(core).filter(|_| !core.is_empty()) {
            let start = at + offset;
            words.push(Word { text: core.to_lowercase(), range: start..start + core.len() });
        }
        at += piece.len() + question[at + piece.len()..].chars().next().map_or(0, char::len_utf8);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(question: &str) -> Option<(Option<u16>, Option<u16>)> {
        years(question).0.map(|y| (y.from, y.to))
    }

    #[test]
    fn years_are_read_from_what_is_said_about_them() {
        for (question, expected) in [
            ("guidance since 2020", (Some(2020), None)),
            ("approvals after 2019", (Some(2020), None)),
            ("approvals after March 2019", (Some(2019), None)),
            ("recalls before 2018", (None, Some(2017))),
            ("recalls before 2018-06-01", (None, Some(2018))),
            ("what changed until 2018?", (None, Some(2018))),
            ("trials from 2015 to 2018", (Some(2015), Some(2018))),
            ("trials between May 2015 and 1 March 2018", (Some(2015), Some(2018))),
            ("warning letters 2015-2018", (Some(2015), Some(2018))),
            ("warning letters (2015\u{2013}2018)", (Some(2015), Some(2018))),
            ("published in 2020", (Some(2020), Some(2020))),
            ("published in March 2020.", (Some(2020), Some(2020))),
        ] {
            assert_eq!(said(question), Some(expected), "{question}");
        }
    }

    #[test]
    fn a_number_that_nothing_is_said_about_is_no_date() {
        for question in
            ["ISO 14971 2019", "the 2019 edition", "between 2018 and 2015", "in 10 2nd visits", "since 3000", "from A to B", "in May"]
        {
            assert_eq!(said(question), None, "{question}");
        }
    }

    #[test]
    fn the_words_that_say_it_are_told() {
        let question = "recalls since March 2020, by class";
        assert_eq!(&question[years(question).1.unwrap()], "since March 2020");
    }
}
