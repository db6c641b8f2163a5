//! Checkpoints outside of the database: one file for each log, one JSON line for each checkpoint, appended and synchronised.
//!
//! A line that a crash cut off was never acknowledged; the next one takes its place. Nothing else is ever removed or changed here: put the
//! folder on storage that does not allow it, where there is such.

use super::{unusable, unwritable};
use std::{
    fs::{self, File, OpenOptions},
    io::{BufRead as _, BufReader, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};
use vital_kernel::{Error, Result};
use vital_trail::{Checkpoint, LINE_BYTES_MAX, LogId, SignedNote, TrailError, checkpoint_line, checkpoint_of_line};

const EXTENSION: &str = "checkpoints";
/// The newest line is looked for in this many last bytes of a file.
const TAIL_BYTES: u64 = 128 * 1024;

pub(super) fn path(folder: &Path, log: LogId) -> PathBuf {
    folder.join(format!("{log}.{EXTENSION}"))
}

fn fault(path: &Path) -> impl Fn(std::io::Error) -> Error + '_ {
    move |error| unwritable("The file of checkpoints", path, error)
}

/// The logs that have checkpoints.
pub(super) fn logs(folder: &Path) -> Result<Vec<LogId>> {
    let listed = match fs::read_dir(folder) {
        Ok(listed) => listed,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unwritable("The folder of checkpoints", folder, error)),
    };
    let mut logs = Vec::new();
    for file in listed {
        let path = file.map_err(fault(folder))?.path();
        if path.extension().is_some_and(|e| e == EXTENSION)
            && let Some(log) = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok())
        {
            logs.push(log);
        }
    }
    logs.sort_unstable();
    Ok(logs)
}

/// The newest checkpoint of a log, and where its line ends. What stands behind that was cut off by a crash.
fn newest_at(file: &mut File, path: &Path) -> Result<(Option<SignedNote>, u64)> {
    let length = file.metadata().map_err(fault(path))?.len();
    let start = length.saturating_sub(TAIL_BYTES);
    let mut tail = Vec::new();
    file.seek(SeekFrom::Start(start)).and_then(|_| file.take(TAIL_BYTES).read_to_end(&mut tail)).map_err(fault(path))?;
    let Some(end) = tail.iter().rposition(|b| *b == b'\n') else {
        return if start == 0 { Ok((None, 0)) } else { Err(unusable(TrailError::Note("the newest line of the file is too long"))) };
    };
    let line = tail[..end].rsplit(|b| *b == b'\n').next().unwrap_or_default();
    Ok((Some(checkpoint_of_line(line).map_err(unusable)?), start + end as u64 + 1))
}

/// The newest checkpoint of a log, its signature not yet verified.
pub(super) fn newest(folder: &Path, log: LogId) -> Result<Option<SignedNote>> {
    let path = path(folder, log);
    match File::open(&path) {
        Ok(mut file) => newest_at(&mut file, &path).map(|(note, _)| note),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(fault(&path)(error)),
    }
}

/// Appends a checkpoint and waits until it is on the disk. One of the same log and root is not written twice.
///
/// # Errors
/// `Conflict` where the file holds a larger log, or another one of the same size: the database was set back or rewritten.
pub(super) fn append(folder: &Path, log: LogId, checkpoint: &Checkpoint, note: &SignedNote) -> Result<()> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| unwritable("The folder of checkpoints", folder, error))?;
    let path = path(folder, log);
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(fault(&path))?;
    let (before, end) = newest_at(&mut file, &path)?;
    if let Some(before) = before {
        let before = Checkpoint::parse(&before.text).map_err(unusable)?;
        if before.size == checkpoint.size && before.root == checkpoint.root {
            return Ok(());
        }
        if before.size >= checkpoint.size {
            let (signed, now) = (before.size, checkpoint.size);
            let detail = format!(
                "A checkpoint says that log {log} had {signed} entries, and the database has {now} or others: it was set back or rewritten. \
                 Nothing is signed for this log; see docs/AUDIT.md."
            );
            return Err(Error::conflict("audit.set_back", detail));
        }
    }
    let line = checkpoint_line(note);
    let written = file.set_len(end).and_then(|()| file.seek(SeekFrom::Start(end))).and_then(|_| file.write_all(line.as_bytes()));
    written.and_then(|()| file.sync_all()).map_err(fault(&path))?;
    if end == 0 {
        // The name of a new file has to be on the disk too.
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(fault(folder))?;
    }
    Ok(())
}

/// Tells whether the folder looks as if a checkpoint could be written. Nothing is written for that, because nothing could be taken away
/// again where only more is allowed; a full disk shows itself at the next checkpoint.
pub(super) fn looks_writable(folder: &Path) -> bool {
    let file = path(folder, LogId::INSTALLATION);
    match OpenOptions::new().append(true).open(file) {
        Ok(_) => true,
        Err(error) if error.kind() == ErrorKind::NotFound => can_be_made(folder),
        Err(_) => false,
    }
}

/// The nearest folder that is there decides.
fn can_be_made(folder: &Path) -> bool {
    for at in folder.ancestors() {
        // A relative path ends at the working directory.
        let at = if at.as_os_str().is_empty() { Path::new(".") } else { at };
        match fs::metadata(at) {
            Ok(there) => return there.is_dir() && !there.permissions().readonly(),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(_) => return false,
        }
    }
    false
}

/// The checkpoints of a log, oldest first. A line that cannot be read is an item too.
pub(super) struct Checkpoints {
    file: Option<BufReader<File>>,
    line: Vec<u8>,
}

/// Opens the checkpoints of a log; none where there is no file.
pub(super) fn read(folder: &Path, log: LogId) -> Result<Checkpoints> {
    let path = path(folder, log);
    match File::open(&path) {
        Ok(file) => Ok(Checkpoints { file: Some(BufReader::new(file)), line: Vec::new() }),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Checkpoints { file: None, line: Vec::new() }),
        Err(error) => Err(fault(&path)(error)),
    }
}

impl Iterator for Checkpoints {
    type Item = std::result::Result<SignedNote, TrailError>;

    fn next(&mut self) -> Option<Self::Item> {
        let file = self.file.as_mut()?;
        self.line.clear();
        if let Err(error) = file.take(LINE_BYTES_MAX as u64).read_until(b'\n', &mut self.line) {
            self.file = None;
            return Some(Err(error.into()));
        }
        if self.line.is_empty() {
            return None;
        }
        // A last line without its end was never acknowledged: no checkpoint yet.
        let line = self.line.strip_suffix(b"\n")?;
        Some(checkpoint_of_line(line))
    }
}
