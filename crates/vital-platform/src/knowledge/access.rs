//! Who may read a collection or ask an expert: its owner alone, members of groups, or everybody in the organisation.
//!
//! What is said here is what verbs accept and show. Who sees what is decided by the database, in `app.visible_collections()` and
//! `app.visible_experts()`, with every statement anew: a grant that is taken back ends with the next request.

use super::store;
use crate::Platform;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use vital_kernel::{Error, GroupId, OpContext, Permission, Result, limits};

/// How far something is shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Its owner alone.
    Private,
    /// Its owner and the members of the chosen groups.
    Group,
    /// Everybody in the organisation.
    Tenant,
}

impl Access {
    /// All kinds, narrowest first.
    pub const ALL: [Self; 3] = [Self::Private, Self::Group, Self::Tenant];

    /// The stored name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Group => "group",
            Self::Tenant => "tenant",
        }
    }

    /// Reads a stored name; what is unknown is taken for the narrowest.
    pub(crate) fn parse(name: &str) -> Self {
        Self::ALL.into_iter().find(|a| a.as_str() == name).unwrap_or(Self::Private)
    }
}

/// How far something is to be shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sharing {
    /// How far.
    pub access: Access,
    /// With which groups; named if and only if the access is `Group`.
    pub groups: Vec<GroupId>,
}

impl Sharing {
    /// The same, with each group named once and the groups fitting the access.
    ///
    /// # Errors
    /// `Invalid` where groups are missing, too many, or named without being used.
    pub(crate) fn checked(mut self) -> Result<Self> {
        self.groups.sort_unstable();
        self.groups.dedup();
        let refuse =
            |code, detail: String| Err(Error::invalid(code, format!("{detail} Nothing was changed.")).with_field("/groups", detail));
        if self.access == Access::Group && self.groups.is_empty() {
            return refuse("access.no_groups", "Name at least one group to share with.".to_owned());
        }
        if self.access != Access::Group && !self.groups.is_empty() {
            return refuse(
                "access.groups_unused",
                format!("Groups can be named only with the access `group`, not with `{}`.", self.access.as_str()),
            );
        }
        if self.groups.len() > limits::SHARED_GROUPS_MAX {
            return refuse(
                "access.too_many_groups",
                format!("Name at most {} groups; put people into one larger group instead.", limits::SHARED_GROUPS_MAX),
            );
        }
        Ok(self)
    }
}

/// A group that something can be shared with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = SharingGroup)]
pub struct GroupName {
    /// Its id.
    #[schema(value_type = uuid::Uuid)]
    pub id: GroupId,
    /// Its name.
    pub name: String,
}

/// Lists the groups that collections and experts can be shared with, by name. Who is in them is not told.
///
/// # Errors
/// `Forbidden` without a permission to share anything.
pub async fn groups_to_share_with(p: &Platform, cx: &OpContext) -> Result<Vec<GroupName>> {
    if !cx.may(Permission::ExpertShare) {
        cx.require(Permission::CollectionWrite)?;
    }
    store::collections::groups(&mut p.db.read(cx).await?).await
}

/// The refusal of a group that is not there.
pub(crate) fn unknown_group() -> Error {
    Error::not_found(
        "group.unknown",
        "One of these groups does not exist. Nothing was changed; reload the list of groups and choose again.",
    )
    .with_field("/groups", "Name only groups of your organisation.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_named_exactly_where_they_are_used() {
        let group = GroupId::new();
        let checked = |access, groups: &[GroupId]| Sharing { access, groups: groups.to_vec() }.checked();
        assert_eq!(checked(Access::Group, &[group, group]).unwrap().groups, [group]);
        assert_eq!(checked(Access::Group, &[]).unwrap_err().code(), "access.no_groups");
        assert_eq!(checked(Access::Tenant, &[group]).unwrap_err().code(), "access.groups_unused");
        let many: Vec<GroupId> = (0..=limits::SHARED_GROUPS_MAX).map(|_| GroupId::new()).collect();
        assert_eq!(checked(Access::Group, &many).unwrap_err().code(), "access.too_many_groups");
        assert!(checked(Access::Private, &[]).is_ok() && checked(Access::Group, &many[1..]).is_ok());
    }

    #[test]
    fn an_unknown_stored_name_shares_with_nobody() {
        assert!(Access::ALL.iter().all(|a| Access::parse(a.as_str()) == *a));
        assert_eq!(Access::parse("everyone"), Access::Private);
    }
}
