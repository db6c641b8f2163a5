//! What surrounds every reply: the security headers of each page and API route, as a reviewable table, and pages that obey their policy.

use crate::{app, contract};
use std::{collections::BTreeMap, fmt::Write as _};
use vital_testkit::app::Reply;

const GOLDEN: &str = include_str!("headers.golden.txt");
/// Headers that say something about one reply and nothing about its protection.
const OWN: [&str; 13] = [
    "etag",
    "x-should-retry",
    "x-vital-ignored",
    "date",
    "content-length",
    "x-request-id",
    "request-id",
    "location",
    "set-cookie",
    "transfer-encoding",
    "content-encoding",
    "vary",
    "accept-ranges",
];

fn nonce(reply: &Reply) -> Option<&str> {
    reply.header("content-security-policy")?.split("'nonce-").nth(1)?.split('\'').next()
}

fn headers(reply: &Reply) -> String {
    let mut lines: Vec<String> = reply
        .headers
        .iter()
        .filter(|(name, _)| !OWN.contains(&name.as_str()))
        .map(|(name, value)| format!("  {name}: {}\n", value.to_str().unwrap().replace(nonce(reply).unwrap_or("\0"), "NONCE")))
        .collect();
    lines.sort();
    lines.concat()
}

fn path(app: &vital_testkit::app::TestApp, template: &str) -> String {
    let a = app.a();
    let id = match template {
        t if t.contains("/documents/") => &a.document,
        t if t.contains("/conversations/") => &a.conversation,
        _ => &a.turn,
    };
    let path = template.replace("{id}", id).replace("{slug}", "clinical-pharmacology").replace("{file}", "swagger-ui.css");
    let path = path.replace("{version}", "unknown").replace("{name}", "app.css").replace("{week}", "2026-W01");
    if template.ends_with("/search") { format!("{path}?q=shelf+life") } else { path }
}

#[tokio::test]
async fn every_reply_carries_the_reviewed_security_headers() {
    let app = app().await;
    let mut operations = contract::described();
    operations.extend(contract::routed());
    operations.push(("GET".to_owned(), "/unknown".to_owned()));
    operations.push(("GET".to_owned(), "/api/v1/unknown".to_owned()));
    operations.sort_by(|(method, path), (other_method, other_path)| (path, method).cmp(&(other_path, other_method)));
    let mut by_headers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    // Reading is done in full; what changes something is sent without a body or to nothing, and is refused.
    for (method, template) in operations {
        let client = if method == "GET" { app.member() } else { app.member().signed_out() };
        let reply = client.request(&method, &path(&app, &template)).send().await;
        by_headers.entry(headers(&reply)).or_default().push(format!("{method} {template} {}", reply.status));
    }
    let mut table = String::new();
    for (headers, routes) in by_headers {
        let _infallible = writeln!(table, "{}\n{headers}", routes.join("\n"));
    }
    assert_eq!(table, GOLDEN, "review and update crates/vital/tests/http/headers.golden.txt:\n{table}");
}

#[tokio::test]
async fn pages_run_only_scripts_with_the_nonce_of_this_reply_and_nothing_inline() {
    let app = app().await;
    let mut nonces = Vec::new();
    for (method, template) in contract::routed() {
        if method != "GET"
            || template.starts_with("/api/")
            || template.starts_with("/assets/")
            || ["/docs", "/favicon.ico"].contains(&template.as_str())
        {
            continue;
        }
        let reply = app.member().get(&path(&app, &template)).await;
        let (html, nonce) = (reply.text(), nonce(&reply).unwrap().to_owned());
        for tag in html.split("<script").skip(1).map(|t| t.split('>').next().unwrap()) {
            assert!(tag.contains(&format!("nonce=\"{nonce}\"")) && tag.contains("src=\"/assets/"), "{template}: <script{tag}>");
        }
        for tag in html.split('<').skip(1).map(|t| t.split('>').next().unwrap()) {
            let inline = tag.split_whitespace().skip(1).any(|attribute| attribute.starts_with("on") && attribute.contains('='));
            assert!(!inline && !tag.contains("style=\"") && !tag.contains("javascript:"), "{template}: <{tag}>");
            assert!(
                !tag.contains("=\"http://") && !tag.contains("=\"https://") && !tag.contains("=\"//"),
                "{template} refers elsewhere: <{tag}>"
            );
        }
        nonces.push(nonce);
    }
    let count = nonces.len();
    nonces.sort();
    nonces.dedup();
    assert_eq!(nonces.len(), count, "a nonce was used twice");
}

#[tokio::test]
async fn assets_are_served_under_their_content_and_kept_for_good() {
    let app = app().await;
    let page = app.member().get("/").await.expect(200).text();
    let mut seen = 0;
    for address in page.split('"').filter(|a| a.starts_with("/assets/")) {
        let asset = app.client(vital_testkit::app::Persona::Anonymous).get(address).await.expect(200);
        assert_eq!(asset.header("cache-control"), Some("public, max-age=31536000, immutable"), "{address}");
        assert_eq!(asset.header("x-content-type-options"), Some("nosniff"));
        seen += 1;
    }
    assert!(seen >= 3, "{page}");
    app.member().get("/assets/0000/app.css").await.problem(404, "asset.unknown");
}
