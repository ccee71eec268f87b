//! What other nodes wrote, from the log itself: for while no bus carries it.
//!
//! One task for the node, in a store that several nodes share. Rooms watch their document for as long as they are awake.
//! The bus vouches for what was written before it was last seen to work; nothing of that is read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use roomtone_persistence::{
    DocId, Epoch, Follow, Followed, Generation, Listener, Store, Stored, Vouched, WatchId,
};
use tokio::task::AbortHandle;

use crate::bus::Bus;
use crate::bus::queue::{Queue, Taken};
use crate::limits::{
    BUS_INBOX_BYTES_MAX, BUS_INBOX_COUNT_MAX, BUS_TURN_BYTES_MAX, BUS_TURN_COUNT_MAX, FOLLOW_GRACE_MS,
};
use crate::metrics;

/// A cheap handle to the task.
#[derive(Clone)]
pub(crate) struct Follower {
    shared: Arc<Running>,
}

struct Running {
    follow: Arc<dyn Follow>,
    task: AbortHandle,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Follower {
    /// Follows a store that other processes write to; none where nobody else can.
    pub(crate) fn start(store: &dyn Store, bus: Option<Bus>) -> Option<Follower> {
        let follow = store.follow()?;
        let task = tokio::spawn(run(follow.clone(), bus)).abort_handle();
        Some(Follower {
            shared: Arc::new(Running { follow, task }),
        })
    }

    /// Watches a document. To be called before it is loaded.
    pub(crate) fn watch(&self, doc: &DocId) -> Watch {
        let inbox = Arc::new(Inbox {
            queue: Queue::new(BUS_INBOX_COUNT_MAX, BUS_INBOX_BYTES_MAX),
            is_deleted: AtomicBool::new(false),
        });
        let follow = self.shared.follow.clone();
        let id = follow.watch(doc, inbox.clone());
        Watch {
            follow,
            doc: doc.clone(),
            id,
            inbox,
        }
    }
}

/// A room's end of the follower. Dropping it ends the watch.
pub(crate) struct Watch {
    follow: Arc<dyn Follow>,
    doc: DocId,
    id: WatchId,
    inbox: Arc<Inbox>,
}

struct Inbox {
    queue: Queue<Followed>,
    /// Beside the queue, which may be full.
    is_deleted: AtomicBool,
}

/// What a room takes at once.
pub(crate) struct News {
    /// In order.
    pub(crate) followed: Vec<Followed>,
    /// Something did not fit: the document is to be read anew.
    pub(crate) has_gap: bool,
    /// The document was deleted.
    pub(crate) is_deleted: bool,
}

impl Watch {
    /// Says what was loaded.
    pub(crate) fn loaded(&self, epoch: Epoch, generation: Generation) {
        self.follow.loaded(&self.doc, self.id, epoch, generation);
    }

    /// Asks whether the document was deleted: somebody speaks of a later epoch.
    pub(crate) fn check(&self) {
        self.follow.check(&self.doc);
    }

    /// Asks for all that is stored.
    pub(crate) fn reload(&self) {
        metrics::follow_reload();
        self.follow.reload(&self.doc);
    }

    /// Waits for something new. Loses nothing when it is dropped while it waits.
    pub(crate) async fn recv(&self) -> News {
        let taken = self.inbox.queue.take(BUS_TURN_COUNT_MAX, BUS_TURN_BYTES_MAX);
        self.news(taken.await)
    }

    /// As [`Watch::recv`], without waiting.
    pub(crate) fn try_recv(&self) -> Option<News> {
        let taken = self
            .inbox
            .queue
            .try_take(BUS_TURN_COUNT_MAX, BUS_TURN_BYTES_MAX)?;
        Some(self.news(taken))
    }

    fn news(&self, taken: Taken<Followed>) -> News {
        News {
            followed: taken.items,
            has_gap: taken.has_gap,
            is_deleted: self.inbox.is_deleted.load(Ordering::Acquire),
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.follow.forget(&self.doc, self.id);
    }
}

impl Listener for Inbox {
    fn tell(&self, followed: Followed) {
        let bytes = match &followed {
            Followed::Row(_, row) => row.records.iter().map(|record| record.update.len()).sum(),
            Followed::Whole(stored) => bytes_of(stored),
            Followed::Deleted => {
                self.is_deleted.store(true, Ordering::Release);
                return self.queue.note_gap();
            }
        };
        metrics::followed();
        self.queue.push(followed, bytes);
    }
}

fn bytes_of(stored: &Stored) -> usize {
    stored.updates().map(|update| update.len()).sum()
}

async fn run(follow: Arc<dyn Follow>, bus: Option<Bus>) {
    let grace = Duration::from_millis(FOLLOW_GRACE_MS);
    let vouched = || bus.as_ref()?.vouched()?.checked_sub(grace);
    let vouched: Vouched<'_> = &vouched;
    let mut is_away = false;
    loop {
        match follow.next(vouched).await {
            Ok(()) => {
                if std::mem::replace(&mut is_away, false) {
                    tracing::info!("the log of other nodes is followed again");
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut is_away, true) {
                    tracing::warn!(%error, "the log of other nodes cannot be followed; it is tried again");
                }
            }
        }
        metrics::follow_connected(!is_away);
    }
}
