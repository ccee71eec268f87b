//! What leaves a room, and when: relays and answers when their batch is written (or, while the store is stalled, at once),
//! acknowledgements only ever when it is on the disk.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;

use bytes::Bytes;
use roomtone_crdt::{ClientId, ConnectionId, Doc, StateVector, Update, encode};
use tokio::time::{Duration, Instant};

use super::acks::{Ack, AckKind, Receipt, TurnEcho};
use super::drained::Drained;
use super::handle::Ask;
use super::member::Frames;
use super::{Awake, Room};
use crate::bus::Sender;
use crate::close::Close;
use crate::heavy::heavy;
use crate::limits::{CONFIRM_MS_MAX, STATUS_ANSWER_MS};
use crate::metrics;
use crate::outbox::Queued;
use crate::saver::Progress;

/// Something that goes out when batch `number` is written.
pub(super) enum Held {
    /// What a turn brought, for everyone.
    Relay {
        number: u64,
        merged: Update,
        /// The same, by author, for the case that the merge must not go back to them yet.
        parts: Vec<(ConnectionId, Update)>,
        /// What a member had that got everything before this.
        before: StateVector,
        /// It was accepted here: other nodes are to hear it.
        is_local: bool,
    },
    /// An answer to another node.
    NodeAnswer {
        number: u64,
        to: Sender,
        question: u64,
        update: Update,
    },
    /// An answer to a member.
    Answer(Answer),
}

/// An answer to a member's Step1 (a Step2 body), or its resync. It holds what batch `number` brought.
pub(super) struct Answer {
    pub(super) number: u64,
    pub(super) to: ConnectionId,
    pub(super) body: Bytes,
    pub(super) since: StateVector,
}

/// Tells somebody who asked from outside that there is no answer.
pub(super) fn refuse(ask: Ask, close: Close) {
    // Whoever asked may have given up already.
    match ask {
        Ask::Snapshot(reply) => drop(reply.send(Err(close))),
        Ask::Apply { done, .. } => drop(done.send(Err(close))),
    }
}

impl Room {
    /// Queues something behind the commit it depends on, and lets it go at once if that has happened.
    pub(super) fn hold(&mut self, held: Held) {
        self.awake.held.push_back(held);
        self.awake.release_held(&mut self.drained);
    }

    /// Queues an acknowledgement; nothing but the commit lets it go.
    pub(super) fn hold_ack(&mut self, ack: Ack) {
        let saved = self.awake.progress.borrow().saved;
        if ack.number > saved && self.awake.acks.is_full() {
            // Its author is not told that it is saved, and nothing else is lost: it brings the edit again.
            let close = Close::TryLater("the store is away and too much waits for it; come back");
            if let Some(seated) = self.awake.members.get(&ack.to) {
                seated.member.outbox.close(close);
            }
            return ack.refuse(close);
        }
        self.awake.acks.push(ack);
        self.awake.release_acks(&mut self.drained);
    }

    /// A commit returned, or what it wrote is on the disk.
    pub(super) fn release_saved(&mut self) {
        let has_more_on_disk = self.release_what_waited();
        let deferred = if has_more_on_disk || self.awake.log.is_clean() {
            mem::take(&mut self.awake.deferred)
        } else {
            Vec::new()
        };
        for asker in deferred {
            if let Some(seated) = self.awake.members.get_mut(&asker) {
                seated.step1 = seated.step1_deferred.take();
                self.answer_step1(asker);
            }
        }
        self.send_awareness_along();
        self.pace_edits();
        if self.awake.members.is_empty() && self.awake.empty_since.is_none() {
            self.awake.empty_since = Some(Instant::now());
        }
    }

    /// The part of it that needs no document: it may be broken. Whether something reached the disk that had not before.
    pub(super) fn release_what_waited(&mut self) -> bool {
        let awake = &mut self.awake;
        let progress = *awake.progress.borrow();
        let accepted = awake.log.accepted();
        // What is still on its way gets a deadline of its own: one succeeded, so the store works.
        if progress.written > awake.seen.written {
            awake.stalled = false;
            awake.in_flight_since = (progress.written < accepted).then(Instant::now);
        }
        let has_more_on_disk = progress.saved > awake.seen.saved;
        if has_more_on_disk {
            awake.unsaved_since = (progress.saved < accepted).then(Instant::now);
        }
        awake.seen = progress;
        // Before what came behind it, and after it what only now has to be acknowledged.
        awake.release_acks(&mut self.drained);
        awake.release_held(&mut self.drained);
        awake.release_acks(&mut self.drained);
        has_more_on_disk
    }

    /// The commit missed the relay deadline, here or on another node: edits go out without it, acknowledgements do not.
    /// Nothing more happens to a room that is stalled already.
    pub(super) fn stall(&mut self) {
        if self.awake.stalled {
            return;
        }
        metrics::stalled();
        self.awake.stalled = true;
        self.awake.release_held(&mut self.drained);
        self.integrate();
    }

    /// Everything that waited for a slow member has been written: now it gets what was withheld.
    pub(super) fn resync(&mut self, id: ConnectionId) {
        let Some(seated) = self.awake.members.get_mut(&id) else {
            return;
        };
        let Some(since) = seated.lagging.take() else {
            return;
        };
        metrics::resync();
        match heavy(self.awake.doc_bytes_estimate, || self.awake.doc.diff(&since)) {
            Ok(update) => {
                seated.is_catching_up = true;
                let number = self.awake.log.accepted();
                // PS3: an answer that was withheld goes out as one, or the client would not call itself synced. As one frame: a
                // second one behind a first of more than the bound never fits.
                let body = if mem::take(&mut seated.owes_answer) {
                    encode::step2(&update)
                } else {
                    encode::update(&update)
                };
                self.hold(Held::Answer(Answer {
                    number,
                    to: id,
                    body,
                    since,
                }));
                self.send_all_awareness_and_gone(id);
            }
            Err(broken) => {
                seated.lag(&since, &mut self.drained);
                self.awake.broken = Some(broken.into());
            }
        }
    }

    /// y-sweet reconnects when its request meets 3 s of silence: it gets the last durable status once more.
    pub(super) fn answer_waiting_status(&mut self, now: Instant) {
        let patience = Duration::from_millis(STATUS_ANSWER_MS);
        if self.awake.status_due.is_none_or(|due| now < due) {
            return;
        }
        // Only now is everyone looked at: this is due every 2 s at most, and a turn much more often.
        self.awake.status_due = None;
        for seated in self.awake.members.values_mut() {
            let Some(since) = seated.status_waits_since else {
                continue;
            };
            let mut due = since + patience;
            if now >= due {
                let acked = seated.status_acked.clone();
                seated.confirm_status(acked);
                seated.status_waits_since = Some(now);
                due = now + patience;
            }
            self.awake.status_due = Some(self.awake.status_due.map_or(due, |first| first.min(due)));
        }
    }
}

impl Awake {
    /// Lets go what is written, in order; while the store is stalled, everything. What is not on the disk goes out without
    /// what an author would take for an acknowledgement.
    fn release_held(&mut self, drained: &mut Drained) {
        let Progress { written, saved, .. } = *self.progress.borrow();
        let limit = if self.stalled { u64::MAX } else { written };
        while let Some(held) = self.held.pop_front_if(|held| held.number() <= limit) {
            let is_saved = held.number() <= saved;
            match held {
                Held::Relay {
                    number,
                    merged,
                    parts,
                    before,
                    is_local,
                } => {
                    if let (true, Some(remote)) = (is_local, &mut self.remote) {
                        remote.publish_update(&merged, is_saved);
                    }
                    if is_saved {
                        self.relay(None, &merged, parts, &before, drained);
                    } else if self.is_store_away() {
                        self.relay_without_echo(number, &merged, &parts, &before, drained);
                    } else {
                        self.relay(Some(number), &merged, parts, &before, drained);
                    }
                }
                Held::Answer(answer) if is_saved || !self.would_confirm(answer.to, &answer.since) => {
                    self.answer(answer, drained);
                }
                Held::Answer(answer) if self.is_store_away() => self.defer(answer.to, answer.since),
                Held::Answer(answer) => self.withhold(Ack::answer(answer)),
                held @ Held::NodeAnswer { .. } => self.answer_node(held, is_saved),
            }
        }
    }

    /// Keeps something for a member until it is on the disk, and with it what is relayed from then on.
    fn withhold(&mut self, ack: Ack) {
        let Some(seated) = self.members.get_mut(&ack.to) else {
            return;
        };
        seated.withheld_count += 1;
        if let AckKind::Answer(_) = &ack.what {
            // What is relayed from now on waits behind it, and is not in it.
            seated.is_catching_up = false;
        }
        self.acks.push(ack);
    }

    /// It was withheld, and leaves.
    fn let_go(&mut self, to: ConnectionId) {
        if let Some(seated) = self.members.get_mut(&to) {
            seated.withheld_count = seated.withheld_count.saturating_sub(1);
        }
    }

    /// Whether a member's answer would have to wait for longer than it should: it is made anew when the store is back.
    pub(super) fn is_store_away(&self) -> bool {
        let is_late = |since: Instant| since.elapsed() >= Duration::from_millis(CONFIRM_MS_MAX);
        self.stalled || self.unsaved_since.is_some_and(is_late)
    }

    fn answer_node(&mut self, held: Held, saved: bool) {
        if let (
            Held::NodeAnswer {
                to, question, update, ..
            },
            Some(remote),
        ) = (held, &mut self.remote)
        {
            remote.publish_answer(to, question, &update, saved);
        }
    }

    /// One frame per address for all members. Whoever would take it for an acknowledgement of batch `unsaved` gets it when
    /// that is on the disk.
    fn relay(
        &mut self,
        unsaved: Option<u64>,
        merged: &Update,
        parts: Vec<(ConnectionId, Update)>,
        before: &StateVector,
        drained: &mut Drained,
    ) {
        let mut frames = Frames::new(encode::update(merged));
        metrics::frames_out("update", self.members.len());
        // The only author of a turn has it all; y-websocket still needs to hear it back.
        let only_author = parts.first().map(|(author, _)| *author);
        let only_author = only_author.filter(|only| parts.iter().all(|(author, _)| author == only));
        let parts: Arc<[(ConnectionId, Update)]> = parts.into();
        let mut withheld = Vec::new();
        for (id, seated) in &mut self.members {
            let wants_echo = seated.member.voice.wants_echo();
            if seated.is_behind() || (only_author == Some(*id) && !wants_echo) {
                continue;
            }
            let frame = frames.for_voice(&seated.member.voice);
            let confirms = || wants_echo && parts.iter().any(|(author, _)| author == id);
            if let Some(number) = unsaved
                && (seated.withheld_count > 0 || confirms())
            {
                let (merged, parts) = (merged.clone(), parts.clone());
                let echo = TurnEcho { frame, merged, parts };
                withheld.push(Ack::turn(number, *id, echo));
            } else if seated.member.outbox.send(frame) == Queued::Full {
                seated.lag(before, drained);
            }
        }
        for ack in withheld {
            self.withhold(ack);
        }
    }

    /// The disk is late: what was withheld leaves, without what its author would take for an acknowledgement.
    pub(super) fn release_withheld(&mut self, drained: &mut Drained) {
        let since = relayed(&self.held, &self.doc).clone();
        for ack in mem::take(&mut self.acks).queue {
            let (number, to) = (ack.number, ack.to);
            match ack.what {
                AckKind::Answer(answer) => {
                    self.let_go(to);
                    self.defer(to, answer.since);
                }
                AckKind::Turn(echo) => {
                    self.let_go(to);
                    self.relay_parts(to, number, &echo, &since, drained);
                }
                AckKind::Applied(_) | AckKind::Echo(_) | AckKind::Status(_) => self.acks.push(ack),
            }
        }
    }

    /// What others wrote goes to an author now, and its own when it is saved.
    fn relay_parts(
        &mut self,
        to: ConnectionId,
        number: u64,
        echo: &TurnEcho,
        since: &StateVector,
        drained: &mut Drained,
    ) {
        let Some(seated) = self.members.get_mut(&to) else {
            return;
        };
        let wants_echo = seated.member.voice.wants_echo();
        for (author, update) in echo.parts.iter() {
            if *author == to {
                if wants_echo {
                    self.acks.push(Ack::echo(number, to, update.clone()));
                }
                continue;
            }
            let frame = seated.member.voice.frame(&encode::update(update));
            if seated.lagging.is_some() || seated.member.outbox.send(frame) == Queued::Full {
                seated.lag(&before(update, since), drained);
            }
        }
    }

    /// As [`Awake::relay`], but an author gets the others' parts alone, and its own when they are durable.
    fn relay_without_echo(
        &mut self,
        number: u64,
        merged: &Update,
        parts: &[(ConnectionId, Update)],
        before: &StateVector,
        drained: &mut Drained,
    ) {
        let mut frames = Frames::new(encode::update(merged));
        for (id, seated) in &mut self.members {
            if seated.is_behind() {
                continue;
            }
            let writes = parts.iter().any(|(author, _)| author == id);
            let mut full = false;
            if !writes {
                full = seated.member.outbox.send(frames.for_voice(&seated.member.voice)) == Queued::Full;
            }
            for (author, update) in parts.iter().filter(|_| writes) {
                if author == id {
                    if seated.member.voice.wants_echo() {
                        self.acks.push(Ack::echo(number, *id, update.clone()));
                    }
                } else {
                    let frame = seated.member.voice.frame(&encode::update(update));
                    full |= seated.member.outbox.send(frame) == Queued::Full;
                }
            }
            if full {
                seated.lag(before, drained);
            }
        }
    }

    fn answer(&mut self, answer: Answer, drained: &mut Drained) {
        let Answer { to, body, since, .. } = answer;
        let Some(seated) = self.members.get_mut(&to) else {
            return;
        };
        metrics::frames_out("answer", 1);
        seated.is_catching_up = false;
        if seated.lagging.is_some()
            || seated.member.outbox.send(seated.member.voice.frame(&body)) == Queued::Full
        {
            // The resync will carry it: it starts from what the member said it has, or before.
            seated.owes_answer = true;
            seated.lag(&since, drained);
        }
    }

    fn release_acks(&mut self, drained: &mut Drained) {
        let saved = self.progress.borrow().saved;
        while let Some(ack) = self.acks.pop_saved(saved) {
            match ack.what {
                // The caller of the HTTP API is no member, and may have given up.
                AckKind::Applied(Receipt::Http(done)) => drop(done.send(Ok(()))),
                AckKind::Applied(Receipt::Nobody) => {}
                AckKind::Applied(Receipt::Member) => {
                    if let Some(seated) = self.members.get(&ack.to) {
                        seated.send_status(true);
                    }
                }
                AckKind::Echo(update) => {
                    let frame = self.frame_for(ack.to, &update);
                    self.echo(ack.to, frame, &update, drained);
                }
                AckKind::Turn(echo) => {
                    self.let_go(ack.to);
                    self.echo(ack.to, Some(echo.frame), &echo.merged, drained);
                }
                AckKind::Answer(answer) => {
                    self.let_go(ack.to);
                    self.answer(*answer, drained);
                }
                AckKind::Status(payload) => {
                    if let Some(seated) = self.members.get_mut(&ack.to) {
                        seated.confirm_status(payload);
                    }
                }
            }
        }
    }

    fn frame_for(&self, to: ConnectionId, update: &Update) -> Option<Bytes> {
        let seated = self.members.get(&to)?;
        Some(seated.member.voice.frame(&encode::update(update)))
    }

    /// Sends an author its own update. Where that does not fit, the resync begins early enough to carry it.
    fn echo(&mut self, to: ConnectionId, frame: Option<Bytes>, update: &Update, drained: &mut Drained) {
        let (Some(seated), Some(frame)) = (self.members.get_mut(&to), frame) else {
            return;
        };
        if seated.lagging.is_none() && seated.member.outbox.send(frame) == Queued::Yes {
            return;
        }
        let since = before(update, relayed(&self.held, &self.doc));
        seated.lag(&since, drained);
    }
}

/// The state of somebody who has what `known` says, without an update.
fn before(update: &Update, known: &StateVector) -> StateVector {
    let structs = &update.extent().structs;
    let begins = |client: ClientId| structs.iter().find(|range| range.client == client);
    let earlier = known.iter().map(|(client, clock)| {
        (
            client,
            begins(client).map_or(clock, |range| range.from.min(clock)),
        )
    });
    StateVector::from_pairs(earlier.collect())
}

/// What every member was sent that does not lag: the document holds more while commits run.
pub(super) fn relayed<'a>(held: &'a VecDeque<Held>, doc: &'a Doc) -> &'a StateVector {
    held.iter()
        .find_map(|held| match held {
            Held::Relay { before, .. } => Some(before),
            Held::Answer(_) | Held::NodeAnswer { .. } => None,
        })
        .unwrap_or(doc.state_vector())
}

impl Held {
    fn number(&self) -> u64 {
        match self {
            Held::Relay { number, .. }
            | Held::Answer(Answer { number, .. })
            | Held::NodeAnswer { number, .. } => *number,
        }
    }
}
