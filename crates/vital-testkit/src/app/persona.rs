//! The people of the tests. Their sessions are written into the database, because signing in costs a password hash.

use sha2::{Digest as _, Sha256};
use sqlx::PgConnection;
use vital_kernel::Role;

/// The password of everybody.
pub const PASSWORD: &str = "seven grey herons wade at dusk";

/// Somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Persona {
    /// Nobody is signed in.
    Anonymous,
    /// Reads in organisation A.
    Viewer,
    /// Asks in organisation A; the mirrored things are theirs.
    Member,
    /// Builds experts in organisation A.
    ExpertAuthor,
    /// Approves in organisation A.
    Reviewer,
    /// Manages organisation A.
    TenantAdmin,
    /// Reads the trail of organisation A.
    Auditor,
    /// Asks in organisation B; the mirrored things there are theirs.
    OtherMember,
    /// Manages organisation B; not in the access table, where one stranger is enough.
    OtherAdmin,
}

impl Persona {
    /// Everybody, in the order of the access table.
    pub const ALL: [Self; 8] = [
        Self::Anonymous,
        Self::Viewer,
        Self::Member,
        Self::ExpertAuthor,
        Self::Reviewer,
        Self::TenantAdmin,
        Self::Auditor,
        Self::OtherMember,
    ];

    /// The name in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Anonymous => "anonymous",
            Self::Viewer => "viewer",
            Self::Member => "member",
            Self::ExpertAuthor => "author",
            Self::Reviewer => "reviewer",
            Self::TenantAdmin => "admin",
            Self::Auditor => "auditor",
            Self::OtherMember => "other",
            Self::OtherAdmin => "other-admin",
        }
    }

    /// The address of the account.
    #[must_use]
    pub fn email(self) -> String {
        format!("{}@{}.example", self.name(), if matches!(self, Self::OtherMember | Self::OtherAdmin) { "b" } else { "a" })
    }

    pub(super) const fn role(self) -> Option<Role> {
        match self {
            Self::Anonymous => None,
            Self::Viewer => Some(Role::Viewer),
            Self::Member | Self::OtherMember => Some(Role::Member),
            Self::ExpertAuthor => Some(Role::ExpertAuthor),
            Self::Reviewer => Some(Role::Reviewer),
            Self::TenantAdmin | Self::OtherAdmin => Some(Role::TenantAdmin),
            Self::Auditor => Some(Role::Auditor),
        }
    }

    /// The session token; nobody has none.
    #[must_use]
    pub fn token(self) -> Option<String> {
        self.role().map(|_| format!("session-of-{}", self.name()))
    }
}

/// Writes a session for everybody.
pub(super) async fn sign_all_in(admin: &mut PgConnection) {
    for persona in Persona::ALL.into_iter().chain([Persona::OtherAdmin]) {
        if let Some(token) = persona.token() {
            sign_in(admin, persona, &token).await;
        }
    }
}

/// Writes a session for somebody, who has just proved a second factor and will have for an hour: slow tests are not about that.
pub(super) async fn sign_in(admin: &mut PgConnection, persona: Persona, token: &str) {
    let hash: [u8; 32] = Sha256::digest(token.as_bytes()).into();
    let written = sqlx::query(
        "insert into directory.sessions (token_hash, id, tenant, user_id, created_at, seen_at, ends_at, proved_at)
         select $1, gen_random_uuid(), tenant, user_id, now(), now(), now() + interval '12 hours', now() + interval '1 hour'
         from directory.logins where email = $2",
    )
    .bind(hash.as_slice())
    .bind(persona.email())
    .execute(admin)
    .await
    .unwrap();
    assert_eq!(written.rows_affected(), 1, "{} has no account", persona.name());
}
