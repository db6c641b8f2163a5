//! Numbers as a person writes them: decimal numbers to 15 digits, dates in ISO 8601.

use super::numbers::Shown;
use time::Date;

/// The last day of the calendar of workbooks, 31 December 9999.
const DAYS_MAX: f64 = 2_958_466.0;
/// Days from the first day of the 1900 system to that of the 1904 system.
const DAYS_TO_1904: i64 = 1_462;
/// Julian day number of 30 December 1899, from which the days after the invented 29 February 1900 count.
const ZERO_DAY: i64 = 2_415_019;

/// Writes a number the way its format shows it; a text that is no number stays as it is.
pub(super) fn shown(raw: &str, shown: Shown, from_1904: bool) -> String {
    let Ok(number) = raw.trim().parse::<f64>() else { return raw.to_owned() };
    if !number.is_finite() {
        return raw.to_owned();
    }
    let special = match shown {
        Shown::Number => None,
        Shown::Percent => Some(format!("{}%", decimal(number * 100.0))),
        Shown::Date => moment(number, from_1904).map(|(day, _)| day),
        Shown::Time => moment(number, from_1904).map(|(_, time)| time),
        Shown::DateTime => moment(number, from_1904).map(|(day, time)| format!("{day} {time}")),
        Shown::Duration => duration(number),
    };
    special.unwrap_or_else(|| if raw.trim().bytes().all(|b| b.is_ascii_digit()) { raw.trim().to_owned() } else { decimal(number) })
}

/// The shortest decimal number with the same 15 significant digits, which are all that Excel keeps: 0.1 + 0.2 is 0.3.
fn decimal(number: f64) -> String {
    let rounded: f64 = format!("{number:.14e}").parse().unwrap_or(number);
    if rounded != 0.0 && !(1e-9..1e21).contains(&rounded.abs()) { format!("{rounded:e}") } else { format!("{rounded}") }
}

/// The day and the time of a serial number (18.17.4); `None` outside of the calendar.
fn moment(serial: f64, from_1904: bool) -> Option<(String, String)> {
    if !(0.0..DAYS_MAX).contains(&serial) {
        return None;
    }
    // In range and rounded to whole seconds, so the conversion is exact.
    let seconds = (serial * 86_400.0).round() as i64;
    let (day, second) = (seconds / 86_400, seconds % 86_400);
    Some((date(day, from_1904)?, clock(second)))
}

fn date(day: i64, from_1904: bool) -> Option<String> {
    // The 1900 system has a 29 February 1900 that never was, as Lotus 1-2-3 had.
    let day = match day {
        _ if from_1904 => day + DAYS_TO_1904,
        60 => return Some("1900-02-29".to_owned()),
        1..60 => day + 1,
        _ => day,
    };
    let date = Date::from_julian_day(i32::try_from(ZERO_DAY + day).ok()?).ok()?;
    Some(format!("{:04}-{:02}-{:02}", date.year(), u8::from(date.month()), date.day()))
}

fn clock(seconds: i64) -> String {
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if seconds == 0 { format!("{hours:02}:{minutes:02}") } else { format!("{hours:02}:{minutes:02}:{seconds:02}") }
}

fn duration(days: f64) -> Option<String> {
    if !(0.0..DAYS_MAX).contains(&days) {
        return None;
    }
    Some(clock((days * 86_400.0).round() as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_both_systems_are_those_that_excel_shows() {
        for (raw, from_1904, expected) in [
            ("1", false, "1900-01-01"),
            ("59", false, "1900-02-28"),
            ("60", false, "1900-02-29"),
            ("61", false, "1900-03-01"),
            ("45356", false, "2024-03-05"),
            ("43894", true, "2024-03-05"),
            ("2958465", false, "9999-12-31"),
            ("-1", false, "-1"),
            ("3000000", false, "3000000"),
        ] {
            assert_eq!(shown(raw, Shown::Date, from_1904), expected, "{raw}");
        }
        assert_eq!(shown("45356.604166666664", Shown::DateTime, false), "2024-03-05 14:30");
        assert_eq!(shown("0.99999999", Shown::Time, false), "00:00");
        assert_eq!(shown("1.5", Shown::Duration, false), "36:00");
        assert_eq!(shown("0.52096064814814818", Shown::Time, false), "12:30:11");
    }

    #[test]
    fn numbers_keep_fifteen_digits() {
        for (raw, expected) in [
            ("0.30000000000000004", "0.3"),
            ("12", "12"),
            ("007", "007"),
            ("-1.50", "-1.5"),
            ("1E+300", "1e300"),
            ("2.2999999999999998E-2", "0.023"),
            ("12345678901234567890", "12345678901234567890"),
            ("NaN", "NaN"),
            ("n/a", "n/a"),
        ] {
            assert_eq!(shown(raw, Shown::Number, false), expected, "{raw}");
        }
        assert_eq!(shown("0.125", Shown::Percent, false), "12.5%");
        assert_eq!(shown("0.07", Shown::Percent, false), "7%");
    }
}
