//! A week as ISO 8601 counts them: `2026-W47`, from Monday on.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use time::{Date, Weekday};

/// A week, kept as its Monday.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Week(Date);

impl Week {
    /// The week that a day belongs to.
    #[must_use]
    pub fn of(day: Date) -> Self {
        let (year, week, _) = day.to_iso_week_date();
        Self(Date::from_iso_week_date(year, week, Weekday::Monday).unwrap_or(day))
    }

    /// Its Monday.
    #[must_use]
    pub const fn monday(self) -> Date {
        self.0
    }

    /// Its Sunday.
    #[must_use]
    pub fn sunday(self) -> Date {
        self.0.saturating_add(time::Duration::days(6))
    }
}

impl fmt::Display for Week {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, week, _) = self.0.to_iso_week_date();
        write!(f, "{year:04}-W{week:02}")
    }
}

impl FromStr for Week {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let (year, week) = text.split_once("-W")?;
            let digits = |s: &str, n| s.len() == n && s.bytes().all(|b| b.is_ascii_digit());
            if !digits(year, 4) || !digits(week, 2) {
                return None;
            }
            Date::from_iso_week_date(year.parse().ok()?, week.parse().ok()?, Weekday::Monday).ok()
        };
        read().map(Self).ok_or_else(|| format!("`{text}` is no week; write one as 2026-W47"))
    }
}

impl From<Week> for String {
    fn from(week: Week) -> Self {
        week.to_string()
    }
}

impl TryFrom<String> for Week {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use time::Month;

    #[test]
    fn the_turn_of_the_year_belongs_to_the_week_of_its_thursday() {
        let week = |y, m, d| Week::of(Date::from_calendar_date(y, m, d).unwrap()).to_string();
        assert_eq!(week(2026, Month::November, 22), "2026-W47");
        assert_eq!((week(2026, Month::December, 31), week(2027, Month::January, 3)), ("2026-W53".into(), "2026-W53".into()));
        assert_eq!(week(2027, Month::January, 4), "2027-W01");
    }

    proptest! {
        #[test]
        fn a_week_reads_back_from_its_name(day in 1_800_000_i32..2_900_000) {
            let week = Week::of(Date::from_julian_day(day).unwrap());
            prop_assert_eq!(week.to_string().parse::<Week>(), Ok(week));
            prop_assert_eq!(week.monday().weekday(), Weekday::Monday);
            prop_assert_eq!(Week::of(week.sunday()), week);
        }

        #[test]
        fn whatever_is_no_week_is_refused(text in "\\PC{0,12}") {
            if let Ok(week) = text.parse::<Week>() {
                prop_assert_eq!(week.to_string(), text);
            }
        }
    }

    #[test]
    fn there_is_no_week_54_and_no_week_0() {
        for bad in ["2026-W54", "2026-W00", "2025-W53", "26-W01", "2026-1", "2026-W1", ""] {
            assert!(bad.parse::<Week>().is_err(), "{bad}");
        }
    }
}
