//! SQL of identity, a file a noun. The directory tables are reached through platform transactions and the narrow functions of the
//! migrations, everything else through tenant transactions.

mod accounts;
mod break_glass;
mod credentials;
mod factors;
mod groups;
mod invitations;
mod keys;
mod members;
mod scim;
mod sessions;
mod sso;

pub(super) use accounts::*;
pub(super) use break_glass::*;
pub(super) use credentials::*;
pub(super) use factors::*;
pub(super) use groups::*;
pub(super) use invitations::*;
pub(super) use keys::*;
pub(super) use members::*;
pub(super) use scim::*;
pub(super) use sessions::*;
pub(super) use sso::*;
