//! Evaluates filters on a representation. An attribute that the schema does not know has no value.
//!
//! `ne` is the contrary of `eq`, also where there is no value; on several values `eq` asks for one of them (RFC 7644 table 3).

use super::{Filter, Literal, Operator, Test};
use crate::scim::{
    AttrPath,
    schema::{Attribute, DataType, ResourceKind, find},
};
use serde_json::Value;
use std::cmp::Ordering;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// The values that a test looks at, each with its definition.
type Found<'a> = Vec<(&'static Attribute, &'a Value)>;

impl Filter {
    /// Tells whether a complete representation meets the condition.
    #[must_use]
    pub fn matches(&self, kind: ResourceKind, resource: &Value) -> bool {
        let known = |path: &AttrPath| kind.attribute(&path.name).filter(|_| path.belongs_to(kind));
        match self {
            Self::Test(path, test) => {
                known(path).map_or(holds(test, &vec![]), |a| holds(test, &under(a, path.sub(), test, resource.get(a.name))))
            }
            Self::Element { attribute, filter, then } => known(attribute).is_some_and(|a| {
                elements(resource.get(a.name)).into_iter().any(|element| {
                    element_matches(filter, a, element)
                        && then.as_ref().is_none_or(|(sub, test)| holds(test, &under(a, Some(sub), test, Some(element))))
                })
            }),
            Self::Not(inner) => !inner.matches(kind, resource),
            Self::And(parts) => parts.iter().all(|f| f.matches(kind, resource)),
            Self::Or(parts) => parts.iter().any(|f| f.matches(kind, resource)),
        }
    }
}

/// Tells whether one element of a multi-valued attribute meets a condition on its sub-attributes.
pub(in crate::scim) fn element_matches(filter: &Filter, attribute: &'static Attribute, element: &Value) -> bool {
    match filter {
        Filter::Test(path, test) => holds(test, &under(attribute, Some(&path.name), test, Some(element))),
        Filter::Element { .. } => false,
        Filter::Not(inner) => !element_matches(inner, attribute, element),
        Filter::And(parts) => parts.iter().all(|f| element_matches(f, attribute, element)),
        Filter::Or(parts) => parts.iter().any(|f| element_matches(f, attribute, element)),
    }
}

/// Finds the values of an attribute or of its sub-attribute.
fn under<'a>(attribute: &'static Attribute, sub: Option<&str>, test: &Test, value: Option<&'a Value>) -> Found<'a> {
    let found = elements(value);
    // A complex attribute without a sub-attribute is compared by its `value` (RFC 7644 section 3.4.2.2).
    let by_value = attribute.data_type == DataType::Complex && *test != Test::Present;
    match sub.or(by_value.then_some("value")) {
        None => found.into_iter().map(|v| (attribute, v)).collect(),
        Some(sub) => find(attribute.sub, sub).map_or_else(Vec::new, |s| found.iter().filter_map(|v| Some((s, v.get(s.name)?))).collect()),
    }
}

fn elements(value: Option<&Value>) -> Vec<&Value> {
    match value {
        None | Some(Value::Null) => vec![],
        Some(Value::Array(items)) => items.iter().collect(),
        Some(one) => vec![one],
    }
}

fn holds(test: &Test, found: &Found<'_>) -> bool {
    let (operator, literal) = match test {
        Test::Present | Test::Compare(Operator::Ne, Literal::Null) => return !found.is_empty(),
        Test::Compare(Operator::Eq, Literal::Null) => return found.is_empty(),
        Test::Compare(operator, literal) => (*operator, literal),
    };
    let any = |wanted: &[Ordering]| found.iter().filter_map(|(a, v)| compare(a, v, literal)).any(|o| wanted.contains(&o));
    match operator {
        Operator::Eq => any(&[Ordering::Equal]),
        Operator::Ne => !any(&[Ordering::Equal]),
        Operator::Gt => any(&[Ordering::Greater]),
        Operator::Ge => any(&[Ordering::Greater, Ordering::Equal]),
        Operator::Lt => any(&[Ordering::Less]),
        Operator::Le => any(&[Ordering::Less, Ordering::Equal]),
        Operator::Co | Operator::Sw | Operator::Ew => {
            matches!(literal, Literal::String(part) if found.iter().any(|(a, v)| contains(a, v, operator, part)))
        }
    }
}

fn compare(attribute: &Attribute, value: &Value, literal: &Literal) -> Option<Ordering> {
    match (value, literal) {
        (Value::String(a), Literal::String(b)) if attribute.data_type == DataType::DateTime => {
            let at = |text: &str| OffsetDateTime::parse(text, &Rfc3339).ok();
            Some(at(a)?.cmp(&at(b)?))
        }
        (Value::String(a), Literal::String(b)) => Some(folded(attribute, a).cmp(&folded(attribute, b))),
        (Value::Bool(a), Literal::Bool(b)) => (a == b).then_some(Ordering::Equal),
        (Value::Number(a), Literal::Number(b)) => a.as_f64()?.partial_cmp(&b.as_f64()?),
        _ => None,
    }
}

fn contains(attribute: &Attribute, value: &Value, operator: Operator, part: &str) -> bool {
    let Some(text) = value.as_str() else { return false };
    let (text, part) = (folded(attribute, text), folded(attribute, part));
    match operator {
        Operator::Sw => text.starts_with(&part),
        Operator::Ew => text.ends_with(&part),
        _ => text.contains(&part),
    }
}

fn folded(attribute: &Attribute, text: &str) -> String {
    if attribute.case_exact { text.to_owned() } else { text.to_lowercase() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scim::resource::tests::{ada, chemists};

    fn ada_is(filter: &str) -> bool {
        filter.parse::<Filter>().unwrap().matches(ResourceKind::User, &ada().to_json("b"))
    }

    fn chemists_are(filter: &str) -> bool {
        filter.parse::<Filter>().unwrap().matches(ResourceKind::Group, &chemists().to_json("b"))
    }

    #[test]
    fn case_counts_where_the_schema_says_so() {
        assert!(ada_is(r#"USERNAME eq "ada@EXAMPLE.org""#));
        assert!(ada_is(r#"externalId eq "ext-1""#) && !ada_is(r#"externalId eq "EXT-1""#));
        assert!(ada_is(r#"id eq "u1""#) && !ada_is(r#"id eq "U1""#));
        assert!(ada_is(r#"urn:ietf:params:scim:schemas:core:2.0:user:userName sw "ADA""#));
        assert!(!ada_is(r#"urn:ietf:params:scim:schemas:core:2.0:Group:userName sw "ada""#));
    }

    #[test]
    fn operators_mean_what_the_standard_says() {
        for (filter, expected) in [
            (r#"userName co "@example""#, true),
            (r#"userName ew ".org""#, true),
            (r#"userName sw "org""#, false),
            (r#"userName ne "eve""#, true),
            (r#"userName gt "aaa" and userName lt "b""#, true),
            ("active eq true", true),
            ("active ne true", false),
            (r#"active eq "true""#, false),
            ("displayName pr", false),
            ("displayName eq null", true),
            ("name pr and name.givenName pr", true),
            ("name.familyName pr", false),
            ("not (name.familyName pr)", true),
            ("title pr", false),
            (r#"title ne "x""#, true),
            (r#"name.middleName ne "x""#, true),
            (r#"emails[type eq "work"]"#, false),
        ] {
            assert_eq!(ada_is(filter), expected, "{filter}");
        }
    }

    #[test]
    fn times_are_compared_as_times() {
        assert!(ada_is(r#"meta.lastModified ge "2026-02-03T05:05:06+01:00""#));
        assert!(ada_is(r#"meta.lastModified eq "2026-02-03T04:05:06.000Z""#));
        assert!(!ada_is(r#"meta.lastModified gt "not a time""#));
    }

    #[test]
    fn members_are_found_by_value() {
        assert!(chemists_are(r#"members eq "u2""#) && chemists_are(r#"members.value eq "u2""#));
        assert!(
            chemists_are(r#"members[value eq "u2" and type eq "user"]"#) && !chemists_are(r#"members[value eq "u2" and type eq "Group"]"#)
        );
        assert!(chemists_are(r#"members[value eq "u1"].type eq "User""#));
        assert!(!chemists_are(r#"members ne "u2""#) && !chemists_are(r#"members eq "u3""#));
    }
}
