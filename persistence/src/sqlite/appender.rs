//! The connection that appends to the table: a thread of its own, woken once for a whole transaction.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use tokio::sync::oneshot;

use super::open::pragmas;
use super::table::{self, Done, Framed};
use super::tail::{self, Sealed};
use crate::StoreError;
use crate::limits::BUSY_TIMEOUT_SECONDS;

/// The end of a connection that writes to the log, and nothing else. Dropping it lets the thread finish what it is at, and
/// then closes the connection.
///
/// sqlx's connections have a thread each too, but pass every statement and every answer through two queues: a
/// transaction is three ways there and back, and the waking costs more than the writing.
#[derive(Debug)]
pub(crate) struct Appender {
    jobs: SyncSender<Job>,
}

/// Jobs that wait for the thread. One more than that would be refused, as by a store that is away.
const JOBS_COUNT_MAX: usize = 1;

type Answer = oneshot::Sender<Result<Done, StoreError>>;

enum Job {
    Append {
        batches: Vec<Framed>,
        answer: Answer,
    },
    Fold {
        sealed: Sealed,
        answer: Answer,
    },
    /// The answer is dropped once the connection is closed.
    Close {
        _answer: oneshot::Sender<()>,
    },
    #[cfg(test)]
    Run {
        statement: &'static str,
        answer: oneshot::Sender<()>,
    },
}

impl Appender {
    /// Starts the thread. A database that cannot be opened is the answer to the first append.
    pub(crate) fn start(database: &Path) -> Result<Appender, StoreError> {
        // One job at a time: the turn sees to it.
        let (jobs, inbox) = sync_channel(JOBS_COUNT_MAX);
        let database = database.to_owned();
        thread::Builder::new()
            .name("sqlite-append".into())
            .spawn(move || run(database, inbox))
            .map_err(|error| StoreError::Unavailable(format!("no thread for the log: {error}")))?;
        Ok(Appender { jobs })
    }

    /// Appends to the table in one transaction, and returns when it is on the disk. After an error the connection is closed,
    /// which undoes whatever was open: the appender is of no more use.
    pub(crate) async fn append(&self, batches: Vec<Framed>) -> Result<Done, StoreError> {
        self.ask(|answer| Job::Append { batches, answer }).await
    }

    /// Puts a generation of the tail into the table, likewise.
    pub(crate) async fn fold(&self, sealed: Sealed) -> Result<(), StoreError> {
        self.ask(|answer| Job::Fold { sealed, answer }).await?;
        Ok(())
    }

    async fn ask(&self, job: impl FnOnce(Answer) -> Job) -> Result<Done, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.jobs
            .try_send(job(answer))
            .map_err(|error| StoreError::Unavailable(format!("the thread of the log: {error}")))?;
        answered
            .await
            .map_err(|_| StoreError::Unavailable("the thread of the log ended".into()))?
    }

    /// Waits until the connection is closed.
    pub(crate) async fn close(self) {
        let (_answer, closed) = oneshot::channel();
        if self.jobs.try_send(Job::Close { _answer }).is_ok() {
            // Nobody ever sends: what is waited for is the end of the other half.
            let _ = closed.await;
        }
    }

    /// Runs a statement on the connection.
    #[cfg(test)]
    pub(crate) async fn run(&self, statement: &'static str) {
        let (answer, answered) = oneshot::channel();
        let job = Job::Run { statement, answer };
        self.jobs.try_send(job).expect("the thread waits for work");
        answered.await.expect("the statement is right");
    }
}

fn run(database: PathBuf, inbox: Receiver<Job>) {
    let mut connection = match open(&database) {
        Ok(connection) => connection,
        Err(error) => {
            if let Ok(Job::Append { answer, .. } | Job::Fold { answer, .. }) = inbox.recv() {
                let _ = answer.send(Err(error.into()));
            }
            return;
        }
    };
    let end = serve(&mut connection, &inbox);
    // It may hold files open until here, and whoever waits for the end wants to delete or to copy them.
    drop(connection);
    match end {
        // Only now: the next try must not meet what this connection holds.
        End::Failed { answer, error } => drop(answer.send(Err(error))),
        End::Closed(answer) => drop(answer),
    }
}

/// Why a connection is closed.
enum End {
    Failed { answer: Answer, error: StoreError },
    Closed(Option<oneshot::Sender<()>>),
}

fn serve(connection: &mut Connection, inbox: &Receiver<Job>) -> End {
    for job in inbox {
        let (done, answer) = match job {
            Job::Append { batches, answer } => {
                let is_wanted = || !answer.is_closed();
                (table::append(connection, batches, is_wanted), answer)
            }
            Job::Fold { sealed, answer } => {
                (tail::fold(connection, &sealed).map(|()| Done::default()), answer)
            }
            Job::Close { _answer } => return End::Closed(Some(_answer)),
            #[cfg(test)]
            Job::Run { statement, answer } => {
                connection
                    .execute_batch(statement)
                    .expect("a statement of a test");
                let _ = answer.send(());
                continue;
            }
        };
        match done {
            // Nobody hears it when the caller was dropped.
            Ok(done) => drop(answer.send(Ok(done))),
            Err(error) => return End::Failed { answer, error },
        }
    }
    End::Closed(None)
}

/// Opens a connection that writes, with the settings of all of them.
pub(super) fn open(database: &Path) -> Result<Connection, rusqlite::Error> {
    // Never a new file: a database that has vanished is an error, not an empty log.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(database, flags)?;
    connection.busy_timeout(Duration::from_secs(BUSY_TIMEOUT_SECONDS))?;
    for (name, value) in pragmas() {
        connection.pragma_update(None, name, value)?;
    }
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use crate::SqliteStore;

    #[tokio::test]
    async fn the_settings_are_those_of_a_log() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let _store = SqliteStore::open(&path).await.unwrap();
        let connection = super::open(&path).unwrap();
        let setting = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        // 2 is FULL: a commit returns when it is on the disk.
        assert_eq!(setting("synchronous").unwrap(), 2);
        assert_eq!(setting("foreign_keys").unwrap(), 1);
        assert_eq!(setting("cell_size_check").unwrap(), 1);
        assert_eq!(setting("wal_autocheckpoint").unwrap(), 4_000);
        assert_eq!(setting("journal_size_limit").unwrap(), 64 * 1024 * 1024);
        assert_eq!(setting("cache_size").unwrap(), -512);
        let mode: String = connection
            .pragma_query_value(None, "journal_mode", |row| row.get(0))
            .unwrap();
        assert_eq!(mode, "wal");
    }

    #[test]
    fn a_database_that_vanished_is_not_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        assert!(super::open(&path).is_err());
        assert!(!path.exists());
    }
}
