//! What was used and what it cost: by day, model, expert and person, and the forecast of the month.

use super::{
    forecast::{Forecast, forecast},
    rates::micros_up,
    store,
};
use crate::Platform;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use time::{Date, Duration, OffsetDateTime};
use utoipa::ToSchema;
use uuid::Uuid;
use vital_kernel::{Error, OpContext, Permission, Result, UserId, now};

/// Most days of one report.
pub const DAYS_MAX: i64 = 400;
/// Days of a report where nothing is said.
const DAYS: i64 = 30;
/// Most lines of each part but that of days; the rest stands in the last line.
const LINES_MAX: usize = 50;

/// What some requests came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Totals {
    /// Requests to models.
    pub requests: i64,
    /// Tokens read, those from a cache included.
    pub input_tokens: i64,
    /// Tokens read from a provider's cache.
    pub cached_input_tokens: i64,
    /// Tokens written, those of reasoning included.
    pub output_tokens: i64,
    /// What they cost, in millionths of a US dollar, rounded up; those without a price left out.
    pub cost_micros: i64,
    /// Requests to models without a price.
    pub unpriced: i64,
    /// Requests whose figures are not the provider's own report as it came.
    pub estimated: i64,
}

/// A line of a report.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Line {
    /// Id of the expert or the person, where it is about one.
    pub id: Option<Uuid>,
    /// The day, provider and model, expert or person.
    pub name: String,
    /// What that came to.
    #[serde(flatten)]
    pub totals: Totals,
}

/// What was used within some days, by the calendar in UTC.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct UsageReport {
    /// The first day.
    pub from: String,
    /// The last day.
    pub to: String,
    /// The currency of all amounts.
    pub currency: String,
    /// Whether it is about the reader's own use alone.
    pub own: bool,
    /// All of it.
    pub total: Totals,
    /// By day, the first one first; days without a request are there too.
    pub days: Vec<Line>,
    /// By model, the dearest first; at most 50 lines, as in those below, the last being what is left.
    pub models: Vec<Line>,
    /// By expert.
    pub experts: Vec<Line>,
    /// By person; empty in a report about oneself.
    pub people: Vec<Line>,
    /// What the month under way will cost; none where there are fewer than seven whole days to go by, and in a report about oneself.
    pub forecast: Option<Forecast>,
}

/// What a line of the database is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Total,
    Day(Date),
    Model,
    Expert,
    Person,
}

/// A line as the database sums it.
pub(super) struct Summed {
    pub part: Part,
    pub id: Option<Uuid>,
    pub name: Option<String>,
    pub totals: Totals,
}

/// Reports what was used from one day to another, both included; the last 30 days where nothing is said. Whoever may not see everybody's use sees
/// their own, and so does everybody who asks for it.
///
/// # Errors
/// `Forbidden` without the permission to see settings; `Invalid` for days that are not in order or more than 400.
pub async fn report(p: &Platform, cx: &OpContext, from: Option<Date>, to: Option<Date>, own: bool) -> Result<UsageReport> {
    cx.require(Permission::SettingsRead)?;
    let own = own || !cx.may(Permission::UsageRead);
    let user = if own { Some(cx.require_user()?) } else { None };
    let today = now().date();
    let (from, to) = range(today, from, to)?;
    let mut tx = p.db.read(cx).await?;
    let lines = store::summed(&mut tx, from.midnight().assume_utc(), after(to), user.map(|UserId(id)| id)).await?;
    let forecast = if own { None } else { forecast_now(&mut tx, today).await? };
    tx.end().await?;
    Ok(assembled(from, to, own, lines, forecast))
}

/// The days of a report or an export.
pub(super) fn range(today: Date, from: Option<Date>, to: Option<Date>) -> Result<(Date, Date)> {
    let to = to.unwrap_or(today);
    let from = from.unwrap_or_else(|| to.saturating_sub(Duration::days(DAYS - 1)));
    if from > to || (to - from).whole_days() >= DAYS_MAX || to.year() > 9_000 {
        return Err(Error::invalid("usage.range", "These days cannot be shown. Nothing was read.")
            .with_field("/from", format!("Give a first day that is not after the last one, and at most {DAYS_MAX} days.")));
    }
    Ok((from, to))
}

/// The moment after a day.
pub(super) fn after(day: Date) -> OffsetDateTime {
    day.next_day().unwrap_or(Date::MAX).midnight().assume_utc()
}

async fn forecast_now(tx: &mut vital_store::TenantTx<vital_store::Read>, today: Date) -> Result<Option<Forecast>> {
    let Some(first) = store::first_day(tx).await? else { return Ok(None) };
    // A month has at most 31 days, and 28 days before today may reach back further.
    let since = today.saturating_sub(Duration::days(31));
    let costs: HashMap<Date, i64> = store::day_costs(tx, since.midnight().assume_utc()).await?.into_iter().collect();
    Ok(forecast(today, first, |day| costs.get(&day).map_or(0, |pico| micros_up(*pico))))
}

fn assembled(from: Date, to: Date, own: bool, lines: Vec<Summed>, forecast: Option<Forecast>) -> UsageReport {
    let mut report = UsageReport {
        from: from.to_string(),
        to: to.to_string(),
        currency: super::rates::CURRENCY.to_owned(),
        own,
        total: Totals::default(),
        days: Vec::new(),
        models: Vec::new(),
        experts: Vec::new(),
        people: Vec::new(),
        forecast,
    };
    let mut days = HashMap::new();
    for line in lines {
        let shown = |other: &str| Line { id: line.id, name: line.name.clone().unwrap_or_else(|| other.to_owned()), totals: line.totals };
        match line.part {
            Part::Total => report.total = line.totals,
            Part::Day(day) => {
                days.insert(day, line.totals);
            }
            Part::Model => report.models.push(shown("unknown")),
            Part::Expert => report.experts.push(shown("No expert")),
            Part::Person if own => {}
            Part::Person => report.people.push(shown("The platform itself")),
        }
    }
    let mut day = from;
    while day <= to {
        report.days.push(Line { id: None, name: day.to_string(), totals: days.get(&day).copied().unwrap_or_default() });
        match day.next_day() {
            Some(next) => day = next,
            None => break,
        }
    }
    for part in [&mut report.models, &mut report.experts, &mut report.people] {
        shorten(part);
    }
    report
}

/// Keeps the dearest lines and sums the rest up in the last.
fn shorten(lines: &mut Vec<Line>) {
    lines.sort_by_key(|line| std::cmp::Reverse((line.totals.cost_micros, line.totals.input_tokens + line.totals.output_tokens)));
    if lines.len() > LINES_MAX {
        let rest = lines.split_off(LINES_MAX - 1);
        let totals = rest.iter().fold(Totals::default(), |a, b| a.and(&b.totals));
        lines.push(Line { id: None, name: format!("{} others", rest.len()), totals });
    }
}

impl Totals {
    fn and(self, other: &Self) -> Self {
        Self {
            requests: self.requests + other.requests,
            input_tokens: self.input_tokens + other.input_tokens,
            cached_input_tokens: self.cached_input_tokens + other.cached_input_tokens,
            output_tokens: self.output_tokens + other.output_tokens,
            cost_micros: self.cost_micros.saturating_add(other.cost_micros),
            unpriced: self.unpriced + other.unpriced,
            estimated: self.estimated + other.estimated,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::date;

    #[test]
    fn ranges_are_bounded_and_default_to_thirty_days() {
        let today = date!(2026 - 11 - 23);
        assert_eq!(range(today, None, None).unwrap(), (date!(2026 - 10 - 25), today));
        assert!(range(today, Some(date!(2026 - 11 - 24)), None).is_err());
        assert!(range(today, Some(date!(2025 - 10 - 20)), None).is_ok());
        assert!(range(today, Some(date!(2025 - 10 - 19)), None).is_err());
    }

    #[test]
    fn what_is_beyond_the_lines_is_summed_up() {
        let line = |n: i64| Line { id: None, name: n.to_string(), totals: Totals { requests: 1, cost_micros: n, ..Totals::default() } };
        let mut lines: Vec<Line> = (0..60).map(line).collect();
        shorten(&mut lines);
        assert_eq!((lines.len(), lines[0].name.as_str(), lines[49].name.as_str()), (50, "59", "11 others"));
        assert_eq!((lines[49].totals.requests, lines[49].totals.cost_micros), (11, (0..11).sum::<i64>()));
    }
}
