//! Sample sizes of two-arm parallel trials of superiority, with a continuous or a binary outcome.
//!
//! Not here: equivalence and non-inferiority, clusters, crossover, survival, adaptive designs.

pub(crate) mod means;
pub(crate) mod proportions;

use crate::ToolError;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Largest size of a group; what needs more has no result.
pub(super) const GROUP_MAX: f64 = 1e9;

/// What both designs are asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Design {
    pub alpha: f64,
    pub power: f64,
    pub sides: u8,
    /// Size of group 2 for each of group 1.
    pub ratio: f64,
    pub dropout: f64,
}

impl Design {
    /// The tail probability of the critical value.
    pub fn tail(&self) -> f64 {
        self.alpha / f64::from(self.sides)
    }
}

/// Sizes of the groups.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Sizes {
    /// Group 1 before rounding up.
    pub group_1_unrounded: f64,
    /// To be analysed.
    pub group_1: u64,
    pub group_2: u64,
    pub total: u64,
    /// To be enrolled, so that as many remain after dropout.
    pub enrol_group_1: u64,
    pub enrol_group_2: u64,
    pub enrol_total: u64,
}

/// Rounds the sizes of the groups up.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and 1e14, as checked before")]
pub(super) fn sizes(group_1: f64, design: &Design) -> Result<Sizes, ToolError> {
    if !(group_1.is_finite() && group_1 * design.ratio.max(1.0) <= GROUP_MAX) {
        return Err(ToolError::domain(
            "a group would need more than 1,000,000,000 people; the difference is too small for this alpha and power",
        ));
    }
    // A size that is whole but for the last digits of the arithmetic is not rounded up.
    let up = |n: f64| (n - 1e-9 * n).ceil().max(1.0) as u64;
    let enrol = |n: u64| up(n as f64 / (1.0 - design.dropout));
    let (n1, n2) = (up(group_1), up(group_1 * design.ratio));
    Ok(Sizes {
        group_1_unrounded: group_1,
        group_1: n1,
        group_2: n2,
        total: n1 + n2,
        enrol_group_1: enrol(n1),
        enrol_group_2: enrol(n2),
        enrol_total: enrol(n1) + enrol(n2),
    })
}

/// The properties of both designs' arguments.
pub(super) fn design_properties(own: Value) -> Map<String, Value> {
    let shared = json!({
        "alpha": { "type": "number", "minimum": 1e-12, "maximum": 0.5, "default": 0.05, "description": "Type I error over all sides" },
        "power": { "type": "number", "exclusiveMinimum": 0, "maximum": 0.9999, "default": 0.8, "description": "1 minus the type II error, greater than alpha" },
        "sides": { "enum": [1, 2], "default": 2, "description": "One-sided or two-sided test" },
        "allocation_ratio": { "type": "number", "minimum": 0.05, "maximum": 20, "default": 1, "description": "People in group 2 for each in group 1" },
        "dropout": { "type": "number", "minimum": 0, "maximum": 0.9, "default": 0, "description": "Share of each group that will not be analysed, as a fraction" }
    });
    let (Value::Object(mut properties), Value::Object(shared)) = (own, shared) else { return Map::new() };
    properties.extend(shared);
    properties
}

/// The properties of both designs' sizes in the output.
pub(super) fn size_properties() -> Value {
    let count = |description: &str| json!({ "type": "integer", "minimum": 1, "description": description });
    json!({ "type": "object", "additionalProperties": false,
        "required": ["group_1_unrounded", "group_1", "group_2", "total", "enrol_group_1", "enrol_group_2", "enrol_total"],
        "properties": {
            "group_1_unrounded": { "type": "number", "exclusiveMinimum": 0 },
            "group_1": count("To be analysed"), "group_2": count("To be analysed"), "total": count("To be analysed"),
            "enrol_group_1": count("To be enrolled, dropout included"), "enrol_group_2": count("To be enrolled, dropout included"),
            "enrol_total": count("To be enrolled, dropout included")
        } })
}

pub(super) fn alpha() -> f64 {
    0.05
}
pub(super) fn power() -> f64 {
    0.8
}
pub(super) fn sides() -> u8 {
    2
}
pub(super) fn ratio() -> f64 {
    1.0
}

/// A power that the test has without any difference needs nobody.
pub(super) fn check(design: &Design, tool: &'static str) -> Result<(), ToolError> {
    if design.power <= design.tail() {
        return Err(ToolError::argument(tool, "/power", "the power has to be greater than alpha (per side)"));
    }
    Ok(())
}
