//! Who may do what: roles, permissions and the one table that joins them.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// What a person is in a tenant (product section 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads conversations and documents shared with them, asks nothing.
    Viewer,
    /// Asks experts, adds and removes own documents.
    Member,
    /// Builds experts, prompts and collections.
    ExpertAuthor,
    /// Approves and signs.
    Reviewer,
    /// Manages people, policies and budgets.
    TenantAdmin,
    /// Reads everything's trail, changes nothing.
    Auditor,
}

impl Role {
    /// All roles in the order of the policy table.
    pub const ALL: [Self; 6] = [Self::Viewer, Self::Member, Self::ExpertAuthor, Self::Reviewer, Self::TenantAdmin, Self::Auditor];

    /// The stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Member => "member",
            Self::ExpertAuthor => "expert_author",
            Self::Reviewer => "reviewer",
            Self::TenantAdmin => "tenant_admin",
            Self::Auditor => "auditor",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Role {
    type Err = String;
    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|r| r.as_str() == name)
            .ok_or_else(|| format!("unknown role `{name}`; roles are {}", Self::ALL.map(Role::as_str).join(", ")))
    }
}

/// A set of roles, kept as bits.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct RoleSet(u8);

impl RoleSet {
    /// Tells whether the set holds a role.
    #[must_use]
    pub const fn has(self, role: Role) -> bool {
        self.0 & (1 << role as u8) != 0
    }

    /// The roles in table order.
    pub fn iter(self) -> impl Iterator<Item = Role> {
        Role::ALL.into_iter().filter(move |r| self.has(*r))
    }
}

impl FromIterator<Role> for RoleSet {
    fn from_iter<I: IntoIterator<Item = Role>>(roles: I) -> Self {
        Self(roles.into_iter().fold(0, |bits, r| bits | 1 << r as u8))
    }
}

impl fmt::Debug for RoleSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// The permissions with their stable names and the roles that hold them: the whole policy, in one place.
macro_rules! permissions {
    ($($variant:ident $name:literal $meaning:literal: $($role:ident)*;)+) => {
        /// What a verb asks for before it acts.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs, reason = "each says what it means in `meaning`")]
        pub enum Permission {
            $($variant,)+
        }

        impl Permission {
            /// All permissions in the order of the policy table.
            pub const ALL: [Self; [$($name),+].len()] = [$(Self::$variant),+];

            /// The stable dotted name.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// What it lets somebody do, for people.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$variant => $meaning,)+
                }
            }

            /// The roles that hold it.
            #[must_use]
            pub const fn holders(self) -> &'static [Role] {
                match self {
                    $(Self::$variant => &[$(Role::$role),*],)+
                }
            }
        }
    };
}

permissions! {
    ExpertRead "expert.read" "See the experts": Viewer Member ExpertAuthor Reviewer TenantAdmin Auditor;
    ExpertShare "expert.share" "Choose who may ask an expert": ExpertAuthor TenantAdmin;
    Ask "ask" "Ask experts": Member ExpertAuthor Reviewer TenantAdmin;
    ConversationRead "conversation.read" "Read own conversations": Viewer Member ExpertAuthor Reviewer TenantAdmin;
    DocumentRead "document.read" "Read and search documents": Viewer Member ExpertAuthor Reviewer TenantAdmin;
    DocumentWrite "document.write" "Add documents and delete own ones": Member ExpertAuthor Reviewer TenantAdmin;
    DocumentManage "document.manage" "Delete documents that others added": TenantAdmin;
    CollectionWrite "collection.write" "Make collections and share own ones": Member ExpertAuthor Reviewer TenantAdmin;
    CollectionManage "collection.manage" "Choose who may read any collection": TenantAdmin;
    ProfileWrite "profile.write" "Change own name, password, second factors and sessions": Viewer Member ExpertAuthor Reviewer TenantAdmin Auditor;
    KeyWrite "key.write" "Make and revoke own API keys": Member ExpertAuthor Reviewer TenantAdmin;
    KeyManage "key.manage" "See and revoke everybody's API keys, make service accounts": TenantAdmin;
    UserRead "user.read" "See members, groups and invitations": TenantAdmin Auditor;
    UserWrite "user.write" "Invite and deactivate members, change roles and groups": TenantAdmin;
    Provision "directory.provision" "Manage members and groups through SCIM": TenantAdmin;
    SettingsRead "settings.read" "See the settings of the installation": Viewer Member ExpertAuthor Reviewer TenantAdmin Auditor;
    ProviderRead "provider.read" "See which model providers write answers": TenantAdmin Auditor;
    ProviderManage "provider.manage" "Set up model providers and choose what writes answers": TenantAdmin;
    UsageRead "usage.read" "See what everybody's use of models costs, and the budgets": TenantAdmin Auditor;
    BudgetManage "budget.manage" "Set budgets and the prices of own models": TenantAdmin;
    ToolRead "tool.read" "See which tools and tool servers there are and which experts may use them": ExpertAuthor TenantAdmin Auditor;
    ToolManage "tool.manage" "Connect tool servers, choose which tools experts may use, and what may leave through them": TenantAdmin;
    WebhookRead "webhook.read" "See webhooks and what was delivered to them": TenantAdmin Auditor;
    WebhookManage "webhook.manage" "Set up webhooks, test them and send messages again": TenantAdmin;
    ModelUse "model.use" "Send prompts of one's own to the organisation's models": ExpertAuthor TenantAdmin;
    PolicyRead "policy.read" "See sign-in policy, single sign-on and allowed origins": TenantAdmin Auditor;
    PolicyWrite "policy.write" "Change sign-in policy, single sign-on and allowed origins": TenantAdmin;
    BreakGlassRead "break_glass.read" "See when operators opened the organisation": TenantAdmin Auditor;
    BreakGlassReview "break_glass.review" "Sign off what operators did": TenantAdmin Auditor;
    AuditRead "audit.read" "See what everybody did, and the weekly reviews of it": TenantAdmin Auditor;
    ReviewSign "review.sign" "Sign the weekly review of activity": TenantAdmin Auditor;
}

impl Permission {
    /// Tells whether any of the roles holds this permission.
    #[must_use]
    pub fn held_by(self, roles: RoleSet) -> bool {
        self.holders().iter().any(|r| roles.has(*r))
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Permission {
    type Err = String;
    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|p| p.as_str() == name)
            .ok_or_else(|| format!("unknown permission `{name}`; permissions are {}", Self::ALL.map(Self::as_str).join(", ")))
    }
}

/// A set of permissions, kept as bits: what an API key is limited to.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Scopes(u64);

impl Scopes {
    /// Tells whether the set holds a permission.
    #[must_use]
    pub const fn has(self, permission: Permission) -> bool {
        self.0 & (1 << permission as u32) != 0
    }

    /// The permissions in table order.
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL.into_iter().filter(move |p| self.has(*p))
    }
}

impl FromIterator<Permission> for Scopes {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Self {
        Self(permissions.into_iter().fold(0, |bits, p| bits | 1 << p as u32))
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// The policy as a table that a person who does not program can review: a row a permission, a column a role.
#[must_use]
pub fn matrix() -> String {
    let mut out = format!("{:<20}", "permission");
    for role in Role::ALL {
        out.push_str(&format!(" {role:<13}"));
    }
    out.push_str(" lets somebody");
    for permission in Permission::ALL {
        out.push_str(&format!("\n{permission:<20}"));
        for role in Role::ALL {
            let held = if permission.held_by(RoleSet::from_iter([role])) { "yes" } else { "-" };
            out.push_str(&format!(" {held:<13}"));
        }
        out.push_str(&format!(" {}", permission.meaning()));
    }
    out.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The golden file is what a reviewer reads; a change of the policy shows there or fails here.
    #[test]
    fn the_policy_matrix_is_the_reviewed_one() {
        assert_eq!(matrix(), include_str!("../policy.golden.txt"), "review and update crates/vital-kernel/policy.golden.txt");
    }

    #[test]
    fn the_documentation_shows_the_policy_in_force() {
        assert!(
            include_str!("../../../docs/ACCESS.md").contains(&matrix()),
            "copy crates/vital-kernel/policy.golden.txt into docs/ACCESS.md"
        );
    }

    #[test]
    fn nobody_without_a_role_holds_anything() {
        assert!(Permission::ALL.iter().all(|p| !p.held_by(RoleSet::default())));
    }
}
