//! When an organisation works. The review takes what happens outside of it for worth a look, and nothing is forbidden by it.

use super::store;
use crate::Platform;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use vital_kernel::{AuditAction, AuditEntry, Error, OpContext, Permission, Result};

/// The working hours of an organisation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"time_zone": "Europe/Berlin", "from_hour": 7, "to_hour": 19, "weekdays": [1, 2, 3, 4, 5]}))]
pub struct WorkingHours {
    /// Name of the time zone in the IANA database, such as `Europe/Berlin`.
    pub time_zone: String,
    /// The hour in which work begins, 0 to 23.
    pub from_hour: i16,
    /// The hour at whose beginning work ends, 1 to 24.
    pub to_hour: i16,
    /// The days of work, 1 for Monday to 7 for Sunday (ISO 8601).
    pub weekdays: Vec<i16>,
}

impl Default for WorkingHours {
    fn default() -> Self {
        Self { time_zone: "UTC".to_owned(), from_hour: 7, to_hour: 19, weekdays: vec![1, 2, 3, 4, 5] }
    }
}

/// Reads the working hours; Monday to Friday from 7 to 19 UTC until somebody sets others.
///
/// # Errors
/// `Forbidden` without the permission to read the trail.
pub async fn working_hours(p: &Platform, cx: &OpContext) -> Result<WorkingHours> {
    cx.require(Permission::AuditRead)?;
    store::review::working_hours(&mut p.db.read(cx).await?).await.map(Option::unwrap_or_default)
}

/// Sets the working hours. They count for weeks that have no review yet.
///
/// # Errors
/// `Forbidden` without the permission to change policies or a recent proof of a second factor; `Invalid` with a pointer per field.
pub async fn set_working_hours(p: &Platform, cx: &OpContext, hours: WorkingHours) -> Result<()> {
    cx.require(Permission::PolicyWrite)?;
    cx.require_step_up()?;
    let mut hours = hours;
    hours.time_zone = hours.time_zone.trim().to_owned();
    hours.weekdays.sort_unstable();
    hours.weekdays.dedup();
    let mut error = Error::invalid("working_hours.invalid", "Some fields need another look. Nothing was changed.");
    if !(0..=23).contains(&hours.from_hour) {
        error = error.with_field("/from_hour", "Choose 0 to 23.");
    }
    if !(1..=24).contains(&hours.to_hour) || hours.to_hour <= hours.from_hour {
        error = error.with_field("/to_hour", "Choose an hour after the beginning, 24 at most.");
    }
    if hours.weekdays.is_empty() || hours.weekdays.iter().any(|day| !(1..=7).contains(day)) {
        error = error.with_field("/weekdays", "Choose at least one day.");
    }
    let mut tx = p.db.write(cx).await?;
    if tx.is_conditional() {
        let present = store::review::working_hours(&mut tx).await?.unwrap_or_default();
        tx.expect_unchanged(&present)?;
    }
    if !store::review::is_time_zone(&mut tx, &hours.time_zone).await? {
        error = error.with_field("/time_zone", "Write the name of a time zone, such as Europe/Berlin, America/New_York or UTC.");
    }
    if !error.fields().is_empty() {
        return Err(error);
    }
    store::review::set_working_hours(&mut tx, &hours).await?;
    tx.commit(AuditEntry::new(AuditAction::PolicyChanged, "tenant", cx.tenant()).fields(&["working_hours"])).await
}
