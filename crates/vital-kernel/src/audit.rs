//! What a committed change leaves behind: who did what to which object. Ids and field names only, never values.

use serde::{Deserialize, Serialize};

macro_rules! actions {
    ($($variant:ident $name:literal;)+) => {
        /// What was done, as a stable dotted name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(into = "&'static str", try_from = "String")]
        #[allow(missing_docs, reason = "the names say it")]
        pub enum AuditAction {
            $($variant,)+
        }

        impl AuditAction {
            /// All actions, for tests and documentation.
            pub const ALL: [Self; [$($name),+].len()] = [$(Self::$variant),+];

            /// The stable name stored in the log.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }
    };
}

actions! {
    TenantCreated "tenant.created";
    TenantSeeded "tenant.seeded";
    TenantSuspended "tenant.suspended";
    PolicyChanged "tenant.policy_changed";
    UserCreated "user.created";
    UserInvited "user.invited";
    InvitationAccepted "user.invitation_accepted";
    InvitationRevoked "user.invitation_revoked";
    UserProvisioned "user.provisioned";
    UserChanged "user.changed";
    RolesChanged "user.roles_changed";
    UserDeactivated "user.deactivated";
    UserReactivated "user.reactivated";
    UserRemoved "user.removed";
    PasswordChanged "user.password_changed";
    PasswordResetAsked "user.password_reset_asked";
    FactorAdded "factor.added";
    FactorRemoved "factor.removed";
    RecoveryCodesMade "factor.recovery_codes_made";
    RecoveryCodeUsed "factor.recovery_code_used";
    PasskeySuspect "factor.passkey_suspect";
    SignedIn "session.signed_in";
    SignedOut "session.signed_out";
    SteppedUp "session.stepped_up";
    SessionRevoked "session.revoked";
    KeyIssued "key.issued";
    KeyRevoked "key.revoked";
    GroupCreated "group.created";
    GroupChanged "group.changed";
    GroupDeleted "group.deleted";
    ProviderAdded "sso.provider_added";
    ProviderChanged "sso.provider_changed";
    ProviderRemoved "sso.provider_removed";
    IdentityLinked "sso.identity_linked";
    BreakGlassOpened "break_glass.opened";
    BreakGlassClosed "break_glass.closed";
    BreakGlassReviewed "break_glass.reviewed";
    ConversationOpened "conversation.opened";
    ConversationDeleted "conversation.deleted";
    TurnAsked "turn.asked";
    TurnFinished "turn.finished";
    TurnCancelled "turn.cancelled";
    CollectionCreated "collection.created";
    CollectionRenamed "collection.renamed";
    CollectionShared "collection.shared";
    CollectionDeleted "collection.deleted";
    DocumentAdded "document.added";
    DocumentIngested "document.ingested";
    DocumentFailed "document.failed";
    DocumentDeleted "document.deleted";
    DocumentRetried "document.retried";
    ExpertVersionSeeded "expert.version_seeded";
    ExpertShared "expert.shared";
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
