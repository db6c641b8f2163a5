//! Budgets: who may use how much within a day or a month.

use super::{rates, store};
use crate::Platform;
use serde::{Deserialize, Serialize};
use time::{Date, Month, OffsetDateTime, UtcOffset};
use utoipa::ToSchema;
use uuid::Uuid;
use vital_kernel::{AuditAction, AuditEntry, BudgetId, Error, ExpertId, OpContext, Permission, Result, UserId, now};

/// Most budgets of one organisation: each covers a row of counters, which every request that it covers locks for a moment.
pub const BUDGETS_MAX: i64 = 500;
/// Highest limits: a thousand million million tokens, and a million US dollars in millionths.
const TOKENS_MAX: u64 = 1_000_000_000_000_000;
const MICROS_MAX: u64 = 1_000_000 * 1_000_000;
/// What is warned at where nothing else is said, in percent of the limit.
pub const SOFT_PERCENT: u8 = 80;
/// Millionths of a millionth in a millionth.
const PICO_IN_MICRO: i64 = 1_000_000;

/// Whose use a budget limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BudgetScope {
    /// Of all together.
    Organisation,
    /// Of each person by themselves, unless there is a budget of their own for the same period.
    EveryPerson,
    /// Of one person or service account.
    Person,
    /// Of one expert, whoever asks.
    Expert,
}

impl BudgetScope {
    const ALL: [Self; 4] = [Self::Organisation, Self::EveryPerson, Self::Person, Self::Expert];

    /// The stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Organisation => "organisation",
            Self::EveryPerson => "every_person",
            Self::Person => "person",
            Self::Expert => "expert",
        }
    }

    pub(super) fn parse(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == name).ok_or_else(|| Error::internal("a budget has an unknown scope"))
    }
}

/// How often a budget renews, by the calendar in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// At midnight.
    Day,
    /// At the beginning of the month.
    Month,
}

impl Period {
    /// The stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Month => "month",
        }
    }

    pub(super) fn parse(name: &str) -> Result<Self> {
        [Self::Day, Self::Month].into_iter().find(|p| p.as_str() == name).ok_or_else(|| Error::internal("a budget has an unknown period"))
    }

    /// What a budget of this period is called.
    #[must_use]
    pub const fn adjective(self) -> &'static str {
        match self {
            Self::Day => "daily",
            Self::Month => "monthly",
        }
    }

    /// The first day of the period that a moment belongs to.
    #[must_use]
    pub fn start(self, at: OffsetDateTime) -> Date {
        let day = at.to_offset(UtcOffset::UTC).date();
        match self {
            Self::Day => day,
            Self::Month => day.replace_day(1).unwrap_or(day),
        }
    }

    /// When the period that begins on a day is over.
    #[must_use]
    pub fn end(self, start: Date) -> OffsetDateTime {
        let next = match self {
            Self::Day => start.next_day(),
            Self::Month => {
                let year = if start.month() == Month::December { start.year() + 1 } else { start.year() };
                Date::from_calendar_date(year, start.month().next(), 1).ok()
            }
        };
        next.unwrap_or(Date::MAX).midnight().assume_utc()
    }
}

/// How a budget stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BudgetState {
    /// Below the threshold.
    Within,
    /// The threshold is crossed.
    Warning,
    /// Nothing is left.
    Exhausted,
}

/// A budget, and how it stands in the period under way.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Budget {
    /// Its id.
    #[schema(value_type = Uuid)]
    pub id: BudgetId,
    /// Whose use it limits.
    pub scope: BudgetScope,
    /// The person, where it is one person's.
    #[schema(value_type = Option<Uuid>)]
    pub user: Option<UserId>,
    /// The expert, where it is one expert's.
    #[schema(value_type = Option<Uuid>)]
    pub expert: Option<ExpertId>,
    /// Name of the person or of the expert.
    pub name: Option<String>,
    /// How often it renews.
    pub period: Period,
    /// Most tokens within the period.
    pub limit_tokens: Option<i64>,
    /// Most money within the period, in millionths of a US dollar.
    pub limit_micros: Option<i64>,
    /// Percent of the limit at which administrators are warned.
    pub soft_percent: u8,
    /// Tokens spent in the period under way; of every person's budget, by who spent the most.
    pub spent_tokens: i64,
    /// Money spent, likewise, in millionths of a US dollar, rounded up.
    pub spent_micros: i64,
    /// Tokens held for requests under way.
    pub held_tokens: i64,
    /// Money held for them, in millionths of a US dollar, rounded up.
    pub held_micros: i64,
    /// How it stands.
    pub state: BudgetState,
    /// When the period under way ends.
    #[serde(with = "time::serde::rfc3339")]
    pub renews_at: OffsetDateTime,
}

/// A budget to be set. There is one for each scope, subject and period: setting it again changes its limits.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"scope": "every_person", "period": "month", "limit_tokens": 5_000_000, "soft_percent": 80}))]
pub struct NewBudget {
    /// Whose use it limits.
    pub scope: BudgetScope,
    /// The person; for `person` alone.
    #[schema(value_type = Option<Uuid>)]
    pub user: Option<UserId>,
    /// The expert; for `expert` alone.
    #[schema(value_type = Option<Uuid>)]
    pub expert: Option<ExpertId>,
    /// How often it renews.
    pub period: Period,
    /// Most tokens within the period, those read and those written together: 1 to 10^15.
    pub limit_tokens: Option<u64>,
    /// Most money within the period, in millionths of a US dollar: 1 to 10^12.
    pub limit_micros: Option<u64>,
    /// Percent of the limit at which administrators are warned, 1 to 100; 80 where nothing is said.
    pub soft_percent: Option<u8>,
}

/// A row of the table, with the counters of the period under way.
pub(super) struct Row {
    pub id: Uuid,
    pub scope: BudgetScope,
    pub user: Option<Uuid>,
    pub expert: Option<Uuid>,
    pub name: Option<String>,
    pub period: Period,
    pub limit_tokens: Option<i64>,
    pub limit_pico: Option<i64>,
    pub soft_percent: i32,
    pub tokens_spent: i64,
    pub tokens_held: i64,
    pub pico_spent: i64,
    pub pico_held: i64,
}

impl Row {
    fn shown(self, at: OffsetDateTime) -> Budget {
        let part = |spent: i64, limit: Option<i64>| limit.map(|limit| i128::from(spent) * 100 / i128::from(limit.max(1)));
        let most = part(self.tokens_spent, self.limit_tokens).max(part(self.pico_spent, self.limit_pico)).unwrap_or_default();
        let state = match most {
            100.. => BudgetState::Exhausted,
            most if most >= i128::from(self.soft_percent) => BudgetState::Warning,
            _ => BudgetState::Within,
        };
        Budget {
            id: BudgetId(self.id),
            scope: self.scope,
            user: self.user.map(UserId),
            expert: self.expert.map(ExpertId),
            name: self.name,
            period: self.period,
            limit_tokens: self.limit_tokens,
            limit_micros: self.limit_pico.map(|pico| pico / PICO_IN_MICRO),
            soft_percent: u8::try_from(self.soft_percent).unwrap_or(SOFT_PERCENT),
            spent_tokens: self.tokens_spent,
            spent_micros: rates::micros_up(self.pico_spent),
            held_tokens: self.tokens_held,
            held_micros: rates::micros_up(self.pico_held),
            state,
            renews_at: self.period.end(self.period.start(at)),
        }
    }
}

/// Lists the budgets of the organisation and how they stand.
///
/// # Errors
/// `Forbidden` without the permission to see use.
pub async fn budgets(p: &Platform, cx: &OpContext) -> Result<Vec<Budget>> {
    cx.require(Permission::UsageRead)?;
    let at = now();
    let rows = store::budgets(&mut p.db.read(cx).await?, at, None).await?;
    Ok(rows.into_iter().map(|row| row.shown(at)).collect())
}

/// Sets a budget, from the next request on. What the period under way has spent already counts.
///
/// # Errors
/// `Forbidden` without permission; `Invalid` with the fields; `Conflict` with more budgets than an organisation may have.
pub async fn set_budget(p: &Platform, cx: &OpContext, new: NewBudget) -> Result<Budget> {
    cx.require(Permission::BudgetManage)?;
    check(&new)?;
    let at = now();
    let mut tx = p.db.write(cx).await?;
    store::lock_alone(&mut tx).await?;
    let subject_known = match (new.user, new.expert) {
        (Some(user), _) => store::is_member(&mut tx, user).await?,
        (_, Some(expert)) => store::is_expert(&mut tx, expert).await?,
        _ => true,
    };
    if !subject_known {
        let field = if new.user.is_some() { "/user" } else { "/expert" };
        return Err(invalid(field, "There is nobody with this id in your organisation."));
    }
    if store::count_budgets(&mut tx).await? >= BUDGETS_MAX {
        return Err(Error::conflict(
            "budget.too_many",
            format!("An organisation has at most {BUDGETS_MAX} budgets. Nothing was stored; remove one that is not needed."),
        ));
    }
    let id = store::put_budget(&mut tx, &new, at).await?;
    store::count_spent(&mut tx, id, at).await?;
    let row = store::budgets(&mut tx, at, Some(id)).await?.pop().ok_or_else(unknown)?;
    tx.commit(AuditEntry::new(AuditAction::BudgetSet, "budget", id).fields(&["limit_tokens", "limit_micros", "soft_percent"])).await?;
    Ok(row.shown(at))
}

/// Removes a budget: what it covered is limited by the others alone.
///
/// # Errors
/// `Forbidden` without permission; `NotFound`.
pub async fn remove_budget(p: &Platform, cx: &OpContext, id: BudgetId) -> Result<()> {
    cx.require(Permission::BudgetManage)?;
    let mut tx = p.db.write(cx).await?;
    store::lock_alone(&mut tx).await?;
    if !store::delete_budget(&mut tx, id).await? {
        return Err(unknown());
    }
    tx.commit(AuditEntry::new(AuditAction::BudgetRemoved, "budget", id)).await
}

fn unknown() -> Error {
    Error::not_found("budget.unknown", "There is no such budget in your organisation. It may have been removed.")
}

fn invalid(field: &str, detail: &str) -> Error {
    Error::invalid("budget.invalid", "Some fields need another look. Nothing was stored.").with_field(field, detail)
}

fn check(new: &NewBudget) -> Result<()> {
    if (new.scope == BudgetScope::Person) != new.user.is_some() {
        return Err(invalid("/user", "Name the person for a budget of one person, and for no other."));
    }
    if (new.scope == BudgetScope::Expert) != new.expert.is_some() {
        return Err(invalid("/expert", "Name the expert for a budget of one expert, and for no other."));
    }
    if new.limit_tokens.is_none() && new.limit_micros.is_none() {
        return Err(invalid("/limit_tokens", "Give a limit in tokens, in money, or in both."));
    }
    if new.limit_tokens.is_some_and(|n| !(1..=TOKENS_MAX).contains(&n)) {
        return Err(invalid("/limit_tokens", "Give 1 to 1,000,000,000,000,000 tokens."));
    }
    if new.limit_micros.is_some_and(|n| !(1..=MICROS_MAX).contains(&n)) {
        return Err(invalid("/limit_micros", "Give 1 to 1,000,000,000,000 millionths of a US dollar."));
    }
    if new.soft_percent.is_some_and(|n| !(1..=100).contains(&n)) {
        return Err(invalid("/soft_percent", "Give 1 to 100 percent."));
    }
    Ok(())
}

impl NewBudget {
    pub(super) fn limit_pico(&self) -> Option<i64> {
        self.limit_micros.and_then(|micros| i64::try_from(micros).ok()?.checked_mul(PICO_IN_MICRO))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::{date, datetime};

    #[test]
    fn periods_are_those_of_the_calendar_in_utc() {
        let late = datetime!(2026-12-31 23:30 -2);
        assert_eq!((Period::Day.start(late), Period::Month.start(late)), (date!(2027 - 01 - 01), date!(2027 - 01 - 01)));
        assert_eq!(Period::Day.end(date!(2028 - 02 - 28)), datetime!(2028-02-29 0:00 UTC));
        assert_eq!(Period::Month.end(date!(2026 - 12 - 01)), datetime!(2027-01-01 0:00 UTC));
        assert_eq!(Period::Month.end(date!(2026 - 01 - 01)), datetime!(2026-02-01 0:00 UTC));
    }
}
