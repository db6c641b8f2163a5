//! The data folder: one place for everything the platform keeps, owned by one server at a time.
//!
//! **Invariant:** a `DataFolder` exists only while its lock is held; the kernel frees the lock when the process ends,
//! however it ends. What lies inside is the business of those who put it there.

use super::{EmbeddedError, error::FREE_MIB_MIN};
use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

const LOCK_FILE: &str = "vital.lock";
/// `is_owned` holds the lock for microseconds while it looks, so a claim that meets it tries again: for at most 100 ms.
const CLAIM_TRIES: u32 = 10;
const CLAIM_PAUSE: Duration = Duration::from_millis(10);
/// More than any process id needs: a damaged lock file is not read to its end.
const LOCK_FILE_BYTES_MAX: u64 = 32;

/// A data folder that this process alone may use, until the value is dropped.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    _lock: File,
}

impl DataFolder {
    /// Creates the folder when it is missing (mode 0700), and takes its lock.
    ///
    /// # Errors
    /// `FolderInUse` with the other server's process id; `ReadOnly`, `DiskFull` and `Denied` when it cannot be written.
    pub async fn claim(path: &Path) -> Result<Self, EmbeddedError> {
        create(path)?;
        let path = path.canonicalize().map_err(|error| EmbeddedError::io("reading", path, error))?;
        let mut lock = open_lock(&path)?;
        let mut tries = 0;
        while let Err(refusal) = lock.try_lock() {
            match refusal {
                TryLockError::WouldBlock if tries < CLAIM_TRIES => tokio::time::sleep(CLAIM_PAUSE).await,
                TryLockError::WouldBlock => return Err(EmbeddedError::FolderInUse { pid: written_pid(&mut lock), folder: path }),
                TryLockError::Error(error) => return Err(EmbeddedError::io("locking", &path, error)),
            }
            tries += 1;
        }
        require_space(&path)?;
        write_pid(&mut lock).map_err(|error| EmbeddedError::io("writing", &path.join(LOCK_FILE), error))?;
        Ok(Self { path, _lock: lock })
    }

    /// The folder, absolute and without symbolic links.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// True while some server owns the folder.
///
/// # Errors
/// When the lock file is there but cannot be opened.
pub(super) fn is_owned(path: &Path) -> Result<bool, EmbeddedError> {
    let lock = match File::open(path.join(LOCK_FILE)) {
        Ok(lock) => lock,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(EmbeddedError::io("opening", &path.join(LOCK_FILE), error)),
    };
    match lock.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(EmbeddedError::io("locking", path, error)),
    }
}

fn create(path: &Path) -> Result<(), EmbeddedError> {
    if path.is_dir() {
        return Ok(());
    }
    // The parents get the usual mode: the user that runs PostgreSQL must be able to pass through them.
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(|error| EmbeddedError::io("creating", parent, error))?;
    }
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists || !path.is_dir() => Err(EmbeddedError::io("creating", path, error)),
        _ => Ok(()),
    }
}

fn open_lock(folder: &Path) -> Result<File, EmbeddedError> {
    let path = folder.join(LOCK_FILE);
    let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
    opened.map_err(|error| EmbeddedError::io("opening", &path, error))
}

fn written_pid(lock: &mut File) -> Option<u32> {
    let mut text = String::new();
    lock.take(LOCK_FILE_BYTES_MAX).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn write_pid(lock: &mut File) -> io::Result<()> {
    lock.set_len(0)?;
    lock.rewind()?;
    writeln!(lock, "{}", std::process::id())?;
    lock.sync_data()
}

fn require_space(folder: &Path) -> Result<(), EmbeddedError> {
    let stat = nix::sys::statvfs::statvfs(folder).map_err(|error| EmbeddedError::io("reading", folder, error.into()))?;
    let free_mib = stat.blocks_available().saturating_mul(stat.fragment_size()) >> 20;
    if free_mib < FREE_MIB_MIN {
        return Err(EmbeddedError::DiskFull { path: folder.to_owned(), needed_mib: FREE_MIB_MIN });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_second_claim_names_the_process_that_holds_the_folder() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("new/data");
        let held = DataFolder::claim(&path).await.unwrap();
        assert!(is_owned(&path).unwrap());
        let error = DataFolder::claim(&path).await.unwrap_err();
        assert!(matches!(error, EmbeddedError::FolderInUse { pid: Some(pid), .. } if pid == std::process::id()), "{error}");
        assert!(error.to_string().contains(&format!("process {}", std::process::id())));
        drop(held);
        assert!(!is_owned(&path).unwrap());
        DataFolder::claim(&path).await.unwrap();
    }

    #[tokio::test]
    async fn a_new_folder_is_closed_to_others_and_its_parents_are_not() {
        use std::os::unix::fs::PermissionsExt;
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("parent/data");
        let folder = DataFolder::claim(&path).await.unwrap();
        assert_eq!(fs::metadata(folder.path()).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(fs::metadata(temp.path().join("parent")).unwrap().permissions().mode() & 0o700, 0o700);
        assert_ne!(fs::metadata(temp.path().join("parent")).unwrap().permissions().mode() & 0o011, 0);
    }

    #[tokio::test]
    async fn a_damaged_lock_file_does_not_prevent_a_claim() {
        let temp = tempfile::tempdir().unwrap();
        fs::write(temp.path().join(LOCK_FILE), [0xff; 4096]).unwrap();
        let folder = DataFolder::claim(temp.path()).await.unwrap();
        let text = fs::read_to_string(folder.path().join(LOCK_FILE)).unwrap();
        assert_eq!(text, format!("{}\n", std::process::id()));
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_made_is_an_error_with_its_path() {
        let temp = tempfile::tempdir().unwrap();
        fs::write(temp.path().join("file"), "").unwrap();
        let error = DataFolder::claim(&temp.path().join("file/data")).await.unwrap_err();
        assert!(error.to_string().contains("file"), "{error}");
        let error = DataFolder::claim(&temp.path().join("file")).await.unwrap_err();
        assert!(error.to_string().contains("file"), "{error}");
    }
}
