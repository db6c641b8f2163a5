//! Telling the administrators of an organisation that a budget has crossed its threshold.

use super::{BudgetScope, Period, rates::money, settle::Owner};
use crate::{
    Platform,
    identity::{operator_context, tell_admins},
    outbox::Event,
};
use std::fmt::Write as _;
use time::Date;
use uuid::Uuid;
use vital_kernel::TenantId;

/// A budget that crossed its threshold just now.
pub(super) struct Crossed {
    pub scope: BudgetScope,
    pub period: Period,
    pub period_start: Date,
    pub limit_tokens: Option<i64>,
    pub spent_tokens: i64,
    pub limit_pico: Option<i64>,
    pub spent_pico: i64,
    /// Name of the person or the expert.
    pub name: Option<String>,
}

impl Crossed {
    /// What webhooks are told of it: whose budget, never how much.
    pub(super) fn event(&self, owner: &Owner<'_>) -> Event {
        let own = |scopes: &[BudgetScope], id: Option<Uuid>| id.filter(|_| scopes.contains(&self.scope));
        Event::BudgetThreshold {
            scope: self.scope.as_str(),
            period: self.period.as_str(),
            began: self.period_start,
            member: own(&[BudgetScope::EveryPerson, BudgetScope::Person], owner.user),
            expert: own(&[BudgetScope::Expert], owner.expert),
        }
    }
}

/// Sends the notice. That it leaves is not certain; the page of use shows the warning in any case.
pub(super) async fn tell(p: &Platform, tenant: TenantId, crossed: &Crossed) {
    vital_metrics::budget_warned(crossed.scope.as_str());
    let cx = operator_context(tenant);
    let text = text(p.site(), crossed);
    match tell_admins(p, &cx, "A budget of your organisation on VITAL Path is nearly used up", &text).await {
        Ok((told, not_told)) => tracing::info!(%tenant, told, not_told, "administrators were told that a budget is nearly used up"),
        Err(error) => tracing::warn!(%error, %tenant, "administrators could not be told that a budget is nearly used up"),
    }
}

fn text(site: &str, crossed: &Crossed) -> String {
    let of = match (crossed.scope, &crossed.name) {
        (BudgetScope::Organisation, _) => "of your organisation".to_owned(),
        (BudgetScope::Expert, Some(name)) => format!("of the expert {name}"),
        (BudgetScope::Expert, None) => "of an expert".to_owned(),
        (_, Some(name)) => format!("of {name}"),
        (_, None) => "of a person".to_owned(),
    };
    let mut text = format!("The {} budget {of} has crossed its warning threshold.\n\n", crossed.period.adjective());
    if let Some(limit) = crossed.limit_tokens {
        let _infallible = writeln!(text, "Tokens: {} of {limit}", crossed.spent_tokens);
    }
    if let (Some(spent), Some(limit)) = (money(crossed.spent_pico), crossed.limit_pico.and_then(money)) {
        let _infallible = writeln!(text, "Money: {spent} of {limit}");
    }
    let renews = crossed.period.end(crossed.period_start).date();
    let _infallible = write!(
        text,
        "\nWhen it is used up, requests are refused until it renews on {renews} at 00:00 UTC. You can raise it here:\n{site}/settings/usage\n\nThis is sent once in each period.\n"
    );
    text
}
