use super::*;
use std::process::{Child, Command, Stdio};
use vital_keys::{Purpose, RootKey, RootKeys, new_key};
use vital_throttle::Address;

/// New keys of a tenant: those of two calls have nothing in common.
pub(crate) fn keeping(tenant: TenantId) -> Keeping {
    let roots = RootKeys::new(RootKey::software(&[7; 32]).unwrap(), Vec::new());
    let wrapped = [Purpose::Index, Purpose::Content].map(|purpose| new_key(tenant, purpose, 1, roots.current()).unwrap());
    Keeping { keys: Arc::new(TenantKeys::unwrap(tenant, &wrapped, &roots).unwrap()), version: 1 }
}

fn tenant(number: u128) -> TenantId {
    TenantId(Uuid::from_u128(number))
}

fn key(keeping: &Keeping, of: u128, target: &str, sent: &[u8]) -> CacheKey {
    CacheKey::new(tenant(of), keeping, target, sent)
}

fn record(cache: &ExactCache, keeping: &Keeping, key: CacheKey, items: &[Delta]) {
    let mut recording = Some(Recording::new(cache.clone(), keeping.clone(), key));
    for item in items {
        recording = recording.and_then(|recording| recording.item(item));
    }
}

fn answer(text: &str) -> Vec<Delta> {
    vec![Delta::Text(text.to_owned()), Delta::Stop(StopReason::EndTurn)]
}

fn cache() -> ExactCache {
    ExactCache::in_memory(1 << 20, Duration::from_secs(60))
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_kept_for_its_tenant_target_and_request_alone_and_for_its_time() {
    let (cache, ours, theirs) = (cache(), keeping(tenant(1)), keeping(tenant(2)));
    record(&cache, &ours, key(&ours, 1, "t", b"r"), &answer("a"));
    assert_eq!(cache.get(&ours, &key(&ours, 1, "t", b"r")).await.as_deref(), Some(answer("a").as_slice()));
    let later = Keeping { version: 2, ..ours.clone() };
    for (keeping, other) in [
        (&theirs, key(&theirs, 2, "t", b"r")),
        (&ours, key(&ours, 1, "u", b"r")),
        (&ours, key(&ours, 1, "t", b"s")),
        (&later, key(&later, 1, "t", b"r")),
    ] {
        assert_eq!(cache.get(keeping, &other).await, None);
    }
    assert_eq!(cache.get(&theirs, &key(&ours, 1, "t", b"r")).await, None, "found under a name, and not to be opened");
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(cache.get(&ours, &key(&ours, 1, "t", b"r")).await, None);
}

#[test]
fn the_parts_of_a_name_do_not_run_into_each_other() {
    let ours = keeping(tenant(1));
    assert_ne!(key(&ours, 1, "ab", b"c").name, key(&ours, 1, "a", b"bc").name);
}

#[tokio::test]
async fn an_answer_that_is_cut_off_refused_or_calls_a_tool_is_not_kept() {
    let (cache, ours) = (cache(), keeping(tenant(1)));
    let text = Delta::Text("a".to_owned());
    let call = Delta::ToolCallStart { index: 0, id: "c".to_owned(), name: "f".to_owned() };
    for items in [
        vec![text.clone()],
        vec![text.clone(), Delta::Stop(StopReason::MaxTokens)],
        vec![text.clone(), Delta::Stop(StopReason::Refusal)],
        vec![text.clone(), Delta::Stop(StopReason::ToolUse)],
        vec![text.clone(), Delta::Stop(StopReason::Other)],
        vec![text, call, Delta::Stop(StopReason::EndTurn)],
    ] {
        record(&cache, &ours, key(&ours, 1, "t", b"r"), &items);
        assert_eq!(cache.get(&ours, &key(&ours, 1, "t", b"r")).await, None, "{items:?}");
    }
}

#[tokio::test]
async fn what_is_kept_is_bounded_in_bytes_whatever_comes() {
    let (cache, ours) = (ExactCache::in_memory(64 * 1024, Duration::from_secs(60)), keeping(tenant(1)));
    for number in 0..200_u32 {
        record(&cache, &ours, key(&ours, 1, "t", &number.to_le_bytes()), &answer(&"x".repeat(8 * 1024)));
    }
    let Kept::Memory(kept) = &cache.kept else { unreachable!() };
    kept.run_pending_tasks();
    assert!(kept.weighted_size() <= 64 * 1024 && kept.entry_count() > 0);
    let cache = self::cache();
    let tiny_pieces = vec![Delta::Text("x".to_owned()); ANSWER_BYTES_MAX / ITEM_BYTES + 1];
    let large = vec![Delta::Text("x".repeat(KEPT_BYTES_MAX)), Delta::Stop(StopReason::EndTurn)];
    for (number, items) in [[tiny_pieces, answer("")].concat(), large].iter().enumerate() {
        record(&cache, &ours, key(&ours, 1, "t", &[number as u8]), items);
        assert_eq!(cache.get(&ours, &key(&ours, 1, "t", &[number as u8])).await, None, "overhead counts too");
    }
}

#[tokio::test]
async fn a_tenants_answers_are_forgotten_on_demand() {
    let (cache, ours, theirs) = (cache(), keeping(tenant(1)), keeping(tenant(2)));
    record(&cache, &ours, key(&ours, 1, "t", b"r"), &answer("a"));
    record(&cache, &theirs, key(&theirs, 2, "t", b"r"), &answer("b"));
    assert!(cache.forget(tenant(1)).await);
    let left = (cache.get(&ours, &key(&ours, 1, "t", b"r")).await, cache.get(&theirs, &key(&theirs, 2, "t", b"r")).await.is_some());
    assert_eq!(left, (None, true));
}

#[test]
fn a_replayed_prompt_counts_as_cached() {
    let usage = TokenUsage { input: 9, output: 2, cache_write_input: 4, ..TokenUsage::default() };
    assert_eq!(again(&Delta::Usage(usage)), Delta::Usage(TokenUsage { input: 9, cached_input: 9, output: 2, ..TokenUsage::default() }));
}

/// A real Redis of one test, on a socket.
struct Redis {
    folder: tempfile::TempDir,
    process: Child,
}

impl Redis {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("redis-server");
        command.args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"]).arg(folder.path().join("redis.sock"));
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        Self { folder, process: process.expect("redis-server (script/setup --checks installs it)") }
    }

    fn cache(&self, keep_for: Duration) -> ExactCache {
        let url = format!("redis+unix://{}", self.folder.path().join("redis.sock").display());
        ExactCache::in_redis(Shelf::new(&Address { url, ..Address::default() }, KEPT_BYTES_MAX).unwrap(), keep_for)
    }

    /// What the server says to a command.
    fn says(&self, command: &[&[u8]]) -> Vec<u8> {
        use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _};
        let mut cli = Command::new("redis-cli");
        cli.arg("-s").arg(self.folder.path().join("redis.sock")).args(command.iter().map(|c| OsStr::from_bytes(c)));
        cli.output().unwrap().stdout
    }

    fn names(&self) -> Vec<String> {
        String::from_utf8(self.says(&[b"KEYS", b"*"])).unwrap().lines().filter(|l| !l.is_empty()).map(str::to_owned).collect()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Records until it can be found: the first looks only begin to connect.
async fn kept(cache: &ExactCache, keeping: &Keeping, key: &CacheKey, text: &str) {
    let until = std::time::Instant::now() + Duration::from_secs(30);
    while cache.get(keeping, key).await.as_deref() != Some(answer(text).as_slice()) {
        assert!(std::time::Instant::now() < until, "the answer is not kept");
        record(cache, keeping, key.clone(), &answer(text));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn in_redis_nodes_share_a_tenants_answers_and_nothing_of_them_can_be_read() {
    let redis = Redis::start();
    let (a, b, ours, theirs) = (redis.cache(KEEP_MAX), redis.cache(KEEP_MAX), keeping(tenant(1)), keeping(tenant(2)));
    let (here, there) = (key(&ours, 1, "t", b"What is in the vial?"), key(&theirs, 2, "t", b"What is in the vial?"));
    kept(&a, &ours, &here, "Aldebaran").await;
    kept(&b, &ours, &here, "Aldebaran").await;
    assert_eq!(b.get(&theirs, &there).await, None, "another tenant asks the same");
    let names = redis.names();
    assert_eq!(names.len(), 1, "{names:?}");
    let stored = redis.says(&[b"GET", names[0].as_bytes()]);
    let shown = format!("{names:?} {}", String::from_utf8_lossy(&stored));
    assert!(!shown.contains("vial") && !shown.contains("Aldebaran") && !shown.contains(&tenant(1).to_string()), "{shown}");
    let left: i64 = String::from_utf8(redis.says(&[b"PTTL", names[0].as_bytes()])).unwrap().trim().parse().unwrap();
    assert!(left > 0 && left <= 86_400_000, "{left}");
    // One tenant's answers go, another's stay.
    kept(&a, &theirs, &there, "Betelgeuse").await;
    assert!(b.forget(tenant(1)).await);
    assert_eq!((a.get(&ours, &here).await, redis.names().len()), (None, 1));
    assert!(a.get(&theirs, &there).await.is_some());
}

#[tokio::test]
async fn what_somebody_else_put_into_redis_is_passed_over() {
    let redis = Redis::start();
    let (cache, ours, theirs) = (redis.cache(KEEP_MAX), keeping(tenant(1)), keeping(tenant(2)));
    let (here, other) = (key(&ours, 1, "t", b"r"), key(&ours, 1, "t", b"s"));
    kept(&cache, &ours, &here, "a").await;
    kept(&cache, &ours, &other, "b").await;
    let name = |key: &CacheKey| format!("vital:{}", key.shelf());
    let large = vec![b'x'; KEPT_BYTES_MAX + 1];
    for planted in [b"".as_slice(), b"no sealed value", b"{\"form\":1,\"until\":9999999999,\"items\":[{\"t\":\"planted\"}]}"] {
        redis.says(&[b"SET", name(&here).as_bytes(), planted]);
        assert_eq!(cache.get(&ours, &here).await, None, "{planted:?}");
    }
    // The answer to one request at the place of another, of a tenant at that of another, one of another kind, and one that is too large.
    redis.says(&[b"COPY", name(&other).as_bytes(), name(&here).as_bytes(), b"REPLACE"]);
    assert_eq!(cache.get(&ours, &here).await, None);
    record(&cache, &theirs, CacheKey { name: here.name, tenant: tenant(1) }, &answer("theirs"));
    assert_eq!(cache.get(&ours, &here).await, None);
    redis.says(&[b"DEL", name(&here).as_bytes()]);
    redis.says(&[b"LPUSH", name(&here).as_bytes(), b"x"]);
    assert_eq!(cache.get(&ours, &here).await, None);
    for piece in large.chunks(64 * 1024) {
        redis.says(&[b"APPEND", name(&other).as_bytes(), piece]);
    }
    assert_eq!(cache.get(&ours, &other).await, None);
    assert!(cache.get(&ours, &key(&ours, 1, "t", b"u")).await.is_none() && !redis.names().is_empty(), "the connection goes on");
}

#[tokio::test]
async fn what_is_kept_in_redis_longer_than_it_may_be_is_not_found() {
    let redis = Redis::start();
    let (long, short, ours) = (redis.cache(KEEP_MAX), redis.cache(Duration::from_secs(60)), keeping(tenant(1)));
    let here = key(&ours, 1, "t", b"r");
    kept(&long, &ours, &here, "a").await;
    kept(&short, &ours, &key(&ours, 1, "t", b"s"), "b").await;
    assert_eq!(short.get(&ours, &here).await, None, "this node keeps for a minute");
    // Kept on by somebody: what is sealed says itself when it ends.
    let brief = redis.cache(Duration::from_secs(3));
    let there = key(&ours, 1, "t", b"brief");
    kept(&brief, &ours, &there, "c").await;
    redis.says(&[b"PERSIST", format!("vital:{}", there.shelf()).as_bytes()]);
    let until = std::time::Instant::now() + Duration::from_secs(30);
    while brief.get(&ours, &there).await.is_some() {
        assert!(std::time::Instant::now() < until, "it is found for ever");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(redis.names().contains(&format!("vital:{}", there.shelf())), "it is still there");
}

#[tokio::test]
async fn a_redis_that_hangs_or_is_not_there_costs_one_look_and_fails_nobody() {
    let redis = Redis::start();
    let (cache, ours) = (redis.cache(KEEP_MAX), keeping(tenant(1)));
    let here = key(&ours, 1, "t", b"r");
    kept(&cache, &ours, &here, "a").await;
    let signal = |signal: &str| Command::new("kill").args([signal, &redis.process.id().to_string()]).status().unwrap().success();
    assert!(signal("-STOP"));
    let begun = std::time::Instant::now();
    for _ in 0..100 {
        assert_eq!(cache.get(&ours, &here).await, None);
        record(&cache, &ours, here.clone(), &answer("a"));
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert!(signal("-CONT"));
    kept(&cache, &ours, &here, "a").await;
}
