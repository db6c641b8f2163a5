//! Reads a question: what kind of answer it asks for, and which terms a sentence must be about to answer it.
//!
//! Terms differ in weight. An anchor is a name, a number or an identifier: an answer about something else is no answer. A plain
//! term can be said in other words. A soft term ("need", "apply") hardly narrows anything down.

use super::lexicon::{self, Group};
use crate::ask::check::is_drug_like;
use std::collections::HashSet;
use std::ops::Range;
use vital_documents::sentences;
use vital_search::content_spans;

/// What kind of answer is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asks {
    /// What is it, what does it stand for.
    Definition,
    /// A date, a deadline, a condition.
    When,
    /// A length of time.
    HowLong,
    /// A count or a measure.
    HowMany,
    /// An amount of money.
    HowMuch,
    /// A person or body.
    Who,
    /// Whether something is needed or allowed.
    Whether,
    /// How two or more things differ.
    Comparison,
    /// Parts, steps, kinds.
    List,
    /// A reason.
    Why,
    /// A method.
    How,
    /// Anything else.
    Open,
}

/// How much a term narrows the question down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A name, number or identifier.
    Anchor,
    /// What the question asks for by name: the `fee` of "what is the fee for …".
    Focus,
    /// Any other word.
    Plain,
    /// A word that says little by itself.
    Soft,
}

/// A term of the question.
#[derive(Clone, Debug)]
pub(crate) struct Term {
    /// The words as they were asked.
    pub(crate) surface: String,
    /// Terms of the index; of a name of several words all must stand close together.
    pub(crate) stems: Vec<String>,
    pub(crate) kind: Kind,
    /// Weight from 0 to 1.
    pub(crate) weight: f32,
    /// The words that can stand for it.
    pub(crate) group: Option<Group>,
}

/// A question as the composer sees it.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) asks: Asks,
    pub(crate) terms: Vec<Term>,
    /// The sides of a comparison, as indexes of terms.
    pub(crate) sides: Vec<Vec<usize>>,
}

impl Question {
    /// Reads a question; of earlier questions the last one lends its terms to a follow-up that has few of its own.
    pub(crate) fn read(text: &str, earlier: &[&str]) -> Self {
        let core = core(text);
        let asks = asks(&text[core.clone()], text);
        let mut terms = read_terms(text, &core, asks);
        let own = terms.iter().filter(|t| t.kind != Kind::Soft).count();
        if own < 3
            && is_follow_up(text, own)
            && let Some(last) = earlier.last()
        {
            let whole = 0..last.len();
            for mut term in read_terms(last, &whole, Asks::Open) {
                if !terms.iter().any(|t| t.stems == term.stems) {
                    term.weight *= 0.25;
                    term.kind = if term.kind == Kind::Anchor { Kind::Plain } else { term.kind };
                    terms.push(term);
                }
            }
        }
        let sides = if asks == Asks::Comparison { sides(text, &terms) } else { Vec::new() };
        Self { asks, terms, sides }
    }
}

fn is_follow_up(text: &str, own: usize) -> bool {
    let lower = text.trim().to_lowercase();
    own == 0
        || ["and ", "what about", "how about", "or ", "but ", "why", "also"].iter().any(|s| lower.starts_with(s))
        || lower
            .split(|c: char| !c.is_alphabetic())
            .any(|w| matches!(w, "it" | "they" | "that" | "this" | "those" | "these" | "there" | "them" | "its" | "their"))
}

/// The sentence that asks; what stands before it is the situation.
fn core(text: &str) -> Range<usize> {
    let parts = sentences(text);
    let asking = parts.iter().rev().find(|p| text[(*p).clone()].trim_end().ends_with('?'));
    let part = asking.or(parts.last()).cloned().unwrap_or(0..text.len());
    let body = &text[part.clone()];
    match body.find(": ") {
        Some(colon) if body[..colon].split_whitespace().count() >= 6 && body[colon..].split_whitespace().count() >= 4 => {
            part.start + colon + 2..part.end
        }
        _ => part,
    }
}

/// Words of a question that compares.
const COMPARISON: &[&str] =
    &[" difference", " differ", " versus ", " vs ", " vs. ", " compared ", " distinguish", " rather than ", " contrast"];
/// Words of a question for a sum of money.
const HOW_MUCH: &[&str] = &[
    " fee ",
    " fees ",
    " cost ",
    " costs of ",
    " charge ",
    " charges ",
    " price ",
    " how much does",
    " how much is",
    " fine ",
    " penalty ",
    " salary ",
];
/// Words of a question for a duration.
const HOW_LONG: &[&str] = &[
    " how long",
    " how quickly",
    " how soon",
    " how fast",
    " deadline",
    " within what",
    " how many days",
    " how many months",
    " how many years",
    " how many weeks",
    " how often",
    " how frequent",
    " what period",
    " time limit",
    " timeline",
    " for what period",
];
/// Words of a question for a number.
const HOW_MANY: &[&str] = &[
    " how many",
    " how large",
    " how big",
    " how high",
    " how rare",
    " what percentage",
    " what share",
    " what number",
    " how much",
    " what rate",
    " how old",
    " what size",
    " what sample size",
    " what dose",
];
/// Words of a question for a list.
const LIST: &[&str] = &[
    " steps",
    " list ",
    " kinds",
    " types",
    " sorts",
    " parts",
    " elements",
    " criteria",
    " reasons",
    " levels",
    " strategies",
    " which characteristics",
    " principles",
    " methods",
    " requirements",
    " contents",
    " factors",
    " views",
    " conditions",
    " examples",
    " categories",
    " phases",
    " stages",
    " domains",
    " components",
    " documents",
];

fn asks(core: &str, whole: &str) -> Asks {
    let lower = format!(" {} ", core.to_lowercase().replace(['?', ',', ':'], " "));
    let all = whole.to_lowercase();
    let has = |list: &[&str]| list.iter().any(|w| lower.contains(w));
    let first = lower.split_whitespace().next().unwrap_or_default();
    if has(COMPARISON) || all.contains(" versus ") || all.contains(" vs ") {
        return Asks::Comparison;
    }
    if has(HOW_MUCH) && !has(&["who ", " discount", " relief", " waive"]) {
        return Asks::HowMuch;
    }
    if has(HOW_LONG) {
        return Asks::HowLong;
    }
    if has(HOW_MANY) {
        return Asks::HowMany;
    }
    if has(&[" when ", " until when", " by when", " since when", " from what date", " what date", " from when"]) {
        return Asks::When;
    }
    if has(&[" who ", " whose ", " whom ", " by whom"]) {
        return Asks::Who;
    }
    if has(&[" why ", " for what reason", " what reason"]) && !lower.contains(" reasons ") {
        return Asks::Why;
    }
    if has(LIST) {
        return Asks::List;
    }
    if has(&[" what is ", " what are ", " what's ", " stand for", " mean ", " definition", " define ", " explain ", " meant by"]) {
        return Asks::Definition;
    }
    if matches!(
        first,
        "do" | "does" | "did" | "is" | "are" | "can" | "may" | "must" | "should" | "could" | "will" | "would" | "has" | "have" | "need"
    ) {
        return Asks::Whether;
    }
    if has(&[" how "]) { Asks::How } else { Asks::Open }
}

/// Reads the terms of a text; those outside of `core` describe the situation and weigh less.
fn read_terms(text: &str, core: &Range<usize>, asks: Asks) -> Vec<Term> {
    let words: Vec<Word> = words(text);
    let shouting = words.iter().filter(|w| w.capital).count() * 10 > words.len() * 6 && words.len() > 3;
    let mut terms: Vec<Term> = Vec::new();
    let mut covered: HashSet<usize> = HashSet::new();
    if !shouting {
        for run in name_runs(&words) {
            let range = words[run.start].range.start..words[run.end - 1].range.end;
            let stems: Vec<String> = unique(content_spans(&text[range.clone()]).into_iter().map(|s| s.term).collect());
            if stems.len() >= 2 {
                covered.extend(range.clone());
                push(&mut terms, Term { surface: text[range.clone()].to_owned(), stems, kind: Kind::Anchor, weight: 1.0, group: None });
            }
        }
    }
    let focus = focus(text, core);
    let spans = content_spans(text);
    for (index, span) in spans.iter().enumerate() {
        let part_of_whole = spans.iter().enumerate().any(|(o, other)| {
            o != index && other.range.len() > span.range.len() && other.range.start <= span.range.start && span.range.end <= other.range.end
        });
        if covered.contains(&span.range.start) || part_of_whole {
            continue;
        }
        let surface = &text[span.range.clone()];
        let soft = lexicon::is_soft(&span.term) || lexicon::is_asked_by_kind(&span.term, asks);
        let sentence_start = words.iter().any(|w| w.range.start == span.range.start && w.opens);
        let kind = if is_anchor(surface, sentence_start || shouting) {
            Kind::Anchor
        } else if focus.as_ref().is_some_and(|f| f.contains(&span.range.start)) && !soft {
            Kind::Focus
        } else if soft {
            Kind::Soft
        } else {
            Kind::Plain
        };
        let inside = core.contains(&span.range.start);
        let base = match kind {
            Kind::Anchor | Kind::Focus => 1.0,
            Kind::Plain => 0.8,
            Kind::Soft => 0.2,
        };
        let (kind, weight) = if inside { (kind, base) } else { (if kind == Kind::Soft { kind } else { Kind::Plain }, base * 0.4) };
        push(
            &mut terms,
            Term { surface: surface.to_owned(), stems: vec![span.term.clone()], kind, weight, group: lexicon::group(&span.term) },
        );
    }
    terms
}

fn push(terms: &mut Vec<Term>, term: Term) {
    match terms.iter_mut().find(|t| t.stems == term.stems) {
        Some(same) => same.weight = same.weight.max(term.weight),
        None => terms.push(term),
    }
}

fn unique(mut stems: Vec<String>) -> Vec<String> {
    let mut seen = HashSet::new();
    stems.retain(|s| seen.insert(s.clone()));
    stems
}

struct Word {
    range: Range<usize>,
    capital: bool,
    opens: bool,
}

fn words(text: &str) -> Vec<Word> {
    let mut found = Vec::new();
    let mut opens = true;
    for raw in text.split_inclusive(char::is_whitespace) {
        let start = raw.as_ptr() as usize - text.as_ptr() as usize;
        let word = raw.trim_matches(|c: char| !c.is_alphanumeric() && c != ')');
        let offset = raw.find(word).unwrap_or(0);
        if !word.is_empty() {
            let mut chars = word.chars();
            let capital = chars.next().is_some_and(char::is_uppercase) && chars.any(char::is_lowercase);
            found.push(Word { range: start + offset..start + offset + word.len(), capital, opens });
        }
        opens = raw.trim_end().ends_with(['.', '?', '!', ':']) || (word.is_empty() && opens);
    }
    found
}

/// Runs of two and more capitalised words inside a sentence: names.
fn name_runs(words: &[Word]) -> Vec<Range<usize>> {
    let mut runs = Vec::new();
    let mut start = 0;
    while start < words.len() {
        let mut end = start;
        while end < words.len() && words[end].capital && !words[end].opens {
            end += 1;
        }
        if end - start >= 2 {
            runs.push(start..end);
        }
        start = end.max(start + 1);
    }
    runs
}

/// Names, numbers and identifiers.
fn is_anchor(surface: &str, sentence_start: bool) -> bool {
    let letters = surface.chars().filter(|c| c.is_alphabetic()).count();
    let capitals = surface.chars().filter(|c| c.is_uppercase()).count();
    let digits = surface.chars().filter(char::is_ascii_digit).count();
    digits >= 2
        || (digits == 1 && capitals >= 1)
        || (capitals >= 2 && capitals * 2 > letters)
        || (!sentence_start && surface.starts_with(char::is_uppercase) && letters >= 3)
        || is_drug_like(surface)
}

/// The noun that is asked for: the last word of the group after "what is the", "which", "how many" up to the next small word.
fn focus(text: &str, core: &Range<usize>) -> Option<Range<usize>> {
    const OPENINGS: &[&str] =
        &["what is the ", "what are the ", "what was the ", "who is the ", "how many ", "what's the ", "how much is the ", "what "];
    const BORDERS: &[&str] = &[
        "of", "for", "in", "to", "that", "which", "on", "under", "do", "does", "did", "is", "are", "was", "were", "has", "have", "had",
        "should", "must", "may", "can", "will", "at", "by", "from", "with", "when", "if", "after", "a", "the", "an", "need", "needs",
        "apply", "applies", "and", "between", "counts", "need", "should",
    ];
    let body = &text[core.clone()];
    let lower = body.to_ascii_lowercase();
    let (at, opening) = OPENINGS.iter().filter_map(|o| lower.find(o).map(|at| (at, *o))).max_by_key(|(_, o)| o.len())?;
    let start = at + opening.len();
    let mut last = None;
    let mut place = start;
    for word in lower[start..].split_inclusive(' ') {
        let bare = word.trim_end_matches(|c: char| !c.is_alphanumeric());
        if BORDERS.contains(&bare) || bare.is_empty() {
            break;
        }
        last = Some(core.start + place..core.start + place + bare.len());
        place += word.len();
        if word.trim_end() != bare {
            break;
        }
    }
    last
}

/// The things that are compared, as groups of terms.
fn sides(text: &str, terms: &[Term]) -> Vec<Vec<usize>> {
    let lower = text.to_lowercase();
    let scope = lower.find(" between ").map(|at| at + 9).or_else(|| lower.rfind(": ").map(|at| at + 2)).unwrap_or(0);
    let marks = [" versus ", " vs. ", " vs ", " and ", " or ", " from ", " than ", " against ", ", "];
    let mut cuts: Vec<usize> = vec![scope];
    let mut at = scope;
    while let Some((place, mark)) = marks.iter().filter_map(|m| lower.get(at..)?.find(m).map(|p| (at + p, m))).min() {
        cuts.push(place + mark.len());
        at = place + mark.len();
    }
    cuts.push(text.len());
    let group = |range: Range<usize>| -> Vec<usize> {
        let Some(part) = text.get(range) else { return Vec::new() };
        let stems: HashSet<String> = content_spans(part).into_iter().map(|s| s.term).collect();
        (0..terms.len()).filter(|i| terms[*i].kind != Kind::Soft && terms[*i].stems.iter().all(|s| stems.contains(s))).collect()
    };
    let sides: Vec<Vec<usize>> = cuts.windows(2).map(|w| group(w[0]..w[1])).filter(|s| !s.is_empty()).collect();
    if sides.len() >= 2 { sides } else { Vec::new() }
}
