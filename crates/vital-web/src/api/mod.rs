//! The REST API `/api/v1`: one file a resource. A handler parses, calls one verb and maps.

pub(crate) mod audit;
pub(crate) mod break_glass;
pub(crate) mod collections;
pub(crate) mod conversations;
pub(crate) mod documents;
pub(crate) mod domains;
pub(crate) mod events;
pub(crate) mod experts;
pub(crate) mod factors;
pub(crate) mod find;
pub(crate) mod groups;
pub(crate) mod invitations;
pub(crate) mod keys;
pub(crate) mod members;
pub(crate) mod notices;
pub(crate) mod organisation;
mod paging;
pub(crate) mod providers;
pub(crate) mod search;
pub(crate) mod session;
pub(crate) mod sso;
pub(crate) mod tool_servers;
pub(crate) mod tools;
pub(crate) mod turns;
pub(crate) mod usage;
pub(crate) mod webhooks;

pub(crate) use paging::{Listing, PageParams, Paging};
