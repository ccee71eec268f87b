//! What SQLite's and sqlx's errors mean to a caller.

use sqlx::migrate::MigrateError;

use crate::StoreError;

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> StoreError {
        match &error {
            sqlx::Error::PoolClosed => StoreError::Closed,
            sqlx::Error::Database(database) => of_sqlite(database.code().as_deref(), error.to_string()),
            // A column of another type than was written: only damage does that.
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
                StoreError::Corrupt(error.to_string())
            }
            // sqlx's own enum, which may grow: what is not known to be worse may be tried again.
            _ => StoreError::Unavailable(error.to_string()),
        }
    }
}

/// The low byte of an extended result code is the primary one (<https://sqlite.org/rescode.html>).
fn of_sqlite(code: Option<&str>, text: String) -> StoreError {
    const SQLITE_ERROR: i32 = 1;
    const SQLITE_CORRUPT: i32 = 11;
    const SQLITE_FULL: i32 = 13;
    const SQLITE_CONSTRAINT: i32 = 19;
    const SQLITE_NOTADB: i32 = 26;
    match code
        .and_then(|code| code.parse::<i32>().ok())
        .map(|code| code & 0xff)
    {
        Some(SQLITE_FULL) => StoreError::Full(text),
        // The statements are fixed and tested, and so are the constraints: when one of them does not fit the
        // schema or the rows, the file is not what was written.
        Some(SQLITE_ERROR | SQLITE_CORRUPT | SQLITE_CONSTRAINT | SQLITE_NOTADB) => StoreError::Corrupt(text),
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
