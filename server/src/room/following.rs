//! What a room reads from the log of other nodes, while nothing else tells it.

use std::future::pending;

use roomtone_persistence::{Followed, Stored};
use tokio::time::{Duration, Instant};

use super::Room;
use super::foreign::checked;
use crate::close::Close;
use crate::follower::{News, Watch};
use crate::limits::FOLLOW_PAST_MS;

/// A room's side of the follower.
pub(super) struct Following {
    watch: Watch,
    /// When to read the whole document, should the past of something still be missing then.
    reload_due: Option<Instant>,
}

impl Following {
    pub(super) fn new(watch: Watch) -> Following {
        Following {
            watch,
            reload_due: None,
        }
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.reload_due
    }

    /// Something came whose past is not here. It is usually on its way.
    pub(super) fn lacks_past(&mut self) {
        self.reload_due
            .get_or_insert_with(|| Instant::now() + Duration::from_millis(FOLLOW_PAST_MS));
    }

    /// Something was given up here that the log has.
    pub(super) fn reload(&self) {
        self.watch.reload();
    }

    /// Another node speaks of a later epoch.
    pub(super) fn check(&self) {
        self.watch.check();
    }
}

/// What is read from the log. For ever nothing where nobody else writes.
pub(super) async fn told(following: &Option<Box<Following>>) -> News {
    match following {
        // Boxed: a room alone would keep the space for it.
        Some(following) => Box::pin(following.watch.recv()).await,
        None => pending().await,
    }
}

impl Room {
    /// Takes what was read from the log and waits.
    ///
    /// # Errors
    /// As [`Room::take_followed`].
    pub(super) fn take_waiting_followed(&mut self) -> Result<(), Close> {
        let following = self.awake.following.as_ref();
        match following.and_then(|following| following.watch.try_recv()) {
            Some(news) => self.take_followed(news),
            None => Ok(()),
        }
    }

    /// Takes what was read from the log, as one turn. Never awaits.
    ///
    /// # Errors
    /// The document was deleted: nobody may come back with the old copy.
    pub(super) fn take_followed(&mut self, news: News) -> Result<(), Close> {
        if news.is_deleted {
            return Err(Close::StaleEpoch);
        }
        if let (true, Some(following)) = (news.has_gap, &self.awake.following) {
            following.reload();
        }
        let mut updates = Vec::new();
        for followed in news.followed {
            match followed {
                // Told before the document was loaded: it is of the one that was there before.
                Followed::Row(epoch, _) if epoch != self.awake.log.epoch() => {}
                Followed::Row(_, row) => {
                    let records = row.records.into_iter();
                    updates.extend(records.filter_map(|record| checked(record.update, true)));
                }
                Followed::Whole(stored) => updates.extend(self.updates_of(&stored)),
                // Told beside the queue.
                Followed::Deleted => {}
            }
        }
        self.integrate_foreign(updates);
        self.pace_awareness();
        Ok(())
    }

    fn updates_of<'a>(&self, stored: &'a Stored) -> impl Iterator<Item = super::foreign::Foreign> + use<'a> {
        for damage in &stored.damage {
            tracing::error!(doc = %self.doc_id, %damage, "stored data is damaged; the rest is served");
        }
        stored
            .updates()
            .filter_map(|update| checked(update.clone(), true))
    }

    /// The past of something may still be missing.
    pub(super) fn keep_following_promises(&mut self, now: Instant) {
        let author = self.awake.others;
        let Some(following) = &mut self.awake.following else {
            return;
        };
        if following.reload_due.is_some_and(|due| now >= due) {
            following.reload_due = None;
            if self.awake.doc.pending_bytes_of(author) > 0 {
                following.reload();
            }
        }
    }
}
