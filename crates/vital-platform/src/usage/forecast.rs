//! What the month under way will cost, if it goes on as the last weeks did.
//!
//! The rule: of the last 28 days before today, each weekday has its own mean cost. What is expected of the rest of the month is the sum of the
//! means of the weekdays to come; of today it is what its mean has over what it cost so far, if anything. The range is two standard deviations of
//! the days about their weekday's mean (about the mean of all days where there are fewer than 14 of them), times the square root of the number of
//! days to come: about nineteen months in twenty end within it, if days are alike and do not depend on each other. It never goes below what is
//! spent already.
//!
//! There is no forecast where the first request is fewer than seven whole days ago.

use serde::{Deserialize, Serialize};
use time::{Date, Duration};
use utoipa::ToSchema;

/// Whole days that there must be.
pub const DAYS_MIN: usize = 7;
/// Whole days that are looked at.
pub const DAYS_MAX: usize = 28;

/// What the month under way will probably cost, in millionths of a US dollar.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Forecast {
    /// What is spent in the month already.
    pub spent_micros: i64,
    /// What the whole month will cost.
    pub expected_micros: i64,
    /// It will hardly be less.
    pub low_micros: i64,
    /// It will hardly be more.
    pub high_micros: i64,
    /// Whole days that this was made of, 7 to 28.
    pub days: usize,
}

/// Forecasts the month of `today` by the cost of each day; `cost_of` is asked for days from `first`, the day of the first request, to `today`.
pub(super) fn forecast(today: Date, first: Date, cost_of: impl Fn(Date) -> i64) -> Option<Forecast> {
    let back = |n: usize| today - Duration::days(i64::try_from(n).unwrap_or(0));
    let days: Vec<(usize, f64)> = (1..=DAYS_MAX).map(back).filter(|d| *d >= first).map(|d| (weekday(d), float(cost_of(d)))).collect();
    if days.len() < DAYS_MIN {
        return None;
    }
    let mean_of = |costs: &[f64]| costs.iter().sum::<f64>() / float(i64::try_from(costs.len()).unwrap_or(1).max(1));
    let means: [f64; 7] = std::array::from_fn(|w| mean_of(&days.iter().filter(|(d, _)| *d == w).map(|(_, c)| *c).collect::<Vec<_>>()));
    let by_weekday = days.len() >= 2 * DAYS_MIN;
    let all = mean_of(&days.iter().map(|(_, c)| *c).collect::<Vec<_>>());
    let squares: f64 = days.iter().map(|(w, c)| (c - if by_weekday { means[*w] } else { all }).powi(2)).sum();
    let freedom = days.len() - if by_weekday { DAYS_MIN } else { 1 };
    let deviation = (squares / float(i64::try_from(freedom).unwrap_or(1))).sqrt();
    let month = (0..i64::from(today.day())).map(|n| today - Duration::days(n));
    let spent: i64 = month.filter(|d| *d >= first).map(&cost_of).sum();
    let left = i64::from(today.month().length(today.year()) - today.day());
    let to_come: f64 = (1..=left).map(|n| means[weekday(today + Duration::days(n))]).sum::<f64>()
        + (means[weekday(today)] - float(cost_of(today))).max(0.0);
    let spread = 2.0 * deviation * float(left + 1).sqrt();
    let at = |more: f64| spent.saturating_add(whole(more.max(0.0)));
    Some(Forecast {
        spent_micros: spent,
        expected_micros: at(to_come),
        low_micros: at(to_come - spread),
        high_micros: at(to_come + spread),
        days: days.len(),
    })
}

fn weekday(day: Date) -> usize {
    usize::from(day.weekday().number_days_from_monday())
}

#[expect(clippy::cast_precision_loss, reason = "a forecast of nine thousand million dollars may be off by a millionth")]
const fn float(n: i64) -> f64 {
    n as f64
}

#[expect(clippy::cast_possible_truncation, reason = "what is beyond the range becomes its end")]
fn whole(n: f64) -> i64 {
    n.round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::date;

    #[test]
    fn weekdays_and_weekends_go_on_as_they_did() {
        // A Wednesday; ten dollars on working days, one at the weekend.
        let today = date!(2026 - 11 - 18);
        let cost = |d: Date| if weekday(d) < 5 { 10_000_000 } else { 1_000_000 };
        let f = forecast(today, date!(2026 - 01 - 01), cost).unwrap();
        let month: i64 = (1..=30).map(|n| cost(Date::from_calendar_date(2026, time::Month::November, n).unwrap())).sum();
        assert_eq!((f.expected_micros, f.low_micros, f.high_micros, f.days), (month, month, month, 28));
        assert_eq!(f.spent_micros, 13 * 10_000_000 + 5 * 1_000_000);
    }

    #[test]
    fn a_week_is_needed_and_what_is_uneven_has_a_wide_range() {
        let today = date!(2026 - 11 - 18);
        let cost = |d: Date| if d.day().is_multiple_of(2) { 0 } else { 2_000_000 };
        assert_eq!(forecast(today, date!(2026 - 11 - 12), cost), None);
        let f = forecast(today, date!(2026 - 11 - 11), cost).unwrap();
        assert_eq!(f.days, 7);
        assert!(f.low_micros >= f.spent_micros && f.low_micros < f.expected_micros && f.expected_micros < f.high_micros, "{f:?}");
    }

    #[test]
    fn at_the_end_of_the_month_today_is_all_that_is_left() {
        let today = date!(2026 - 02 - 28);
        let f = forecast(today, date!(2026 - 01 - 01), |d| if d == today { 500 } else { 1_000 }).unwrap();
        assert_eq!((f.spent_micros, f.expected_micros), (27_500, 28_000));
    }
}
