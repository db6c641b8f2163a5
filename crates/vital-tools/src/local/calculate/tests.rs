//! What expressions give, what they are refused for, and that no text does more.

use super::*;
use proptest::prelude::*;

fn result(expression: &str) -> Result<Output, ToolError> {
    let input = Input { expression: expression.to_owned(), to: None };
    run(&input).map(|output| Output::deserialize(output.value).unwrap())
}

fn text(expression: &str) -> String {
    result(expression).unwrap_or_else(|error| panic!("{expression}: {error}")).text
}

#[test]
fn doses_dilutions_and_conversions() {
    for (expression, expected) in [
        ("5 mg/kg * 70 kg", "350 mg"),
        ("15 mg/kg/d * 12.4 kg / 3 to mg/d", "62 mg/d"),
        ("10 mg / 2 mL", "5 mg/mL"),
        ("500 mg / 5 mg/kg", "100 kg"),
        ("70 kg * 5 mg/kg", "350 mg"),
        ("5 mg/kg * 70 kg / (10 mg/mL) to mL", "35 mL"),
        ("90 mg/dL / (180.156 g/mol) to mmol/L", "4.99567041897 mmol/L"),
        ("5.5 mmol/L * 180.156 g/mol to mg/dL", "99.0858 mg/dL"),
        ("0.1 µg/kg/min * 80 kg / (200 ug/mL) to mL/h", "2.4 mL/h"),
        ("1 L + 250 mL", "1.25 L"),
        ("250 mL * 5 mg/L", "1.25 mg"),
        ("80 kg / (1.8 m)^2", "24.6913580247 kg/m^2"),
        ("80 kg / (180 cm)^2 to kg/m2", "24.6913580247 kg/m^2"),
        ("sqrt(170 cm/cm * 70 kg/kg / 3600)", "1.81811868577"),
        ("12.5 % * 80 kg", "10 kg"),
        ("50%", "0.5"),
        ("1 mol/L to mM", "1000 mM"),
        ("5000 units / (100 units/mL)", "50 mL"),
        ("140 mEq/L to Eq/mL", "0.00014 Eq/mL"),
        ("154 lb to kg", "69.85322498 kg"),
        ("5 ft + 10 inch to cm", "177.8 cm"),
        ("120 mmHg to kPa", "15.9986864898 kPa"),
        ("2 weeks + 3 days to d", "17 d"),
        ("4.5e9/L * 2 mL", "9000000"),
        ("2 (3 + 4)", "14"),
        ("-2^2", "-4"),
        ("2^3^2", "512"),
        ("2^-1", "0.5"),
        ("10 - 4 - 3", "3"),
        ("8 / 4 / 2", "1"),
        ("max(3 mg, 2000 ug)", "3 mg"),
        ("round(2.34567, 2)", "2.35"),
        ("ln(2) * 4 h / ln(2)", "4 h"),
        ("100 mg * exp(-0.1/h * 5 h)", "60.6530659713 mg"),
        ("0.1 + 0.2", "0.3"),
        ("3 mg/(kg d) * 10 kg * 2 d", "60 mg"),
        ("2 pi", "6.28318530718"),
    ] {
        assert_eq!(text(expression), expected, "{expression}");
    }
}

#[test]
fn temperatures_are_points_and_distances() {
    for (expression, expected) in [
        ("37 degC to degF", "98.6 degF"),
        ("-40 °C to °F", "-40 °F"),
        ("98.6 degF to degC", "37 degC"),
        ("0 K to degC", "-273.15 degC"),
        ("39.2 degC - 37 degC", "2.2 delta_degC"),
        ("37 degC + 1.5 K", "38.5 degC"),
        ("25 degC to K", "298.15 K"),
    ] {
        assert_eq!(text(expression), expected, "{expression}");
    }
    for expression in ["37 degC + 1 degC", "2 * 37 degC", "37 degC / min", "39 degC - 37 degC to degC", "37 degC ^ 2"] {
        assert!(matches!(result(expression), Err(ToolError::Domain { .. })), "{expression}: {:?}", result(expression));
    }
}

#[test]
fn the_reading_is_shown_with_its_parentheses() {
    assert_eq!(result("500 mg / 5 mg/kg + 2 kg * 3").unwrap().read_as, "((500 mg) / (5 mg/kg)) + ((2 kg) * 3)");
    assert_eq!(result("1/2 mg").unwrap().read_as, "1 / (2 mg)");
}

#[test]
fn what_cannot_be_calculated_says_why() {
    for (expression, why) in [
        ("5 mg + 3 mL", "mL (volume) cannot be added to mg (mass)"),
        ("5 mg to mL", "cannot be converted"),
        ("90 mg/dL to mmol/L", "divide by the molar mass"),
        ("5 mmol to mg", "multiply by the molar mass"),
        ("100 IU to mg", "IU per mg"),
        ("1 / 0", "division by zero"),
        ("1 / (5 mg - 5 mg)", "division by zero"),
        ("sqrt(-1)", "not defined"),
        ("ln(0)", "not defined"),
        ("exp(1000)", "too large"),
        ("10^400", "too large"),
        ("2 ^ (3 kg)", "plain number"),
        ("sqrt(3 kg)", "whole units"),
        ("ln(3 kg)", "plain number"),
        ("5 U", "IU"),
        ("3 months", "date_arithmetic"),
        ("5 MG", "`mg`"),
        ("5 zork", "not known"),
        ("1,000 mg", "not expected"),
        ("5 5", "not expected"),
        ("(5", "`)` is missing"),
        ("5 to", "unit has to follow"),
        ("5 ; 6", "not expected"),
        ("1e999", "too large"),
        (".", "not a number"),
        ("", "too early"),
        ("min(1 kg, 2 m)", "compared"),
        ("__import__('os')", "not expected"),
    ] {
        let error = result(expression).unwrap_err().to_string();
        assert!(error.contains(why), "{expression}: {error}");
    }
    assert!(result(&"(".repeat(500)).unwrap_err().to_string().contains("nested"));
    assert!(result(&"-".repeat(900)).unwrap_err().to_string().contains("nested"));
    assert!(result(&"1+".repeat(600)).unwrap_err().to_string().contains("bytes"));
}

#[test]
fn the_unit_of_the_result_is_given_once() {
    let with = |expression: &str, to: &str| run(&Input { expression: expression.to_owned(), to: Some(to.to_owned()) });
    assert_eq!(with("1 g/L", "mg/dL").unwrap().value["text"], "100 mg/dL");
    assert_eq!(with("0.25", "%").unwrap().value["value"], 25.0);
    assert!(with("1 g to mg", "mg").is_err());
    assert!(with("1 g", "5 mg").is_err());
}

proptest! {
    #[test]
    fn any_text_is_a_finite_result_or_an_error(expression in "\\PC{0,80}") {
        if let Ok(output) = result(&expression) {
            prop_assert!(output.value.is_finite());
        }
    }

    #[test]
    fn any_sequence_of_tokens_is_a_finite_result_or_an_error(tokens in proptest::collection::vec(
        proptest::sample::select(vec!["1", "2.5", "1e300", "0", "mg", "kg", "/", "*", "+", "-", "^", "(", ")", "degC", "%", "to", "sqrt(", "min(", ",", "m2", "e", "pi", "h"]), 0..40)) {
        if let Ok(output) = result(&tokens.join(" ")) {
            prop_assert!(output.value.is_finite());
        }
    }

    #[test]
    fn a_conversion_there_and_back_returns_the_value(value in -1e9f64..1e9, from in any::<proptest::sample::Index>(), to in any::<proptest::sample::Index>()) {
        let all = units::symbols();
        let from = from.get(&all);
        let dimension = units::unit(from).unwrap().dimension;
        let same: Vec<&String> = all.iter().filter(|name| units::unit(name).unwrap().dimension == dimension).collect();
        let to = to.get(&same);
        let there = result(&format!("{value} {from} to {to}")).unwrap();
        let back = result(&format!("{} {to} to {from}", there.value)).unwrap();
        prop_assert!((back.value - value).abs() <= 1e-10 * value.abs(), "{} {from} is {} {to} is {}", value, there.value, back.value);
    }
}
