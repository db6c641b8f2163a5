//! Turns what PostgreSQL says into what a person can act on.

use sqlx::postgres::{PgDatabaseError, PgSeverity};
use std::time::Duration;
use vital_kernel::Error;

/// How long a caller should wait before trying again while the database is away.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// Maps a database failure to the domain's error. Messages of the server are logged as the cause and never shown.
#[track_caller]
#[must_use]
pub fn db_error(error: sqlx::Error) -> Error {
    let code = error.as_database_error().and_then(|e| e.code()).map(|c| c.into_owned());
    let mapped = match (&error, code.as_deref()) {
        (sqlx::Error::RowNotFound, _) => return Error::not_found("not_found", "There is nothing here, or it is not yours to see."),
        (_, Some("53100" | "58030")) => Error::unavailable(
            "database.full",
            "The data folder is full or cannot be written. Nothing was stored; an operator must make room, then try again.",
        ),
        (_, Some("25006")) => {
            Error::unavailable("database.read_only", "The database is read-only at the moment. Nothing was stored; try again later.")
        }
        (_, Some("57014")) => Error::unavailable("database.timeout", "The database took too long. Nothing was stored; try again."),
        (_, Some("55P03" | "40001" | "40P01")) => {
            Error::unavailable("database.busy", "Somebody else changed the same thing at the same moment. Nothing was stored; try again.")
        }
        (_, Some("23505")) => Error::conflict("conflict", "Something with the same name or content exists already. Nothing was stored."),
        (_, Some("23503")) => Error::not_found("not_found", "There is nothing here, or it is not yours to see."),
        (sqlx::Error::PoolTimedOut, _) => {
            Error::unavailable("database.overloaded", "The platform is overloaded. Nothing was stored; try again shortly.")
        }
        (sqlx::Error::Io(_) | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed | sqlx::Error::Tls(_) | sqlx::Error::BeginFailed, _)
        | (_, Some("57P01" | "57P02" | "57P03" | "08006" | "08001" | "08003" | "25P03")) => {
            Error::unavailable("database.unavailable", "The database does not answer. Nothing was stored; try again shortly.")
        }
        _ if refused(&error) => {
            Error::unavailable("database.unavailable", "The database does not answer. Nothing was stored; try again shortly.")
        }
        _ => return Error::internal(error),
    };
    mapped.with_retry_after(RETRY_AFTER).with_source(error)
}

/// Tells whether the server ended or refused the connection, whatever its reason (it has no connection left, is under maintenance).
fn refused(error: &sqlx::Error) -> bool {
    let said = error.as_database_error().and_then(|e| e.try_downcast_ref::<PgDatabaseError>());
    said.is_some_and(|e| matches!(e.severity(), PgSeverity::Fatal | PgSeverity::Panic))
}

/// Tells whether a statement failed because a unique key exists already.
#[must_use]
pub fn is_unique_violation(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation)
}
