//! Values with dimensions: their arithmetic, and the unit in which each is shown.

use super::{
    parse::{Function, Node, written},
    units::{Dimension, NONE, Unit, dimension_name, unit},
};

/// What a temperature means; other dimensions are always [`Scale::Plain`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    Plain,
    /// A point on a scale with a zero of its own, such as 37 degC.
    Point,
    /// The distance of two points.
    Distance,
}

/// A value in base units.
#[derive(Clone, Debug)]
pub(super) struct Quantity {
    pub value: f64,
    pub dimension: Dimension,
    pub scale: Scale,
    /// The units in which it is shown: symbols with exponents.
    shown: Vec<(Unit, i8)>,
}

/// Returns the value of an expression.
pub(super) fn evaluate(node: &Node) -> Result<Quantity, String> {
    let quantity = match node {
        Node::Number(number) => Quantity::plain(*number),
        Node::Unit(units) => Quantity::measured(1.0, units)?,
        Node::Measure(number, units) => Quantity::measured(*number, units)?,
        Node::Negative(inner) => match (&**inner, evaluate(inner)?) {
            // -40 degC is a point below zero, not the opposite of one.
            (Node::Measure(number, units), _) => Quantity::measured(-number, units)?,
            (_, quantity) => quantity.times(&Quantity::plain(-1.0))?,
        },
        Node::Percent(inner) => evaluate(inner)?.times(&Quantity::plain(0.01))?,
        Node::Binary(sign, left, right) => {
            let (left, right) = (evaluate(left)?, evaluate(right)?);
            match sign {
                '+' => left.plus(&right, 1.0),
                '-' => left.plus(&right, -1.0),
                '*' => left.times(&right),
                '/' => left.times(&right.inverse()?),
                _ => left.power(&right),
            }?
        }
        Node::Call(function, arguments) => call(*function, arguments)?,
    };
    if quantity.value.is_finite() { Ok(quantity) } else { Err(format!("`{node}` is too large or not defined")) }
}

impl Quantity {
    fn plain(value: f64) -> Self {
        Self { value, dimension: NONE, scale: Scale::Plain, shown: Vec::new() }
    }

    fn measured(number: f64, units: &[(String, i8)]) -> Result<Self, String> {
        if let [(name, 1)] = units
            && let found = unit(name)?
            && let Some(offset) = found.offset
        {
            let value = number * found.factor + offset;
            return Ok(Self { value, dimension: found.dimension, scale: Scale::Point, shown: vec![(found, 1)] });
        }
        let mut quantity = Self::plain(number);
        for (name, exponent) in units {
            let found = unit(name)?;
            if found.offset.is_some() {
                return Err(format!("`{name}` stands for a temperature; in a product or quotient write K or delta_{}", found.symbol));
            }
            let mut one = Self { value: found.factor, dimension: found.dimension, scale: Scale::Plain, shown: vec![(found, 1)] };
            if *exponent != 1 {
                one = one.to_the(f64::from(*exponent))?;
            }
            quantity = quantity.product(&one, false)?;
        }
        if name_of_distance(units) {
            quantity.scale = Scale::Distance;
        }
        Ok(quantity)
    }

    fn unit_text(&self) -> String {
        written(&self.shown.iter().map(|(unit, exponent)| (unit.symbol.clone(), *exponent)).collect::<Vec<_>>())
    }

    fn described(&self) -> String {
        let unit = self.unit_text();
        if unit.is_empty() { "a plain number".to_owned() } else { format!("{unit} ({})", dimension_name(self.dimension)) }
    }

    fn plus(&self, other: &Self, sign: f64) -> Result<Self, String> {
        if self.dimension != other.dimension {
            let verb = if sign > 0.0 { "added to" } else { "subtracted from" };
            return Err(format!("{} cannot be {verb} {}", other.described(), self.described()));
        }
        let scale = match (self.scale, other.scale) {
            (Scale::Point, Scale::Point) if sign < 0.0 => Scale::Distance,
            (_, Scale::Point) => return Err("two temperatures cannot be added; write the difference in K or delta_degC".to_owned()),
            (Scale::Distance, Scale::Distance) => Scale::Distance,
            (scale, _) => scale,
        };
        let mut sum = Self { value: self.value + sign * other.value, scale, ..self.clone() };
        if self.scale == Scale::Point && scale == Scale::Distance {
            sum.shown = vec![(unit(&format!("delta_{}", self.unit_text()))?, 1)];
        }
        Ok(sum)
    }

    fn times(&self, other: &Self) -> Result<Self, String> {
        self.product(other, true)
    }

    /// The product; `cancel` lets units of one dimension above and below the line cancel (mL and L), which written units do not (mg/kg).
    fn product(&self, other: &Self, cancel: bool) -> Result<Self, String> {
        if self.scale == Scale::Point || other.scale == Scale::Point {
            return Err(
                "a temperature in degC or degF cannot be multiplied or divided; write it in K, or its difference as delta_degC".to_owned()
            );
        }
        let mut dimension = self.dimension;
        for (exponent, more) in dimension.iter_mut().zip(other.dimension) {
            *exponent = exponent.checked_add(more).filter(|exponent| exponent.abs() <= 30).ok_or("the dimension grows too large")?;
        }
        let mut shown = self.shown.clone();
        for (unit, exponent) in &other.shown {
            let same = shown.iter().position(|(known, _)| known.symbol == unit.symbol);
            let across = || {
                shown.iter().position(|(known, by)| cancel && *by != 0 && known.dimension == unit.dimension && (*by > 0) != (*exponent > 0))
            };
            match same.or_else(across).and_then(|place| shown.get_mut(place)) {
                Some((_, known)) => *known = known.checked_add(*exponent).ok_or("the dimension grows too large")?,
                None => shown.push((unit.clone(), *exponent)),
            }
        }
        shown.retain(|(unit, exponent)| *exponent != 0 && unit.dimension != NONE);
        Ok(Self { value: self.value * other.value, dimension, scale: Scale::Plain, shown })
    }

    fn inverse(&self) -> Result<Self, String> {
        if self.value == 0.0 {
            return Err("a division by zero is not defined".to_owned());
        }
        self.to_the(-1.0)
    }

    fn power(&self, exponent: &Self) -> Result<Self, String> {
        if exponent.dimension != NONE {
            return Err(format!("an exponent is a plain number, not {}", exponent.described()));
        }
        self.to_the(exponent.value)
    }

    #[expect(clippy::cast_possible_truncation, reason = "whole and at most 30, as checked")]
    fn to_the(&self, exponent: f64) -> Result<Self, String> {
        if self.scale == Scale::Point {
            return Err("a temperature in degC or degF has no powers; write it in K".to_owned());
        }
        let whole = |by: i8| {
            let product = f64::from(by) * exponent;
            ((product - product.round()).abs() < 1e-9 && product.abs() <= 30.0).then(|| product.round() as i8)
        };
        let strip = "divide by a unit first to have a plain number, as in sqrt((170 cm)/cm)";
        let mut dimension = self.dimension;
        for by in &mut dimension {
            *by = whole(*by).ok_or_else(|| format!("{} has no power {exponent} with whole units; {strip}", self.described()))?;
        }
        let shown: Option<Vec<(Unit, i8)>> = self.shown.iter().map(|(unit, by)| Some((unit.clone(), whole(*by)?))).collect();
        let value = if exponent == -1.0 { 1.0 / self.value } else { self.value.powf(exponent) };
        if !value.is_finite() {
            return Err(format!("the power {exponent} of this value is too large or not defined"));
        }
        Ok(Self { value, dimension, scale: Scale::Plain, shown: shown.unwrap_or_else(|| base(dimension)) })
    }

    /// The value in the given units, or in those it is shown in, with their text.
    pub fn in_units(&self, target: Option<&[(String, i8)]>) -> Result<(f64, String), String> {
        let Some(target) = target else {
            let factor: f64 = self.shown.iter().map(|(unit, exponent)| unit.factor.powi(i32::from(*exponent))).product();
            let offset = self.shown.first().and_then(|(unit, _)| unit.offset).unwrap_or(0.0);
            return Ok(((self.value - offset) / factor, self.unit_text()));
        };
        let to = Self::measured(1.0, target)?;
        if to.dimension != self.dimension {
            return Err(format!("{} cannot be converted to {}{}", self.described(), to.described(), bridge(self.dimension, to.dimension)));
        }
        match (to.scale, self.scale, target) {
            (Scale::Point, Scale::Distance, _) => {
                Err("a difference of temperatures is not a temperature; convert it to delta_degC or K".to_owned())
            }
            (Scale::Distance, Scale::Point, _) => Err("a temperature is not a difference; convert it to degC, degF or K".to_owned()),
            (Scale::Point, _, [(name, 1)]) => {
                let found = unit(name)?;
                Ok(((self.value - found.offset.unwrap_or(0.0)) / found.factor, written(target)))
            }
            _ => Ok((self.value / to.value, written(target))),
        }
    }
}

fn name_of_distance(units: &[(String, i8)]) -> bool {
    matches!(units, [(name, 1)] if name.starts_with("delta_deg"))
}

/// The base units of a dimension.
fn base(dimension: Dimension) -> Vec<(Unit, i8)> {
    let names = ["kg", "m", "s", "K", "mol", "IU", "Eq"];
    let used = names.iter().zip(dimension).filter(|(_, exponent)| *exponent != 0);
    used.filter_map(|(name, exponent)| Some((unit(name).ok()?, exponent))).collect()
}

/// What leads from one dimension to another, where people often want it.
fn bridge(from: Dimension, to: Dimension) -> &'static str {
    let change: Vec<i8> = to.iter().zip(from).map(|(to, from)| to - from).collect();
    match change[..] {
        [-1, 0, 0, 0, 1, 0, 0] => "; divide by the molar mass in g/mol",
        [1, 0, 0, 0, -1, 0, 0] => "; multiply by the molar mass in g/mol",
        [0, 0, 0, 0, 1, 0, -1] | [0, 0, 0, 0, -1, 0, 1] => "; the valence leads from Eq to mol",
        [_, 0, 0, 0, 0, 1 | -1, 0] => "; international units have a mass only for one substance: give its IU per mg",
        _ => "",
    }
}

fn call(function: Function, arguments: &[Node]) -> Result<Quantity, String> {
    let values: Vec<Quantity> = arguments.iter().map(evaluate).collect::<Result<_, _>>()?;
    let name = function.name();
    let (first, rest) = values.split_first().ok_or_else(|| format!("`{name}` needs an argument"))?;
    match (function, rest) {
        (Function::Min | Function::Max, _) => rest.iter().try_fold(first.clone(), |best, next| {
            if best.dimension != next.dimension {
                return Err(format!("{} cannot be compared with {}", next.described(), best.described()));
            }
            Ok(if (function == Function::Min) == (next.value < best.value) { next.clone() } else { best })
        }),
        (Function::Sqrt, []) => first.to_the(0.5),
        (Function::Abs, []) if first.scale != Scale::Point => Ok(Quantity { value: first.value.abs(), ..first.clone() }),
        (Function::Exp, []) => plain(name, first, f64::exp),
        (Function::Ln, []) => plain(name, first, f64::ln),
        (Function::Log10, []) => plain(name, first, f64::log10),
        (Function::Log2, []) => plain(name, first, f64::log2),
        (Function::Floor, []) => plain(name, first, f64::floor),
        (Function::Ceil, []) => plain(name, first, f64::ceil),
        (Function::Round, []) => plain(name, first, f64::round),
        (Function::Round, [digits]) if digits.dimension == NONE && digits.value.fract() == 0.0 && (0.0..=12.0).contains(&digits.value) => {
            plain(name, first, |value| {
                let scale = 10f64.powf(digits.value);
                (value * scale).round() / scale
            })
        }
        _ => Err(format!("`{name}` does not take these arguments")),
    }
}

fn plain(name: &str, quantity: &Quantity, function: impl Fn(f64) -> f64) -> Result<Quantity, String> {
    if quantity.dimension != NONE {
        return Err(format!(
            "`{name}` takes a plain number, not {}; divide by a unit first, as in {name}((170 cm)/cm)",
            quantity.described()
        ));
    }
    Ok(Quantity::plain(function(quantity.value)))
}
