//! What identity costs: signing in, being recognised by session and by key, and how long a revoked key goes on working.

use crate::{
    api::Api,
    row::{Aim, Report, Row},
    samples::{Samples, ms},
    server::{Server, Setting, http_client},
};
use anyhow::{Context as _, ensure};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::json;
use std::time::{Duration, Instant};
use uuid::Uuid;
use vital_testkit::authenticator::Authenticator;

/// Requests under way at once while throughput is taken.
const AT_ONCE: usize = 32;
/// The issue's aim for a revoked key, in milliseconds.
const REVOKED_MS_MAX: f64 = 1_000.0;
/// When a revoked key that still works is a fault and not a figure.
const REVOKED_NEVER: Duration = Duration::from_secs(10);

/// Measures sign-in, throughput with session and key, revocation, and whether an id of somebody else can be told from an unknown one.
///
/// # Errors
/// When the server refuses.
pub(crate) async fn measure(setting: &Setting, quick: bool, report: &mut Report) -> anyhow::Result<()> {
    crate::say("signing in, and being recognised");
    let server = Server::start(setting).await?;
    let api = Api::set_up(&server).await?;
    sign_in(&api, &server, if quick { 5 } else { 40 }, report).await?;
    let api = api.with_second_factor().await?;
    let key = api.issue_key("bench", &["document.read", "settings.read"]).await?;
    let requests = if quick { 2_000 } else { 20_000 };
    throughput(&api, "a session", requests, report).await?;
    throughput(&api.with_token(&key.secret), "a key", requests, report).await?;
    revocation(&api, &api.with_token(&key.secret), &key.id, report).await?;
    let foreign = foreign_document(setting, &api).await?;
    unknown_or_foreign(&api, &foreign, if quick { 100 } else { 1_000 }, report).await?;
    server.stop()
}

async fn sign_in(api: &Api, server: &Server, times: usize, report: &mut Report) -> anyhow::Result<()> {
    let mut took = Vec::with_capacity(times);
    for _ in 0..times {
        let begun = Instant::now();
        api.at(server).await?;
        took.push(ms(begun.elapsed()));
    }
    let took = Samples::new(took);
    let figures = [("p50", took.percentile(50.0)), ("p95", took.percentile(95.0))];
    report.add(Row::new("signing in with a password (argon2id, 64 MiB, 3 passes)", "ms", &figures, None, times));
    Ok(())
}

async fn throughput(api: &Api, with: &str, requests: usize, report: &mut Report) -> anyhow::Result<()> {
    let http = http_client()?;
    let begun = Instant::now();
    let took: Vec<f64> = stream::iter((0..requests).map(|_| async {
        let begun = Instant::now();
        let response = api.by(&http, "/api/v1/me").send().await?;
        ensure!(response.status().is_success(), "a request with {with} came with status {}", response.status());
        response.bytes().await?;
        Ok(ms(begun.elapsed()))
    }))
    .buffer_unordered(AT_ONCE)
    .try_collect()
    .await?;
    let (per_second, took) = (requests as f64 / begun.elapsed().as_secs_f64(), Samples::new(took));
    report.add(Row::new(format!("authenticated requests with {with}, {AT_ONCE} at once"), "/s", &[("", per_second)], None, requests));
    let figures = [("p50", took.percentile(50.0)), ("p99", took.percentile(99.0))];
    report.add(Row::new(format!("the same, one request with {with}"), "ms", &figures, None, requests));
    Ok(())
}

async fn revocation(owner: &Api, holder: &Api, id: &str, report: &mut Report) -> anyhow::Result<()> {
    holder.get("/api/v1/me").await?;
    owner.delete(&format!("/api/v1/keys/{id}")).await?;
    let begun = Instant::now();
    while holder.get("/api/v1/me").await.is_ok() {
        ensure!(begun.elapsed() < REVOKED_NEVER, "a revoked key goes on working");
    }
    let figures = [("", ms(begun.elapsed()))];
    report.add(Row::new("a revoked key is refused after", "ms", &figures, Some(Aim::AtMost(REVOKED_MS_MAX)), 1));
    Ok(())
}

/// Id of a document of another organisation on the same server.
async fn foreign_document(setting: &Setting, api: &Api) -> anyhow::Result<String> {
    let email = "other@example.org";
    setting.operator(&["tenant", "create", "Other"], "")?;
    let person = ["user", "create", "--tenant", "other", "--email", email, "--name", "Other", "--role", "member", "--password-stdin"];
    setting.operator(&person, &format!("{}\n", crate::api::PASSWORD))?;
    let other = api.as_somebody(email).await?;
    other.library_ready(false).await?;
    other.upload("theirs.md", "# Theirs\n\nThe shelf life of these granules is 24 months.".to_owned()).await
}

/// Reads a document of another organisation and one that does not exist by turns: the two must not differ in time.
async fn unknown_or_foreign(api: &Api, foreign: &str, times: usize, report: &mut Report) -> anyhow::Result<()> {
    let http = http_client()?;
    let mut took = [Vec::with_capacity(times), Vec::with_capacity(times)];
    for n in 0..times * 2 {
        let unknown = Uuid::now_v7().to_string();
        let id = if n % 2 == 0 { foreign } else { &unknown };
        let begun = Instant::now();
        let response = api.by(&http, &format!("/api/v1/documents/{id}")).send().await?;
        ensure!(response.status().as_u16() == 404, "a document of somebody else came with status {}", response.status());
        response.bytes().await?;
        took[n % 2].push(ms(begun.elapsed()));
    }
    let [foreign, unknown] = took.map(Samples::new);
    let (foreign, unknown) = (foreign.percentile(50.0), unknown.percentile(50.0));
    let figures = [("foreign p50", foreign), ("unknown p50", unknown), ("apart", (foreign - unknown).abs())];
    report.add(Row::new("an id of another organisation, and one of nobody", "ms", &figures, Some(Aim::AtMost(0.2)), times));
    Ok(())
}

/// A key that was made for the measurement.
pub(crate) struct IssuedKey {
    /// Its id.
    pub(crate) id: String,
    /// The key itself.
    pub(crate) secret: String,
}

impl Api {
    /// Adds an authenticator app, so that dangerous verbs can be asked for.
    ///
    /// # Errors
    /// When the server refuses.
    pub(crate) async fn with_second_factor(&self) -> anyhow::Result<Self> {
        let body = json!({ "name": "bench", "password": crate::api::PASSWORD });
        let begun = self.post("/api/v1/factors/totp", &body).await?;
        let device = begun["secret"].as_str().and_then(Authenticator::of).context("the seed cannot be read")?;
        let id = begun["id"].as_str().context("an authenticator app came without an id")?;
        let added = self.post(&format!("/api/v1/factors/totp/{id}/confirm"), &json!({ "code": device.shown() })).await?;
        Ok(self.with_token(added["token"].as_str().context("no new token came")?))
    }

    async fn issue_key(&self, name: &str, scopes: &[&str]) -> anyhow::Result<IssuedKey> {
        let made = self.post("/api/v1/keys", &json!({ "name": name, "scopes": scopes })).await?;
        let text = |field: &str| made[field].as_str().map(str::to_owned).with_context(|| format!("a key came without `{field}`"));
        Ok(IssuedKey { id: text("id")?, secret: text("key")? })
    }
}
