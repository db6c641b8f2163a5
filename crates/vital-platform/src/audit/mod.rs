//! The trail: who did what to which object, for auditors, for whoever it is about, and for the weekly review.
//!
//! **Invariants:** entries are written by the verbs that cause them (`vital_store::TenantTx::commit`) and changed by nobody; everything here
//! reads them.

mod download;
mod explore;
mod hours;
mod prepare;
mod review;
mod signature;
mod store;
pub mod trail;
mod verification;
mod week;
mod words;

pub use download::{DownloadFormat, download};
pub use explore::{Entry, Filter, How, OperatorAccess, Sighting, Who, entries, entry, moment_of, operator_accesses, own_entries, who_saw};
pub use hours::{WorkingHours, set_working_hours, working_hours};
pub use prepare::prepare_due;
pub use review::{Finding, FindingKind, Judgement, Review, ReviewSummary, Verdict, overdue_reviews, review, reviews, sign_review};
pub use signature::{MEANING, Signature};
pub use verification::{Verification, verify};
pub use week::Week;
pub use words::{GROUPS, says};
