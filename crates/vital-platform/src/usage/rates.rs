//! What the tokens of a model cost an organisation: the price of its own contract where it has one, else the list's.

use serde::{Deserialize, Serialize};
use time::Date;
use utoipa::ToSchema;
use vital_llm::{
    TokenUsage,
    gateway::{Currency, Money, Price, PriceKey, PriceTable},
};

/// The currency of budgets, of the ledger and of prices that organisations set.
pub(super) const CURRENCY: &str = "USD";

/// Hosts whose prices the list has, with their name in it. A model elsewhere may have the same name and another price.
const LISTED: [(&str, &str); 3] =
    [("api.openai.com", "openai"), ("api.anthropic.com", "anthropic"), ("generativelanguage.googleapis.com", "google")];

/// A price of an organisation's own contract, in millionths of a US dollar per million tokens, each at most 10,000 dollars.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OwnPrice {
    /// Tokens of the prompt that are in no cache.
    pub input: u64,
    /// Tokens of the prompt read from the provider's cache.
    pub cached_input: u64,
    /// Tokens of the prompt written to it.
    pub cache_write: u64,
    /// Tokens generated.
    pub output: u64,
}

/// What the tokens of one model cost, if that is known.
#[derive(Clone, Debug)]
pub struct Rates {
    own: Option<Price>,
    listed: Option<PriceKey>,
}

impl Rates {
    /// The prices of a model at a host.
    #[must_use]
    pub fn new(host: &str, model: &str, own: Option<OwnPrice>) -> Self {
        let listed = LISTED.iter().find(|(known, _)| *known == host);
        let listed = listed.map(|(_, provider)| PriceKey { provider: (*provider).to_owned(), model: model.to_owned() });
        Self { own: own.and_then(OwnPrice::price), listed }
    }

    /// What a request costs on a day, exactly, in millionths of a millionth of a US dollar; none where the model has no price.
    #[must_use]
    pub fn cost(&self, usage: &TokenUsage, day: Date) -> Option<i64> {
        let money = match &self.own {
            Some(price) => price.cost(usage),
            None => PriceTable::list().ok()?.cost(self.listed.as_ref()?, usage, day)?,
        };
        pico(money)
    }

    /// The most that a request of so many tokens can cost on a day.
    #[must_use]
    pub fn most(&self, input: u64, output: u64, day: Date) -> Option<i64> {
        let plain = TokenUsage { input, output, ..TokenUsage::default() };
        let written = TokenUsage { cache_write_input: input, ..plain };
        Some(self.cost(&plain, day)?.max(self.cost(&written, day)?))
    }
}

impl OwnPrice {
    fn price(self) -> Option<Price> {
        Some(Price {
            currency: Currency::new(CURRENCY)?,
            input: self.input,
            cached_input: self.cached_input,
            cache_write: self.cache_write,
            output: self.output,
            valid_from: Date::MIN,
            source: String::new(),
        })
    }
}

/// The amount in the unit of counters and ledger: 2^63 of it are nine million dollars, far beyond what one request can cost.
fn pico(money: Money) -> Option<i64> {
    (money.currency.code() == CURRENCY).then(|| i64::try_from(money.pico).unwrap_or(i64::MAX / 4).min(i64::MAX / 4))
}

/// The amount as money, for its exact decimal form.
pub(super) fn money(pico: i64) -> Option<Money> {
    Some(Money { currency: Currency::new(CURRENCY)?, pico: i128::from(pico) })
}

/// The amount in millionths of a US dollar, rounded up.
pub(crate) const fn micros_up(pico: i64) -> i64 {
    pico / 1_000_000 + (pico % 1_000_000 > 0) as i64
}
