//! What rooms take from their surroundings beside the runtime's own clock: the time of day, and chance.
//!
//! A simulation sets both for its thread, and then the same seed gives the same history.

use std::cell::{Cell, RefCell};
use std::time::{SystemTime, UNIX_EPOCH};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

thread_local! {
    static CHANCE: RefCell<Option<StdRng>> = const { RefCell::new(None) };
    static TIME_MS: Cell<Option<u64>> = const { Cell::new(None) };
}

/// From now on all chance of rooms on this thread comes from `seed`. For tests.
pub fn seed_chance(seed: u64) {
    CHANCE.set(Some(StdRng::seed_from_u64(seed)));
}

/// What rooms on this thread take for the time of day from now on, in Unix milliseconds; none for the machine's. For tests.
pub fn set_time(unix_ms: Option<u64>) {
    TIME_MS.set(unix_ms);
}

/// The time of day in Unix milliseconds. It may jump: nothing is ordered by it.
pub(crate) fn time_ms() -> u64 {
    TIME_MS.get().unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        now.as_millis() as u64
    })
}

/// A number from 0 to `most`, both included.
pub(crate) fn up_to(most: u64) -> u64 {
    CHANCE.with_borrow_mut(|seeded| match seeded {
        Some(chance) => chance.random_range(0..=most),
        None => rand::rng().random_range(0..=most),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_and_a_set_time_hold_for_their_thread_alone() {
        seed_chance(7);
        set_time(Some(1));
        let first: Vec<u64> = (0..8).map(|_| up_to(1_000)).collect();
        seed_chance(7);
        assert_eq!(first, (0..8).map(|_| up_to(1_000)).collect::<Vec<_>>());
        assert_eq!(time_ms(), 1);
        let elsewhere = std::thread::spawn(time_ms).join().expect("no panic");
        assert!(elsewhere > 1);
        set_time(None);
        assert!(time_ms() > 1);
    }
}
