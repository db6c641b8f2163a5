//! What the documents themselves say about their abbreviations: "Data Monitoring Committee (DMC)", "… is also called …".
//!
//! Read from the passages at hand, so that it works for documents that nobody of the project has seen.

use std::collections::HashSet;
use vital_search::content_terms;

/// Longest abbreviation in brackets, in characters.
const SHORT_CHARS_MAX: usize = 10;
/// Most rules that are kept.
const RULES_MAX: usize = 200;
const ALSO: [&str; 4] = [" also called ", " also known as ", " also referred to as ", " abbreviated "];

/// Abbreviations that everybody in the field uses and few documents spell out.
const COMMON: &[(&str, &str)] = &[
    ("CRO", "contract research organisation"),
    ("CRO", "contract research organization"),
    ("SAE", "serious adverse event"),
    ("IRB", "institutional review board"),
    ("IEC", "independent ethics committee"),
    ("GCP", "good clinical practice"),
    ("GMP", "good manufacturing practice"),
    ("MAH", "marketing authorisation holder"),
    ("TMF", "trial master file"),
    ("SAP", "statistical analysis plan"),
    ("HCP", "health care professional"),
    ("HCP", "healthcare professional"),
    ("RCT", "randomised controlled trial"),
    ("RCT", "randomized controlled trial"),
    ("ICF", "informed consent form"),
    ("SmPC", "summary of product characteristics"),
    ("IFU", "instructions for use"),
    ("QMS", "quality management system"),
];

/// All of `from` together mean `to`.
struct Rule {
    from: Vec<String>,
    to: Vec<String>,
}

/// The abbreviations of some passages.
#[derive(Default)]
pub(crate) struct Aliases {
    rules: Vec<Rule>,
}

impl Aliases {
    /// Reads the abbreviations that some texts introduce.
    pub(crate) fn read<'t>(texts: impl Iterator<Item = &'t str>) -> Self {
        let mut aliases = Self::default();
        for (short, long) in COMMON {
            aliases.add(content_terms(long), content_terms(short));
        }
        for text in texts {
            aliases.brackets(text);
            aliases.also_called(text);
        }
        aliases
    }

    /// Adds to the terms of a text what they also mean.
    pub(crate) fn widen(&self, terms: &mut HashSet<String>) {
        for rule in &self.rules {
            if rule.from.iter().all(|t| terms.contains(t)) {
                terms.extend(rule.to.iter().cloned());
            }
        }
    }

    fn add(&mut self, from: Vec<String>, to: Vec<String>) {
        if self.rules.len() < RULES_MAX && !from.is_empty() && !to.is_empty() && !self.rules.iter().any(|r| r.from == from && r.to == to) {
            self.rules.push(Rule { from, to });
        }
    }

    fn brackets(&mut self, text: &str) {
        for (open, _) in text.match_indices(" (") {
            let Some(length) = text[open + 2..].find(')') else { continue };
            let short = text[open + 2..open + 2 + length].trim();
            let capitals = short.chars().filter(|c| c.is_uppercase()).count();
            if capitals < 2 || short.chars().count() > SHORT_CHARS_MAX || !short.chars().all(|c| c.is_alphanumeric() || c == '-') {
                continue;
            }
            if let Some(long) = long_form(&text[..open], short) {
                let (short, long) = (content_terms(short), content_terms(long));
                self.add(short.clone(), long.clone());
                self.add(long, short);
            }
        }
    }

    fn also_called(&mut self, text: &str) {
        for phrase in ALSO {
            for (at, _) in text.match_indices(phrase) {
                let left = content_terms(tail(&text[..at], 6));
                let rest = &text[at + phrase.len()..];
                let right = &rest[..rest.find([',', '.', ';', '\n']).unwrap_or(rest.len())];
                for name in right.split([' ', '(', ')']).filter(|w| w.chars().filter(|c| c.is_uppercase()).count() >= 2) {
                    self.add(left.clone(), content_terms(name));
                }
                let words = content_terms(right.split('(').next().unwrap_or_default());
                if words.len() <= 5 {
                    self.add(left.clone(), words.clone());
                    self.add(words, left.clone());
                }
            }
        }
    }
}

/// The last words of a text, within its last sentence.
fn tail(text: &str, words: usize) -> &str {
    let start = text.rfind(['.', '\n', ';']).map_or(0, |at| at + 1);
    let sentence = &text[start..];
    sentence.rmatch_indices(' ').nth(words).map_or(sentence, |(at, _)| &sentence[at..])
}

/// The words before a bracket whose initials are the letters in it; small words may be skipped.
fn long_form<'t>(before: &'t str, short: &str) -> Option<&'t str> {
    let mut letters: Vec<char> = short.chars().filter(|c| c.is_alphabetic()).flat_map(char::to_lowercase).collect();
    if letters.len() > 2 && short.ends_with('s') {
        letters.pop();
    }
    let mut left = letters.len();
    let mut start = before.len();
    let mut words = 0;
    for word in before.rsplit([' ', '-']) {
        if word.is_empty() || words > letters.len() + 4 || word.contains(['.', '\n', ';', ')']) {
            break;
        }
        words += 1;
        let at = word.as_ptr() as usize - before.as_ptr() as usize;
        let initial = word.trim_start_matches(|c: char| !c.is_alphanumeric()).chars().flat_map(char::to_lowercase).next();
        if left > 0 && initial == letters.get(left - 1).copied() {
            left -= 1;
            start = at;
            if left == 0 {
                return Some(&before[start..]);
            }
        } else if word.len() > 4 && left < letters.len() && words > 2 * letters.len() {
            break;
        }
    }
    (left <= letters.len() / 4 && letters.len() >= 3 && start < before.len()).then(|| &before[start..])
}
