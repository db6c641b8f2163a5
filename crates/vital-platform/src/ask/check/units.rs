//! Units of measure as they stand after numbers in professional texts: time, mass, volume, shares, money.
//!
//! Weeks become days, years months, and grams milligrams, so that "2 weeks" and "14 days" agree. Days never become months.

use super::tokens::Token;

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unit {
    /// The unit.
    pub(crate) kind: &'static str,
    /// Which days: "calendar", "working".
    pub(crate) qualifier: Option<&'static str>,
}

/// Words that multiply the number before them, with their zeros.
pub(super) const MULTIPLIERS: &[(&str, usize)] = &[("hundred", 2), ("thousand", 3), ("million", 6), ("billion", 9), ("bn", 9), ("m", 6)];

const QUALIFIERS: &[(&str, &str)] = &[
    ("calendar", "calendar"),
    ("working", "working"),
    ("work", "working"),
    ("business", "working"),
    ("fda", "review"),
    ("review", "review"),
];
/// Words between number and unit that change nothing.
const FILLERS: &[&str] = &["-", "–", "further", "additional", "consecutive", "full", "more", "other", "us"];

const UNITS: &[(&str, &str)] = &[
    ("day", "day"),
    ("days", "day"),
    ("week", "week"),
    ("weeks", "week"),
    ("month", "month"),
    ("months", "month"),
    ("year", "year"),
    ("years", "year"),
    ("hour", "hour"),
    ("hours", "hour"),
    ("h", "hour"),
    ("minute", "minute"),
    ("minutes", "minute"),
    ("mg", "mg"),
    ("milligram", "mg"),
    ("milligrams", "mg"),
    ("g", "g"),
    ("gram", "g"),
    ("grams", "g"),
    ("kg", "kg"),
    ("kilogram", "kg"),
    ("kilograms", "kg"),
    ("µg", "µg"),
    ("μg", "µg"),
    ("mcg", "µg"),
    ("microgram", "µg"),
    ("micrograms", "µg"),
    ("ng", "ng"),
    ("ml", "ml"),
    ("millilitre", "ml"),
    ("milliliter", "ml"),
    ("l", "l"),
    ("litre", "l"),
    ("liter", "l"),
    ("iu", "iu"),
    ("mmol", "mmol"),
    ("%", "%"),
    ("percent", "%"),
    ("percentage", "%"),
    ("euro", "eur"),
    ("euros", "eur"),
    ("eur", "eur"),
    ("dollar", "usd"),
    ("dollars", "usd"),
    ("usd", "usd"),
    ("pound", "gbp"),
    ("pounds", "gbp"),
    ("gbp", "gbp"),
];

/// The currency of a sign before a number.
pub(super) fn currency(sign: &str) -> Option<&'static str> {
    match sign {
        "$" | "usd" => Some("usd"),
        "€" | "eur" => Some("eur"),
        "£" | "gbp" => Some("gbp"),
        _ => None,
    }
}

/// Reads the unit at the beginning of some tokens, with the number of tokens it takes.
pub(super) fn read(tokens: &[Token<'_>]) -> Option<(Unit, usize)> {
    let mut qualifier = None;
    for (index, token) in tokens.iter().take(4).enumerate() {
        let word = token.lower.as_str();
        if let Some((_, kind)) = UNITS.iter().find(|(w, _)| *w == word) {
            return Some((Unit { kind, qualifier }, index + 1));
        }
        if word == "per" && tokens.get(index + 1).is_some_and(|t| t.lower == "cent") {
            return Some((Unit { kind: "%", qualifier }, index + 2));
        }
        if let Some((_, q)) = QUALIFIERS.iter().find(|(w, _)| *w == word) {
            qualifier = Some(q);
        } else if !FILLERS.contains(&word) {
            return None;
        }
    }
    None
}

impl Unit {
    /// The unit that values are scaled to.
    pub(super) fn base(self) -> Self {
        let kind = match self.kind {
            "week" => "day",
            "year" => "month",
            "g" | "kg" | "µg" | "ng" => "mg",
            "l" => "ml",
            other => other,
        };
        Self { kind, ..self }
    }
}

/// Scales a value to the base of its unit; what is too long to be scaled exactly stays as it is.
pub(super) fn scale(value: &str, unit: &Unit) -> String {
    let factor = match unit.kind {
        "week" => 7,
        "year" => 12,
        "g" | "l" => return shift(value, 3),
        "kg" => return shift(value, 6),
        "µg" => return format!("{value}e-3"),
        "ng" => return format!("{value}e-6"),
        _ => return value.to_owned(),
    };
    value.parse::<u64>().ok().and_then(|v| v.checked_mul(factor)).map_or_else(|| format!("{value}*{factor}"), |v| v.to_string())
}

/// Multiplies a decimal number by a power of ten, exactly.
pub(super) fn shift(value: &str, zeros: usize) -> String {
    let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
    let (kept, rest) = fraction.split_at(fraction.len().min(zeros));
    let digits = format!("{whole}{kept}{}", "0".repeat(zeros.saturating_sub(kept.len())));
    let digits = digits.trim_start_matches('0');
    let digits = if digits.is_empty() { "0" } else { digits };
    if rest.is_empty() { digits.to_owned() } else { format!("{digits}.{rest}") }
}
