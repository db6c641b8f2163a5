//! `[metrics]`: the listener that Prometheus reads.
//!
//! | Key | Default | Meaning |
//! |---|---|---|
//! | `listen` | none | Address and port of the listener, for example `127.0.0.1:9464`. Without it nothing is recorded. |
//! | `token_file` | none | File with the token that a reader has to show (`Authorization: Bearer …`). Needed where other machines reach the address; the listener then speaks https, by the certificate of `[tls]`. |

use super::{Server, server::parse_address};
use crate::failure::Failure;
use serde::{Deserialize, Deserializer, Serialize};
use std::{net::SocketAddr, path::PathBuf};

/// Shortest token, in characters.
const TOKEN_CHARS_MIN: usize = 16;

/// The section.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Metrics {
    /// Address and port.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "address")]
    pub(crate) listen: Option<SocketAddr>,
    /// File with the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) token_file: Option<PathBuf>,
}

impl Metrics {
    /// Refuses what others could read, or what would send the token over a network in the clear. `tls` says whether there is a certificate.
    pub(super) fn check(&self, server: &Server, tls: bool) -> anyhow::Result<()> {
        let Some(listen) = self.listen.filter(|_| !self.is_local()) else { return Ok(()) };
        let refused = |why: &str, hint: &str| {
            let failure = Failure::new(format!("`metrics.listen` is `{listen}`, which other machines can reach, and {why}"));
            Err(failure.hint(hint).into())
        };
        if self.token_file.is_none() {
            return refused("everybody there could read it", "listen on `127.0.0.1`, or name a file with a token in `metrics.token_file`");
        }
        if !tls && !server.allow_plain_http {
            return refused(
                "the token would cross the network unencrypted",
                "listen on `127.0.0.1`, or name a certificate in `[tls]`; inside a network that is encrypted otherwise, set `allow_plain_http = true` in `[server]`",
            );
        }
        Ok(())
    }

    /// Whether only this machine reaches it.
    pub(crate) fn is_local(&self) -> bool {
        self.listen.is_none_or(|listen| listen.ip().to_canonical().is_loopback())
    }

    /// Reads the token.
    ///
    /// # Errors
    /// When others on the machine can read the file, or it holds no usable token.
    pub(crate) fn token(&self) -> anyhow::Result<Option<String>> {
        let Some(path) = &self.token_file else { return Ok(None) };
        let fault = |what: String| Failure::new(format!("`metrics.token_file` `{}` {what}", path.display()));
        let text = vital_keys::private_file::read(path).map_err(|error| fault(format!("cannot be used: {error}")))?;
        let token = text.trim();
        if token.len() < TOKEN_CHARS_MIN || !token.bytes().all(|b| b.is_ascii_graphic()) {
            let failure = fault(format!("holds no token: {TOKEN_CHARS_MIN} or more visible ASCII characters on one line"));
            return Err(failure.hint("make one with `openssl rand -hex 32`").into());
        }
        Ok(Some(token.to_owned()))
    }
}

fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SocketAddr>, D::Error> {
    parse_address(&String::deserialize(deserializer)?).map(Some).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, os::unix::fs::PermissionsExt as _};

    #[test]
    fn other_machines_need_a_token_and_an_encrypted_way() {
        let of = |text: &str| toml::from_str::<Metrics>(text).unwrap();
        let (server, plain) = (Server::default(), Server { allow_plain_http: true, ..Server::default() });
        assert!(of("").check(&server, false).is_ok() && of("").is_local());
        assert!(of("listen = \"127.0.0.1:9464\"").check(&server, false).is_ok());
        assert!(of("listen = \"localhost:9464\"").is_local());
        let open = of("listen = \"0.0.0.0:9464\"");
        assert!(open.check(&plain, true).unwrap_err().to_string().contains("everybody"));
        let with_token = of("listen = \"0.0.0.0:9464\"\ntoken_file = \"t\"");
        assert!(with_token.check(&server, false).unwrap_err().to_string().contains("unencrypted"));
        assert!(with_token.check(&server, true).is_ok() && with_token.check(&plain, false).is_ok());
        assert!(toml::from_str::<Metrics>("listen = \"9464\"").is_err());
    }

    #[test]
    fn a_token_is_long_visible_and_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let metrics = Metrics { listen: None, token_file: Some(path.clone()) };
        for (text, mode, fine) in [
            ("0123456789abcdef\n", 0o600, true),
            ("0123456789abcdef", 0o644, false),
            ("short", 0o600, false),
            ("0123456789 abcdef", 0o600, false),
        ] {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(metrics.token().is_ok(), fine, "{text}");
        }
    }
}
