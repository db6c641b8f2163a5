//! A scripted receiver of webhooks: a server on the loopback that keeps what it was sent and answers what a test tells it to.
//!
//! It reads and writes HTTP/1.1 by hand, so that it can answer slowly, never, or with what is no answer.
//!
//! **Invariant:** nothing here waits for a guessed time: [`ScriptedReceiver::until`] looks until enough has come.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// How long a test waits for a message before it has failed.
const PATIENCE: Duration = Duration::from_secs(240);
/// How often it is looked for.
const LOOK: Duration = Duration::from_millis(10);

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Received {
    /// The path with its query.
    pub path: String,
    /// The headers, their names in lower case.
    pub headers: HashMap<String, String>,
    /// The body.
    pub body: String,
}

impl Received {
    /// A header; empty where it did not come.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// What is answered.
#[derive(Clone, Debug)]
pub enum Answer {
    /// A status with headers, and a body of one word.
    Status(u16, Vec<(&'static str, String)>),
    /// Nothing, while the connection stays open.
    Never,
    /// A byte of a head that never ends, every so often.
    Drip(Duration),
    /// These bytes, whatever they are.
    Raw(Vec<u8>),
}

impl Answer {
    /// A status alone.
    #[must_use]
    pub const fn status(code: u16) -> Self {
        Self::Status(code, Vec::new())
    }
}

type Script = dyn Fn(&Received) -> Answer + Send + Sync;

/// A running receiver. It ends when it is dropped.
pub struct ScriptedReceiver {
    url: String,
    received: Arc<Mutex<Vec<Received>>>,
    script: Arc<Mutex<Arc<Script>>>,
    task: JoinHandle<()>,
}

impl Drop for ScriptedReceiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl ScriptedReceiver {
    /// Starts one that answers 204.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://127.0.0.1:{}/hook", listener.local_addr().unwrap().port());
        let received: Arc<Mutex<Vec<Received>>> = Arc::default();
        let taken: Arc<Script> = Arc::new(|_: &Received| Answer::status(204));
        let script = Arc::new(Mutex::new(taken));
        let (seen, plays) = (Arc::clone(&received), Arc::clone(&script));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(converse(stream, Arc::clone(&seen), Arc::clone(&plays)));
            }
        });
        Self { url, received, script, task }
    }

    /// Answers by a function of the request from now on.
    pub fn answer(&self, script: impl Fn(&Received) -> Answer + Send + Sync + 'static) {
        *self.script.lock().unwrap() = Arc::new(script);
    }

    /// Where it listens.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What came so far, in order.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// Waits until so many requests came and returns all of them.
    pub async fn until(&self, count: usize) -> Vec<Received> {
        let begun = Instant::now();
        loop {
            let all = self.received();
            if all.len() >= count {
                return all;
            }
            assert!(begun.elapsed() < PATIENCE, "{} of {count} requests came", all.len());
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// Serves one connection: one request, then it is closed.
async fn converse(mut stream: TcpStream, seen: Arc<Mutex<Vec<Received>>>, plays: Arc<Mutex<Arc<Script>>>) {
    let Some(request) = read(&mut stream).await else { return };
    let script = Arc::clone(&plays.lock().unwrap());
    let answer = script(&request);
    seen.lock().unwrap().push(request);
    // Whoever asked may be gone.
    let _ = reply(&mut stream, answer).await;
}

async fn read(stream: &mut TcpStream) -> Option<Received> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).await.ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|n| n.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).await.ok()?;
    Some(Received { path, headers, body: String::from_utf8(body).ok()? })
}

async fn reply(stream: &mut TcpStream, answer: Answer) -> std::io::Result<()> {
    match answer {
        Answer::Status(code, headers) => {
            let more: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
            let body = if code == 204 { "" } else { "seen" };
            let length =
                if code == 204 { String::new() } else { format!("content-length: {}\r\ncontent-type: text/plain\r\n", body.len()) };
            stream.write_all(format!("HTTP/1.1 {code} X\r\n{more}{length}connection: close\r\n\r\n{body}").as_bytes()).await
        }
        Answer::Raw(bytes) => stream.write_all(&bytes).await,
        Answer::Never => std::future::pending().await,
        Answer::Drip(pause) => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nx-long: ").await?;
            loop {
                stream.write_all(b"a").await?;
                tokio::time::sleep(pause).await;
            }
        }
    }
}
