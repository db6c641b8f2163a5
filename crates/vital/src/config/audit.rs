//! `[audit]`: where the signed checkpoints of the audit trail go, and what happens when they cannot.
//!
//! | Key | Default | Meaning |
//! |---|---|---|
//! | `folder` | `audit` in the data folder | Folder of the checkpoints. Best on storage of its own that only takes more: whoever can change the database and this folder can rewrite history. |
//! | `key_file` | `audit.key` in the data folder | The private key that signs them (Ed25519, PKCS#8); made at the first start. Several servers on one database share it. |
//! | `public_file` | `audit.pub` in the data folder | The public keys, for whoever verifies; old ones stay in it. |
//! | `when_unwritable` | `queue` | When checkpoints cannot be written: `queue` goes on and tells it, `refuse` refuses changes after `refuse_after_min`. |
//! | `refuse_after_min` | `10` | Minutes, 1 to 1440. |

use super::Server;
use crate::failure::Failure;
use serde::{Deserialize, Serialize};
use std::{path::PathBuf, time::Duration};
use vital_platform::audit::trail::TrailSettings;

/// What happens when checkpoints cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum WhenUnwritable {
    /// Entries wait in the database.
    Queue,
    /// Changes are refused after a time.
    Refuse,
}

/// The section.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Audit {
    /// Folder of the checkpoints.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) folder: Option<PathBuf>,
    /// The private signing key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key_file: Option<PathBuf>,
    /// The public keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) public_file: Option<PathBuf>,
    /// What happens when checkpoints cannot be written.
    pub(crate) when_unwritable: WhenUnwritable,
    /// After how many minutes changes are refused.
    pub(crate) refuse_after_min: u64,
}

impl Default for Audit {
    fn default() -> Self {
        Self { folder: None, key_file: None, public_file: None, when_unwritable: WhenUnwritable::Queue, refuse_after_min: 10 }
    }
}

impl Audit {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        if (1..=1440).contains(&self.refuse_after_min) {
            return Ok(());
        }
        Err(Failure::new("`audit.refuse_after_min` is not between 1 and 1440").into())
    }

    /// The settings of the trail.
    pub(crate) fn settings(&self, server: &Server) -> TrailSettings {
        let usual = TrailSettings::within(&server.data);
        let refuse = self.when_unwritable == WhenUnwritable::Refuse;
        TrailSettings {
            folder: self.folder.clone().unwrap_or(usual.folder),
            key_file: self.key_file.clone().unwrap_or(usual.key_file),
            public_file: self.public_file.clone().unwrap_or(usual.public_file),
            refuse_after: refuse.then(|| Duration::from_secs(60 * self.refuse_after_min)),
            ..usual
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoints_stand_in_the_data_folder_unless_told_otherwise() {
        let server = Server { data: "d".into(), ..Server::default() };
        let usual = Audit::default().settings(&server);
        assert_eq!((usual.folder, usual.key_file, usual.refuse_after), ("d/audit".into(), "d/audit.key".into(), None));
        let own = Audit { folder: Some("/worm".into()), when_unwritable: WhenUnwritable::Refuse, ..Audit::default() };
        let own = own.settings(&server);
        assert_eq!((own.folder, own.refuse_after), ("/worm".into(), Some(Duration::from_secs(600))));
        assert!(Audit { refuse_after_min: 0, ..Audit::default() }.check().is_err());
    }
}
