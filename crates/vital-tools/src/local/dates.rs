//! Differences of dates, and dates some days, business days, weeks, months or years away, in the proleptic Gregorian calendar.

use crate::{Family, Reach, ToolError, ToolInfo, ToolOutput};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{collections::BTreeSet, sync::LazyLock, time::Duration as Time};
use time::{Date, Duration, Month, Weekday, macros::format_description, util::days_in_month};

pub(crate) const INFO: ToolInfo = ToolInfo {
    name: "date_arithmetic",
    title: "Date arithmetic",
    summary: "Counts between two dates, or finds the date some days, business days, weeks, months or years before or after a date. Use it for \
        visit windows, deadlines and follow-up times. Dates are YYYY-MM-DD, from year 1 to 9999. Give `start` and either `end` or `add`. Business days are Monday \
        to Friday without the `holidays` you list; no national holidays are known.",
    input_schema: || &INPUT,
    output_schema: || &OUTPUT,
    reach: Reach::Local,
    family: Family::Calculation,
    licence: "Arithmetic; the result is free to use",
    timeout: Time::from_secs(2),
    cache: Time::ZERO,
    rate: None,
    source: "ISO 8601 dates in the proleptic Gregorian calendar; months are added by calendar, a day that the month has not is its last day",
};

/// Most days, weeks, months or years that are added.
const AMOUNT_MAX: i64 = 100_000;
const HOLIDAYS_MAX: usize = 500;
/// What the counts mean; part of every output.
const RULE: &str = "days from start to end without the start day; days_inclusive counts both; business days are Monday to Friday without \
    the holidays given, counted after the start and up to the end";

static INPUT: LazyLock<Value> = LazyLock::new(|| {
    let date = |description: &str| json!({ "type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$", "description": description });
    json!({ "type": "object", "additionalProperties": false, "required": ["start"], "properties": {
        "start": date("YYYY-MM-DD"), "end": date("YYYY-MM-DD; for the difference"),
        "add": { "type": "object", "additionalProperties": false, "required": ["amount", "unit"], "properties": {
            "amount": { "type": "integer", "minimum": -AMOUNT_MAX, "maximum": AMOUNT_MAX, "description": "Negative goes back" },
            "unit": { "enum": ["days", "business_days", "weeks", "months", "years"] } } },
        "holidays": { "type": "array", "maxItems": HOLIDAYS_MAX, "items": date("A day that is no business day") }
    } })
});

static OUTPUT: LazyLock<Value> = LazyLock::new(|| {
    let count = json!({ "type": "integer" });
    json!({ "type": "object", "additionalProperties": false,
        "required": ["start", "start_weekday", "end", "end_weekday", "days", "days_inclusive", "weeks", "weeks_rest_days", "years", "months", "rest_days", "business_days", "rule"],
        "properties": {
            "start": { "type": "string" }, "start_weekday": { "type": "string" }, "end": { "type": "string" }, "end_weekday": { "type": "string" },
            "days": count, "days_inclusive": count, "weeks": count, "weeks_rest_days": count,
            "years": count, "months": count, "rest_days": count, "business_days": count,
            "rule": { "type": "string" }, "note": { "type": "string" }
        } })
});

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    start: String,
    end: Option<String>,
    add: Option<Step>,
    #[serde(default)]
    holidays: Vec<String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    amount: i64,
    unit: Unit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Unit {
    Days,
    BusinessDays,
    Weeks,
    Months,
    Years,
}

/// All counts have the sign of the direction: negative where the end is before the start.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Output {
    start: String,
    start_weekday: String,
    end: String,
    end_weekday: String,
    days: i64,
    days_inclusive: i64,
    weeks: i64,
    weeks_rest_days: i64,
    years: i64,
    months: i64,
    rest_days: i64,
    business_days: i64,
    rule: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

/// Runs the tool.
pub(crate) fn run(input: &Input) -> Result<ToolOutput, ToolError> {
    let start = date(&input.start, "/start")?;
    let holidays = input.holidays.iter().enumerate().map(|(n, text)| date(text, &format!("/holidays/{n}"))).collect::<Result<_, _>>()?;
    let (end, note) = match (&input.end, input.add) {
        (Some(end), None) => (date(end, "/end")?, None),
        (None, Some(step)) => {
            let end = added(start, step, &holidays).ok_or_else(|| ToolError::domain("the date lies outside of the years 1 to 9999"))?;
            let calendar = matches!(step.unit, Unit::Months | Unit::Years);
            let clamped = calendar && end.day() != start.day();
            (end, clamped.then(|| format!("the month has no day {}, so its last day is taken", start.day())))
        }
        _ => return Err(ToolError::argument(INFO.name, "", "give `start` and either `end` or `add`, not both")),
    };
    let days = (end - start).whole_days();
    let (years, months, rest_days) = calendar(start, end);
    let output = Output {
        start: iso(start),
        start_weekday: start.weekday().to_string(),
        end: iso(end),
        end_weekday: end.weekday().to_string(),
        days,
        days_inclusive: if days < 0 { days - 1 } else { days + 1 },
        weeks: days / 7,
        weeks_rest_days: days % 7,
        years,
        months,
        rest_days,
        business_days: business_between(start, end, &holidays),
        rule: RULE.to_owned(),
        note,
    };
    Ok(ToolOutput::of(&output))
}

fn date(text: &str, pointer: &str) -> Result<Date, ToolError> {
    let read = Date::parse(text, format_description!("[year]-[month]-[day]")).ok().filter(|date| (1..=9999).contains(&date.year()));
    read.ok_or_else(|| {
        ToolError::argument(INFO.name, pointer, "there is no such day; write YYYY-MM-DD with a day of the Gregorian calendar")
    })
}

fn iso(date: Date) -> String {
    format!("{:04}-{:02}-{:02}", date.year(), u8::from(date.month()), date.day())
}

fn added(start: Date, step: Step, holidays: &BTreeSet<Date>) -> Option<Date> {
    let end = match step.unit {
        Unit::Days => start.checked_add(Duration::days(step.amount)),
        Unit::Weeks => start.checked_add(Duration::days(step.amount.checked_mul(7)?)),
        Unit::Months => months_later(start, step.amount),
        Unit::Years => months_later(start, step.amount.checked_mul(12)?),
        Unit::BusinessDays => business_later(start, step.amount, holidays),
    };
    end.filter(|date| (1..=9999).contains(&date.year()))
}

/// The same day some months later, or the last of a month that has no such day.
fn months_later(start: Date, months: i64) -> Option<Date> {
    let count = i64::from(start.year()) * 12 + i64::from(u8::from(start.month())) - 1 + months;
    let year = i32::try_from(count.div_euclid(12)).ok().filter(|year| (1..=9999).contains(year))?;
    let month = Month::try_from(u8::try_from(count.rem_euclid(12) + 1).ok()?).ok()?;
    Date::from_calendar_date(year, month, start.day().min(days_in_month(month, year))).ok()
}

fn is_business(date: Date, holidays: &BTreeSet<Date>) -> bool {
    !matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday) && !holidays.contains(&date)
}

/// Steps day by day: at most 140,000 and the holidays.
fn business_later(start: Date, amount: i64, holidays: &BTreeSet<Date>) -> Option<Date> {
    let (mut at, mut left) = (start, amount.abs());
    while left > 0 {
        at = if amount > 0 { at.next_day()? } else { at.previous_day()? };
        left -= i64::from(is_business(at, holidays));
    }
    Some(at)
}

/// Business days after the start and up to the end; going back, before the start and down to the end.
fn business_between(start: Date, end: Date, holidays: &BTreeSet<Date>) -> i64 {
    let forward = end >= start;
    let (first, last) = if forward { (start.next_day(), Some(end)) } else { (Some(end), start.previous_day()) };
    let (Some(first), Some(last)) = (first, last) else { return 0 };
    let days = (last - first).whole_days() + 1;
    if days <= 0 {
        return 0;
    }
    let monday_based = i64::from(first.weekday().number_days_from_monday());
    let rest = (0..days % 7).filter(|n| (monday_based + n) % 7 < 5).count();
    let weekdays = days / 7 * 5 + i64::try_from(rest).unwrap_or(0);
    let free = holidays.range(first..=last).filter(|date| !matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday)).count();
    let business = weekdays - i64::try_from(free).unwrap_or(0);
    if forward { business } else { -business }
}

/// Whole months that fit, as years and months, and the days that are left.
fn calendar(start: Date, end: Date) -> (i64, i64, i64) {
    let (early, late, sign) = if start <= end { (start, end, 1) } else { (end, start, -1) };
    let index = |date: Date| i64::from(date.year()) * 12 + i64::from(u8::from(date.month()));
    let mut months = index(late) - index(early);
    let mut reached = months_later(early, months);
    if reached.is_none_or(|reached| reached > late) {
        months -= 1;
        reached = months_later(early, months);
    }
    let rest = reached.map_or(0, |reached| (late - reached).whole_days());
    (sign * (months / 12), sign * (months % 12), sign * rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn output(arguments: &Value) -> Output {
        Output::deserialize(run(&Input::deserialize(arguments).unwrap()).unwrap_or_else(|error| panic!("{arguments}: {error}")).value)
            .unwrap()
    }

    fn error(arguments: &Value) -> ToolError {
        run(&Input::deserialize(arguments).unwrap()).unwrap_err()
    }

    #[test]
    fn differences_follow_the_calendar() {
        let leap = output(&json!({ "start": "2024-02-01", "end": "2024-03-01" }));
        assert_eq!((leap.days, leap.days_inclusive, leap.weeks, leap.weeks_rest_days), (29, 30, 4, 1));
        assert_eq!((leap.years, leap.months, leap.rest_days), (0, 1, 0));
        assert_eq!((leap.start_weekday.as_str(), leap.end_weekday.as_str()), ("Thursday", "Friday"));
        // 1900 had no 29 February, 2000 had one.
        assert_eq!(output(&json!({ "start": "1900-02-28", "end": "1900-03-01" })).days, 1);
        assert_eq!(output(&json!({ "start": "2000-02-28", "end": "2000-03-01" })).days, 2);
        let age = output(&json!({ "start": "1980-05-20", "end": "2024-05-19" }));
        assert_eq!((age.years, age.months, age.rest_days), (43, 11, 29));
        let back = output(&json!({ "start": "2024-03-01", "end": "2024-02-01" }));
        assert_eq!((back.days, back.days_inclusive, back.months), (-29, -30, -1));
        assert_eq!(output(&json!({ "start": "2024-03-01", "end": "2024-03-01" })).business_days, 0);
    }

    #[test]
    fn months_end_where_the_month_ends_and_say_so() {
        let end = |start: &str, amount: i64, unit: &str| output(&json!({ "start": start, "add": { "amount": amount, "unit": unit } }));
        for (start, amount, unit, expected) in [
            ("2023-01-31", 1, "months", "2023-02-28"),
            ("2024-01-31", 1, "months", "2024-02-29"),
            ("2024-03-31", -1, "months", "2024-02-29"),
            ("2024-02-29", 1, "years", "2025-02-28"),
            ("2024-02-29", 4, "years", "2028-02-29"),
            ("2024-01-15", 6, "weeks", "2024-02-26"),
            ("2024-12-31", 1, "days", "2025-01-01"),
            ("2024-06-14", 1, "business_days", "2024-06-17"),
            ("2024-06-15", 1, "business_days", "2024-06-17"),
            ("2024-06-15", -1, "business_days", "2024-06-14"),
            ("2024-06-12", 0, "business_days", "2024-06-12"),
        ] {
            assert_eq!(end(start, amount, unit).end, expected, "{start} {amount} {unit}");
        }
        assert!(end("2023-01-31", 1, "months").note.unwrap().contains("no day 31"));
        assert_eq!(end("2023-01-30", 2, "months").note, None);
    }

    #[test]
    fn holidays_are_no_business_days() {
        let arguments = json!({ "start": "2024-12-23", "add": { "amount": 3, "unit": "business_days" }, "holidays": ["2024-12-25", "2024-12-26", "2024-12-28"] });
        let output = output(&arguments);
        assert_eq!((output.end.as_str(), output.business_days), ("2024-12-30", 3));
    }

    #[test]
    fn what_is_no_day_is_told_by_its_place() {
        for (arguments, place) in [
            (json!({ "start": "2023-02-29", "end": "2023-03-01" }), "/start"),
            (json!({ "start": "2023-02-28", "end": "2023-13-01" }), "/end"),
            (json!({ "start": "2023-02-28", "end": "2023-03-01", "holidays": ["2023-03-01", "0000-01-01"] }), "/holidays/1"),
            (json!({ "start": "2023-02-28" }), ""),
            (json!({ "start": "2023-02-28", "end": "2023-03-01", "add": { "amount": 1, "unit": "days" } }), ""),
        ] {
            assert!(matches!(error(&arguments), ToolError::Arguments { pointer, .. } if pointer == place), "{arguments}");
        }
        assert!(matches!(error(&json!({ "start": "9999-12-31", "add": { "amount": 1, "unit": "days" } })), ToolError::Domain { .. }));
        assert!(matches!(
            error(&json!({ "start": "0001-01-01", "add": { "amount": -100_000, "unit": "years" } })),
            ToolError::Domain { .. }
        ));
    }

    proptest! {
        #[test]
        fn counts_lead_back_to_the_end(start in -700_000i64..700_000, days in -3_000i64..3_000, holiday in -3_000i64..3_000) {
            let origin = Date::from_calendar_date(5000, Month::January, 1).unwrap();
            let start = origin + Duration::days(start);
            let end = start + Duration::days(days);
            let holidays = BTreeSet::from([start + Duration::days(holiday)]);
            let (years, months, rest) = calendar(start, end);
            if days >= 0 {
                prop_assert_eq!(months_later(start, years * 12 + months).unwrap() + Duration::days(rest), end);
            }
            let slow = (1..=days.abs()).filter(|n| is_business(start + Duration::days(n * days.signum()), &holidays)).count();
            let business = business_between(start, end, &holidays);
            prop_assert_eq!(business, i64::try_from(slow).unwrap() * days.signum());
            if is_business(end, &holidays) {
                prop_assert_eq!(business_later(start, business, &holidays), Some(end).filter(|_| days != 0).or(Some(start)));
            }
        }

        #[test]
        fn any_arguments_end(start in "[0-9]{4}-[0-9]{2}-[0-9]{2}", amount in -100_000i64..=100_000) {
            for unit in [Unit::Days, Unit::BusinessDays, Unit::Weeks, Unit::Months, Unit::Years] {
                let _ = run(&Input { start: start.clone(), end: None, add: Some(Step { amount, unit }), holidays: Vec::new() });
            }
        }
    }
}
