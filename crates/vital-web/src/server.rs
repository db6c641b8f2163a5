//! The server loop: connections with time-outs and a cap, and a drain with an end.
//!
//! hyper's `header_read_timeout` does nothing unless a timer is installed, which is why each protocol gets one here.

use axum::{Router, body::Body, extract::ConnectInfo};
use hyper::{Request, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto::Builder, graceful::GracefulShutdown},
};
use std::{io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;
use tower_http::timeout::TimeoutBody;

/// How long a client may take to send the head of a request.
const HEADER_READ: Duration = Duration::from_secs(10);
/// How long a client may pause while it sends a body.
const BODY_IDLE: Duration = Duration::from_secs(30);
/// Connections served at once; further ones wait in the listener's queue.
const CONNECTIONS_MAX: usize = 4_096;
/// Streams of one HTTP/2 connection served at once.
const STREAMS_MAX: u32 = 128;
/// How long running requests may take to end once the server stops.
const DRAIN: Duration = Duration::from_secs(10);
/// Pause after a failed accept, for example when no file descriptor is free.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// Serves the router until `shutdown` is cancelled; then no connection is accepted, running requests get ten seconds, and it returns.
///
/// # Errors
/// None while it runs: a failed connection ends that connection. The result leaves room for a listener that is lost.
pub async fn serve(listener: TcpListener, router: Router, shutdown: CancellationToken) -> io::Result<()> {
    let graceful = GracefulShutdown::new();
    let free = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let builder = builder();
    loop {
        let permit = tokio::select! {
            permit = Arc::clone(&free).acquire_owned() => permit.map_err(io::Error::other)?,
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
        let _latency_only = stream.set_nodelay(true);
        let router = router.clone();
        let service = service_fn(move |request| router.clone().oneshot(prepare(request, peer)));
        let connection = graceful.watch(builder.serve_connection(TokioIo::new(stream), service).into_owned());
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(error, "a connection ended early");
            }
            drop(permit);
        });
    }
    drop(listener);
    if tokio::time::timeout(DRAIN, graceful.shutdown()).await.is_err() {
        tracing::warn!(seconds = DRAIN.as_secs(), "requests were still running when the drain ended; they are cut off");
    }
    Ok(())
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_READ);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(Some(Duration::from_secs(20))).max_concurrent_streams(STREAMS_MAX);
    builder
}

/// Adds where the request came from, and bounds how long its body may pause.
fn prepare(request: Request<Incoming>, peer: SocketAddr) -> Request<Body> {
    let mut request = request.map(|body| Body::new(Box::pin(TimeoutBody::new(BODY_IDLE, body))));
    request.extensions_mut().insert(ConnectInfo(peer));
    request
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    async fn started() -> (SocketAddr, CancellationToken, tokio::task::JoinHandle<io::Result<()>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let router = Router::new().route("/", get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.ip().to_string() }));
        let server = tokio::spawn(serve(listener, router, stop.clone()));
        (address, stop, server)
    }

    #[tokio::test]
    async fn requests_know_where_they_came_from_and_the_server_stops_when_told() {
        let (address, stop, server) = started().await;
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await.unwrap();
        assert!(reply.starts_with("HTTP/1.1 200") && reply.ends_with("127.0.0.1"), "{reply}");
        stop.cancel();
        server.await.unwrap().unwrap();
        assert!(tokio::net::TcpStream::connect(address).await.is_err(), "the port is free again");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_never_finishes_its_head_is_cut_off() {
        let (address, _stop, _server) = started().await;
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nhost:").await.unwrap();
        let mut rest = Vec::new();
        let ended = tokio::time::timeout(HEADER_READ * 6, stream.read_to_end(&mut rest)).await;
        assert!(ended.is_ok(), "the connection was still open after six times the limit");
    }
}
