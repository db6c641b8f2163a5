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
pub(crate) mod groups;
pub(crate) mod invitations;
pub(crate) mod keys;
pub(crate) mod members;
pub(crate) mod organisation;
pub(crate) mod providers;
pub(crate) mod search;
pub(crate) mod session;
pub(crate) mod sso;
pub(crate) mod turns;
pub(crate) mod usage;

use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;
use vital_kernel::limits;

/// A page of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Page {
    /// Only older than this one: the last id of the page before.
    pub(crate) before: Option<Uuid>,
    /// At most so many; 50 unless given, 200 at most.
    pub(crate) limit: Option<i64>,
}

/// The limit of a list, within what callers may ask for.
pub(crate) fn page_size(limit: Option<i64>) -> i64 {
    limit.unwrap_or(limits::PAGE_SIZE).clamp(1, limits::PAGE_SIZE_MAX)
}
