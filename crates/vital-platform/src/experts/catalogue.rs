//! The experts that ship with the product: data files of `catalogue/experts`, embedded in the binary.

use super::ExpertBody;
use include_dir::{Dir, include_dir};
use std::{collections::HashSet, sync::LazyLock};
use vital_kernel::{Error, Result};

static FILES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../catalogue/experts");

/// Reads one expert file.
///
/// # Errors
/// Says what the format expects and where.
pub fn parse(text: &str) -> Result<ExpertBody, String> {
    toml::from_str(text).map_err(|e| e.to_string())
}

/// The built-in experts, by file name.
///
/// # Errors
/// `Internal` when a file of the binary is not what the tests saw.
pub fn built_in() -> Result<Vec<ExpertBody>> {
    let mut files: Vec<_> = FILES.files().filter(|f| f.path().extension().is_some_and(|e| e == "toml")).collect();
    files.sort_by_key(|f| f.path());
    files
        .into_iter()
        .map(|f| parse(f.contents_utf8().unwrap_or_default()).map_err(|e| Error::internal(format!("{}: {e}", f.path().display()))))
        .collect()
}

/// Whether an expert of this slug comes with the product, so that its name tells nothing of an organisation.
pub(crate) fn ships(slug: &str) -> bool {
    static SLUGS: LazyLock<HashSet<String>> =
        LazyLock::new(|| built_in().unwrap_or_default().into_iter().map(|expert| expert.slug).collect());
    SLUGS.contains(slug)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn words(text: &str) -> usize {
        text.split_whitespace().count()
    }

    #[test]
    fn every_expert_file_keeps_the_rules_of_the_catalogue() {
        let experts = built_in().unwrap();
        assert!(experts.len() >= 30, "{} experts", experts.len());
        let names: HashSet<&str> = experts.iter().map(|e| e.name.as_str()).collect();
        assert_eq!(names.len(), experts.len(), "display names are unique");
        let collections = ["regulatory", "clinical", "safety", "medical-affairs", "market-access", "evidence", "product", "quality"];
        for e in &experts {
            let at = &e.slug;
            assert!(FILES.get_file(format!("{at}.toml")).is_some(), "{at} is not the name of its file");
            assert!(e.tagline.chars().count() <= 90, "{at}: tagline");
            assert!((4..=6).contains(&e.starters.len()), "{at}: starters");
            assert!(e.starters.iter().all(|s| s.ends_with(['?', '.'])), "{at}: a starter is a question or a request");
            assert!((12..=16).contains(&e.examples.len()), "{at}: examples");
            assert!(e.examples.iter().all(|s| s.ends_with('?') && !e.starters.contains(s)), "{at}: an example is a question of its own");
            assert!((40..=90).contains(&words(&e.charter.scope)), "{at}: scope has {} words", words(&e.charter.scope));
            assert!((20..=65).contains(&words(&e.charter.limits)), "{at}: limits have {} words", words(&e.charter.limits));
            let i = &e.instructions;
            for part in [&i.who, &i.what, &i.never, &i.success, &i.unsure, &i.evidence] {
                assert!((20..=85).contains(&words(part)), "{at}: {} words in `{part}`", words(part));
            }
            assert!(!e.collections.is_empty() && e.collections.iter().all(|c| collections.contains(&c.as_str())), "{at}: collections");
        }
        let mut per_domain: HashMap<_, usize> = HashMap::new();
        experts.iter().for_each(|e| *per_domain.entry(e.domain).or_default() += 1);
        assert_eq!(per_domain.len(), 5, "all five domains have experts");
    }

    #[test]
    fn the_tools_of_every_expert_are_stated_and_there_are() {
        let there: Vec<&str> = vital_tools::catalogue().iter().map(|tool| tool.name).collect();
        for file in FILES.files() {
            assert!(file.contents_utf8().unwrap().contains("\ntools = ["), "{} says nothing of tools", file.path().display());
        }
        for e in built_in().unwrap() {
            let places: Vec<Option<usize>> = e.tools.iter().map(|tool| there.iter().position(|name| name == tool)).collect();
            assert!(places.iter().all(Option::is_some), "{}: a tool of {:?} is none of {there:?}", e.slug, e.tools);
            assert!(places.is_sorted_by(|a, b| a < b), "{}: tools stand once, in the order of docs/TOOLS.md", e.slug);
        }
        let readme = include_str!("../../../../catalogue/README.md");
        assert!(readme.contains("`tools` names what the expert may call"), "the catalogue states the rule");
    }

    #[test]
    fn no_two_experts_say_the_same_never() {
        let experts = built_in().unwrap();
        let nevers: HashSet<&str> = experts.iter().map(|e| e.instructions.never.as_str()).collect();
        assert_eq!(nevers.len(), experts.len());
    }

    #[test]
    fn an_unknown_field_is_refused() {
        assert!(parse("slug = \"x\"\nmood = \"sunny\"").is_err());
    }
}
