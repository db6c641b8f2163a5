//! Ten thousand requests of one organisation with the ids of another: no foreign byte comes back, nothing foreign changes.
//!
//! The ids are read from the system catalogue (every id in every fenced table and in the directory), the routes from the API description
//! and the router, the bodies from the schemas, so whatever is added is covered from then on.

use crate::{app, contract};
use serde_json::{Map, Value, json};
use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    io,
    sync::{Arc, Mutex},
};
use tracing_subscriber::fmt::MakeWriter;
use uuid::Uuid;
use vital_testkit::app::{CANARY_A, CANARY_B, Client, Persona, Reply, TestApp};

/// Requests in all.
const CASES: u64 = 10_000;
/// Requests at once.
const AT_ONCE: u64 = 8;
/// Operations that end the session which sends them, or are about signing in: they name nothing of an organisation.
const LEFT_OUT: [&str; 14] = [
    "DELETE /api/v1/session",
    "DELETE /api/v1/sessions",
    "POST /api/v1/session",
    "POST /api/v1/session/second-factor",
    "POST /api/v1/session/passkey",
    "POST /api/v1/session/passkey/options",
    "POST /api/v1/session/step-up",
    "POST /api/v1/session/step-up/options",
    "POST /api/v1/password/forgot",
    "POST /api/v1/password/reset",
    "PUT /api/v1/password",
    "PUT /api/v1/organisation/policy",
    "POST /sign-out",
    "POST /sign-in",
];

/// Fields of free text, which the platform keeps and shows again: an id in them would come back as what the caller wrote.
const FREE_TEXT: [&str; 10] =
    ["name", "display_name", "note", "question", "issuer", "client_id", "role_claim", "tenant_claim", "role_map", "jwks_url"];

/// A small generator of numbers (splitmix64), so that a failing case can be run again by its number.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[usize::try_from(self.next()).unwrap() % from.len()]
    }
}

/// What the log wrote.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Everything by which a thing of an organisation could be named.
async fn names_of(app: &TestApp, tenant: &str) -> Vec<String> {
    let columns = app
        .sql_text(
            "select string_agg(format('select %I::text as v from %s where %I = ''TENANT''', c.attname, t.oid::regclass,
                      case when n.nspname = 'directory' then 'tenant' else 'tenant_id' end), ' union ')
             from pg_class t join pg_namespace n on n.oid = t.relnamespace join pg_attribute c on c.attrelid = t.oid
             where t.relkind = 'r' and n.nspname in ('public', 'directory') and c.atttypid = 'uuid'::regtype
               and c.attname not in ('tenant_id', 'tenant', 'lease_owner', 'node')
               and exists (select from pg_attribute a where a.attrelid = t.oid
                           and a.attname = case when n.nspname = 'directory' then 'tenant' else 'tenant_id' end)",
        )
        .await
        .unwrap()
        .replace("TENANT", tenant);
    let found = app.sql_text(&format!("select string_agg(v, ' ') from ({columns}) x where v is not null")).await.unwrap();
    let mut names: BTreeSet<String> = found.split(' ').map(str::to_owned).collect();
    names.insert(tenant.to_owned());
    names.into_iter().collect()
}

/// A digest of every row of an organisation, table by table, but for when somebody was last seen, and for what the platform records and
/// sequences at a time of its own: entries of the trail without an actor, and places in it.
async fn digest(app: &TestApp, tenant: &str) -> String {
    let parts = app
        .sql_text(
            "select string_agg(format('select %L || md5(coalesce(string_agg(md5((to_jsonb(t) - ''last_seen_at'' - ''seq'' - ''prev'' - ''hash'')::text), '''' order by md5((to_jsonb(t) - ''last_seen_at'' - ''seq'' - ''prev'' - ''hash'')::text)), '''')) as v from %s t where tenant_id = ''TENANT'' and jsonb_typeof(to_jsonb(t) -> ''actor_id'') is distinct from ''null''',
                      c.relname, c.oid::regclass), ' union ')
             from pg_class c join pg_namespace n on n.oid = c.relnamespace
             where c.relkind = 'r' and n.nspname = 'public'
               and exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id')",
        )
        .await
        .unwrap()
        .replace("TENANT", tenant);
    app.sql_text(&format!("select string_agg(v, ' ' order by v) from ({parts}) x")).await.unwrap()
}

/// One operation that can name things: method, path template, and the schema of its body.
struct Operation {
    method: String,
    template: String,
    body: Option<Value>,
    query: Vec<String>,
}

fn operations(document: &Value) -> Vec<Operation> {
    let mut all = Vec::new();
    for (method, template) in contract::described().into_iter().chain(contract::routed()) {
        if LEFT_OUT.contains(&format!("{method} {template}").as_str()) {
            continue;
        }
        let described = &document["paths"][&template][method.to_lowercase()];
        let body = described["requestBody"]["content"]["application/json"].get("schema").cloned();
        let parameters = described["parameters"].as_array().into_iter().flatten();
        let query = parameters.filter(|p| p["in"] == "query").map(|p| p["name"].as_str().unwrap().to_owned()).collect();
        all.push(Operation { method, template, body, query });
    }
    all
}

/// A value that fits a schema, with foreign ids wherever an id or a text can stand.
fn value(schema: &Value, document: &Value, foreign: &[String], numbers: &mut Numbers, depth: u8) -> Value {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap();
        return value(&document["components"]["schemas"][name], document, foreign, numbers, depth + 1);
    }
    for choice in ["oneOf", "anyOf", "allOf"] {
        if let Some(all) = schema[choice].as_array().filter(|_| depth < 6) {
            return value(numbers.pick(all), document, foreign, numbers, depth + 1);
        }
    }
    if let Some(all) = schema["enum"].as_array() {
        return numbers.pick(all).clone();
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds[0].as_str().unwrap_or("string"),
        kind => kind.as_str().unwrap_or("object"),
    };
    match kind {
        "object" if depth < 6 => {
            let properties = schema["properties"].as_object().cloned().unwrap_or_default();
            let mut out = Map::new();
            for (name, inner) in properties {
                let free = FREE_TEXT.contains(&name.as_str());
                let given =
                    if free { json!(format!("words {}", numbers.next())) } else { value(&inner, document, foreign, numbers, depth + 1) };
                out.insert(name, given);
            }
            Value::Object(out)
        }
        "array" => json!([value(&schema["items"], document, foreign, numbers, depth + 1)]),
        "integer" | "number" => json!(numbers.next() % 50),
        "boolean" => json!(numbers.next().is_multiple_of(2)),
        _ => json!(numbers.pick(foreign)),
    }
}

/// Sends one case. Returns the reply and what was sent, for the message of a failure.
async fn send(client: &Client, operation: &Operation, document: &Value, foreign: &[String], numbers: &mut Numbers) -> (Reply, String) {
    let mut path = String::new();
    for part in operation.template.split('/').skip(1) {
        path.push('/');
        path.push_str(if part.starts_with('{') { numbers.pick(foreign).as_str() } else { part });
    }
    let mut query: Vec<String> = Vec::new();
    for name in &operation.query {
        if numbers.next().is_multiple_of(2) {
            query.push(format!("{name}={}", numbers.pick(foreign)));
        }
    }
    for cursor in ["before", "after", "cursor", "document", "collection", "tenant"] {
        if numbers.next().is_multiple_of(12) && !operation.query.iter().any(|q| q == cursor) {
            query.push(format!("{cursor}={}", numbers.pick(foreign)));
        }
    }
    if !query.is_empty() {
        path = format!("{path}?{}", query.join("&"));
    }
    let mut request = client.request(&operation.method, &path);
    let mut sent = format!("{} {path}", operation.method);
    for header in ["x-tenant-id", "x-vital-tenant", "idempotency-key", "last-event-id", "if-match", "x-forwarded-for"] {
        if numbers.next().is_multiple_of(6) {
            let value = numbers.pick(foreign).as_str();
            sent = format!("{sent} {value}");
            request = request.header(header, value);
        }
    }
    if operation.method != "GET" {
        if let Some(schema) = &operation.body {
            let body = value(schema, document, foreign, numbers, 0);
            sent = format!("{sent} {body}");
            request = request.json(&body);
        } else if !operation.template.starts_with("/api/") {
            let id = numbers.pick(foreign).clone();
            sent = format!("{sent} {id}");
            request = request.form(&[("id", &id), ("group", &id), ("member", &id), ("expert", &id), ("question", "Where is it stored?")]);
        }
    }
    (request.send().await, sent)
}

/// The first thing of the other organisation in a reply that the request did not bring itself.
fn leak<'a>(reply: &Reply, sent: &str, secrets: &'a HashSet<String>) -> Option<&'a str> {
    let seen = reply.everything().to_lowercase();
    secrets.iter().find(|s| seen.contains(s.as_str()) && !sent.to_lowercase().contains(s.as_str())).map(String::as_str)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_requests_with_foreign_ids_bring_nothing_back_and_change_nothing() {
    let log = Lines::default();
    let subscriber = tracing_subscriber::fmt().with_writer(log.clone()).with_max_level(tracing::Level::DEBUG).with_ansi(false).finish();
    tracing::subscriber::set_global_default(subscriber).expect("each test runs in a process of its own");
    let app = Arc::new(app().await);
    let document: Arc<Value> = Arc::new(app.member().get("/api/openapi.json").await.expect(200).json());
    let operations = Arc::new(operations(&document));
    assert!(operations.len() > 60, "{} operations", operations.len());
    let (own, foreign) = (names_of(&app, &app.a().tenant).await, names_of(&app, &app.b().tenant).await);
    let shared: Vec<&String> = own.iter().filter(|name| foreign.contains(name)).collect();
    assert!(
        foreign.len() > 100 && shared.is_empty(),
        "{} foreign names, of which the caller's organisation has {shared:?} too",
        foreign.len()
    );
    let mut secrets: HashSet<String> = foreign.iter().cloned().collect();
    secrets.extend([CANARY_B.to_owned(), "@b.example".to_owned()]);
    let before = digest(&app, &app.b().tenant).await;

    let (secrets, foreign) = (Arc::new(secrets), Arc::new(foreign));
    let actors = [
        Persona::Viewer,
        Persona::Member,
        Persona::ExpertAuthor,
        Persona::Reviewer,
        Persona::TenantAdmin,
        Persona::TenantAdmin,
        Persona::Auditor,
    ];
    let mut workers = tokio::task::JoinSet::new();
    for worker in 0..AT_ONCE {
        let (app, document, operations) = (Arc::clone(&app), Arc::clone(&document), Arc::clone(&operations));
        let (secrets, foreign) = (Arc::clone(&secrets), Arc::clone(&foreign));
        workers.spawn(async move {
            let mut statuses: BTreeMap<u16, u64> = BTreeMap::new();
            for case in (worker..CASES).step_by(usize::try_from(AT_ONCE).unwrap()) {
                let mut numbers = Numbers(case);
                let operation = &operations[usize::try_from(case).unwrap() % operations.len()];
                let actor = *numbers.pick(&actors);
                let (reply, sent) = send(&app.client(actor), operation, &document, &foreign, &mut numbers).await;
                let found = leak(&reply, &sent, &secrets);
                assert!(found.is_none(), "case {case}, {} sent {sent} and read {found:?}: {}", actor.name(), reply.everything());
                assert!(reply.status != 500, "case {case}, {} sent {sent}: {}", actor.name(), reply.text());
                let about_signing_in =
                    ["/sign-in", "/session", "/factors", "/security"].iter().any(|part| operation.template.contains(part));
                assert!(
                    about_signing_in || !matches!(reply.status, 401 | 429),
                    "case {case}, {} sent {sent}: {}",
                    actor.name(),
                    reply.text()
                );
                *statuses.entry(reply.status).or_default() += 1;
            }
            statuses
        });
    }
    let mut statuses: BTreeMap<u16, u64> = BTreeMap::new();
    while let Some(done) = workers.join_next().await {
        done.unwrap().into_iter().for_each(|(status, n)| *statuses.entry(status).or_default() += n);
    }
    assert_eq!(statuses.values().sum::<u64>(), CASES);
    // The requests were understood: many named something that is not there, and the lists answered with the caller's own things.
    assert!(statuses[&404] > CASES / 10 && statuses[&200] > CASES / 20, "{statuses:?}");
    assert_eq!(digest(&app, &app.b().tenant).await, before, "something of the other organisation was changed");
    let lines = String::from_utf8_lossy(&log.0.lock().unwrap()).to_lowercase();
    assert!(lines.matches(" request").count() > 1_000, "the log was watched");
    assert!(!lines.contains(CANARY_B) && !lines.contains(CANARY_A), "the log holds words of documents or questions");
}

/// The same harness finds a leak where there is one: the other organisation's own member reads the very things that were looked for.
#[tokio::test]
async fn the_search_for_foreign_bytes_finds_them_where_they_are() {
    let app = app().await;
    let foreign = names_of(&app, &app.b().tenant).await;
    let secrets: HashSet<String> = foreign.into_iter().chain([CANARY_B.to_owned()]).collect();
    for path in ["/api/v1/documents", "/api/v1/conversations", "/api/v1/me", "/library"] {
        let reply = app.client(Persona::OtherMember).get(path).await.expect(200);
        assert!(leak(&reply, "", &secrets).is_some(), "{path}");
    }
    let nothing = app.client(Persona::OtherMember).get(&format!("/api/v1/documents/{}", Uuid::new_v4())).await;
    assert_eq!(leak(&nothing, "", &secrets), None);
}
