//! SCIM 2.0: how a customer's directory provisions people and groups (RFC 7643 for the schema, RFC 7644 for the protocol).
//!
//! Data enters as JSON, filters and paths that a stranger wrote, and leaves as [`NewUser`] and [`NewGroup`], whose every field was
//! checked, or as a [`ScimError`] with the RFC's own vocabulary. What is stored leaves as JSON through [`User`] and [`Group`].
//!
//! **Invariant:** only what is stored is advertised (`schema`); what clients send beyond that is ignored, as RFC 7643 section 3.3
//! and RFC 7644 section 3.3 allow, whereas a known attribute of a wrong type is refused.
//! **Invariant:** no input makes this code panic or recurse further than [`filter::DEPTH_MAX`].
//!
//! Deliberately not here: HTTP, storage, and authentication. Bulk operations, sorting and password changes are not offered.

mod discovery;
mod error;
mod etag;
pub mod filter;
mod input;
mod list;
mod patch;
mod patch_path;
mod path;
mod projection;
mod resource;
mod schema;
mod value;

#[cfg(test)]
mod patch_tests;

pub use discovery::{resource_type, resource_types, schema_document, schema_documents, service_provider_config};
pub use error::{ScimError, ScimType};
pub use etag::{not_modified, precondition};
pub use filter::Filter;
pub use input::{NewGroup, NewUser, parse_body};
pub use list::{ListQuery, RESULTS_MAX, list_response};
pub use patch::{OPERATIONS_MAX, Patch};
pub use path::AttrPath;
pub use projection::Projection;
pub use resource::{Group, GroupOfUser, User};
pub use schema::{ENTERPRISE_URN, GROUP_URN, ResourceKind, USER_URN};
pub use value::{DISPLAY_CHARS_MAX, MEMBERS_MAX, REFERENCE_CHARS_MAX, TEXT_CHARS_MAX};

/// The media type of every SCIM body (RFC 7644 section 8.1).
pub const MEDIA_TYPE: &str = "application/scim+json";
