//! The one error of the domain: what went wrong, safe to show, with a stable code.

use serde::Serialize;
use std::{error::Error as StdError, fmt, panic::Location, time::Duration};

/// A result whose error is the domain's.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of failure it is; closed, and mapped to a status in exactly one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names are those of architecture section 5")]
pub enum Kind {
    Malformed,
    Invalid,
    Unauthenticated,
    Forbidden,
    NotFound,
    Conflict,
    Stale,
    TooLarge,
    RateLimited,
    BudgetExhausted,
    Upstream,
    UpstreamTimeout,
    Unavailable,
    Internal,
}

/// A fault of one input field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// JSON pointer (RFC 6901) to the field, for example `/question`.
    pub pointer: String,
    /// What is wrong and what would be right.
    pub detail: String,
}

/// A failure that can be shown to the person who met it.
pub struct Error {
    kind: Kind,
    code: &'static str,
    detail: String,
    fields: Vec<FieldError>,
    retry_after: Option<Duration>,
    source: Option<Box<dyn StdError + Send + Sync>>,
    at: &'static Location<'static>,
}

macro_rules! constructors {
    ($($(#[$doc:meta])* $name:ident => $kind:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[track_caller]
        #[must_use]
        pub fn $name(code: &'static str, detail: impl Into<String>) -> Self {
            Self::new(Kind::$kind, code, detail)
        }
    )+};
}

impl Error {
    /// Makes an error. `code` is stable and dotted; `detail` is safe to show.
    #[track_caller]
    #[must_use]
    pub fn new(kind: Kind, code: &'static str, detail: impl Into<String>) -> Self {
        Self { kind, code, detail: detail.into(), fields: Vec::new(), retry_after: None, source: None, at: Location::caller() }
    }

    constructors! {
        /// The input cannot be read at all.
        malformed => Malformed,
        /// The input can be read but breaks a rule.
        invalid => Invalid,
        /// Nobody is signed in.
        unauthenticated => Unauthenticated,
        /// Somebody is signed in, but their role lacks the permission.
        forbidden => Forbidden,
        /// Does not exist, or belongs to another tenant: the two cannot be told apart.
        not_found => NotFound,
        /// The state of the object does not allow it.
        conflict => Conflict,
        /// What was to be changed has changed since it was read.
        stale => Stale,
        /// Over a stated limit.
        too_large => TooLarge,
        /// Too often.
        rate_limited => RateLimited,
        /// A provider or tool failed.
        upstream => Upstream,
        /// A provider or tool did not answer in time.
        upstream_timeout => UpstreamTimeout,
        /// A part of the platform is not available now.
        unavailable => Unavailable,
    }

    /// A fault of the platform: the cause is logged, never shown.
    #[track_caller]
    #[must_use]
    pub fn internal(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let mut error = Self::new(
            Kind::Internal,
            "internal",
            "Something went wrong on our side. Nothing you sent was changed by it; try again, and report the request id if it goes on.",
        );
        error.source = Some(source.into());
        error
    }

    /// Adds the cause, which is logged and never shown.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Adds a fault of one field.
    #[must_use]
    pub fn with_field(mut self, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        self.fields.push(FieldError { pointer: pointer.into(), detail: detail.into() });
        self
    }

    /// Says when trying again makes sense.
    #[must_use]
    pub fn with_retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// The kind.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The stable dotted code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.code
    }

    /// What happened, whether anything was lost and what to do; safe to show.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// Faults of single fields.
    #[must_use]
    pub fn fields(&self) -> &[FieldError] {
        &self.fields
    }

    /// When trying again makes sense.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Where in the code it was made.
    #[must_use]
    pub const fn at(&self) -> &'static Location<'static> {
        self.at
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.detail, self.code)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {} at {}: {}", self.kind, self.code, self.at, self.detail)?;
        let mut cause = self.source();
        while let Some(c) = cause {
            write!(f, "; caused by: {c}")?;
            cause = c.source();
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_ref().map(|s| &**s as &(dyn StdError + 'static))
    }
}
