//! The time of day that all nodes of a cluster agree on: that of the store they share.
//!
//! A node whose own clock is an hour off would turn away tokens that are good, and let in those that have ended. Between two
//! questions to the store the time goes on by the monotonic clock, which nobody sets.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime};

use roomtone_persistence::{Store, StoreError};

use crate::limits::{CLOCK_ANSWER_MS_MAX, CLOCK_ASK_MS, CLOCK_OFF_MS_MAX};

/// A handle to the time of day. As long as no store has told another, it is this machine's.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    anchor: Arc<RwLock<Option<Anchor>>>,
}

#[derive(Clone, Copy, Debug)]
struct Anchor {
    at: Instant,
    time: SystemTime,
}

impl Clock {
    /// The time of day.
    pub fn now(&self) -> SystemTime {
        let anchor = *self.anchor.read().unwrap_or_else(PoisonError::into_inner);
        anchor
            // What no clock can hold is as good as a clock that nobody told anything.
            .and_then(|anchor| anchor.time.checked_add(anchor.at.elapsed()))
            .unwrap_or_else(SystemTime::now)
    }

    /// From here on the time is what somebody else's clock showed at a moment.
    pub fn set(&self, at: Instant, time: SystemTime) {
        *self.anchor.write().unwrap_or_else(PoisonError::into_inner) = Some(Anchor { at, time });
    }

    /// Asks the store once. False when it need not be asked again: it has no clock of its own, or is closed.
    pub async fn ask(&self, store: &dyn Store) -> bool {
        let asked = Instant::now();
        match store.now().await {
            Ok(Some(time)) => {
                let under_way = asked.elapsed();
                if under_way <= Duration::from_millis(CLOCK_ANSWER_MS_MAX) {
                    self.set(asked + under_way / 2, time);
                }
                true
            }
            Ok(None) | Err(StoreError::Closed) => false,
            // It is away: the time goes on by itself.
            Err(_) => true,
        }
    }

    /// Goes on asking, and says so when this machine's clock is wrong.
    pub async fn keep(self, store: Arc<dyn Store>) {
        let mut is_off = false;
        while self.ask(&*store).await {
            let (ours, theirs) = (SystemTime::now(), self.now());
            let (off, which) = match ours.duration_since(theirs) {
                Ok(ahead) => (ahead, "ahead of"),
                Err(behind) => (behind.duration(), "behind"),
            };
            let was_off = std::mem::replace(&mut is_off, off > Duration::from_millis(CLOCK_OFF_MS_MAX));
            if is_off && !was_off {
                tracing::warn!(
                    "this machine's clock is {} s {which} the database's, which is the one that counts; is NTP running?",
                    off.as_secs()
                );
            }
            tokio::time::sleep(Duration::from_millis(CLOCK_ASK_MS)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_this_machine_s_until_somebody_tells_another_and_then_goes_on_from_there() {
        let clock = Clock::default();
        let now = SystemTime::now();
        assert!(
            clock
                .now()
                .duration_since(now)
                .is_ok_and(|since| since < Duration::from_secs(60))
        );
        let hour = Duration::from_secs(3_600);
        let began = Instant::now();
        clock.set(began, now - hour);
        let shown = clock.now().duration_since(now - hour).expect("it goes forward");
        assert!(shown <= began.elapsed());
    }

    #[tokio::test]
    async fn a_store_without_a_clock_is_asked_once() {
        let store = roomtone_persistence::MemoryStore::new();
        assert!(!Clock::default().ask(&store).await);
    }
}
