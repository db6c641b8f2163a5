//! Lines in and lines out, each on a thread of its own: reading and writing them may block for as long as the client likes.

use super::wire;
use std::{
    io::{self, BufRead, Write},
    sync::{Mutex, PoisonError, mpsc as threads},
    thread::JoinHandle,
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use vital_kernel::limits;

/// Longest line: what the server takes as a message.
const LINE_BYTES_MAX: usize = limits::BODY_BYTES_MAX;
/// Lines that were read and not yet taken.
const WAITING: usize = 8;

/// Standard input.
pub(super) struct Input(mpsc::Receiver<Result<String, String>>);

impl Input {
    /// Begins to read.
    pub(super) fn open() -> Self {
        let (send, lines) = mpsc::channel(WAITING);
        std::thread::spawn(move || {
            let mut input = io::stdin().lock();
            while let Ok(Some(line)) = line(&mut input) {
                if send.blocking_send(line).is_err() {
                    return;
                }
            }
        });
        Self(lines)
    }

    /// The next line, or the message to send back where it is none; nothing at the end.
    pub(super) async fn next(&mut self) -> Option<Result<String, String>> {
        self.0.recv().await
    }
}

/// Reads a line that is not empty. What is over the limit is read past, and never held.
fn line(input: &mut impl BufRead) -> io::Result<Option<Result<String, String>>> {
    loop {
        let (mut line, mut over) = (Vec::new(), false);
        let ended = loop {
            let part = match input.fill_buf() {
                Ok(part) => part,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let end = part.iter().position(|b| *b == b'\n');
            let (taken, used) = end.map_or((part, part.len()), |at| (&part[..at], at + 1));
            over |= line.len() + taken.len() > LINE_BYTES_MAX;
            if !over {
                line.extend_from_slice(taken);
            }
            input.consume(used);
            if end.is_some() || used == 0 {
                break used == 0;
            }
        };
        if over {
            return Ok(Some(Err(wire::refusal(&format!("A message may have at most {LINE_BYTES_MAX} bytes. It was not sent.")))));
        }
        match String::from_utf8(line) {
            Ok(text) if !text.trim().is_empty() => return Ok(Some(Ok(text))),
            Ok(_) if ended => return Ok(None),
            Ok(_) => {}
            Err(_) => return Ok(Some(Err(wire::refusal("The message is not UTF-8. It was not sent.")))),
        }
    }
}

/// Standard output.
pub(super) struct Output {
    lines: Mutex<Option<threads::Sender<String>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    closed: CancellationToken,
}

impl Output {
    /// Begins to write.
    pub(super) fn open() -> Self {
        let (lines, written) = threads::channel::<String>();
        let closed = CancellationToken::new();
        let gone = closed.clone();
        let writer = std::thread::spawn(move || {
            let mut out = io::stdout().lock();
            for line in written {
                if writeln!(out, "{line}").and_then(|()| out.flush()).is_err() {
                    gone.cancel();
                    return;
                }
            }
        });
        Self { lines: Mutex::new(Some(lines)), writer: Mutex::new(Some(writer)), closed }
    }

    /// Writes a message as one line.
    pub(super) fn write(&self, message: &str) {
        if let Some(lines) = &*self.lines.lock().unwrap_or_else(PoisonError::into_inner) {
            // JSON has no line breaks but between its parts, where a space is the same.
            let _ = lines.send(message.replace(['\n', '\r'], " "));
        }
    }

    /// Waits until nobody reads any more.
    pub(super) async fn closed(&self) {
        self.closed.cancelled().await;
    }

    /// Waits until everything is written.
    pub(super) fn finish(&self) {
        drop(self.lines.lock().unwrap_or_else(PoisonError::into_inner).take());
        if let Some(writer) = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = writer.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Vec<Result<String, String>> {
        let mut input = io::BufReader::with_capacity(7, bytes);
        std::iter::from_fn(|| line(&mut input).unwrap()).collect()
    }

    #[test]
    fn lines_are_read_whole_and_the_last_needs_no_end() {
        assert_eq!(read(b"{\"a\":1}\n\n  \r\n{\"b\":2}"), [Ok("{\"a\":1}".to_owned()), Ok("{\"b\":2}".to_owned())]);
        assert!(read(b"").is_empty() && read(b"\n\n").is_empty());
    }

    #[test]
    fn what_is_too_long_or_no_text_is_told_and_the_next_line_is_read() {
        let mut bytes = vec![b'x'; LINE_BYTES_MAX + 1];
        bytes.extend_from_slice(b"\nnext\n\xff\xfe\nlast\n");
        let lines = read(&bytes);
        assert!(lines[0].as_ref().unwrap_err().contains("at most"), "{lines:?}");
        assert_eq!((&lines[1], &lines[3]), (&Ok("next".to_owned()), &Ok("last".to_owned())));
        assert!(lines[2].as_ref().unwrap_err().contains("UTF-8"), "{lines:?}");
        let fits = vec![b'x'; LINE_BYTES_MAX];
        assert_eq!(read(&fits)[0].as_ref().unwrap().len(), LINE_BYTES_MAX);
    }
}
