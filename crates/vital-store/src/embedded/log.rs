//! What PostgreSQL says: from its standard error into a file of bounded size.
//!
//! A thread reads, not a task: PostgreSQL would stall on a full pipe, and must not do so while the async threads are busy
//! or shutting down. When the server is killed, PostgreSQL loses its reader and goes on without a log until it is recovered.

use std::{
    collections::VecDeque,
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader, PipeReader, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::oneshot;

/// The file is renamed to `.1` at this size, so both together hold at most twice as much.
const LOG_BYTES_MAX: u64 = 8 << 20;
const LINE_BYTES_MAX: u64 = 8 << 10;
/// How many lines an error message quotes.
const TAIL_LINES: usize = 20;
const END_WAIT: Duration = Duration::from_millis(500);

type Tail = Arc<Mutex<VecDeque<String>>>;

/// The running copy from the pipe to the file.
#[derive(Debug)]
pub(super) struct Log {
    tail: Tail,
    ended: Option<oneshot::Receiver<()>>,
}

impl Log {
    /// Begins to copy. The thread ends when the last process that holds the other end has ended.
    pub(super) fn follow(pipe: PipeReader, path: &Path) -> io::Result<Self> {
        let tail = Tail::default();
        let (done, ended) = oneshot::channel();
        let mut file = LogFile::open(path)?;
        let shared = Arc::clone(&tail);
        std::thread::Builder::new().name("postgres-log".into()).spawn(move || {
            copy(pipe, &mut file, &shared);
            // Nobody may be waiting for the end.
            let _ = done.send(());
        })?;
        Ok(Self { tail, ended: Some(ended) })
    }

    /// The last lines, complete once all processes have ended.
    pub(super) async fn last_lines(&mut self) -> String {
        if let Some(ended) = self.ended.take() {
            // A stray process may keep the pipe open: the lines so far must do then.
            let _ = tokio::time::timeout(END_WAIT, ended).await;
        }
        let tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        tail.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }
}

fn copy(pipe: impl Read, file: &mut LogFile, tail: &Tail) {
    let mut reader = BufReader::new(pipe);
    let mut line = Vec::new();
    loop {
        line.clear();
        match reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        // A full disk must not stop the reading.
        let _ = file.append(&line);
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        // FATAL ends one session, and every shutdown has some; PANIC ends them all.
        if text.contains(" PANIC:  ") {
            tracing::error!(target: "vital_store::postgres", "{text}");
        }
        let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
        if tail.len() == TAIL_LINES {
            tail.pop_front();
        }
        tail.push_back(text);
    }
}

struct LogFile {
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl LogFile {
    fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
        let bytes = file.metadata()?.len();
        Ok(Self { path: path.to_owned(), file, bytes })
    }

    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        if self.bytes >= LOG_BYTES_MAX {
            fs::rename(&self.path, self.path.with_extension("log.1"))?;
            *self = Self::open(&self.path)?;
        }
        self.file.write_all(line)?;
        self.bytes += line.len() as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_never_holds_more_than_twice_its_limit() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("postgres.log");
        let mut file = LogFile::open(&path).unwrap();
        let line = [b'x'; 64 << 10];
        for _ in 0..(3 * LOG_BYTES_MAX / line.len() as u64) {
            file.append(&line).unwrap();
        }
        let size = |name: &str| fs::metadata(temp.path().join(name)).unwrap().len();
        assert!(size("postgres.log") <= LOG_BYTES_MAX);
        assert_eq!(size("postgres.log.1"), LOG_BYTES_MAX);
        assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 2);
    }

    #[test]
    fn the_tail_keeps_the_last_lines_and_an_endless_line_is_cut() {
        let temp = tempfile::tempdir().unwrap();
        let mut file = LogFile::open(&temp.path().join("postgres.log")).unwrap();
        let tail = Tail::default();
        let mut text: Vec<u8> = (0..100).flat_map(|n| format!("line {n}\n").into_bytes()).collect();
        text.extend([b'y'; 3 * LINE_BYTES_MAX as usize]);
        copy(text.as_slice(), &mut file, &tail);
        let tail = tail.lock().unwrap();
        assert_eq!(tail.len(), TAIL_LINES);
        assert_eq!(tail.iter().rfind(|line| line.starts_with("line ")).unwrap(), "line 99");
        assert!(tail.iter().all(|line| line.len() <= LINE_BYTES_MAX as usize));
    }
}
