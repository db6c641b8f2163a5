//! The rules of the gateway, on scripted sources and paused time.

use super::{
    script::{Play, Script, USAGE, saying, text},
    *,
};
use crate::{ChatRequest, Delta, LlmError, Message, Provider, ProviderConfig, StopReason, Timeouts, Tool, WireFormat};
use futures_util::{FutureExt as _, StreamExt as _};
use std::time::Duration;
use tokio::time::{Instant, advance};
use uuid::Uuid;
use vital_kernel::TenantId;
use vital_testkit::provider::{Script as Reply, ScriptedProvider, Stop};

const TENANT: TenantId = TenantId(Uuid::from_u128(1));
const OTHER: TenantId = TenantId(Uuid::from_u128(2));

fn settings() -> TargetSettings {
    TargetSettings::new(PriceKey { provider: "p".to_owned(), model: "m".to_owned() })
}

fn caller(seconds: u64) -> Caller {
    Caller { tenant: TENANT, keeping: None, deadline: Instant::now() + Duration::from_secs(seconds) }
}

fn request() -> ChatRequest {
    ChatRequest { messages: vec![Message::user("?")], temperature: Some(0.0), ..ChatRequest::default() }
}

/// A gateway with its targets in the order of fallback.
struct Stage {
    gateway: Gateway,
    targets: Vec<Arc<Target>>,
}

impl Stage {
    async fn stream(&self, caller: &Caller, request: &ChatRequest) -> Result<GatewayStream, GatewayError> {
        self.gateway.stream(caller, &self.targets, request).await
    }

    fn load(&self) -> Load {
        self.gateway.load()
    }

    fn breaker(&self) -> BreakerState {
        self.targets[0].status().breaker
    }
}

fn target(gateway: &Gateway, name: &str, script: &Script, settings: &TargetSettings, before: Option<&Target>) -> Arc<Target> {
    Arc::new(gateway.target_of(name.to_owned(), Source::Script(script.clone()), settings.clone(), before))
}

/// A gateway whose targets are the scripts, which are called `a`, `b` and so on.
fn gateway(scripts: &[&Script]) -> Stage {
    gateway_with(scripts, &settings(), None)
}

fn gateway_with(scripts: &[&Script], settings: &TargetSettings, cache: Option<ExactCache>) -> Stage {
    let gateway = Gateway::new(SlotLimits::default(), cache);
    let targets = ["a", "b", "c"].iter().zip(scripts).map(|(name, script)| target(&gateway, name, script, settings, None)).collect();
    Stage { gateway, targets }
}

async fn ask(stage: &Stage) -> Result<GatewayStream, GatewayError> {
    stage.stream(&caller(60), &request()).await
}

async fn items(stream: GatewayStream) -> Vec<Result<Delta, LlmError>> {
    stream.collect().await
}

fn answer(word: &str) -> Vec<Result<Delta, LlmError>> {
    vec![Ok(text(word)), Ok(Delta::Usage(USAGE)), Ok(Delta::Stop(StopReason::EndTurn))]
}

fn faults(attempts: &[Attempt]) -> Vec<(&str, &str)> {
    attempts.iter().map(|attempt| (&*attempt.target, attempt.fault.code())).collect()
}

#[tokio::test(start_paused = true)]
async fn the_first_target_answers_and_the_slot_is_free_with_the_last_item() {
    let script = Script::new([saying("a")]);
    let gateway = gateway(&[&script]);
    let mut stream = ask(&gateway).await.expect("an answer");
    assert_eq!((&*stream.answering().target, stream.answering().attempts.len()), ("a", 0));
    let mut seen = Vec::new();
    while let Some(item) = stream.next().await {
        let last = matches!(item, Ok(Delta::Stop(_)));
        assert_eq!(gateway.load().in_use, usize::from(!last));
        seen.push(item);
    }
    assert_eq!(seen, answer("a"));
}

#[tokio::test(start_paused = true)]
async fn a_target_that_fails_at_once_is_retried_and_left_within_two_seconds() {
    let (bad, good) = (Script::new([Play::Refuse(LlmError::Connect)]), Script::new([saying("b")]));
    let gateway = gateway(&[&bad, &good]);
    let from = Instant::now();
    let stream = ask(&gateway).await.expect("an answer");
    assert!(from.elapsed() < Duration::from_secs(2), "{:?}", from.elapsed());
    assert_eq!(faults(&stream.answering().attempts), [("a", "provider.connect"); 3]);
    assert_eq!(&*stream.answering().target, "b");
    assert_eq!(items(stream).await, answer("b"));
}

#[tokio::test(start_paused = true)]
async fn a_retry_mends_what_a_retry_can_mend() {
    let script = Script::new([Play::Refuse(LlmError::Status { status: 500 }), saying("a")]);
    let stream = ask(&gateway(&[&script])).await.expect("an answer");
    assert_eq!((faults(&stream.answering().attempts).len(), script.calls()), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn what_no_retry_mends_falls_back_at_once() {
    for error in [LlmError::Unauthorized, LlmError::ContextTooLong, LlmError::Config { detail: String::new() }, LlmError::UnknownModel] {
        let (bad, good) = (Script::new([Play::Refuse(error)]), Script::new([saying("b")]));
        let from = Instant::now();
        let stream = ask(&gateway(&[&bad, &good])).await.expect("an answer");
        assert_eq!((bad.calls(), &*stream.answering().target, from.elapsed()), (1, "b", Duration::ZERO));
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_does_not_fall_back() {
    let other = Script::new([saying("b")]);
    let refused = Script::new([Play::Refuse(LlmError::ContentFiltered)]);
    let error = ask(&gateway(&[&refused, &other])).await.expect_err("refused");
    assert_eq!(error.fault(), Some(&Fault::Provider(LlmError::ContentFiltered)));
    let refusing = Script::new([Play::Answer(vec![Ok(Delta::Stop(StopReason::Refusal))], Duration::ZERO)]);
    let stream = ask(&gateway(&[&refusing, &other])).await.expect("a refusal is an answer");
    assert_eq!(items(stream).await, [Ok(Delta::Stop(StopReason::Refusal))]);
    assert_eq!(other.calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn after_the_first_shown_item_nothing_is_tried_again() {
    let broken = Script::new([Play::Answer(vec![Ok(text("a")), Err(LlmError::Cut)], Duration::ZERO)]);
    let other = Script::new([saying("b")]);
    let gateway = gateway(&[&broken, &other]);
    assert_eq!(items(ask(&gateway).await.expect("it began")).await, [Ok(text("a")), Err(LlmError::Cut)]);
    assert_eq!((broken.calls(), other.calls(), gateway.load()), (1, 0, Load::default()));
}

#[tokio::test(start_paused = true)]
async fn usage_alone_is_not_shown_so_the_next_target_is_tried_and_the_usage_is_told() {
    let broken = Script::new([Play::Answer(vec![Ok(Delta::Usage(USAGE)), Err(LlmError::Stalled)], Duration::ZERO)]);
    let good = Script::new([Play::Answer([Ok(Delta::Usage(USAGE))].into_iter().chain(answer("b")).collect(), Duration::ZERO)]);
    let stream = ask(&gateway_with(&[&broken, &good], &TargetSettings { retries: 0, ..settings() }, None)).await.expect("an answer");
    assert_eq!(stream.answering().attempts[0].usage, Some(USAGE));
    assert_eq!(items(stream).await[..2], [Ok(Delta::Usage(USAGE)), Ok(text("b"))]);
}

#[tokio::test(start_paused = true)]
async fn a_stream_without_an_end_never_passes_for_an_answer() {
    let script = Script::new([Play::Answer(vec![Ok(text("a"))], Duration::ZERO)]);
    assert_eq!(items(ask(&gateway(&[&script])).await.expect("it began")).await, [Ok(text("a")), Err(LlmError::Cut)]);
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_honoured_where_it_fits_and_nowhere_else_to_go() {
    let limited = |seconds| Play::Refuse(LlmError::RateLimited { retry_after: Some(Duration::from_secs(seconds)) });
    let from = Instant::now();
    let alone = Script::new([limited(9), saying("a")]);
    ask(&gateway(&[&alone])).await.expect("an answer");
    assert!(from.elapsed() >= Duration::from_secs(9));
    let from = Instant::now();
    let long = Script::new([limited(11), saying("a")]);
    let error = ask(&gateway(&[&long])).await.expect_err("longer than a person waits");
    assert_eq!((error.attempts().len(), from.elapsed()), (1, Duration::ZERO));
    let (limited, other) = (Script::new([limited(20)]), Script::new([saying("b")]));
    let stream = ask(&gateway(&[&limited, &other])).await.expect("an answer");
    assert_eq!((&*stream.answering().target, from.elapsed()), ("b", Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn retries_are_a_small_share_of_the_requests() {
    // Every other call succeeds, so that the breaker never opens.
    let plays = (0..2_000).flat_map(|_| [Play::Refuse(LlmError::Connect), saying("a"), saying("a")]);
    let script = Script::new(plays);
    let gateway = gateway(&[&script]);
    for _ in 0..1_000 {
        // Whether it succeeds depends on the budget, which is what is counted.
        let _ = ask(&gateway).await;
    }
    let retries = script.calls() - 1_000;
    assert!((100..=112).contains(&retries), "{retries} retries");
}

#[tokio::test(start_paused = true)]
async fn a_target_that_goes_on_failing_is_passed_over_and_comes_back() {
    let plays = std::iter::repeat_n(Play::Refuse(LlmError::Connect), 5).chain([saying("a")]);
    let (flaky, other) = (Script::new(plays), Script::new([saying("b")]));
    let gateway = gateway_with(&[&flaky, &other], &TargetSettings { retries: 0, ..settings() }, None);
    for _ in 0..5 {
        ask(&gateway).await.expect("an answer");
    }
    let stream = ask(&gateway).await.expect("an answer");
    assert_eq!((faults(&stream.answering().attempts), flaky.calls()), (vec![("a", "gateway.breaker_open")], 5));
    assert!(matches!(gateway.breaker(), BreakerState::Open { .. }));
    advance(OPEN_FOR).await;
    assert_eq!(&*ask(&gateway).await.expect("an answer").answering().target, "a");
    assert_eq!(gateway.breaker(), BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_request_at_fault_does_not_open_the_breaker() {
    let script = Script::new([Play::Refuse(LlmError::ContextTooLong)]);
    let gateway = gateway(&[&script]);
    for _ in 0..50 {
        ask(&gateway).await.expect_err("too long");
    }
    assert_eq!(gateway.breaker(), BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_ends_every_wait() {
    let silent = Script::new([Play::Silence]);
    let gateway = gateway_with(&[&silent], &TargetSettings { concurrent: 1, ..settings() }, None);
    let from = Instant::now();
    let (request, sooner, later) = (request(), caller(3), caller(5));
    let (first, second) = tokio::join!(gateway.stream(&later, &request), gateway.stream(&sooner, &request));
    assert_eq!(first.expect_err("silent").fault(), Some(&Fault::Deadline));
    assert_eq!(second.expect_err("queued").attempts()[0].took, Duration::from_secs(3));
    assert_eq!((from.elapsed(), silent.calls(), silent.open_answers()), (Duration::from_secs(5), 1, 0));
    let hanging = Script::new([Play::Hang(vec![text("a")])]);
    let gateway = self::gateway(&[&hanging]);
    assert_eq!(items(ask(&gateway).await.expect("it began")).await, [Ok(text("a")), Err(LlmError::TotalTimeout)]);
    let drip = Script::new([Play::Answer(vec![Ok(text("a")); 1_000], Duration::from_secs(1))]);
    let dripped = items(ask(&self::gateway(&[&drip])).await.expect("it began")).await;
    assert_eq!((dripped.len(), dripped.last()), (60, Some(&Err(LlmError::TotalTimeout))));
}

#[tokio::test(start_paused = true)]
async fn dropping_ends_the_call_and_frees_the_slot_at_every_stage() {
    let silent = Script::new([Play::Silence]);
    let gateway = self::gateway_with(&[&silent], &TargetSettings { concurrent: 1, ..settings() }, None);
    {
        let request = request();
        let (calling, queued) = (caller(60), caller(60));
        let mut calling = Box::pin(gateway.stream(&calling, &request));
        let mut queued = Box::pin(gateway.stream(&queued, &request));
        assert!((&mut calling).now_or_never().is_none() && (&mut queued).now_or_never().is_none());
        assert_eq!((gateway.load(), silent.open_answers()), (Load { in_use: 1, waiting: 1 }, 1));
    }
    assert_eq!((gateway.load(), silent.open_answers()), (Load::default(), 0));
    let hanging = Script::new([Play::Hang(vec![text("a")])]);
    let gateway = self::gateway(&[&hanging]);
    let stream = ask(&gateway).await.expect("it began");
    assert_eq!((gateway.load().in_use, hanging.open_answers()), (1, 1));
    drop(stream);
    assert_eq!((gateway.load().in_use, hanging.open_answers()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn an_overload_is_told_with_a_time_to_come_back_and_another_target_takes_the_request() {
    let limits = SlotLimits { concurrent: 10, waiting: 0, waiting_per_tenant: 0 };
    let (full, free) = (Script::new([Play::Hang(vec![text("a")])]), Script::new([saying("b")]));
    let gateway = Gateway::new(limits, None);
    let one = TargetSettings { concurrent: 1, ..settings() };
    let targets = vec![target(&gateway, "a", &full, &one, None), target(&gateway, "b", &free, &one, None)];
    let mut gateway = Stage { gateway, targets };
    let _first = ask(&gateway).await.expect("an answer");
    assert_eq!(&*ask(&gateway).await.expect("an answer").answering().target, "b");
    gateway.targets = vec![target(&gateway.gateway, "a", &full, &one, Some(&gateway.targets[0]))];
    let error = ask(&gateway).await.expect_err("the slots of `a` were kept");
    assert_eq!(error.fault(), Some(&Fault::Overloaded(Overloaded { retry_after: Duration::from_secs(1) })));
}

#[tokio::test(start_paused = true)]
async fn a_kept_answer_is_given_again_to_its_tenant_without_a_call() {
    let script = Script::new([saying("a")]);
    let cached = TargetSettings { cached: true, ..settings() };
    let gateway = gateway_with(&[&script], &cached, Some(ExactCache::in_memory(1 << 20, Duration::from_secs(60))));
    let keeping = cache::tests::keeping(TENANT);
    let ours = || Caller { keeping: Some(keeping.clone()), ..caller(60) };
    let state = async |caller: Caller, request: &ChatRequest| {
        let stream = gateway.stream(&caller, request).await.expect("an answer");
        let cached = stream.answering().cached;
        (cached, items(stream).await)
    };
    assert_eq!(state(ours(), &request()).await, (Cached::Missing, answer("a")));
    let usage = crate::TokenUsage { cached_input: USAGE.input, cache_write_input: 0, ..USAGE };
    let again = vec![Ok(text("a")), Ok(Delta::Usage(usage)), Ok(Delta::Stop(StopReason::EndTurn))];
    assert_eq!(state(ours(), &request()).await, (Cached::Found, again));
    assert_eq!(script.calls(), 1);
    // Another tenant, another state of the settings, one byte more, and what is not repeatable or not to be kept.
    let theirs = Caller { tenant: OTHER, keeping: Some(cache::tests::keeping(OTHER)), ..caller(60) };
    assert_eq!(state(theirs, &request()).await.0, Cached::Missing);
    let changed = Keeping { version: keeping.version + 1, ..keeping.clone() };
    assert_eq!(state(Caller { keeping: Some(changed), ..caller(60) }, &request()).await.0, Cached::Missing);
    let longer = ChatRequest { messages: vec![Message::user("? ")], ..request() };
    assert_eq!(state(ours(), &longer).await.0, Cached::Missing);
    let warmer = ChatRequest { temperature: Some(0.5), ..request() };
    for _ in 0..2 {
        assert_eq!(state(ours(), &warmer).await.0, Cached::NotMeant);
    }
    assert_eq!(state(caller(60), &request()).await.0, Cached::NotMeant, "without keys");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_left_half_way_is_not_kept() {
    let script = Script::new([saying("a")]);
    let cached = TargetSettings { cached: true, ..settings() };
    let gateway = gateway_with(&[&script], &cached, Some(ExactCache::in_memory(1 << 20, Duration::from_secs(60))));
    let ours = Caller { keeping: Some(cache::tests::keeping(TENANT)), ..caller(60) };
    gateway.stream(&ours, &request()).await.expect("an answer").next().await;
    assert_eq!(gateway.stream(&ours, &request()).await.expect("an answer").answering().cached, Cached::Missing);
}

#[tokio::test(start_paused = true)]
async fn without_a_target_nothing_is_sent_and_limits_out_of_range_are_brought_into_it() {
    let script = Script::new([saying("a")]);
    let stage = gateway(&[]);
    assert_eq!(ask(&stage).await.expect_err("no target"), GatewayError::NoTarget);
    let odd = gateway_with(&[&script], &TargetSettings { concurrent: 0, retries: u32::MAX, ..settings() }, None);
    assert_eq!(odd.targets[0].settings.retries, RETRIES_MAX);
    assert_eq!(items(ask(&odd).await.expect("one at a time")).await, answer("a"));
}

#[tokio::test(start_paused = true)]
async fn a_tenant_at_twenty_times_the_load_raises_the_wait_of_another_by_one_turn_at_most() {
    // Each answer takes 0.9 s, one at a time, so a request that is next in turn waits for 0.9 s at most.
    let script = Script::new([Play::Answer(answer("a"), Duration::from_millis(300))]);
    let gateway = gateway_with(&[&script], &TargetSettings { concurrent: 1, ..settings() }, None);
    let one = |tenant| {
        let (gateway, caller) = (&gateway, Caller { tenant, ..caller(600) });
        async move {
            let stream = gateway.stream(&caller, &request()).await.expect("an answer");
            let queued = stream.answering().queued;
            items(stream).await;
            queued
        }
    };
    let noisy = futures_util::future::join_all((0..40).map(|_| one(OTHER)));
    let quiet = async {
        let mut waits = Vec::new();
        for _ in 0..5 {
            waits.push(one(TENANT).await.as_millis());
        }
        waits
    };
    let (noisy, quiet) = tokio::join!(noisy, quiet);
    // The first comes into a round in which the noisy tenant is before it; from then on it keeps its place.
    assert_eq!(quiet, [1_800, 900, 900, 900, 900]);
    assert!(noisy.into_iter().max() >= Some(Duration::from_secs(35)));
}

fn provider(base_url: String, temperature: f32) -> Provider {
    Provider::new(ProviderConfig {
        name: "p".to_owned(),
        format: WireFormat::OpenAi,
        base_url,
        allow_http: false,
        model: "m".to_owned(),
        api_key: None,
        timeouts: Timeouts::default(),
        max_output_tokens: 100,
        temperature,
    })
    .expect("sound settings")
}

#[tokio::test]
async fn a_real_call_to_a_provider_that_is_down_falls_back_to_one_that_answers() {
    let server = ScriptedProvider::start().await.expect("a server");
    server.reply(Reply::new().text("Yes.").stop(Stop::EndTurn));
    // Nothing listens where a listener was just closed.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    let gateway = Gateway::new(SlotLimits::default(), None);
    let target = |name: &str, base_url| TargetSpec { name: name.to_owned(), provider: provider(base_url, 0.0), settings: settings() };
    let specs = [target("down", format!("http://{closed}")), target("up", server.base_url())];
    let targets = specs.map(|spec| Arc::new(gateway.target(spec, None)));
    let stream = gateway.stream(&caller(20), &targets, &request()).await.expect("an answer");
    assert_eq!((&*stream.answering().target, faults(&stream.answering().attempts)[0]), ("up", ("down", "provider.connect")));
    assert_eq!(items(stream).await.first(), Some(&Ok(text("Yes."))));
}

#[test]
fn a_request_is_repeatable_at_temperature_zero_without_tools_and_told_from_every_other() {
    crate::ensure_crypto_provider();
    let (cold, warm) = (provider("http://127.0.0.1:1".to_owned(), 0.0), provider("http://127.0.0.1:1".to_owned(), 0.7));
    let plain = ChatRequest { temperature: None, ..request() };
    let tool = Tool { name: "f".to_owned(), description: String::new(), input_schema: serde_json::json!({"type": "object"}) };
    assert_eq!(warm.repeatable(&plain), None);
    assert_eq!(cold.repeatable(&ChatRequest { temperature: Some(0.1), ..request() }), None);
    assert_eq!(cold.repeatable(&ChatRequest { top_p: Some(0.5), ..plain.clone() }), None, "its own temperature is not sent then");
    assert_eq!(cold.repeatable(&ChatRequest { tools: vec![tool], ..plain.clone() }), None);
    let elsewhere = provider("http://127.0.0.1:2".to_owned(), 0.0);
    let other = ChatRequest { system: "Be brief.".to_owned(), ..plain.clone() };
    let all = [cold.repeatable(&plain), elsewhere.repeatable(&plain), cold.repeatable(&other), cold.repeatable(&request())];
    let distinct: std::collections::HashSet<_> = all.iter().map(|sent| sent.as_ref().expect("repeatable")).collect();
    assert_eq!(distinct.len(), 4);
}
