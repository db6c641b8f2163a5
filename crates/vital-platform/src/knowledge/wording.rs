//! Questions as the lexical index takes them: other wordings of their concepts, phrases in quotation marks, nearness.

use include_dir::{Dir, include_dir};
use serde::{Deserialize, Serialize};
use std::sync::LazyLock;
use utoipa::ToSchema;
use vital_search::{Expansions, Question};

static TERMS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../catalogue/terms");

/// The tables that come with the product. A test reads each; one that could not be read would be left out.
static BUILT_IN: LazyLock<Expansions> = LazyLock::new(|| {
    tables().into_iter().fold(Expansions::default(), |all, (domain, text)| match Expansions::read(&domain, text) {
        Ok(terms) => all.with(&domain, terms),
        Err(error) => {
            tracing::error!(%error, domain, "a table of terms that comes with the product cannot be read");
            all
        }
    })
});

/// Name and text of each table.
fn tables() -> Vec<(String, &'static str)> {
    let mut tables: Vec<(String, &str)> = TERMS
        .files()
        .filter(|f| f.path().extension().is_some_and(|e| e == "toml"))
        .filter_map(|f| Some((f.path().file_stem()?.to_str()?.to_owned(), f.contents_utf8()?)))
        .collect();
    tables.sort();
    tables
}

/// Another wording by which a question was searched too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OtherWording {
    /// The words of the question.
    pub matched: String,
    /// Wordings that mean the same.
    pub wordings: Vec<String>,
    /// The table that knows them.
    pub domain: String,
}

/// The tables that come with the product.
#[must_use]
pub fn built_in_terms() -> &'static Expansions {
    &BUILT_IN
}

/// Reads a question.
pub(super) fn read(text: &str) -> (Question, Vec<OtherWording>) {
    let expansions = BUILT_IN.of(text);
    let question = Question::asked(text, &expansions);
    let other = |e: vital_search::Expansion| OtherWording { matched: e.matched, wordings: e.wordings, domain: e.domain };
    (question, expansions.into_iter().map(other).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_can_be_read() {
        let tables = tables();
        assert!(tables.len() >= 7, "{} tables", tables.len());
        let read: usize = tables.iter().map(|(domain, text)| Expansions::read(domain, text).unwrap().len()).sum();
        assert!(read >= 1_000 && BUILT_IN.len() == read, "{read} entries, {} in use", BUILT_IN.len());
    }

    #[test]
    fn acronyms_and_what_they_stand_for_find_each_other() {
        for (question, wording) in
            [("Who is the MAH?", "marketing authorisation holder"), ("duties of the marketing authorisation holder", "MAH")]
        {
            let (_, other) = read(question);
            assert!(other.iter().any(|o| o.wordings.iter().any(|w| w == wording)), "{question}: {other:?}");
        }
        assert!(read("What is a spoon?").1.is_empty());
    }
}
