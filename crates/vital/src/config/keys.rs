//! `[keys]`: where the root key is, under which the keys of organisations are wrapped.
//!
//! | Key | Default | Meaning |
//! |---|---|---|
//! | `root` | `file` | Where the root key is: `file`, `environment` (the variable `VITAL_ROOT_KEY`) or `token` (PKCS#11). |
//! | `root_file` | `secret.key` in the data folder | The file. Made at the first start where nothing was sealed yet; several servers on one database share it. |
//! | `token_module` | none | The library of the token, for example `/usr/lib/softhsm/libsofthsm2.so`. |
//! | `token_label` | none | The token's label. |
//! | `token_key` | none | The label of the AES-256 key within the token. |
//! | `token_former_key` | none | The label of the key before it, while `vital keys rotate root` puts the new one in its place. |
//! | `token_pin_file` | none | The file of the PIN, mode 0600. |
//! | `spread_s` | `30` | Seconds from 1 to 600 until a new version of an organisation's key seals, and until former logins of the database are refused. Nodes read keys and logins again after a third of it. |

use crate::failure::Failure;
use serde::{Deserialize, Serialize};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use vital_keys::{RootSource, pkcs11::Pkcs11Config};
use vital_store::KeySettings;

/// Name of the root key's file within the data folder.
const FILE_NAME: &str = "secret.key";

/// Where the root key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Root {
    /// In a file.
    File,
    /// In the environment.
    Environment,
    /// In a PKCS#11 token.
    Token,
}

/// The section.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Keys {
    /// Where the root key is.
    pub(crate) root: Root,
    /// Its file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) root_file: Option<PathBuf>,
    /// The library of the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) token_module: Option<PathBuf>,
    /// The token's label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) token_label: Option<String>,
    /// The key's label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) token_key: Option<String>,
    /// The label of the key before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) token_former_key: Option<String>,
    /// The file of the PIN.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) token_pin_file: Option<PathBuf>,
    /// Seconds until a new version seals.
    pub(crate) spread_s: u64,
}

impl Default for Keys {
    fn default() -> Self {
        Self {
            root: Root::File,
            root_file: None,
            token_module: None,
            token_label: None,
            token_key: None,
            token_former_key: None,
            token_pin_file: None,
            spread_s: 30,
        }
    }
}

impl Keys {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        if !(1..=600).contains(&self.spread_s) {
            return Err(Failure::new(format!("`keys.spread_s` is {}", self.spread_s)).hint("use 1 to 600 seconds").into());
        }
        if self.root == Root::Token {
            self.token()?;
        }
        Ok(())
    }

    fn token(&self) -> anyhow::Result<Pkcs11Config> {
        match (&self.token_module, &self.token_label, &self.token_key, &self.token_pin_file) {
            (Some(module), Some(token), Some(key), Some(pin)) => {
                Ok(Pkcs11Config { module: module.clone(), token_label: token.clone(), key_label: key.clone(), pin_file: pin.clone() })
            }
            _ => Err(Failure::new("`keys.root = \"token\"` needs to know the token")
                .hint("set `token_module`, `token_label`, `token_key` and `token_pin_file` in `[keys]`")
                .into()),
        }
    }

    /// How the store finds keys, for a data folder.
    ///
    /// # Errors
    /// When the token is not described.
    pub(crate) fn settings(&self, data: &Path) -> anyhow::Result<KeySettings> {
        let root = match self.root {
            Root::File => RootSource::File(self.root_file.clone().unwrap_or_else(|| data.join(FILE_NAME))),
            Root::Environment => RootSource::Environment,
            Root::Token => RootSource::Token { key: self.token()?, former: self.token_former_key.clone() },
        };
        Ok(KeySettings { root, spread: Duration::from_secs(self.spread_s) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_is_not_described_is_refused_and_so_is_a_spread_that_never_ends() {
        assert!(Keys::default().check().is_ok());
        assert!(Keys { root: Root::Token, ..Keys::default() }.check().unwrap_err().to_string().contains("token"));
        assert!(Keys { spread_s: 0, ..Keys::default() }.check().is_err() && Keys { spread_s: 601, ..Keys::default() }.check().is_err());
    }
}
