//! The write-ahead log's way to the disk, apart from the commits that write it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::Mutex;

use crate::StoreError;

/// Brings to the disk what the [`super::appender::Appender`] committed, many commits at a time.
#[derive(Clone, Debug)]
pub(crate) struct Wal {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    /// Commits that were begun, that were written, and that are known to be on the disk.
    begun: AtomicU64,
    written: AtomicU64,
    synced: AtomicU64,
    /// Syncs that were begun.
    syncs: AtomicU64,
    /// A sync failed. The kernel may have taken for clean what never reached the disk, so there may be a hole in the
    /// file: what is written behind it would be lost with the power, however often that is synced.
    is_doubtful: AtomicBool,
    turn: Mutex<Turn>,
}

#[derive(Debug, Default)]
struct Turn {
    /// Not before the first sync: SQLite makes it with the first write.
    file: Option<Arc<File>>,
    /// The last sync that succeeded, by its number.
    succeeded: u64,
}

impl Wal {
    /// Of a database that is open and has nothing in its write-ahead log, which is so after [`super::open::open`].
    pub(crate) fn of(database: &Path) -> Wal {
        let mut path = database.as_os_str().to_owned();
        path.push("-wal");
        Wal {
            shared: Arc::new(Shared {
                path: path.into(),
                begun: AtomicU64::new(0),
                written: AtomicU64::new(0),
                synced: AtomicU64::new(0),
                syncs: AtomicU64::new(0),
                is_doubtful: AtomicBool::new(false),
                turn: Mutex::default(),
            }),
        }
    }

    /// A commit that syncs nothing begins. There is one at a time.
    pub(crate) fn begin(&self) {
        self.shared.begun.fetch_add(1, Ordering::SeqCst);
    }

    /// It is written. One that fails is never heard of again: what it left is then looked at as if it had been.
    pub(crate) fn wrote(&self) {
        let begun = self.shared.begun.load(Ordering::SeqCst);
        self.shared.written.store(begun, Ordering::SeqCst);
    }

    /// As if a sync had failed.
    #[cfg(test)]
    pub(crate) fn doubt(&self) {
        self.shared.is_doubtful.store(true, Ordering::SeqCst);
    }

    /// Whether nothing may be written before [`Wal::trust_again`].
    pub(crate) fn is_doubtful(&self) -> bool {
        self.shared.is_doubtful.load(Ordering::SeqCst)
    }

    /// Whether everything is on the disk.
    pub(crate) fn is_clean(&self) -> bool {
        self.shared.begun.load(Ordering::SeqCst) == self.shared.synced.load(Ordering::SeqCst)
    }

    /// Returns when all that anybody can have read until now is on the disk. Callers who wait for the same sync share it.
    pub(crate) async fn sync(&self) -> Result<(), StoreError> {
        let shared = &self.shared;
        let begun_before = shared.syncs.load(Ordering::SeqCst);
        if self.is_clean() {
            return Ok(());
        }
        let mut turn = shared.turn.lock().await;
        if turn.succeeded > begun_before {
            return Ok(());
        }
        if self.is_doubtful() {
            return Err(StoreError::Unavailable(
                "a sync of the write-ahead log failed, and it has not been written anew yet".into(),
            ));
        }
        let number = shared.syncs.fetch_add(1, Ordering::SeqCst) + 1;
        let written = shared.written.load(Ordering::SeqCst);
        let file = turn.file.clone();
        let task = shared.clone();
        let file = tokio::task::spawn_blocking(move || task.sync_file(file))
            .await
            .map_err(|error| StoreError::Unavailable(error.to_string()))??;
        turn.file = Some(file);
        turn.succeeded = number;
        shared.synced.fetch_max(written, Ordering::SeqCst);
        Ok(())
    }

    /// All of it was copied into the database, which was synced, and the file was cut to nothing: brings that to the
    /// disk. What was written until now is safe from here on.
    pub(crate) async fn trust_again(&self) -> Result<(), StoreError> {
        let mut turn = self.shared.turn.lock().await;
        turn.file = None;
        let written = self.shared.written.load(Ordering::SeqCst);
        let task = self.shared.clone();
        tokio::task::spawn_blocking(move || match fs::exists(&task.path) {
            // Whoever closed it last deleted it.
            Ok(false) => Ok(()),
            Ok(true) | Err(_) => task.sync_file(None).map(drop),
        })
        .await
        .map_err(|error| StoreError::Unavailable(error.to_string()))??;
        self.shared.synced.fetch_max(written, Ordering::SeqCst);
        self.shared.is_doubtful.store(false, Ordering::SeqCst);
        Ok(())
    }
}

impl Shared {
    /// On a thread that may wait. Doubt is noted here: nobody may be waiting for the answer any more.
    fn sync_file(&self, file: Option<Arc<File>>) -> Result<Arc<File>, StoreError> {
        let synced = self.open(file).and_then(|file| {
            file.sync_data()?;
            Ok(file)
        });
        synced.map_err(|error| {
            self.is_doubtful.store(true, Ordering::SeqCst);
            StoreError::Unavailable(format!("{}: {error}", self.path.display()))
        })
    }

    fn open(&self, file: Option<Arc<File>>) -> io::Result<Arc<File>> {
        match file {
            Some(file) => Ok(file),
            None => Ok(Arc::new(File::open(&self.path)?)),
        }
    }
}
