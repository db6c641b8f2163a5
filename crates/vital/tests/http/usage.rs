//! Use, budgets and the ledger over HTTP: what is refused and how it says so, who may see and set what, and figures that are the provider's own.

use crate::{
    app, app_with, ended,
    relay::{CHAT, MESSAGES, ORDINARY, body, keyed, ready, streamed},
};
use serde_json::{Value, json};
use std::process::Command;
use vital_llm::Timeouts;
use vital_testkit::{
    app::{Client, Persona, QUESTION_A, TestApp, until},
    provider::{Gate, Script, ScriptedProvider, Usage},
};

const BUDGETS: &str = "/api/v1/budgets";

/// Millionths of a dollar for a million tokens: read, read from a cache, written to one, written.
const PRICE: [u64; 4] = [150_003, 75_001, 375_003, 600_007];

async fn budget(admin: &Client, limits: Value) -> Value {
    let mut new = json!({ "scope": "organisation", "period": "month" });
    new.as_object_mut().unwrap().extend(limits.as_object().unwrap().clone());
    admin.request("PUT", BUDGETS).json(&new).send().await.expect(200).json()
}

/// Sets a price of the first model.
async fn priced(admin: &Client) {
    let prices = admin.get("/api/v1/model-prices").await.expect(200).items();
    let [input, cached_input, cache_write, output] = PRICE;
    let price = json!({ "input": input, "cached_input": cached_input, "cache_write": cache_write, "output": output });
    let decision = json!({ "model": prices[0]["model"], "price": price });
    admin.request("PUT", "/api/v1/model-prices").json(&decision).send().await.expect(200);
}

/// The rows of the ledger in their order, when there are so many.
async fn ledger(app: &TestApp, rows: usize) -> Vec<String> {
    until(format!("{rows} rows in the ledger"), || async {
        let all = "select string_agg(input_tokens || ' ' || cached_input_tokens || ' ' || output_tokens || ' ' || coalesce(cost_pico::text, '-') \
                   || ' ' || basis, '|' order by at) from usage_ledger";
        let all: Vec<String> = app.sql_text(all).await.map(|t| t.split('|').map(str::to_owned).collect()).unwrap_or_default();
        (all.len() == rows && app.sql_text("select count(*) from usage_holds").await.as_deref() == Some("0")).then_some(all)
    })
    .await
}

#[tokio::test]
async fn requests_at_once_cannot_all_take_what_is_left() {
    let gate = Gate::new();
    let (provider, app, client) =
        ready(Script::new().text("A ").wait(&gate).text("title.").usage(Usage { input: 30, output: 4, ..Usage::default() })).await;
    let admin = app.client(Persona::TenantAdmin);
    priced(&admin).await;
    // What one request is held at, while it is under way.
    let first = tokio::spawn({
        let client = client.clone();
        async move { client.post(CHAT, &body("m-1", ORDINARY)).await.status }
    });
    provider.until(|c| c.requests == 1).await;
    let held: u64 = app.sql_text("select cost_pico from usage_holds").await.unwrap().parse().unwrap();
    // One more fits beside it, and not a second one by a millionth of a dollar.
    let micros = (3 * held).div_ceil(1_000_000) - 1;
    assert!(micros * 1_000_000 >= 2 * held, "the price is too low for this test");
    let set = budget(&admin, json!({ "limit_micros": micros })).await;
    assert_eq!(set["held_micros"].as_u64().unwrap(), held.div_ceil(1_000_000), "what is under way counts: {set}");
    let asked: Vec<_> = (0..8)
        .map(|n| {
            let client = client.clone();
            let (path, body) = if n % 2 == 0 { (CHAT, body("m-1", ORDINARY)) } else { (MESSAGES, streamed("m-1", ORDINARY)) };
            tokio::spawn(async move { client.post(path, &body).await.status })
        })
        .collect();
    until("seven are refused", || async { (asked.iter().filter(|a| a.is_finished()).count() == 7).then_some(()) }).await;
    gate.open();
    let mut statuses = Vec::new();
    for one in asked {
        statuses.push(one.await.unwrap());
    }
    statuses.sort_unstable();
    assert_eq!((first.await.unwrap(), statuses), (200, [[200].as_slice(), &[429; 7]].concat()));
    assert_eq!(provider.counts().requests, 2, "what is refused is not sent");
    let cost = 30 * PRICE[0] + 4 * PRICE[3];
    assert_eq!(ledger(&app, 2).await, vec![format!("30 0 4 {cost} reported"); 2]);
    let stands = &admin.get(BUDGETS).await.expect(200).items()[0];
    assert_eq!((&stands["held_micros"], stands["spent_micros"].as_u64()), (&json!(0), Some((2 * cost).div_ceil(1_000_000))));
}

#[tokio::test]
async fn a_budget_warns_once_stops_hard_and_says_when_it_renews() {
    let (provider, app, client) = ready(Script::answer("A title.")).await;
    let admin = app.client(Persona::TenantAdmin);
    budget(&admin, json!({ "limit_tokens": 1_000, "soft_percent": 10 })).await;
    let mails = || app.mails().iter().filter(|mail| mail.contains("budget")).count();
    let before = mails();
    for rows in 1..=2 {
        client.post(CHAT, &body("m-1", ORDINARY)).await.expect(200);
        ledger(&app, rows).await;
    }
    let told = until("the message", || async { Some(mails()).filter(|n| *n > before) }).await;
    assert_eq!(told - before, 1, "once for each administrator and period");
    assert_eq!(admin.get(BUDGETS).await.expect(200).items()[0]["state"], "warning");
    let page = admin.get("/settings/usage").await.expect(200).text();
    assert!(page.contains("nearly used up") && page.contains("204 of 1000 tokens"), "{page}");

    budget(&admin, json!({ "limit_tokens": 200 })).await;
    let refused = client.post(CHAT, &body("m-1", ORDINARY)).await;
    let error = &refused.expect(429).json()["error"];
    let said = error["message"].as_str().unwrap();
    assert!(said.contains("organisation's monthly budget") && said.contains("0 of 200 tokens") && said.contains("renews on"), "{said}");
    assert_eq!(provider.counts().requests, 2);
    assert!(admin.get("/settings/usage").await.expect(200).text().contains("used up. Requests are refused"));
    // Raised, it goes on at once.
    budget(&admin, json!({ "limit_tokens": 100_000 })).await;
    client.post(CHAT, &body("m-1", ORDINARY)).await.expect(200);
}

#[tokio::test]
async fn a_question_to_an_expert_is_stopped_by_a_budget_and_says_so() {
    let provider = ScriptedProvider::start().await.unwrap();
    provider.reply_with(|_| Script::answer("Nothing yet [1]."));
    let app = app_with(&provider, Timeouts::default()).await;
    budget(&app.client(Persona::TenantAdmin), json!({ "limit_tokens": 10 })).await;
    let member = app.member();
    let turn = member.ask(&member.open().await, QUESTION_A).await;
    let kept = ended(&member, &turn).await;
    assert_eq!((&kept["state"], &kept["problem"]["code"]), (&json!("failed"), &json!("budget.exhausted")), "{kept:#}");
    assert_eq!(provider.counts().requests, 0);
}

#[tokio::test]
async fn the_ledger_is_what_the_provider_reported_and_marks_what_it_did_not() {
    let usage = Usage { input: 70, output: 11, cached_input: 30, cache_write_input: 0, reasoning: 5 };
    let (provider, app, client) = ready(Script::new().text("A title.").usage(usage)).await;
    let admin = app.client(Persona::TenantAdmin);
    priced(&admin).await;
    client.post(CHAT, &body("m-1", ORDINARY)).await.expect(200);
    ledger(&app, 1).await;
    provider.reply(Script::new().text("abcdef").cut());
    assert_eq!(client.post(CHAT, &body("m-1", ORDINARY)).await.status, 502);
    ledger(&app, 2).await;
    provider.reply(Script::new().text("A title.").usage(Usage { input: 9_000_000, output: 9_000_000, ..Usage::default() }));
    client.post(CHAT, &body("m-1", ORDINARY)).await.expect(200);
    ledger(&app, 3).await;
    provider.reply(Script::new().text("A title.").usage(Usage::default()));
    client.post(CHAT, &body("m-1", ORDINARY)).await.expect(200);
    let rows = ledger(&app, 4).await;
    let exact = 40 * PRICE[0] + 30 * PRICE[1] + 11 * PRICE[3];
    assert_eq!(rows[0], format!("70 30 11 {exact} reported"));
    let bases: Vec<&str> = rows.iter().map(|row| row.rsplit(' ').next().unwrap()).collect();
    assert_eq!(bases, ["reported", "estimated", "bounded", "estimated"], "{rows:?}");
    let output = |row: &str| row.split(' ').nth(2).unwrap().parse::<u64>().unwrap();
    assert_eq!((output(&rows[1]), output(&rows[2])), (2, 2 * 64 + 4_096), "{rows:?}");
    let report = admin.get("/api/v1/usage").await.expect(200).json();
    assert_eq!((&report["total"]["requests"], &report["total"]["estimated"], &report["own"]), (&json!(4), &json!(3), &json!(false)));
    let sum: u64 = rows.iter().map(|row| row.split(' ').nth(3).unwrap().parse::<u64>().unwrap()).sum();
    assert_eq!(report["total"]["cost_micros"].as_u64().unwrap(), sum.div_ceil(1_000_000));
    assert_eq!((&report["models"][0]["name"], &report["people"][0]["requests"]), (&json!("openai m-1 m-1"), &json!(4)));
}

#[tokio::test]
async fn whoever_may_not_manage_budgets_is_refused_by_page_and_api() {
    let app = app().await;
    let admin = app.client(Persona::TenantAdmin);
    let set = budget(&admin, json!({ "limit_tokens": 1_000 })).await;
    let of_one = format!("{BUDGETS}/{}", set["id"].as_str().unwrap());
    let new = json!({ "scope": "organisation", "period": "month", "limit_tokens": 5 });
    for persona in [Persona::Viewer, Persona::Member, Persona::Auditor] {
        let client = app.client(persona);
        let sent = |path: &str, fields: &[(&str, &str)]| client.request("POST", path).header("accept", "text/html").form(fields).send();
        let fields = [("who", "organisation"), ("period", "month"), ("limit_tokens", "5"), ("soft_percent", "80")];
        let page = sent("/settings/usage/budgets", &fields).await;
        assert_eq!(page.status, 403, "{persona:?}: {}", page.text());
        assert!(page.text().contains("<html") && !page.text().contains("internal"), "{persona:?}: {}", page.text());
        assert_eq!(sent("/settings/usage/budgets", &[]).await.status, 403, "{persona:?}: a form without a field");
        let removed = sent(&format!("/settings/usage/budgets/{}/delete", set["id"].as_str().unwrap()), &[]).await;
        assert_eq!(removed.status, 403, "{persona:?}");
        let price = [("model", "installation"), ("input", "1"), ("output", "1")];
        assert_eq!(sent("/settings/usage/prices", &price).await.status, 403, "{persona:?}");
        client.request("PUT", BUDGETS).json(&new).send().await.problem(403, "access.denied");
        assert_eq!(client.delete(&of_one).await.status, 403);
        assert_eq!(client.get(BUDGETS).await.status, if persona == Persona::Auditor { 200 } else { 403 }, "{persona:?}");
        assert_eq!(client.get("/api/v1/usage/export.csv").await.status, if persona == Persona::Auditor { 200 } else { 403 });
        // Everybody sees their own use.
        assert_eq!(client.get("/api/v1/usage").await.expect(200).json()["own"], persona != Persona::Auditor);
        client.get("/settings/usage").await.expect(200);
    }
    // Another organisation has none of it.
    let other = app.client(Persona::OtherAdmin);
    assert_eq!(other.get(BUDGETS).await.expect(200).items(), json!([]));
    assert_eq!(other.delete(&of_one).await.status, 404);
    assert_eq!(admin.get(BUDGETS).await.expect(200).items()[0]["limit_tokens"], 1_000);
}

#[tokio::test]
async fn budgets_and_prices_come_in_pages() {
    let app = app().await;
    let admin = app.client(Persona::TenantAdmin);
    for scope in ["organisation", "every_person"] {
        for period in ["day", "month"] {
            let new = json!({ "scope": scope, "period": period, "limit_tokens": 1_000 });
            admin.request("PUT", BUDGETS).json(&new).send().await.expect(200);
        }
    }
    let all = admin.get(BUDGETS).await.expect(200).items();
    let (mut seen, mut path) = (Vec::new(), format!("{BUDGETS}?limit=3"));
    loop {
        let page = admin.get(&path).await.expect(200).json();
        seen.extend(page["items"].as_array().unwrap().clone());
        match page["next_cursor"].as_str() {
            Some(next) => path = format!("{BUDGETS}?limit=3&cursor={next}"),
            None => break,
        }
    }
    assert_eq!((seen.len(), &json!(seen)), (4, &all));
    admin.get(&format!("{BUDGETS}?cursor=AAAA")).await.problem(400, "request.cursor");
    assert!(admin.get("/api/v1/model-prices?limit=1").await.expect(200).json()["next_cursor"].is_null());
}

#[tokio::test]
async fn the_ledger_as_a_table_is_whole_exact_and_recorded() {
    let usage = Usage { input: 70, output: 11, cached_input: 30, ..Usage::default() };
    let (_provider, app, client) = ready(Script::new().text("A title.").usage(usage)).await;
    let admin = app.client(Persona::TenantAdmin);
    priced(&admin).await;
    app.sql("update members set display_name = '=cmd|x' where email like '%admin%'").await;
    client.post(CHAT, &body("m-1", ORDINARY)).await.expect(200);
    ledger(&app, 1).await;
    let reply = app.client(Persona::Auditor).get("/api/v1/usage/export.csv").await.expect(200);
    assert!(reply.header("content-type").unwrap().starts_with("text/csv"));
    let text = reply.text();
    let rows: Vec<Vec<&str>> = text.trim_end().split("\r\n").map(|row| row.split(',').collect()).collect();
    assert_eq!(rows.len(), 2, "{text}");
    let cell = |name: &str| rows[1][rows[0].iter().position(|head| *head == name).unwrap()];
    let exact = 40 * PRICE[0] + 30 * PRICE[1] + 11 * PRICE[3];
    assert_eq!(cell("cost_usd"), format!("0.{exact:012}").trim_end_matches('0'), "not a unit is lost");
    assert_eq!((cell("input_tokens"), cell("cached_input_tokens"), cell("output_tokens"), cell("basis")), ("70", "30", "11", "reported"));
    assert!(cell("person").starts_with("'="), "no cell is a formula: {}", cell("person"));
    let recorded = "select count(*) from audit_entries where action = 'usage.exported'";
    assert_eq!(app.sql_text(recorded).await.as_deref(), Some("1"));
    admin.get("/api/v1/usage/export.csv?from=2026-02-30").await.problem(422, "usage.day");
    admin.get("/api/v1/usage?from=2020-01-01").await.problem(422, "usage.range");
}

#[tokio::test]
async fn the_command_line_reports_what_was_used() {
    let (_provider, app, client) = ready(Script::new().text("A title.").usage(Usage { input: 70, output: 11, ..Usage::default() })).await;
    priced(&app.client(Persona::TenantAdmin)).await;
    client.post(CHAT, &body("m-1", ORDINARY)).await.expect(200);
    ledger(&app, 1).await;
    let (reading, _) = keyed(&app, &["settings.read", "usage.read"]).await;
    let (url, token) = (app.base_url(), reading.token().unwrap().to_owned());
    let vital = move |arguments: &[&str], token: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vital"));
        command.arg("usage").args(arguments).env("VITAL_URL", &url).env("VITAL_TOKEN", token).env("XDG_CONFIG_HOME", "/nonexistent");
        tokio::task::spawn_blocking(move || command.output().unwrap())
    };
    let said = |output: &std::process::Output| String::from_utf8(output.stdout.clone()).unwrap();
    let cost = (70 * PRICE[0] + 11 * PRICE[3]).div_ceil(1_000_000);
    let words = vital(&["report", "--by", "model"], &token).await.unwrap();
    assert_eq!(words.status.code(), Some(0), "{}", String::from_utf8_lossy(&words.stderr));
    assert!(
        said(&words).contains("openai m-1 m-1") && said(&words).contains(&format!("0.{cost:06} USD for 1 requests")),
        "{}",
        said(&words)
    );
    let report: Value = serde_json::from_str(&said(&vital(&["report", "--json"], &token).await.unwrap())).unwrap();
    assert_eq!((&report["total"]["input_tokens"], report["days"].as_array().unwrap().len()), (&json!(70), 30));
    let table = said(&vital(&["report", "--by", "person", "--csv"], &token).await.unwrap());
    assert!(table.lines().nth(1).unwrap().contains(&format!(",1,70,0,11,0.{cost:06},0,0")), "{table}");
    let past = said(&vital(&["report", "--from", "2026-01-01", "--to", "2026-01-02", "--csv"], &token).await.unwrap());
    assert_eq!(past.lines().count(), 3, "{past}");
    let ledger = said(&vital(&["export"], &token).await.unwrap());
    assert!(ledger.starts_with("id,at,") && ledger.contains(",direct,openai m-1,m-1,70,"), "{ledger}");
    for (arguments, token, code) in [
        (["report", "--from=2026-02-30"].as_slice(), token.as_str(), 2),
        (&["report", "--csv", "--json"], &token, 2),
        (&["report", "--from=2020-01-01"], &token, 1),
        (&["report"], "vital_sk_nobodys", 4),
    ] {
        let output = vital(arguments, token).await.unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(output.stdout.is_empty());
    }
}
