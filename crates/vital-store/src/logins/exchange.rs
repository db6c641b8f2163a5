//! The exchange: the idle pair gets new passwords, servers move over to it within the window, the former pair is shut out.

use super::{
    IS_SHUT, LOCK, Pair, RoleFile, RoleSecrets, admitted, comment, is_shut, keep_fingerprints, set_passwords, shut_out, was_cut_off,
};
use crate::OpenError;
use serde::Serialize;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, postgres::PgConnectOptions};
use std::time::{Duration, Instant};

/// How often the exchange looks at the clock and at what is connected.
const LOOK: Duration = Duration::from_millis(100);
/// How long a transaction of a former login may go on after the window; then it is ended. Longer than any statement may take.
const LAST_WORDS: Duration = Duration::from_secs(15);
/// How long a connection has done nothing before it is ended at once: its server did not move over, and opens another when it needs one.
const IDLE: &str = "state = 'idle' and state_change < now() - interval '1 second'";
/// SQLSTATE `insufficient_privilege`.
const NOT_ALLOWED: &str = "42501";

/// Where an exchange is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The new passwords are in the file; servers move over.
    Waiting {
        /// What is left of the window.
        left: Duration,
    },
    /// The former logins are shut out; what they still have open comes to its end.
    Ending {
        /// Connections of the former logins.
        sessions: i64,
    },
}

/// What an exchange did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Exchanged {
    /// The logins in use from now on.
    pub logins: [&'static str; 2],
    /// The logins that are refused from now on.
    pub former: [&'static str; 2],
    /// Whether it finished one that had been cut off, with the passwords of that one.
    pub resumed: bool,
    /// Connections that had to be ended, because a server did not move over.
    pub ended: u64,
    /// Connections of the former logins that the administrator was not allowed to end.
    pub left: i64,
}

impl RoleFile {
    /// Exchanges the passwords of the runtime roles while servers run: gives the idle pair of logins new ones, keeps them in this file, gives
    /// servers `window` to move over, and shuts the former pair out. An exchange that was cut off is finished instead.
    ///
    /// `admin` is who opens the database. Servers that do not share this file need a copy of it within the window.
    ///
    /// # Errors
    /// Each variant of [`OpenError`] says what is wrong. The pair that the file names works in any case.
    pub async fn exchange(
        &self,
        admin: &PgConnectOptions,
        window: Duration,
        mut progress: impl FnMut(Step),
    ) -> Result<Exchanged, OpenError> {
        let mut conn = admin.connect().await.map_err(OpenError::Connect)?;
        let alone: bool =
            sqlx::query_scalar("select pg_try_advisory_lock($1)").bind(LOCK).fetch_one(&mut conn).await.map_err(OpenError::Statement)?;
        if !alone {
            return Err(OpenError::Exchanging);
        }
        let held = self.read()?.ok_or(OpenError::Secrets)?;
        if !admitted(&held.options(admin)?).await? {
            return Err(OpenError::Outdated);
        }
        // The file may be a copy that was made while an exchange was under way which has long been finished.
        let resumed = held.exchanging && !is_shut(&mut conn, held.login.other()).await.map_err(OpenError::Statement)?;
        let present = if resumed { held } else { self.begin(&mut conn, admin, &held).await? };
        let begun = Instant::now();
        while let Some(left) = window.checked_sub(begun.elapsed()).filter(|left| !left.is_zero()) {
            progress(Step::Waiting { left });
            tokio::time::sleep(LOOK.min(left)).await;
        }
        let former = present.login.other();
        shut_out(&mut conn, former).await.map_err(OpenError::Statement)?;
        let (ended, left) = end_sessions(&mut conn, former, &mut progress).await.map_err(OpenError::Statement)?;
        // Whoever was still connected may have set a password of their own.
        shut_out(&mut conn, former).await.map_err(OpenError::Statement)?;
        comment(&mut conn, former, [IS_SHUT; 2]).await.map_err(OpenError::Statement)?;
        self.write(&RoleSecrets { exchanging: false, ..present.clone() })?;
        conn.close().await.map_err(OpenError::Statement)?;
        Ok(Exchanged { logins: present.login.names(), former: former.names(), resumed, ended, left })
    }

    /// Whether an exchange was cut off that this file names the logins of: the former ones may still get in, and running it again finishes
    /// it. `base` is where the database is; nothing is asked there unless the file says that an exchange was begun.
    ///
    /// # Errors
    /// When the file cannot be read, or the database does not answer or refuses its logins.
    pub async fn was_cut_off(&self, base: &PgConnectOptions) -> Result<bool, OpenError> {
        let Some(held) = self.read()?.filter(|held| held.exchanging) else { return Ok(false) };
        let [_, platform] = held.options(base)?;
        let mut conn = platform.connect().await.map_err(OpenError::Connect)?;
        let found = was_cut_off(&mut conn, &held).await.map_err(OpenError::Statement)?;
        conn.close().await.map_err(OpenError::Statement)?;
        Ok(found)
    }

    /// Lets the idle pair in and puts it into the file.
    async fn begin(&self, conn: &mut PgConnection, admin: &PgConnectOptions, held: &RoleSecrets) -> Result<RoleSecrets, OpenError> {
        let next = held.next();
        let logins = next.options(admin)?;
        let mut tx = conn.begin().await.map_err(OpenError::Statement)?;
        // Those of the present pair may have been set by a version that kept no fingerprint.
        keep_fingerprints(&mut tx, held).await.map_err(OpenError::Statement)?;
        set_passwords(&mut tx, &next).await.map_err(OpenError::Statement)?;
        tx.commit().await.map_err(OpenError::Statement)?;
        // A server that lets in nobody but the first pair must be told before anybody moves over.
        match admitted(&logins).await {
            Ok(true) => {}
            refused => {
                shut_out(conn, next.login).await.map_err(OpenError::Statement)?;
                return refused.and(Err(OpenError::Shut(next.login.names())));
            }
        }
        self.write(&next)?;
        Ok(next)
    }
}

/// Waits until nothing of a pair is connected, and ends what stays. Returns how many were ended and how many could not be.
async fn end_sessions(conn: &mut PgConnection, pair: Pair, progress: &mut impl FnMut(Step)) -> Result<(u64, i64), sqlx::Error> {
    let begun = Instant::now();
    let mut ended = 0;
    loop {
        let sessions = sessions(conn, pair).await?;
        if sessions == 0 {
            return Ok((ended, 0));
        }
        progress(Step::Ending { sessions });
        let is_over = begun.elapsed() > LAST_WORDS;
        match end(conn, pair, if is_over { "true" } else { IDLE }).await {
            Ok(more) => ended += more.unsigned_abs(),
            Err(error) if error.as_database_error().and_then(|e| e.code()).is_some_and(|code| code == NOT_ALLOWED) => {
                return Ok((ended, sessions));
            }
            Err(error) => return Err(error),
        }
        if begun.elapsed() > 2 * LAST_WORDS {
            return Ok((ended, sessions));
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn end(conn: &mut PgConnection, pair: Pair, which: &'static str) -> Result<i64, sqlx::Error> {
    let end =
        format!("select count(*) filter (where pg_terminate_backend(pid)) from pg_stat_activity where usename = any ($1) and {which}");
    sqlx::query_scalar(AssertSqlSafe(end)).bind(pair.names().as_slice()).fetch_one(conn).await
}

async fn sessions(conn: &mut PgConnection, pair: Pair) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("select count(*) from pg_stat_activity where usename = any ($1)").bind(pair.names().as_slice()).fetch_one(conn).await
}
