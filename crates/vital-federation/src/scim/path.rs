//! Attribute notation: `name`, `name.givenName`, `urn:…:User:name.givenName` (RFC 7644 section 3.10).

use super::{ScimError, schema::ResourceKind};
use std::{fmt, str::FromStr};

/// Longest attribute path, in bytes.
pub(super) const PATH_BYTES_MAX: usize = 256;

/// A reference to an attribute or to one of its sub-attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttrPath {
    pub(super) schema: Option<String>,
    pub(super) name: String,
    pub(super) sub: Option<String>,
}

impl AttrPath {
    /// The schema it was qualified with, if any.
    #[must_use]
    pub fn schema(&self) -> Option<&str> {
        self.schema.as_deref()
    }

    /// The attribute's name as it was written; names are compared without regard to case.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The sub-attribute's name as it was written.
    #[must_use]
    pub fn sub(&self) -> Option<&str> {
        self.sub.as_deref()
    }

    /// Tells whether this path names the given attribute, for example `userName` or `name.givenName`.
    #[must_use]
    pub fn is(&self, dotted: &str) -> bool {
        let (name, sub) = dotted.split_once('.').map_or((dotted, None), |(n, s)| (n, Some(s)));
        self.name.eq_ignore_ascii_case(name)
            && match (self.sub(), sub) {
                (None, None) => true,
                (Some(a), Some(b)) => a.eq_ignore_ascii_case(b),
                _ => false,
            }
    }

    /// Tells whether the path is unqualified or qualified with the core schema of a kind.
    pub(super) fn belongs_to(&self, kind: ResourceKind) -> bool {
        self.schema.as_ref().is_none_or(|s| s.eq_ignore_ascii_case(kind.urn()))
    }
}

/// Characters that may follow the first one of a name (RFC 7643 section 2.1); `$` begins `$ref` alone.
pub(super) fn is_name(text: &str) -> bool {
    let rest = text.strip_prefix('$').unwrap_or(text);
    rest.starts_with(|c: char| c.is_ascii_alphabetic()) && rest.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

impl FromStr for AttrPath {
    type Err = ScimError;

    fn from_str(text: &str) -> Result<Self, ScimError> {
        let wrong = || ScimError::invalid_path("An attribute is written as `name`, `name.subName` or `urn:…:name`.");
        if text.len() > PATH_BYTES_MAX {
            return Err(ScimError::invalid_path(format!("A path is longer than {PATH_BYTES_MAX} bytes.")));
        }
        // The version number of a URN holds a dot, so the last colon is found before any dot is.
        let (schema, rest) = match text.rsplit_once(':') {
            Some((urn, rest)) if is_urn(urn) => (Some(urn.to_owned()), rest),
            Some(_) => return Err(wrong()),
            None => (None, text),
        };
        let (name, sub) = rest.split_once('.').map_or((rest, None), |(n, s)| (n, Some(s)));
        if !is_name(name) || sub.is_some_and(|s| !is_name(s)) {
            return Err(wrong());
        }
        Ok(Self { schema, name: name.to_owned(), sub: sub.map(str::to_owned) })
    }
}

fn is_urn(text: &str) -> bool {
    text.get(..4).is_some_and(|p| p.eq_ignore_ascii_case("urn:"))
        && text.len() > 4
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b":._-".contains(&b))
}

impl fmt::Display for AttrPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(schema) = &self.schema {
            write!(f, "{schema}:")?;
        }
        f.write_str(&self.name)?;
        self.sub.as_ref().map_or(Ok(()), |sub| write!(f, ".{sub}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dot_of_a_version_is_not_taken_for_a_sub_attribute() {
        let path: AttrPath = "urn:ietf:params:scim:schemas:core:2.0:User:name.givenName".parse().unwrap();
        assert!(path.is("NAME.givenname") && path.belongs_to(ResourceKind::User) && !path.belongs_to(ResourceKind::Group));
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in ["", ".", "a.", ".b", "a.b.c", "1a", "a b", "a:b", "urn:", "urn::a", "$", "a[b", &"a".repeat(300)] {
            assert!(text.parse::<AttrPath>().is_err(), "{text}");
        }
    }
}
