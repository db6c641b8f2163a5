//! `[mail]`: how invitations, links for new passwords and notices are sent.
//!
//! | Key | Default | Meaning |
//! |---|---|---|
//! | `from` | `VITAL Path <vital@localhost.localdomain>` | The sender, `name@domain` or `Name <name@domain>`. |
//! | `folder` | `mail` in the data folder | Where messages are written, one `.eml` file each, while there is no `host`. |
//! | `host` | none | The SMTP server. None: the folder. |
//! | `port` | `587` | Its port. |
//! | `security` | `starttls` | `starttls`, `tls` (usually port 465), or `none` for a relay on this machine alone. |
//! | `username` | none | User name at the server; goes with one of the next two. |
//! | `password_env` | none | The environment variable that holds the password. |
//! | `password_file` | none | The file (mode 0600) that holds the password. Read again when it changes. |
//! | `timeout_s` | `20` | How long the delivery of one message may take, 1 to 300. |

use super::secret_file;
use crate::failure::Failure;
use serde::{Deserialize, Serialize};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use vital_keys::SecretText;
use vital_mail::{Mailer, Security, SmtpConfig};
use vital_store::transport::is_this_machine;
use zeroize::Zeroizing;

/// How the connection to the server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum MailSecurity {
    /// STARTTLS, required.
    StartTls,
    /// TLS from the first byte.
    Tls,
    /// None: a relay on this machine.
    None,
}

/// The section.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Mail {
    /// The sender.
    pub(crate) from: String,
    /// Where messages are written without a server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) folder: Option<PathBuf>,
    /// The SMTP server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) host: Option<String>,
    /// Its port.
    pub(crate) port: u16,
    /// How the connection is protected.
    pub(crate) security: MailSecurity,
    /// User name at the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) username: Option<String>,
    /// The environment variable that holds the password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) password_env: Option<String>,
    /// The file that holds the password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) password_file: Option<PathBuf>,
    /// How long a delivery may take, in seconds.
    pub(crate) timeout_s: u64,
}

impl Default for Mail {
    fn default() -> Self {
        Self {
            from: "VITAL Path <vital@localhost.localdomain>".to_owned(),
            folder: None,
            host: None,
            port: 587,
            security: MailSecurity::StartTls,
            username: None,
            password_env: None,
            password_file: None,
            timeout_s: 20,
        }
    }
}

impl Mail {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        if !(1..=300).contains(&self.timeout_s) {
            return Err(Failure::new("`mail.timeout_s` must be 1 to 300").into());
        }
        let passwords = usize::from(self.password_env.is_some()) + usize::from(self.password_file.is_some());
        if passwords != usize::from(self.username.is_some()) {
            return Err(Failure::new("`mail.username` goes with one of `mail.password_env` and `mail.password_file`").into());
        }
        if self.host.is_none() && self.username.is_some() {
            return Err(Failure::new("`mail.username` needs `mail.host`").into());
        }
        if self.security == MailSecurity::None && self.host.as_deref().is_some_and(|host| !is_this_machine(host)) {
            return Err(Failure::new("`mail.security` is `none`, which only a server on this machine can have: links that let people in would cross the network unencrypted")
                .hint("choose `starttls` or `tls`")
                .into());
        }
        Ok(())
    }

    /// Opens what sends messages.
    ///
    /// # Errors
    /// When the password cannot be read, or the settings cannot be used.
    pub(crate) fn open(&self, data: &Path) -> anyhow::Result<Mailer> {
        let Some(host) = &self.host else {
            let folder = self.folder.clone().unwrap_or_else(|| data.join("mail"));
            return Mailer::folder(folder, &self.from).map_err(|e| Failure::new(format!("`[mail]` cannot be used: {e}")).into());
        };
        let security = match self.security {
            MailSecurity::StartTls => Security::StartTls,
            MailSecurity::Tls => Security::Tls,
            MailSecurity::None => Security::PlainLoopbackOnly,
        };
        let config = SmtpConfig {
            host: host.clone(),
            port: self.port,
            security,
            username: self.username.clone(),
            password: self.password()?,
            from: self.from.clone(),
            timeout: Duration::from_secs(self.timeout_s),
        };
        Mailer::smtp(config).map_err(|e| Failure::new(format!("`[mail]` cannot be used: {e}")).into())
    }

    fn password(&self) -> anyhow::Result<Option<SecretText>> {
        if let Some(name) = &self.password_env {
            let value = std::env::var(name).map_err(|_| Failure::new(format!("`mail.password_env` names `{name}`, which is not set")))?;
            return Ok(Some(SecretText::given(&Zeroizing::new(value))));
        }
        self.password_file.as_deref().map(|path| secret_file("mail.password_file", path)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_server_messages_go_to_a_folder() {
        let data = tempfile::tempdir().unwrap();
        assert!(Mail::default().open(data.path()).unwrap().is_folder());
        assert!(data.path().join("mail").is_dir());
    }

    #[test]
    fn a_user_name_needs_a_password_and_a_server() {
        let named = Mail { username: Some("u".to_owned()), ..Mail::default() };
        assert!(named.check().is_err());
        let both =
            Mail { password_env: Some("A".to_owned()), password_file: Some("b".into()), host: Some("h".to_owned()), ..named.clone() };
        assert!(both.check().is_err());
        let alone = Mail { password_env: Some("A".to_owned()), ..named };
        assert!(alone.check().is_err());
        assert!(Mail { host: Some("h".to_owned()), ..alone }.check().is_ok());
    }

    #[test]
    fn plain_text_to_another_machine_is_refused() {
        let mail = Mail { host: Some("mail.example.org".to_owned()), security: MailSecurity::None, ..Mail::default() };
        assert!(mail.open(Path::new("/nonexistent")).is_err());
    }
}
