//! Effects from a table of two groups and two outcomes: risks, risk difference, risk ratio, odds ratio, number needed to treat.

use super::distributions::normal_quantile_upper;
use crate::{Family, Reach, ToolError, ToolInfo, ToolOutput};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{sync::LazyLock, time::Duration};

pub(crate) const INFO: ToolInfo = ToolInfo {
    name: "two_by_two",
    title: "Effects from a two-by-two table",
    summary: "Risk difference, risk ratio, odds ratio and number needed to treat with confidence intervals from event counts of two groups. Give \
        counts of people, not percentages. Group 1 is the intervention, group 2 the comparison.",
    input_schema: || &INPUT,
    output_schema: || &OUTPUT,
    reach: Reach::Local,
    family: Family::Statistics,
    licence: "A formula; the result is free to use",
    timeout: Duration::from_secs(2),
    cache: Duration::ZERO,
    rate: None,
    source: "Risk difference: Newcombe's hybrid score interval (method 10, Statistics in Medicine 17, 1998); risk ratio: Katz; odds ratio: Woolf; \
        number needed to treat: Altman, BMJ 317 (1998)",
};

static INPUT: LazyLock<Value> = LazyLock::new(|| {
    let count = |description: &str, minimum: u8| json!({ "type": "integer", "minimum": minimum, "maximum": 1_000_000_000, "description": description });
    json!({ "type": "object", "additionalProperties": false, "required": ["events_1", "total_1", "events_2", "total_2"], "properties": {
        "events_1": count("People with the event in group 1", 0), "total_1": count("People in group 1", 1),
        "events_2": count("People with the event in group 2", 0), "total_2": count("People in group 2", 1),
        "confidence": { "type": "number", "minimum": 0.5, "maximum": 0.9999, "default": 0.95, "description": "As a fraction" }
    } })
});

static OUTPUT: LazyLock<Value> = LazyLock::new(|| {
    let number = json!({ "type": ["number", "null"] });
    let estimate = json!({ "type": "object", "additionalProperties": false, "required": ["estimate", "low", "high"],
        "properties": { "estimate": number, "low": number, "high": number } });
    json!({ "type": "object", "additionalProperties": false,
        "required": ["risk_1", "risk_2", "risk_difference", "risk_ratio", "odds_ratio", "number_needed", "confidence", "notes"],
        "properties": {
            "risk_1": { "type": "number" }, "risk_2": { "type": "number" },
            "risk_difference": estimate, "risk_ratio": estimate, "odds_ratio": estimate, "number_needed": estimate,
            "confidence": { "type": "number" }, "notes": { "type": "array", "items": { "type": "string" } }
        } })
});

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    events_1: u64,
    total_1: u64,
    events_2: u64,
    total_2: u64,
    #[serde(default = "confidence")]
    confidence: f64,
}

fn confidence() -> f64 {
    0.95
}

/// An estimate with its interval; nothing where it is not defined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Estimate {
    estimate: Option<f64>,
    low: Option<f64>,
    high: Option<f64>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Output {
    risk_1: f64,
    risk_2: f64,
    risk_difference: Estimate,
    risk_ratio: Estimate,
    odds_ratio: Estimate,
    number_needed: Estimate,
    confidence: f64,
    notes: Vec<String>,
}

/// Runs the tool.
pub(crate) fn run(input: &Input) -> Result<ToolOutput, ToolError> {
    for (events, total, place) in [(input.events_1, input.total_1, "/events_1"), (input.events_2, input.total_2, "/events_2")] {
        if events > total {
            return Err(ToolError::argument(INFO.name, place, "more people have the event than are in the group"));
        }
    }
    let [x1, n1, x2, n2] = [input.events_1, input.total_1, input.events_2, input.total_2].map(|count| count as f64);
    let z = normal_quantile_upper((1.0 - input.confidence) / 2.0);
    let (p1, p2) = (x1 / n1, x2 / n2);
    let mut notes = Vec::new();
    let difference = newcombe(p1, n1, p2, n2, z);
    let ratio = log_interval(p1 / p2, 1.0 / x1 - 1.0 / n1 + 1.0 / x2 - 1.0 / n2, z);
    let odds = log_interval(x1 * (n2 - x2) / (x2 * (n1 - x1)), 1.0 / x1 + 1.0 / (n1 - x1) + 1.0 / x2 + 1.0 / (n2 - x2), z);
    if ratio.estimate.is_none() || odds.estimate.is_none() {
        notes.push("a cell is 0, so a ratio that divides by it has no estimate or interval; no correction is added".to_owned());
    }
    let number_needed = number_needed(difference, &mut notes);
    let output = Output {
        risk_1: p1,
        risk_2: p2,
        risk_difference: difference,
        risk_ratio: ratio,
        odds_ratio: odds,
        number_needed,
        confidence: input.confidence,
        notes,
    };
    Ok(ToolOutput::of(&output))
}

/// Wilson's score interval of one proportion.
fn wilson(p: f64, n: f64, z: f64) -> (f64, f64) {
    let centre = (2.0 * n * p + z * z) / (2.0 * (n + z * z));
    let half = z * (z * z + 4.0 * n * p * (1.0 - p)).sqrt() / (2.0 * (n + z * z));
    ((centre - half).max(0.0), (centre + half).min(1.0))
}

fn newcombe(p1: f64, n1: f64, p2: f64, n2: f64, z: f64) -> Estimate {
    let ((l1, u1), (l2, u2)) = (wilson(p1, n1, z), wilson(p2, n2, z));
    let d = p1 - p2;
    let low = d - (p1 - l1).hypot(u2 - p2);
    let high = d + (u1 - p1).hypot(p2 - l2);
    Estimate { estimate: Some(d), low: Some(low), high: Some(high) }
}

fn log_interval(ratio: f64, variance: f64, z: f64) -> Estimate {
    if !(ratio.is_finite() && ratio > 0.0 && variance.is_finite() && variance >= 0.0) {
        return Estimate::default();
    }
    let factor = (z * variance.sqrt()).exp();
    Estimate { estimate: Some(ratio), low: Some(ratio / factor), high: Some(ratio * factor).filter(|high| high.is_finite()) }
}

/// Negative is a number needed to harm; the interval is only one where the difference's has one sign.
fn number_needed(difference: Estimate, notes: &mut Vec<String>) -> Estimate {
    let (Some(d), Some(low), Some(high)) = (difference.estimate, difference.low, difference.high) else { return Estimate::default() };
    // Fewer events in group 1 is a benefit: its difference is negative.
    let inverse = |difference: f64| if difference == 0.0 { None } else { Some(-1.0 / difference) };
    notes.push("the number needed to treat is positive where group 1 has fewer events, negative (to harm) where it has more".to_owned());
    if low <= 0.0 && high >= 0.0 {
        notes.push("the interval of the risk difference holds 0, so the number needed to treat has no finite interval".to_owned());
        return Estimate { estimate: inverse(d), low: None, high: None };
    }
    Estimate { estimate: inverse(d), low: inverse(low), high: inverse(high) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(events_1: u64, total_1: u64, events_2: u64, total_2: u64) -> Output {
        Output::deserialize(run(&Input { events_1, total_1, events_2, total_2, confidence: 0.95 }).unwrap().value).unwrap()
    }

    fn close(ours: Option<f64>, theirs: f64, tolerance: f64) {
        assert!((ours.unwrap() - theirs).abs() < tolerance, "{ours:?} is not {theirs}");
    }

    #[test]
    fn newcombes_published_intervals_are_met() {
        // R. G. Newcombe, Statistics in Medicine 17 (1998) 873, table II, method 10: 56/70 - 48/80, 9/10 - 3/10, 10/10 - 0/10.
        for (table, low, high) in [([56, 70, 48, 80], 0.0524, 0.3339), ([9, 10, 3, 10], 0.1705, 0.8090), ([10, 10, 0, 10], 0.6075, 1.0)] {
            let [x1, n1, x2, n2] = table;
            let found = output(x1, n1, x2, n2).risk_difference;
            close(found.low, low, 5e-5);
            close(found.high, high, 5e-5);
        }
    }

    #[test]
    fn ratios_agree_with_statsmodels() {
        // statsmodels.stats.contingency_tables.Table2x2([[15, 85], [30, 70]])
        let found = output(15, 100, 30, 100);
        for (estimate, values) in [
            (found.risk_ratio, [0.5, 0.2872194531479579, 0.8704145811154905]),
            (found.odds_ratio, [0.4117647058823529, 0.20532512538911366, 0.8257643709656305]),
        ] {
            let [expected, low, high]: [f64; 3] = values;
            close(estimate.estimate, expected, 1e-9);
            close(estimate.low, low, 1e-9);
            close(estimate.high, high, 1e-9);
        }
        close(found.number_needed.estimate, 1.0 / 0.15, 1e-9);
        assert!(found.number_needed.low.unwrap() > 0.0 && found.number_needed.low.unwrap() < found.number_needed.high.unwrap());
    }

    #[test]
    fn empty_cells_and_equal_risks_have_no_ratio_and_no_number_needed() {
        let empty = output(0, 50, 5, 50);
        assert_eq!((empty.risk_ratio, empty.odds_ratio), (Estimate::default(), Estimate::default()));
        assert!(empty.notes[0].contains("a cell is 0"));
        let equal = output(5, 50, 5, 50);
        assert_eq!(equal.number_needed, Estimate::default());
        assert!(run(&Input { events_1: 5, total_1: 4, events_2: 1, total_2: 2, confidence: 0.95 }).is_err());
    }
}
