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

/// What a verb asks for before it acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Permission {
    ExpertRead,
    Ask,
    ConversationRead,
    DocumentRead,
    DocumentWrite,
    UserRead,
    UserWrite,
    SettingsRead,
}

impl Permission {
    /// All permissions in the order of the policy table.
    pub const ALL: [Self; 8] = [
        Self::ExpertRead,
        Self::Ask,
        Self::ConversationRead,
        Self::DocumentRead,
        Self::DocumentWrite,
        Self::UserRead,
        Self::UserWrite,
        Self::SettingsRead,
    ];

    /// The stable dotted name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ExpertRead => "expert.read",
            Self::Ask => "ask",
            Self::ConversationRead => "conversation.read",
            Self::DocumentRead => "document.read",
            Self::DocumentWrite => "document.write",
            Self::UserRead => "user.read",
            Self::UserWrite => "user.write",
            Self::SettingsRead => "settings.read",
        }
    }

    /// The roles that hold this permission: the whole policy, in one place.
    const fn holders(self) -> &'static [Role] {
        use Role::{Auditor, ExpertAuthor, Member, Reviewer, TenantAdmin, Viewer};
        match self {
            Self::ExpertRead | Self::SettingsRead => &[Viewer, Member, ExpertAuthor, Reviewer, TenantAdmin, Auditor],
            Self::Ask | Self::DocumentWrite => &[Member, ExpertAuthor, Reviewer, TenantAdmin],
            Self::ConversationRead | Self::DocumentRead => &[Viewer, Member, ExpertAuthor, Reviewer, TenantAdmin],
            Self::UserRead => &[TenantAdmin, Auditor],
            Self::UserWrite => &[TenantAdmin],
        }
    }

    /// Tells whether any of the roles holds this permission.
    #[must_use]
    pub fn held_by(self, roles: RoleSet) -> bool {
        self.holders().iter().any(|r| roles.has(*r))
    }
}

/// The policy as a table that a person who does not program can review: a row a permission, a column a role.
#[must_use]
pub fn matrix() -> String {
    let mut out = format!("{:<18}", "permission");
    for role in Role::ALL {
        out.push_str(&format!(" {role:<13}"));
    }
    for permission in Permission::ALL {
        out.push_str(&format!("\n{:<18}", permission.as_str()));
        for role in Role::ALL {
            let held = if permission.held_by(RoleSet::from_iter([role])) { "yes" } else { "-" };
            out.push_str(&format!(" {held:<13}"));
        }
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
    fn nobody_without_a_role_holds_anything() {
        assert!(Permission::ALL.iter().all(|p| !p.held_by(RoleSet::default())));
    }
}
