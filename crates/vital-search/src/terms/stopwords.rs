//! English words that say nothing about a passage's subject, and the capitals that are names after all.

/// Function and question words, sorted; held in their normalised form.
const STOP_WORDS: &[&str] = &[
    "a", "about", "also", "am", "an", "and", "any", "are", "as", "at", "be", "been", "being", "but", "by", "can", "could", "did", "do",
    "does", "doing", "eg", "etc", "for", "from", "had", "has", "have", "having", "he", "her", "here", "hers", "him", "his", "how", "i",
    "ie", "if", "in", "into", "is", "it", "its", "may", "me", "might", "must", "my", "no", "nor", "not", "of", "on", "or", "our", "ours",
    "s", "shall", "she", "should", "so", "some", "such", "than", "that", "the", "their", "theirs", "them", "then", "there", "these",
    "they", "this", "those", "to", "too", "us", "very", "was", "we", "were", "what", "when", "where", "whether", "which", "while", "who",
    "whom", "whose", "why", "will", "with", "would", "you", "your", "yours",
];

/// Stop words that are names when written in capitals: aortic stenosis, information technology, the country, the organisation.
const NAMES_IN_CAPITALS: &[&str] = &["AS", "IT", "US", "WHO"];

/// Tells whether a normalised word, written as `raw` in its text, carries no subject.
pub(super) fn is_stop_word(normalised: &str, raw: &str) -> bool {
    STOP_WORDS.binary_search(&normalised).is_ok() && !NAMES_IN_CAPITALS.contains(&raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_for_binary_search() {
        assert!(STOP_WORDS.is_sorted());
    }

    #[test]
    fn the_organisation_is_not_the_pronoun() {
        assert!(is_stop_word("who", "who"));
        assert!(is_stop_word("who", "Who"));
        assert!(!is_stop_word("who", "WHO"));
    }
}
