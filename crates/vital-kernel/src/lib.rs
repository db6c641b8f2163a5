//! The vocabulary of the platform: ids, the operation context, permissions, errors, limits, time and audit entries.
//!
//! **Invariant:** no I/O happens here and no other crate of the workspace is known here. Every other crate depends on this one.

mod audit;
mod clock;
mod context;
mod embed;
mod error;
mod ids;
pub mod limits;
mod policy;

pub use audit::{AuditAction, AuditEntry};
pub use clock::{iso, now};
pub use context::{Actor, OpContext, Origin};
pub use embed::{EmbedError, EmbedLane, Embedder, EmbedderStatus, Embedding};
pub use error::{Error, FieldError, Kind, Result};
pub use ids::*;
pub use policy::{Permission, Role, RoleSet, Scopes, matrix};
