//! `[log]`: what the server writes to standard error.
//!
//! | Key | Default | Meaning |
//! |---|---|---|
//! | `format` | `text` | `text` for people, `json` for one JSON object a line. |
//! | `filter` | `info,sqlx=warn,tower_http=warn` | Levels by module, in the notation of `tracing-subscriber`'s `EnvFilter`. |

use serde::{Deserialize, Serialize};

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The section.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Log {
    /// The form of the lines.
    pub(crate) format: LogFormat,
    /// Levels by module.
    pub(crate) filter: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Text, filter: "info,sqlx=warn,tower_http=warn".to_owned() }
    }
}

impl Log {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        crate::telemetry::filter(&self.filter).map(drop)
    }
}
