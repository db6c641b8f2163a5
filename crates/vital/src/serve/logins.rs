//! Follows the file of the database's role passwords: an exchange of them is used without a restart.

use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;
use vital_platform::{Platform, keys};
use vital_store::RoleFile;

/// How often the file is looked at within the window of an exchange (`keys.spread_s`).
const LOOKS_PER_WINDOW: u32 = 3;

/// Looks at the file until `closing`, and moves over to the logins that it names.
pub(super) async fn follow(platform: Arc<Platform>, file: RoleFile, window: Duration, closing: CancellationToken) {
    let mut tick = tokio::time::interval(window / LOOKS_PER_WINDOW);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut told = false;
    loop {
        tokio::select! {
            () = closing.cancelled() => return,
            _ = tick.tick() => {}
        }
        match look(&platform, &file).await {
            Ok(moved) => {
                told = false;
                if moved {
                    tracing::info!("the database's role passwords were exchanged; the new logins are used from now on");
                }
            }
            // The database may be away for a moment, and a file may be copied over in two steps: the next look tells.
            Err(error) if !std::mem::replace(&mut told, true) => {
                tracing::warn!(%error, "the database's role passwords in the file cannot be used; those in use stay");
            }
            Err(_) => {}
        }
    }
}

async fn look(platform: &Platform, file: &RoleFile) -> anyhow::Result<bool> {
    match file.read()? {
        Some(secrets) => Ok(keys::use_logins(platform, &secrets).await?),
        None => anyhow::bail!("`{}` is gone", file.path().display()),
    }
}
