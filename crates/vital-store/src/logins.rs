//! The logins of the runtime roles: two pairs of which one is in use, their passwords, and the exchange of one pair for the other while servers
//! run.
//!
//! **Invariants:** the file names a pair only once the database lets it in; a pair is shut out only after the other was in the file for the
//! whole window; whatever moment an exchange is cut off at, the pair in the file works, and running it again finishes it. A comment on each
//! role says which password it was given last, so that a file of before brings none back, or that it was shut out and nothing of it is
//! connected any more. Only who may set the passwords may change these comments.
//!
//! Membership, rights and the check of both are in `migrations/0010_logins.sql` and `guard.rs`.

mod exchange;
mod file;

pub use exchange::{Exchanged, Step};
pub use file::{RoleFile, RoleFileError};

use crate::OpenError;
use rand::RngCore;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, postgres::PgConnectOptions};

/// The number of the advisory lock under which logins are changed.
const LOCK: i64 = 0x7669_7461_6c6c_6f67;
/// How a comment of ours on a role begins.
const MARK: &str = "vital login: ";
/// The comment on a role that was shut out, once nothing of it is connected any more.
const IS_SHUT: &str = "vital login: shut out";

/// One login of each runtime role.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Pair {
    /// The roles themselves, which the first start uses.
    #[default]
    A,
    /// The logins that inherit from them.
    B,
}

impl Pair {
    const fn names(self) -> [&'static str; 2] {
        match self {
            Self::A => ["vital_app", "vital_platform"],
            Self::B => ["vital_app_b", "vital_platform_b"],
        }
    }

    /// The comments on the two roles; none where there is none of ours.
    async fn comments(self, conn: &mut PgConnection) -> Result<[Option<String>; 2], sqlx::Error> {
        let mut comments = [None, None];
        for (role, comment) in self.names().into_iter().zip(&mut comments) {
            let found: Option<String> = sqlx::query_scalar("select shobj_description(oid, 'pg_authid') from pg_roles where rolname = $1")
                .bind(role)
                .fetch_one(&mut *conn)
                .await?;
            *comment = found.filter(|text| text.starts_with(MARK));
        }
        Ok(comments)
    }

    const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
    const fn is_first(&self) -> bool {
        matches!(self, Self::A)
    }
}

/// Which pair of logins is in use, and its passwords. Written as it was before there were two pairs for as long as the first one is in use, so
/// that an earlier version can read it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleSecrets {
    app: String,
    platform: String,
    #[serde(default, skip_serializing_if = "Pair::is_first")]
    login: Pair,
    /// Whether the other pair may still be let in: an exchange is under way, or was cut off.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    exchanging: bool,
    /// Made by this process for a database whose logins nobody here knows.
    #[serde(skip)]
    fresh: bool,
}

impl RoleSecrets {
    /// Makes two random passwords of 256 bits for the first pair.
    #[must_use]
    pub fn generate() -> Self {
        let secret = || {
            let mut bytes = [0_u8; 32];
            rand::rng().fill_bytes(&mut bytes);
            hex::encode(bytes)
        };
        Self { app: secret(), platform: secret(), login: Pair::A, exchanging: false, fresh: true }
    }

    /// Whether these are the same logins with the same passwords, in whatever state their exchange is.
    pub(crate) fn are_those(&self, other: &Self) -> bool {
        (self.login, &self.app, &self.platform) == (other.login, &other.app, &other.platform)
    }

    /// Whether an exchange to these was begun and this copy does not say that it was finished.
    pub(crate) const fn is_exchanging(&self) -> bool {
        self.exchanging
    }

    /// New passwords for the pair that is not in use.
    fn next(&self) -> Self {
        Self { login: self.login.other(), exchanging: true, fresh: false, ..Self::generate() }
    }

    /// What the comments on the two roles say while these are their passwords. The passwords are random, so their hashes tell nothing.
    fn fingerprints(&self) -> [String; 2] {
        [&self.app, &self.platform].map(|password| format!("{MARK}sha256 {}", hex::encode(Sha256::digest(password))))
    }

    fn are_hex(&self) -> bool {
        [&self.app, &self.platform].iter().all(|s| s.len() == 64 && s.bytes().all(|b| b.is_ascii_hexdigit()))
    }

    /// How the two roles log in at the database of `base`.
    ///
    /// # Errors
    /// `Secrets` when these are no passwords of ours.
    pub(crate) fn options(&self, base: &PgConnectOptions) -> Result<[PgConnectOptions; 2], OpenError> {
        if !self.are_hex() {
            return Err(OpenError::Secrets);
        }
        let [app, platform] = self.login.names();
        Ok([base.clone().username(app).password(&self.app), base.clone().username(platform).password(&self.platform)])
    }
}

impl std::fmt::Debug for RoleSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RoleSecrets({:?}, …)", self.login)
    }
}

/// Whether both logins get in. Any other failure than a refused password is an error.
pub(crate) async fn admitted(logins: &[PgConnectOptions; 2]) -> Result<bool, OpenError> {
    for options in logins {
        match options.connect().await {
            Ok(conn) => conn.close().await.map_err(OpenError::Statement)?,
            Err(e) if e.as_database_error().and_then(|d| d.code()).is_some_and(|c| c == "28P01") => return Ok(false),
            Err(e) => return Err(OpenError::Connect(e)),
        }
    }
    Ok(true)
}

/// Lets in the pair that the file names, unless the database says that an exchange went past this file.
pub(crate) async fn let_in(conn: &mut PgConnection, secrets: &RoleSecrets) -> Result<(), OpenError> {
    let mut tx = conn.begin().await.map_err(OpenError::Statement)?;
    // Two servers that start at once would otherwise change the same row of the catalogue at once, which fails.
    sqlx::query("select pg_advisory_xact_lock($1)").bind(LOCK).execute(&mut *tx).await.map_err(OpenError::Statement)?;
    let second_in_use: bool = sqlx::query_scalar("select coalesce(bool_or(rolcanlogin), false) from pg_roles where rolname = any ($1)")
        .bind(Pair::B.names().as_slice())
        .fetch_one(&mut *tx)
        .await
        .map_err(OpenError::Statement)?;
    if !secrets.fresh && second_in_use != (secrets.login == Pair::B) {
        return Err(OpenError::Outdated);
    }
    let comments = secrets.login.comments(&mut tx).await.map_err(OpenError::Statement)?;
    let is_theirs = |(comment, own): (&Option<String>, String)| comment.as_ref().is_none_or(|comment| *comment == own);
    if !secrets.fresh && !comments.iter().zip(secrets.fingerprints()).all(is_theirs) {
        return Err(OpenError::Outdated);
    }
    set_passwords(&mut tx, secrets).await.map_err(OpenError::Statement)?;
    if secrets.fresh {
        let former = secrets.login.other();
        shut_out(&mut tx, former).await.map_err(OpenError::Statement)?;
        comment(&mut tx, former, [IS_SHUT; 2]).await.map_err(OpenError::Statement)?;
    }
    tx.commit().await.map_err(OpenError::Statement)
}

/// Whether an exchange to these logins was cut off, so that the former pair may still get in. False while one is under way, and where it was
/// finished by who holds another copy of the file.
pub(crate) async fn was_cut_off(conn: &mut PgConnection, secrets: &RoleSecrets) -> Result<bool, sqlx::Error> {
    if !secrets.exchanging {
        return Ok(false);
    }
    let is_under_way: bool = sqlx::query_scalar(
        "select exists (select from pg_locks where locktype = 'advisory' and granted and objsubid = 1
           and (classid::bigint << 32) | objid::bigint = $1)",
    )
    .bind(LOCK)
    .fetch_one(&mut *conn)
    .await?;
    Ok(!is_under_way && !is_shut(conn, secrets.login.other()).await?)
}

/// Whether a pair was shut out and nothing of it is connected any more.
async fn is_shut(conn: &mut PgConnection, pair: Pair) -> Result<bool, sqlx::Error> {
    Ok(pair.comments(conn).await?.iter().all(|comment| comment.as_deref() == Some(IS_SHUT)))
}

/// Keeps a text with each role of a pair. They hold nothing that would have to be quoted.
async fn comment(conn: &mut PgConnection, pair: Pair, texts: [&str; 2]) -> Result<(), sqlx::Error> {
    for (role, text) in pair.names().into_iter().zip(texts) {
        sqlx::query(AssertSqlSafe(format!("comment on role {role} is '{text}'"))).execute(&mut *conn).await?;
    }
    Ok(())
}

/// Sets the passwords of a pair and their fingerprints. They are hexadecimal (checked by whoever made the options), so they may stand in the statement.
async fn set_passwords(conn: &mut PgConnection, secrets: &RoleSecrets) -> Result<(), sqlx::Error> {
    for (role, password) in secrets.login.names().into_iter().zip([&secrets.app, &secrets.platform]) {
        sqlx::query(AssertSqlSafe(format!("alter role {role} login password '{password}'"))).execute(&mut *conn).await?;
    }
    keep_fingerprints(conn, secrets).await
}

async fn keep_fingerprints(conn: &mut PgConnection, secrets: &RoleSecrets) -> Result<(), sqlx::Error> {
    comment(conn, secrets.login, secrets.fingerprints().each_ref().map(String::as_str)).await
}

/// Lets a pair in no more. The first one keeps its attribute LOGIN, without a password: a version that knows no second pair can be put back and
/// sets passwords of its own.
async fn shut_out(conn: &mut PgConnection, pair: Pair) -> Result<(), sqlx::Error> {
    let attribute = if pair == Pair::B { "nologin" } else { "login" };
    for role in pair.names() {
        sqlx::query(AssertSqlSafe(format!("alter role {role} {attribute} password null"))).execute(&mut *conn).await?;
    }
    Ok(())
}
