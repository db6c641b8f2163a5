//! What good users feel of connections that keep the server waiting: heads of requests that come a byte a second and never end.

use crate::{
    api::Api,
    row::{Aim, Report, Row},
    samples::{Samples, ms},
    server::{Server, Setting, http_client_from, http_client_without_pool},
};
use anyhow::{Context as _, ensure};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    task::JoinSet,
    time::{interval, sleep, timeout},
};

/// Hostile connections, in a full and in a quick run.
const HOSTILE: (usize, usize) = (2_000, 500);
/// Hostile connections of one address: just below what one may have.
const OF_ADDRESS: usize = 250;
/// Pause between two bytes of a head.
const DRIP: Duration = Duration::from_secs(1);
/// Good clients, and how often each asks.
const GOOD: usize = 8;
const PACE: Duration = Duration::from_millis(25);
/// How long good clients ask in one round, in a full and in a quick run.
const ROUND: (Duration, Duration) = (Duration::from_secs(15), Duration::from_secs(5));
/// Rounds with and rounds without.
const ROUNDS: usize = 3;
/// Longest wait for all hostile connections to be there.
const GATHER: Duration = Duration::from_secs(60);
/// The aim: how much worse p95 may be, in percent.
const WORSE_PERCENT_MAX: f64 = 10.0;

/// Measures.
///
/// # Errors
/// When the server refuses a good user, or the hostile connections cannot be opened.
pub(crate) async fn measure(setting: &Setting, quick: bool, report: &mut Report) -> anyhow::Result<()> {
    let (hostile, round) = if quick { (HOSTILE.1, ROUND.1) } else { (HOSTILE.0, ROUND.0) };
    room_for(hostile + 1_000)?;
    let server = Server::start(setting).await?;
    let api = Api::set_up(&server).await?;
    api.library_ready(false).await?;
    let address: SocketAddr = server.base().trim_start_matches("http://").parse()?;
    good_users(&api, round / 5).await?;
    let (mut alone, mut beside, mut cut) = (Vec::new(), Vec::new(), 0);
    for number in 1..=ROUNDS {
        crate::say(&format!("good users alone, then beside {hostile} slow connections, {number} of {ROUNDS}"));
        alone.extend(good_users(&api, round).await?);
        let attack = Attack::begin(address, hostile).await?;
        beside.extend(good_users(&api, round).await?);
        cut += attack.end(hostile)?;
    }
    let (alone, beside) = (Samples::new(alone), Samples::new(beside));
    let percentiles = |s: &Samples| [("p50", s.percentile(50.0)), ("p95", s.percentile(95.0))];
    report.add(Row::new("(good users alone)", "ms", &percentiles(&alone), None, alone.len()));
    report.add(Row::new(format!("(good users beside {hostile} slow connections)"), "ms", &percentiles(&beside), None, beside.len()));
    report.add(Row::new("(slow connections that the server closed meanwhile)", "", &[("", cut as f64)], None, ROUNDS));
    let worse = (beside.percentile(95.0) / alone.percentile(95.0) - 1.0) * 100.0;
    let what = format!("p95 of good users beside {hostile} slow connections, worse by");
    report.add(Row::new(what, "%", &[("", worse)], Some(Aim::AtMost(WORSE_PERCENT_MAX)), beside.len()));
    server.stop()
}

/// Raises the limit of open files of this process, and so of the server that it starts.
fn room_for(files: usize) -> anyhow::Result<()> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let wanted = soft.max(files as u64 * 2);
    ensure!(wanted <= hard, "{wanted} open files are needed, and the system allows {hard}");
    setrlimit(Resource::RLIMIT_NOFILE, wanted, hard).context("the limit of open files could not be raised")
}

/// The times, in milliseconds, that good users wait.
async fn good_users(api: &Api, round: Duration) -> anyhow::Result<Vec<f64>> {
    let mut clients = JoinSet::new();
    for number in 0..GOOD {
        let api = api.clone();
        let http = if number % 2 == 0 { http_client_from(Ipv4Addr::LOCALHOST)? } else { http_client_without_pool()? };
        clients.spawn(async move {
            sleep(PACE.mul_f64(number as f64 / GOOD as f64)).await;
            let (begun, mut pace, mut taken) = (Instant::now(), interval(PACE), Vec::new());
            while begun.elapsed() < round {
                pace.tick().await;
                let asked = Instant::now();
                let response = api.by(&http, "/api/v1/me").send().await?;
                let status = response.status();
                response.bytes().await?;
                ensure!(status.is_success(), "a good user was refused with status {status}");
                taken.push(ms(asked.elapsed()));
            }
            Ok(taken)
        });
    }
    let mut all = Vec::new();
    while let Some(client) = clients.join_next().await {
        all.extend(client??);
    }
    Ok(all)
}

/// Hostile connections; dropping it closes them.
struct Attack {
    _connections: JoinSet<()>,
    open: Arc<AtomicUsize>,
    cut: Arc<AtomicUsize>,
}

impl Attack {
    /// Begins, and waits until all are connected.
    async fn begin(address: SocketAddr, count: usize) -> anyhow::Result<Self> {
        let (mut connections, open, cut) = (JoinSet::new(), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        for number in 0..count {
            let from = Ipv4Addr::new(127, 0, 1, u8::try_from(number / OF_ADDRESS + 1)?);
            let (open, cut) = (Arc::clone(&open), Arc::clone(&cut));
            connections.spawn(async move {
                // Not in step with one another.
                sleep(DRIP.mul_f64(number as f64 / count as f64)).await;
                loop {
                    if let Ok(stream) = connect(from, address).await {
                        open.fetch_add(1, Ordering::Relaxed);
                        drip(stream).await;
                        open.fetch_sub(1, Ordering::Relaxed);
                        cut.fetch_add(1, Ordering::Relaxed);
                    } else {
                        sleep(DRIP).await;
                    }
                }
            });
        }
        let gathered = async {
            while open.load(Ordering::Relaxed) < count * 99 / 100 {
                sleep(crate::server::LOOK_EVERY).await;
            }
        };
        let there = timeout(GATHER, gathered).await;
        ensure!(there.is_ok(), "only {} of {count} slow connections could be opened", open.load(Ordering::Relaxed));
        Ok(Self { _connections: connections, open, cut })
    }

    /// Ends it, and returns how many connections the server closed.
    fn end(self, count: usize) -> anyhow::Result<usize> {
        let open = self.open.load(Ordering::Relaxed);
        ensure!(open >= count * 9 / 10, "only {open} of {count} slow connections were open at the end");
        Ok(self.cut.load(Ordering::Relaxed))
    }
}

#[expect(clippy::disallowed_methods, reason = "the slow connections are for the server under measurement, on this machine")]
async fn connect(from: Ipv4Addr, address: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((from, 0)))?;
    socket.connect(address).await
}

/// Sends the head of a request in drops until the server closes the connection.
async fn drip(mut stream: TcpStream) {
    if stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nx-slow: ").await.is_err() {
        return;
    }
    let mut said = [0; 64];
    loop {
        match timeout(DRIP, stream.read(&mut said)).await {
            Err(_) if stream.write_all(b"a").await.is_ok() => {}
            Ok(Ok(read)) if read > 0 => {}
            _ => return,
        }
    }
}
