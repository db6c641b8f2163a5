//! Who is who and who gets in: accounts, sign-in, second factors, sessions, keys, single sign-on, members and groups.
//!
//! **Invariants:** secrets are random, shown once and stored as hashes, or sealed where they must be read again; an unknown address costs the
//! same work and gets the same reply as a wrong password; no account has a password that its owner did not choose; a dangerous verb asks
//! `OpContext::require_step_up`; whatever takes access away works everywhere within a second.

mod accounts;
mod authenticate;
pub mod break_glass;
mod credentials;
mod factors;
mod federated;
mod groups;
mod invitations;
mod keys;
mod linking;
mod members;
mod notice;
mod oidc_sign_in;
mod operator_grants;
mod password;
mod passwords;
pub mod scim;
mod sessions;
mod setup;
mod sign_in;
mod sso;
mod sso_checks;
mod store;
mod throttle;

use serde::Serialize;
use std::{net::IpAddr, sync::Arc};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;
use vital_kernel::{Actor, BreakGlassId, Error, KeyId, OpContext, Origin, ProviderId, RequestId, Role, RoleSet, SessionId, TenantId};

pub use accounts::create_user;
pub(crate) use accounts::person_in;
pub use authenticate::{Remembered, Watch, authenticate};
pub(crate) use authenticate::{is_active, still};
pub use credentials::{CredentialCounts, credential_counts};
pub use factors::{
    Enrolment, Factor, FactorKind, PasskeyOptions, begin_passkey, confirm_totp, enrol_totp, factors, finish_passkey, make_recovery_codes,
    recovery_codes_left, remove_factor,
};
pub(crate) use federated::Verifiers;
pub use groups::{
    Group, GroupName, add_group_members, create_group, delete_group, group, group_members, groups, remove_group_members, rename_group,
};
pub use invitations::{
    Invitation, InvitationState, NewInvitation, OpenInvitation, SentInvitation, accept_invitation, check_invitation, invitations, invite,
    resend_invitation, revoke_invitation,
};
pub use keys::{IssuedKey, Key, NewKey, all_keys, issue_key, keys, revoke_key};
pub use members::{
    Member, MemberFilter, MemberKind, change_roles, create_service_account, deactivate, member, members, reactivate, remove, update_profile,
};
pub(crate) use notice::tell_admins;
pub use oidc_sign_in::{Begun, Callback, Choice, begin_oidc, finish_oidc, sign_in_choices};
pub use operator_grants::{Granted, create_user_as_operator, issue_key_as_operator};
pub use passwords::{ask_password_reset, change_password, check_reset_link, reset_password};
pub use sessions::{Session, revoke_other_sessions, revoke_session, sessions, sign_out};
pub use setup::{check_setup_link, complete_setup, issue_setup_link, setup_pending};
pub use sign_in::{
    Pending, Progress, Proof, SignIn, passkey_sign_in, passkey_sign_in_options, second_factor, sign_in, step_up, step_up_options,
};
pub use sso::{
    GivenSecret, NewProvider, ProviderChange, ProviderKind, ProviderSettings, ProviderTest, SsoProvider, add_provider, change_provider,
    provider, provider_people, providers, redirect_uri, remove_provider, test_provider,
};
pub use throttle::Throttle;
pub use vital_credentials::token::Token;

use vital_credentials::token::hash;

/// What a caller proved themselves with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Credential {
    /// A session, by cookie or bearer token.
    Session(SessionId),
    /// An API key.
    Key(KeyId),
    /// A token of a provider that the tenant trusts.
    Federated(ProviderId),
}

/// A signed-in person or program.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The context of their operations.
    pub cx: OpContext,
    /// What they proved themselves with.
    pub credential: Credential,
    /// Their name.
    pub display_name: String,
    /// Their address.
    pub email: String,
    /// When the session or key ends unless it is used before; a key may last until it is revoked.
    pub ends_at: Option<OffsetDateTime>,
    /// Whether they have a second factor.
    pub has_factor: bool,
    /// Whether they must add a second factor before anything else.
    pub must_enrol: bool,
    /// The opening by which an operator is here.
    pub break_glass: Option<BreakGlassId>,
    /// Other sites whose scripts may call the API for this tenant.
    pub cors_origins: Arc<[String]>,
}

impl Caller {
    /// Their session, where they have one.
    #[must_use]
    pub const fn session(&self) -> Option<SessionId> {
        match self.credential {
            Credential::Session(session) => Some(session),
            Credential::Key(_) | Credential::Federated(_) => None,
        }
    }

    /// What the API shows of the person.
    #[must_use]
    pub fn me(&self) -> Me {
        Me {
            id: self.cx.user().map(|u| u.0).unwrap_or_default(),
            tenant: self.cx.tenant().0,
            display_name: self.display_name.clone(),
            email: self.email.clone(),
            roles: self.cx.roles().iter().collect(),
            session_ends_at: self.ends_at,
            second_factor: self.has_factor,
            stepped_up: self.cx.stepped_up(),
        }
    }
}

/// The person behind a request, as the API shows them.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Me {
    /// Id of the person.
    pub id: Uuid,
    /// Id of their organisation.
    pub tenant: Uuid,
    /// Their name.
    pub display_name: String,
    /// Their address.
    pub email: String,
    /// Their roles.
    #[schema(value_type = Vec<String>)]
    pub roles: Vec<Role>,
    /// When the session or key ends unless it is used before (RFC 3339).
    #[serde(with = "time::serde::rfc3339::option")]
    pub session_ends_at: Option<OffsetDateTime>,
    /// Whether they have a second factor.
    pub second_factor: bool,
    /// Whether they proved it within the last five minutes.
    pub stepped_up: bool,
}

/// A new person.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// Their name.
    pub display_name: String,
    /// Their address; unique in the installation.
    pub email: String,
    /// Their first password.
    pub password: String,
    /// Their roles, at least one.
    pub roles: Vec<Role>,
}

/// Where somebody who signs in comes from.
#[derive(Clone, Debug)]
pub struct Came {
    /// The address of the client.
    pub address: IpAddr,
    /// What the browser or program calls itself.
    pub device: String,
    /// The organisation whose own domain was used; nobody of another one gets in there.
    pub domain_of: Option<TenantId>,
}

/// The context of operator verbs on one tenant, for the command line.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "operator verbs act for a tenant without a session")]
pub fn operator_context(tenant: TenantId) -> OpContext {
    OpContext::establish(Origin::Operator, tenant, Actor::Job(None), RoleSet::default(), RequestId::new())
}

fn not_signed_in() -> Error {
    Error::unauthenticated("session.none", "You are not signed in, or your session has ended. Sign in and try again.")
}
