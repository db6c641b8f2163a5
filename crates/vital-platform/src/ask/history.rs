//! What earlier turns add to a question: a follow-up such as “and for class III?” is searched together with the question it follows.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use vital_kernel::limits;
use vital_search::content_terms;

/// An earlier question with its answer as plain text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Exchange {
    /// What was asked.
    pub question: String,
    /// What was answered; empty where nothing was.
    pub answer: String,
}

/// The latest exchanges, as many as an answer is written with.
pub(super) fn recent(mut all: Vec<Exchange>) -> Vec<Exchange> {
    all.split_off(all.len().saturating_sub(limits::HISTORY_TURNS_MAX))
}

/// A question with fewer words of its own than this leans on the one before.
const OWN_TERMS_MIN: usize = 4;
/// Openings that lean on what was said before.
const LEANING: [&str; 14] = [
    "and ",
    "but ",
    "what about",
    "how about",
    "also",
    "so ",
    "then ",
    "why?",
    "why not",
    "is it",
    "does it",
    "can it",
    "are they",
    "do they",
];
/// Words inside a question that point back.
const POINTING: [&str; 10] = [" it ", " its ", " they ", " them ", " their ", " that ", " this ", " those ", " these ", " there "];

/// Tells whether a question cannot be searched without the one before it.
fn leans(question: &str) -> bool {
    let lower = format!("{} ", question.trim().to_lowercase());
    let own = content_terms(question).len();
    let points = POINTING.iter().any(|w| lower.contains(w) || lower.starts_with(w.trim_start()));
    LEANING.iter().any(|l| lower.starts_with(l)) || own < OWN_TERMS_MIN && points || own < 2
}

/// The words to search for: the question, led by the last one it leans on.
pub(super) fn search_query(question: &str, earlier: &[&str]) -> String {
    match earlier.last() {
        Some(last) if leans(question) => format!("{last}\n{question}"),
        _ => question.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_follow_up_is_searched_with_the_question_before_it() {
        let earlier = ["How long does FDA review a 510(k)?"];
        for follow_up in ["And for De Novo?", "What about PMA supplements?", "Who sets it?", "Why?"] {
            assert_eq!(search_query(follow_up, &earlier), format!("{}\n{follow_up}", earlier[0]));
        }
    }

    #[test]
    fn a_question_of_its_own_is_searched_alone() {
        let earlier = ["How long does FDA review a 510(k)?"];
        let own = "Which documents does an EU clinical trial application need?";
        assert_eq!(search_query(own, &earlier), own);
        assert_eq!(search_query("And then?", &[]), "And then?");
    }
}
