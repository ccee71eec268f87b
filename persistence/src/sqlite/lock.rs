//! One process per database.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::beside;
use crate::StoreError;

/// What the lock file says once the database has its tables.
const READY: &[u8] = b"roomtone database\n";

/// The lock of a database, held until it is dropped.
///
/// SQLite itself allows several processes; Roomtone does not, since each remembers the epochs of its documents and
/// believes that nobody else deletes any. The lock is on a file of its own: SQLite uses POSIX locks on the database,
/// which are lost as soon as the process closes any other handle of that file.
#[derive(Debug)]
pub(crate) struct DatabaseLock {
    file: File,
}

impl DatabaseLock {
    pub(crate) fn take(database: &Path) -> Result<DatabaseLock, StoreError> {
        let path = beside(database, ".lock");
        let unavailable =
            |error: std::io::Error| StoreError::Unavailable(format!("{}: {error}", path.display()));
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(unavailable)?;
        match file.try_lock() {
            Ok(()) => Ok(DatabaseLock { file }),
            Err(std::fs::TryLockError::WouldBlock) => Err(StoreError::InUse(format!(
                "another process has {} open (it holds the lock on {})",
                database.display(),
                path.display()
            ))),
            Err(std::fs::TryLockError::Error(error)) => Err(unavailable(error)),
        }
    }

    /// Whether the database had its tables when this lock was last held. A database that is empty now was not.
    pub(crate) fn is_ready(&mut self) -> Result<bool, StoreError> {
        let mut text = Vec::new();
        let read = self
            .file
            .seek(SeekFrom::Start(0))
            .and_then(|_| (&self.file).take(64).read_to_end(&mut text));
        read.map_err(|error| StoreError::Unavailable(format!("the lock file: {error}")))?;
        Ok(text == READY)
    }

    /// Notes that the database has its tables.
    pub(crate) fn set_ready(&mut self) -> Result<(), StoreError> {
        let write = self
            .file
            .seek(SeekFrom::Start(0))
            .and_then(|_| self.file.write_all(READY));
        write
            .and_then(|()| self.file.sync_all())
            .map_err(|error| StoreError::Unavailable(format!("the lock file: {error}")))
    }
}
