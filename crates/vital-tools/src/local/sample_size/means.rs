//! Sample size for comparing two means with Student's t test.

use super::{Design, Sizes, alpha, power, ratio, sides};
use crate::{
    Family, Reach, ToolError, ToolInfo, ToolOutput,
    local::{
        distributions::{noncentral_t_tail, normal_quantile_upper, normal_tail, t_quantile_upper},
        roots::zero,
    },
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{sync::LazyLock, time::Duration};

pub(crate) const INFO: ToolInfo = ToolInfo {
    name: "sample_size_two_means",
    title: "Sample size for two means",
    summary: "Sizes of two parallel groups for a superiority test of two means (continuous outcome) with a common standard deviation. Give the \
        difference to be detected and the standard deviation in the same unit. The t method (exact noncentral t) is the default; normal is the \
        textbook approximation. Not for equivalence, non-inferiority, crossover or cluster designs.",
    input_schema: || &INPUT,
    output_schema: || &OUTPUT,
    reach: Reach::Local,
    family: Family::Statistics,
    licence: "A formula; the result is free to use",
    timeout: Duration::from_secs(5),
    cache: Duration::ZERO,
    rate: None,
    source: "Power of the two-sample t test by the noncentral t distribution, solved for n as R's power.t.test (strict = FALSE); normal \
        approximation: Chow, Shao, Wang, Lokhnygina, Sample Size Calculations in Clinical Research, section 3.2",
};

static INPUT: LazyLock<Value> = LazyLock::new(|| {
    let own = json!({
        "difference": { "type": "number", "minimum": -1e12, "maximum": 1e12, "description": "Difference of the means to be detected, not 0" },
        "standard_deviation": { "type": "number", "exclusiveMinimum": 0, "maximum": 1e12, "description": "Of one observation, common to both groups" },
        "method": { "enum": ["t", "normal"], "default": "t" }
    });
    json!({ "type": "object", "additionalProperties": false, "required": ["difference", "standard_deviation"],
        "properties": super::design_properties(own) })
});

static OUTPUT: LazyLock<Value> = LazyLock::new(|| {
    json!({ "type": "object", "additionalProperties": false,
        "required": ["sizes", "power_reached", "effect_size", "method", "assumptions"],
        "properties": {
            "sizes": super::size_properties(),
            "power_reached": { "type": "number", "description": "Power with the rounded sizes" },
            "effect_size": { "type": "number", "description": "Cohen's d: difference over standard deviation" },
            "method": { "type": "string" }, "assumptions": { "type": "string" }
        } })
});

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    difference: f64,
    standard_deviation: f64,
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
    #[serde(default)]
    method: Method,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Method {
    #[default]
    T,
    Normal,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Output {
    sizes: Sizes,
    power_reached: f64,
    effect_size: f64,
    method: String,
    assumptions: String,
}

/// Runs the tool.
pub(crate) fn run(input: &Input) -> Result<ToolOutput, ToolError> {
    let design =
        Design { alpha: input.alpha, power: input.power, sides: input.sides, ratio: input.allocation_ratio, dropout: input.dropout };
    super::check(&design, INFO.name)?;
    let effect = (input.difference / input.standard_deviation).abs();
    if effect == 0.0 || !effect.is_finite() {
        return Err(ToolError::argument(INFO.name, "/difference", "the difference has to be other than 0"));
    }
    let n = match input.method {
        Method::T => by_t(effect, &design)?,
        Method::Normal => by_normal(effect, &design),
    };
    let sizes = super::sizes(n, &design)?;
    let (n1, n2) = (sizes.group_1 as f64, sizes.group_2 as f64);
    let power_reached = match input.method {
        Method::T => power_t(n1, n2, effect, &design),
        Method::Normal => power_normal(n1, n2, effect, &design),
    };
    let method = match input.method {
        Method::T => "two-sample t test, noncentral t distribution (the far tail of a two-sided test is not counted, as R's power.t.test)",
        Method::Normal => "normal approximation: n1 = (1 + 1/ratio) (z_alpha + z_beta)^2 sd^2 / difference^2",
    };
    let output = Output {
        power_reached,
        sizes,
        effect_size: effect,
        method: method.to_owned(),
        assumptions: "independent observations, normal outcome, the same standard deviation in both groups, superiority".to_owned(),
    };
    Ok(ToolOutput::of(&output))
}

fn by_normal(effect: f64, design: &Design) -> f64 {
    let z = normal_quantile_upper(design.tail()) + normal_quantile_upper(1.0 - design.power);
    (1.0 + 1.0 / design.ratio) * (z / effect).powi(2)
}

fn power_normal(n1: f64, n2: f64, effect: f64, design: &Design) -> f64 {
    normal_tail(normal_quantile_upper(design.tail()) - effect / (1.0 / n1 + 1.0 / n2).sqrt())
}

fn power_t(n1: f64, n2: f64, effect: f64, design: &Design) -> f64 {
    let df = n1 + n2 - 2.0;
    let critical = t_quantile_upper(design.tail(), df).unwrap_or(f64::INFINITY);
    noncentral_t_tail(critical, df, effect / (1.0 / n1 + 1.0 / n2).sqrt())
}

/// Solves the power for the size of group 1; at least 2 people a group, as R's power.t.test.
fn by_t(effect: f64, design: &Design) -> Result<f64, ToolError> {
    let missing = |n: f64| power_t(n, n * design.ratio, effect, design) - design.power;
    let low = 2.0 / design.ratio.min(1.0);
    if missing(low) >= 0.0 {
        return Ok(low);
    }
    let mut high = by_normal(effect, design).max(low) * 1.1 + 2.0;
    while high <= super::GROUP_MAX && missing(high) < 0.0 {
        high *= 2.0;
    }
    let beyond = || ToolError::domain("no group of up to 1,000,000,000 people has this power; the difference is too small");
    if high > super::GROUP_MAX { Err(beyond()) } else { zero(missing, low, high, 1e-12).ok_or_else(beyond) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes_of(arguments: &Value) -> Sizes {
        let input = Input::deserialize(arguments).unwrap();
        let output = Output::deserialize(run(&input).unwrap().value).unwrap();
        assert!(output.power_reached >= input.power - 1e-9, "{}", output.power_reached);
        output.sizes
    }

    #[test]
    fn published_sizes_are_met() {
        // J. Cohen, A power primer, Psychological Bulletin 112 (1992), table 2: alpha .05, power .80, small, medium and large effects.
        // The small effect needs 393.4, which the table gives as 393.
        for (d, n) in [(0.2, 394), (0.5, 64), (0.8, 26)] {
            assert_eq!(sizes_of(&json!({ "difference": d, "standard_deviation": 1 })).group_1, n);
        }
        // The example of R's help page of power.t.test: power.t.test(delta = 1, power = .90) gives n = 22.02110.
        let r = sizes_of(&json!({ "difference": 1, "standard_deviation": 1, "power": 0.9 }));
        assert!((r.group_1_unrounded - 22.021_10).abs() < 5e-6, "{}", r.group_1_unrounded);
    }

    #[test]
    fn unrounded_sizes_agree_with_scipy() {
        // Root in n of scipy.stats.nct.sf(t.isf(alpha / sides, n (1 + r) - 2), n (1 + r) - 2, d / sqrt(1/n + 1/(r n))) = power.
        for (d, alpha, power, sides, ratio, n) in [
            (0.5, 0.05, 0.8, 2, 1.0, 63.76576372485032),
            (0.3, 0.01, 0.95, 2, 1.0, 397.5329072552829),
            (1.2, 0.025, 0.9, 1, 2.0, 11.624481375291396),
            (0.25, 0.05, 0.85, 1, 0.5, 345.9918839522896),
            (2.0, 0.05, 0.9, 2, 1.0, 6.386756380490438),
            (0.8, 0.001, 0.99, 2, 3.0, 67.08972002937118),
            (0.1, 0.05, 0.9, 2, 1.5, 1752.0058245991336),
            (0.02, 0.05, 0.8, 2, 1.0, 39245.35905951087),
        ] {
            let sizes = sizes_of(
                &json!({ "difference": -d, "standard_deviation": 1, "alpha": alpha, "power": power, "sides": sides, "allocation_ratio": ratio }),
            );
            assert!(
                (sizes.group_1_unrounded / n - 1.0).abs() < 1e-6,
                "{d} {alpha} {power} {sides} {ratio}: {} is not {n}",
                sizes.group_1_unrounded
            );
        }
    }

    #[test]
    fn dropout_and_allocation_are_added_to_each_group() {
        let sizes =
            sizes_of(&json!({ "difference": 5, "standard_deviation": 10, "allocation_ratio": 2, "dropout": 0.2, "method": "normal" }));
        assert_eq!((sizes.group_1, sizes.group_2), (48, 95));
        assert_eq!((sizes.enrol_group_1, sizes.enrol_group_2, sizes.enrol_total), (60, 119, 179));
    }

    #[test]
    fn what_has_no_size_says_why() {
        for arguments in [
            json!({ "difference": 0, "standard_deviation": 1 }),
            json!({ "difference": 1, "standard_deviation": 1, "power": 0.02 }),
            json!({ "difference": 1e-9, "standard_deviation": 1 }),
        ] {
            assert!(run(&Input::deserialize(&arguments).unwrap()).is_err(), "{arguments}");
        }
    }
}
