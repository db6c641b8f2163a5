//! The price table: what a provider charges for a model's tokens, as data.
//!
//! A row names exact models or prefixes ending in `*`; an exact name goes before a prefix, and two prefixes of a provider never
//! cover the same model. Rows of one model differ in the day from which they hold and in the length of prompt from which they
//! hold. Where a model has no row there is no price, which is not the same as a price of zero: the caller must decide.
//!
//! Not here: discounts, batch and priority tiers, and what is charged by something else than tokens.

use super::money::{Currency, Money};
use crate::TokenUsage;
use serde::Deserialize;
use std::sync::{Arc, LazyLock};
use time::{Date, format_description::well_known::Iso8601};

/// Most bytes of a table.
pub const TABLE_BYTES_MAX: usize = 1024 * 1024;
/// Most rows of a table.
pub const ROWS_MAX: usize = 4_096;
/// Most models of a row, and most bytes of each name in it.
pub const MODELS_MAX: usize = 64;
const NAME_BYTES_MAX: usize = 200;
/// The highest price: 10,000 units of the currency per million tokens, in micro-units. It keeps every cost far from overflow:
/// four times 2^64 tokens at 2^34 micro-units each are 2^100.
pub const PRICE_MAX: u64 = 10_000 * 1_000_000;

/// The list prices that ship with the product.
static LIST: LazyLock<Result<Arc<PriceTable>, PriceError>> =
    LazyLock::new(|| PriceTable::parse(include_str!("../../../../catalogue/prices.toml")).map(Arc::new));

/// Why a table cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PriceError {
    /// It is not a table of prices at all.
    #[error("The price table cannot be read, so no price changed: {0}")]
    Format(String),
    /// Something in one row is wrong.
    #[error("Row {row} of the price table cannot be used, so no price changed: {fault}")]
    Row {
        /// The row, counted from 1.
        row: usize,
        /// What is wrong and what would be right.
        fault: String,
    },
}

/// Which price: the provider and the model, in the table's names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PriceKey {
    /// The provider, such as `openai`.
    pub provider: String,
    /// The model, in the provider's own name.
    pub model: String,
}

/// The prices of some models, over those of another table where there is one.
#[derive(Clone, Debug, Default)]
pub struct PriceTable {
    rows: Vec<Row>,
    base: Option<Arc<PriceTable>>,
}

/// One price; amounts are micro-units of the currency per million tokens.
#[derive(Clone, Debug)]
pub struct Price {
    /// The currency of the amounts.
    pub currency: Currency,
    /// Tokens of the prompt that are in no cache.
    pub input: u64,
    /// Tokens of the prompt read from the provider's cache.
    pub cached_input: u64,
    /// Tokens of the prompt written to it.
    pub cache_write: u64,
    /// Tokens generated.
    pub output: u64,
    /// The day from which the price holds.
    pub valid_from: Date,
    /// The provider's page with the price.
    pub source: String,
}

#[derive(Clone, Debug)]
struct Row {
    provider: String,
    models: Vec<Pattern>,
    input_from: u64,
    price: Price,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    Exact(String),
    Prefix(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TableText {
    #[serde(default)]
    price: Vec<RowText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RowText {
    provider: String,
    models: Vec<String>,
    currency: String,
    input: String,
    cached_input: Option<String>,
    cache_write: Option<String>,
    output: String,
    #[serde(default)]
    input_from: u64,
    valid_from: String,
    source: String,
}

impl PriceTable {
    /// The list prices that ship with the product.
    ///
    /// # Errors
    /// None in a build whose tests passed.
    pub fn list() -> Result<Arc<Self>, PriceError> {
        LIST.clone()
    }

    /// Reads a table in the format of `catalogue/prices.toml`.
    ///
    /// # Errors
    /// [`PriceError`] with the first row that is wrong.
    pub fn parse(text: &str) -> Result<Self, PriceError> {
        if text.len() > TABLE_BYTES_MAX {
            return Err(PriceError::Format(format!("it is larger than {TABLE_BYTES_MAX} bytes")));
        }
        let text: TableText = toml::from_str(text).map_err(|error| PriceError::Format(error.to_string()))?;
        if text.price.len() > ROWS_MAX {
            return Err(PriceError::Format(format!("it has more than {ROWS_MAX} rows")));
        }
        let mut rows: Vec<Row> = Vec::with_capacity(text.price.len());
        for (at, row) in text.price.into_iter().enumerate() {
            let row = row.check().map_err(|fault| PriceError::Row { row: at + 1, fault })?;
            if let Some(other) = rows.iter().position(|other| row.overlaps(other)) {
                let fault = format!("it prices a model that row {} prices for the same day and prompt length", other + 1);
                return Err(PriceError::Row { row: at + 1, fault });
            }
            rows.push(row);
        }
        Ok(Self { rows, base: None })
    }

    /// Puts this table over another: where it has any price for a model on a day, the other is not asked.
    #[must_use]
    pub fn over(self, base: Arc<Self>) -> Self {
        Self { base: Some(base), ..self }
    }

    /// The price of a request with a prompt of `input` tokens on a day, or `None` if there is none.
    #[must_use]
    pub fn price(&self, key: &PriceKey, input: u64, day: Date) -> Option<&Price> {
        let of_kind = |exact: bool| {
            let valid = move |row: &&Row| row.provider == key.provider && row.price.valid_from <= day && row.covers(&key.model, exact);
            let latest = self.rows.iter().filter(valid).map(|row| row.price.valid_from).max()?;
            let rows = self.rows.iter().filter(valid).filter(|row| row.price.valid_from == latest);
            rows.filter(|row| input >= row.input_from).max_by_key(|row| row.input_from).map(|row| &row.price)
        };
        of_kind(true).or_else(|| of_kind(false)).or_else(|| self.base.as_ref()?.price(key, input, day))
    }

    /// Whether a row names a model itself, whoever the provider is.
    #[must_use]
    pub fn names(&self, model: &str) -> bool {
        self.rows.iter().any(|row| row.covers(model, true))
    }

    /// What a request cost on a day, exactly, or `None` if its model has no price: the caller must decide what that means.
    ///
    /// Cached tokens are counted at most once and never beyond the prompt, whatever the provider reports.
    #[must_use]
    pub fn cost(&self, key: &PriceKey, usage: &TokenUsage, day: Date) -> Option<Money> {
        Some(self.price(key, usage.input, day)?.cost(usage))
    }
}

impl Price {
    /// What tokens cost, exactly.
    #[must_use]
    pub fn cost(&self, usage: &TokenUsage) -> Money {
        let cached = usage.cached_input.min(usage.input);
        let written = usage.cache_write_input.min(usage.input - cached);
        let fresh = usage.input - cached - written;
        let parts = [(fresh, self.input), (cached, self.cached_input), (written, self.cache_write), (usage.output, self.output)];
        // No overflow: see PRICE_MAX.
        let pico = parts.iter().map(|(tokens, price)| i128::from(*tokens) * i128::from(*price)).sum();
        Money { currency: self.currency, pico }
    }
}

impl Row {
    fn covers(&self, model: &str, exact: bool) -> bool {
        self.models.iter().any(|pattern| match pattern {
            Pattern::Exact(name) => exact && name == model,
            Pattern::Prefix(prefix) => !exact && model.starts_with(prefix.as_str()),
        })
    }

    fn overlaps(&self, other: &Self) -> bool {
        let same = |(a, b): (&Pattern, &Pattern)| match (a, b) {
            (Pattern::Exact(a), Pattern::Exact(b)) => a == b,
            // Different prefixes overlap on any day: which one holds must not depend on the day.
            (Pattern::Prefix(a), Pattern::Prefix(b)) => a == b,
            _ => false,
        };
        let nested = |(a, b): (&Pattern, &Pattern)| match (a, b) {
            (Pattern::Prefix(a), Pattern::Prefix(b)) => a != b && (a.starts_with(b.as_str()) || b.starts_with(a.as_str())),
            _ => false,
        };
        let pairs = || self.models.iter().flat_map(|a| other.models.iter().map(move |b| (a, b)));
        let same_time = self.price.valid_from == other.price.valid_from && self.input_from == other.input_from;
        self.provider == other.provider && (pairs().any(nested) || same_time && pairs().any(same))
    }
}

impl RowText {
    fn check(self) -> Result<Row, String> {
        let Self { provider, models, currency, input, cached_input, cache_write, output, input_from, valid_from, source } = self;
        if !named(&provider) {
            return Err(format!("`provider` is empty or longer than {NAME_BYTES_MAX} bytes"));
        }
        if models.is_empty() || models.len() > MODELS_MAX {
            return Err(format!("`models` needs 1 to {MODELS_MAX} names"));
        }
        let patterns = models.iter().map(|model| pattern(model)).collect::<Result<Vec<_>, _>>()?;
        if patterns.iter().enumerate().any(|(at, pattern)| patterns[..at].contains(pattern)) {
            return Err("`models` has a name twice".to_owned());
        }
        if !source.starts_with("https://") || source.len() > 1_000 {
            return Err("`source` must be the https address of the provider's price page".to_owned());
        }
        let input = micros("input", &input)?;
        let price = Price {
            currency: Currency::new(&currency).ok_or("`currency` must be an ISO 4217 code such as `USD`")?,
            input,
            // What has no price of its own is charged as any other token of the prompt.
            cached_input: cached_input.map_or(Ok(input), |text| micros("cached_input", &text))?,
            cache_write: cache_write.map_or(Ok(input), |text| micros("cache_write", &text))?,
            output: micros("output", &output)?,
            valid_from: Date::parse(&valid_from, &Iso8601::DATE).map_err(|_| "`valid_from` must be a day such as `2025-04-14`")?,
            source,
        };
        Ok(Row { provider, models: patterns, input_from, price })
    }
}

fn named(name: &str) -> bool {
    !name.trim().is_empty() && name.len() <= NAME_BYTES_MAX
}

fn pattern(text: &str) -> Result<Pattern, String> {
    if !named(text) {
        return Err(format!("a name in `models` is empty or longer than {NAME_BYTES_MAX} bytes"));
    }
    match text.strip_suffix('*') {
        Some(prefix) if !prefix.contains('*') => Ok(Pattern::Prefix(prefix.to_owned())),
        None if !text.contains('*') => Ok(Pattern::Exact(text.to_owned())),
        _ => Err(format!("`{text}`: `*` stands at the end of a name alone")),
    }
}

/// Reads a decimal amount with at most six places into micro-units, exactly.
fn micros(field: &str, text: &str) -> Result<u64, String> {
    let fault = || format!("`{field}` must be a decimal amount from 0 to 10000 with at most six places, such as \"0.075\"");
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str, most: usize| (1..=most).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole, 5) || !digits(fraction, 6) {
        return Err(fault());
    }
    let amount: u64 = format!("{whole}{fraction:0<6}").parse().map_err(|_| fault())?;
    if amount <= PRICE_MAX { Ok(amount) } else { Err(fault()) }
}

#[cfg(test)]
mod tests;
