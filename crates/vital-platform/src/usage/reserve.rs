//! Before a request goes out: the most that it can cost is held, or the request is refused with the budget that has not enough left.

use super::{
    Meter, Period,
    budget::BudgetScope,
    charge::{Basis, Charge},
    estimate::Size,
    rates::{Rates, money},
    settle::{self, Hold},
    store,
};
use crate::Platform;
use std::{sync::Arc, time::Duration};
use time::{Date, OffsetDateTime};
use uuid::Uuid;
use vital_kernel::{Error, Kind, OpContext, Result, now};
use vital_llm::TokenUsage;
use vital_store::Unaudited;

/// How long a hold lasts without a settlement: longer than any answer may take.
const OVERDUE_AFTER: Duration = Duration::from_secs(15 * 60);
/// Longest time that a refusal asks to wait: whoever raises a budget is not to be waited for until the end of the month.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// A model that may answer a request.
pub(crate) struct Candidate<'a> {
    pub provider: &'a str,
    pub model: &'a str,
    pub rates: &'a Rates,
    /// Most tokens that it writes.
    pub output_max: u32,
}

/// What was held, until it is settled. Dropped before anything was sent, it is given back; dropped after, the prompt counts as used.
pub(crate) struct Reservation {
    p: Arc<Platform>,
    pub(super) hold: Option<Hold>,
    pub(super) size: Size,
    /// Whether a budget of money covers the request, so that only models with a price may be asked.
    pub priced_only: bool,
    /// What the prompt alone costs, once it was sent: where the caller leaves, nobody knows whether it was read.
    sent: Option<Charge>,
    prompt: Charge,
}

/// What the database said to a reservation.
pub(super) enum Reserved {
    Held { priced_only: bool },
    Refused(Refusal),
}

/// What a request lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lacking {
    Tokens,
    Money,
    /// A budget of money covers it, and no price is known.
    Price,
}

impl Lacking {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Tokens => "tokens",
            Self::Money => "money",
            Self::Price => "no_price",
        }
    }

    pub(super) fn parse(name: &str) -> Result<Self> {
        [Self::Tokens, Self::Money, Self::Price]
            .into_iter()
            .find(|l| l.as_str() == name)
            .ok_or_else(|| Error::internal("a reservation lacks something unknown"))
    }
}

/// The budget that has not enough left.
pub(super) struct Refusal {
    pub why: Lacking,
    pub scope: BudgetScope,
    pub period: Period,
    pub period_start: Date,
    pub limit_tokens: Option<i64>,
    pub left_tokens: Option<i64>,
    pub limit_pico: Option<i64>,
    pub left_pico: Option<i64>,
}

/// Holds the most that a request can cost at the dearest of these models, against every budget that covers it.
///
/// # Errors
/// `BudgetExhausted` with the budget, what is left and when it renews; `Conflict` where a budget of money covers the request and none of the models
/// has a price. Nothing was sent and nothing is held then.
pub(crate) async fn reserve(
    p: &Platform,
    cx: &OpContext,
    meter: Meter,
    request: &vital_llm::ChatRequest,
    candidates: &[Candidate<'_>],
) -> Result<Reservation> {
    let p = p.this().ok_or_else(|| Error::internal("the platform is going away"))?;
    let (size, at) = (Size::of(request), now());
    let most = |c: &Candidate<'_>| c.rates.most(size.input, u64::from(c.output_max), at.date());
    // An amount goes before none: models without a price are passed over under a budget of money.
    let Some(dearest) = candidates.iter().max_by_key(|c| most(c)) else {
        return Err(Error::internal("a reservation without a model"));
    };
    let output = candidates.iter().map(|c| c.output_max).max().unwrap_or_default();
    let hold = Hold {
        id: Uuid::now_v7(),
        at,
        expires_at: at + OVERDUE_AFTER,
        cx: cx.clone(),
        meter,
        provider: dearest.provider.to_owned(),
        model: dearest.model.to_owned(),
        input: i64::try_from(size.input).map_err(Error::internal)?,
        output: i64::from(output),
        pico: most(dearest),
    };
    let usage = TokenUsage { input: size.input, ..TokenUsage::default() };
    let prompt = Charge {
        provider: hold.provider.clone(),
        model: hold.model.clone(),
        usage,
        pico: dearest.rates.cost(&usage, at.date()),
        basis: Basis::Estimated,
    };
    // A task of its own, so that a caller who leaves cannot cut it between the commit and the guard that gives back what was held.
    let held = p.tasks.clone().spawn(async move {
        let reserved = held_in_database(&p, &hold).await?;
        match reserved {
            Reserved::Held { priced_only } => Ok(Reservation { p, hold: Some(hold), size, priced_only, sent: None, prompt }),
            Reserved::Refused(refusal) => {
                vital_metrics::model_refused(refusal.why.as_str());
                Err(refusal.error(&hold))
            }
        }
    });
    held.await.map_err(Error::internal)?
}

async fn held_in_database(p: &Platform, hold: &Hold) -> Result<Reserved> {
    let mut tx = p.db.write(&hold.cx).await?;
    let reserved = store::reserve(&mut tx, hold).await?;
    if matches!(reserved, Reserved::Held { .. }) {
        tx.commit_unaudited(Unaudited::Usage).await?;
    }
    Ok(reserved)
}

impl Reservation {
    /// The moment whose day and month the request counts for, and whose prices hold.
    pub(crate) fn at(&self) -> OffsetDateTime {
        self.hold.as_ref().map_or_else(now, |hold| hold.at)
    }

    /// Says that the request goes out now.
    pub(crate) fn sending(&mut self) {
        self.sent = Some(self.prompt.clone());
    }

    /// Settles with what the request came to; nothing at all where no provider used anything.
    pub(crate) fn settle(mut self, charges: Vec<Charge>) {
        self.settle_with(charges);
    }

    fn settle_with(&mut self, charges: Vec<Charge>) {
        if let Some(hold) = self.hold.take() {
            let p = Arc::clone(&self.p);
            // Without a runtime the process is ending: the hold becomes overdue and is swept.
            if tokio::runtime::Handle::try_current().is_ok() {
                self.p.tasks.spawn(async move { settle::patiently(&p, &hold, charges).await });
            }
        }
    }
}

impl std::fmt::Debug for Reservation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reservation").field("hold", &self.hold).finish_non_exhaustive()
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let charges = self.sent.take().into_iter().collect();
        self.settle_with(charges);
    }
}

impl Refusal {
    #[track_caller]
    fn error(&self, hold: &Hold) -> Error {
        let whose = match self.scope {
            BudgetScope::Organisation => "your organisation's",
            BudgetScope::EveryPerson | BudgetScope::Person => "your own",
            BudgetScope::Expert => "this expert's",
        };
        let period = self.period.adjective();
        if self.why == Lacking::Price {
            return Error::conflict(
                "usage.no_price",
                format!(
                    "No price is known for the model {}, so {whose} {period} budget of money cannot cover it. Nothing was sent; an administrator can set its price under Settings, Usage.",
                    hold.model
                ),
            );
        }
        let dollars = |pico: Option<i64>| pico.and_then(money).map_or_else(String::new, |m| m.to_string());
        let left = if self.why == Lacking::Tokens {
            let (left, limit) = (self.left_tokens.unwrap_or_default(), self.limit_tokens.unwrap_or_default());
            format!("{left} of {limit} tokens are left, and this request may take up to {}", hold.input + hold.output)
        } else {
            format!(
                "{} of {} are left, and this request may cost up to {}",
                dollars(self.left_pico),
                dollars(self.limit_pico),
                dollars(hold.pico)
            )
        };
        let renews = self.period.end(self.period_start);
        let wait = Duration::try_from(renews - hold.at).unwrap_or(Duration::from_secs(1)).clamp(Duration::from_secs(1), RETRY_AFTER_MAX);
        let detail = format!(
            "There is not enough left of {whose} {period} budget: {left}. Nothing was sent. The budget renews on {} at 00:00 UTC; an administrator can raise it under Settings, Usage.",
            renews.date()
        );
        Error::new(Kind::BudgetExhausted, "budget.exhausted", detail).with_retry_after(wait)
    }
}
