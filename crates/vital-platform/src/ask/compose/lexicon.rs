//! Words of the field that stand for one another, and words that narrow no question down. Kept as stems, as the index sees them.
//!
//! Short on purpose: general English and the vocabulary that regulators, clinicians and quality people share. What a document calls a
//! thing by itself ("… is also called …") is read from the document (`aliases.rs`), vectors do the rest.

use super::question::Asks;
use std::collections::HashMap;
use std::sync::OnceLock;
use vital_search::content_terms;

/// Number of a group of words that mean nearly the same.
pub(crate) type Group = usize;

/// Each line is a group; a word may stand in one group alone.
const GROUPS: &[&str] = &[
    "deadline due timeline",
    "keep retain retention archive archived archiving store stored preserve",
    "submit submission file filing filed send sent lodge hand",
    "start begin commence initiate initiation beginning",
    "participant subject enrollee",
    "medicine drug medicinal medication pharmaceutical",
    "adverse undesirable",
    "reaction event experience",
    "update revise revised refresh renew",
    "require required mandatory obligatory must compulsory demand",
    "stop halt terminate discontinue",
    "product compound substance",
    "pathway route",
    "europe european eu union",
    "US usa america american united",
    "uk britain british england",
    "germany german",
    "japan japanese",
    "china chinese",
    "canada canadian",
    "australia australian",
    "switzerland swiss",
    "brazil brazilian",
    "ireland irish",
    "france french",
    "death die dead fatal kill killed mortality",
    "lose loss",
    "cutoff threshold limit cut-off",
    "clinician doctor physician practitioner prescriber",
    "article paper publication",
    "instrument tool questionnaire",
    "trial study investigation",
    "price cost",
    "review decide decision process",
    "sponsor company applicant firm manufacturer",
    "agency authority regulator",
    "effective efficacy effectiveness",
    "quick rapid fast speed accelerated expedited",
    "yearly annual annually year",
    "big large size amount",
    "remove removal withdraw removed",
    "bias confounding",
    "check verify verification",
    "approve approval authorise authorisation authorize authorization licence license clearance cleared",
    "name call called term",
    "tell inform notify notification report reporting",
    "feedback comment response answer reply",
    "calculate computed compute calculation divide divided worked",
    "criticise criticised criticism weakness limitation",
    "rate rating score graded",
    "change modify modification amend amendment alteration",
    "step stage phase",
    "significance alpha",
    "hazard danger",
    "guideline guidance",
    "consent permission",
    "open-source off-the-shelf",
    "allowed permitted lawful",
    "replace replaced supersede correspond successor",
    "choose select chosen selection",
    "person individual people someone",
];

/// Words that say little about what is asked.
const SOFT: &str = "able account actually allow also amount answer any apply applicable appropriate around ask aspect available become \
    before being best big brief bring call case certain clear come company compare concern consider count cover current define definition depend \
    describe detail determine differ difference different do easy else ensure etc every everything exactly example exist expect explain far few find first \
    follow frequently full general get give go good happen hard have help high hold include involve issue item keep kind know large legally let level like list \
    little long look lot main make many mark matter mean meant method more most much name need new normal normally note number often old one open order \
    other our overall own part particular people per piece place point possible present previous provide put question quick quickly quite rather \
    reach really receive regard relate relevant require respect result right rule same say see set several short show similar simple size someone something sort soon \
    special specific start state still subject suitable take talk tell term thing think time today together topic true try turn two type under understand use usual \
    usually various versus view want way well what whole whom within without word work worth would write wrong year yes yet please versus vs thank explain \
    currently actually exactly fresh light lighter reason judge apply come keep fall stand remain stay build demand trigger want back hand anything anyone his her own before begin while take over";

fn stems(words: &str) -> impl Iterator<Item = String> + '_ {
    words.split_whitespace().flat_map(content_terms)
}

fn groups() -> &'static HashMap<String, Group> {
    static GROUP_OF: OnceLock<HashMap<String, Group>> = OnceLock::new();
    GROUP_OF.get_or_init(|| {
        let mut map = HashMap::new();
        for (number, line) in GROUPS.iter().enumerate() {
            for stem in stems(line) {
                map.entry(stem).or_insert(number);
            }
        }
        map
    })
}

/// The group of a term, if it has one.
pub(crate) fn group(term: &str) -> Option<Group> {
    groups().get(term).copied()
}

/// Tells whether a term says little about what is asked.
pub(crate) fn is_soft(term: &str) -> bool {
    static SOFT_STEMS: OnceLock<HashMap<String, ()>> = OnceLock::new();
    SOFT_STEMS.get_or_init(|| stems(SOFT).map(|s| (s, ())).collect()).contains_key(term)
}

/// Tells whether a term only repeats the kind of answer asked for: "days" of "how many days", "date" of "from what date".
pub(crate) fn is_asked_by_kind(term: &str, asks: Asks) -> bool {
    let repeated: &[&str] = match asks {
        Asks::HowLong => &["day", "month", "year", "week", "period", "deadlin", "time", "limit", "timelin", "frequent"],
        Asks::When => &["date", "deadlin", "time", "due", "moment"],
        Asks::HowMany => &["number", "percentag", "share", "amount"],
        Asks::Comparison => &["differ", "distinguish", "contrast", "compar"],
        Asks::Definition => &["mean", "definit", "stand"],
        _ => &[],
    };
    repeated.contains(&term)
}
