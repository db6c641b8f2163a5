//! Filters (RFC 7644 section 3.4.2.2): the tree, and how it is written. Reading is in `parse`, evaluation in `eval`.

mod eval;
mod parse;

pub(super) use eval::element_matches;
pub(super) use parse::Parser;

use super::AttrPath;
use std::fmt;

/// Longest filter, in bytes.
pub const FILTER_BYTES_MAX: usize = 4_096;
/// Deepest nesting of parentheses and brackets.
pub const DEPTH_MAX: usize = 16;

/// A condition on a resource.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// A test of one attribute.
    Test(AttrPath, Test),
    /// Some element of a multi-valued attribute meets the inner condition, and one of its sub-attributes the test, if there is one:
    /// `emails[type eq "work"]`, `emails[type eq "work"].value co "@example.org"`.
    Element {
        /// The multi-valued attribute.
        attribute: AttrPath,
        /// The condition on one element; its paths are sub-attributes.
        filter: Box<Filter>,
        /// A test of a sub-attribute of the elements found.
        then: Option<(String, Test)>,
    },
    /// The condition does not hold.
    Not(Box<Filter>),
    /// All of at least two conditions hold.
    And(Vec<Filter>),
    /// Some of at least two conditions hold.
    Or(Vec<Filter>),
}

/// What is asked of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// It has a value.
    Present,
    /// It compares with a literal.
    Compare(Operator, Literal),
}

/// Comparisons (RFC 7644 table 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of RFC 7644 table 3")]
pub enum Operator {
    Eq,
    Ne,
    Co,
    Sw,
    Ew,
    Gt,
    Ge,
    Lt,
    Le,
}

impl Operator {
    /// All operators.
    pub const ALL: [Self; 9] = [Self::Eq, Self::Ne, Self::Co, Self::Sw, Self::Ew, Self::Gt, Self::Ge, Self::Lt, Self::Le];

    /// The keyword.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Eq => "eq",
            Self::Ne => "ne",
            Self::Co => "co",
            Self::Sw => "sw",
            Self::Ew => "ew",
            Self::Gt => "gt",
            Self::Ge => "ge",
            Self::Lt => "lt",
            Self::Le => "le",
        }
    }
}

/// The right-hand side of a comparison.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "the names are those of JSON")]
pub enum Literal {
    String(String),
    Number(serde_json::Number),
    Bool(bool),
    Null,
}

impl Filter {
    /// The attribute and text of a filter that is one equality, such as `userName eq "x"`, so that an index can answer it.
    #[must_use]
    pub fn equality(&self) -> Option<(&AttrPath, &str)> {
        match self {
            Self::Test(path, Test::Compare(Operator::Eq, Literal::String(text))) => Some((path, text)),
            _ => None,
        }
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Test(path, test) => write!(f, "{path} {test}"),
            Self::Element { attribute, filter, then: None } => write!(f, "{attribute}[{filter}]"),
            Self::Element { attribute, filter, then: Some((sub, test)) } => write!(f, "{attribute}[{filter}].{sub} {test}"),
            Self::Not(inner) => write!(f, "not ({inner})"),
            Self::And(parts) => join(f, parts, " and "),
            Self::Or(parts) => join(f, parts, " or "),
        }
    }
}

fn join(f: &mut fmt::Formatter<'_>, parts: &[Filter], word: &str) -> fmt::Result {
    for (n, part) in parts.iter().enumerate() {
        if n > 0 {
            f.write_str(word)?;
        }
        match part {
            Filter::And(_) | Filter::Or(_) => write!(f, "({part})")?,
            _ => write!(f, "{part}")?,
        }
    }
    Ok(())
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Present => f.write_str("pr"),
            Self::Compare(operator, literal) => write!(f, "{} {literal}", operator.as_str()),
        }
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::String(text) => write!(f, "{}", serde_json::Value::from(text.as_str())),
            Self::Number(number) => write!(f, "{number}"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Null => f.write_str("null"),
        }
    }
}
