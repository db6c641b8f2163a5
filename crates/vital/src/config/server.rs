//! `[server]`: where the server listens and where it keeps what it keeps.
//!
//! | Key | Default | Meaning |
//! |---|---|---|
//! | `listen` | `127.0.0.1:8080` | Address and port. `VITAL_LISTEN` and `--listen` win over it. Port 0 takes any free one. |
//! | `data` | `data` | The data folder: private database, indexes, secrets. `VITAL_DATA` and `--data` win over it. |
//! | `allow_plain_http` | `false` | Allows an address that other machines can reach, although the server speaks plain HTTP. |

use crate::failure::Failure;
use serde::{Deserialize, Deserializer, Serialize};
use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

/// The section.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Server {
    /// Address and port.
    #[serde(deserialize_with = "address")]
    pub(crate) listen: SocketAddr,
    /// The data folder; a relative path starts at the working directory.
    pub(crate) data: PathBuf,
    /// Allows plain HTTP on an address that other machines can reach.
    pub(crate) allow_plain_http: bool,
}

impl Default for Server {
    fn default() -> Self {
        Self { listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)), data: PathBuf::from("data"), allow_plain_http: false }
    }
}

impl Server {
    /// Refuses what would put passwords on a network in the clear.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        if self.listen.ip().to_canonical().is_loopback() || self.allow_plain_http {
            return Ok(());
        }
        let failure = Failure::new(format!(
            "`server.listen` is `{}`, which other machines can reach, and this server speaks plain HTTP: passwords and answers would cross the network unencrypted",
            self.listen
        ));
        Err(failure
            .hint("listen on `127.0.0.1` and put a proxy with TLS in front; inside a network that is encrypted otherwise, set `allow_plain_http = true` in `[server]`")
            .into())
    }
}

/// Reads an address; `localhost` stands for `127.0.0.1`.
pub(crate) fn parse_address(text: &str) -> Result<SocketAddr, String> {
    let numeric = text.strip_prefix("localhost:").map_or_else(|| text.to_owned(), |port| format!("127.0.0.1:{port}"));
    numeric.parse().map_err(|_| format!("`{text}` is not an address with a port; write one such as `127.0.0.1:8080` or `[::1]:8080`"))
}

fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    parse_address(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_others_reach_needs_a_deliberate_setting() {
        for (listen, fine) in [
            ("127.0.0.1:8080", true),
            ("127.8.8.8:1", true),
            ("[::1]:8080", true),
            ("[::ffff:127.0.0.1]:80", true),
            ("localhost:0", true),
            ("0.0.0.0:8080", false),
            ("[::]:8080", false),
            ("192.168.1.4:8080", false),
        ] {
            let server = Server { listen: parse_address(listen).unwrap(), ..Server::default() };
            assert_eq!(server.check().is_ok(), fine, "{listen}");
            assert!(Server { allow_plain_http: true, ..server }.check().is_ok());
        }
        assert!(parse_address("localhost").is_err() && parse_address("8080").is_err() && parse_address("example.org:80").is_err());
    }
}
