//! Paths of PATCH operations: `attribute`, `attribute.sub`, `attribute[filter]`, `attribute[filter].sub` (RFC 7644 figure 7).

use super::{
    AttrPath, Filter, ScimError,
    filter::{FILTER_BYTES_MAX, Parser},
    path::is_name,
};
use std::str::FromStr;

/// Where a PATCH operation acts.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PatchPath {
    pub(super) attribute: AttrPath,
    /// Which elements of a multi-valued attribute.
    pub(super) filter: Option<Filter>,
    /// The sub-attribute, of the attribute or of the elements chosen.
    pub(super) sub: Option<String>,
}

impl FromStr for PatchPath {
    type Err = ScimError;

    fn from_str(text: &str) -> Result<Self, ScimError> {
        if text.len() > FILTER_BYTES_MAX {
            return Err(ScimError::invalid_path(format!("A path is longer than {FILTER_BYTES_MAX} bytes.")));
        }
        let mut parser = Parser::new(text.trim_matches(' '));
        let mut attribute: AttrPath = parser.word().parse()?;
        if parser.rest.is_empty() {
            let sub = attribute.sub.take();
            return Ok(Self { attribute, filter: None, sub });
        }
        if attribute.sub.is_some() || !parser.eat('[') {
            return Err(ScimError::invalid_path(format!("The path `{attribute}…` cannot be read.")));
        }
        let filter = parser.in_brackets(0).map_err(|e| ScimError::invalid_path(e.to_string()))?;
        let sub = parser.eat('.').then(|| parser.word());
        if !parser.rest.is_empty() || sub.is_some_and(|s| !is_name(s)) {
            return Err(ScimError::invalid_path("A path ends after `]` or with one sub-attribute, as in `members[value eq \"1\"].type`."));
        }
        Ok(Self { attribute, filter: Some(filter), sub: sub.map(str::to_owned) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_four_forms_are_read() {
        let path = |text: &str| text.parse::<PatchPath>().unwrap();
        assert_eq!(path("members").sub, None);
        assert_eq!(path("name.familyName").sub.as_deref(), Some("familyName"));
        assert!(path(r#"members[value eq "1"]"#).filter.is_some());
        assert_eq!(path(r#"urn:ietf:params:scim:schemas:core:2.0:User:emails[type eq "a]b"].value"#).sub.as_deref(), Some("value"));
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in ["", "[value pr]", "a[b pr", "a[b pr]c", "a[b pr].", "a[b pr].c.d", "a.b[c pr]", "a[]", "a b", "a eq 1"] {
            assert_eq!(text.parse::<PatchPath>().unwrap_err().scim_type(), Some(crate::scim::ScimType::InvalidPath), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "[a-z:.\\[\\]\" é$]{0,40}") {
            let _ = text.parse::<PatchPath>();
        }
    }
}
