//! Texts that tools returned: as they are stored, as evidence, and as somebody reads them who opens a citation.
//!
//! **Invariant:** the passages of a source are ranges of its stored text, so that a citation of one is the bytes it points at.

use super::store;
use crate::{
    Platform,
    knowledge::{Evidence, Fetched},
    tools::{Offered, Reach, Reply},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::ops::Range;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;
use vital_documents::sentences;
use vital_kernel::{AuditAction, AuditEntry, ConversationId, DocumentId, Error, OpContext, PassageId, Permission, Result};

/// Most texts of one call that are kept.
const TEXTS_MAX: usize = 20;
/// Most bytes of one text that are kept.
const TEXT_BYTES_MAX: usize = 64 * 1024;
/// Size of one passage, in bytes; a sentence that is longer is a passage of its own.
const PASSAGE_BYTES: usize = 1_800;
/// Whose word a calculation is; it is cited as a whole.
pub(in crate::ask) const CALCULATED: &str = "calculated";

/// What is sealed of a source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Content {
    pub title: String,
    pub url: String,
    pub identifier: String,
    pub authority: String,
    pub text: String,
}

/// A source before it is stored.
pub(super) struct NewSource {
    pub id: Uuid,
    pub version: [u8; 32],
    pub content: Content,
}

/// A text that a tool fetched for an answer, as it was then.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = FetchedSource)]
pub struct Source {
    /// Its id: `document_id` of the citations that point at it.
    pub id: Uuid,
    /// The turn it was fetched for.
    pub turn_id: Uuid,
    /// The conversation of the turn.
    #[schema(value_type = Uuid)]
    pub conversation_id: ConversationId,
    /// Name of the tool.
    pub tool: String,
    /// Its title.
    pub title: String,
    /// Its public address; empty for what was calculated here.
    pub url: String,
    /// What its source calls it; empty where it has no name there.
    pub identifier: String,
    /// Whose word it is.
    pub authority: String,
    /// SHA-256 of the text, hexadecimal.
    pub version: String,
    /// The text.
    pub text: String,
    /// When it was fetched (RFC 3339).
    #[serde(with = "time::serde::rfc3339")]
    pub retrieved_at: OffsetDateTime,
}

/// Reads a text that was fetched for a turn of the caller.
///
/// # Errors
/// `NotFound` when no such text was fetched for the caller.
pub async fn source(p: &Platform, cx: &OpContext, id: Uuid) -> Result<Source> {
    cx.require(Permission::ConversationRead)?;
    let owner = cx.require_user()?;
    let mut read = p.db.read_audited(cx).await?;
    let row = store::source(read.tx(), id, owner).await?.ok_or_else(|| {
        Error::not_found(
            "source.unknown",
            "There is no such source, or it was fetched for somebody else. The answer that cites it may have been deleted.",
        )
    })?;
    read.commit(AuditEntry::new(AuditAction::SourceRead, "source", id)).await?;
    let Content { title, url, identifier, authority, text } = row.content;
    let (turn_id, conversation_id) = (row.turn, ConversationId(row.conversation));
    Ok(Source {
        id,
        turn_id,
        conversation_id,
        tool: row.tool,
        title,
        url,
        identifier,
        authority,
        version: hex::encode(row.version),
        text,
        retrieved_at: row.retrieved_at,
    })
}

/// What a call leaves to cite: the texts that it fetched, or the calculation written out.
pub(super) fn sources(tool: &Offered, arguments: &Value, reply: &Reply) -> Vec<NewSource> {
    if reply.texts.is_empty() && tool.reach == Reach::Here && !reply.value.is_null() {
        let text = format!("{}\n\nGiven:\n{}\nResult:\n{}", tool.title, written(arguments), written(&reply.value));
        return vec![new(Content {
            title: tool.title.clone(),
            url: String::new(),
            identifier: String::new(),
            authority: CALCULATED.to_owned(),
            text,
        })];
    }
    let content = |t: &vital_tools::SourceText| Content {
        title: t.title.clone(),
        url: t.url.clone(),
        identifier: t.identifier.clone(),
        authority: t.authority.clone(),
        text: cut(&t.text).to_owned(),
    };
    reply.texts.iter().take(TEXTS_MAX).filter(|t| !t.text.trim().is_empty()).map(|t| new(content(t))).collect()
}

fn new(content: Content) -> NewSource {
    NewSource { id: Uuid::now_v7(), version: Sha256::digest(content.text.as_bytes()).into(), content }
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(TEXT_BYTES_MAX)]
}

/// Fields that people write as percentages as well.
const SHARES: [&str; 9] = ["alpha", "power", "power_reached", "dropout", "confidence", "proportion_1", "proportion_2", "risk_1", "risk_2"];

/// A value as lines that a person reads and a sentence can cite: `name: value`.
fn written(value: &Value) -> String {
    fn lines(name: &str, value: &Value, out: &mut String) {
        let named = |key: &str| if name.is_empty() { key.to_owned() } else { format!("{name}, {key}") };
        match value {
            Value::Null => {}
            Value::Object(map) => map.iter().for_each(|(key, inner)| lines(&named(&key.replace('_', " ")), inner, out)),
            Value::Array(all) => all.iter().enumerate().for_each(|(i, inner)| lines(&named(&(i + 1).to_string()), inner, out)),
            Value::String(text) => out.push_str(&format!("{name}: {text}\n")),
            other => out.push_str(&format!("{name}: {}{}\n", figure(other), percent(name, other))),
        }
    }
    let mut out = String::new();
    lines("", value, &mut out);
    out
}

/// A number as people write it: whole ones as they are, others with six significant digits, large ones with two behind the point.
fn figure(value: &Value) -> String {
    match value.as_f64().filter(|_| value.is_f64()) {
        Some(number) if number.abs() >= 1e4 => ((number * 100.0).round() / 100.0).to_string(),
        Some(number) => significant(number, 6).to_string(),
        None => value.to_string(),
    }
}

fn significant(number: f64, digits: usize) -> f64 {
    // Rounding by way of the decimal text: the nearest number with so many digits, without a remainder in its last places.
    format!("{number:.*e}", digits - 1).parse().unwrap_or(number)
}

/// A share as a percentage beside it, so that a sentence that says it so stands on it.
fn percent(name: &str, value: &Value) -> String {
    let is_share = SHARES.contains(&name.rsplit(", ").next().unwrap_or_default().replace(' ', "_").as_str());
    match value.as_f64().filter(|share| is_share && (0.0..=1.0).contains(share)) {
        Some(share) => format!(" ({} %)", significant(share * 100.0, 4)),
        None => String::new(),
    }
}

/// The passages of a source: whole sentences of its text.
pub(super) fn passages_of(tool: &str, source: &NewSource) -> Vec<Evidence> {
    let c = &source.content;
    let fetched = Fetched { tool: tool.to_owned(), url: c.url.clone(), identifier: c.identifier.clone() };
    let whole = c.authority == CALCULATED && c.text.len() <= PASSAGE_BYTES * 4;
    let ranges = if whole { std::iter::once(0..c.text.len()).collect() } else { ranges(&c.text) };
    ranges
        .into_iter()
        .map(|range| Evidence {
            passage: PassageId(source.id),
            document: DocumentId(source.id),
            title: c.title.clone(),
            version: source.version,
            start: range.start,
            body: c.text[range].to_owned(),
            heading_path: Vec::new(),
            page: None,
            authority: c.authority.clone(),
            level: None,
            issued_on: None,
            score: 1.0,
            lexical: None,
            dense: None,
            own: false,
            fetched: Some(fetched.clone()),
        })
        .collect()
}

/// Cuts a text into passages between sentences.
fn ranges(text: &str) -> Vec<Range<usize>> {
    let mut out: Vec<Range<usize>> = Vec::new();
    for sentence in sentences(text) {
        match out.last_mut() {
            Some(last) if sentence.end - last.start <= PASSAGE_BYTES => last.end = sentence.end,
            _ => out.push(sentence),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ask::{answer::Verdict, bind::bind, check::check};
    use serde_json::json;

    fn fetched(text: &str) -> NewSource {
        new(Content {
            title: "A trial".into(),
            url: "https://example.org/1".into(),
            identifier: "PMID 1".into(),
            authority: "peer-reviewed".into(),
            text: text.into(),
        })
    }

    #[test]
    fn passages_are_ranges_of_the_stored_text() {
        let text = "One sentence stands here. ".repeat(400);
        let source = fetched(&text);
        let passages = passages_of("pubmed_search", &source);
        assert!(passages.len() > 3);
        for e in &passages {
            assert_eq!(&source.content.text[e.start..e.start + e.body.len()], e.body);
            let citation = e.cite(1, 0..e.body.len()).unwrap();
            assert!(e.holds(&citation));
            assert_eq!(citation.document_id, source.id);
            assert_eq!(citation.fetched.unwrap().identifier, "PMID 1");
        }
    }

    #[test]
    fn a_calculation_is_written_out_and_can_be_cited_as_a_whole() {
        let out = written(&json!({ "n_per_group": 64, "power": 0.8, "notes": ["rounded up"], "nothing": null }));
        assert_eq!(out, "n per group: 64\nnotes, 1: rounded up\npower: 0.8 (80 %)\n");
        let out = written(
            &json!({ "alpha": 0.0125, "effect_size": 5.0 / 14.0, "power_reached": 0.900_345_678_901, "total": 123_456_789.126, "small": 1e-7 }),
        );
        assert_eq!(
            out,
            "alpha: 0.0125 (1.25 %)\neffect size: 0.357143\npower reached: 0.900346 (90.03 %)\nsmall: 0.0000001\ntotal: 123456789.13\n"
        );
    }

    #[test]
    fn sentences_that_say_a_calculation_stand_on_all_of_it() {
        let text = format!(
            "Sample size for two means\n\nGiven:\n{}\nResult:\n{}",
            written(&json!({ "difference": 5.0, "standard_deviation": 14.0, "power": 0.9, "alpha": 0.05 })),
            written(
                &json!({ "sizes": { "group_1": 166, "group_2": 166, "total": 332 }, "method": "t", "assumptions": "independent observations, normal outcome, the same standard deviation in both groups, superiority" })
            )
        );
        let source = new(Content {
            title: "Sample size for two means".into(),
            url: String::new(),
            identifier: String::new(),
            authority: CALCULATED.into(),
            text,
        });
        let evidence = passages_of("sample_size_two_means", &source);
        let verdict = |sentence: &str| {
            let binding = bind(sentence, &[1], &evidence);
            assert!(binding.spans[0].quote(&evidence).contains("Given:") && binding.spans[0].quote(&evidence).contains("group 1: 166"));
            check(sentence, &[binding.spans[0].quote(&evidence)], &["Sample size for two means"])
        };
        for sentence in [
            "The sample size is 166 in each group.",
            "With 90% power and a two-sided alpha of 0.05, 166 participants per group are needed to detect a difference of 5 with a standard deviation of 14.",
            "The total sample size is 332.",
        ] {
            assert_eq!(verdict(sentence).verdict, Verdict::Supported, "{sentence}: {:?}", verdict(sentence).missing);
        }
        assert_eq!(verdict("The sample size is 167 in each group.").verdict, Verdict::Unsupported);
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        let long = "ä".repeat(TEXT_BYTES_MAX);
        assert!(cut(&long).len() <= TEXT_BYTES_MAX);
    }
}
