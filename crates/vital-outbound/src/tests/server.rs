//! A server of HTTP/1.1 over TLS that answers what a test tells it to.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{self, ServerConfig},
    server::TlsStream,
};

/// The names that the server has a certificate for.
const NAMES: [&str; 4] = ["public.example", "other.example", "rebound.example", "mixed.example"];

/// What is written after a request.
#[derive(Clone)]
pub(super) enum Reply {
    /// These bytes; the connection stays open for the next request.
    Bytes(Vec<u8>),
    /// These bytes, and then the connection ends.
    Last(Vec<u8>),
    /// These bytes, and then nothing more.
    Stalls(Vec<u8>),
    /// These bytes, and then a chunk for ever.
    Endless(Vec<u8>),
}

impl Reply {
    pub(super) fn text(headers: &str, body: &str) -> Self {
        Self::Bytes(
            format!("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n{headers}content-length: {}\r\n\r\n{body}", body.len()).into_bytes(),
        )
    }

    pub(super) fn redirect(location: &str) -> Self {
        Self::Bytes(format!("HTTP/1.1 302 Found\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n").into_bytes())
    }
}

/// A request as it came: the name in the TLS greeting, and the head in lower case.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub sni: String,
    pub head: String,
}

pub(super) struct Server {
    pub address: SocketAddr,
    pub authority: Vec<u8>,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Starts a server that answers by the target and the number of the request.
    pub(super) async fn start(reply: impl Fn(&str, usize) -> Reply + Send + Sync + 'static) -> Self {
        crate::ensure_crypto_provider();
        let made = rcgen::generate_simple_self_signed(NAMES.map(str::to_owned)).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let tls = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, seen, reply) = (listener.local_addr().unwrap(), Arc::default(), Arc::new(reply));
        let told = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (acceptor, seen, reply) = (acceptor.clone(), Arc::clone(&told), Arc::clone(&reply));
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        serve(stream, &seen, &*reply).await;
                    }
                });
            }
        });
        Self { address, authority: made.cert.pem().into_bytes(), seen, task }
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

async fn serve(mut stream: TlsStream<TcpStream>, seen: &Mutex<Vec<Seen>>, reply: &(dyn Fn(&str, usize) -> Reply + Send + Sync)) {
    let sni = stream.get_ref().1.server_name().unwrap_or_default().to_owned();
    while let Some(head) = head(&mut stream).await {
        let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
        let number = {
            let mut seen = seen.lock().unwrap();
            seen.push(Seen { sni: sni.clone(), head });
            seen.len()
        };
        let reply = reply(&target, number);
        let (Reply::Bytes(bytes) | Reply::Last(bytes) | Reply::Stalls(bytes) | Reply::Endless(bytes)) = &reply;
        if stream.write_all(bytes).await.is_err() || stream.flush().await.is_err() {
            return;
        }
        match reply {
            Reply::Bytes(_) => {}
            Reply::Last(_) => {
                let _ = stream.shutdown().await;
                return;
            }
            Reply::Stalls(_) => {
                // Until the client gives up.
                let _ = stream.read(&mut [0]).await;
                return;
            }
            Reply::Endless(_) => while stream.write_all(&[b'x'; 4_096]).await.is_ok() {},
        }
    }
}

async fn head(stream: &mut TlsStream<TcpStream>) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?.to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(head)
}
