//! Whether limits are exact: ten times as many requests as are allowed, and how many of them were.

use crate::{
    api::Api,
    row::{Aim, Report, Row},
    server::{Server, Setting, http_client_from},
};
use anyhow::{Context as _, ensure};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use reqwest::RequestBuilder;
use serde_json::json;
use std::net::Ipv4Addr;
use vital_kernel::limits;

/// Requests under way at once.
const AT_ONCE: usize = 32;
/// How many times as many as are allowed.
const TIMES: u32 = 10;
/// The aim, in percent of the limit.
const OFF_PERCENT_MAX: f64 = 1.0;

/// Measures the limits of an account, of an address and, in a full run, of sign-in.
///
/// # Errors
/// When the server does not answer, or answers with anything but what is asked for and 429.
pub(crate) async fn measure(setting: &Setting, quick: bool, report: &mut Report) -> anyhow::Result<()> {
    crate::say("ten times the limits of the product");
    let server = Server::start(setting).await?;
    let api = Api::set_up(&server).await?;
    let clients = (0..10).map(|n| http_client_from(Ipv4Addr::new(127, 0, 2, n + 1))).collect::<anyhow::Result<Vec<_>>>()?;

    let account = |n: usize| api.by(&clients[n % clients.len()], "/api/v1/me");
    row(report, "one account", "rate.user", limits::REQUESTS_USER_MAX, account).await?;
    let client = http_client_from(Ipv4Addr::new(127, 0, 3, 1))?;
    let address = |_| client.get(format!("{}/sign-in", server.base()));
    row(report, "one address", "rate.address", limits::REQUESTS_ADDRESS_MAX, address).await?;
    if !quick {
        let client = http_client_from(Ipv4Addr::new(127, 0, 4, 1))?;
        let wrong = |n| json!({ "email": format!("nobody-{n}@example.org"), "password": "not anybody's password" });
        let credentials = |n: usize| client.post(format!("{}/api/v1/session", server.base())).json(&wrong(n));
        row(report, "sign-in from one address", "rate.credentials", limits::CREDENTIALS_ADDRESS_MAX, credentials).await?;
    }
    server.stop()
}

async fn row(report: &mut Report, whose: &str, code: &str, limit: u32, request: impl Fn(usize) -> RequestBuilder) -> anyhow::Result<()> {
    let sent = (limit * TIMES) as usize;
    let allowed: Vec<bool> = stream::iter((0..sent).map(|n| is_allowed(request(n), code))).buffer_unordered(AT_ONCE).try_collect().await?;
    let count = allowed.iter().filter(|allowed| **allowed).count() as f64;
    let off = (count - f64::from(limit)).abs() / f64::from(limit) * 100.0;
    let figures = [("limit", f64::from(limit)), ("allowed", count), ("off by percent", off)];
    report.add(Row::new(format!("allowed of ten times a limit, {whose}"), "", &figures, Some(Aim::AtMost(OFF_PERCENT_MAX)), sent));
    Ok(())
}

/// Whether a request passed the limit of this code.
async fn is_allowed(request: RequestBuilder, code: &str) -> anyhow::Result<bool> {
    let response = request.send().await?;
    let (status, retry) = (response.status(), response.headers().contains_key("retry-after"));
    let body = response.text().await.context("a reply broke off")?;
    ensure!(!status.is_server_error(), "the server failed with status {status}: {body}");
    let refused = status.as_u16() == 429 && body.contains(code);
    ensure!(!refused || retry, "a refusal came without `Retry-After`");
    Ok(!refused)
}
