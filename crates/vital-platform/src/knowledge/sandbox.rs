//! The parent's side of the parser process: one process a file, bounded in memory, CPU, time and output, with an empty environment.

use std::{process::Stdio, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    process::Command,
    sync::Semaphore,
};
use vital_documents::{PagePicture, PageRequest, ParseError, ParseLimits, Parsed, child};
use vital_kernel::{Error, Result, limits};

/// Largest reply of the parser: the text, its blocks and the framing of both.
const REPLY_BYTES_MAX: u64 = 4 * limits::DOCUMENT_TEXT_BYTES_MAX as u64;

/// How to start the parser process.
#[derive(Clone, Debug)]
pub struct Sandbox {
    command: Vec<String>,
    wall: Duration,
    pages: Arc<Semaphore>,
}

/// What a file may hold; the byte ranges of its text count in what was read under these limits.
fn bounds() -> ParseLimits {
    ParseLimits { file_bytes_max: limits::UPLOAD_BYTES_MAX, text_bytes_max: limits::DOCUMENT_TEXT_BYTES_MAX, ..ParseLimits::default() }
}

impl Sandbox {
    /// A sandbox that runs this program with these arguments.
    #[must_use]
    pub fn new(command: Vec<String>) -> Self {
        Self { command, wall: limits::PARSER_WALL, pages: Arc::new(Semaphore::new(limits::PAGES_DRAWN_AT_ONCE)) }
    }

    /// Parses a file in a process of its own.
    ///
    /// # Errors
    /// The outer error means the process could not be run and trying again makes sense; the inner one says what is wrong with the file.
    pub async fn parse(&self, file_name: &str, bytes: Vec<u8>) -> Result<Result<Parsed, ParseError>> {
        let answer = self.answer(child::request_head(file_name, bytes.len(), &bounds()), bytes).await?;
        Ok(answer.map_or(Err(ParseError::Exhausted), |answer| child::decode_answer(&answer)))
    }

    /// Draws a page of a PDF in a process of its own. A few are drawn at once; others wait.
    ///
    /// # Errors
    /// As [`Sandbox::parse`].
    pub async fn draw(&self, page: &PageRequest, bytes: Vec<u8>) -> Result<Result<PagePicture, ParseError>> {
        let _place = self.pages.acquire().await.map_err(Error::internal)?;
        let answer = self.answer(child::page_request_head(page, bytes.len(), &bounds()), bytes).await?;
        Ok(answer.map_or(Err(ParseError::Exhausted), |answer| child::decode_page(&answer)))
    }

    /// What the process answers; none where its time ran out.
    async fn answer(&self, request: Vec<u8>, bytes: Vec<u8>) -> Result<Option<Vec<u8>>> {
        let Some((program, arguments)) = self.command.split_first() else { return Err(Error::internal("no parser program is configured")) };
        let mut process = Command::new(program)
            .args(arguments)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(Error::internal)?;
        let (mut stdin, stdout) = (process.stdin.take().ok_or_else(no_pipe)?, process.stdout.take().ok_or_else(no_pipe)?);
        let write = async move {
            // A parser that gives up early closes its end: what it has to say is on its output.
            let sent = async {
                stdin.write_all(&request).await?;
                stdin.write_all(&bytes).await?;
                stdin.shutdown().await
            }
            .await;
            if let Err(error) = sent {
                tracing::debug!(%error, "the parser stopped reading");
            }
        };
        let read = async move {
            let mut reply = Vec::new();
            stdout.take(REPLY_BYTES_MAX).read_to_end(&mut reply).await.map(|_| reply)
        };
        let ran = tokio::time::timeout(self.wall, async { tokio::join!(write, read) }).await;
        let Ok(((), reply)) = ran else {
            return Ok(None);
        };
        reply.map(Some).map_err(Error::internal)
    }
}

fn no_pipe() -> Error {
    Error::internal("the parser process has no pipes")
}
