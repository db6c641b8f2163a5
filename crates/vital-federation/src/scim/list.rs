//! Lists: the query parameters, `/.search` bodies and the list response (RFC 7644 sections 3.4.2 and 3.4.3).
//!
//! Sorting is not offered: `sortBy` and `sortOrder` are ignored, and the service provider configuration says so.

use super::{Filter, Projection, ResourceKind, ScimError, input::require_schema};
use serde_json::{Value, json};

const LIST_URN: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
const SEARCH_URN: &str = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";
/// Most resources of one page, and the size of a page where the client does not say.
pub const RESULTS_MAX: usize = 200;

/// What a client asks of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct ListQuery {
    /// Which resources; all where there is none.
    pub filter: Option<Filter>,
    /// Position of the first resource of the page, from 1.
    pub start_index: usize,
    /// Resources on the page, 0 to [`RESULTS_MAX`].
    pub count: usize,
    /// Which attributes of each.
    pub projection: Projection,
}

impl ListQuery {
    /// Reads decoded query parameters; unknown ones are ignored. For a single resource only `projection` counts.
    ///
    /// # Errors
    /// `invalidFilter` or `invalidValue`.
    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, ScimError> {
        let (mut filter, mut start, mut count, mut only, mut without) = (None, None, None, "", "");
        for (name, value) in pairs {
            match name {
                "filter" if !value.trim().is_empty() => filter = Some(value.parse()?),
                "startIndex" => start = Some(whole(name, value)?),
                "count" => count = Some(whole(name, value)?),
                "attributes" => only = value,
                "excludedAttributes" => without = value,
                _ => {}
            }
        }
        Ok(Self::new(filter, start, count, Projection::new(only.split(','), without.split(','))?))
    }

    /// Reads the body of a `/.search` request.
    ///
    /// # Errors
    /// `invalidSyntax`, `invalidFilter` or `invalidValue`.
    pub fn from_search(body: &Value) -> Result<Self, ScimError> {
        let fields = body.as_object().ok_or_else(|| ScimError::invalid_syntax("The body must be a JSON object."))?;
        require_schema(fields, SEARCH_URN)?;
        let get = |wanted: &str| fields.iter().find(|(name, v)| name.eq_ignore_ascii_case(wanted) && !v.is_null()).map(|(_, v)| v);
        let number = |name: &str| match get(name) {
            None => Ok(None),
            Some(value) => value.as_i64().map(Some).ok_or_else(|| not_whole(name)),
        };
        let names = |name: &str| match get(name) {
            None => Ok(vec![]),
            Some(value) => value
                .as_array()
                .and_then(|items| items.iter().map(Value::as_str).collect::<Option<Vec<_>>>())
                .ok_or_else(|| ScimError::invalid_value(format!("`{name}` must be a list of texts."))),
        };
        let filter = match get("filter") {
            None => None,
            Some(Value::String(text)) => Some(text.parse()?),
            Some(_) => return Err(ScimError::invalid_filter("`filter` must be a text.")),
        };
        let projection = Projection::new(names("attributes")?, names("excludedAttributes")?)?;
        Ok(Self::new(filter, number("startIndex")?, number("count")?, projection))
    }

    /// Numbers below the range count as its start, a count above it as its end (RFC 7644 section 3.4.2.4).
    fn new(filter: Option<Filter>, start: Option<i64>, count: Option<i64>, projection: Projection) -> Self {
        let at_least = |n: Option<i64>, least: usize, default: usize| n.map_or(default, |n| usize::try_from(n).unwrap_or(0).max(least));
        Self { filter, start_index: at_least(start, 1, 1), count: at_least(count, 0, RESULTS_MAX).min(RESULTS_MAX), projection }
    }

    /// Filters, counts, pages and projects complete representations, which come in a stable order.
    #[must_use]
    pub fn respond(&self, resources: impl IntoIterator<Item = (ResourceKind, Value)>) -> Value {
        let (mut total, mut page) = (0, Vec::new());
        for (kind, resource) in resources {
            if self.filter.as_ref().is_none_or(|f| f.matches(kind, &resource)) {
                total += 1;
                if total >= self.start_index && page.len() < self.count {
                    page.push(self.projection.apply(kind, resource));
                }
            }
        }
        list_response(total, self.start_index, page)
    }
}

/// Returns a page in its envelope. `total` counts all that match, `page` holds representations already projected.
#[must_use]
pub fn list_response(total: usize, start_index: usize, page: Vec<Value>) -> Value {
    let mut list = json!({ "schemas": [LIST_URN], "totalResults": total, "startIndex": start_index, "itemsPerPage": page.len() });
    list["Resources"] = page.into();
    list
}

fn whole(name: &str, value: &str) -> Result<i64, ScimError> {
    value.trim().parse().map_err(|_| not_whole(name))
}

fn not_whole(name: &str) -> ScimError {
    ScimError::invalid_value(format!("`{name}` must be a whole number."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scim::{User, resource::tests::ada};

    fn people() -> Vec<(ResourceKind, Value)> {
        let person = |n: usize| User { user_name: format!("u{n}@example.org"), ..ada() }.to_json("b");
        (0..450).map(|n| (ResourceKind::User, person(n))).collect()
    }

    fn page(pairs: &[(&str, &str)]) -> (usize, usize, usize, String) {
        let json = ListQuery::from_pairs(pairs.iter().copied()).unwrap().respond(people());
        let number = |name: &str| usize::try_from(json[name].as_u64().unwrap()).unwrap();
        let first = json["Resources"][0]["userName"].as_str().unwrap_or_default().to_owned();
        (number("totalResults"), number("startIndex"), number("itemsPerPage"), first)
    }

    #[test]
    fn pages_start_at_one_and_hold_at_most_two_hundred() {
        assert_eq!(page(&[]), (450, 1, 200, "u0@example.org".into()));
        assert_eq!(page(&[("startIndex", "401"), ("count", "9999")]), (450, 401, 50, "u400@example.org".into()));
        assert_eq!(page(&[("startIndex", "-3"), ("count", "-1")]), (450, 1, 0, String::new()));
        assert_eq!(page(&[("startIndex", "9999")]), (450, 9999, 0, String::new()));
        assert_eq!(page(&[("filter", "userName sw \"U44\""), ("sortBy", "userName")]), (11, 1, 11, "u44@example.org".into()));
    }

    #[test]
    fn a_search_body_asks_the_same_as_the_parameters() {
        let body =
            json!({ "schemas": [SEARCH_URN], "filter": "active eq true", "startIndex": 2, "count": 3, "attributes": ["userName", "name"] });
        let pairs = [("filter", "active eq true"), ("startIndex", "2"), ("count", "3"), ("attributes", "userName, name")];
        assert_eq!(ListQuery::from_search(&body).unwrap(), ListQuery::from_pairs(pairs).unwrap());
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for pair in [("startIndex", "x"), ("count", "1.5"), ("filter", "a"), ("attributes", "a b")] {
            assert!(ListQuery::from_pairs([pair]).is_err(), "{pair:?}");
        }
        for (name, value) in [("count", json!("3")), ("filter", json!(1)), ("attributes", json!("a")), ("attributes", json!([1]))] {
            assert!(ListQuery::from_search(&json!({ "schemas": [SEARCH_URN], name: value })).is_err(), "{name}");
        }
        assert!(ListQuery::from_search(&json!({})).is_err());
    }
}
