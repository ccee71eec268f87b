//! What other nodes write, read from the log itself: for when there is no other way to hear of it.
//!
//! One connection listens and looks. It looks twice a second for ids of rows that other runs wrote, which costs next to
//! nothing, and reads the rows that nobody else vouches for. What is announced is read at once: a node announces its
//! appends while nothing else carries them. That this connection answers is what shows that announcements are heard; when it
//! is made anew, everything since some time before is looked at again.

mod horizon;
mod look;
mod sql;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use sqlx::postgres::{PgConnectOptions, PgListener, PgNotification, PgPoolOptions};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use uuid::Uuid;

use self::look::{Look, Looker};
use super::append::Appender;
use super::connections::{configure, pause};
use crate::blobs::Snapshots;
use crate::follow::{Follow, Followed, Listener, Vouched, WatchId};
use crate::limits::{FOLLOW_LOOK_SECONDS, FOLLOW_PACE_MS, FOLLOW_POLL_MS, POSTGRES_CONNECT_SECONDS};
use crate::record::{Epoch, Generation};
use crate::{DocId, StoreError};

/// The channel on which appends are announced, as `DOCUMENT:ROW:BYTES:RUN`; compactions and deletions with row 0.
pub(crate) const CHANNEL: &str = "roomtone_log";

/// Follows the log of the documents that are watched.
pub(crate) struct Follower {
    shared: Shared,
    options: PgConnectOptions,
    appender: Arc<Appender>,
    snapshots: Snapshots,
    task: tokio::sync::Mutex<Task>,
}

/// What those who watch change.
pub(crate) struct Shared {
    watched: Mutex<BTreeMap<DocId, Watched>>,
    next_watch: AtomicU64,
    /// [`Horizon::settled`] of the last look.
    settled: AtomicI64,
    wake: Notify,
}

pub(crate) struct Watched {
    watch: WatchId,
    listener: Arc<dyn Listener>,
    /// What was loaded; none before that.
    base: Option<Base>,
    /// Rows up to here were looked at, or are in what was loaded.
    settled: i64,
    wants: Wants,
    /// A row above this one has left the log before it was read.
    gone_after: Option<i64>,
    /// Since when a compaction is known of which others may have told all that it merged.
    moved: Option<Instant>,
}

#[derive(Clone, Copy)]
pub(crate) struct Base {
    epoch: Epoch,
    generation: Generation,
}

/// What somebody has asked for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wants {
    Nothing,
    Check,
    Reload,
}

/// What only the task that follows uses.
#[derive(Default)]
struct Task {
    listener: Option<PgListener>,
    looker: Option<Looker>,
    failures: u32,
    poll_at: Option<Instant>,
    looked: Option<Instant>,
}

/// A row that another run wrote, as it is announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Announced {
    document_id: i64,
    /// 0: the document was compacted or deleted.
    row: i64,
    bytes: usize,
}

impl Follower {
    pub(crate) fn new(options: PgConnectOptions, appender: Arc<Appender>, snapshots: Snapshots) -> Follower {
        Follower {
            shared: Shared {
                watched: Mutex::default(),
                next_watch: AtomicU64::new(1),
                settled: AtomicI64::new(0),
                wake: Notify::new(),
            },
            options,
            appender,
            snapshots,
            task: tokio::sync::Mutex::default(),
        }
    }

    fn want(&self, doc: &DocId, wants: Wants) {
        if let Some(watched) = self.shared.lock().get_mut(doc) {
            watched.wants = watched.wants.max(wants);
        }
        self.shared.wake.notify_one();
    }

    async fn step(&self, task: &mut Task, vouched: Vouched<'_>) -> Result<(), StoreError> {
        let run = self.appender.run;
        let is_new = task.listener.is_none();
        if is_new {
            if task.failures > 0 {
                sleep(pause(task.failures - 1)).await;
            }
            task.listener = Some(listen(&self.options).await?);
        }
        let Some(listener) = &mut task.listener else {
            return Ok(());
        };
        let mut announced = Vec::new();
        let mut is_asked = is_new;
        if !is_new && let Some(poll_at) = task.poll_at {
            tokio::select! {
                () = sleep_until(poll_at) => {}
                () = self.shared.wake.notified() => is_asked = true,
                heard = listener.try_recv() => match heard {
                    Ok(Some(heard)) => announced.extend(Announced::read(&heard, run)),
                    Ok(None) => return Err(StoreError::Unavailable("the connection was closed".into())),
                    Err(error) => return Err(error.into()),
                },
            }
            // What is announced in a burst is read at once.
            if let Some(looked) = task.looked {
                sleep_until(looked + Duration::from_millis(FOLLOW_PACE_MS)).await;
            }
        }
        while let Some(heard) = listener.next_buffered() {
            announced.extend(Announced::read(&heard, run));
        }
        let now = Instant::now();
        let polls = is_new || task.poll_at.is_none_or(|poll_at| now >= poll_at);
        if !polls && !is_asked && announced.is_empty() {
            // It was this node's own.
            return Ok(());
        }
        if polls {
            task.poll_at = Some(now + Duration::from_millis(FOLLOW_POLL_MS));
        }
        let looker = task
            .looker
            .get_or_insert_with(|| Looker::new(run, self.snapshots.clone()));
        let vouched = vouched();
        let announces = vouched.is_none();
        let announced_before = self.appender.announces.swap(announces, Ordering::SeqCst);
        let look = looker.look(
            &self.shared,
            listener,
            Look {
                announced,
                is_new,
                polls,
                vouched,
                begins_to_announce: announces && !announced_before,
                // Behind the switch: whoever begins from now on announces by itself.
                has_silent: self.appender.has_silent(),
            },
        );
        let looked = timeout(Duration::from_secs(FOLLOW_LOOK_SECONDS), look).await;
        looked.unwrap_or_else(|_| {
            Err(StoreError::Unavailable(format!(
                "PostgreSQL did not answer within {FOLLOW_LOOK_SECONDS} s"
            )))
        })?;
        task.looked = Some(Instant::now());
        task.failures = 0;
        Ok(())
    }
}

#[async_trait]
impl Follow for Follower {
    fn watch(&self, doc: &DocId, listener: Arc<dyn Listener>) -> WatchId {
        let watch = WatchId(self.shared.next_watch.fetch_add(1, Ordering::Relaxed));
        let watched = Watched {
            watch,
            listener,
            base: None,
            settled: self.shared.settled.load(Ordering::Acquire),
            wants: Wants::Nothing,
            gone_after: None,
            moved: None,
        };
        self.shared.lock().insert(doc.clone(), watched);
        watch
    }

    fn loaded(&self, doc: &DocId, watch: WatchId, epoch: Epoch, generation: Generation) {
        if let Some(watched) = self.shared.lock().get_mut(doc)
            && watched.watch == watch
        {
            watched.base = Some(Base { epoch, generation });
        }
    }

    fn forget(&self, doc: &DocId, watch: WatchId) {
        let mut watched = self.shared.lock();
        if watched.get(doc).is_some_and(|watched| watched.watch == watch) {
            watched.remove(doc);
        }
    }

    fn check(&self, doc: &DocId) {
        self.want(doc, Wants::Check);
    }

    fn reload(&self, doc: &DocId) {
        self.want(doc, Wants::Reload);
    }

    async fn next(&self, vouched: Vouched<'_>) -> Result<(), StoreError> {
        let mut task = self.task.lock().await;
        let done = self.step(&mut task, vouched).await;
        if done.is_err() {
            // It is not known what state it is in.
            task.listener = None;
            task.failures = task.failures.saturating_add(1);
        }
        done
    }
}

impl Shared {
    pub(crate) fn lock(&self) -> MutexGuard<'_, BTreeMap<DocId, Watched>> {
        // Nothing in here can panic half-way.
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Of these documents, those that are watched.
    fn watches<'a>(&self, docs: impl Iterator<Item = &'a DocId>) -> BTreeSet<DocId> {
        let watched = self.lock();
        docs.filter(|doc| watched.contains_key(*doc)).cloned().collect()
    }

    /// Tells whoever watches a document.
    fn tell(&self, doc: &DocId, followed: impl IntoIterator<Item = Followed>) {
        let listener = self.lock().get(doc).map(|watched| watched.listener.clone());
        if let Some(listener) = listener {
            followed.into_iter().for_each(|one| listener.tell(one));
        }
    }
}

impl Announced {
    /// None for what this run announced itself, and for what is no announcement. A compaction of its own may have merged
    /// what it does not have yet.
    fn read(heard: &PgNotification, run: Uuid) -> Option<Announced> {
        Announced::parse(heard.payload(), run)
    }

    fn parse(payload: &str, run: Uuid) -> Option<Announced> {
        let mut parts = payload.split(':');
        let mut number = || parts.next()?.parse::<i64>().ok();
        let (document_id, row, bytes) = (number()?, number()?, number()?);
        let is_own = parts.next()?.parse() == Ok(run);
        (!is_own || row == 0).then_some(Announced {
            document_id,
            row,
            bytes: usize::try_from(bytes).unwrap_or(0),
        })
    }
}

/// A connection that hears announcements.
async fn listen(options: &PgConnectOptions) -> Result<PgListener, StoreError> {
    let patience = Duration::from_secs(POSTGRES_CONNECT_SECONDS);
    // In a pool of its own, because the listener wants one. It is never used for a second connection.
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(patience)
        .idle_timeout(None)
        .max_lifetime(None)
        .after_connect(|connection, _| {
            Box::pin(async move {
                configure(connection)
                    .await
                    .map(drop)
                    .map_err(|error| sqlx::Error::Configuration(Box::new(error)))
            })
        })
        .connect_with(options.clone())
        .await?;
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.eager_reconnect(false);
    let listens = timeout(patience, listener.listen(CHANNEL)).await;
    listens.map_err(|_| StoreError::Unavailable("PostgreSQL does not answer".into()))??;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn announcements_are_read_and_ones_own_rows_left_out() {
        let run = Uuid::from_u128(7);
        let other = Uuid::from_u128(8);
        let announced = |row| {
            Some(Announced {
                document_id: 5,
                row,
                bytes: 100,
            })
        };
        assert_eq!(Announced::parse(&format!("5:6:100:{other}"), run), announced(6));
        assert_eq!(Announced::parse(&format!("5:6:100:{run}"), run), None);
        assert_eq!(Announced::parse(&format!("5:0:100:{run}"), run), announced(0));
        assert_eq!(Announced::parse("5:0:100:", run), announced(0));
        for nonsense in ["", "5", "5:6", "5:6:7", "x:6:7:8", ":::"] {
            assert_eq!(Announced::parse(nonsense, run), None, "{nonsense}");
        }
    }
}
