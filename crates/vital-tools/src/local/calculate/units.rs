//! The units that are known, by their symbols, each with its factor to the base units: kilogram, metre, second, kelvin, mole,
//! international unit and equivalent.
//!
//! Factors: BIPM, The International System of Units, 9th edition; NIST Special Publication 811 (2008), appendix B.8.

/// Exponents of kg, m, s, K, mol, IU, Eq.
pub(super) type Dimension = [i8; 7];

pub(super) const NONE: Dimension = [0; 7];
const MASS: Dimension = [1, 0, 0, 0, 0, 0, 0];
const LENGTH: Dimension = [0, 1, 0, 0, 0, 0, 0];
const VOLUME: Dimension = [0, 3, 0, 0, 0, 0, 0];
const TIME: Dimension = [0, 0, 1, 0, 0, 0, 0];
const TEMPERATURE: Dimension = [0, 0, 0, 1, 0, 0, 0];
const AMOUNT: Dimension = [0, 0, 0, 0, 1, 0, 0];
const MOLAR: Dimension = [0, -3, 0, 0, 1, 0, 0];
const ACTIVITY: Dimension = [0, 0, 0, 0, 0, 1, 0];
const EQUIVALENT: Dimension = [0, 0, 0, 0, 0, 0, 1];
const PRESSURE: Dimension = [1, -1, -2, 0, 0, 0, 0];
const ENERGY: Dimension = [1, 2, -2, 0, 0, 0, 0];
const FORCE: Dimension = [1, 1, -2, 0, 0, 0, 0];
const POWER: Dimension = [1, 2, -3, 0, 0, 0, 0];
const FREQUENCY: Dimension = [0, 0, -1, 0, 0, 0, 0];
const CATALYTIC: Dimension = [0, 0, -1, 0, 1, 0, 0];

/// A unit.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Unit {
    pub symbol: String,
    pub factor: f64,
    pub dimension: Dimension,
    /// Kelvin at its zero, of a scale that does not begin at absolute zero.
    pub offset: Option<f64>,
}

/// Names of a unit, its factor, its dimension, and the SI prefixes that it takes.
struct Row(&'static [&'static str], f64, Dimension, &'static str);

const SMALL: &str = "dcmµnpf";
const ALL: &str = "GMkhdcmµnpf";

/// Each first name is the symbol that is shown. Prefixes go with the first name alone.
static ROWS: [Row; 55] = [
    Row(&["g", "gram", "grams"], 1e-3, MASS, "kdcmµnpf"),
    Row(&["t", "tonne", "tonnes"], 1e3, MASS, ""),
    Row(&["lb", "lbs", "pound", "pounds"], 0.453_592_37, MASS, ""),
    Row(&["oz", "ounce", "ounces"], 0.028_349_523_125, MASS, ""),
    Row(&["st", "stone"], 6.350_293_18, MASS, ""),
    Row(&["Da", "dalton"], 1.660_539_068_92e-27, MASS, "Mk"),
    Row(&["m", "metre", "metres", "meter", "meters"], 1.0, LENGTH, "kdcmµnp"),
    Row(&["inch", "inches"], 0.0254, LENGTH, ""),
    Row(&["ft", "foot", "feet"], 0.3048, LENGTH, ""),
    Row(&["mi", "mile", "miles"], 1_609.344, LENGTH, ""),
    Row(&["Å", "angstrom"], 1e-10, LENGTH, ""),
    Row(&["L", "l", "litre", "litres", "liter", "liters"], 1e-3, VOLUME, "hdcmµnpf"),
    Row(&["cc"], 1e-6, VOLUME, ""),
    Row(&["s", "sec", "second", "seconds"], 1.0, TIME, "mµnp"),
    Row(&["min", "minute", "minutes"], 60.0, TIME, ""),
    Row(&["h", "hr", "hrs", "hour", "hours"], 3_600.0, TIME, ""),
    Row(&["d", "day", "days"], 86_400.0, TIME, ""),
    Row(&["week", "weeks", "wk"], 604_800.0, TIME, ""),
    // The Julian year, as UCUM has it.
    Row(&["year", "years", "yr", "a"], 31_557_600.0, TIME, ""),
    Row(&["K", "kelvin"], 1.0, TEMPERATURE, "m"),
    Row(&["delta_degC"], 1.0, TEMPERATURE, ""),
    Row(&["delta_degF"], 5.0 / 9.0, TEMPERATURE, ""),
    Row(&["mol", "mole", "moles"], 1.0, AMOUNT, "kdcmµnpf"),
    Row(&["M", "molar"], 1e3, MOLAR, "mµnpf"),
    Row(&["IU", "iu", "unit", "units"], 1.0, ACTIVITY, "Mkmµ"),
    Row(&["Eq", "equiv"], 1.0, EQUIVALENT, "mµ"),
    Row(&["Pa", "pascal"], 1.0, PRESSURE, "GMkhm"),
    Row(&["bar"], 1e5, PRESSURE, "m"),
    Row(&["atm"], 101_325.0, PRESSURE, ""),
    Row(&["mmHg"], 133.322_387_415, PRESSURE, ""),
    Row(&["Torr", "torr"], 101_325.0 / 760.0, PRESSURE, ""),
    Row(&["cmH2O"], 98.066_5, PRESSURE, ""),
    Row(&["psi"], 6_894.757_293_168, PRESSURE, ""),
    Row(&["J", "joule", "joules"], 1.0, ENERGY, "GMkmµ"),
    Row(&["cal"], 4.184, ENERGY, "k"),
    Row(&["eV"], 1.602_176_634e-19, ENERGY, "GMkm"),
    Row(&["N", "newton"], 1.0, FORCE, ALL),
    Row(&["W", "watt", "watts"], 1.0, POWER, ALL),
    Row(&["Hz", "hertz"], 1.0, FREQUENCY, "GMkm"),
    Row(&["Bq", "becquerel"], 1.0, FREQUENCY, "GMk"),
    Row(&["Ci", "curie"], 3.7e10, FREQUENCY, "mµn"),
    Row(&["bpm", "rpm"], 1.0 / 60.0, FREQUENCY, ""),
    Row(&["kat", "katal"], 1.0, CATALYTIC, SMALL),
    Row(&["ppm"], 1e-6, NONE, ""),
    Row(&["ppb"], 1e-9, NONE, ""),
    Row(&["percent"], 1e-2, NONE, ""),
    Row(&["dozen"], 12.0, NONE, ""),
    Row(&["cell", "cells"], 1.0, NONE, ""),
    Row(&["tablet", "tablets"], 1.0, NONE, ""),
    Row(&["dose", "doses"], 1.0, NONE, ""),
    Row(&["capsule", "capsules"], 1.0, NONE, ""),
    Row(&["vial", "vials"], 1.0, NONE, ""),
    Row(&["patient", "patients"], 1.0, NONE, ""),
    Row(&["rad", "radian"], 1.0, NONE, ""),
    Row(&["copies", "copy"], 1.0, NONE, ""),
];

fn prefix(letter: char) -> Option<f64> {
    Some(match letter {
        'G' => 1e9,
        'M' => 1e6,
        'k' => 1e3,
        'h' => 1e2,
        'd' => 1e-1,
        'c' => 1e-2,
        'm' => 1e-3,
        'µ' => 1e-6,
        'n' => 1e-9,
        'p' => 1e-12,
        'f' => 1e-15,
        _ => return None,
    })
}

/// Returns the unit of a symbol.
///
/// # Errors
/// What to write instead.
pub(super) fn unit(name: &str) -> Result<Unit, String> {
    // Greek mu, `u` and `mc` are read as the micro sign.
    let name = name.replace('\u{3bc}', "µ");
    if let Some(unit) = affine(&name).or_else(|| named(&name)).or_else(|| prefixed(&name)) {
        return Ok(unit);
    }
    let micro = name.strip_prefix("mc").or_else(|| name.strip_prefix('u')).map(|rest| format!("µ{rest}"));
    micro.and_then(|name| prefixed(&name)).ok_or_else(|| hint(&name))
}

/// The dimension's name where it has a common one.
pub(super) fn dimension_name(dimension: Dimension) -> String {
    let named = [
        (NONE, "a plain number"),
        (MASS, "mass"),
        (LENGTH, "length"),
        ([0, 2, 0, 0, 0, 0, 0], "area"),
        (VOLUME, "volume"),
        (TIME, "time"),
        (TEMPERATURE, "temperature"),
        (AMOUNT, "amount of substance"),
        (ACTIVITY, "international units"),
        (EQUIVALENT, "equivalents"),
        ([1, -3, 0, 0, 0, 0, 0], "mass per volume"),
        (MOLAR, "amount per volume"),
        ([0, -3, 0, 0, 0, 1, 0], "international units per volume"),
        ([0, -3, 0, 0, 0, 0, 1], "equivalents per volume"),
        ([0, -3, 0, 0, 0, 0, 0], "number per volume"),
        ([1, 0, 0, 0, -1, 0, 0], "molar mass"),
        ([1, 0, -1, 0, 0, 0, 0], "mass per time"),
        ([0, 3, -1, 0, 0, 0, 0], "volume per time"),
        (FREQUENCY, "rate"),
        (PRESSURE, "pressure"),
        (ENERGY, "energy"),
        (FORCE, "force"),
        (POWER, "power"),
        (CATALYTIC, "catalytic activity"),
    ];
    if let Some((_, name)) = named.iter().find(|(known, _)| *known == dimension) {
        return (*name).to_owned();
    }
    let base = ["kg", "m", "s", "K", "mol", "IU", "Eq"];
    let parts = base.iter().zip(dimension).filter(|(_, exponent)| *exponent != 0);
    parts
        .map(|(name, exponent)| if exponent == 1 { (*name).to_owned() } else { format!("{name}^{exponent}") })
        .collect::<Vec<_>>()
        .join(" ")
}

fn affine(name: &str) -> Option<Unit> {
    let (symbol, factor, offset) = match name {
        "degC" | "°C" | "℃" | "celsius" => ("degC", 1.0, 273.15),
        "degF" | "°F" | "℉" | "fahrenheit" => ("degF", 5.0 / 9.0, 459.67 * 5.0 / 9.0),
        _ => return None,
    };
    Some(Unit { symbol: symbol.to_owned(), factor, dimension: TEMPERATURE, offset: Some(offset) })
}

fn named(name: &str) -> Option<Unit> {
    let Row(names, factor, dimension, _) = ROWS.iter().find(|row| row.0.contains(&name))?;
    Some(Unit { symbol: (*names.first()?).to_owned(), factor: *factor, dimension: *dimension, offset: None })
}

fn prefixed(name: &str) -> Option<Unit> {
    let letter = name.chars().next()?;
    let rest = &name[letter.len_utf8()..];
    let Row(names, factor, dimension, prefixes) =
        ROWS.iter().find(|row| row.0.first() == Some(&rest) || (rest == "l" && row.0.first() == Some(&"L")))?;
    let by = prefix(letter).filter(|_| prefixes.contains(letter))?;
    let first = names.first()?;
    Some(Unit { symbol: format!("{letter}{first}"), factor: by * factor, dimension: *dimension, offset: None })
}

fn hint(name: &str) -> String {
    let shown = crate::output::cut(name.to_owned(), 40);
    let advice = match name {
        "U" | "mU" | "kU" | "MU" => "`U` has two meanings; write IU for international units, or µmol/min for enzyme units",
        "month" | "months" | "mo" => "a month has no fixed length; use days or weeks, or the tool date_arithmetic",
        "C" | "F" => "write degC or degF",
        "mcg/kg" => "write µg/kg",
        "%" => "write a number before it",
        _ => {
            let lower = name.to_lowercase();
            let other = [lower.replace('l', "L"), lower, name.to_uppercase()];
            if let Some(found) = other.iter().find(|other| other.as_str() != name && (named(other).is_some() || prefixed(other).is_some()))
            {
                return format!("the unit `{shown}` is not known; units are written with their own case: did you mean `{found}`?");
            }
            "known are SI units with prefixes, L, min, h, d, week, year, IU, Eq, M, degC, degF, K, mmHg, Pa, J, cal, lb, oz, inch, ft, %, ppm"
        }
    };
    format!("the unit `{shown}` is not known; {advice}")
}

#[cfg(test)]
pub(super) fn symbols() -> Vec<String> {
    let one = |Row(names, _, _, prefixes): &Row| {
        let first = names[0];
        let prefixed = prefixes.chars().map(move |letter| format!("{letter}{first}"));
        names.iter().map(|name| (*name).to_owned()).chain(prefixed).collect::<Vec<_>>()
    };
    ROWS.iter().flat_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_symbol_has_two_meanings() {
        let mut seen = std::collections::HashSet::new();
        for symbol in symbols() {
            assert!(seen.insert(symbol.clone()), "{symbol} is written twice");
            assert!(unit(&symbol).is_ok(), "{symbol}");
        }
    }

    #[test]
    fn micro_is_read_in_all_its_spellings() {
        for name in ["µg", "\u{3bc}g", "ug", "mcg"] {
            assert_eq!(unit(name).unwrap().symbol, "µg");
        }
        assert_eq!(unit("dl").unwrap().symbol, "dL");
    }

    #[test]
    fn what_is_not_known_says_what_to_write() {
        for (name, advice) in
            [("U", "IU"), ("months", "date_arithmetic"), ("MG", "`mg`"), ("Mg", "`mg`"), ("ML", "`mL`"), ("zork", "SI units")]
        {
            let hint = unit(name).unwrap_err();
            assert!(hint.contains(advice), "{hint}");
        }
    }
}
