//! Presence: awareness in, one merged awareness frame per turn out.

use std::mem;

use roomtone_crdt::{AwarenessUpdate, ConnectionId, encode};
use tokio::time::{Duration, Instant};

use super::member::Frames;
use super::release::relayed;
use super::{Awake, Room};
use crate::limits::{
    AWARENESS_MEMBERS_PER_MS, AWARENESS_PACE_MS_MAX, AWARENESS_RELAY_MS_MAX, EDITS_RECENT_MS,
};
use crate::metrics;
use crate::outbox::Queued;

/// Takes what a member says about presence.
pub(super) fn receive(awake: &mut Awake, from: ConnectionId, update: &AwarenessUpdate) {
    let Some(seated) = awake.members.get(&from) else {
        return;
    };
    let received = awake
        .awareness
        .receive(from, seated.member.stamp.as_ref(), update);
    metrics::awareness("changed", received.changed.len());
    metrics::awareness("echo", received.echoes as usize);
    metrics::awareness("foreign", received.foreign.len());
    metrics::awareness("refused", received.refused as usize);
    awake.dirty.extend(received.changed);
    for (client, owner) in received.foreign {
        if let (true, Some(remote)) = (awake.awareness.is_node(owner), &mut awake.remote) {
            remote.contest(client);
        }
        // Somebody claims an id whose owner may be a half-open socket: let the owner show that it lives.
        if let Some(owner) = awake.members.get(&owner) {
            owner.member.outbox.probe();
        }
    }
}

impl Room {
    /// Sends what changed in this turn, or lets it wait: in a crowd for what else changes, and where edits are about to
    /// leave for them. Each frame costs a send to everyone, and some clients answer each.
    pub(super) fn pace_awareness(&mut self) {
        let returned = self.awake.awareness.take_returned();
        if !returned.is_empty() {
            self.awake.announce_clocks();
        }
        for returned in returned {
            self.send_all_awareness(returned);
        }
        let awake = &mut self.awake;
        awake.contest();
        if awake.dirty.is_empty() {
            return;
        }
        let now = Instant::now();
        let due = match awake.awareness_due {
            Some(due) => due,
            None => {
                let free = awake.awareness_free_at().map_or(now, |at| at.max(now));
                let due = if awake.expects_relay(now) {
                    let pace = self.context.limits.pace(awake.members.len());
                    free + pace + Duration::from_millis(AWARENESS_RELAY_MS_MAX)
                } else {
                    free
                };
                *awake.awareness_due.insert(due)
            }
        };
        if now >= due {
            self.send_awareness();
        }
    }

    /// A commit returned and edits are leaving: presence that waited for them goes along.
    pub(super) fn send_awareness_along(&mut self) {
        let is_free = self
            .awake
            .awareness_free_at()
            .is_none_or(|at| Instant::now() >= at);
        if self.awake.awareness_due.is_some() && is_free {
            self.send_awareness();
        }
    }

    /// Sends what has changed, to everyone; to the owner only where its clock was moved on, so that it goes on from there.
    pub(super) fn send_awareness(&mut self) {
        let awake = &mut self.awake;
        awake.awareness_due = None;
        awake.awareness_sent = Some(Instant::now());
        awake.dirty.sort_unstable();
        awake.dirty.dedup();
        let mut changed = mem::take(&mut awake.dirty);
        awake.announce(Some(&changed));
        let body = encode::awareness(&awake.awareness.encode(&changed));
        let only_speaker = awake.awareness.only_speaker(&changed);
        // Its space is used again.
        changed.clear();
        awake.dirty = changed;
        let mut frames = Frames::new(body);
        let since = relayed(&awake.held, &awake.doc);
        metrics::frames_out("awareness", awake.members.len());
        for (id, seated) in &mut awake.members {
            // A resync carries everyone's state.
            if seated.lagging.is_some() || only_speaker == Some(*id) {
                continue;
            }
            let frame = frames.for_voice(&seated.member.voice);
            if seated.member.outbox.send(frame) == Queued::Full {
                seated.lag(since, &mut self.drained);
            }
        }
    }

    /// Everyone's state, for a member that was not told of everything: who went meanwhile too, or it would go on to show them.
    pub(super) fn send_all_awareness_and_gone(&self, to: ConnectionId) {
        if let Some(seated) = self.awake.members.get(&to) {
            let body = encode::awareness(&self.awake.awareness.encode_all_and_gone());
            let frame = seated.member.voice.frame(&body);
            seated.member.outbox.send_presence(to, frame);
        }
    }

    /// Everyone's state, for one member.
    pub(super) fn send_all_awareness(&self, to: ConnectionId) {
        if let Some(seated) = self.awake.members.get(&to) {
            let body = encode::awareness(&self.awake.awareness.encode_all());
            let frame = seated.member.voice.frame(&body);
            seated.member.outbox.send_presence(to, frame);
        }
    }
}

impl Awake {
    /// Whether edits are about to leave, as far as one can tell.
    fn expects_relay(&self, now: Instant) -> bool {
        let recent = Duration::from_millis(EDITS_RECENT_MS);
        let goes_on = self.integrated.is_some_and(|at| now < at + recent);
        let is_crowd = self.members.len() >= AWARENESS_MEMBERS_PER_MS;
        !self.stalled
            && (self.in_flight_since.is_some() || self.integrate_due.is_some() || (goes_on && is_crowd))
    }

    /// When the next awareness frame may leave.
    fn awareness_free_at(&self) -> Option<Instant> {
        let pace_ms = (self.members.len() / AWARENESS_MEMBERS_PER_MS) as u64;
        let pace = Duration::from_millis(pace_ms.min(AWARENESS_PACE_MS_MAX));
        self.awareness_sent.map(|sent| sent + pace)
    }
}
