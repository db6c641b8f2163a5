//! Amounts of money, exact: a price per million tokens times a number of tokens has no fraction in these units.

use std::fmt;

/// How many of the units of [`Money::pico`] are one unit of the currency.
pub const PICO: i128 = 1_000_000_000_000;

/// A currency by its ISO 4217 code.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Currency([u8; 3]);

impl Currency {
    /// Reads a code of three capital letters, such as `USD`.
    #[must_use]
    pub fn new(code: &str) -> Option<Self> {
        let code: [u8; 3] = code.as_bytes().try_into().ok()?;
        code.iter().all(u8::is_ascii_uppercase).then_some(Self(code))
    }

    /// The code.
    #[must_use]
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An amount of one currency, never rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Money {
    /// The currency.
    pub currency: Currency,
    /// Millionths of a millionth of its unit: a price in micro-units per million tokens times tokens.
    pub pico: i128,
}

impl Money {
    /// Adds; `None` for another currency or beyond the range.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        let pico = self.pico.checked_add(other.pico).filter(|_| self.currency == other.currency)?;
        Some(Self { currency: self.currency, pico })
    }

    /// The amount in micro-units, rounded away from zero, so that a sum of reservations never falls short of the cost.
    #[must_use]
    pub const fn micros_up(self) -> i128 {
        let whole = self.pico / 1_000_000;
        if self.pico % 1_000_000 == 0 { whole } else { whole + self.pico.signum() }
    }

    /// The amount as a decimal number without loss, such as `0.0000025`, for a `numeric` column or a CSV file.
    #[must_use]
    pub fn decimal(self) -> String {
        let sign = if self.pico < 0 { "-" } else { "" };
        let (whole, fraction) = (self.pico.unsigned_abs() / PICO.unsigned_abs(), self.pico.unsigned_abs() % PICO.unsigned_abs());
        let digits = format!("{fraction:012}");
        match digits.trim_end_matches('0') {
            "" => format!("{sign}{whole}"),
            digits => format!("{sign}{whole}.{digits}"),
        }
    }
}

/// The exact amount and its currency: `0.0000025 USD`.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.decimal(), self.currency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usd(pico: i128) -> Money {
        Money { currency: Currency::new("USD").expect("a code"), pico }
    }

    #[test]
    fn amounts_print_exactly() {
        let shown = [0, 1, 2_500_000, PICO, -PICO / 2, 1_234 * PICO + 50].map(|pico| usd(pico).to_string());
        assert_eq!(shown, ["0 USD", "0.000000000001 USD", "0.0000025 USD", "1 USD", "-0.5 USD", "1234.00000000005 USD"]);
        assert_eq!(usd(i128::MIN).decimal(), "-170141183460469231731687303.715884105728");
    }

    #[test]
    fn reservations_round_away_from_zero() {
        assert_eq!([0, 1, 999_999, 1_000_000, 1_000_001, -1].map(|pico| usd(pico).micros_up()), [0, 1, 1, 1, 2, -1]);
    }

    #[test]
    fn currencies_do_not_mix() {
        let eur = Money { currency: Currency::new("EUR").expect("a code"), pico: 1 };
        assert_eq!((usd(1).checked_add(eur), usd(1).checked_add(usd(2))), (None, Some(usd(3))));
        assert_eq!((usd(i128::MAX).checked_add(usd(1)), Currency::new("usd"), Currency::new("USDT")), (None, None, None));
    }
}
