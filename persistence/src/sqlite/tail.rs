//! The tail of the log: what was appended last, in a file of our own, before it goes into the table.
//!
//! A commit of SQLite writes the page of each index that a row touches, so in many rooms each edit writes pages of its own, and
//! the locks around it and the thread that does it cost more than that. Here a whole group is one write to the end of a file, and
//! what thousands of them brought goes into the table in one transaction: the tail is folded. Until then a document that is
//! asked for makes whoever asks fold first, so nobody sees that there is a tail.
//!
//! There are two files, `-tail0` and `-tail1`, which take turns: one is written to while the other is folded. Each turn has a
//! number, the generation; the highest one that is in the table stands in `meta`, written by the transaction that folds. So
//! each generation is folded once, whenever the process ends, and what is left in a file of an earlier one is passed over.

mod fold;
mod half;

use std::collections::hash_map::RandomState;
use std::fs::{self, File};
use std::hash::BuildHasher;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::task::spawn_blocking;

pub(crate) use self::fold::{Sealed, fold, recover};
use self::half::Half;
pub(crate) use self::half::{Entry, Group};
use super::{beside, folder_of};
use crate::limits::{TAIL_BYTES_MAX, TAIL_WRITE_MS_MAX};
use crate::{DocId, StoreError};

/// Where a tail goes on: what `meta` says about it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// The highest generation that is in the table.
    pub(crate) folded: u64,
    /// What the groups of this database are marked with: nobody outside can write bytes that look like one.
    pub(crate) key: u64,
}

/// Appends to documents that are known. All that it holds is in memory as well, which is what is folded; nothing is
/// acknowledged before [`Tail::sync`] or a fold.
#[derive(Debug)]
pub(crate) struct Tail {
    key: u64,
    hasher: RandomState,
    state: Arc<Mutex<State>>,
    shared: Arc<Shared>,
    /// One sync at a time: whoever comes second finds his part done.
    syncs: Arc<Mutex<()>>,
}

#[derive(Debug)]
struct Shared {
    /// The generation that is written to, also in [`State`].
    current: AtomicU64,
    /// A sync is under way, or the last write took long: a write may have to wait now, and does so on a thread of its own.
    is_syncing: AtomicBool,
    is_slow: AtomicBool,
    /// A sync or a write failed when this was the current generation; 0 for none. The kernel may have taken for clean what never
    /// reached the disk, so nothing is vouched for before all has been folded, from memory.
    doubtful: AtomicU64,
}

impl Shared {
    /// To be called after the failure: what was begun meanwhile is in doubt as well.
    fn doubt(&self) {
        let current = self.current.load(Ordering::SeqCst);
        self.doubtful.fetch_max(current, Ordering::SeqCst);
    }
}

/// What is in the files. The current generation is at most two above the folded one.
#[derive(Debug)]
pub(crate) struct State {
    folded: u64,
    current: u64,
    halves: [Half; 2],
    is_closed: bool,
}

impl State {
    fn half(&mut self, generation: u64) -> &mut Half {
        &mut self.halves[(generation % 2) as usize]
    }

    /// Whether the file of the next generation is free.
    fn can_turn(&self) -> bool {
        self.current == self.folded + 1
    }

    fn turn(&mut self, shared: &Shared) {
        self.current += 1;
        shared.current.store(self.current, Ordering::SeqCst);
    }
}

/// Whether a group was taken.
#[derive(Debug)]
pub(crate) enum Taken {
    /// It is written.
    Written {
        /// The generation that it is the first of: that should be folded in a while, and the one before it now.
        began: Option<u64>,
    },
    /// It does not fit before what is there has been folded.
    AfterFold,
}

impl Tail {
    /// Of a database whose tail has been folded.
    pub(crate) fn new(database: &Path, place: Place) -> Tail {
        let half = |number| Half::new(path(database, number));
        let state = State {
            folded: place.folded,
            current: place.folded + 1,
            halves: [half(0), half(1)],
            is_closed: false,
        };
        Tail {
            key: place.key,
            hasher: RandomState::new(),
            state: Arc::new(Mutex::new(state)),
            shared: Arc::new(Shared {
                current: AtomicU64::new(place.folded + 1),
                is_syncing: AtomicBool::new(false),
                is_slow: AtomicBool::new(false),
                doubtful: AtomicU64::new(0),
            }),
            syncs: Arc::default(),
        }
    }

    /// The right to append. Whoever forgets a document and then folds has all that was appended to it before.
    pub(crate) async fn lock(&self) -> Result<OwnedMutexGuard<State>, StoreError> {
        let state = self.state.clone().lock_owned().await;
        match state.is_closed {
            true => Err(StoreError::Closed),
            false => Ok(state),
        }
    }

    /// Appends a group, all of it or nothing, and returns when it survives the end of the process.
    pub(crate) async fn append(
        &self,
        mut state: OwnedMutexGuard<State>,
        group: Group<'_>,
    ) -> Result<Taken, StoreError> {
        if self.is_doubtful() {
            return Ok(Taken::AfterFold);
        }
        let current = state.current;
        if state.half(current).bytes() + group.bytes() > TAIL_BYTES_MAX {
            if !state.can_turn() {
                return Ok(Taken::AfterFold);
            }
            state.turn(&self.shared);
        }
        let generation = state.current;
        let hashes = group.docs().iter().map(|doc| self.hasher.hash_one(doc));
        let half = state.half(generation);
        half.docs.extend(hashes);
        let began = (half.bytes() == 0).then_some(generation);
        let bytes = group.seal(self.key.wrapping_add(generation));
        self.write(state, bytes).await?;
        Ok(Taken::Written { began })
    }

    /// A write goes to the system's cache and takes microseconds, less than waking a thread does: it is made here, unless
    /// something says that it may have to wait.
    async fn write(&self, state: OwnedMutexGuard<State>, bytes: Vec<u8>) -> Result<(), StoreError> {
        let shared = self.shared.clone();
        let is_open = state.halves[(state.current % 2) as usize].is_open();
        let may_wait = shared.is_syncing.load(Ordering::SeqCst) || shared.is_slow.load(Ordering::SeqCst);
        // With the right to append, which it keeps until it is through even when nobody waits for it any more.
        let write = move || {
            let mut state = state;
            let started = Instant::now();
            let current = state.current;
            let written = state.half(current).write(&bytes);
            if written.is_err() {
                shared.doubt();
            }
            let is_slow = started.elapsed() > Duration::from_millis(TAIL_WRITE_MS_MAX);
            shared.is_slow.store(is_slow, Ordering::SeqCst);
            written
        };
        if is_open && !may_wait {
            return write();
        }
        spawn_blocking(write)
            .await
            .map_err(|error| StoreError::Unavailable(error.to_string()))?
    }

    /// Whether something of this document may be here and nowhere else.
    pub(crate) async fn holds(&self, doc: &DocId) -> bool {
        let hash = self.hasher.hash_one(doc);
        let state = self.state.lock().await;
        state.halves.iter().any(|half| half.docs.contains(&hash))
    }

    /// The generation that is written to, after whatever is being written now.
    pub(crate) async fn current(&self) -> u64 {
        self.state.lock().await.current
    }

    /// The next generation that is to be folded, up to this one; nothing is written to it any more.
    pub(crate) async fn seal(&self, last: u64) -> Option<Sealed> {
        let mut state = self.state.lock().await;
        let generation = state.folded + 1;
        let half = state.half(generation);
        if generation > last || half.bytes() == 0 {
            return None;
        }
        let sealed = Sealed {
            generation,
            mark: self.key.wrapping_add(generation),
            bytes: half.content(),
        };
        if generation == state.current {
            state.turn(&self.shared);
        }
        Some(sealed)
    }

    /// A generation is in the table and on the disk: its file is free.
    pub(crate) async fn folded(&self, generation: u64) {
        let mut state = self.state.lock().await;
        state.folded = generation;
        state.half(generation).rewind();
    }

    /// Everything up to this generation is in the table and on the disk.
    pub(crate) fn trust_up_to(&self, generation: u64) {
        let doubtful = self.shared.doubtful.load(Ordering::SeqCst);
        if doubtful <= generation {
            // Where another sync has failed meanwhile, that doubt stays.
            let _ = self
                .shared
                .doubtful
                .compare_exchange(doubtful, 0, Ordering::SeqCst, Ordering::SeqCst);
        }
    }

    /// Whether nothing is vouched for before all has been folded.
    pub(crate) fn is_doubtful(&self) -> bool {
        self.shared.doubtful.load(Ordering::SeqCst) > 0
    }

    /// Returns when all that was appended until now is on the disk.
    pub(crate) async fn sync(&self) -> Result<(), StoreError> {
        let turn = self.syncs.clone().lock_owned().await;
        let state = self.state.lock().await;
        if self.is_doubtful() {
            return Err(StoreError::Unavailable(
                "the log's tail could not be written or synced, and has not been folded yet".into(),
            ));
        }
        let unsynced = [state.folded + 1, state.folded + 2].map(|generation| {
            let half = &state.halves[(generation % 2) as usize];
            half.unsynced().map(|file| (generation, half.bytes(), file))
        });
        drop(state);
        if unsynced.iter().all(Option::is_none) {
            return Ok(());
        }
        let shared = self.shared.clone();
        shared.is_syncing.store(true, Ordering::SeqCst);
        let synced = spawn_blocking(move || {
            // Until it is through, also when nobody waits for it any more: an error is told once, and to whoever asks first.
            let _turn = turn;
            let synced = unsynced
                .iter()
                .flatten()
                .try_for_each(|(_, _, file)| file.sync_data());
            if synced.is_err() {
                shared.doubt();
            }
            shared.is_syncing.store(false, Ordering::SeqCst);
            synced.map(|()| unsynced)
        });
        let synced = synced
            .await
            .map_err(|error| StoreError::Unavailable(error.to_string()))?
            .map_err(|error| StoreError::Unavailable(format!("the log's tail: {error}")))?;
        let mut state = self.state.lock().await;
        for (generation, bytes, _) in synced.into_iter().flatten() {
            // What was folded meanwhile is on the disk, and its file may hold something else.
            if generation > state.folded {
                state.half(generation).synced = bytes;
            }
        }
        Ok(())
    }

    /// Refuses appends from now on.
    pub(crate) async fn refuse(&self) {
        self.state.lock().await.is_closed = true;
    }

    /// Deletes the files if nothing is in them: what is left is a database that stands for itself.
    pub(crate) async fn delete_empty(&self) {
        let mut state = self.state.lock().await;
        if state.halves.iter().all(|half| half.bytes() == 0) {
            for half in &mut state.halves {
                half.delete();
            }
        }
    }

    /// As if a sync had failed.
    #[cfg(test)]
    pub(crate) fn doubt(&self) {
        self.shared.doubt();
    }

    /// Puts a file that cannot be written to in the place of the current one.
    #[cfg(test)]
    pub(crate) async fn fail_writes(&self) {
        let mut state = self.state.lock().await;
        let current = state.current;
        state.half(current).fail_writes();
    }

    /// Whether all of it is on the disk.
    #[cfg(test)]
    pub(crate) async fn is_clean(&self) -> bool {
        let state = self.state.lock().await;
        state.halves.iter().all(|half| half.unsynced().is_none())
    }
}

/// The file of the generations that are even, or odd.
fn path(database: &Path, number: u64) -> PathBuf {
    beside(database, &format!("-tail{number}"))
}

/// Makes a file of a fixed size, so that a write never changes more than what it writes, and never meets a full disk.
fn create(path: &Path) -> io::Result<File> {
    let filled = || {
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(path)?;
        io::Write::write_all(&mut &file, &vec![0; TAIL_BYTES_MAX])?;
        file.sync_all()?;
        // The name, too, has to survive the loss of power. Not every system lets a folder be opened.
        if let Ok(folder) = File::open(folder_of(path)) {
            folder.sync_all()?;
        }
        Ok(file)
    };
    // The next try begins anew.
    filled().inspect_err(|_| remove(path))
}

fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(%error, path = %path.display(), "an empty tail of the log stays behind");
    }
}
