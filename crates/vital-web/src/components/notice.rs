//! What has just been done, said on the page that a form leads to. The address carries a name out of this list, never a text.

use maud::{Markup, html};

macro_rules! notices {
    ($($variant:ident $name:literal $says:literal;)+) => {
        /// Something that has just been done.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Done {
            $($variant,)+
        }

        impl Done {
            const ALL: [Self; [$($name),+].len()] = [$(Self::$variant),+];

            const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            const fn says(self) -> &'static str {
                match self {
                    $(Self::$variant => $says,)+
                }
            }
        }
    };
}

notices! {
    Profile "profile" "Your name was changed.";
    Password "password" "Your password was changed. Your other sessions have ended.";
    FactorAdded "factor-added" "The second factor was added. You will be asked for it when you sign in.";
    FactorRemoved "factor-removed" "The second factor was removed.";
    SessionEnded "session-ended" "The session has ended.";
    SessionsEnded "sessions-ended" "All your other sessions have ended.";
    Reset "reset" "Your new password is in force. Sign in with it.";
    KeyRevoked "key-revoked" "The key was revoked. Programs that use it are refused from now on.";
    Roles "roles" "The roles were changed. They count from the next request on.";
    Deactivated "deactivated" "The access was taken away: sessions and keys have ended.";
    Reactivated "reactivated" "The access was given back.";
    Removed "removed" "The member was removed.";
    GroupMade "group-made" "The group was made. Add members to it.";
    GroupChanged "group-changed" "The group was changed.";
    GroupDeleted "group-deleted" "The group was deleted.";
    Invited "invited" "The invitation is on its way by e-mail.";
    NotSent "not-sent" "The invitation is stored, but its message could not be sent. Send it again in a while, or ask whoever runs this installation to look at the mail settings.";
    InvitationRevoked "invitation-revoked" "The invitation was taken back; its link no longer works.";
    ServiceMade "service-made" "The service account was made. Make a key for it under Keys.";
    ProviderAdded "provider-added" "The provider was added. Test it, then sign in with it once in another window before you rely on it.";
    ProviderChanged "provider-changed" "The provider was changed.";
    ProviderRemoved "provider-removed" "The provider was removed. Nobody gets in through it any more.";
    ModelProviderAdded "model-provider-added" "The provider was added. Test its model before you rely on it: it is used from the next answer on.";
    ModelProviderChanged "model-provider-changed" "The provider was changed. It counts from the next answer on.";
    ModelProviderRemoved "model-provider-removed" "The provider was removed with its key and its models.";
    ModelAdded "model-added" "The model was added, behind all others.";
    ModelChanged "model-changed" "The model was changed. It counts from the next answer on.";
    ModelRemoved "model-removed" "The model was removed.";
    ModelsOrdered "models-ordered" "The order was changed. It counts from the next answer on.";
    ExpertModels "expert-models" "The models of the expert were changed. They count from the next answer on.";
    ProviderPolicy "provider-policy" "What may be sent to models was changed. It counts from the next answer on.";
    ToolServerAdded "tool-server-added" "The tool server was connected. Test it to read its tools, then approve those that your experts may be given.";
    ToolServerChanged "tool-server-changed" "The tool server was changed. It counts from the next call on.";
    ToolServerRemoved "tool-server-removed" "The tool server was removed with its secret and its tools.";
    ToolApproved "tool-approved" "The tool was approved in the words that you saw. Experts can now be given it.";
    ToolWithdrawn "tool-withdrawn" "The tool was withdrawn. It is neither offered nor called any more.";
    BudgetSet "budget-set" "The budget was set. It counts from the next request on, with what the period has spent already.";
    BudgetRemoved "budget-removed" "The budget was removed.";
    PriceSet "price-set" "The price was changed. It counts for requests that begin from now on.";
    ToolPolicy "tool-policy" "What may leave the organisation through tools was changed. It counts from the next answer on.";
    ExpertTools "expert-tools" "The tools of the expert were changed. They count from the next answer on.";
    WebhookChanged "webhook-changed" "The webhook was changed. It counts from the next message on.";
    WebhookOn "webhook-on" "The webhook was switched on. What waited is on its way.";
    WebhookOff "webhook-off" "The webhook was switched off. What happens meanwhile is kept for 30 days.";
    WebhookRemoved "webhook-removed" "The webhook was removed with its secret and its log.";
    WebhookTested "webhook-tested" "The test is on its way. Load the page again in a moment to see what came of it.";
    WebhookResent "webhook-resent" "The message is on its way again, under the same id.";
    WebhookRecovered "webhook-recovered" "What was missed is on its way.";
    DomainAdded "domain-added" "The domain was added. Publish its TXT record, then look for it here.";
    DomainVerified "domain-verified" "The record was seen. The domain leads to your organisation from now on.";
    DomainRemoved "domain-removed" "The domain was removed. It leads nowhere any more.";
    Policy "policy" "The sign-in policy was changed. It counts from now on.";
    WorkingHours "working-hours" "The working hours were changed. They count for weeks that have no review yet.";
    ReviewSigned "review-signed" "The review was signed.";
    Reviewed "reviewed" "The opening was signed off.";
}

impl Done {
    /// The address that says it.
    pub(crate) fn at(self, path: &str) -> String {
        format!("{path}?done={}", self.name())
    }
}

/// The notice that an address names; nothing for any other name.
pub(crate) fn notice(name: Option<&str>) -> Markup {
    let done = name.and_then(|name| Done::ALL.into_iter().find(|d| d.name() == name));
    html! { @if let Some(done) = done { p.notice role="status" { (done.says()) } } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_can_only_say_what_is_in_the_list() {
        assert!(notice(Some("password")).into_string().contains("Your password was changed."));
        assert_eq!(notice(Some("<b>Call this number</b>")).into_string() + &notice(None).into_string(), "");
        assert_eq!(Done::Password.at("/settings/security"), "/settings/security?done=password");
    }
}
