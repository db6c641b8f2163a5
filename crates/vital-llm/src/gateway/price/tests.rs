use super::*;
use proptest::prelude::*;
use time::macros::date;

fn row(models: &str, more: &str) -> String {
    let rest = if more.contains("valid_from") { String::new() } else { "valid_from = \"2025-01-01\"\n".to_owned() };
    let amounts = if more.contains("input =") { "" } else { "input = \"2\"\n" };
    format!(
        "[[price]]\nprovider = \"p\"\nmodels = {models}\ncurrency = \"USD\"\n{amounts}output = \"8\"\nsource = \"https://p.example/\"\n{rest}{more}\n"
    )
}

fn table(rows: &[String]) -> Result<PriceTable, PriceError> {
    PriceTable::parse(&rows.concat())
}

fn key(model: &str) -> PriceKey {
    PriceKey { provider: "p".to_owned(), model: model.to_owned() }
}

const DAY: Date = date!(2026 - 01 - 01);

#[test]
fn the_prices_that_ship_are_sound_and_cost_what_the_providers_say() {
    let table = PriceTable::list().expect("a sound table");
    let usage = TokenUsage { input: 1_000_000, output: 1_000_000, cached_input: 400_000, ..TokenUsage::default() };
    let cost = |provider: &str, model: &str| {
        let key = PriceKey { provider: provider.to_owned(), model: model.to_owned() };
        table.cost(&key, &usage, DAY).map(|money| money.to_string())
    };
    // 0.6 * 2.50 + 0.4 * 1.25 + 10; 0.6 * 3 + 0.4 * 0.3 + 15 and so on: by hand from the providers' pages.
    assert_eq!(cost("openai", "gpt-4o").as_deref(), Some("12 USD"));
    assert_eq!(cost("openai", "gpt-4.1-nano").as_deref(), Some("0.47 USD"));
    assert_eq!(cost("anthropic", "claude-haiku-4-5").as_deref(), Some("5.64 USD"));
    assert_eq!(cost("openai", "gpt-4o-of-tomorrow"), None);
    assert_eq!(cost("google", "gemini-2.5-pro").as_deref(), Some("17.5 USD"), "the price of long prompts");
}

#[test]
fn a_model_without_a_price_is_not_free() {
    let table = table(&[row("[\"a\"]", "")]).expect("sound");
    let usage = TokenUsage { input: 10, ..TokenUsage::default() };
    assert_eq!(table.cost(&key("b"), &usage, DAY), None);
    assert_eq!(table.cost(&key("a"), &usage, date!(2024 - 12 - 31)), None, "before the first price");
    assert_eq!(table.cost(&PriceKey { provider: "q".to_owned(), ..key("a") }, &usage, DAY), None);
    assert_eq!(table.cost(&key("a"), &usage, DAY).map(|cost| cost.pico), Some(20_000_000));
}

#[test]
fn the_latest_price_and_the_exact_name_hold() {
    let rows = [
        row("[\"a*\"]", ""),
        row("[\"a-1\"]", "input = \"5\""),
        row("[\"a-1\"]", "input = \"4\"\nvalid_from = \"2025-06-01\""),
        row("[\"a-1\"]", "input = \"6\"\nvalid_from = \"2025-06-01\"\ninput_from = 101"),
    ];
    let table = table(&rows).expect("sound");
    let input = |model, input, day| table.price(&key(model), input, day).map(|price| price.input / 1_000_000);
    assert_eq!(input("a-1", 1, date!(2025 - 05 - 31)), Some(5));
    assert_eq!(input("a-1", 1, date!(2025 - 06 - 01)), Some(4));
    assert_eq!(input("a-1", 101, DAY), Some(6));
    assert_eq!(input("a-2", 101, DAY), Some(2));
}

#[test]
fn a_tenants_own_prices_go_before_the_list() {
    let base = Arc::new(table(&[row("[\"a\", \"b\"]", "")]).expect("sound"));
    let own = table(&[row("[\"*\"]", "input = \"0\"\nvalid_from = \"2025-06-01\"")]).expect("sound").over(base);
    let input = |model, day| own.price(&key(model), 1, day).map(|price| price.input / 1_000_000);
    assert_eq!((input("a", DAY), input("c", DAY)), (Some(0), Some(0)));
    assert_eq!((input("a", date!(2025 - 05 - 31)), input("c", date!(2025 - 05 - 31))), (Some(2), None));
}

#[test]
fn what_is_wrong_in_a_table_is_named_with_its_row() {
    let fault = |rows: &[String]| table(rows).expect_err("unsound").to_string();
    let twice = [row("[\"a\"]", ""), row("[\"b\", \"a\"]", "")];
    assert!(fault(&twice).starts_with("Row 2 ") && fault(&twice).contains("row 1"));
    assert!(fault(&[row("[\"a*\"]", ""), row("[\"ab*\"]", "valid_from = \"2026-01-01\"")]).starts_with("Row 2 "));
    for (models, more) in [
        ("[]", ""),
        ("[\"a\", \"a\"]", ""),
        ("[\"a*b\"]", ""),
        ("[\" \"]", ""),
        ("[\"a\"]", "input = \"-1\""),
        ("[\"a\"]", "input = \"1e3\""),
        ("[\"a\"]", "input = \"0.0000001\""),
        ("[\"a\"]", "input = \"10000.1\""),
        ("[\"a\"]", "input = \"\""),
        ("[\"a\"]", "input = \".5\""),
        ("[\"a\"]", "valid_from = \"2025-02-30\""),
    ] {
        assert!(fault(&[row(models, more)]).starts_with("Row 1 "), "{models} {more}");
    }
    assert!(matches!(table(&[row("[\"a\"]", "colour = 1")]), Err(PriceError::Format(_))));
}

#[test]
fn tokens_that_a_provider_lies_about_are_never_counted_twice_nor_overflow() {
    let table = table(&[row("[\"a\"]", "input = \"10000\"\ncached_input = \"1\"")]).expect("sound");
    let lie = TokenUsage { input: 10, cached_input: 1_000, ..TokenUsage::default() };
    assert_eq!(table.cost(&key("a"), &lie, DAY).map(|cost| cost.pico), Some(10_000_000));
    let most = TokenUsage { input: u64::MAX, output: u64::MAX, ..TokenUsage::default() };
    assert_eq!(table.cost(&key("a"), &most, DAY).map(|cost| cost.pico), Some(i128::from(u64::MAX) * 10_008_000_000));
}

proptest! {
    #[test]
    fn decimals_are_read_exactly(amount in 0..=PRICE_MAX) {
        let text = format!("{}.{:06}", amount / 1_000_000, amount % 1_000_000);
        prop_assert_eq!(micros("input", &text), Ok(amount));
        prop_assert_eq!(micros("input", text.trim_end_matches('0').trim_end_matches('.')), Ok(amount));
    }

    #[test]
    fn any_text_is_a_table_or_a_typed_error(text in "\\PC{0,200}") {
        let _ = PriceTable::parse(&text);
    }
}
