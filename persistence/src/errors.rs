//! What the errors of sqlx, of rusqlite, of files and of the databases mean to a caller.

use std::io;
use std::path::Path;

use sqlx::migrate::MigrateError;
use sqlx::postgres::PgDatabaseError;

use crate::StoreError;

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> StoreError {
        match &error {
            sqlx::Error::PoolClosed => StoreError::Closed,
            sqlx::Error::Database(database) => match database.try_downcast_ref::<PgDatabaseError>() {
                Some(postgres) => of_postgres(postgres.code(), error.to_string()),
                None => of_sqlite(
                    database.code().and_then(|code| code.parse().ok()),
                    error.to_string(),
                ),
            },
            // A column of another type than was written: only damage does that.
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
                StoreError::Corrupt(error.to_string())
            }
            // sqlx's own enum, which may grow: what is not known to be worse may be tried again.
            _ => StoreError::Unavailable(error.to_string()),
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> StoreError {
        match &error {
            // As above: only damage does that.
            rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::InvalidColumnType(..) => StoreError::Corrupt(error.to_string()),
            _ => {
                let code = error.sqlite_error().map(|error| error.extended_code);
                of_sqlite(code, error.to_string())
            }
        }
    }
}

/// What befell a file.
pub(crate) fn of_file(path: &Path, error: &io::Error) -> StoreError {
    let text = format!("{}: {error}", path.display());
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full(text),
        _ => StoreError::Unavailable(text),
    }
}

/// The low byte of an extended result code is the primary one (<https://sqlite.org/rescode.html>).
fn of_sqlite(code: Option<i32>, text: String) -> StoreError {
    const SQLITE_ERROR: i32 = 1;
    const SQLITE_CORRUPT: i32 = 11;
    const SQLITE_FULL: i32 = 13;
    const SQLITE_CONSTRAINT: i32 = 19;
    const SQLITE_NOTADB: i32 = 26;
    match code.map(|code| code & 0xff) {
        Some(SQLITE_FULL) => StoreError::Full(text),
        // The statements are fixed and tested, and so are the constraints: when one of them does not fit the
        // schema or the rows, the file is not what was written.
        Some(SQLITE_ERROR | SQLITE_CORRUPT | SQLITE_CONSTRAINT | SQLITE_NOTADB) => StoreError::Corrupt(text),
        _ => StoreError::Unavailable(text),
    }
}

/// What a SQLSTATE means (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).
fn of_postgres(code: &str, text: String) -> StoreError {
    let text = format!("{text} (SQLSTATE {code})");
    match code {
        // disk_full
        "53100" => StoreError::Full(text),
        // The statements are fixed and tested: a table or a column that is not there is another schema.
        "42P01" | "42703" | "42804" | "42883" | "3F000" => StoreError::Schema(text),
        // data_corrupted and its class, and constraints that only rows nobody wrote can break.
        _ if code.starts_with("XX0") && code != "XX000" => StoreError::Corrupt(text),
        _ if code.starts_with("23") => StoreError::Corrupt(text),
        // Failovers, restarts, deadlocks, timeouts, too many connections, a password that is being changed: all of
        // these pass, or somebody is seeing to them.
        _ => StoreError::Unavailable(text),
    }
}

impl From<MigrateError> for StoreError {
    fn from(error: MigrateError) -> StoreError {
        match error {
            MigrateError::Execute(cause) | MigrateError::ExecuteMigration(cause, _) => cause.into(),
            MigrateError::VersionMissing(version) => StoreError::Schema(format!(
                "the database has migration {version}, which this version of Roomtone does not know: it was written \
                 by a newer one"
            )),
            MigrateError::VersionMismatch(version) => StoreError::Schema(format!(
                "migration {version} of the database is not the one of this version of Roomtone"
            )),
            // sqlx's own enum again; the rest are faults in the migrations themselves.
            other => StoreError::Schema(other.to_string()),
        }
    }
}
