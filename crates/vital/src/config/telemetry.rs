//! `[telemetry]`: where traces go, by OTLP over HTTP. docs/TELEMETRY.md tells what is in them.
//!
//! | Key | Default | Meaning |
//! |---|---|---|
//! | `otlp_endpoint` | none | Address of an OTLP/HTTP receiver; spans go to `/v1/traces` below it. Without it there are no spans. |
//! | `headers_file` | none | File (mode 0600) with headers for the receiver, one `Name: value` a line, for example its key; read again when it changes. |
//! | `ca_file` | none | Certificates in PEM that are trusted for the receiver beside the system's. |
//! | `allow_http` | `false` | Allows plain HTTP to another machine, inside a network that is encrypted otherwise. |
//! | `sample_ratio` | `1.0` | The share of traces that is kept: 0 to 1. |
//! | `content` | `false` | Sends what people asked and models wrote along, unencrypted by the platform. See docs/TELEMETRY.md first. |

use super::{secret_file, unreadable};
use crate::failure::Failure;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use vital_outbound::Url;
use vital_telemetry::{Exporter, Settings};

/// The section.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Telemetry {
    /// The receiver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) otlp_endpoint: Option<String>,
    /// File with headers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) headers_file: Option<PathBuf>,
    /// File with certificates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ca_file: Option<PathBuf>,
    /// Allows plain HTTP to another machine.
    pub(crate) allow_http: bool,
    /// The share of traces that is kept.
    pub(crate) sample_ratio: f64,
    /// Sends words along.
    pub(crate) content: bool,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self { otlp_endpoint: None, headers_file: None, ca_file: None, allow_http: false, sample_ratio: 1.0, content: false }
    }
}

impl Telemetry {
    /// Refuses an address that is none, and one that sends spans over a network in the clear.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        if !(0.0..=1.0).contains(&self.sample_ratio) {
            return Err(Failure::new(format!("`telemetry.sample_ratio` is {}, and a share is from 0 to 1", self.sample_ratio)).into());
        }
        let Some(endpoint) = &self.otlp_endpoint else { return Ok(()) };
        let refused =
            |why: &str, hint: &str| Err(Failure::new(format!("`telemetry.otlp_endpoint` cannot be used: {why}")).hint(hint).into());
        let url = match Url::parse(endpoint) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.query().is_none() => url,
            _ => return refused("it is no web address", "write for example `https://otlp.example.org` or `http://127.0.0.1:4318`"),
        };
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let own = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        if url.scheme() == "http" && !own && !self.allow_http {
            let hint = "use https; inside a network that is encrypted otherwise, set `allow_http = true` in `[telemetry]`";
            return refused("spans would cross the network unencrypted", hint);
        }
        Ok(())
    }

    /// Begins to make spans; none where there is no receiver.
    ///
    /// # Errors
    /// When a file cannot be read or a setting is wrong.
    pub(crate) fn start(&self) -> anyhow::Result<Option<Exporter>> {
        let Some(endpoint) = self.otlp_endpoint.clone() else { return Ok(None) };
        let headers = self.headers_file.as_deref().map(|path| secret_file("telemetry.headers_file", path)).transpose()?;
        let read = |path: &PathBuf| std::fs::read(path).map_err(|error| unreadable("telemetry.ca_file", path, &error));
        let settings = Settings {
            endpoint,
            headers,
            authorities: self.ca_file.as_ref().map(read).transpose()?,
            sample_ratio: self.sample_ratio,
            content: self.content,
            version: env!("CARGO_PKG_VERSION"),
        };
        let exporter = vital_telemetry::start(settings).map_err(|fault| Failure::new(format!("`[telemetry]` cannot be used: {fault}")))?;
        if self.content {
            tracing::warn!("`telemetry.content` is on: questions and answers leave the server in spans");
        }
        Ok(Some(exporter))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Telemetry {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn spans_cross_no_network_in_the_clear() {
        for (text, told) in [
            ("", None),
            ("otlp_endpoint = \"http://127.0.0.1:4318\"", None),
            ("otlp_endpoint = \"http://[::1]:4318\"", None),
            ("otlp_endpoint = \"https://otlp.example.org/api/public/otel\"", None),
            ("otlp_endpoint = \"http://10.0.0.7:4318\"", Some("unencrypted")),
            ("otlp_endpoint = \"http://10.0.0.7:4318\"\nallow_http = true", None),
            ("otlp_endpoint = \"127.0.0.1:4318\"", Some("no web address")),
            ("otlp_endpoint = \"ftp://otlp.example.org\"", Some("no web address")),
            ("sample_ratio = 1.5", Some("from 0 to 1")),
            ("sample_ratio = nan", Some("from 0 to 1")),
        ] {
            let error = of(text).check().err().map(|error| error.to_string());
            assert_eq!(error.is_some(), told.is_some(), "{text}: {error:?}");
            assert!(told.is_none_or(|told| error.unwrap().contains(told)), "{text}");
        }
        assert!(toml::from_str::<Telemetry>("endpoint = \"x\"").is_err(), "an unknown key stops the program");
    }
}
