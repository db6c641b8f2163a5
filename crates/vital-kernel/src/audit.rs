//! What a committed change leaves behind: who did what to which object. Ids and field names only, never values.

use crate::limits::AUDIT_OBJECTS_MAX;
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
    DomainAdded "domain.added";
    DomainChecked "domain.checked";
    DomainVerified "domain.verified";
    DomainLapsed "domain.lapsed";
    DomainRemoved "domain.removed";
    UserCreated "user.created";
    UserInvited "user.invited";
    InvitationAccepted "user.invitation_accepted";
    InvitationRevoked "user.invitation_revoked";
    UserProvisioned "user.provisioned";
    UserChanged "user.changed";
    RolesChanged "user.roles_changed";
    AdminGranted "user.admin_granted";
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
    SignInFailed "session.sign_in_failed";
    LockedOut "session.locked_out";
    SteppedUp "session.stepped_up";
    SessionRevoked "session.revoked";
    RootKeyRotated "keys.root_rotated";
    ContentKeyRotated "keys.content_rotated";
    DatabaseLoginsRotated "keys.database_rotated";
    KeyIssued "key.issued";
    KeyRevoked "key.revoked";
    GroupCreated "group.created";
    GroupChanged "group.changed";
    GroupDeleted "group.deleted";
    ProviderAdded "sso.provider_added";
    ProviderChanged "sso.provider_changed";
    ProviderRemoved "sso.provider_removed";
    IdentityLinked "sso.identity_linked";
    ToolsGranted "tools.granted";
    ToolPolicyChanged "tools.policy_changed";
    ToolCalled "tool.called";
    ToolCallApproved "tool.call_approved";
    ToolCallRejected "tool.call_rejected";
    SourceRead "source.read";
    ModelProviderAdded "provider.added";
    ModelProviderChanged "provider.changed";
    ModelProviderRemoved "provider.removed";
    ModelAdded "provider.model_added";
    ModelChanged "provider.model_changed";
    ModelRemoved "provider.model_removed";
    ModelTested "provider.model_tested";
    ModelsOrdered "provider.models_ordered";
    ExpertModelsChosen "provider.expert_models_chosen";
    InstallationProviderAllowed "provider.installation_allowed";
    InstallationProviderForbidden "provider.installation_forbidden";
    ModelPriceSet "usage.price_set";
    ModelPriceRemoved "usage.price_removed";
    UsageExported "usage.exported";
    BudgetSet "budget.set";
    BudgetRemoved "budget.removed";
    ToolServerAdded "tool_server.added";
    ToolServerChanged "tool_server.changed";
    ToolServerRemoved "tool_server.removed";
    ToolServerTested "tool_server.tested";
    ToolApproved "tool_server.tool_approved";
    ToolWithdrawn "tool_server.tool_withdrawn";
    WebhookAdded "webhook.added";
    WebhookChanged "webhook.changed";
    WebhookSecretRotated "webhook.secret_rotated";
    WebhookSwitchedOff "webhook.switched_off";
    WebhookRemoved "webhook.removed";
    WebhookTested "webhook.tested";
    WebhookResent "webhook.resent";
    DirectModelsAllowed "provider.direct_models_allowed";
    DirectModelsForbidden "provider.direct_models_forbidden";
    ModelUsed "model.used";
    ModelRefused "model.refused";
    BreakGlassOpened "break_glass.opened";
    BreakGlassClosed "break_glass.closed";
    BreakGlassReviewed "break_glass.reviewed";
    AccessGranted "operator.access_granted";
    ConversationOpened "conversation.opened";
    ConversationDeleted "conversation.deleted";
    ConversationRead "conversation.read";
    TurnAsked "turn.asked";
    TurnRead "turn.read";
    TurnRefused "turn.refused";
    TurnFinished "turn.finished";
    TurnCancelled "turn.cancelled";
    CollectionCreated "collection.created";
    CollectionRenamed "collection.renamed";
    CollectionShared "collection.shared";
    CollectionDeleted "collection.deleted";
    DocumentAdded "document.added";
    DocumentRead "document.read";
    SearchPerformed "search.performed";
    EvidenceRetrieved "evidence.retrieved";
    EvidenceCited "evidence.cited";
    DocumentIngested "document.ingested";
    DocumentFailed "document.failed";
    DocumentDeleted "document.deleted";
    DocumentRetried "document.retried";
    DocumentAppraised "document.appraised";
    NoticesSeen "notices.seen";
    TurnReplayed "turn.replayed";
    ExpertVersionSeeded "expert.version_seeded";
    ExpertShared "expert.shared";
    ReviewPrepared "review.prepared";
    ReviewSigned "review.signed";
    AuditExported "audit.exported";
    AuditVerified "audit.verified";
    AuditKeyRotated "audit.key_rotated";
    ServerStarted "server.started";
    ServerStopped "server.stopped";
    TenantErased "tenant.erased";
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
    /// The object's id, or a stable name where it has no id; ids joined by commas where one request showed several objects.
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

    /// Makes one entry about several objects that one request showed: their ids, each once, in the order shown. Only the first
    /// `AUDIT_OBJECTS_MAX` are named; no request shows more.
    pub fn about<I>(action: AuditAction, resource: &'static str, ids: I) -> Self
    where
        I: IntoIterator<Item: ToString>,
    {
        let mut named: Vec<String> = Vec::new();
        for id in ids.into_iter().map(|id| id.to_string()) {
            if named.len() < AUDIT_OBJECTS_MAX && !named.contains(&id) {
                named.push(id);
            }
        }
        Self { action, resource, resource_id: named.join(","), fields: Vec::new() }
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

    #[test]
    fn an_entry_about_several_objects_names_each_once_and_a_bounded_number() {
        let entry = AuditEntry::about(AuditAction::SearchPerformed, "documents", ["b", "a", "b"]);
        assert_eq!(entry.resource_id, "b,a");
        let many = AuditEntry::about(AuditAction::SearchPerformed, "documents", 0..2 * AUDIT_OBJECTS_MAX);
        assert_eq!(many.resource_id.split(',').count(), AUDIT_OBJECTS_MAX);
        assert_eq!(AuditEntry::about(AuditAction::SearchPerformed, "documents", [0; 0]).resource_id, "");
    }
}
