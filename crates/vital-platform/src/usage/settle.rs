//! After a request: its hold is replaced by what it came to, in one transaction, tried again while the database is away.
//!
//! Nobody waits for the disk here (`app.settle_usage`): all requests of an organisation share its counters, and would wait for each other. Where
//! the database's machine falls within the next moment, ledger, counters and trail lose the same requests, and holds that are left are swept.

use super::{Meter, Purpose, charge::Charge, notice, store};
use crate::{Platform, outbox};
use std::time::Duration;
use time::OffsetDateTime;
use uuid::Uuid;
use vital_kernel::{AuditAction, AuditEntry, Kind, OpContext, Result};
use vital_store::Unaudited;

/// How often a settlement is tried; what is left then is swept when it is overdue.
const TRIES: u32 = 8;
/// The wait before the second try; each further one is twice as long.
const PAUSE: Duration = Duration::from_millis(100);

/// The most that a request under way can come to.
#[derive(Clone, Debug)]
pub(super) struct Hold {
    pub id: Uuid,
    pub at: OffsetDateTime,
    pub expires_at: OffsetDateTime,
    pub cx: OpContext,
    pub meter: Meter,
    pub provider: String,
    pub model: String,
    pub input: i64,
    pub output: i64,
    pub pico: Option<i64>,
}

/// Which request is settled: the parts of its hold that the ledger keeps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owner<'a> {
    pub id: Uuid,
    pub at: OffsetDateTime,
    pub user: Option<Uuid>,
    pub expert: Option<Uuid>,
    pub turn: Option<Uuid>,
    pub purpose: &'a str,
}

impl Hold {
    fn owner(&self) -> Owner<'_> {
        Owner {
            id: self.id,
            at: self.at,
            user: self.cx.user().map(|id| id.0),
            expert: self.meter.expert.map(|id| id.0),
            turn: self.meter.turn.map(|id| id.0),
            purpose: self.meter.purpose.as_str(),
        }
    }
}

/// Settles a hold, and tells the administrators of thresholds that it crosses.
pub(super) async fn patiently(p: &Platform, hold: &Hold, charges: Vec<Charge>) {
    // The first row has the number of the hold, so that whatever is settled twice is counted once.
    let rows: Vec<(Uuid, Charge)> =
        charges.into_iter().enumerate().map(|(n, charge)| (if n == 0 { hold.id } else { Uuid::now_v7() }, charge)).collect();
    for tried in 0..TRIES {
        match settle(p, &hold.cx, &hold.owner(), &rows).await {
            Ok(_) => return,
            Err(error) if error.kind() == Kind::Unavailable && error.code() != "tenant.keyless" && tried + 1 < TRIES => {
                tokio::time::sleep(PAUSE * 2_u32.pow(tried)).await;
            }
            Err(error) => {
                tracing::error!(?error, hold = %hold.id, "a request to a model could not be settled; it is swept at its estimate");
                return;
            }
        }
    }
}

/// Settles once. Returns false where it had been settled before.
pub(super) async fn settle(p: &Platform, cx: &OpContext, owner: &Owner<'_>, rows: &[(Uuid, Charge)]) -> Result<bool> {
    let mut tx = p.db.write(cx).await?;
    for (id, charge) in rows {
        if !store::insert_ledger(&mut tx, *id, owner, charge).await? {
            return Ok(false);
        }
    }
    let tokens = rows.iter().map(|(_, c)| tokens(c)).sum();
    let pico = rows.iter().filter_map(|(_, c)| c.pico).sum();
    let crossed = store::settle(&mut tx, owner, tokens, pico).await?;
    for crossed in &crossed {
        outbox::enqueue(&mut tx, crossed.event(owner)).await?;
    }
    match uses(owner, rows) {
        entries if entries.is_empty() => tx.commit_unaudited(Unaudited::Usage).await?,
        entries => tx.commit_all(entries).await?,
    }
    for (_, charge) in rows {
        let micros = charge.pico.map_or(0, |pico| (pico + 500_000) / 1_000_000);
        vital_metrics::model_cost(charge.basis.as_str(), u64::try_from(micros).unwrap_or_default());
    }
    for crossed in &crossed {
        notice::tell(p, cx.tenant(), crossed).await;
    }
    Ok(true)
}

/// The entries of what went past the experts: names and counts alone. Answers of experts are in the trail by their turns.
fn uses(owner: &Owner<'_>, rows: &[(Uuid, Charge)]) -> Vec<AuditEntry> {
    let about = |c: &Charge| format!("{} {}: {} tokens read, {} written", c.provider, c.model, c.usage.input, c.usage.output);
    let direct = rows.iter().filter(|_| owner.purpose == Purpose::Direct.as_str());
    direct.map(|(_, charge)| AuditEntry::new(AuditAction::ModelUsed, "model", about(charge))).collect()
}

/// What counts against a budget of tokens.
fn tokens(charge: &Charge) -> i64 {
    i64::try_from(charge.usage.input.saturating_add(charge.usage.output)).unwrap_or(i64::MAX / 4)
}
