//! SQL of use: what is held and spent, the ledger and its reports, budgets, a file a noun.

mod budgets;
mod ledger;
mod report;
mod spending;

pub(super) use budgets::*;
pub(super) use ledger::*;
pub(super) use report::*;
pub(super) use spending::*;
