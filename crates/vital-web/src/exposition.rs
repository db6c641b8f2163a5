//! The metrics listener: `GET /metrics` and nothing else, in Prometheus' text format.
//!
//! **Invariant:** what a scrape costs is bounded: one looks at the database at a time, at most once a second and not for long; every further
//! one gets what was found last.

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use sha2::{Digest as _, Sha256};
use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};
use tokio::sync::Mutex;
use vital_platform::{Platform, audit::trail};

/// The content type of the text format.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
/// How long what was found is given out again.
const KEPT: Duration = Duration::from_secs(1);
/// How long the database may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// What the listener needs.
pub struct Exposition {
    /// The platform whose state is told.
    pub platform: Arc<Platform>,
    /// The token that must be shown; none asks for none.
    pub token: Option<String>,
}

struct Exposed {
    platform: Arc<Platform>,
    /// SHA-256 of the token, so that comparing takes as long for every wrong one.
    token: Option<[u8; 32]>,
    looked: Mutex<Option<Instant>>,
}

/// Makes the router of the metrics listener.
pub fn exposition_router(Exposition { platform, token }: Exposition) -> Router {
    let token = token.map(|token| Sha256::digest(token).into());
    Router::new().route("/metrics", get(expose)).with_state(Arc::new(Exposed { platform, token, looked: Mutex::default() }))
}

async fn expose(State(s): State<Arc<Exposed>>, headers: HeaderMap) -> Response {
    if !admits(s.token.as_ref(), &headers) {
        return (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")], "a token is needed\n").into_response();
    }
    let mut looked = s.looked.lock().await;
    if looked.is_none_or(|at| at.elapsed() >= KEPT) {
        look(&s.platform).await;
        *looked = Some(Instant::now());
    }
    let text = vital_metrics::render();
    ([(header::CONTENT_TYPE, TEXT), (header::CACHE_CONTROL, "no-store"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")], text).into_response()
}

fn admits(token: Option<&[u8; 32]>, headers: &HeaderMap) -> bool {
    let Some(token) = token else { return true };
    let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|value| value.strip_prefix("Bearer "));
    shown.is_some_and(|shown| <[u8; 32]>::from(Sha256::digest(shown)) == *token)
}

/// Reads what is not counted as it happens.
async fn look(platform: &Platform) {
    let standing = match tokio::time::timeout(PATIENCE, trail::standing(platform)).await {
        Ok(Ok(standing)) => Some(standing),
        Ok(Err(error)) => {
            tracing::debug!(%error, "the audit trail did not answer");
            None
        }
        Err(_) => None,
    };
    vital_metrics::audit(standing.map(|s| vital_metrics::Audit {
        waiting: s.waiting,
        lag_s: s.lag_s,
        unsigned: s.unsigned,
        checkpoint_at: s.checkpoint_at.map(SystemTime::from),
    }));
    vital_metrics::checkpoints_writable(trail::checkpoints_writable(platform));
    vital_metrics::verification(trail::last_verified(platform).map(|last| (last.at.into(), last.sound)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn a_token_is_shown_whole_or_nothing_is_told() {
        let token = Sha256::digest("s3cret").into();
        let shown = |value: Option<&'static str>| {
            let headers = value.map(|value| (header::AUTHORIZATION, HeaderValue::from_static(value))).into_iter().collect();
            admits(Some(&token), &headers)
        };
        assert!(shown(Some("Bearer s3cret")));
        for wrong in [None, Some("Bearer s3cre"), Some("Bearer s3cret "), Some("Basic s3cret"), Some("s3cret"), Some("Bearer ")] {
            assert!(!shown(wrong), "{wrong:?}");
        }
        assert!(admits(None, &HeaderMap::new()));
    }
}
