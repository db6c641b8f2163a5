//! Erasing an organisation with a certificate of what was destroyed, signed with the key of the trail.
//!
//! **Invariant:** nothing is erased before the key has been read and the folder of certificates is there. A certificate that then cannot be
//! written takes nothing back: the ledger of erasures and the trail have the erasure as well, and the next start of a server writes it.

use super::{run, signing, unusable, unwritable};
use crate::{Platform, audit::store::trail as store, tenancy};
use serde::Serialize;
use std::{fs, os::unix::fs::DirBuilderExt as _, path::PathBuf};
use vital_kernel::{Error, Result, TenantId};
use vital_trail::{Erasure, LogId, SigningKey};

/// Longest name of an operator, in characters.
const OPERATOR_CHARS_MAX: usize = 200;

/// An erasure and where its certificate is.
#[derive(Clone, Debug, Serialize)]
pub struct CertifiedErasure {
    /// What was destroyed.
    #[serde(flatten)]
    pub erasure: Erasure,
    /// The signed note; `vital-verify` checks it with the public keys.
    pub certificate: PathBuf,
}

/// Erases an organisation (see [`tenancy::erase_tenant`]) and writes a signed certificate of it.
///
/// # Errors
/// `Invalid` for a name of an operator that cannot be written; `Unavailable` when the ledger, the signing key, the folder of certificates or
/// the database cannot be used. The message says whether anything was erased.
pub async fn erase_with_certificate(p: &Platform, tenant: TenantId, operator: &str) -> Result<CertifiedErasure> {
    let operator = operator.trim().to_owned();
    if operator.is_empty() || operator.chars().count() > OPERATOR_CHARS_MAX || operator.contains(char::is_control) {
        let detail = format!("Name the operator in 1 to {OPERATOR_CHARS_MAX} characters without control characters. Nothing was erased.");
        return Err(Error::invalid("erasure.operator", detail));
    }
    let key = signing_key(p).await;
    let key = key.map_err(|e| Error::new(e.kind(), e.code(), format!("Nothing was erased. {}", e.detail())).with_source(e))?;
    let Some(erasure) = tenancy::erase_tenant(p, tenant, &operator).await? else {
        let detail = "The organisation was erased. Its keys had been destroyed before, and nothing in this data folder tells which they were, \
                      so there is no certificate here: a server that starts with the data folder of the run that destroyed them writes it.";
        return Err(Error::unavailable("erasure.elsewhere", detail));
    };
    certify(p, erasure, &key).await.map_err(|error| {
        let detail = format!(
            "The organisation was erased, and its certificate could not be written: {} The next start of a server with this data folder writes it.",
            error.detail()
        );
        Error::unavailable("erasure.certificate", detail).with_source(error)
    })
}

/// Replays the ledger of erasures (see [`tenancy::replay_erasures`]) and certifies those that were cut off and are finished now. That a
/// certificate cannot be written is logged, and the next start tries it again.
///
/// # Errors
/// `Unavailable` when something that was erased is still there: nothing may be served then.
pub async fn replay_erasures(p: &Platform) -> Result<Vec<CertifiedErasure>> {
    let mut certified = Vec::new();
    for erasure in tenancy::replay_erasures(p).await? {
        let tenant = erasure.tenant;
        let done = match signing_key(p).await {
            Ok(key) => certify(p, erasure, &key).await,
            Err(error) => Err(error),
        };
        match done {
            Ok(done) => {
                tracing::info!(%tenant, certificate = %done.certificate.display(), "the erasure is finished and certified");
                certified.push(done);
            }
            Err(error) => tracing::error!(%tenant, ?error, "the erasure is finished, and its certificate could not be written"),
        }
    }
    Ok(certified)
}

/// The key that signs, once the folder of certificates is there.
async fn signing_key(p: &Platform) -> Result<SigningKey> {
    let (settings, folder) = (p.trail.settings.clone(), tenancy::certificates(p));
    let key = tokio::task::spawn_blocking(move || {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder);
        made.map_err(|error| unwritable("The folder of certificates", &folder, error))?;
        signing::signing_key(&settings)
    });
    key.await.map_err(Error::internal)?
}

/// Gives the erasure its place in the log and writes the certificate.
async fn certify(p: &Platform, mut erasure: Erasure, key: &SigningKey) -> Result<CertifiedErasure> {
    run(p).await?;
    let log = LogId(erasure.tenant);
    let mut tx = p.db.platform(vital_store::PlatformReason::Trail).await?;
    let known = store::logs(tx.conn()).await?.into_iter().find(|(known, ..)| *known == log);
    drop(tx);
    erasure.entry = known.and_then(|(_, size, ..)| u64::try_from(size).ok()).unwrap_or(0);
    let text = erasure.sign(key).map_err(unusable)?.to_string();
    let at = erasure.erased_at.time().unix_timestamp();
    let path = tenancy::certificates(p).join(format!("{}-{at}.txt", erasure.tenant));
    let to = path.clone();
    // A run that was cut off right here may have written it already: it says the same.
    let written = tokio::task::spawn_blocking(move || tenancy::replace(&to, &text)).await.map_err(Error::internal)?;
    written.map_err(|error| unwritable("The certificate", &path, error))?;
    if let Err(error) = tenancy::settled(p, TenantId(erasure.tenant)).await {
        tracing::warn!(%error, "the certificate stands; the next start of a server writes it again");
    }
    Ok(CertifiedErasure { erasure, certificate: path })
}
