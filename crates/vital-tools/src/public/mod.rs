//! Searches of public sources: one place that asks them, within their rates, and reads their answers.

pub(crate) mod crossref;
pub(crate) mod ecfr;
pub(crate) mod europe_pmc;
pub(crate) mod federal_register;
mod fetch;
pub(crate) mod full_text;
mod json;
mod literature;
mod markup;
pub(crate) mod openalex;
pub(crate) mod openfda;
mod parts;
pub(crate) mod pubmed;
mod query;
mod record;
pub(crate) mod rxnorm;
pub(crate) mod trials;
mod xml;

pub use fetch::BODY_BYTES_MAX;
pub(crate) use fetch::Sources;
