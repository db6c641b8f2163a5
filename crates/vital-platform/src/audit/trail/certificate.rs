//! Erasing an organisation with a certificate of what was destroyed, signed with the key of the trail.
//!
//! **Invariant:** nothing is erased before the key has been read and the folder of certificates is there. A certificate that then cannot be
//! written takes nothing back: the ledger of erasures and the trail have the erasure as well.

use super::{run, signing, unusable, unwritable};
use crate::{Platform, audit::store::trail as store, tenancy};
use serde::Serialize;
use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};
use vital_kernel::{Error, Result, TenantId, now};
use vital_trail::{DestroyedKey, Erasure, LogId, SigningKey, Stamp};

/// Beside the ledger of erasures.
const FOLDER: &str = "erasures";
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
    let (settings, folder) = (p.trail.settings.clone(), p.erasure_ledger.with_file_name(FOLDER));
    let making = folder.clone();
    let key = tokio::task::spawn_blocking(move || {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&making);
        made.map_err(|error| unwritable("Nothing was erased. The folder of certificates", &making, error))?;
        signing::signing_key(&settings)
    });
    let key = key.await.map_err(Error::internal)??;
    let erased_at = Stamp::of(now());
    let erased = tenancy::erase_tenant(p, tenant).await?;
    let keys = erased.keys.into_iter().map(|k| DestroyedKey { purpose: k.purpose, version: k.version, root_key: k.root_key });
    let mut erasure = Erasure { tenant: tenant.0, erased_at, operator, keys: keys.collect(), rows: erased.rows, entry: 0 };
    erasure.keys.sort();
    match certify(p, &mut erasure, &key, &folder).await {
        Ok(certificate) => Ok(CertifiedErasure { erasure, certificate }),
        Err(error) => {
            let detail = format!("The organisation was erased, and its certificate could not be written: {}", error.detail());
            Err(Error::unavailable("erasure.certificate", detail).with_source(error))
        }
    }
}

/// Gives the erasure its place in the log and writes the certificate.
async fn certify(p: &Platform, erasure: &mut Erasure, key: &SigningKey, folder: &Path) -> Result<PathBuf> {
    run(p).await?;
    let log = LogId(erasure.tenant);
    let mut tx = p.db.platform(vital_store::PlatformReason::Trail).await?;
    let known = store::logs(tx.conn()).await?.into_iter().find(|(known, ..)| *known == log);
    drop(tx);
    erasure.entry = known.and_then(|(_, size, ..)| u64::try_from(size).ok()).unwrap_or(0);
    let text = erasure.sign(key).map_err(unusable)?.to_string();
    let at = erasure.erased_at.time().unix_timestamp();
    let path = folder.join(format!("{}-{at}.txt", erasure.tenant));
    let to = path.clone();
    let written = tokio::task::spawn_blocking(move || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&to)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::File::open(to.parent().unwrap_or(&to))?.sync_all()
    });
    written.await.map_err(Error::internal)?.map_err(|error| unwritable("The certificate", &path, error))?;
    Ok(path)
}
