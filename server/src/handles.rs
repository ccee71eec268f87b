//! Which rooms are awake: the one place where "is anybody about to use it" and "take it out" exclude each other.
//!
//! Nothing here knows what a room is. The tests compile this file once more over the locks of a model checker
//! (`tests/it/registry.rs`), which tries the orders in which threads can meet here.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::sync::{Arc, AtomicBool, Mutex, MutexGuard, Ordering, lock};

/// Parts of the map that are locked by themselves.
const SHARDS_COUNT: usize = 64;

/// Shared handles by key. A handle that somebody holds stays in; see [`Handles::retire`].
pub(crate) struct Handles<K, H> {
    shards: Vec<Mutex<BTreeMap<K, Arc<H>>>>,
    closed: AtomicBool,
}

/// Nothing new is taken in any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Closed;

impl<K: Clone + Ord + Hash, H> Handles<K, H> {
    pub(crate) fn new() -> Handles<K, H> {
        Handles {
            shards: (0..SHARDS_COUNT).map(|_| Mutex::new(BTreeMap::new())).collect(),
            closed: AtomicBool::new(false),
        }
    }

    /// Takes nothing new in from now on. Whatever [`Handles::for_each`] does not meet after this was never there.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    /// Whether [`Handles::close`] was called.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// The handle of a key, if there is one.
    pub(crate) fn get(&self, key: &K) -> Option<Arc<H>> {
        self.shard(key).get(key).cloned()
    }

    /// The handle of a key, or a new one. Of two that come first one makes it and both get it: `make` runs under the lock.
    ///
    /// # Errors
    /// [`Closed`], where there is none.
    pub(crate) fn get_or_insert(&self, key: &K, make: impl FnOnce() -> Arc<H>) -> Result<Arc<H>, Closed> {
        let mut shard = self.shard(key);
        if let Some(known) = shard.get(key) {
            return Ok(known.clone());
        }
        // Asked under the lock: whoever closes goes through the same locks afterwards, and would not find what is put in behind
        // its back.
        if self.is_closed() {
            return Err(Closed);
        }
        let made = make();
        shard.insert(key.clone(), made.clone());
        Ok(made)
    }

    /// Takes a handle out if nobody else holds it: handles are only cloned under the lock that this holds, so "nobody" cannot
    /// become "somebody" in between. `is_empty` tells whether it has anything left to do, asked under that lock. Returns whether
    /// it was taken out.
    pub(crate) fn retire(&self, key: &K, is_empty: impl FnOnce() -> bool) -> bool {
        let mut shard = self.shard(key);
        let may_go = shard
            .get(key)
            .is_some_and(|handle| Arc::strong_count(handle) == 1 && is_empty());
        may_go && shard.remove(key).is_some()
    }

    /// Takes a handle out if it is this one, whoever holds it. Returns whether it was taken out.
    pub(crate) fn remove(&self, key: &K, is_this: impl FnOnce(&H) -> bool) -> bool {
        let mut shard = self.shard(key);
        let is_known = shard.get(key).is_some_and(|handle| is_this(handle));
        is_known && shard.remove(key).is_some()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).len()).sum()
    }

    /// Looks at each, in the same order each time. Whoever is put in meanwhile may be left out.
    pub(crate) fn for_each(&self, mut look: impl FnMut(&H)) {
        for shard in &self.shards {
            lock(shard).values().for_each(|handle| look(handle));
        }
    }

    fn shard(&self, key: &K) -> MutexGuard<'_, BTreeMap<K, Arc<H>>> {
        // Of fixed keys: whoever makes all names meet in one part makes it a little slower, and a tree stays a tree.
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        lock(&self.shards[hasher.finish() as usize % SHARDS_COUNT])
    }
}
