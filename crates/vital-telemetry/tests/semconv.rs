//! The names in the code against the conventions as `semconv.toml` has them.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeMap, BTreeSet};
use vital_metrics::Kind;

fn registry() -> toml::Table {
    include_str!("../semconv.toml").parse().unwrap()
}

#[test]
fn every_attribute_is_one_of_the_conventions_with_its_type() {
    let registry = registry();
    assert_eq!(registry["semconv"].as_str().unwrap(), vital_telemetry::SEMCONV, "one state of the conventions");
    let known: BTreeMap<&str, &str> =
        registry["attributes"].as_table().unwrap().iter().map(|(name, about)| (name.as_str(), about["type"].as_str().unwrap())).collect();
    let sent: BTreeMap<&str, &str> = vital_telemetry::ALL.iter().map(|a| (a.name, a.value.as_str())).collect();
    assert_eq!(sent.len(), vital_telemetry::ALL.len(), "each is there once");
    assert_eq!(sent, known, "left: attributes.rs, right: semconv.toml");
}

#[test]
fn nothing_that_the_conventions_mark_as_sensitive_is_sent_unasked() {
    let registry = registry();
    let asked: BTreeSet<&str> = registry["attributes"]
        .as_table()
        .unwrap()
        .iter()
        .filter(|(_, about)| about.as_table().unwrap().values().any(|level| level.as_str() == Some("opt_in")))
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(asked, BTreeSet::from(["gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions"]));
    let forbidden = ["user.", "enduser.", "client.", "url.full", "url.query", "url.path", "gen_ai.tool.call.arguments", "tenant"];
    for attribute in vital_telemetry::ALL {
        assert!(!forbidden.iter().any(|start| attribute.name.starts_with(start)), "{}", attribute.name);
    }
}

#[test]
fn every_metric_of_generative_ai_has_the_name_labels_and_buckets_of_the_conventions() {
    let registry = registry();
    let mut wanted = registry["metrics"].as_table().unwrap().clone();
    for metric in vital_metrics::ALL.iter().filter(|metric| metric.name.starts_with("gen_ai_")) {
        let found = wanted.iter().find(|(name, about)| {
            let unit = if about["unit"].as_str() == Some("s") { "_seconds" } else { "" };
            metric.name == format!("{}{unit}", name.replace('.', "_"))
        });
        let (name, about) = found.map(|(name, about)| (name.clone(), about.clone())).ok_or(metric.name).unwrap();
        let labels: Vec<String> =
            about["labels"].as_array().unwrap().iter().map(|label| label.as_str().unwrap().replace('.', "_")).collect();
        assert_eq!((metric.kind, metric.labels.to_vec()), (Kind::Histogram, labels.iter().map(String::as_str).collect()), "{name}");
        let bounds = (about["first"].as_float().unwrap(), about["last"].as_float().unwrap());
        assert_eq!((metric.buckets[0], metric.buckets[13], metric.buckets.len()), (bounds.0, bounds.1, 14), "{name}");
        wanted.remove(&name);
    }
    assert!(wanted.is_empty(), "not recorded: {wanted:?}");
}
