//! Words of a query, with everything that a source's query language would read as more than words taken out.

/// Returns the words of a text: signs of query languages become spaces, operators lose their capitals, which make them operators.
///
/// Taken out: `[ ] ( ) { } " \ : * ? ~ ^ / < > = & | ! ; #` and control characters (Lucene's syntax of openFDA, field tags and
/// wildcards of Entrez, areas and ranges of ClinicalTrials.gov).
pub(crate) fn words(text: &str, operators: &[&str]) -> String {
    let plain = |c: char| !c.is_control() && !"[](){}\"\\:*?~^/<>=&|!;#".contains(c);
    let text: String = text.chars().map(|c| if plain(c) { c } else { ' ' }).collect();
    // A leading hyphen or plus forbids or demands a word in Lucene.
    let word = |word: &str| {
        let word = word.trim_start_matches(['-', '+']);
        if operators.contains(&word) { word.to_lowercase() } else { word.to_owned() }
    };
    text.split_whitespace().map(word).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn no_syntax_is_left() {
        let operators = ["AND", "OR", "NOT"];
        assert_eq!(words("x\") OR (openfda.brand_name:\"y\"", &operators), "x or openfda.brand_name y");
        assert_eq!(words("Smith J[au] NOT 2020:2021[dp]", &operators), "Smith J au not 2020 2021 dp");
        assert_eq!(words("-sepsis +il-6 COX-2 5% α-synuclein", &operators), "sepsis il-6 COX-2 5% α-synuclein");
        assert_eq!(words(" \u{0} \n", &operators), "");
    }

    proptest! {
        #[test]
        fn any_text_is_words_alone(text in "\\PC{0,60}") {
            let words = words(&text, &["AND", "OR", "NOT"]);
            prop_assert!(!words.contains(['"', '[', ']', '(', ')', ':', '\\', '*']));
            prop_assert!(!words.split(' ').any(|word| ["AND", "OR", "NOT"].contains(&word)));
        }
    }
}
