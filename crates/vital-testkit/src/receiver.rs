//! A scripted receiver of OTLP over HTTP: it keeps what it gets, and fails as a test says.
//!
//! It speaks as much of HTTP/1.1 as an exporter needs: one request after another on a connection, each with its length.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};

/// What the receiver does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Keeps it and answers with success.
    Takes,
    /// Answers with this status and keeps nothing.
    Answers(u16),
    /// Reads it and never answers.
    Hangs,
}

/// One request that was taken.
#[derive(Clone, Debug)]
pub struct Taken {
    /// Its first line and its headers, as they came.
    pub head: String,
    /// Its body.
    pub body: Vec<u8>,
}

struct Shared {
    mode: Mutex<Mode>,
    taken: Mutex<Vec<Taken>>,
    requests: watch::Sender<usize>,
}

/// A running receiver; stops when dropped.
pub struct ScriptedReceiver {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

impl ScriptedReceiver {
    /// Starts on a free port of the loopback.
    ///
    /// # Errors
    /// That of the operating system, if it gives no port.
    pub async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared { mode: Mutex::new(Mode::Takes), taken: Mutex::default(), requests: watch::Sender::default() });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { address, shared, accepting })
    }

    /// Its address as a base URL without a path.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on it does this.
    pub fn set(&self, mode: Mode) {
        *self.shared.mode.lock().unwrap_or_else(PoisonError::into_inner) = mode;
    }

    /// What it has taken so far.
    #[must_use]
    pub fn taken(&self) -> Vec<Taken> {
        self.shared.taken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until it has read so many requests, taken or not.
    pub async fn until_requests(&self, count: usize) {
        let mut requests = self.shared.requests.subscribe();
        // The sender lives in `self`, so that the channel cannot close here.
        let _met = requests.wait_for(|seen| *seen >= count).await;
    }

    /// How many requests it has read.
    #[must_use]
    pub fn requests(&self) -> usize {
        *self.shared.requests.borrow()
    }
}

impl Drop for ScriptedReceiver {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(serve(stream, Arc::clone(&shared)));
    }
}

/// Answers the requests of one connection; ends with it, or at what is no request.
async fn serve(stream: TcpStream, shared: Arc<Shared>) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let from = head.len();
            if stream.read_line(&mut head).await? == 0 {
                return Ok(());
            }
            let line = head[from..].trim_end();
            if line.is_empty() {
                break;
            }
            if let Some((_, value)) = line.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("content-length")) {
                length = value.trim().parse().map_err(io::Error::other)?;
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        let mode = *shared.mode.lock().unwrap_or_else(PoisonError::into_inner);
        if mode == Mode::Takes {
            shared.taken.lock().unwrap_or_else(PoisonError::into_inner).push(Taken { head, body });
        }
        shared.requests.send_modify(|seen| *seen += 1);
        let status = match mode {
            Mode::Takes => 200,
            Mode::Answers(status) => status,
            Mode::Hangs => std::future::pending().await,
        };
        let answer = format!("HTTP/1.1 {status} Scripted\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n");
        stream.write_all(answer.as_bytes()).await?;
    }
}
