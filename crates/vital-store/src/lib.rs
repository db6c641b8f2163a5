//! The door to the data: connection pools, tenant transactions, migrations, the protection check, the job queue and the embedded cluster.
//!
//! **Invariants:** no pool leaves this crate; a tenant transaction needs an `OpContext`; a committed write needs an audit entry or stands
//! on the closed list of exceptions. Capabilities keep their SQL in their own `store.rs` in `vital-platform`.

mod db;
pub mod embedded;
mod erasure;
mod error;
mod guard;
mod jobs;
mod keys;
mod logins;
mod open;
mod sealed;
#[cfg(feature = "testdb")]
pub mod testdb;
pub mod transport;
mod webhook_queue;

pub use db::{AuditedRead, Db, PlatformConn, PlatformReason, PlatformTx, PoolSizes, Read, TenantTx, TrailTx, Unaudited, Write, entity_tag};
pub use erasure::DestroyedKey;
pub use error::{db_error, is_unique_violation};
pub use guard::{Violation, describe};
pub use jobs::{Claimed, JobKind, Node};
pub use keys::{KeySettings, KeyStatus, RootKeyStatus, RootRotation, RootsError, unusable as key_error};
pub use logins::{Exchanged, RoleFile, RoleFileError, RoleSecrets, Step as ExchangeStep};
pub use open::{MIGRATIONS, OpenError, migrate};
pub use sealed::{SEALED, SealedColumn};
pub use webhook_queue::{ClaimedDelivery, WebhookClaim};
