//! What a member has, and the answer with what it lacks: one a turn, and none that would be taken for an acknowledgement.

use bytes::Bytes;
use roomtone_crdt::{ConnectionId, StateVector, encode};

use super::member::Voice;
use super::release::{Answer, Held};
use super::{Awake, Room};
use crate::heavy::heavy;

impl Room {
    /// A client says what it has. A frame may say it a thousand times; it is answered once a turn.
    pub(super) fn take_step1(&mut self, from: ConnectionId, since: StateVector) {
        let Some(seated) = self.awake.members.get_mut(&from) else {
            return;
        };
        seated.step1 = Some(match seated.step1.take() {
            Some(earlier) => earlier.meet(&since),
            None => {
                self.awake.askers.push(from);
                since
            }
        });
    }

    /// It gets what it lacks, once that is written; on the disk, where it takes the answer for a confirmation.
    pub(super) fn answer_step1(&mut self, from: ConnectionId) {
        let Some(seated) = self.awake.members.get_mut(&from) else {
            return;
        };
        let Some(since) = seated.step1.take() else {
            return;
        };
        if self.awake.is_store_away() && self.awake.would_confirm(from, &since) {
            return self.awake.defer(from, since);
        }
        let Some(seated) = self.awake.members.get(&from) else {
            return;
        };
        if let Voice::Hocuspocus(_) = &seated.member.voice {
            let step1 = encode::step1(self.awake.doc.state_vector());
            seated
                .member
                .outbox
                .send_always(seated.member.voice.frame(&step1));
        }
        let Some(body) = self.diff(&since) else { return };
        let number = self.awake.log.accepted();
        self.hold(Held::Answer(Answer {
            number,
            to: from,
            body,
            since,
        }));
    }

    /// What somebody with this state vector lacks, as a Step2. None when the engine broke over it.
    fn diff(&mut self, since: &StateVector) -> Option<Bytes> {
        let awake = &mut self.awake;
        let version = awake.doc.version();
        if since.is_empty()
            && let Some((known, body)) = &awake.whole
            && *known == version
        {
            return Some(body.clone());
        }
        match heavy(awake.doc_bytes_estimate, || awake.doc.diff(since)) {
            Ok(update) => {
                let body = encode::step2(&update);
                if since.is_empty() {
                    awake.whole = Some((version, body.clone()));
                }
                Some(body)
            }
            Err(broken) => {
                awake.broken = Some(broken.into());
                None
            }
        }
    }
}

impl Awake {
    /// Whether a member takes an answer from here for the confirmation of what it sent before: a y-websocket client
    /// that came back, or one that is still owed an echo.
    pub(super) fn would_confirm(&self, to: ConnectionId, since: &StateVector) -> bool {
        let echoes = self
            .members
            .get(&to)
            .is_some_and(|seated| seated.member.voice.wants_echo());
        echoes && (!since.is_empty() || self.acks.owes(to))
    }

    /// Asks again in the member's name when something has reached the disk.
    pub(super) fn defer(&mut self, to: ConnectionId, since: StateVector) {
        let Some(seated) = self.members.get_mut(&to) else {
            return;
        };
        // Until then it hears what the others do.
        seated.is_catching_up = false;
        seated.step1_deferred = Some(match seated.step1_deferred.take() {
            Some(earlier) => earlier.meet(&since),
            None => {
                self.deferred.push(to);
                since
            }
        });
    }
}
