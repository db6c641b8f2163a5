//! The outbox: one `.eml` file (RFC 5322) for each message, readable by the platform's user alone.
//!
//! **Invariants:** a file is complete or absent; names sort by time; there are never more than [`FILES_MAX`] messages.

use crate::{MailError, Message, message::sender};
use lettre::message::Mailbox;
use std::{
    fs, io,
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};
use uuid::Uuid;

/// Most messages that the folder may hold.
pub const FILES_MAX: usize = 10_000;

const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

#[derive(Debug)]
pub(crate) struct Outbox {
    folder: Arc<Folder>,
    from: Mailbox,
}

#[derive(Debug)]
struct Folder {
    path: PathBuf,
    /// Held from counting to renaming, so that two writers cannot both take the last place.
    turn: Mutex<()>,
}

impl Outbox {
    pub(crate) fn open(path: &Path, from: &str) -> Result<Self, MailError> {
        let from = sender(from)?;
        let failed = |source| MailError::Outbox { path: path.to_owned(), source };
        fs::DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(path).map_err(failed)?;
        fs::set_permissions(path, fs::Permissions::from_mode(FOLDER_MODE)).map_err(failed)?;
        Ok(Self { folder: Arc::new(Folder { path: path.to_owned(), turn: Mutex::new(()) }), from })
    }

    pub(crate) async fn send(&self, message: &Message) -> Result<(), MailError> {
        let document = message.build(&self.from)?.formatted();
        let folder = Arc::clone(&self.folder);
        let written = tokio::task::spawn_blocking(move || folder.add(&document, FILES_MAX)).await;
        written.map_err(|e| MailError::Outbox { path: self.folder.path.clone(), source: io::Error::other(e) })?
    }
}

impl Folder {
    fn add(&self, document: &[u8], max: usize) -> Result<(), MailError> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = |source| MailError::Outbox { path: self.path.clone(), source };
        if self.count().map_err(failed)? >= max {
            return Err(MailError::OutboxFull { path: self.path.clone(), max });
        }
        let name = Uuid::now_v7();
        let part = self.path.join(format!(".{name}.part"));
        let whole = self.path.join(format!("{name}.eml"));
        write(&part, &whole, document).map_err(|e| {
            // The error that matters is the first one; a part that stays behind is not counted and not read.
            let _ = fs::remove_file(&part);
            failed(e)
        })?;
        fs::File::open(&self.path).and_then(|f| f.sync_all()).map_err(failed)
    }

    fn count(&self) -> io::Result<usize> {
        let mut messages = 0;
        for entry in fs::read_dir(&self.path)? {
            messages += usize::from(Path::new(&entry?.file_name()).extension().is_some_and(|e| e == "eml"));
        }
        Ok(messages)
    }
}

fn write(part: &Path, whole: &Path, document: &[u8]) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(part)?;
    file.write_all(document)?;
    file.sync_all()?;
    fs::rename(part, whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Mailer;

    fn files(path: &Path) -> Vec<PathBuf> {
        let mut all: Vec<_> = fs::read_dir(path).unwrap().map(|e| e.unwrap().path()).collect();
        all.sort();
        all
    }

    #[tokio::test]
    async fn messages_become_private_files_in_the_order_they_were_sent() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("mail/outbox");
        let mailer = Mailer::folder(&path, "VITAL Path <no-reply@example.org>").unwrap();
        for n in 0..20 {
            let message = Message { to: "ada@example.org".into(), subject: format!("number {n}"), text: "Hello".into() };
            mailer.send(&message).await.unwrap();
        }
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, FOLDER_MODE);
        let all = files(&path);
        assert_eq!(all.len(), 20);
        for (n, file) in all.iter().enumerate() {
            assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, FILE_MODE);
            assert!(fs::read_to_string(file).unwrap().contains(&format!("Subject: number {n}\r\n")));
        }
    }

    #[test]
    fn a_full_folder_says_so_and_writes_nothing() {
        let home = tempfile::tempdir().unwrap();
        let folder = Folder { path: home.path().to_owned(), turn: Mutex::new(()) };
        for _ in 0..3 {
            folder.add(b"x", 3).unwrap();
        }
        assert!(matches!(folder.add(b"x", 3), Err(MailError::OutboxFull { max: 3, .. })));
        assert_eq!(files(home.path()).len(), 3);
    }

    #[test]
    fn a_folder_that_is_gone_is_an_error_of_the_outbox() {
        let home = tempfile::tempdir().unwrap();
        let folder = Folder { path: home.path().join("gone"), turn: Mutex::new(()) };
        assert!(matches!(folder.add(b"x", 3), Err(MailError::Outbox { .. })));
    }
}
