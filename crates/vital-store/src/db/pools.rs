//! The pools in use, and new ones in their place when the logins of the runtime roles were exchanged.
//!
//! **Invariant:** an exchange fails nobody. What holds a connection keeps it to the end of its transaction; what waits for one of a former
//! pool is sent to the present one.

use super::{ACQUIRE_TIMEOUT, PoolSizes};
use crate::RoleSecrets;
use sqlx::{
    AssertSqlSafe, PgPool, Postgres, Transaction,
    pool::PoolConnection,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use std::{
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

/// How long a connection may be idle before it is closed.
const IDLE: Duration = Duration::from_secs(300);

/// What the database says to a wrong password (invalid_password, PostgreSQL appendix A).
const REFUSED: &str = "28P01";
/// How often it is looked whether pools were replaced.
const LOOK: Duration = Duration::from_millis(50);

#[derive(Debug)]
struct Pair {
    app: PgPool,
    platform: PgPool,
    secrets: RoleSecrets,
}

/// The pool for tenant work and the one for the directory.
#[derive(Debug)]
pub(super) struct Pools {
    present: RwLock<Arc<Pair>>,
    sizes: PoolSizes,
}

impl Pair {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that opens pools")]
    fn lazy(secrets: RoleSecrets, [app, platform]: [PgConnectOptions; 2], sizes: PoolSizes) -> Self {
        let pool = |options: PgConnectOptions, max: u32| {
            PgPoolOptions::new().max_connections(max).acquire_timeout(ACQUIRE_TIMEOUT).idle_timeout(IDLE).connect_lazy_with(options)
        };
        let (app, platform) = (app.application_name("vital app"), platform.application_name("vital platform"));
        Self { app: pool(app, sizes.app), platform: pool(platform, sizes.platform), secrets }
    }

    async fn close(&self) {
        self.app.close().await;
        self.platform.close().await;
    }
}

impl Pools {
    pub(super) fn lazy(secrets: RoleSecrets, logins: [PgConnectOptions; 2], sizes: PoolSizes) -> Self {
        Self { present: RwLock::new(Arc::new(Pair::lazy(secrets, logins, sizes))), sizes }
    }

    fn present(&self) -> Arc<Pair> {
        Arc::clone(&self.present.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Where the database is, with the name and password of the tenant role's login.
    pub(super) fn address(&self) -> PgConnectOptions {
        self.present().app.connect_options().as_ref().clone()
    }

    /// Whether these are the logins in use, and the pools were not closed.
    pub(super) fn use_already(&self, secrets: &RoleSecrets) -> bool {
        let present = self.present();
        present.secrets.are_those(secrets) && !present.app.is_closed() && !present.platform.is_closed()
    }

    /// Opens connections with other logins from now on. Returns once every connection of the former ones was closed, which is when the
    /// transactions that hold them have ended; it may be dropped, the former pools are closed in any case.
    pub(super) fn replace(&self, secrets: RoleSecrets, logins: [PgConnectOptions; 2]) -> impl Future<Output = ()> + use<> {
        let next = Arc::new(Pair::lazy(secrets, logins, self.sizes));
        let former = std::mem::replace(&mut *self.present.write().unwrap_or_else(PoisonError::into_inner), next);
        let closing = tokio::spawn(async move { former.close().await });
        async move { drop(closing.await) }
    }

    /// Whether what failed can be tried with other pools: this one was closed because others took its place, or its login was shut out while a
    /// connection was being opened, which others are about to take the place of.
    async fn has_others(&self, error: &sqlx::Error, tried: &Arc<Pair>) -> bool {
        match error {
            sqlx::Error::PoolClosed => self.was_replaced(tried),
            sqlx::Error::Database(refused) if refused.code().is_some_and(|code| code == REFUSED) => {
                let begun = Instant::now();
                while !self.was_replaced(tried) && begun.elapsed() < ACQUIRE_TIMEOUT {
                    tokio::time::sleep(LOOK).await;
                }
                self.was_replaced(tried)
            }
            _ => false,
        }
    }

    /// Whether a pool that was closed is one that others have taken the place of.
    fn was_replaced(&self, tried: &Arc<Pair>) -> bool {
        !Arc::ptr_eq(tried, &self.present())
    }

    pub(super) async fn begin_app(&self, statement: String) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        loop {
            let pools = self.present();
            match pools.app.begin_with(AssertSqlSafe(statement.clone())).await {
                Err(error) if self.has_others(&error, &pools).await => {}
                begun => return begun,
            }
        }
    }

    pub(super) async fn begin_platform(&self) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        loop {
            let pools = self.present();
            match pools.platform.begin().await {
                Err(error) if self.has_others(&error, &pools).await => {}
                begun => return begun,
            }
        }
    }

    pub(super) async fn acquire_platform(&self) -> Result<PoolConnection<Postgres>, sqlx::Error> {
        loop {
            let pools = self.present();
            match pools.platform.acquire().await {
                Err(error) if self.has_others(&error, &pools).await => {}
                acquired => return acquired,
            }
        }
    }

    pub(super) async fn close(&self) {
        self.present().close().await;
    }
}
