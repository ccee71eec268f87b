//! The calls of one socket: a task of their own, so that none of them keeps an edit waiting, one after the other.

use std::sync::Weak;

use bytes::Bytes;
use roomtone_crdt::ConnectionId;
use roomtone_crdt::native::{self, Channel};
use tokio::sync::mpsc;

use super::answer::Failure;
use super::{Caller, Chat};
use crate::limits::{CHAT_CALLS_COUNT_MAX, CHAT_CHANGE_MS};
use crate::metrics;
use crate::outbox::{Outbox, Queued};

/// One call.
pub(crate) struct Call {
    pub(crate) channel: Channel,
    /// The number under which it is answered.
    pub(crate) number: u64,
    /// JSON, unchecked.
    pub(crate) request: String,
    pub(crate) caller: Caller,
    /// Gone once the room was left: another may have its channel by now.
    pub(crate) place: Weak<()>,
}

/// Where a socket puts its calls.
pub(crate) struct Line {
    calls: mpsc::Sender<Call>,
    outbox: Outbox,
    socket: ConnectionId,
}

impl Line {
    /// Begins to serve a socket's calls. It ends with the line, and what waits then is done all the same: it was said.
    pub(crate) fn start(chat: Chat, outbox: Outbox) -> Line {
        let socket = chat.hub.connection_id();
        let (calls, waiting) = mpsc::channel(CHAT_CALLS_COUNT_MAX);
        tokio::spawn(serve(chat, outbox.clone(), waiting));
        Line {
            calls,
            outbox,
            socket,
        }
    }

    /// For [`Caller::socket`].
    pub(crate) fn socket(&self) -> ConnectionId {
        self.socket
    }

    /// Takes a call. Never waits: what has no place is refused.
    pub(crate) fn call(&self, call: Call) {
        if let Err(error) = self.calls.try_send(call) {
            let call = error.into_inner();
            let failure = Failure::too_fast(CHAT_CHANGE_MS);
            metrics::chat_call(failure.code.as_str());
            let frame = native::chat_answer(call.channel, call.number, &failure.to_json());
            self.outbox.send_always(frame);
        }
    }
}

async fn serve(chat: Chat, outbox: Outbox, mut waiting: mpsc::Receiver<Call>) {
    while let Some(call) = waiting.recv().await {
        let answer = chat.call(&call.caller, &call.request).await;
        if call.place.strong_count() > 0 {
            let frame = native::chat_answer(call.channel, call.number, &answer);
            send(&outbox, frame, call.caller.socket).await;
        }
    }
}

/// Waits while the peer does not read. Its next calls wait behind this one, and then have no place.
async fn send(outbox: &Outbox, frame: Bytes, socket: ConnectionId) {
    while outbox.send(frame.clone()) == Queued::Full {
        let (tell, mut told) = mpsc::unbounded_channel();
        outbox.tell_when_drained(&tell, socket);
        drop(tell);
        // Nothing comes when the socket has ended: the next frame is dropped then.
        let _ = told.recv().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(bytes: usize) -> Bytes {
        Bytes::from(vec![0; bytes])
    }

    #[tokio::test]
    async fn an_answer_waits_for_a_peer_that_does_not_read() {
        let outbox = Outbox::new(100);
        assert_eq!(outbox.send(frame(5_000)), Queued::Yes);
        let sending = {
            let outbox = outbox.clone();
            tokio::spawn(async move { send(&outbox, frame(7), ConnectionId(1)).await })
        };
        let mut lengths = Vec::new();
        while lengths.len() < 2 {
            let outgoing = outbox.take().await;
            lengths.extend(outgoing.frames.iter().map(Bytes::len));
            outgoing.drained();
        }
        assert_eq!(lengths, [5_000, 7]);
        sending.await.expect("it ends");
    }

    #[tokio::test]
    async fn of_a_socket_that_ends_meanwhile_nothing_is_waited_for() {
        for is_waiting in [true, false] {
            let outbox = Outbox::new(100);
            assert_eq!(outbox.send(frame(5_000)), Queued::Yes);
            let sending = tokio::spawn({
                let outbox = outbox.clone();
                async move { send(&outbox, frame(7), ConnectionId(1)).await }
            });
            if is_waiting {
                // It has asked to be told, and not been told.
                tokio::task::yield_now().await;
                tokio::task::yield_now().await;
                assert!(!sending.is_finished());
            }
            outbox.shut();
            sending.await.expect("it ends");
        }
    }
}
