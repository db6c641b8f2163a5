//! The server loop: connections with time-outs and caps, and a drain with an end.
//!
//! hyper's `header_read_timeout` does nothing unless a timer is installed, which is why each protocol gets one here. It also begins only
//! once it is clear which protocol the client speaks, and HTTP/2 has none: `Activity` closes what these leave open.

use crate::{
    connections::{Activity, Place},
    held::Held,
    pace::Paced,
    protection::Protection,
    unread::Unread,
};
use axum::{Router, body::Body, extract::ConnectInfo};
use hyper::{
    Request,
    body::Incoming,
    header::{HOST, HeaderValue},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{
        conn::auto::Builder,
        graceful::{GracefulShutdown, Watcher},
    },
};
use std::{future::Future, io, net::SocketAddr, pin::pin, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;
use vital_tls::Tls;

/// How long a client may take to send the head of a request; so long a quiet HTTP/1 connection is kept as well.
const HEADER_READ: Duration = Duration::from_secs(10);
/// Headers of one HTTP/1 request.
const HEADERS_MAX: usize = 64;
/// Head of one HTTP/1 request, in bytes.
const HEAD_BYTES_MAX: usize = 32 * 1024;
/// Headers of one HTTP/2 request, in bytes as RFC 9113 section 6.5.2 counts them.
const HEADER_LIST_BYTES_MAX: u32 = 16 * 1024;
/// Streams of one HTTP/2 connection served at once.
const STREAMS_MAX: u32 = 128;
/// Streams a client may reset before the server has looked at them, until the connection is closed (CVE-2023-44487).
const RESET_STREAMS_MAX: usize = 20;
/// Streams a client may make the server reset, until the connection is closed (CVE-2025-8671).
const LOCAL_RESET_STREAMS_MAX: usize = 64;
/// How often a quiet HTTP/2 client is asked whether it is still there.
const PING: Duration = Duration::from_secs(20);
/// How long running requests may take to end once the server stops.
const DRAIN: Duration = Duration::from_secs(10);
/// Pause after a failed accept, for example when no file descriptor is free.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// Serves the router until `shutdown` is cancelled; then no connection is accepted, running requests get ten seconds, and it returns.
/// `protection` is that of the router's state.
///
/// # Errors
/// None while it runs: a failed connection ends that connection. The result leaves room for a listener that is lost.
pub async fn serve(listener: TcpListener, router: Router, protection: Protection, shutdown: CancellationToken) -> io::Result<()> {
    serve_with(listener, None, router, protection, shutdown).await
}

/// As [`serve`], over TLS: a connection takes its place before its handshake, and the handshake has a deadline of its own.
///
/// # Errors
/// As [`serve`].
pub async fn serve_tls(
    listener: TcpListener,
    tls: Tls,
    router: Router,
    protection: Protection,
    shutdown: CancellationToken,
) -> io::Result<()> {
    serve_with(listener, Some(tls), router, protection, shutdown).await
}

async fn serve_with(
    listener: TcpListener,
    tls: Option<Tls>,
    router: Router,
    protection: Protection,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let graceful = GracefulShutdown::new();
    let builder = builder();
    loop {
        let free = tokio::select! {
            free = protection.connections.free() => free?,
            () = shutdown.cancelled() => break,
        };
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_RETRY).await;
                    continue;
                }
            },
            () = shutdown.cancelled() => break,
        };
        // Over the cap of its address the connection is closed by being dropped.
        let Some(place) = protection.connections.place(free, peer.ip(), protection.proxies.trusts(peer.ip())) else { continue };
        let _latency_only = stream.set_nodelay(true);
        let connection = Connection { builder: builder.clone(), watcher: graceful.watcher(), peer, router: router.clone(), place };
        match tls.clone() {
            None => drop(tokio::spawn(connection.serve(stream))),
            Some(tls) => drop(tokio::spawn(connection.shake_hands(tls, stream, shutdown.clone()))),
        }
    }
    drop(listener);
    if tokio::time::timeout(DRAIN, graceful.shutdown()).await.is_err() {
        tracing::warn!(seconds = DRAIN.as_secs(), "requests were still running when the drain ended; they are cut off");
    }
    Ok(())
}

/// What a connection needs to be served.
struct Connection {
    builder: Builder<TokioExecutor>,
    watcher: Watcher,
    peer: SocketAddr,
    router: Router,
    place: Place,
}

impl Connection {
    async fn shake_hands(self, tls: Tls, stream: TcpStream, shutdown: CancellationToken) {
        let met = tokio::select! {
            met = tls.accept(stream) => met,
            // Nothing has been asked yet, so nothing is lost.
            () = shutdown.cancelled() => return,
        };
        match met {
            Ok(Some(stream)) => self.serve(stream).await,
            Ok(None) => {}
            Err(error) => tracing::debug!(%error, "a handshake failed"),
        }
    }

    async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(self, stream: S) {
        let Self { builder, watcher, peer, router, place } = self;
        let activity = Activity::new();
        let requests = activity.clone();
        let service = service_fn(move |request| {
            let (running, answer) = (requests.begin(), router.clone().oneshot(prepare(request, peer)));
            async move { answer.await.map(|response| response.map(|body| Held::new(body, running))) }
        });
        let connection = watcher.watch(builder.serve_connection(TokioIo::new(Unread::new(stream)), service).into_owned());
        until_over(connection, &activity).await;
        drop(place);
    }
}

/// Lets a connection work until it ends, or until nothing has happened on it for too long.
async fn until_over<E: std::fmt::Debug>(connection: impl Future<Output = Result<(), E>>, activity: &Activity) {
    let mut connection = pin!(connection);
    let mut until = activity.until();
    loop {
        tokio::select! {
            ended = &mut connection => {
                if let Err(error) = ended {
                    tracing::debug!(?error, "a connection ended early");
                }
                return;
            }
            () = tokio::time::sleep_until(until) => {
                until = activity.until();
                if until <= Instant::now() {
                    tracing::debug!("a connection on which nothing happened is closed");
                    return;
                }
            }
        }
    }
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_READ).max_headers(HEADERS_MAX).max_buf_size(HEAD_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Some(PING))
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEADER_LIST_BYTES_MAX)
        .max_pending_accept_reset_streams(RESET_STREAMS_MAX)
        .max_local_error_reset_streams(LOCAL_RESET_STREAMS_MAX);
    builder
}

/// Adds where the request came from, and bounds how slowly its body may come.
fn prepare(request: Request<Incoming>, peer: SocketAddr) -> Request<Body> {
    let mut request = request.map(|body| Body::new(Paced::new(body)));
    request.extensions_mut().insert(ConnectInfo(peer));
    // HTTP/2 names the host in the request line; what reads it looks in one place (RFC 9113 section 8.3.1).
    if let Some(host) = request.uri().authority().and_then(|authority| HeaderValue::try_from(authority.as_str()).ok()) {
        request.headers_mut().insert(HOST, host);
    }
    request
}

#[cfg(test)]
mod tls_tests;

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "a test connects to the server that it started")]

    use super::*;
    use crate::{
        admission::Load,
        connections::{FIRST_REQUEST, IDLE},
        protection::Settings,
    };
    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    const HELLO: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";
    /// The connection preface of HTTP/2 and empty settings (RFC 9113 section 3.4).
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

    async fn started_with(load: Load) -> (SocketAddr, CancellationToken, tokio::task::JoinHandle<io::Result<()>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let large = || async { vec![b'x'; 64 * 1024 * 1024] };
        let router = Router::new()
            .route("/", get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.ip().to_string() }))
            .route("/large", get(large));
        let protection = Protection::new(Settings { load, ..Settings::default() });
        let server = tokio::spawn(serve(listener, router, protection, stop.clone()));
        (address, stop, server)
    }

    async fn started() -> (SocketAddr, CancellationToken, tokio::task::JoinHandle<io::Result<()>>) {
        started_with(Load::default()).await
    }

    async fn connected(address: SocketAddr, sent: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(sent).await.unwrap();
        stream
    }

    /// What comes until the server closes the connection, which it has to do within the time.
    async fn until_closed(stream: &mut TcpStream, within: Duration) -> Vec<u8> {
        let mut said = Vec::new();
        let ended = tokio::time::timeout(within, stream.read_to_end(&mut said)).await;
        assert!(ended.is_ok(), "the connection was still open after {within:?}; it said {:?}", String::from_utf8_lossy(&said));
        said
    }

    #[tokio::test]
    async fn requests_know_where_they_came_from_and_the_server_stops_when_told() {
        let (address, stop, server) = started().await;
        let mut stream = connected(address, b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
        let reply = String::from_utf8(until_closed(&mut stream, DRAIN).await).unwrap();
        assert!(reply.starts_with("HTTP/1.1 200") && reply.ends_with("127.0.0.1"), "{reply}");
        stop.cancel();
        server.await.unwrap().unwrap();
        assert!(TcpStream::connect(address).await.is_err(), "the port is free again");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_never_finishes_its_head_is_cut_off_whatever_it_speaks() {
        let (address, _stop, _server) = started().await;
        for begun in [&b"GET / HTTP/1.1\r\nhost:"[..], b"", b"PRI * HT", PREFACE] {
            let began = Instant::now();
            let mut stream = connected(address, begun).await;
            until_closed(&mut stream, FIRST_REQUEST * 3).await;
            assert!(began.elapsed() <= FIRST_REQUEST * 2, "{:?} for {begun:?}", began.elapsed());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_quiet_connection_is_closed_after_its_last_response() {
        let (address, _stop, _server) = started().await;
        let mut stream = connected(address, HELLO).await;
        let began = Instant::now();
        let said = until_closed(&mut stream, IDLE * 2).await;
        assert!(said.starts_with(b"HTTP/1.1 200") && began.elapsed() <= HEADER_READ * 2, "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_read_its_response_is_cut_off() {
        let (address, _stop, _server) = started().await;
        let mut stream = connected(address, b"GET /large HTTP/1.1\r\nhost: x\r\n\r\n").await;
        tokio::time::sleep(crate::unread::PATIENCE * 2).await;
        let mut said = Vec::new();
        let _cut = stream.read_to_end(&mut said).await;
        assert!(said.starts_with(b"HTTP/1.1 200") && said.len() < 64 * 1024 * 1024, "{} bytes were sent", said.len());
    }

    #[tokio::test]
    async fn a_connection_over_the_cap_of_its_address_is_closed_at_once_and_the_others_go_on() {
        let (address, _stop, _server) = started_with(Load { connections_per_address: 2, ..Load::default() }).await;
        let mut held = [connected(address, HELLO).await, connected(address, HELLO).await];
        for stream in &mut held {
            stream.read_exact(&mut [0; 12]).await.unwrap();
        }
        let mut third = TcpStream::connect(address).await.unwrap();
        let mut said = Vec::new();
        let _reset_or_end = tokio::time::timeout(DRAIN, third.read_to_end(&mut said)).await.expect("it is closed at once");
        assert!(said.is_empty());
        held[0].write_all(HELLO).await.unwrap();
        held[0].read_exact(&mut [0; 12]).await.unwrap();
    }

    #[tokio::test]
    async fn a_head_with_too_many_or_too_long_headers_is_refused() {
        let (address, _stop, _server) = started().await;
        let many = format!("GET / HTTP/1.1\r\nhost: x\r\n{}\r\n", "a: b\r\n".repeat(HEADERS_MAX));
        let long = format!("GET / HTTP/1.1\r\nhost: x\r\na: {}\r\n\r\n", "b".repeat(HEAD_BYTES_MAX));
        for head in [many, long] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            // The server may close while the rest is still being sent.
            let _ = stream.write_all(head.as_bytes()).await;
            let mut said = [0; 12];
            stream.read_exact(&mut said).await.unwrap();
            assert_eq!(&said, b"HTTP/1.1 431");
        }
    }

    /// Opens and resets streams as fast as it can (CVE-2023-44487): the server says goodbye instead of working for it.
    #[tokio::test]
    async fn a_storm_of_resets_ends_the_connection() {
        const PAIRS: u32 = 2_000;
        let (address, _stop, _server) = started().await;
        let mut storm = PREFACE.to_vec();
        for stream in (1..PAIRS * 2).step_by(2) {
            // GET http / with the authority `x`, by the static table of RFC 7541 appendix A; then RST_STREAM with CANCEL.
            storm.extend_from_slice(&[0, 0, 6, 1, 5]);
            storm.extend_from_slice(&stream.to_be_bytes());
            storm.extend_from_slice(&[0x82, 0x86, 0x84, 0x01, 1, b'x']);
            storm.extend_from_slice(&[0, 0, 4, 3, 0]);
            storm.extend_from_slice(&stream.to_be_bytes());
            storm.extend_from_slice(&[0, 0, 0, 8]);
        }
        let stream = TcpStream::connect(address).await.unwrap();
        let (mut read, mut write) = stream.into_split();
        let sending = tokio::spawn(async move {
            let _cut_off = write.write_all(&storm).await;
            write
        });
        let mut said = Vec::new();
        let _reset_or_end = tokio::time::timeout(DRAIN, read.read_to_end(&mut said)).await.expect("the connection is closed");
        drop(sending);
        // GOAWAY with ENHANCE_YOUR_CALM.
        let goodbye = said.windows(17).any(|w| w[3] == 7 && w[13..17] == [0, 0, 0, 11]);
        assert!(goodbye, "{said:?}");
    }
}
