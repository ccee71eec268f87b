//! The way on which outboxes tell a room that a member who lags can be resynced.

use std::future::pending;

use roomtone_crdt::ConnectionId;
use tokio::sync::mpsc;

/// Members whose outbox has drained, by the word of the writer of their socket.
///
/// The channel is made when somebody lags for the first time: in most rooms nobody ever does, and an empty channel takes
/// almost a kilobyte.
#[derive(Default)]
pub(crate) struct Drained {
    channel: Option<(
        mpsc::UnboundedSender<ConnectionId>,
        mpsc::UnboundedReceiver<ConnectionId>,
    )>,
}

impl Drained {
    /// What an outbox tells.
    pub(crate) fn sender(&mut self) -> &mpsc::UnboundedSender<ConnectionId> {
        &self.channel.get_or_insert_with(mpsc::unbounded_channel).0
    }

    /// The next member whose outbox has drained. Nothing is lost when this is dropped.
    pub(super) async fn next(&mut self) -> ConnectionId {
        match &mut self.channel {
            Some((_, told)) => match told.recv().await {
                Some(member) => member,
                // Cannot be: the sender stands beside it.
                None => pending().await,
            },
            // Whoever makes the channel is the task that waits here, and it comes by again afterwards.
            None => pending().await,
        }
    }
}
