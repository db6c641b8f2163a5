//! Health: is the process alive, and may it be given work.

use crate::state::AppState;
use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use utoipa::ToSchema;

/// How long a probe's result is given out again, so that probes cannot load the database.
const PROBE_KEPT: Duration = Duration::from_secs(1);

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
}

/// Tells that the process runs.
#[utoipa::path(get, path = "/livez", tag = "health", security(()), responses((status = 200, description = "The process runs", body = String)))]
pub(crate) async fn live() -> &'static str {
    "alive\n"
}

/// Tells whether the platform may be given work: 503 while the database is away or tenant protection is broken.
#[utoipa::path(get, path = "/readyz", tag = "health", security(()), responses((status = 200, body = Ready), (status = 503, body = Ready)))]
pub(crate) async fn ready(State(s): State<AppState>) -> Response {
    let mut last = s.probe.0.lock().await;
    let ready = match &*last {
        Some((at, ready)) if at.elapsed() < PROBE_KEPT => ready.clone(),
        _ => {
            let fresh = probe(&s).await;
            *last = Some((Instant::now(), fresh.clone()));
            fresh
        }
    };
    let status = if ready.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(ready)).into_response()
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
    }
}
