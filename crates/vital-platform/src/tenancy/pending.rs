//! What an erasure is about to destroy, in a file beside the certificates: its certificate names the keys and rows even if the run that
//! destroyed them was cut off.
//!
//! **Invariants:** written, and on the disk, before anything is destroyed; replaced as a whole, so that no crash leaves half of it; taken away
//! once the certificate stands. It holds what the certificate will: ids, names of tables and counts.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{Error, ErrorKind, Read as _, Result, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};
use vital_kernel::TenantId;
use vital_trail::Erasure;

/// How its name ends, after the organisation's id.
const ENDING: &str = "pending";
/// Largest file in bytes.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

pub(super) fn path(folder: &Path, tenant: TenantId) -> PathBuf {
    folder.join(format!("{tenant}.{ENDING}"))
}

/// Adds what was found in another look. A key that was wrapped anew meanwhile counts once; of rows the larger number, since a run that was
/// cut off left fewer.
pub(super) fn add(to: &mut Erasure, keys: Vec<vital_store::DestroyedKey>, rows: BTreeMap<String, u64>) {
    for key in keys {
        to.keys.retain(|known| (&known.purpose, known.version) != (&key.purpose, key.version));
        to.keys.push(vital_trail::DestroyedKey { purpose: key.purpose, version: key.version, root_key: key.root_key });
    }
    to.keys.sort();
    for (table, rows) in rows {
        let known = to.rows.entry(table).or_default();
        *known = rows.max(*known);
    }
}

/// The organisations of which one is there.
pub(super) fn all(folder: &Path) -> Result<Vec<TenantId>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = PathBuf::from(entry?.file_name());
        if path.extension().is_some_and(|ending| ending == ENDING) {
            found.extend(path.file_stem().and_then(|name| name.to_str()?.parse::<TenantId>().ok()));
        }
    }
    Ok(found)
}

pub(super) fn read(folder: &Path, tenant: TenantId) -> Result<Option<Erasure>> {
    let mut text = String::new();
    match File::open(path(folder, tenant)) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        file => file?.take(FILE_BYTES_MAX).read_to_string(&mut text)?,
    };
    let read: Erasure = serde_json::from_str(&text)?;
    if read.tenant == tenant.0 { Ok(Some(read)) } else { Err(Error::new(ErrorKind::InvalidData, "it is another organisation's")) }
}

pub(super) fn write(folder: &Path, erasure: &Erasure) -> Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    replace(&path(folder, TenantId(erasure.tenant)), &serde_json::to_string(erasure)?)
}

pub(super) fn remove(folder: &Path, tenant: TenantId) -> Result<()> {
    match fs::remove_file(path(folder, tenant)) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => File::open(folder)?.sync_all(),
    }
}

/// Writes a file that only its owner reads, whole or not at all, and waits until it is on the disk.
pub(crate) fn replace(path: &Path, text: &str) -> Result<()> {
    let mut next = path.as_os_str().to_owned();
    next.push(".next");
    let next = PathBuf::from(next);
    match fs::remove_file(&next) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&next)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&next, path)?;
    File::open(path.parent().unwrap_or(path))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;
    use vital_trail::Stamp;

    fn key(version: u32, root_key: &str) -> vital_store::DestroyedKey {
        vital_store::DestroyedKey { purpose: "content".into(), version, root_key: root_key.into() }
    }

    #[test]
    fn it_comes_back_as_it_was_written_and_only_its_owner_reads_it() {
        let home = tempfile::tempdir().unwrap();
        let (folder, tenant) = (home.path().join("erasures"), TenantId::new());
        assert!(all(&folder).unwrap().is_empty() && read(&folder, tenant).unwrap().is_none());
        let mut erasure =
            Erasure { tenant: tenant.0, erased_at: Stamp(7), operator: "Ada".into(), keys: Vec::new(), rows: BTreeMap::new(), entry: 0 };
        for rows in [40, 3] {
            add(&mut erasure, vec![key(2, "r-1"), key(1, "r-1")], BTreeMap::from([("turns".into(), rows)]));
            write(&folder, &erasure).unwrap();
        }
        add(&mut erasure, vec![key(2, "r-2")], BTreeMap::new());
        let seen: Vec<_> = erasure.keys.iter().map(|k| (k.version, k.root_key.as_str())).collect();
        assert_eq!((seen, erasure.rows["turns"]), (vec![(1, "r-1"), (2, "r-2")], 40));
        write(&folder, &erasure).unwrap();
        fs::write(folder.join("notes.pending"), "no organisation's").unwrap();
        assert_eq!((all(&folder).unwrap(), read(&folder, tenant).unwrap()), (vec![tenant], Some(erasure)));
        assert_eq!(fs::metadata(path(&folder, tenant)).unwrap().permissions().mode() & 0o777, 0o600);
        let other = TenantId::new();
        fs::copy(path(&folder, tenant), path(&folder, other)).unwrap();
        assert!(read(&folder, other).is_err(), "another organisation's is not taken for its own");
        remove(&folder, tenant).unwrap();
        remove(&folder, tenant).unwrap();
        assert_eq!(all(&folder).unwrap(), [other]);
    }
}
