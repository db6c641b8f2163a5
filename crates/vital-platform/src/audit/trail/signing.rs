//! The key that signs checkpoints, and the list of public keys that did.
//!
//! **Invariant:** a key is made only where neither the key nor a list of public keys exists, so that a lost key is never replaced behind the
//! operator's back. The list only grows: old checkpoints stay valid.

use super::{TrailSettings, unusable, unwritable};
use crate::Platform;
use std::{
    fs::{self, File, OpenOptions},
    io::{ErrorKind, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::Path,
};
use vital_kernel::{AuditAction, AuditEntry, Error, Result};
use vital_trail::{Keys, Kind, SigningKey, TrailError};

/// Largest file of keys in bytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

fn read(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(FILE_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

fn write_new(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn list(settings: &TrailSettings, key: &SigningKey) -> Result<()> {
    let path = &settings.public_file;
    let opened = OpenOptions::new().append(true).create(true).mode(0o644).open(path);
    let line = format!("# in use from {}\n{}\n", vital_trail::Stamp::of(vital_kernel::now()), key.public());
    let written = opened.and_then(|mut file| file.write_all(line.as_bytes()).and_then(|()| file.sync_all()));
    written.map_err(|error| unwritable("The list of public keys", path, error))
}

/// The public keys, oldest first; none before the first start.
pub(super) fn known(settings: &TrailSettings) -> Result<Option<Keys>> {
    match read(&settings.public_file) {
        Ok(text) => Keys::parse(&text).map(Some).map_err(unusable),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unwritable("The list of public keys", &settings.public_file, error)),
    }
}

/// The public keys that verify this installation's checkpoints.
///
/// # Errors
/// `NotFound` where the server has not been started yet; `Unavailable` where the list cannot be read.
pub fn public_keys(p: &Platform) -> Result<Keys> {
    known(&p.trail.settings)?.ok_or_else(|| {
        Error::not_found("audit.no_keys", "There is no list of public keys yet: the server makes it when it signs the first checkpoint.")
    })
}

/// Reads the signing key, and makes the first one.
pub(super) fn signing_key(settings: &TrailSettings) -> Result<SigningKey> {
    match read(&settings.key_file) {
        Ok(text) => {
            let key = SigningKey::parse(&text, Kind::Log).map_err(unusable)?;
            // A key that was listed nowhere would sign what nobody can verify.
            if known(settings)?.is_none_or(|keys| keys.find(key.public().name(), key.public().id()).is_none()) {
                list(settings, &key)?;
            }
            Ok(key)
        }
        Err(error) if error.kind() == ErrorKind::NotFound && known(settings)?.is_none() => first(settings),
        Err(error) => Err(unwritable("The signing key", &settings.key_file, error)),
    }
}

fn first(settings: &TrailSettings) -> Result<SigningKey> {
    let mut random = [0_u8; 4];
    ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut random)
        .map_err(|_| unusable(TrailError::Key("the system has no randomness")))?;
    let text = SigningKey::generate(&format!("vital-path/{}", hex::encode(random))).map_err(unusable)?;
    let folder = settings.key_file.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder
        .map_or(Ok(()), |folder| fs::DirBuilder::new().recursive(true).mode(0o700).create(folder))
        .and_then(|()| write_new(&settings.key_file, &text))
        .map_err(|error| unwritable("The signing key", &settings.key_file, error))?;
    let key = SigningKey::parse(&text, Kind::Log).map_err(unusable)?;
    list(settings, &key)?;
    Ok(key)
}

/// Replaces the signing key. Checkpoints of the old one stay valid; a running server signs with the new one from its next checkpoint on.
///
/// # Errors
/// `Unavailable` where the files cannot be written; then the old key stays in use.
pub async fn rotate_signing_key(p: &Platform) -> Result<String> {
    let settings = p.trail.settings.clone();
    let made = tokio::task::spawn_blocking(move || {
        let old = signing_key(&settings)?;
        let text = SigningKey::generate(old.public().name()).map_err(unusable)?;
        let key = SigningKey::parse(&text, Kind::Log).map_err(unusable)?;
        // Listed first: what is signed with it can be verified from the first moment.
        list(&settings, &key)?;
        let next = settings.key_file.with_extension("next");
        let fault = |error| unwritable("The signing key", &settings.key_file, error);
        match fs::remove_file(&next) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(fault(error)),
            _ => {}
        }
        write_new(&next, &text).and_then(|()| fs::rename(&next, &settings.key_file)).map_err(fault)?;
        Ok::<_, Error>(key.public().to_string())
    });
    let public = made.await.map_err(Error::internal)??;
    let id = public.split('+').nth(1).unwrap_or_default().to_owned();
    p.db.record_installation(AuditEntry::new(AuditAction::AuditKeyRotated, "audit_key", id)).await?;
    Ok(public)
}
