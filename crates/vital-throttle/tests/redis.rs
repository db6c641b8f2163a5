//! Against a real redis-server, which each test starts for itself on a Unix socket: exact across nodes, and never off.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

use futures_util::{StreamExt as _, future::ready, stream};
use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};
use vital_throttle::{Address, Config, Counted, Decision, Limit, Throttle};

/// How long a test waits for a condition before it has failed.
const PATIENCE: Duration = Duration::from_secs(120);
const LIMIT: Limit = Limit::a_minute("test", 500);

/// A Redis of this test alone.
struct Redis {
    folder: tempfile::TempDir,
    process: Option<Child>,
}

impl Redis {
    fn start() -> Self {
        let mut redis = Self { folder: tempfile::tempdir().unwrap(), process: None };
        redis.begin();
        redis
    }

    fn begin(&mut self) {
        let mut command = Command::new("redis-server");
        command.args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"]).arg(self.socket());
        command.arg("--dir").arg(self.folder.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.process = Some(command.spawn().unwrap_or_else(|e| panic!("redis-server (script/setup --checks installs it): {e}")));
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("redis.sock")
    }

    fn address(&self) -> Address {
        Address { url: format!("redis+unix://{}", self.socket().display()), ..Address::default() }
    }

    fn node(&self) -> Throttle {
        Throttle::new(&Config { redis: Some(self.address()), ..Config::default() }).unwrap()
    }

    fn kill(&mut self) {
        let mut process = self.process.take().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// Stops or continues the process, as a machine under load would.
    fn signal(&self, signal: &str) {
        let id = self.process.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    async fn connection(&self) -> redis::aio::MultiplexedConnection {
        let client = redis::Client::open(format!("redis+unix://{}", self.socket().display())).unwrap();
        client.get_multiplexed_async_connection().await.unwrap()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

async fn counted(node: &Throttle, place: Counted) {
    let mut counted = node.counted();
    tokio::time::timeout(PATIENCE, counted.wait_for(|now| *now == place)).await.expect("in time").unwrap();
}

/// So many requests in turn over the nodes, a hundred under way at a time; returns how many were allowed.
async fn burst(nodes: &[&Throttle], key: &str, requests: usize) -> usize {
    let checks = (0..requests).map(|n| nodes[n % nodes.len()].check(&LIMIT, key));
    stream::iter(checks).buffered(100).filter(|decision| ready(decision.is_allowed())).count().await
}

#[tokio::test]
async fn two_nodes_share_a_limit_exactly_in_a_burst_of_ten_times_as_many() {
    let redis = Redis::start();
    let (a, b) = (redis.node(), redis.node());
    counted(&a, Counted::Shared).await;
    counted(&b, Counted::Shared).await;
    assert_eq!(burst(&[&a, &b], "192.0.2.7", 5_000).await, 500);
    assert_eq!(*a.counted().borrow(), Counted::Shared, "Redis was used to the end");
    assert_eq!(*b.counted().borrow(), Counted::Shared, "Redis was used to the end");
    let Decision::Refused { retry_after } = b.check(&LIMIT, "192.0.2.7").await else { panic!("the limit is used up") };
    assert!(retry_after > Duration::from_secs(30) && retry_after <= Duration::from_secs(61), "{retry_after:?}");
}

#[tokio::test]
async fn counting_goes_on_where_it_stood_when_redis_is_killed_and_is_handed_back_when_it_returns_empty() {
    let mut redis = Redis::start();
    let (a, b) = (redis.node(), redis.node());
    counted(&a, Counted::Shared).await;
    counted(&b, Counted::Shared).await;
    // Both nodes know of 300 when Redis goes: 299 by a, the last by b.
    let mut allowed = burst(&[&a], "k", 299).await + burst(&[&b], "k", 1).await;
    assert_eq!(allowed, 300);
    redis.kill();
    allowed += burst(&[&b], "k", 100).await;
    counted(&b, Counted::InMemory).await;
    assert_eq!(allowed, 400, "no request failed and none was refused");
    redis.begin();
    counted(&b, Counted::Shared).await;
    allowed += burst(&[&b], "k", 4_600).await;
    assert_eq!(allowed, 500, "what was counted in memory is not forgotten");
    burst(&[&a], "other", 1).await;
    counted(&a, Counted::InMemory).await;
    counted(&a, Counted::Shared).await;
    assert_eq!(burst(&[&a], "k", 50).await, 0, "the other node finds the shared count again");
}

#[tokio::test]
async fn a_redis_that_hangs_costs_one_budget_and_then_nothing() {
    let redis = Redis::start();
    let node = redis.node();
    counted(&node, Counted::Shared).await;
    redis.signal("-STOP");
    let begun = std::time::Instant::now();
    assert_eq!(burst(&[&node], "k", 5_000).await, 500, "the limit holds while Redis hangs");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    counted(&node, Counted::InMemory).await;
    redis.signal("-CONT");
    counted(&node, Counted::Shared).await;
    assert_eq!(burst(&[&node], "k", 100).await, 0);
}

#[tokio::test]
async fn a_redis_that_was_never_there_is_found_when_it_comes() {
    let mut redis = Redis { folder: tempfile::tempdir().unwrap(), process: None };
    let node = redis.node();
    assert_eq!(burst(&[&node], "k", 1_000).await, 500);
    redis.begin();
    counted(&node, Counted::Shared).await;
    assert_eq!(burst(&[&node], "k", 1_000).await, 0);
}

#[tokio::test]
async fn redis_holds_no_key_as_it_was_given_and_forgets_all_after_two_periods() {
    let redis = Redis::start();
    let node = redis.node();
    counted(&node, Counted::Shared).await;
    node.check(&LIMIT, "anna@example.org").await;
    let mut connection = redis.connection().await;
    let names: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut connection).await.unwrap();
    assert!(!names.is_empty());
    for name in names {
        assert!(name.starts_with("vital:limit:") && !name.contains("anna") && !name.contains("test"), "{name}");
        let left: i64 = redis::cmd("PTTL").arg(&name).query_async(&mut connection).await.unwrap();
        assert!((-2..=120_000).contains(&left) && left != -1, "{name} stays for {left} ms");
    }
}

/// The script and the code are two tellings of one rule.
#[tokio::test]
async fn the_script_decides_as_memory_does() {
    let redis = Redis::start();
    let (shared, alone) = (redis.node(), Throttle::in_memory(100));
    counted(&shared, Counted::Shared).await;
    for burst in [1, 2, 7] {
        let limit = Limit { name: "both", burst, per: Duration::from_secs(3_600) };
        for key in ["x", "y"] {
            for _ in 0..burst + 2 {
                match (shared.check(&limit, key).await, alone.check(&limit, &format!("{burst}{key}")).await) {
                    (Decision::Allowed { remaining: a }, Decision::Allowed { remaining: b }) => assert_eq!(a, b),
                    (Decision::Refused { retry_after: a }, Decision::Refused { retry_after: b }) => {
                        assert!(a.abs_diff(b) < Duration::from_secs(5), "{a:?} {b:?}");
                    }
                    (a, b) => panic!("{a:?} but {b:?}"),
                }
            }
        }
        redis::cmd("FLUSHALL").query_async::<()>(&mut redis.connection().await).await.unwrap();
    }
}

#[tokio::test]
async fn a_password_that_was_exchanged_in_its_file_is_used_for_the_next_connection() {
    use std::os::unix::fs::OpenOptionsExt as _;
    let redis = Redis::start();
    counted(&redis.node(), Counted::Shared).await;
    let path = redis.folder.path().join("redis.password");
    let put = |text: &str| {
        let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path).unwrap();
        std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
    };
    put("first\n");
    let mut operator = redis.connection().await;
    let _: () = redis::cmd("CONFIG").arg(&["SET", "requirepass", "first"]).query_async(&mut operator).await.unwrap();
    let password = Some(vital_keys::SecretText::in_file(&path, |_| Ok(())).unwrap());
    let node = Throttle::new(&Config { redis: Some(Address { password, ..redis.address() }), ..Config::default() }).unwrap();
    counted(&node, Counted::Shared).await;
    let _: () = redis::cmd("CONFIG").arg(&["SET", "requirepass", "other"]).query_async(&mut operator).await.unwrap();
    let _: () = redis::cmd("CLIENT").arg(&["KILL", "TYPE", "normal", "SKIPME", "yes"]).query_async(&mut operator).await.unwrap();
    assert_eq!(burst(&[&node], "k", 10).await, 10, "limits hold meanwhile");
    counted(&node, Counted::InMemory).await;
    put("other\n");
    counted(&node, Counted::Shared).await;
}
