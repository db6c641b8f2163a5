//! Negation, opposites and modality: what turns a statement into its contrary without touching a figure.

use std::ops::Range;
use vital_search::{TermSpan, content_spans, content_terms};

/// Words that deny what follows them.
const NEGATORS: &[&str] = &[
    "not",
    "no",
    "never",
    "cannot",
    "without",
    "neither",
    "nor",
    "none",
    "nobody",
    "nothing",
    "unless",
    "except",
    "non",
    "isn't",
    "aren't",
    "wasn't",
    "weren't",
    "don't",
    "doesn't",
    "didn't",
    "won't",
    "can't",
    "couldn't",
    "shouldn't",
    "needn't",
    "mustn't",
    "hasn't",
    "haven't",
];
/// Words with a denial inside, as stems; a plain negator on the other side can say the same.
const DENYING_STEMS: &[&str] =
    &["exempt", "prohibit", "forbid", "exclud", "absenc", "refus", "declin", "deni", "reject", "lack", "avoid", "waiv", "ban", "bar"];
/// Content terms after a negator that it reaches.
const REACH: usize = 3;
/// Words that become their opposite with `in`, `im` or `ir` before them.
const OPPOSED: &[&str] = &[
    "adequate",
    "complete",
    "sufficient",
    "effective",
    "valid",
    "eligible",
    "active",
    "dependent",
    "appropriate",
    "consistent",
    "correct",
    "direct",
    "possible",
    "proper",
    "relevant",
    "reversible",
    "significant",
    "accurate",
];
const OBLIGING: &[&str] = &["must", "shall", "required", "requires", "require", "mandatory", "obliged", "obligatory", "obligation"];
const ALLOWING: &[&str] = &["may", "should", "can", "could", "might", "recommends", "recommended", "encouraged", "optional", "voluntary"];

/// A negator and the stems it reaches.
struct Negation {
    scope: Vec<String>,
    stem: Option<&'static str>,
}

/// Names what is denied on one side alone, turned into its opposite or made an obligation. Empty where both agree.
/// `ignored` are the places of negators that belong to bounds, in each text.
#[must_use]
pub(super) fn disagreements(sentence: &str, quote: &str, ignored: (&[usize], &[usize])) -> Vec<String> {
    let mut wrong = Vec::new();
    if !negations_agree(sentence, quote, ignored) {
        wrong.push("negation".to_owned());
    }
    wrong.extend(opposites(sentence, quote));
    let (ours, theirs) = (words(sentence), words(quote));
    let any = |words: &[String], list: &[&str]| words.iter().find(|w| list.contains(&w.as_str())).cloned();
    if let Some(word) = any(&ours, OBLIGING)
        && any(&theirs, OBLIGING).is_none()
        && any(&theirs, ALLOWING).is_some()
    {
        wrong.push(word);
    }
    wrong
}

fn negations_agree(sentence: &str, quote: &str, ignored: (&[usize], &[usize])) -> bool {
    let ours = negations(sentence, ignored.0);
    let terms = content_terms(sentence);
    let reaches = |n: &Negation| n.scope.is_empty() || 2 * n.scope.iter().filter(|t| terms.contains(t)).count() >= n.scope.len();
    let mut theirs: Vec<Negation> = negations(quote, ignored.1).into_iter().filter(reaches).collect();
    // A denying word cancels itself first; only what is left may be said by a plain negator on the other side.
    let mut left = Vec::new();
    for negation in ours {
        let same = theirs.iter().position(|t| t.stem.is_some() && t.stem == negation.stem);
        match same {
            Some(at) => drop(theirs.remove(at)),
            None => left.push(negation),
        }
    }
    for negation in left.iter().filter(|n| n.stem.is_none()) {
        let fit = |t: &Negation| t.scope.iter().filter(|s| negation.scope.contains(s)).count();
        let best = (0..theirs.len()).filter(|i| theirs[*i].stem.is_none()).max_by_key(|i| fit(&theirs[*i]));
        match best.or_else(|| (!theirs.is_empty()).then_some(0)) {
            Some(at) => drop(theirs.remove(at)),
            None => return false,
        }
    }
    for _ in left.iter().filter(|n| n.stem.is_some()) {
        if let Some(at) = theirs.iter().position(|t| t.stem.is_none()) {
            theirs.remove(at);
        }
    }
    theirs.iter().all(|t| t.stem.is_some())
}

fn negations(text: &str, ignored: &[usize]) -> Vec<Negation> {
    let spans = content_spans(text);
    let mut found = Vec::new();
    for range in word_ranges(text) {
        let word = text[range.clone()].to_lowercase().replace('’', "'");
        let stem = || content_terms(&word).first().and_then(|t| DENYING_STEMS.iter().find(|d| *d == t)).copied();
        if NEGATORS.contains(&word.as_str()) && !ignored.contains(&range.start) {
            found.push(Negation { scope: scope(&spans, range.end), stem: None });
        } else if let Some(stem) = stem() {
            found.push(Negation { scope: vec![stem.to_owned()], stem: Some(stem) });
        }
    }
    found
}

fn scope(spans: &[TermSpan], from: usize) -> Vec<String> {
    spans.iter().filter(|s| s.range.start >= from).take(REACH).map(|s| s.term.clone()).collect()
}

/// Words that one side has and the other only with `un`, `non`, `in` or the like before them.
fn opposites(sentence: &str, quote: &str) -> Vec<String> {
    let (ours, theirs) = (words(sentence), words(quote));
    let turned = |word: &str, others: &[String]| {
        let opposed = OPPOSED.contains(&word);
        others.iter().any(|o| {
            (word.len() >= 5 && o.strip_prefix("un").is_some_and(|rest| rest == word))
                || (opposed && ["in", "im", "ir"].iter().any(|p| o.strip_prefix(p) == Some(word)))
        })
    };
    let mut wrong: Vec<String> = ours.iter().filter(|w| !theirs.contains(w) && turned(w, &theirs)).cloned().collect();
    wrong.extend(theirs.iter().filter(|w| !ours.contains(w) && turned(w, &ours)).map(|w| format!("not “{w}”")));
    wrong.dedup();
    wrong
}

fn words(text: &str) -> Vec<String> {
    word_ranges(text).map(|r| text[r].to_lowercase()).collect()
}

/// The runs of letters of a text, an apostrophe inside included.
pub(super) fn word_ranges(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + text[at..].find(char::is_alphabetic)?;
        let mut end = start;
        for (offset, c) in text[start..].char_indices() {
            let inside = matches!(c, '\'' | '’') && text[start + offset + c.len_utf8()..].starts_with(char::is_alphabetic);
            if !(c.is_alphabetic() || inside) {
                break;
            }
            end = start + offset + c.len_utf8();
        }
        at = end;
        Some(start..end)
    })
}
