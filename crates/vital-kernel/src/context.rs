//! Who acts, for which tenant, under which request: the value every verb of the domain takes first.

use crate::{Error, Permission, RequestId, Result, RoleSet, TenantId, UserId};
use std::time::{Duration, Instant};

/// Who acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A signed-in person.
    User(UserId),
    /// The platform itself, on behalf of the person who caused the work, if any.
    Job(Option<UserId>),
}

/// Where a context comes from. Each variant names one of the places that may make one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A verified session.
    Session,
    /// A claimed job, which carries tenant and actor.
    Job,
    /// Tenant creation, set-up and command-line verbs of the operator.
    Operator,
    /// A test.
    Test,
}

/// The proof that somebody was authenticated for one tenant, with what they may do and until when.
#[derive(Clone, Debug)]
pub struct OpContext {
    tenant: TenantId,
    actor: Actor,
    roles: RoleSet,
    request_id: RequestId,
    deadline: Instant,
    origin: Origin,
}

impl OpContext {
    /// How long an operation may take unless its caller says otherwise.
    pub const DEADLINE: Duration = Duration::from_secs(30);

    /// Makes a context. A lint keeps callers to the places that `Origin` names.
    #[must_use]
    pub fn establish(origin: Origin, tenant: TenantId, actor: Actor, roles: RoleSet, request_id: RequestId) -> Self {
        Self { tenant, actor, roles, request_id, deadline: Instant::now() + Self::DEADLINE, origin }
    }

    /// The tenant whose data this operation may touch.
    #[must_use]
    pub const fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// Who acts.
    #[must_use]
    pub const fn actor(&self) -> Actor {
        self.actor
    }

    /// The person behind the operation, also where a job works on their behalf.
    #[must_use]
    pub const fn user(&self) -> Option<UserId> {
        match self.actor {
            Actor::User(id) => Some(id),
            Actor::Job(on_behalf) => on_behalf,
        }
    }

    /// The roles of the actor in this tenant.
    #[must_use]
    pub const fn roles(&self) -> RoleSet {
        self.roles
    }

    /// The request this operation belongs to.
    #[must_use]
    pub const fn request_id(&self) -> RequestId {
        self.request_id
    }

    /// The moment after which the result is of no use to the caller.
    #[must_use]
    pub const fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Where this context comes from.
    #[must_use]
    pub const fn origin(&self) -> Origin {
        self.origin
    }

    /// Refuses unless the actor holds the permission. Jobs and the operator act with the rights of the platform.
    ///
    /// # Errors
    /// `Forbidden` with the permission's name.
    #[track_caller]
    pub fn require(&self, permission: Permission) -> Result<()> {
        if matches!(self.origin, Origin::Job | Origin::Operator) || permission.held_by(self.roles) {
            return Ok(());
        }
        Err(Error::forbidden(
            "access.denied",
            format!("Your role does not include `{}`. Ask an administrator of your organisation for it.", permission.as_str()),
        ))
    }

    /// The person behind the operation, or an error where a person is needed.
    ///
    /// # Errors
    /// `Unauthenticated` when the platform itself acts.
    #[track_caller]
    pub fn require_user(&self) -> Result<UserId> {
        self.user().ok_or_else(|| Error::unauthenticated("access.no_user", "Sign in to do this."))
    }
}
