//! What entries say to people: each action in words, and the groups that filters offer.
//!
//! **Invariant:** every action has words and belongs to exactly one group; tests hold the tables against `AuditAction::ALL`.

use vital_kernel::AuditAction;

/// Groups of actions with what they are called. An action belongs to the first group that names it or the part before its dot.
pub const GROUPS: [(&str, &str, &[&str]); 9] = [
    (
        "reading",
        "Reading of content",
        &[
            "document.read",
            "conversation.read",
            "turn.read",
            "search.performed",
            "evidence.retrieved",
            "evidence.cited",
            "source.read",
            "turn.replayed",
        ],
    ),
    ("documents", "Documents and collections", &["document", "collection"]),
    ("questions", "Questions and answers", &["conversation", "turn", "tool", "model", "notices"]),
    ("sign_in", "Sign-in and sessions", &["session", "factor", "user.password_changed", "user.password_reset_asked"]),
    ("people", "People and roles", &["user", "group"]),
    ("keys", "Keys", &["key", "keys"]),
    (
        "settings",
        "Settings, experts and single sign-on",
        &["tenant", "sso", "expert", "domain", "provider", "tools", "usage", "budget", "tool_server", "webhook"],
    ),
    ("operators", "Operators", &["break_glass", "operator"]),
    ("trail", "The trail itself and its reviews", &["audit", "review", "server"]),
];

/// The group of an action; none for one that no table knows yet.
#[must_use]
pub fn group_of(action: &str) -> Option<&'static str> {
    let family = action.split('.').next().unwrap_or_default();
    let named = |wanted: &str| GROUPS.iter().find(|(.., members)| members.contains(&wanted)).map(|(name, ..)| *name);
    named(action).or_else(|| named(family))
}

/// The actions of a group, or the one action of this name; empty for a name that is neither.
#[must_use]
pub fn actions_of(name: &str) -> Vec<AuditAction> {
    AuditAction::ALL.into_iter().filter(|a| a.as_str() == name || group_of(a.as_str()) == Some(name)).collect()
}

/// What was done, as the predicate of a sentence whose subject is who acted: somebody, the platform, or somebody unknown. An action without words says its name.
#[must_use]
pub fn says(action: &str) -> &str {
    WORDS.iter().find(|(name, _)| *name == action).map_or(action, |(_, words)| words)
}

const WORDS: [(&str, &str); 122] = [
    ("tenant.created", "created the organisation"),
    ("tenant.seeded", "brought the experts and the starter library up to date"),
    ("tenant.suspended", "suspended the organisation"),
    ("tenant.policy_changed", "changed a policy of the organisation"),
    ("usage.price_set", "set the price of a model"),
    ("usage.price_removed", "removed the price of a model"),
    ("usage.exported", "downloaded what use of models cost"),
    ("budget.set", "set a budget"),
    ("budget.removed", "removed a budget"),
    ("user.created", "created an account"),
    ("user.invited", "invited somebody"),
    ("user.invitation_accepted", "took up an invitation"),
    ("user.invitation_revoked", "took an invitation back"),
    ("user.provisioned", "created an account from the directory"),
    ("user.changed", "changed an account"),
    ("user.roles_changed", "changed the roles of a member"),
    ("user.admin_granted", "made a member an administrator"),
    ("user.deactivated", "took the access of a member away"),
    ("user.reactivated", "gave a member the access back"),
    ("user.removed", "removed a member for good"),
    ("user.password_changed", "changed a password"),
    ("user.password_reset_asked", "asked for a link to reset a password"),
    ("factor.added", "added a second factor"),
    ("factor.removed", "removed a second factor"),
    ("factor.recovery_codes_made", "made recovery codes"),
    ("factor.recovery_code_used", "used a recovery code"),
    ("factor.passkey_suspect", "used a passkey that may have been copied"),
    ("session.signed_in", "signed in"),
    ("session.signed_out", "signed out"),
    ("session.sign_in_failed", "failed to sign in to an account"),
    ("session.locked_out", "made an account wait: too many failed sign-ins"),
    ("session.stepped_up", "proved a second factor"),
    ("session.revoked", "ended a session"),
    ("keys.database_rotated", "put new logins of the database in place of the old ones"),
    ("keys.root_rotated", "put a new root key in place of the old one"),
    ("keys.content_rotated", "gave the organisation a new key and sealed everything again"),
    ("key.issued", "made an API key"),
    ("key.revoked", "revoked an API key"),
    ("group.created", "made a group"),
    ("group.changed", "changed a group"),
    ("group.deleted", "deleted a group"),
    ("sso.provider_added", "added a provider of single sign-on"),
    ("sso.provider_changed", "changed a provider of single sign-on"),
    ("sso.provider_removed", "removed a provider of single sign-on"),
    ("sso.identity_linked", "linked an outside identity to an account"),
    ("tools.granted", "chose the tools of an expert"),
    ("tools.policy_changed", "chose what may leave the organisation through tools"),
    ("tool.called", "used a tool, or had an expert use one"),
    ("tool.call_approved", "approved a call of a tool"),
    ("tool.call_rejected", "rejected a call of a tool"),
    ("source.read", "read a text that a tool had fetched"),
    ("provider.added", "added a model provider"),
    ("provider.changed", "changed a model provider"),
    ("provider.removed", "removed a model provider"),
    ("provider.model_added", "added a model"),
    ("provider.model_changed", "changed a model"),
    ("provider.model_removed", "removed a model"),
    ("provider.model_tested", "tested a model"),
    ("provider.models_ordered", "changed the order of the models"),
    ("provider.expert_models_chosen", "chose the models of an expert"),
    ("provider.installation_allowed", "allowed the installation's model provider to write answers"),
    ("provider.installation_forbidden", "forbade the installation's model provider to write answers"),
    ("tool_server.added", "connected a tool server"),
    ("tool_server.changed", "changed a tool server"),
    ("tool_server.removed", "removed a tool server"),
    ("tool_server.tested", "tested a tool server and read its tools"),
    ("tool_server.tool_approved", "approved a tool of a tool server"),
    ("tool_server.tool_withdrawn", "withdrew a tool of a tool server, or met it changed"),
    ("webhook.added", "added a webhook"),
    ("webhook.changed", "changed a webhook"),
    ("webhook.secret_rotated", "gave a webhook a new secret"),
    ("webhook.switched_off", "switched a webhook off that no longer took deliveries"),
    ("webhook.removed", "removed a webhook"),
    ("webhook.tested", "sent a test to a webhook"),
    ("webhook.resent", "had messages sent to a webhook again"),
    ("provider.direct_models_allowed", "allowed programs to send prompts of their own to the models"),
    ("provider.direct_models_forbidden", "forbade programs to send prompts of their own to the models"),
    ("model.used", "sent a prompt to a model"),
    ("model.refused", "was refused a prompt to a model: it asked about one person's treatment"),
    ("break_glass.opened", "let an operator into the organisation"),
    ("break_glass.closed", "ended an operator's access"),
    ("break_glass.reviewed", "signed off an operator's access"),
    ("operator.access_granted", "let an operator give an account lasting access"),
    ("conversation.opened", "opened a conversation"),
    ("conversation.deleted", "deleted a conversation"),
    ("conversation.read", "read a conversation"),
    ("turn.asked", "asked a question"),
    ("turn.read", "read an answer"),
    ("turn.refused", "got no answer: the safety rules refused the question"),
    ("turn.finished", "got an answer"),
    ("turn.cancelled", "stopped an answer"),
    ("collection.created", "made a collection"),
    ("collection.renamed", "renamed a collection"),
    ("collection.shared", "changed who may read a collection"),
    ("collection.deleted", "deleted a collection"),
    ("document.added", "added a document"),
    ("document.read", "read a document"),
    ("search.performed", "searched, and was shown passages of documents"),
    ("evidence.retrieved", "asked, and these documents were read for the answer"),
    ("evidence.cited", "got an answer that cites documents"),
    ("document.ingested", "made a document ready to be found"),
    ("document.failed", "could not make a document ready to be found"),
    ("document.deleted", "deleted a document"),
    ("document.retried", "tried a document again that could not be read"),
    ("document.appraised", "said what a document is worth and whether it holds"),
    ("notices.seen", "saw what they were told"),
    ("turn.replayed", "played an answer again from its record"),
    ("expert.version_seeded", "brought a version of an expert in"),
    ("expert.shared", "changed who may ask an expert"),
    ("domain.added", "added a custom domain"),
    ("domain.checked", "had the proof of a custom domain looked for"),
    ("domain.verified", "found the proof of a custom domain"),
    ("domain.lapsed", "no longer found the proof of a custom domain"),
    ("domain.removed", "removed a custom domain"),
    ("review.prepared", "prepared the review of a week"),
    ("review.signed", "signed the review of a week"),
    ("audit.exported", "exported the trail"),
    ("audit.verified", "verified the trail"),
    ("audit.key_rotated", "changed the key that signs checkpoints"),
    ("server.started", "started"),
    ("server.stopped", "stopped"),
    ("tenant.erased", "erased an organisation"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_has_words_and_a_group() {
        for action in AuditAction::ALL {
            assert!(says(action.as_str()) != action.as_str(), "`{}` has no words", action.as_str());
            assert!(group_of(action.as_str()).is_some(), "`{}` has no group", action.as_str());
        }
    }

    #[test]
    fn a_filter_is_a_group_or_one_action() {
        assert_eq!(actions_of("document.read"), [AuditAction::DocumentRead]);
        let reading = actions_of("reading");
        assert!(reading.contains(&AuditAction::SearchPerformed) && !reading.contains(&AuditAction::DocumentAdded));
        assert!(!actions_of("documents").contains(&AuditAction::DocumentRead), "reading has a group of its own");
        assert!(actions_of("nothing").is_empty());
        let all: usize = GROUPS.iter().map(|(name, ..)| actions_of(name).len()).sum();
        assert_eq!(all, AuditAction::ALL.len(), "each belongs to one group");
    }
}
