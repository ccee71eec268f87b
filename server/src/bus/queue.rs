//! A queue that is bounded in items and in bytes, never makes its sender wait, and remembers that something did not fit.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// What waits for one reader.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    count_max: usize,
    bytes_max: usize,
    state: Mutex<State<T>>,
    ready: Notify,
}

#[derive(Debug)]
struct State<T> {
    items: VecDeque<(T, usize)>,
    bytes: usize,
    has_gap: bool,
}

/// What a reader takes at once.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Taken<T> {
    /// In order.
    pub(crate) items: Vec<T>,
    /// Something was lost since the last time: here, or on the way here.
    pub(crate) has_gap: bool,
}

impl<T> Queue<T> {
    pub(crate) fn new(count_max: usize, bytes_max: usize) -> Queue<T> {
        Queue {
            count_max,
            bytes_max,
            state: Mutex::new(State {
                items: VecDeque::new(),
                bytes: 0,
                has_gap: false,
            }),
            ready: Notify::new(),
        }
    }

    /// Queues an item, or loses it when there is no space: then the reader is told of a gap. An empty queue takes an item
    /// of any size. Returns whether it fitted.
    pub(crate) fn push(&self, item: T, bytes: usize) -> bool {
        self.extend([(item, bytes)]) == 1
    }

    /// As [`Queue::push`], of several with the bytes of each: the reader finds them together. Returns how many fitted.
    pub(crate) fn extend(&self, items: impl IntoIterator<Item = (T, usize)>) -> usize {
        let mut state = self.lock();
        let before = state.items.len();
        for (item, bytes) in items {
            let fits = state.items.is_empty()
                || (state.items.len() < self.count_max
                    && state.bytes.saturating_add(bytes) <= self.bytes_max);
            if fits {
                state.bytes += bytes;
                state.items.push_back((item, bytes));
            } else {
                state.has_gap = true;
            }
        }
        let taken = state.items.len() - before;
        let has_news = taken > 0 || state.has_gap;
        drop(state);
        if has_news {
            self.ready.notify_one();
        }
        taken
    }

    /// Something was lost on the way here.
    pub(crate) fn note_gap(&self) {
        self.lock().has_gap = true;
        self.ready.notify_one();
    }

    /// Waits until there is something, and takes up to `count` items that together stay within `bytes`, but at least one.
    /// Loses nothing when it is dropped while it waits. There is one reader.
    pub(crate) async fn take(&self, count: usize, bytes: usize) -> Taken<T> {
        loop {
            if let Some(taken) = self.try_take(count, bytes) {
                return taken;
            }
            self.ready.notified().await;
        }
    }

    /// As [`Queue::take`]; none when nothing is there.
    pub(crate) fn try_take(&self, count: usize, bytes: usize) -> Option<Taken<T>> {
        let mut state = self.lock();
        if state.items.is_empty() && !state.has_gap {
            return None;
        }
        let mut taken = Taken {
            items: Vec::with_capacity(count.min(state.items.len())),
            has_gap: std::mem::take(&mut state.has_gap),
        };
        let mut taken_bytes: usize = 0;
        while taken.items.len() < count {
            let fits = |(_, size): &mut (T, usize)| {
                taken.items.is_empty() || taken_bytes.saturating_add(*size) <= bytes
            };
            let Some((item, size)) = state.items.pop_front_if(fits) else {
                break;
            };
            taken_bytes = taken_bytes.saturating_add(size);
            state.bytes -= size;
            taken.items.push(item);
        }
        Some(taken)
    }

    /// Bytes that wait.
    pub(crate) fn bytes(&self) -> usize {
        self.lock().bytes
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // Nothing in here can panic half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(items: &[u8], has_gap: bool) -> Option<Taken<u8>> {
        Some(Taken {
            items: items.to_vec(),
            has_gap,
        })
    }

    #[test]
    fn what_does_not_fit_is_a_gap_and_what_was_there_stays() {
        let queue = Queue::new(3, 10);
        assert_eq!(queue.try_take(9, 100), None);
        assert!(queue.push(1, 4) && queue.push(2, 6));
        assert!(!queue.push(3, 1), "the bytes are full");
        assert_eq!((queue.bytes(), queue.try_take(1, 100)), (10, taken(&[1], true)));
        assert!(queue.push(4, 0) && queue.push(5, 0));
        assert!(!queue.push(6, 0), "the count is full");
        assert_eq!(queue.try_take(9, 100), taken(&[2, 4, 5], true));
        assert_eq!((queue.bytes(), queue.try_take(9, 100)), (0, None));
        queue.note_gap();
        assert_eq!(queue.try_take(9, 100), taken(&[], true));
        assert_eq!(queue.extend([(1, 1), (2, 1), (3, 9), (4, 1), (5, 0)]), 3);
        assert_eq!(queue.try_take(9, 100), taken(&[1, 2, 4], true));
        assert_eq!((queue.extend([]), queue.try_take(9, 100)), (0, None));
    }

    #[test]
    fn an_empty_queue_takes_any_size_and_a_reader_at_least_one() {
        let queue = Queue::new(3, 10);
        assert!(queue.push(1, 1_000) && !queue.push(2, 1));
        assert_eq!(queue.try_take(9, 10), taken(&[1], true));
        assert!(queue.push(3, 6) && queue.push(4, 4));
        assert_eq!(queue.try_take(9, 9), taken(&[3], false));
        assert_eq!(queue.try_take(9, 9), taken(&[4], false));
    }

    #[tokio::test]
    async fn a_reader_that_gave_up_loses_nothing() {
        let queue = Queue::new(3, 10);
        {
            let mut waiting = std::pin::pin!(queue.take(1, 10));
            assert!(futures_util::poll!(waiting.as_mut()).is_pending());
            queue.push(1, 1);
        }
        assert_eq!(queue.take(1, 10).await.items, [1]);
    }
}
