//! The door to the data: connection pools, tenant transactions, migrations, the protection check, the job queue and the embedded cluster.
//!
//! **Invariants:** no pool leaves this crate; a tenant transaction needs an `OpContext`; a committed write needs an audit entry or stands
//! on the closed list of exceptions. Capabilities keep their SQL in their own `store.rs` in `vital-platform`.

mod db;
pub mod embedded;
mod error;
mod guard;
mod jobs;
mod open;
#[cfg(feature = "testdb")]
pub mod testdb;

pub use db::{Db, PlatformConn, PlatformReason, PlatformTx, PoolSizes, Read, TenantTx, Unaudited, Write};
pub use error::{db_error, is_unique_violation};
pub use guard::{Violation, describe};
pub use jobs::{Claimed, JobKind, Node};
pub use open::{MIGRATIONS, OpenError, RoleSecrets, migrate};
