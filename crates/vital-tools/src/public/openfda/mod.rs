//! openFDA: one way to ask all of its collections, and what its answers have in common.
//!
//! A search without a match is an answer with status 404 and the code `NOT_FOUND`; any other 404 is an error.

pub(crate) mod classification;
pub(crate) mod clearances;
pub(crate) mod device_reports;
pub(crate) mod drug_reports;
pub(crate) mod labels;
pub(crate) mod pma;
pub(crate) mod recalls;

use super::{Sources, json, query::words};
use crate::{ToolError, endpoints::below, output::cut};
use serde_json::{Value, json};
use tokio::time::Instant;
use url::Url;
use vital_outbound::Accept;
use vital_throttle::Limit;

/// openFDA accepts 240 requests a minute from one address or of one key, and without a key 1,000 a day.
pub(super) const RATE: Limit = Limit::a_minute("tools.openfda", 240);
pub(super) const NAME: &str = "openFDA";
pub(super) const HOST: &str = "api.fda.gov";
pub(super) const LICENCE: &str = "Public domain (CC0) with openFDA's terms of service; its disclaimer is part of every result";
/// Said where an answer brings no disclaimer of its own.
const DISCLAIMER: &str = "Do not rely on openFDA to make decisions regarding medical care.";
/// Largest `skip` that is asked for; openFDA accepts 25,000.
pub(super) const OFFSET_MAX: u32 = 5_000;
const OPERATORS: [&str; 4] = ["AND", "OR", "NOT", "TO"];

/// A search of a collection.
pub(super) struct Search<'a> {
    /// `["device", "510k"]`.
    pub(super) collection: [&'a str; 2],
    /// In openFDA's query syntax.
    pub(super) search: String,
    /// A field with `:asc` or `:desc`.
    pub(super) sort: Option<&'a str>,
    /// Counts the values of a field instead of returning records.
    pub(super) count: Option<&'a str>,
    pub(super) limit: u32,
    pub(super) offset: u32,
}

/// What was found.
pub(super) struct Found {
    pub(super) total: u64,
    pub(super) disclaimer: String,
    /// When the collection was brought up to date; empty where the answer does not say.
    pub(super) last_updated: String,
    pub(super) results: Vec<Value>,
    pub(super) request: Url,
}

/// Asks a collection.
pub(super) async fn ask(sources: &Sources, search: &Search<'_>, deadline: Instant) -> Result<Found, ToolError> {
    let request = address(sources, search);
    let answer = sources.get(request.clone(), Accept::Json, &RATE, deadline, &[200, 404]).await?;
    if answer.status == 404 {
        // An answer that is no JSON is no answer of openFDA's.
        if answer.json().map_or_else(|_| String::new(), |body| json::text(&body, "/error/code")) != "NOT_FOUND" {
            return Err(ToolError::Refused { status: 404 });
        }
        return Ok(Found { total: 0, disclaimer: DISCLAIMER.to_owned(), last_updated: String::new(), results: Vec::new(), request });
    }
    let mut body = answer.json()?;
    let Some(Value::Array(results)) = body.get_mut("results").map(Value::take) else { return Err(ToolError::unreadable("no results")) };
    let said = json::text(&body, "/meta/disclaimer");
    Ok(Found {
        total: json::number(&body, "/meta/results/total").unwrap_or(results.len() as u64),
        disclaimer: if said.is_empty() { DISCLAIMER.to_owned() } else { cut(said, 1_000) },
        last_updated: json::text(&body, "/meta/last_updated"),
        results,
        request,
    })
}

fn address(sources: &Sources, search: &Search<'_>) -> Url {
    let [family, collection] = search.collection;
    let mut url = below(&sources.endpoints.openfda, &[family, &format!("{collection}.json")]);
    let mut pairs = url.query_pairs_mut();
    pairs.append_pair("search", &search.search);
    if let Some(field) = search.count {
        pairs.append_pair("count", field);
    } else {
        pairs.append_pair("skip", &search.offset.to_string());
        if let Some(sort) = search.sort {
            pairs.append_pair("sort", sort);
        }
    }
    pairs.append_pair("limit", &search.limit.to_string());
    if let Some(key) = &sources.endpoints.openfda_key {
        pairs.append_pair("api_key", &key.now());
    }
    drop(pairs);
    url
}

/// Where anybody can read a record that has no page of its own: the public interface, at its documented address.
pub(super) fn record_address(collection: [&str; 2], field: &str, value: &str) -> String {
    let base = crate::Endpoints::default().openfda;
    let mut url = below(&base, &[collection[0], &format!("{}.json", collection[1])]);
    url.query_pairs_mut().append_pair("search", &format!("{field}:\"{value}\""));
    url.into()
}

/// The conditions of a search, all of which must hold; of some, one of several parts is enough.
#[derive(Default)]
pub(super) struct Conditions(Vec<Vec<String>>);

impl Conditions {
    /// The words stand together, in any one of the fields.
    pub(super) fn phrase(mut self, fields: &[&str], text: Option<&str>) -> Self {
        let words = text.map(|text| words(text, &OPERATORS)).unwrap_or_default();
        if !words.is_empty() {
            self.0.push(fields.iter().map(|field| format!("{field}:\"{words}\"")).collect());
        }
        self
    }

    /// Every word stands somewhere in the field.
    pub(super) fn words(mut self, field: &str, text: Option<&str>) -> Self {
        let words = text.map(|text| words(text, &OPERATORS)).unwrap_or_default();
        self.0.extend(words.split_whitespace().map(|word| vec![format!("{field}:\"{word}\"")]));
        self
    }

    /// The field has this value, which is ours and no text of a model.
    pub(super) fn is(mut self, field: &str, value: Option<&str>) -> Self {
        self.0.extend(value.map(|value| vec![format!("{field}:\"{value}\"")]));
        self
    }

    /// The day lies between two days (`2024-01-31`), both included.
    pub(super) fn between(mut self, field: &str, from: Option<&str>, to: Option<&str>) -> Self {
        if from.is_some() || to.is_some() {
            let day = |day: Option<&str>, without: &str| day.map_or_else(|| without.to_owned(), |day| day.replace('-', ""));
            self.0.push(vec![format!("{field}:[{} TO {}]", day(from, "19000101"), day(to, "29991231"))]);
        }
        self
    }

    /// Whether nothing is asked for.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Further conditions.
    pub(super) fn and(mut self, further: Self) -> Self {
        self.0.extend(further.0);
        self
    }

    /// The search; an error where there is nothing to look for.
    pub(super) fn search(self, tool: &'static str, names: &str) -> Result<String, ToolError> {
        if self.0.is_empty() {
            return Err(ToolError::argument(tool, "", format!("give words in at least one of {names}")));
        }
        let alone = self.0.len() == 1;
        let joined = |any: Vec<String>| if any.len() > 1 && !alone { format!("({})", any.join(" OR ")) } else { any.join(" OR ") };
        Ok(self.0.into_iter().map(joined).collect::<Vec<_>>().join(" AND "))
    }
}

/// The schema of a day.
pub(super) fn day(description: &str) -> Value {
    json!({ "type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$", "description": description })
}

/// The schema of words.
pub(super) fn text(description: &str) -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": 200, "description": description })
}

/// The schemas of a search's arguments, with its limit and offset.
pub(super) fn input(properties: &Value, limit_max: u32, limit: u32) -> Value {
    let mut all = json!({
        "limit": { "type": "integer", "minimum": 1, "maximum": limit_max, "default": limit },
        "offset": { "type": "integer", "minimum": 0, "maximum": OFFSET_MAX, "default": 0 }
    });
    for (name, schema) in properties.as_object().into_iter().flatten() {
        all[name] = schema.clone();
    }
    json!({ "type": "object", "additionalProperties": false, "properties": all })
}

/// What every output has beside its records.
pub(super) fn remarks(found: &Found) -> Value {
    json!({ "disclaimer": found.disclaimer, "last_updated": found.last_updated })
}

/// Their schema.
pub(super) fn remarks_schema() -> Value {
    json!({ "disclaimer": { "type": "string" }, "last_updated": { "type": "string" } })
}

/// The disclaimer as the last words of a text.
pub(super) fn closing(found: &Found) -> String {
    format!("openFDA: {}", found.disclaimer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn conditions_are_openfda_syntax_and_nothing_of_a_text_is() {
        let search = Conditions::default()
            .phrase(&["a", "b"], Some("x\" OR y:1"))
            .words("c", Some("pump (infusion) TO"))
            .is("d", Some("II"))
            .between("e", Some("2020-01-31"), None)
            .phrase(&["f"], None);
        let search = search.search("t", "a").unwrap();
        assert_eq!(
            search,
            "(a:\"x or y 1\" OR b:\"x or y 1\") AND c:\"pump\" AND c:\"infusion\" AND c:\"to\" AND d:\"II\" AND e:[20200131 TO 29991231]"
        );
        assert_eq!(Conditions::default().phrase(&["a"], Some("()")).search("t", "a").unwrap_err().code(), "tool.arguments");
    }

    proptest! {
        #[test]
        fn a_text_adds_no_condition(text in "\\PC{0,40}") {
            let search = Conditions::default().is("x", Some("1")).phrase(&["a"], Some(&text)).search("t", "a").unwrap();
            prop_assert!(search.matches('"').count() <= 4);
            prop_assert!(search.matches(" AND ").count() <= 1);
        }
    }
}
