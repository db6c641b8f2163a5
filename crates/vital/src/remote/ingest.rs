//! `vital ingest`: adds files and waits until they can be found.
//!
//! A bad file never stops the others: each gets its line, and the exit code tells whether any failed. Files are sent one at a time and
//! read while they are sent; the server reads them in the background, which is waited for afterwards.

use super::{
    client::{Client, Reply, Server},
    files,
};
use crate::{
    failure::{Exit, Failure},
    terminal,
};
use futures_util::TryStreamExt;
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::{
    Body, Method, StatusCode,
    multipart::{Form, Part},
};
use serde::Serialize;
use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio_util::io::ReaderStream;
use vital_kernel::limits;
use vital_platform::knowledge::{Document, DocumentState};

/// Pause between two looks at what the server is still reading.
const LOOK_EVERY: Duration = Duration::from_millis(300);
/// Longest upload of one file.
const UPLOAD: Duration = Duration::from_secs(600);

/// Flags of `vital ingest`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Reads PDF, DOCX, HTML, Markdown and text. Exit codes: 0 all added, 1 any failed, 4 not signed in, 5 the server cannot be reached.

Examples:
  vital ingest protocol.pdf sops/
  vital ingest --collection own --no-wait --json archive/"
)]
pub(crate) struct Ingest {
    /// Files and folders
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Collection to add to; the organisation's own unless given
    #[arg(long, value_name = "SLUG")]
    collection: Option<String>,
    /// Wait until the documents can be found (the default)
    #[arg(long, overrides_with = "no_wait")]
    wait: bool,
    /// Return once the files are stored
    #[arg(long, overrides_with = "wait")]
    no_wait: bool,
    /// Print a JSON object for each file, one a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

/// What became of one file.
#[derive(Debug, Serialize)]
struct Line {
    path: String,
    outcome: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<Document>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    /// Can be found.
    Ready,
    /// Stored; the server reads it in the background.
    Queued,
    /// The same bytes were there already.
    Duplicate,
    /// Not added, or not readable.
    Failed,
}

/// Adds the files and reports on each.
pub(crate) async fn run(flags: Ingest) -> anyhow::Result<Exit> {
    let client = Client::signed_in(&flags.server)?;
    let found = files::find(&flags.paths)?;
    if found.files.is_empty() && found.unreadable.is_empty() {
        return Err(Failure::new("there is no file to add").hint("folders give PDF, DOCX, HTML, Markdown and text files").into());
    }
    let mut report = Report { json: flags.json, failed: 0, bar: bar() };
    for (path, why) in found.unreadable {
        report.line(&Line::failed(&path, format!("cannot be read: {why}")))?;
    }
    let mut waiting = VecDeque::new();
    let count = found.files.len();
    for (number, path) in found.files.into_iter().enumerate() {
        report.bar.set_prefix(format!("{}/{count}", number + 1));
        match upload(&client, &path, flags.collection.clone(), &report.bar).await? {
            Sent::Stored(document) => waiting.push_back((path, *document)),
            Sent::Refused(line) => report.line(&line)?,
        }
    }
    if flags.no_wait && !flags.wait {
        for (path, document) in waiting {
            report.line(&Line::of(&path, Outcome::Queued, document))?;
        }
    } else {
        wait(&client, waiting, &mut report).await?;
    }
    report.bar.finish_and_clear();
    Ok(if report.failed == 0 { Exit::Done } else { Exit::Failed })
}

enum Sent {
    Stored(Box<Document>),
    Refused(Box<Line>),
}

/// Sends one file. An error ends the command: the server is gone, or nobody is signed in.
async fn upload(client: &Client, path: &Path, collection: Option<String>, bar: &ProgressBar) -> anyhow::Result<Sent> {
    let form = match form(path, collection, bar).await {
        Ok(form) => form,
        Err(why) => return Ok(Sent::Refused(Box::new(Line::failed(path, why)))),
    };
    let request = client.request(Method::POST, "/api/v1/documents").timeout(UPLOAD).multipart(form);
    match client.reply::<Document>(request).await? {
        Reply::Value(document) => Ok(Sent::Stored(Box::new(document))),
        Reply::Refused(StatusCode::CONFLICT, problem) if problem.code == "document.duplicate" => Ok(Sent::Refused(Box::new(Line {
            path: shown(path),
            outcome: Outcome::Duplicate,
            document: None,
            detail: Some(problem.detail),
        }))),
        Reply::Refused(status, problem) if status == StatusCode::UNAUTHORIZED => Err(client.refused(status, &problem)),
        Reply::Refused(status, problem) => Ok(Sent::Refused(Box::new(Line::failed(path, client.refused(status, &problem).to_string())))),
    }
}

async fn form(path: &Path, collection: Option<String>, bar: &ProgressBar) -> Result<Form, String> {
    let unreadable = |error: std::io::Error| format!("cannot be read: {error}");
    let file = tokio::fs::File::open(path).await.map_err(unreadable)?;
    let stat = file.metadata().await.map_err(unreadable)?;
    if !stat.is_file() {
        return Err("is not a file".to_owned());
    }
    if stat.len() > limits::UPLOAD_BYTES_MAX as u64 {
        return Err(format!("is larger than {} MiB, which is the limit", limits::UPLOAD_BYTES_MAX >> 20));
    }
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    bar.set_length(stat.len());
    bar.set_position(0);
    bar.set_message(terminal::plain(&name));
    let counting = bar.clone();
    let bytes = ReaderStream::new(file).inspect_ok(move |chunk| counting.inc(chunk.len() as u64));
    let part = Part::stream_with_length(Body::wrap_stream(bytes), stat.len()).file_name(name);
    let form = collection.map_or_else(Form::new, |collection| Form::new().text("collection", collection));
    Ok(form.part("file", part))
}

/// Looks at the documents in turn until the server has read each, or could not.
async fn wait(client: &Client, mut waiting: VecDeque<(PathBuf, Document)>, report: &mut Report) -> anyhow::Result<()> {
    report.bar.set_style(ProgressStyle::with_template("{spinner} {msg}").unwrap_or_else(|_| ProgressStyle::default_spinner()));
    while let Some((path, mut document)) = waiting.pop_front() {
        let left = waiting.len() + 1;
        report.bar.set_message(format!("{left} document{} being read", if left == 1 { "" } else { "s" }));
        loop {
            let outcome = match document.state {
                DocumentState::Ready => Outcome::Ready,
                DocumentState::Failed => Outcome::Failed,
                DocumentState::Queued | DocumentState::Parsing | DocumentState::Indexing => {
                    report.bar.tick();
                    tokio::time::sleep(LOOK_EVERY).await;
                    match look(client, &document).await? {
                        Reply::Value(next) => document = next,
                        Reply::Refused(_, problem) => {
                            report.line(&Line::failed(&path, problem.detail))?;
                            break;
                        }
                    }
                    continue;
                }
            };
            report.line(&Line::of(&path, outcome, document))?;
            break;
        }
    }
    Ok(())
}

async fn look(client: &Client, document: &Document) -> anyhow::Result<Reply<Document>> {
    let reply = client.reply(client.request(Method::GET, &format!("/api/v1/documents/{}", document.id)).timeout(UPLOAD)).await?;
    match reply {
        Reply::Refused(status, problem) if status != StatusCode::NOT_FOUND => Err(client.refused(status, &problem)),
        reply => Ok(reply),
    }
}

struct Report {
    json: bool,
    failed: usize,
    bar: ProgressBar,
}

impl Report {
    fn line(&mut self, line: &Line) -> anyhow::Result<()> {
        self.failed += usize::from(line.outcome == Outcome::Failed);
        self.bar.suspend(|| if self.json { terminal::json(line) } else { Ok(terminal::data(&terminal::plain(&line.text()))?) })
    }
}

/// A bar on standard error where that is a terminal, else nothing.
fn bar() -> ProgressBar {
    let bar = ProgressBar::new(0);
    bar.set_style(
        ProgressStyle::with_template("{prefix} {bar:30} {bytes}/{total_bytes} {wide_msg}").unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    bar
}

impl Line {
    fn failed(path: &Path, detail: String) -> Self {
        Self { path: shown(path), outcome: Outcome::Failed, document: None, detail: Some(detail) }
    }

    fn of(path: &Path, outcome: Outcome, document: Document) -> Self {
        let detail = document.failure.as_ref().map(|failure| failure.detail.clone());
        Self { path: shown(path), outcome, document: Some(document), detail }
    }

    fn text(&self) -> String {
        let word = match self.outcome {
            Outcome::Ready => "ready",
            Outcome::Queued => "queued",
            Outcome::Duplicate => "already there",
            Outcome::Failed => "failed",
        };
        let mut text = format!("{word}  {}", self.path);
        if let Some(document) = self.document.as_ref().filter(|_| self.outcome == Outcome::Ready) {
            let pages = document.pages.map(|pages| format!("{pages} pages, ")).unwrap_or_default();
            text.push_str(&format!(" ({pages}{} passage{})", document.passages, if document.passages == 1 { "" } else { "s" }));
            document.warnings.iter().for_each(|warning| text.push_str(&format!("\n       {warning}")));
        }
        if let Some(detail) = &self.detail {
            text.push_str(&format!(": {}", detail.trim_end_matches('.')));
        }
        text
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
