//! Requests to hear something back once all that was said before is on the disk: y-sweet and native.

use bytes::Bytes;
use roomtone_crdt::ConnectionId;
use tokio::time::{Duration, Instant};

use super::Room;
use super::acks::Ack;
use crate::close::Close;
use crate::limits::{STATUS_ANSWER_MS, STATUS_BYTES_MAX};

impl Room {
    /// A client asks to hear this back once all it sent before is on the disk.
    pub(super) fn take_status(&mut self, from: ConnectionId, payload: Bytes) {
        let Some(seated) = self.awake.members.get_mut(&from) else {
            return;
        };
        if payload.len() > STATUS_BYTES_MAX {
            seated.member.outbox.close(Close::BadFrame("status_too_long"));
            return;
        }
        let since = *seated.status_waits_since.get_or_insert_with(Instant::now);
        self.awake
            .status_due
            .get_or_insert(since + Duration::from_millis(STATUS_ANSWER_MS));
        if seated.wrote_read_only {
            // The last durable status goes out in its place, before the client gives the socket up.
            return;
        }
        // A copy: a slice would keep the whole frame alive.
        let payload = Bytes::copy_from_slice(&payload);
        if self.awake.gathered.updates.is_empty() {
            self.hold_status(from, payload);
        } else {
            let statuses = &mut self.awake.gathered.statuses;
            // Of many edits in a row the last one speaks for all.
            match statuses.last_mut() {
                Some((last, waiting)) if *last == from => *waiting = payload,
                Some(_) | None => statuses.push((from, payload)),
            }
        }
    }

    /// Queues the answer to a status request behind what its client sent before it.
    pub(super) fn hold_status(&mut self, from: ConnectionId, payload: Bytes) {
        let lacks = self.awake.doc.pending_bytes_of(from) > 0;
        let Some(seated) = self.awake.members.get_mut(&from) else {
            return;
        };
        // It asks on opening, before it has told what it did while it was away.
        if lacks || seated.gapped || seated.owes_step2 {
            // A later status speaks for an earlier one.
            seated.status_parked = Some(payload);
            return;
        }
        seated.status_parked = None;
        let number = self.awake.log.accepted();
        self.hold_ack(Ack::status(number, from, payload));
    }
}
