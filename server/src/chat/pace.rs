//! How fast people may change a chat (CH5): some changes at once, and then one more every so often.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use roomtone_crdt::ConnectionId;
use tokio::time::Instant;

use super::answer::Failure;
use crate::limits::{CHAT_CHANGE_MS, CHAT_CHANGES_COUNT_MAX, CHAT_PACES_COUNT_MAX};

/// Everybody's pace.
#[derive(Default)]
pub(super) struct Paces {
    /// When each of them is at rest, which is when everything drawn has come back. Who is not here is.
    rests: Mutex<HashMap<Who, Instant>>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Who {
    User(Arc<str>),
    Anonymous(ConnectionId),
}

impl Paces {
    /// Draws one change. A user's are counted over all sockets; anonymous people's for each.
    pub(super) fn draw(&self, user: Option<&Arc<str>>, socket: ConnectionId) -> Result<(), Failure> {
        let who = user.map_or(Who::Anonymous(socket), |user| Who::User(user.clone()));
        let now = Instant::now();
        let each = Duration::from_millis(CHAT_CHANGE_MS);
        let mut rests = self.rests.lock().unwrap_or_else(PoisonError::into_inner);
        let rest = rests.get(&who).map_or(now, |rest| (*rest).max(now)) + each;
        if let Some(wait) = (rest - now).checked_sub(each * CHAT_CHANGES_COUNT_MAX)
            && !wait.is_zero()
        {
            return Err(Failure::too_fast((wait.as_millis() as u64).max(1)));
        }
        if rests.len() >= CHAT_PACES_COUNT_MAX && !rests.contains_key(&who) {
            rests.retain(|_, rest| *rest > now);
            // Half of them, or this would be done for each of a crowd.
            if rests.len() > CHAT_PACES_COUNT_MAX / 2 {
                rests.clear();
            }
        }
        rests.insert(who, rest);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn ch5_ten_at_once_and_then_two_a_second() {
        let paces = Paces::default();
        let ada: Arc<str> = "ada".into();
        let draw = |socket| paces.draw(Some(&ada), ConnectionId(socket));
        for socket in 0..10 {
            assert!(draw(socket).is_ok(), "{socket}");
        }
        let failure = draw(1).expect_err("too fast");
        assert_eq!(failure.retry_ms, Some(500));
        // Somebody else is not slowed down, and each anonymous socket is somebody.
        for who in 0..3 {
            for _ in 0..10 {
                assert!(paces.draw(None, ConnectionId(who)).is_ok());
            }
            assert!(paces.draw(None, ConnectionId(who)).is_err());
        }
        tokio::time::advance(Duration::from_millis(500)).await;
        assert!(draw(1).is_ok());
        assert!(draw(1).is_err());
        let mut taken = 0;
        for _ in 0..100 {
            tokio::time::advance(Duration::from_millis(100)).await;
            taken += u32::from(draw(1).is_ok());
        }
        assert_eq!(taken, 20);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!((0..20).filter(|_| draw(1).is_ok()).count(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_remembered_is_bounded() {
        let paces = Paces::default();
        for socket in 0..2 * CHAT_PACES_COUNT_MAX as u64 {
            assert!(paces.draw(None, ConnectionId(socket)).is_ok());
        }
        let count = paces.rests.lock().expect("no panic").len();
        assert!(count <= CHAT_PACES_COUNT_MAX, "{count}");
    }
}
