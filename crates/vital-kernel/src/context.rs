//! Who acts, for which tenant, under which request: the value every verb of the domain takes first.

use crate::{AttemptId, Error, Permission, RequestId, Result, RoleSet, Scopes, TenantId, UserId, limits, now};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use time::OffsetDateTime;

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
    /// A verified API key, or a token of a provider that the tenant trusts: limited by its scopes, never stepped up.
    Key,
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
    scopes: Option<Scopes>,
    proved_at: Option<OffsetDateTime>,
    request_id: RequestId,
    deadline: Instant,
    origin: Origin,
    attempt: Option<AttemptId>,
    if_match: Option<Arc<[String]>>,
}

impl OpContext {
    /// How long an operation may take unless its caller says otherwise.
    pub const DEADLINE: Duration = Duration::from_secs(30);

    /// Makes a context. A lint keeps callers to the places that `Origin` names.
    #[must_use]
    pub fn establish(origin: Origin, tenant: TenantId, actor: Actor, roles: RoleSet, request_id: RequestId) -> Self {
        let deadline = Instant::now() + Self::DEADLINE;
        Self { tenant, actor, roles, scopes: None, proved_at: None, request_id, deadline, origin, attempt: None, if_match: None }
    }

    /// The same context, limited to these permissions whatever the roles hold.
    #[must_use]
    pub const fn limited_to(mut self, scopes: Scopes) -> Self {
        self.scopes = Some(scopes);
        self
    }

    /// The same context, knowing when the person last proved a second factor.
    #[must_use]
    pub const fn proved_at(mut self, at: Option<OffsetDateTime>) -> Self {
        self.proved_at = at;
        self
    }

    /// The same context for another request.
    #[must_use]
    pub fn for_request(mut self, request_id: RequestId) -> Self {
        self.request_id = request_id;
        self.deadline = Instant::now() + Self::DEADLINE;
        self
    }

    /// The same context for a request with an idempotency key: what it commits first also marks the attempt as one that had its effect, and
    /// is refused where another attempt has taken over.
    #[must_use]
    pub const fn attempted(mut self, attempt: AttemptId) -> Self {
        self.attempt = Some(attempt);
        self
    }

    /// The same context for work that goes on after the request.
    #[must_use]
    pub fn detached(mut self) -> Self {
        self.attempt = None;
        self.if_match = None;
        self
    }

    /// The same context for a request that counts only while what it changes has one of these entity tags.
    #[must_use]
    pub fn only_if(mut self, tags: Vec<String>) -> Self {
        self.if_match = Some(tags.into());
        self
    }

    /// The entity tags of which what is changed has to have one, where the request says so.
    #[must_use]
    pub fn if_match(&self) -> Option<&Arc<[String]>> {
        self.if_match.as_ref()
    }

    /// The attempt whose effect this operation is, where the request came with an idempotency key.
    #[must_use]
    pub const fn attempt(&self) -> Option<AttemptId> {
        self.attempt
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

    /// Tells whether the context was limited to scopes that somebody chose, as that of an API key is.
    #[must_use]
    pub const fn is_limited(&self) -> bool {
        self.scopes.is_some()
    }

    /// Tells whether the actor holds the permission. Jobs and the operator act with the rights of the platform.
    #[must_use]
    pub fn may(&self, permission: Permission) -> bool {
        matches!(self.origin, Origin::Job | Origin::Operator)
            || permission.held_by(self.roles) && self.scopes.is_none_or(|s| s.has(permission))
    }

    /// Refuses unless the actor holds the permission.
    ///
    /// # Errors
    /// `Forbidden` with the permission's name.
    #[track_caller]
    pub fn require(&self, permission: Permission) -> Result<()> {
        if self.may(permission) {
            return Ok(());
        }
        if permission.held_by(self.roles) && self.origin == Origin::Session {
            return Err(Error::forbidden(
                "access.reading_only",
                format!("An operator's access is to read, so it does not include `{permission}`. Nothing was changed."),
            ));
        }
        if permission.held_by(self.roles) {
            return Err(Error::forbidden(
                "access.scope",
                format!("This key is not scoped for `{permission}`. Nothing was changed; make a key with that scope."),
            ));
        }
        Err(Error::forbidden(
            "access.denied",
            format!("Your role does not include `{permission}`. Ask an administrator of your organisation for it."),
        ))
    }

    /// Tells whether the person proved a second factor within the last `STEP_UP` minutes.
    #[must_use]
    pub fn stepped_up(&self) -> bool {
        self.proved_at.is_some_and(|at| now() - at < limits::STEP_UP)
    }

    /// Refuses a dangerous verb unless the person has just proved a second factor. A key cannot: there is nobody to ask.
    ///
    /// # Errors
    /// `Forbidden` with the code `step_up.required`, or `step_up.key` for a key.
    #[track_caller]
    pub fn require_step_up(&self) -> Result<()> {
        match self.origin {
            Origin::Job | Origin::Operator => Ok(()),
            Origin::Key => Err(Error::forbidden(
                "step_up.key",
                "This needs a person with a second factor, so a key cannot do it. Nothing was changed; sign in and do it there.",
            )),
            Origin::Session | Origin::Test if self.stepped_up() => Ok(()),
            Origin::Session | Origin::Test => Err(Error::forbidden(
                "step_up.required",
                "Prove it is you with your second factor first; it counts for five minutes. Nothing was changed.",
            )),
        }
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
