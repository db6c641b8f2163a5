//! What a committed change leaves behind: who did what to which object. Ids and field names only, never values.

use serde::{Deserialize, Serialize};

/// What was done, as a stable dotted name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "&'static str", try_from = "String")]
#[allow(missing_docs, reason = "the names say it")]
pub enum AuditAction {
    TenantCreated,
    TenantSeeded,
    UserCreated,
    SignedIn,
    SignedOut,
    ConversationOpened,
    ConversationDeleted,
    TurnAsked,
    TurnFinished,
    TurnCancelled,
    DocumentAdded,
    DocumentIngested,
    DocumentFailed,
    DocumentDeleted,
    DocumentRetried,
    ExpertVersionSeeded,
}

impl AuditAction {
    /// All actions, for tests and documentation.
    pub const ALL: [Self; 16] = [
        Self::TenantCreated,
        Self::TenantSeeded,
        Self::UserCreated,
        Self::SignedIn,
        Self::SignedOut,
        Self::ConversationOpened,
        Self::ConversationDeleted,
        Self::TurnAsked,
        Self::TurnFinished,
        Self::TurnCancelled,
        Self::DocumentAdded,
        Self::DocumentIngested,
        Self::DocumentFailed,
        Self::DocumentDeleted,
        Self::DocumentRetried,
        Self::ExpertVersionSeeded,
    ];

    /// The stable name stored in the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TenantCreated => "tenant.created",
            Self::TenantSeeded => "tenant.seeded",
            Self::UserCreated => "user.created",
            Self::SignedIn => "session.signed_in",
            Self::SignedOut => "session.signed_out",
            Self::ConversationOpened => "conversation.opened",
            Self::ConversationDeleted => "conversation.deleted",
            Self::TurnAsked => "turn.asked",
            Self::TurnFinished => "turn.finished",
            Self::TurnCancelled => "turn.cancelled",
            Self::DocumentAdded => "document.added",
            Self::DocumentIngested => "document.ingested",
            Self::DocumentFailed => "document.failed",
            Self::DocumentDeleted => "document.deleted",
            Self::DocumentRetried => "document.retried",
            Self::ExpertVersionSeeded => "expert.version_seeded",
        }
    }
}

impl From<AuditAction> for &'static str {
    fn from(action: AuditAction) -> Self {
        action.as_str()
    }
}

impl TryFrom<String> for AuditAction {
    type Error = String;
    fn try_from(name: String) -> Result<Self, String> {
        Self::ALL.into_iter().find(|a| a.as_str() == name).ok_or_else(|| format!("unknown audit action `{name}`"))
    }
}

/// One entry of the audit log. Time, tenant, actor and request come from the transaction that commits it.
#[derive(Clone, Debug)]
#[must_use = "a write commits only with its audit entry"]
pub struct AuditEntry {
    /// What was done.
    pub action: AuditAction,
    /// The kind of object, for example `document`.
    pub resource: &'static str,
    /// The object's id, or a stable name where it has no id.
    pub resource_id: String,
    /// Names of the fields that changed; never their values.
    pub fields: Vec<&'static str>,
}

impl AuditEntry {
    /// Makes an entry about one object.
    #[expect(clippy::needless_pass_by_value, reason = "ids are small and callers have them by value")]
    pub fn new(action: AuditAction, resource: &'static str, id: impl ToString) -> Self {
        Self { action, resource, resource_id: id.to_string(), fields: Vec::new() }
    }

    /// Adds the names of changed fields.
    pub fn fields(mut self, fields: &[&'static str]) -> Self {
        self.fields.extend_from_slice(fields);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_reads_back_from_its_name() {
        for action in AuditAction::ALL {
            assert_eq!(AuditAction::try_from(action.as_str().to_owned()), Ok(action));
        }
    }
}
