//! Budgets and the ledger over a real database and a scripted provider: no more is spent than a budget has, whoever asks at once and wherever,
//! and the ledger is what the provider reported.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use futures_util::{StreamExt as _, future::join_all};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, Row as _};
use std::{path::Path, sync::Arc, time::Duration};
use time::OffsetDateTime;
use vital_kernel::{Actor, ExpertId, Kind, OpContext, Origin, RequestId, Role, RoleSet, TenantId, UserId, now};
use vital_llm::{ApiKey, ChatRequest, Message, Provider, ProviderConfig, Timeouts, WireFormat};
use vital_mail::Mailer;
use vital_outbound::Egress;
use vital_platform::{
    ModelLoad, Parts, Platform,
    audit::trail::TrailSettings,
    providers::{self, NewPrice},
    usage::{self, BudgetScope, BudgetState, Meter, NewBudget, Period, Purpose},
};
use vital_store::testdb::TestDb;
use vital_testkit::provider::{Gate, Script, ScriptedProvider, Usage};
use vital_tools::{Endpoints, Toolbox};

const OUTPUT_MAX: u32 = 100;

struct Stage {
    test: TestDb,
    p: Arc<Platform>,
    folder: tempfile::TempDir,
    tenant: TenantId,
    user: UserId,
    server: Arc<ScriptedProvider>,
}

async fn platform(test: &TestDb, folder: &Path, server: &ScriptedProvider) -> Arc<Platform> {
    let provider = Provider::new(ProviderConfig {
        name: "scripted".to_owned(),
        format: WireFormat::OpenAi,
        base_url: server.base_url(),
        allow_http: true,
        model: "m".to_owned(),
        api_key: Some(ApiKey::new("key".to_owned())),
        timeouts: Timeouts::default(),
        max_output_tokens: OUTPUT_MAX,
        temperature: 1.0,
    });
    Platform::new(Parts {
        db: test.reopen().await.unwrap(),
        index_folder: folder.join("index"),
        parser: Vec::new(),
        embedder: Err("none".to_owned()),
        provider: Some(provider.unwrap()),
        site: "http://localhost".to_owned(),
        mailer: Mailer::folder(folder.join("mail"), "vital@localhost.example").unwrap(),
        erasure_ledger: folder.join("erasures.jsonl"),
        egress: Egress::default(),
        toolbox: Toolbox::new(Egress::default(), Endpoints::default()).unwrap(),
        name_server: None,
        authority: None,
        trail: TrailSettings::within(folder),
        alone: false,
        models: ModelLoad::default(),
        answers: None,
    })
    .unwrap()
}

impl Stage {
    async fn new() -> Self {
        vital_llm::ensure_crypto_provider();
        let (test, folder) = (TestDb::new().await.unwrap(), tempfile::tempdir().unwrap());
        let server = Arc::new(ScriptedProvider::start().await.unwrap());
        let p = platform(&test, folder.path(), &server).await;
        let (tenant, user) = (TenantId::new(), UserId::new());
        let stage = Self { test, p, folder, tenant, user, server };
        stage
            .sql(&format!("insert into directory.tenants (id, slug, name, created_at) values ('{tenant}', 't-{tenant}', 'T', now())"))
            .await;
        stage
            .sql(&format!(
                "insert into members (tenant_id, id, email, display_name, roles, created_at)
                 values ('{tenant}', '{user}', 'admin@t.example', 'Ada', array['tenant_admin'], now())"
            ))
            .await;
        stage
    }

    async fn admin(&self) -> PgConnection {
        self.test.admin().await.unwrap()
    }

    async fn sql(&self, statement: &str) {
        self.admin().await.execute(AssertSqlSafe(statement.to_owned())).await.unwrap();
    }

    /// A number that the database knows.
    async fn number(&self, statement: &str) -> i64 {
        let mut admin = self.admin().await;
        let row = sqlx::query(AssertSqlSafe(statement.to_owned())).fetch_one(&mut admin).await.unwrap();
        admin.close().await.unwrap();
        row.get::<i64, _>(0)
    }

    #[expect(clippy::disallowed_methods, reason = "a test makes its own context")]
    fn cx(&self) -> OpContext {
        let roles = RoleSet::from_iter([Role::TenantAdmin]);
        OpContext::establish(Origin::Test, self.tenant, Actor::User(self.user), roles, RequestId::new())
    }

    async fn budget(&self, scope: BudgetScope, tokens: Option<u64>, micros: Option<u64>) -> usage::Budget {
        let user = (scope == BudgetScope::Person).then_some(self.user);
        let new =
            NewBudget { scope, user, expert: None, period: Period::Month, limit_tokens: tokens, limit_micros: micros, soft_percent: None };
        usage::set_budget(&self.p, &self.cx(), new).await.unwrap()
    }

    /// Asks for one answer and takes it to its end.
    async fn ask(&self, p: &Platform) -> vital_kernel::Result<Option<usage::Spent>> {
        let cx = self.cx();
        let choice = providers::for_answer(p, &cx, ExpertId::new()).await?;
        let (mut answer, _) = choice.begin(p, &cx, Meter::of(Purpose::Direct), &request()).await?;
        while let Some(item) = answer.next().await {
            item?;
        }
        Ok(answer.spent())
    }

    /// Waits until no hold is open.
    async fn settled(&self) {
        let until = std::time::Instant::now() + Duration::from_secs(60);
        while self.number("select count(*) from usage_holds").await > 0 {
            assert!(std::time::Instant::now() < until, "holds stay open");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Fails unless every counter is the sum of the ledger and the open holds that its budget covers.
    async fn counters_are_the_ledger(&self) {
        let wrong = self
            .number(
                "select count(*) from budget_counters c join budgets b on b.id = c.budget_id
                 where c.tokens_spent is distinct from (select coalesce(sum(input_tokens + output_tokens), 0) from usage_ledger l
                     where app.period_start(b.period, l.at) = c.period_start
                       and (b.scope = 'organisation' or b.scope = 'person' and l.user_id = b.user_id or b.scope = 'every_person' and l.user_id = c.subject))
                    or c.pico_spent is distinct from (select coalesce(sum(cost_pico), 0) from usage_ledger l
                     where app.period_start(b.period, l.at) = c.period_start
                       and (b.scope = 'organisation' or b.scope = 'person' and l.user_id = b.user_id or b.scope = 'every_person' and l.user_id = c.subject))
                    or c.tokens_held <> (select coalesce(sum(input_tokens + output_tokens), 0) from usage_holds)",
            )
            .await;
        assert_eq!(wrong, 0, "counters are not what the ledger says");
    }
}

fn request() -> ChatRequest {
    ChatRequest { messages: vec![Message::user("How long?")], ..ChatRequest::default() }
}

/// Tokens of the prompt of [`request`], by the rule of the documentation: half its bytes as JSON, and 64.
fn input() -> u64 {
    (serde_json::to_vec(&request()).unwrap().len() as u64).div_ceil(2) + 64
}

/// Tokens that are held for [`request`].
fn held() -> u64 {
    input() + u64::from(OUTPUT_MAX)
}

fn says(usage: Usage) -> Script {
    Script::new().text("36 ").text("months").usage(usage)
}

/// An answer that takes all that is held for it.
fn takes_all() -> Script {
    says(Usage { input: input(), output: u64::from(OUTPUT_MAX), ..Usage::default() })
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_hundred_requests_at_once_on_two_nodes_just_as_many_pass_as_the_budget_has() {
    const FITTING: u64 = 23;
    let stage = Stage::new().await;
    stage.server.reply_with(|_| takes_all());
    // Less than one more is left, and the person's own budget is counted beside.
    stage.budget(BudgetScope::Organisation, Some(FITTING * held() + held() - 1), None).await;
    stage.budget(BudgetScope::Person, Some(1_000_000), None).await;
    stage.budget(BudgetScope::EveryPerson, Some(1), None).await;
    let other = platform(&stage.test, stage.folder.path(), &stage.server).await;
    let outcomes = join_all((0..200).map(|n| stage.ask(if n % 2 == 0 { &stage.p } else { &other }))).await;
    let (passed, refused): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert_eq!((passed.len() as u64, refused.len() as u64), (FITTING, 200 - FITTING));
    for error in refused.into_iter().map(Result::unwrap_err) {
        assert_eq!((error.kind(), error.code()), (Kind::BudgetExhausted, "budget.exhausted"), "{error:?}");
        assert!(error.retry_after().is_some_and(|t| t <= Duration::from_secs(86_400)) && error.detail().contains("organisation's monthly"));
    }
    stage.settled().await;
    assert_eq!(stage.server.counts().requests as u64, FITTING, "what is refused is not sent");
    let sum = "select sum(input_tokens)::bigint * 1000000 + sum(output_tokens)::bigint from usage_ledger where basis = 'reported'";
    assert_eq!(u64::try_from(stage.number(sum).await).unwrap(), FITTING * (input() * 1_000_000 + u64::from(OUTPUT_MAX)));
    stage.counters_are_the_ledger().await;
    let shown = usage::budgets(&stage.p, &stage.cx()).await.unwrap();
    assert_eq!(shown[0].spent_tokens as u64, FITTING * held());
    assert_eq!((shown[0].state, shown[0].held_tokens), (BudgetState::Warning, 0));
    let mail = std::fs::read_dir(stage.folder.path().join("mail")).unwrap().count();
    assert_eq!(mail, 1, "administrators are told once");
    // A period that is over counts no more.
    stage.sql("update budget_counters set period_start = period_start - interval '1 month'").await;
    stage.sql("alter table usage_ledger disable row level security; update usage_ledger set at = at - interval '31 days'").await;
    stage.ask(&other).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn money_is_exact_to_the_last_unit_and_a_price_holds_from_the_next_request_on() {
    let stage = Stage::new().await;
    let (cx, day) = (stage.cx(), now().date());
    stage.server.reply_with(|_| says(Usage { input: 70, output: 11, cached_input: 30, cache_write_input: 7, reasoning: 5 }));
    stage.budget(BudgetScope::Organisation, None, Some(1_000)).await;
    let unpriced = stage.ask(&stage.p).await.unwrap_err();
    assert_eq!((unpriced.kind(), unpriced.code()), (Kind::Conflict, "usage.no_price"));
    let price = |input| NewPrice { input, cached_input: Some(75_001), cache_write: Some(375_003), output: 600_007 };
    providers::set_price(&stage.p, &cx, None, price(150_003)).await.unwrap();
    let spent = stage.ask(&stage.p).await.unwrap().unwrap();
    // 70 tokens, of which 30 were cached and 7 written to the cache.
    let first = 33 * 150_003 + 30 * 75_001 + 7 * 375_003 + 11 * 600_007;
    assert_eq!(spent.pico, Some(first));
    // The price changes while an answer is under way: that one keeps its own.
    let gate = Gate::new();
    stage.server.reply(Script::new().text("36").wait(&gate).text(" months").usage(Usage { input: 70, output: 11, ..Usage::default() }));
    let choice = providers::for_answer(&stage.p, &cx, ExpertId::new()).await.unwrap();
    let (mut answer, _) = choice.begin(&stage.p, &cx, Meter::of(Purpose::Direct), &request()).await.unwrap();
    providers::set_price(&stage.p, &cx, None, price(3_000_000)).await.unwrap();
    gate.open();
    while answer.next().await.is_some() {}
    let second = 70 * 150_003 + 11 * 600_007;
    assert_eq!(answer.spent().unwrap().pico, Some(second));
    stage.settled().await;
    // What is left pays no further request at the new price, to the last unit.
    let left = 1_000_000_000 - first - second;
    assert_eq!(stage.number("select limit_pico - pico_spent - pico_held from budget_counters join budgets on id = budget_id").await, left);
    let most = i64::try_from(input()).unwrap() * 3_000_000 + i64::from(OUTPUT_MAX) * 600_007;
    assert!(most < left);
    stage.sql(&format!("update budget_counters set pico_held = {left} - {most} + 1")).await;
    assert_eq!(stage.ask(&stage.p).await.unwrap_err().code(), "budget.exhausted");
    stage.sql(&format!("update budget_counters set pico_held = {left} - {most}")).await;
    stage.ask(&stage.p).await.unwrap();
    assert_eq!(stage.number("select count(distinct provider || model)::bigint from usage_ledger").await, 1);
    assert_eq!(day, now().date(), "the test crossed midnight: run it again");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_cut_dropped_or_left_by_a_crash_is_counted_and_marked() {
    let stage = Stage::new().await;
    let (p, cx) = (&stage.p, stage.cx());
    let rows = |basis: &str| format!("select count(*) from usage_ledger where basis = '{basis}'");
    // Cut in the middle: the prompt and what came, by rule.
    stage.server.reply(Script::new().text("abcdef").cut());
    assert!(stage.ask(p).await.is_err());
    stage.settled().await;
    assert_eq!(
        stage.number("select input_tokens * 1000 + output_tokens from usage_ledger where basis = 'estimated'").await as u64,
        input() * 1_000 + 2
    );
    // Refused before a token: nothing.
    stage.server.reply(Script::status(400));
    assert!(stage.ask(p).await.is_err());
    stage.settled().await;
    assert_eq!(stage.number("select count(*) from usage_ledger").await, 1);
    // Left by the caller.
    let gate = Gate::new();
    stage.server.reply(Script::new().text("abcdefghi").wait(&gate));
    let choice = providers::for_answer(p, &cx, ExpertId::new()).await.unwrap();
    let (mut answer, _) = choice.begin(p, &cx, Meter::of(Purpose::Direct), &request()).await.unwrap();
    assert!(answer.next().await.is_some());
    drop(answer);
    stage.settled().await;
    assert_eq!(stage.number(&rows("estimated")).await, 2);
    // A lie is cut to what can be.
    stage.server.reply(says(Usage { input: 1_000_000, output: 1_000_000, ..Usage::default() }));
    stage.ask(p).await.unwrap();
    stage.settled().await;
    assert_eq!(stage.number("select output_tokens from usage_ledger where basis = 'bounded'").await, 2 * i64::from(OUTPUT_MAX) + 4_096);
    // A process that dies settles nothing; a budget that is set now counts its hold, and the sweep makes it a row.
    stage.server.reply(Script::new().text("x").wait(&gate));
    let (answer, _) = choice.begin(p, &cx, Meter::of(Purpose::Direct), &request()).await.unwrap();
    std::mem::forget(answer);
    stage.budget(BudgetScope::EveryPerson, Some(1_000_000), None).await;
    stage.counters_are_the_ledger().await;
    let other = platform(&stage.test, stage.folder.path(), &stage.server).await;
    assert_eq!(usage::sweep(&other, now()).await.unwrap(), 0, "it is not overdue yet");
    let later: OffsetDateTime = now() + Duration::from_secs(16 * 60);
    let swept = tokio::join!(usage::sweep(&other, later), usage::sweep(p, later));
    assert_eq!(swept.0.unwrap() + swept.1.unwrap(), 1, "two nodes sweep it once");
    assert_eq!(stage.number("select input_tokens + output_tokens from usage_ledger where basis = 'overdue'").await as u64, held());
    assert_eq!(stage.number("select count(*) from usage_holds").await, 0);
    stage.counters_are_the_ledger().await;
}

#[tokio::test]
async fn the_roles_that_serve_cannot_change_the_ledger() {
    let stage = Stage::new().await;
    for statement in ["update usage_ledger set cost_pico = 0", "delete from usage_ledger", "truncate usage_ledger"] {
        let mut admin = stage.admin().await;
        admin.execute("set role vital_app").await.unwrap();
        let refused = admin.execute(AssertSqlSafe(statement.to_owned())).await.unwrap_err();
        assert!(refused.to_string().contains("permission denied"), "{refused}");
    }
}
