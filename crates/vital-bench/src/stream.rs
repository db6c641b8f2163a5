//! Reads the lines of a `text/event-stream` as they come in, with as little work as possible between arrival and clock.

use anyhow::Context as _;
use futures_util::{Stream, StreamExt as _};
use std::pin::Pin;

/// Longest line, in bytes: an event of a turn is one line of JSON.
const LINE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The lines of a response.
pub(crate) struct Lines {
    chunks: Pin<Box<dyn Stream<Item = reqwest::Result<Vec<u8>>> + Send>>,
    buffer: Vec<u8>,
    read: usize,
}

impl Lines {
    /// Begins to read a response.
    pub(crate) fn of(response: reqwest::Response) -> Self {
        Self { chunks: Box::pin(response.bytes_stream().map(|chunk| chunk.map(Into::into))), buffer: Vec::new(), read: 0 }
    }

    /// The next line without its end; none at the end of the stream.
    ///
    /// # Errors
    /// When the connection broke or a line is longer than 4 MiB.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Option<String>> {
        loop {
            if let Some(length) = self.buffer[self.read..].iter().position(|byte| *byte == b'\n') {
                let line = &self.buffer[self.read..self.read + length];
                let line = String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned();
                self.read += length + 1;
                return Ok(Some(line));
            }
            self.buffer.drain(..self.read);
            self.read = 0;
            anyhow::ensure!(self.buffer.len() <= LINE_BYTES_MAX, "a line of the stream is longer than {LINE_BYTES_MAX} bytes");
            match self.chunks.next().await {
                Some(chunk) => self.buffer.extend_from_slice(&chunk.context("the stream broke")?),
                None => return Ok(None),
            }
        }
    }
}
