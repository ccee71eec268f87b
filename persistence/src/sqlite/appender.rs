//! The connection that appends: a thread of its own, woken once for a whole group.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Statement};
use tokio::sync::oneshot;

use super::append::LogRow;
use super::open::{Commits, pragmas};
use super::wal::Wal;
use crate::StoreError;
use crate::limits::BUSY_TIMEOUT_SECONDS;

/// The end of a connection that writes rows of documents that are known, and nothing else. Dropping it lets the thread
/// finish what it is at, and then closes the connection.
///
/// sqlx's connections have a thread each too, but pass every statement and every answer through two queues: a
/// transaction is three ways there and back, and the waking costs more than the writing.
#[derive(Debug)]
pub(crate) struct Appender {
    jobs: SyncSender<Job>,
}

enum Job {
    Append {
        rows: Vec<LogRow>,
        answer: oneshot::Sender<Result<(), StoreError>>,
    },
    /// The answer is dropped once the connection is closed.
    Close { _answer: oneshot::Sender<()> },
    #[cfg(test)]
    Run(&'static str),
}

impl Appender {
    /// Starts the thread. A database that cannot be opened is the answer to the first append.
    pub(crate) fn start(database: &Path, wal: Wal) -> Result<Appender, StoreError> {
        // One append at a time: the turn sees to it. The other place is for the word to close.
        let (jobs, inbox) = sync_channel(2);
        let database = database.to_owned();
        thread::Builder::new()
            .name("sqlite-append".into())
            .spawn(move || run(database, wal, inbox))
            .map_err(|error| StoreError::Unavailable(format!("no thread for the log: {error}")))?;
        Ok(Appender { jobs })
    }

    /// Writes rows in one transaction, and returns when it is written: [`Wal::sync`] brings it to the disk. After an error the connection is closed,
    /// which undoes whatever was open: the appender is of no more use.
    pub(crate) async fn append(&self, rows: Vec<LogRow>) -> Result<(), StoreError> {
        let (answer, answered) = oneshot::channel();
        self.jobs
            .try_send(Job::Append { rows, answer })
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
    pub(crate) fn run(&self, statement: &'static str) {
        self.jobs.try_send(Job::Run(statement)).unwrap();
    }
}

fn run(database: PathBuf, wal: Wal, inbox: Receiver<Job>) {
    let connection = match open(&database) {
        Ok(connection) => connection,
        Err(error) => {
            if let Ok(Job::Append { answer, .. }) = inbox.recv() {
                let _ = answer.send(Err(error.into()));
            }
            return;
        }
    };
    let end = serve(&connection, &wal, &inbox);
    // It may hold files open until here, and whoever waits for the end wants to delete or to copy them.
    drop(connection);
    match end {
        // Only now: the next try must not meet what this connection holds.
        End::Failed { answer, error } => drop(answer.send(Err(error.into()))),
        End::Closed(answer) => drop(answer),
    }
}

/// Why a connection is closed.
enum End {
    Failed {
        answer: oneshot::Sender<Result<(), StoreError>>,
        error: rusqlite::Error,
    },
    Closed(Option<oneshot::Sender<()>>),
}

fn serve(connection: &Connection, wal: &Wal, inbox: &Receiver<Job>) -> End {
    let mut statements = None;
    for job in inbox {
        match job {
            Job::Append { rows, answer } => {
                wal.begin();
                match append(connection, &mut statements, &rows) {
                    // Nobody hears it when the caller was dropped; the rows are stored all the same.
                    Ok(()) => {
                        wal.wrote();
                        drop(answer.send(Ok(())));
                    }
                    Err(error) => return End::Failed { answer, error },
                }
            }
            Job::Close { _answer } => return End::Closed(Some(_answer)),
            #[cfg(test)]
            Job::Run(statement) => connection.execute_batch(statement).unwrap(),
        }
    }
    End::Closed(None)
}

fn open(database: &Path) -> Result<Connection, rusqlite::Error> {
    // Never a new file: a database that has vanished is an error, not an empty log.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(database, flags)?;
    connection.busy_timeout(Duration::from_secs(BUSY_TIMEOUT_SECONDS))?;
    for (name, value) in pragmas(Commits::Write) {
        connection.pragma_update(None, name, value)?;
    }
    Ok(connection)
}

/// The statements of a transaction, each prepared once.
struct Statements<'a> {
    begin: Statement<'a>,
    insert: Statement<'a>,
    commit: Statement<'a>,
}

impl<'a> Statements<'a> {
    fn prepare(connection: &'a Connection) -> Result<Statements<'a>, rusqlite::Error> {
        Ok(Statements {
            begin: connection.prepare("BEGIN IMMEDIATE")?,
            insert: connection
                .prepare("INSERT INTO log (document_id, epoch, crc32, records) VALUES (?1, ?2, ?3, ?4)")?,
            commit: connection.prepare("COMMIT")?,
        })
    }

    fn insert(&mut self, row: &LogRow) -> Result<(), rusqlite::Error> {
        self.insert
            .execute((row.document_id, row.epoch, row.crc32, row.records.as_slice()))?;
        Ok(())
    }
}

fn append<'a>(
    connection: &'a Connection,
    statements: &mut Option<Statements<'a>>,
    rows: &[LogRow],
) -> Result<(), rusqlite::Error> {
    let statements = match statements {
        Some(statements) => statements,
        None => statements.insert(Statements::prepare(connection)?),
    };
    if let [row] = rows {
        // A statement is a transaction by itself.
        return statements.insert(row);
    }
    statements.begin.execute(())?;
    for row in rows {
        statements.insert(row)?;
    }
    statements.commit.execute(())?;
    Ok(())
}
