//! Whether a sentence has the kind of answer that a question asks for: a duration, a date, a number, an agent, a definition.

use super::question::{Asks, Kind, Question};
use crate::ask::check::{Figure, figures};
use std::collections::HashSet;
use vital_search::content_terms;

const OFTEN: &[&str] =
    &["annual", "annually", "yearly", "quarterly", "monthly", "weekly", "daily", "immediately", "promptly", "twice", "continuous"];
const CONDITIONS: &[&str] = &[
    "when",
    "if",
    "before",
    "after",
    "until",
    "since",
    "once",
    "only",
    "upon",
    "unless",
    "as soon as",
    "whenever",
    "earlier",
    "later",
    "at the time",
    "moment",
];
const AGENTS: &[&str] = &[
    "sponsor",
    "manufacturer",
    "applicant",
    "investigator",
    "committee",
    "board",
    "agency",
    "authority",
    "authorities",
    "commission",
    "company",
    "holder",
    "institute",
    "association",
    "person",
    "people",
    "reviewer",
    "assessor",
    "member state",
    "body",
    "officer",
    "author",
    "physician",
    "professional",
    "council",
    "panel",
    "team",
    "organisation",
    "organization",
    "branch",
    "office",
    "group",
    "centers",
    "center",
    "user",
    "importer",
    "facility",
    "unit",
    "owner",
    "manager",
    "director",
    "department",
    "responsible",
];
const MODALS: &[&str] = &[
    "must",
    "may",
    "should",
    "not",
    "no",
    "required",
    "requires",
    "need",
    "needs",
    "recommended",
    "allowed",
    "allows",
    "permitted",
    "prohibited",
    "prohibits",
    "cannot",
    "never",
    "only",
    "exempt",
    "applies",
    "apply",
    "can",
    "mandatory",
    "voluntary",
];
const REASONS: &[&str] = &[
    "because",
    "since",
    "so that",
    "therefore",
    "due to",
    "reason",
    "cannot",
    "neither",
    "assumes",
    "leads to",
    "in order to",
    "otherwise",
    "rather than",
    "bias",
];
const CONTRASTS: &[&str] = &["whereas", "while", "differs", "differ", "unlike", "instead", "rather than", "but", "versus", "compared with"];
const METHODS: &[&str] =
    &["by ", "equals", "divide", "multiplied", "calculated", "formula", "uses", "using", "with ", "through", "steps", "first", "becomes"];
/// Verbs that join a subject to its definition.
const DEFINES: &[&str] =
    &[" is ", " are ", " means ", " mean ", " stands for ", " stand for ", " refers to ", " refer to ", " was ", " defines ", " denotes "];

/// How far a sentence has the kind of answer asked for: 0, 0.5 or 1.
pub(crate) fn typed(question: &Question, sentence: &str) -> f32 {
    let lower = format!(" {} ", sentence.to_lowercase());
    let has = |list: &[&str]| list.iter().any(|w| word_in(&lower, w));
    let found = figures(sentence);
    let any = |test: &dyn Fn(&Figure) -> bool| found.iter().any(|f| test(&f.figure));
    let unit = |kinds: &[&str]| any(&|f| matches!(f, Figure::Number { unit: Some(u), .. } if kinds.contains(&u.kind)));
    let duration = unit(&["day", "month", "hour", "minute"]);
    let date = any(&|f| matches!(f, Figure::Date { .. }));
    let grade = |full: bool, half: bool| {
        if full {
            1.0
        } else if half {
            0.5
        } else {
            0.0
        }
    };
    match question.asks {
        Asks::HowLong => grade(duration || has(OFTEN), date),
        Asks::When => grade(date || duration, has(CONDITIONS) || has(OFTEN)),
        Asks::HowMany => grade(counts(question, sentence), any(&|f| matches!(f, Figure::Number { .. } | Figure::Mark { .. }))),
        Asks::HowMuch => grade(unit(&["usd", "eur", "gbp"]), false),
        Asks::Who => grade(has(AGENTS), sentence.split(' ').skip(1).any(|w| w.chars().filter(|c| c.is_uppercase()).count() >= 2)),
        Asks::Whether => grade(has(MODALS), false),
        Asks::Why => grade(has(REASONS), false),
        Asks::How => grade(has(METHODS), false),
        Asks::Comparison => grade(has(CONTRASTS), defines(question, sentence)),
        Asks::Definition => grade(defines(question, sentence), false),
        Asks::List => grade(enumerates(&lower), false),
        Asks::Open => 0.5,
    }
}

fn word_in(padded: &str, word: &str) -> bool {
    padded.match_indices(word).any(|(at, _)| {
        let before = padded[..at].chars().next_back().is_none_or(|c| !c.is_alphanumeric());
        let after = padded[at + word.len()..].chars().next().is_none_or(|c| !c.is_alphanumeric() || word.ends_with(' '));
        before && after
    })
}

/// Whether a number stands shortly before the noun that is counted, or there is no such noun.
fn counts(question: &Question, sentence: &str) -> bool {
    let nouns: HashSet<&String> = question.terms.iter().filter(|t| t.kind == Kind::Focus).flat_map(|t| &t.stems).collect();
    let figures = figures(sentence);
    let numbers = figures.iter().filter(|f| matches!(f.figure, Figure::Number { .. }));
    let near = |at: usize| {
        let end = (at + 60).min(sentence.len());
        let window = &sentence[at..sentence.floor_char_boundary(end)];
        content_terms(window).iter().any(|t| nouns.contains(t))
    };
    numbers.into_iter().any(|f| nouns.is_empty() || near(f.range.start))
}

/// Whether what the question is about stands before a verb of definition.
fn defines(question: &Question, sentence: &str) -> bool {
    let Some(verb) = DEFINES.iter().filter_map(|v| sentence.find(v)).min() else { return false };
    let before = &sentence[..verb];
    let subject: Vec<String> = content_terms(before);
    let narrow = || question.terms.iter().filter(|t| t.kind != Kind::Soft);
    let all = narrow().count();
    let hit = narrow().filter(|t| t.stems.iter().all(|s| subject.contains(s))).count();
    // "Examples of X are …" defines nothing; "A long name (X) is …" does.
    let leads = subject.first().is_some_and(|first| narrow().any(|t| t.stems.contains(first)));
    let in_brackets = before.split('(').skip(1).any(|b| narrow().any(|t| b.starts_with(&t.surface)));
    let short = subject.len() <= 4 * hit + 2;
    hit > 0 && short && (leads || in_brackets) && (2 * hit >= all || question.asks == Asks::Comparison)
}

/// Whether a sentence speaks of a named special kind of what is asked about: a "Special 510(k)" where a 510(k) was asked for.
pub(crate) fn narrows(question: &Question, sentence: &str) -> bool {
    let asked: HashSet<&String> = question.terms.iter().flat_map(|t| &t.stems).collect();
    question.terms.iter().filter(|t| t.kind == Kind::Anchor).any(|t| {
        sentence.find(&t.surface).is_some_and(|at| {
            let before = sentence[..at].trim_end().rsplit(' ').next().unwrap_or_default();
            let opens = before.len() == sentence[..at].trim_end().len();
            let named = before.len() > 3 && before.starts_with(char::is_uppercase) && before.chars().skip(1).all(char::is_lowercase);
            named && !opens && content_terms(before).iter().all(|w| !asked.contains(w))
        })
    })
}

fn enumerates(lower: &str) -> bool {
    let joins = lower.matches(", ").count() + lower.matches(" and ").count() + lower.matches("; ").count();
    joins >= 2 || lower.contains("such as") || lower.contains("include") || lower.contains("namely")
}
