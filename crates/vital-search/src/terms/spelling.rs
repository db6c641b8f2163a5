//! Brings American and British spellings of a word to one.
//!
//! The spelling kept is not always the nicer one but the one that the stemmer does less harm to: `authorization` and `organization` would be
//! cut to `author` and `organ`, `authorisation` and `organisation` keep their subject. Both sides of a search go through here, so that a
//! word changed by a rule that was not meant for it still meets itself.

use std::borrow::Cow;

/// Shortest word that is changed, in letters.
const LETTERS_MIN: usize = 5;

/// Endings and what replaces them, longest first; of the letters before them at least three must remain.
const ENDINGS: &[(&str, &str)] = &[
    ("izational", "isational"),
    ("izations", "isations"),
    ("ization", "isation"),
    ("ourable", "orable"),
    ("ouring", "oring"),
    ("oured", "ored"),
    ("izing", "ising"),
    ("yzing", "ysing"),
    ("izers", "isers"),
    ("izer", "iser"),
    ("ized", "ised"),
    ("yzed", "ysed"),
    ("izes", "ises"),
    ("yzes", "yses"),
    ("ours", "ors"),
    ("ize", "ise"),
    ("yze", "yse"),
    ("our", "or"),
];

/// Groups of letters of Greek and Latin words and what replaces them wherever they stand.
const GROUPS: &[(&str, &str)] = &[
    ("aemia", "emia"),
    ("aemic", "emic"),
    ("haem", "hem"),
    ("paed", "ped"),
    ("gynaec", "gynec"),
    ("anaesth", "anesth"),
    ("caesar", "cesar"),
    ("aetiolog", "etiolog"),
    ("oedema", "edema"),
    ("oesoph", "esoph"),
    ("oestr", "estr"),
    ("foet", "fet"),
    ("rrhoe", "rrhe"),
    ("pnoea", "pnea"),
    ("sulph", "sulf"),
    ("tumour", "tumor"),
    ("behaviour", "behavior"),
    ("labell", "label"),
    ("modell", "model"),
    ("cancell", "cancel"),
    ("counsell", "counsel"),
    ("signall", "signal"),
    ("fulfill", "fulfil"),
    ("enroll", "enrol"),
];

/// Words that follow no rule, sorted.
const WORDS: &[(&str, &str)] = &[
    ("analogue", "analog"),
    ("analogues", "analogs"),
    ("catalogue", "catalog"),
    ("centre", "center"),
    ("centred", "centered"),
    ("centres", "centers"),
    ("defence", "defense"),
    ("dialogue", "dialog"),
    ("fibre", "fiber"),
    ("fibres", "fibers"),
    ("judgement", "judgment"),
    ("licence", "license"),
    ("licences", "licenses"),
    ("litre", "liter"),
    ("litres", "liters"),
    ("metre", "meter"),
    ("metres", "meters"),
    ("multicentre", "multicenter"),
    ("practise", "practice"),
    ("programme", "program"),
    ("programmes", "programs"),
    ("titre", "titer"),
    ("titres", "titers"),
];

/// The one spelling of a word in lower-case ASCII letters.
pub(super) fn one_spelling(word: &str) -> Cow<'_, str> {
    if word.len() < LETTERS_MIN {
        return Cow::Borrowed(word);
    }
    if let Ok(at) = WORDS.binary_search_by_key(&word, |(from, _)| from) {
        return Cow::Borrowed(WORDS[at].1);
    }
    let mut word = Cow::Borrowed(word);
    for (from, to) in GROUPS.iter().filter(|(from, _)| from.len() <= word.len()) {
        if word.contains(from) {
            word = Cow::Owned(word.replacen(from, to, 1));
            break;
        }
    }
    let ending =
        ENDINGS.iter().find_map(|(from, to)| word.strip_suffix(from).filter(|stem| stem.len() >= 3).map(|stem| [stem, to].concat()));
    ending.map_or(word, Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_become_one() {
        for (british, american) in [
            ("authorisation", "authorization"),
            ("randomised", "randomized"),
            ("organisations", "organizations"),
            ("analysed", "analyzed"),
            ("tumours", "tumors"),
            ("behavioural", "behavioral"),
            ("paediatric", "pediatric"),
            ("haematology", "hematology"),
            ("leukaemia", "leukemia"),
            ("ischaemic", "ischemic"),
            ("diarrhoea", "diarrhea"),
            ("oedema", "edema"),
            ("oestrogen", "estrogen"),
            ("foetal", "fetal"),
            ("labelling", "labeling"),
            ("enrolment", "enrollment"),
            ("centre", "center"),
            ("programme", "program"),
            ("sulphate", "sulfate"),
            ("colour", "color"),
            ("dyspnoea", "dyspnea"),
        ] {
            assert_eq!(one_spelling(british), one_spelling(american), "{british}");
        }
    }

    #[test]
    fn words_that_only_look_alike_stay_apart_and_short_ones_stay() {
        for word in ["four", "hour", "size", "phase", "disease", "course", "journal", "dose"] {
            assert_eq!(one_spelling(word), word);
        }
        assert_ne!(one_spelling("organization"), one_spelling("organ"));
    }

    #[test]
    fn the_words_are_sorted_for_binary_search() {
        assert!(WORDS.is_sorted());
    }
}
