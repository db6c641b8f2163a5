//! The error response of SCIM (RFC 7644 section 3.12).

use serde_json::{Value, json};

const ERROR_URN: &str = "urn:ietf:params:scim:api:messages:2.0:Error";

/// The detail error keyword (RFC 7644 table 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of RFC 7644 table 9")]
pub enum ScimType {
    InvalidFilter,
    TooMany,
    Uniqueness,
    Mutability,
    InvalidSyntax,
    InvalidPath,
    NoTarget,
    InvalidValue,
}

impl ScimType {
    /// The keyword on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidFilter => "invalidFilter",
            Self::TooMany => "tooMany",
            Self::Uniqueness => "uniqueness",
            Self::Mutability => "mutability",
            Self::InvalidSyntax => "invalidSyntax",
            Self::InvalidPath => "invalidPath",
            Self::NoTarget => "noTarget",
            Self::InvalidValue => "invalidValue",
        }
    }
}

/// A refusal that a directory's operator can act upon; the detail is safe to show to the client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct ScimError {
    status: u16,
    scim_type: Option<ScimType>,
    detail: String,
}

macro_rules! bad_requests {
    ($($(#[$doc:meta])* $name:ident => $kind:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[must_use]
        pub fn $name(detail: impl Into<String>) -> Self {
            Self { status: 400, scim_type: Some(ScimType::$kind), detail: detail.into() }
        }
    )+};
}

impl ScimError {
    /// Makes an error without a keyword, for statuses such as 401, 403, 404, 405, 412, 413, 429, 500 and 501.
    #[must_use]
    pub fn status_only(status: u16, detail: impl Into<String>) -> Self {
        Self { status, scim_type: None, detail: detail.into() }
    }

    bad_requests! {
        /// 400: the body or its structure cannot be read.
        invalid_syntax => InvalidSyntax,
        /// 400: a value is missing, of a wrong type, or beyond a limit.
        invalid_value => InvalidValue,
        /// 400: the filter cannot be read, or compares what cannot be compared.
        invalid_filter => InvalidFilter,
        /// 400: the path of a PATCH operation cannot be read.
        invalid_path => InvalidPath,
        /// 400: the path of a PATCH operation names nothing.
        no_target => NoTarget,
        /// 400: the change touches what cannot be changed.
        mutability => Mutability,
        /// 400: the request asks for more than one request may.
        too_many => TooMany,
    }

    /// 409: another resource has this value already.
    #[must_use]
    pub fn uniqueness(detail: impl Into<String>) -> Self {
        Self { status: 409, scim_type: Some(ScimType::Uniqueness), detail: detail.into() }
    }

    /// 404: the resource does not exist, or belongs to somebody else: the two cannot be told apart.
    #[must_use]
    pub fn not_found() -> Self {
        Self::status_only(404, "There is no such resource.")
    }

    /// The HTTP status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// The keyword, if there is one for this error.
    #[must_use]
    pub const fn scim_type(&self) -> Option<ScimType> {
        self.scim_type
    }

    /// The body; its `status` is a string, as RFC 7644 asks.
    #[must_use]
    pub fn body(&self) -> Value {
        let mut body = json!({ "schemas": [ERROR_URN], "status": self.status.to_string(), "detail": self.detail });
        if let Some(kind) = self.scim_type {
            body["scimType"] = kind.as_str().into();
        }
        body
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_a_string_and_the_keyword_is_left_out_where_there_is_none() {
        assert_eq!(
            ScimError::uniqueness("taken").body(),
            json!({ "schemas": [ERROR_URN], "status": "409", "scimType": "uniqueness", "detail": "taken" })
        );
        assert!(ScimError::not_found().body().get("scimType").is_none());
    }
}
