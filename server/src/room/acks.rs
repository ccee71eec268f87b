//! Acknowledgements that wait for the disk, and what waits with them.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;

use bytes::Bytes;
use roomtone_crdt::{ConnectionId, Update};
use tokio::sync::oneshot;

use super::release::Answer;
use crate::close::Close;
use crate::limits::ACKS_BYTES_MAX;

/// Who hears that an update was applied.
pub(super) enum Receipt {
    /// A member, in the way of its dialect.
    Member,
    /// Nobody: the author answered a question that its dialect does not count.
    Nobody,
    /// A caller of the HTTP API.
    Http(oneshot::Sender<Result<(), Close>>),
}

/// An acknowledgement that waits for batch `number`.
pub(super) struct Ack {
    pub(super) number: u64,
    pub(super) to: ConnectionId,
    pub(super) what: AckKind,
    /// What it keeps in memory.
    bytes: usize,
}

/// What an acknowledgement takes by itself, in bytes.
const ACK_BYTES: usize = 64;

pub(super) enum AckKind {
    Applied(Receipt),
    /// The echo of an update whose author acknowledges by content.
    Echo(Update),
    /// The same within all that a turn of several authors brought; or a turn that came behind what the member waits for.
    Turn(Box<TurnEcho>),
    /// An answer that confirms something.
    Answer(Box<Answer>),
    /// What a client wants to hear back.
    Status(Bytes),
}

/// What an author gets of a turn that is written and not on the disk: all of it in one frame, a moment later than the others.
pub(super) struct TurnEcho {
    pub(super) frame: Bytes,
    pub(super) merged: Update,
    pub(super) parts: Arc<[(ConnectionId, Update)]>,
}

impl Ack {
    pub(super) fn applied(number: u64, to: ConnectionId, receipt: Receipt) -> Ack {
        Ack::new(number, to, AckKind::Applied(receipt), 0)
    }

    /// Of an update that the log keeps anyway.
    pub(super) fn echo(number: u64, to: ConnectionId, update: Update) -> Ack {
        Ack::new(number, to, AckKind::Echo(update), 0)
    }

    /// Of a turn whose frame and updates others keep as well.
    pub(super) fn turn(number: u64, to: ConnectionId, echo: TurnEcho) -> Ack {
        Ack::new(number, to, AckKind::Turn(Box::new(echo)), 0)
    }

    pub(super) fn answer(answer: Answer) -> Ack {
        let (number, to, bytes) = (answer.number, answer.to, answer.body.len());
        Ack::new(number, to, AckKind::Answer(Box::new(answer)), bytes)
    }

    /// Of an update that brought nothing, and is kept for this alone.
    pub(super) fn repetition(number: u64, to: ConnectionId, update: Update) -> Ack {
        let bytes = update.bytes().len();
        Ack::new(number, to, AckKind::Echo(update), bytes)
    }

    pub(super) fn status(number: u64, to: ConnectionId, payload: Bytes) -> Ack {
        let bytes = payload.len();
        Ack::new(number, to, AckKind::Status(payload), bytes)
    }

    fn new(number: u64, to: ConnectionId, what: AckKind, kept_bytes: usize) -> Ack {
        Ack {
            number,
            to,
            what,
            bytes: ACK_BYTES + kept_bytes,
        }
    }

    /// Whether it carries more than its author's own.
    pub(super) fn withholds(&self) -> bool {
        matches!(self.what, AckKind::Turn(_) | AckKind::Answer(_))
    }

    pub(super) fn refuse(self, close: Close) {
        match self.what {
            AckKind::Applied(receipt) => receipt.refuse(close),
            AckKind::Echo(_) | AckKind::Turn(_) | AckKind::Answer(_) | AckKind::Status(_) => {}
        }
    }
}

/// Acknowledgements, in order of the batch they wait for.
#[derive(Default)]
pub(super) struct Acks {
    pub(super) queue: VecDeque<Ack>,
    bytes: usize,
    /// How many hold back what others wrote.
    withheld_count: usize,
}

impl Acks {
    pub(super) fn push(&mut self, ack: Ack) {
        self.bytes += ack.bytes;
        self.withheld_count += usize::from(ack.withholds());
        self.queue.push_back(ack);
    }

    pub(super) fn pop_saved(&mut self, saved: u64) -> Option<Ack> {
        let ack = self.queue.pop_front_if(|ack| ack.number <= saved)?;
        self.bytes -= ack.bytes;
        self.withheld_count -= usize::from(ack.withholds());
        Some(ack)
    }

    /// Whether somebody waits for the disk to hear what others wrote.
    pub(super) fn withholds(&self) -> bool {
        self.withheld_count > 0
    }

    pub(super) fn is_full(&self) -> bool {
        self.bytes > ACKS_BYTES_MAX
    }

    pub(super) fn owes(&self, member: ConnectionId) -> bool {
        self.queue.iter().any(|ack| ack.to == member)
    }

    /// The room ends before the rest is on the disk.
    pub(super) fn refuse_all(&mut self, close: Close) {
        for ack in mem::take(self).queue {
            ack.refuse(close);
        }
    }
}
