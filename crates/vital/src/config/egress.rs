//! `[egress]`: where requests may go whose addresses organisations give, such as those of their identity providers.
//!
//! | Key | Default | Meaning |
//! |---|---|---|
//! | `allow` | `["*"]` | The hosts: `*` for every public one, `host`, `host:port`, `*.domain`; and private networks (`10.1.2.0/24`), which open them for hosts that are named. |
//!
//! What is configured here in the file, such as `provider.base_url`, is not restricted by it. docs/EGRESS.md tells what goes out and when.

use crate::failure::Failure;
use serde::{Deserialize, Serialize};

/// The section.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Egress {
    /// Where addresses that organisations give may lead.
    pub(crate) allow: Vec<String>,
}

impl Default for Egress {
    fn default() -> Self {
        Self { allow: vec!["*".to_owned()] }
    }
}

impl Egress {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        self.rules().map(|_| ())
    }

    /// The rules as the outbound client takes them.
    ///
    /// # Errors
    /// With the rule and what would be right.
    pub(super) fn rules(&self) -> anyhow::Result<vital_outbound::Egress> {
        let failed = |fault| Failure::new(format!("`egress.allow` cannot be used: {fault}")).into();
        vital_outbound::Egress::parse(&self.allow).map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_that_cannot_be_used_is_named() {
        assert_eq!(Egress::default().rules().unwrap(), vital_outbound::Egress::default());
        let with = |rule: &str| Egress { allow: vec!["idp.example".to_owned(), rule.to_owned()] }.check();
        assert!(with("10.1.2.0/24").is_ok());
        for rule in ["169.254.0.0/16", "https://idp.example", ""] {
            let error = with(rule).unwrap_err().to_string();
            assert!(error.contains("`egress.allow`") && error.contains(rule), "{error}");
        }
    }
}
