//! What models are used for: the most that a request can cost is held before it goes out, and replaced by what it did cost when it ends.
//!
//! **Invariants:** nothing is sent that a budget has not enough left for; the check and the hold are one transaction in the database, which no
//! other node can divide, and no transaction is open while a model is awaited. Counters of a budget are at every commit the sum of the ledger
//! and of the open holds that it covers (`migrations/0013_usage.sql`). A row of the ledger says what the provider reported, or says that it does
//! not. Rows are only ever added. Amounts of money are integers in the unit in which a price has no fraction ([`vital_llm::gateway::Money`]).
//!
//! A request is settled by a task of its own, which a dropped stream starts too. Where the process dies, its holds become overdue and are
//! swept as spent.
//!
//! Not here: prices of the list (`catalogue/prices.toml`), and which model is asked (`providers`).

mod budget;
mod charge;
mod estimate;
mod export;
mod forecast;
mod notice;
mod rates;
mod report;
mod reserve;
mod settle;
mod store;
mod stream;
mod sweep;

pub use budget::{Budget, BudgetScope, BudgetState, NewBudget, Period, budgets, remove_budget, set_budget};
pub use charge::Basis;
pub(crate) use charge::{Asked, Charge, Seen};
pub(crate) use estimate::Size;
pub use export::{csv_cell, export};
pub use forecast::Forecast;
pub(crate) use rates::micros_up;
pub use rates::{OwnPrice, Rates};
pub use report::{Line, Totals, UsageReport, report};
pub(crate) use reserve::{Candidate, reserve};
pub use stream::{Metered, Spent};
pub(crate) use sweep::LOOK;
pub use sweep::sweep;

use vital_kernel::{ExpertId, TurnId};

/// What a request to a model is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// It writes the answer of a turn, or calls the tools for it.
    Answer,
    /// Somebody's own software asks the model itself.
    Direct,
    /// An administrator tests the model.
    Test,
    /// It makes vectors.
    Embedding,
}

impl Purpose {
    /// The stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answer => "answer",
            Self::Direct => "direct",
            Self::Test => "test",
            Self::Embedding => "embedding",
        }
    }
}

/// What a request to a model is counted for, beside the person who causes it.
#[derive(Clone, Copy, Debug)]
pub struct Meter {
    /// The expert who answers, if there is one.
    pub expert: Option<ExpertId>,
    /// The turn that the request belongs to, if there is one.
    pub turn: Option<TurnId>,
    /// What it is for.
    pub purpose: Purpose,
}

impl Meter {
    /// Counts for the answer of a turn.
    #[must_use]
    pub const fn answer(expert: ExpertId, turn: TurnId) -> Self {
        Self { expert: Some(expert), turn: Some(turn), purpose: Purpose::Answer }
    }

    /// Counts for nobody but the person.
    #[must_use]
    pub const fn of(purpose: Purpose) -> Self {
        Self { expert: None, turn: None, purpose }
    }
}
