//! Sample size for comparing two proportions with the normal test, pooled or unpooled, with or without continuity correction.

use super::{Design, Sizes, alpha, power, ratio, sides};
use crate::{Family, Reach, ToolError, ToolInfo, ToolOutput, local::distributions::normal_quantile_upper};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{sync::LazyLock, time::Duration};

pub(crate) const INFO: ToolInfo = ToolInfo {
    name: "sample_size_two_proportions",
    title: "Sample size for two proportions",
    summary: "Sizes of two parallel groups for a superiority test of two proportions (binary outcome). Give both proportions as fractions \
        between 0 and 1 (30 % is 0.3). Pooled variance under the null is the default; unpooled and the continuity correction can be chosen. \
        Not for equivalence, non-inferiority or cluster designs.",
    input_schema: || &INPUT,
    output_schema: || &OUTPUT,
    reach: Reach::Local,
    family: Family::Statistics,
    licence: "A formula; the result is free to use",
    timeout: Duration::from_secs(5),
    cache: Duration::ZERO,
    rate: None,
    source: "Fleiss, Levin, Paik, Statistical Methods for Rates and Proportions, 3rd edition 2003, chapter 4; pooled without correction as R's \
        power.prop.test",
};

static INPUT: LazyLock<Value> = LazyLock::new(|| {
    let fraction = |group: u8| json!({ "type": "number", "minimum": 0, "maximum": 1, "description": format!("Expected proportion in group {group}, as a fraction") });
    let own = json!({
        "proportion_1": fraction(1), "proportion_2": fraction(2),
        "variance": { "enum": ["pooled", "unpooled"], "default": "pooled", "description": "Variance of the test under the null hypothesis" },
        "continuity_correction": { "type": "boolean", "default": false }
    });
    json!({ "type": "object", "additionalProperties": false, "required": ["proportion_1", "proportion_2"],
        "properties": super::design_properties(own) })
});

static OUTPUT: LazyLock<Value> = LazyLock::new(|| {
    json!({ "type": "object", "additionalProperties": false,
        "required": ["sizes", "risk_difference", "method", "assumptions"],
        "properties": { "sizes": super::size_properties(), "risk_difference": { "type": "number" },
            "method": { "type": "string" }, "assumptions": { "type": "string" } } })
});

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    proportion_1: f64,
    proportion_2: f64,
    #[serde(default)]
    variance: Variance,
    #[serde(default)]
    continuity_correction: bool,
    #[serde(default = "alpha")]
    alpha: f64,
    #[serde(default = "power")]
    power: f64,
    #[serde(default = "sides")]
    sides: u8,
    #[serde(default = "ratio")]
    allocation_ratio: f64,
    #[serde(default)]
    dropout: f64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Variance {
    #[default]
    Pooled,
    Unpooled,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Output {
    sizes: Sizes,
    risk_difference: f64,
    method: String,
    assumptions: String,
}

/// Runs the tool.
pub(crate) fn run(input: &Input) -> Result<ToolOutput, ToolError> {
    let design =
        Design { alpha: input.alpha, power: input.power, sides: input.sides, ratio: input.allocation_ratio, dropout: input.dropout };
    super::check(&design, INFO.name)?;
    let difference = (input.proportion_2 - input.proportion_1).abs();
    if difference == 0.0 {
        return Err(ToolError::argument(INFO.name, "/proportion_2", "the proportions have to differ"));
    }
    let plain = plain(input, &design, difference);
    if plain.is_nan() || plain <= 0.0 {
        return Err(ToolError::domain("both proportions are certain (0 and 1), so that the normal test has no variance"));
    }
    let n = if input.continuity_correction { corrected(plain, design.ratio, difference) } else { plain };
    let variance = if input.variance == Variance::Pooled { "pooled" } else { "unpooled" };
    let correction = if input.continuity_correction { "with" } else { "without" };
    let output = Output {
        sizes: super::sizes(n, &design)?,
        risk_difference: input.proportion_2 - input.proportion_1,
        method: format!("normal test of two proportions, {variance} variance under the null, {correction} continuity correction"),
        assumptions: "independent observations, superiority, at least about 5 expected events and non-events in each group".to_owned(),
    };
    Ok(ToolOutput::of(&output))
}

/// The size of group 1 without continuity correction.
fn plain(input: &Input, design: &Design, difference: f64) -> f64 {
    let (p1, p2, r) = (input.proportion_1, input.proportion_2, design.ratio);
    let z_alpha = normal_quantile_upper(design.tail());
    let z_beta = normal_quantile_upper(1.0 - design.power);
    let under_alternative = (p1 * (1.0 - p1) + p2 * (1.0 - p2) / r).sqrt();
    let under_null = match input.variance {
        Variance::Pooled => {
            let mean = (p1 + r * p2) / (1.0 + r);
            ((1.0 + 1.0 / r) * mean * (1.0 - mean)).sqrt()
        }
        Variance::Unpooled => under_alternative,
    };
    ((z_alpha * under_null + z_beta * under_alternative) / difference).powi(2)
}

/// The correction of Casagrande, Pike and Smith as Fleiss, Tytun and Ury give it for unequal groups (Biometrics 36, 1980).
fn corrected(n: f64, ratio: f64, difference: f64) -> f64 {
    n / 4.0 * (1.0 + (1.0 + 2.0 * (ratio + 1.0) / (n * ratio * difference)).sqrt()).powi(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes_of(arguments: &Value) -> Sizes {
        Output::deserialize(run(&Input::deserialize(arguments).unwrap()).unwrap().value).unwrap().sizes
    }

    #[test]
    fn published_sizes_are_met() {
        // The example of R's help page of power.prop.test: p1 = .50, p2 = .75, power = .90 gives n = 76.7.
        let r = sizes_of(&json!({ "proportion_1": 0.5, "proportion_2": 0.75, "power": 0.9 }));
        assert!((r.group_1_unrounded - 76.7).abs() < 0.05, "{}", r.group_1_unrounded);
        assert_eq!((r.group_1, r.total), (77, 154));
    }

    #[test]
    fn unrounded_sizes_agree_with_scipy() {
        // The formulae in Python with scipy.stats.norm; the pooled ones with equal groups also as roots of the power of power.prop.test.
        for (p1, p2, alpha, power, sides, ratio, variance, correction, n) in [
            (0.5, 0.75, 0.05, 0.9, 2, 1.0, "pooled", false, 76.70692845177747),
            (0.5, 0.75, 0.05, 0.9, 2, 1.0, "unpooled", false, 73.55196143008436),
            (0.6, 0.7, 0.01, 0.95, 2, 1.0, "pooled", true, 826.9464985067738),
            (0.1, 0.05, 0.05, 0.8, 1, 2.0, "pooled", false, 247.3469356265736),
            (0.25, 0.4, 0.05, 0.85, 2, 0.5, "unpooled", true, 286.0094788575126),
            (0.0, 0.02, 0.025, 0.9, 1, 1.0, "pooled", false, 518.0371692998069),
        ] {
            let sizes = sizes_of(&json!({ "proportion_1": p1, "proportion_2": p2, "alpha": alpha, "power": power, "sides": sides,
                "allocation_ratio": ratio, "variance": variance, "continuity_correction": correction }));
            assert!((sizes.group_1_unrounded / n - 1.0_f64).abs() < 1e-9, "{p1} {p2} {variance}: {} is not {n}", sizes.group_1_unrounded);
        }
    }

    #[test]
    fn what_has_no_size_says_why() {
        for (p1, p2, variance) in [(0.3, 0.3, "pooled"), (0.0, 1.0, "unpooled"), (0.3, 0.300_000_000_1, "pooled")] {
            let arguments = json!({ "proportion_1": p1, "proportion_2": p2, "variance": variance });
            assert!(run(&Input::deserialize(&arguments).unwrap()).is_err(), "{arguments}");
        }
    }
}
