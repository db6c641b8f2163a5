//! Health: is the process alive, and may it be given work.
//!
//! Everybody may ask, so nothing here helps an attacker: whether the audit trail is secured at the moment is told on this machine alone.

use crate::state::AppState;
use axum::{
    Json,
    extract::{ConnectInfo, RawQuery, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};
use tokio::sync::Mutex;
use utoipa::ToSchema;
use vital_platform::audit::trail;

/// How long a probe's result is given out again, so that probes cannot load the database.
const PROBE_KEPT: Duration = Duration::from_secs(1);
/// How long the details of a probe may take to find out.
const STANDING_WAIT: Duration = Duration::from_secs(3);

/// The last readiness probe.
#[derive(Default)]
pub(crate) struct Probe(Mutex<Option<(Instant, Ready)>>);

/// A broken rule of tenant protection.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Broken {
    /// The rule.
    rule: String,
    /// The table, function or role that breaks it.
    object: String,
}

/// How the audit trail stands. It makes nothing unready: entries wait in the database, and by policy changes are refused.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct AuditTrail {
    /// Entries that wait for their place; none where the database did not tell.
    waiting: Option<u64>,
    /// Seconds that the oldest of them has waited.
    lag_s: Option<u64>,
    /// Entries that are under no signed checkpoint yet.
    unsigned: Option<u64>,
    /// Whether checkpoints can be written.
    checkpoints: bool,
}

/// Whether the platform may be given work.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Ready {
    /// True where nothing below speaks against it.
    ready: bool,
    /// Whether the database answers.
    database: bool,
    /// Broken rules of tenant protection; empty means protected.
    violations: Vec<Broken>,
    /// What writes answers.
    composer: String,
    /// Why search works by words alone, if it does. This does not make the platform unready.
    embedding: Option<String>,
    /// How the audit trail stands: with `?verbose`, and only for who asks on this machine without a proxy between.
    #[serde(skip_serializing_if = "Option::is_none")]
    audit: Option<AuditTrail>,
}

/// Tells that the process runs.
#[utoipa::path(get, path = "/livez", tag = "health", security(()), responses((status = 200, description = "The process runs", body = String)))]
pub(crate) async fn live() -> &'static str {
    "alive\n"
}

/// Tells whether the platform may be given work: 503 while the database is away or tenant protection is broken.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "health",
    security(()),
    params(("verbose" = Option<String>, Query, description = "Adds the audit trail, for who asks on the server's own machine; the value does not matter")),
    responses((status = 200, body = Ready), (status = 503, body = Ready))
)]
pub(crate) async fn ready(
    State(s): State<AppState>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let detailed = is_verbose(query.as_deref()) && is_here(peer, &headers);
    let mut last = s.probe.0.lock().await;
    let mut ready = match &*last {
        Some((at, ready)) if at.elapsed() < PROBE_KEPT => ready.clone(),
        _ => {
            let fresh = probe(&s).await;
            *last = Some((Instant::now(), fresh.clone()));
            fresh
        }
    };
    // Probes do not wait for the details.
    drop(last);
    if detailed {
        ready.audit = Some(audit_trail(&s, ready.database).await);
    }
    let status = if ready.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(ready)).into_response()
}

fn is_verbose(query: Option<&str>) -> bool {
    query.is_some_and(|query| query.split('&').any(|part| part.split('=').next() == Some("verbose")))
}

/// Whether the asking program runs on this machine. Behind a proxy on it everybody would seem to, but a proxy says that it is one.
fn is_here(peer: SocketAddr, headers: &HeaderMap) -> bool {
    let forwarded = ["x-forwarded-for", "x-real-ip"].into_iter().any(|name| headers.contains_key(name));
    peer.ip().to_canonical().is_loopback() && !forwarded && !headers.contains_key(header::FORWARDED) && !headers.contains_key(header::VIA)
}

async fn audit_trail(s: &AppState, database: bool) -> AuditTrail {
    // A database that has just not answered is not waited for again.
    let standing = match database {
        true => tokio::time::timeout(STANDING_WAIT, trail::standing(&s.platform)).await.ok().and_then(Result::ok),
        false => None,
    };
    AuditTrail {
        waiting: standing.map(|standing| standing.waiting),
        lag_s: standing.map(|standing| standing.lag_s as u64),
        unsigned: standing.map(|standing| standing.unsigned),
        checkpoints: trail::checkpoints_writable(&s.platform),
    }
}

async fn probe(s: &AppState) -> Ready {
    let (database, violations) = match s.platform.db().violations().await {
        Ok(found) => (true, found.iter().map(|v| Broken { rule: v.rule.clone(), object: v.object.clone() }).collect::<Vec<_>>()),
        Err(e) => {
            tracing::warn!(error = %e, "the readiness probe did not reach the database");
            (false, Vec::new())
        }
    };
    if !violations.is_empty() {
        tracing::error!(?violations, "tenant protection is broken");
    }
    Ready {
        ready: database && violations.is_empty(),
        database,
        violations,
        composer: s.platform.composer(),
        embedding: s.platform.embedding_note(),
        audit: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderName, HeaderValue};

    #[test]
    fn detail_is_for_who_asks_on_this_machine_and_asks_for_it() {
        for (query, verbose) in
            [(None, false), (Some("verbose"), true), (Some("a=1&verbose=true"), true), (Some("verbosity"), false), (Some(""), false)]
        {
            assert_eq!(is_verbose(query), verbose, "{query:?}");
        }
        let here = |peer: &str, name: Option<&'static str>| {
            let headers = name.map(|name| (HeaderName::from_static(name), HeaderValue::from_static("198.51.100.1")));
            is_here(peer.parse().unwrap(), &headers.into_iter().collect())
        };
        assert!(here("127.0.0.1:9", None) && here("[::1]:9", None) && here("[::ffff:127.0.0.1]:9", None));
        assert!(!here("192.0.2.1:9", None));
        assert!(["x-forwarded-for", "forwarded", "via", "x-real-ip"].into_iter().all(|name| !here("127.0.0.1:9", Some(name))));
    }
}
