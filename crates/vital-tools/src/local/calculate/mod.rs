//! A calculator with units: `5 mg/kg * 70 kg / (10 mg/mL) to mL`.
//!
//! **Invariant:** any text gives a finite result or an error that says what to write, in bounded time; nothing panics.
//! Not here: symbolic algebra, uncertainty, significant figures.

mod parse;
mod quantity;
#[cfg(test)]
mod tests;
mod units;

use crate::{Family, Reach, ToolError, ToolInfo, ToolOutput};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{sync::LazyLock, time::Duration};

pub(crate) const INFO: ToolInfo = ToolInfo {
    name: "calculate",
    title: "Calculator with units",
    summary: "Evaluates an arithmetic expression with units and converts the result. Use it for every calculation: doses per kg, dilutions, \
        concentrations, infusion rates, unit conversions, percentages. Write numbers without thousands separators and a unit after each, e.g. \
        `5 mg/kg * 70 kg`, `90 mg/dL / (180.156 g/mol) to mmol/L`, `37.5 degC to degF`, `12.5 % * 80 kg`. Mass and amount \
        convert by a molar mass that you give. Functions: sqrt exp ln log10 log2 abs floor ceil round(x, digits) min max; constants pi, e.",
    input_schema: || &INPUT,
    output_schema: || &OUTPUT,
    reach: Reach::Local,
    family: Family::Calculation,
    licence: "Arithmetic; the result is free to use",
    timeout: Duration::from_secs(2),
    cache: Duration::ZERO,
    rate: None,
    source: "Units: BIPM SI Brochure, 9th edition; NIST Special Publication 811, appendix B.8; a year is 365.25 d",
};

static INPUT: LazyLock<Value> = LazyLock::new(|| {
    json!({ "type": "object", "additionalProperties": false, "required": ["expression"], "properties": {
        "expression": { "type": "string", "minLength": 1, "maxLength": parse::EXPRESSION_BYTES_MAX,
            "description": "The expression, optionally with `to UNIT` at its end" },
        "to": { "type": "string", "minLength": 1, "maxLength": 60, "description": "The unit of the result, instead of `to UNIT` in the expression" }
    } })
});

static OUTPUT: LazyLock<Value> = LazyLock::new(|| {
    json!({ "type": "object", "additionalProperties": false, "required": ["value", "unit", "text", "dimension", "read_as"], "properties": {
        "value": { "type": "number", "description": "Rounded to 12 significant digits" },
        "unit": { "type": "string", "description": "Empty for a plain number" },
        "text": { "type": "string", "description": "Value and unit" },
        "dimension": { "type": "string" },
        "read_as": { "type": "string", "description": "The expression with all its parentheses, as it was understood" }
    } })
});

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    expression: String,
    to: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Output {
    value: f64,
    unit: String,
    text: String,
    dimension: String,
    read_as: String,
}

/// Runs the tool.
pub(crate) fn run(input: &Input) -> Result<ToolOutput, ToolError> {
    let syntax = |why| ToolError::argument(INFO.name, "/expression", why);
    let (node, inline) = parse::parse(&input.expression).map_err(syntax)?;
    let target = match (&input.to, inline) {
        (Some(_), Some(_)) => return Err(ToolError::argument(INFO.name, "/to", "the expression names a unit as well; give one of them")),
        (Some(text), None) => Some(parse::parse_units(text).map_err(|why| ToolError::argument(INFO.name, "/to", why))?),
        (None, inline) => inline,
    };
    let quantity = quantity::evaluate(&node).map_err(ToolError::domain)?;
    let (value, unit) = quantity.in_units(target.as_deref()).map_err(ToolError::domain)?;
    let value = significant(value);
    if !value.is_finite() {
        return Err(ToolError::domain("the result is too large or too small for this unit"));
    }
    let text = if unit.is_empty() { value.to_string() } else { format!("{value} {unit}") };
    Ok(ToolOutput::of(&Output { value, unit, text, dimension: units::dimension_name(quantity.dimension), read_as: node.to_string() }))
}

/// Rounds to 12 significant digits: what binary arithmetic leaves behind is no result.
fn significant(value: f64) -> f64 {
    format!("{value:.11e}").parse().unwrap_or(value)
}
