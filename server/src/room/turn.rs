//! One turn: what waited in the inbox is taken, roles are checked, updates are integrated in one transaction.

use std::mem;
use std::sync::Arc;

use bytes::Bytes;
use roomtone_crdt::{Broken, ConnectionId, Message, Update, encode};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::acks::{Ack, Receipt};
use super::handle::{Ask, Delivery, Event};
use super::member::{Seated, Voice};
use super::{Room, presence};
use crate::auth::Role;
use crate::close::Close;
use crate::heavy::heavy;
use crate::metrics;

/// An update that waits to be integrated.
pub(super) struct Waiting {
    pub(super) author: ConnectionId,
    pub(super) user: Option<Arc<str>>,
    pub(super) update: Update,
    pub(super) kind: Kind,
    pub(super) receipt: Receipt,
}

/// What gathers while a commit runs.
#[derive(Default)]
pub(super) struct Gathered {
    pub(super) updates: Vec<Waiting>,
    bytes: usize,
    /// Status requests that came after these updates.
    pub(super) statuses: Vec<(ConnectionId, Bytes)>,
}

impl Gathered {
    pub(super) fn len(&self) -> usize {
        self.updates.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.updates.is_empty() && self.statuses.is_empty()
    }

    fn push(&mut self, waiting: Waiting) {
        self.bytes += waiting.update.bytes().len();
        self.updates.push(waiting);
    }
}

/// An engine that broke, and the updates that were being applied.
pub(super) struct Breakage {
    pub(super) broken: Broken,
    pub(super) suspects: Vec<Waiting>,
    /// Status requests that came after these updates.
    pub(super) statuses: Vec<(ConnectionId, Bytes)>,
}

impl From<Broken> for Box<Breakage> {
    fn from(broken: Broken) -> Box<Breakage> {
        Box::new(Breakage {
            broken,
            suspects: Vec::new(),
            statuses: Vec::new(),
        })
    }
}

impl Room {
    /// Takes events in order. Never awaits.
    pub(super) fn turn(&mut self, deliveries: impl Iterator<Item = Delivery>) {
        for delivery in deliveries {
            match delivery.event {
                Event::Join(member) => self.join(*member),
                Event::Say(from, message) => self.say(from, message),
                Event::Renew(from, role) => self.renew(from, role),
                Event::Ask(ask) => self.ask(ask),
                Event::Chat(note) => self.take_chat(note),
            }
        }
        for asker in mem::take(&mut self.awake.askers) {
            self.answer_step1(asker);
        }
        self.pace_edits();
        self.pace_awareness();
    }

    /// One line per message: the work is done elsewhere.
    fn say(&mut self, from: ConnectionId, message: Message) {
        match message {
            Message::Step1(since) => self.take_step1(from, since),
            Message::Step2(update) => self.take_update(from, update, Kind::Step2),
            Message::Update(update) => self.take_update(from, update, Kind::Update),
            Message::Gapped => self.take_gapped(from),
            Message::Awareness(update) => self.take_awareness(from, &update),
            Message::QueryAwareness => self.send_all_awareness(from),
            Message::Stateless(payload) => self.pass_stateless(from, &payload),
            Message::Event(body) => self.pass_event(from, &body),
            Message::SyncStatus(payload) => self.take_status(from, payload),
            // The connection handles these itself; they carry nothing for a document.
            Message::Token(_) | Message::Detach | Message::Pong => {}
        }
    }

    fn join(&mut self, mut member: super::Member) {
        let awake = &mut self.awake;
        if !member.greet(awake.log.epoch()) {
            return;
        }
        awake.empty_since = None;
        awake.awareness.join(member.id);
        member.outbox.set_keepalive(member.voice.keepalive());
        let step1 = encode::step1(awake.doc.state_vector());
        let everyone = encode::awareness(&awake.awareness.encode_all());
        match &member.voice {
            Voice::YWebsocket | Voice::YSweet | Voice::Native(_) => {
                member.outbox.send_always(member.voice.frame(&step1));
                // y-sweet's server sends awareness even when nobody is there; y-websocket's does not.
                let always = !matches!(member.voice, Voice::YWebsocket);
                if always || !awake.awareness.is_empty() {
                    member
                        .outbox
                        .send_presence(member.id, member.voice.frame(&everyone));
                }
            }
            // Its Step1 waits for the client's own, see `answer_step1`.
            Voice::Hocuspocus(_) => {
                if !awake.awareness.is_empty() {
                    member
                        .outbox
                        .send_presence(member.id, member.voice.frame(&everyone));
                }
            }
        }
        awake.members.insert(member.id, Box::new(Seated::new(member)));
    }

    /// The member is gone. What it said before has been taken.
    pub(super) fn leave(&mut self, id: ConnectionId) {
        let awake = &mut self.awake;
        if awake.members.remove(&id).is_none() {
            return;
        }
        awake.doc.forget_pending(id);
        awake.dirty.extend(awake.awareness.leave(id));
        if awake.members.is_empty() {
            awake.empty_since = Some(Instant::now());
        }
        self.pace_awareness();
    }

    fn renew(&mut self, from: ConnectionId, role: Role) {
        if let Some(seated) = self.awake.members.get_mut(&from) {
            seated.member.role = role;
            seated.wrote_read_only = false;
        }
    }

    fn ask(&mut self, ask: Ask) {
        match ask {
            Ask::Snapshot(reply) => {
                let snapshot = heavy(self.awake.doc_bytes_estimate, || self.awake.doc.snapshot());
                // Whoever asked may have given up.
                let _ = match snapshot {
                    Ok(update) => reply.send(Ok(update)),
                    Err(broken) => {
                        self.awake.broken = Some(broken.into());
                        reply.send(Err(Close::TryLater("the room is recovering; come back")))
                    }
                };
            }
            Ask::Apply {
                update,
                user,
                role,
                done,
            } => {
                if !role.writes() {
                    let _ = done.send(Err(Close::Forbidden("this token is read-only")));
                    return;
                }
                let author = self.hub.connection_id();
                self.awake.gathered.push(Waiting {
                    author,
                    user,
                    update,
                    kind: Kind::Update,
                    receipt: Receipt::Http(done),
                });
            }
        }
        if self.awake.members.is_empty() {
            self.awake.empty_since = Some(Instant::now());
        }
    }

    /// The one place where roles are checked for what a member writes.
    fn take_update(&mut self, from: ConnectionId, update: Update, kind: Kind) {
        // A member that has just left may have its last edits here: they were sent while it had its role.
        let Some(seated) = self.awake.members.get_mut(&from) else {
            return;
        };
        if kind == Kind::Step2 {
            // All that it has, or the rest of it: what has gaps behind this sets it again.
            seated.owes_step2 = false;
            seated.gapped = false;
        }
        let Some(seated) = self.awake.members.get(&from) else {
            return;
        };
        if !seated.member.role.writes() {
            self.refuse_write(from, &update, kind);
            return;
        }
        if self.speaks_for_another(from, &update) {
            metrics::refused_frame("foreign_client_id");
            tracing::warn!(doc = %self.doc_id, connection = from.0, "an update jumps another's clock; refused");
            seated
                .member
                .outbox
                .close(Close::BadFrame("the update speaks for another client"));
            return;
        }
        let user = seated.member.user.clone();
        let receipt = self.receipt_for(from, kind);
        self.awake.gathered.push(Waiting {
            author: from,
            user,
            update,
            kind,
            receipt,
        });
    }

    /// Whether the author counts on an acknowledgement.
    fn receipt_for(&mut self, from: ConnectionId, kind: Kind) -> Receipt {
        let uncounted = self
            .awake
            .members
            .get_mut(&from)
            .map(|seated| &mut seated.uncounted_answers);
        match uncounted {
            Some(count) if kind == Kind::Step2 && *count > 0 => {
                *count -= 1;
                Receipt::Nobody
            }
            Some(_) | None => Receipt::Member,
        }
    }

    /// A read-only member's Step2 is part of every handshake and fine when it brings nothing.
    fn refuse_write(&mut self, from: ConnectionId, update: &Update, kind: Kind) {
        let harmless = match kind {
            Kind::Step2 => !self.awake.doc.is_news(update).unwrap_or(true),
            Kind::Update => false,
        };
        let number = self.awake.log.accepted();
        if harmless {
            let receipt = self.receipt_for(from, kind);
            self.hold_ack(Ack::applied(number, from, receipt));
            let seated = self.awake.members.get_mut(&from);
            if let Some(payload) = seated.and_then(|seated| seated.status_parked.take()) {
                self.hold_status(from, payload);
            }
            return;
        }
        metrics::updates_in("refused", 1);
        let Some(seated) = self.awake.members.get_mut(&from) else {
            return;
        };
        seated.send_status(false);
        if !mem::replace(&mut seated.wrote_read_only, true)
            && let Some(frame) = seated.member.voice.read_only()
        {
            seated.member.outbox.send_always(frame);
        }
    }

    /// A few bytes can claim a million clocks of somebody else's client id, after which that client's own edits
    /// are ignored by everyone. Honest updates carry about as many bytes as clocks.
    fn speaks_for_another(&self, from: ConnectionId, update: &Update) -> bool {
        let clocks_max = update.bytes().len() as u64 * 8;
        update.extent().structs.iter().any(|range| {
            let known = self.awake.doc.state_vector().get(range.client);
            let jump = u64::from(range.to).saturating_sub(u64::from(known.max(range.from)));
            let owner = self.awake.awareness.owner(range.client);
            jump > clocks_max && owner.is_some_and(|owner| owner != from)
        })
    }

    /// Nothing of it is used, and nothing behind it is acknowledged before the whole has come.
    pub(super) fn take_gapped(&mut self, from: ConnectionId) {
        if let Some(seated) = self.awake.members.get_mut(&from) {
            seated.gapped = true;
        }
        self.ask_for_missing(from);
    }

    /// The member's updates build on something that never came: it is told what we have, once. Returns whether that is now.
    pub(super) fn ask_for_missing(&mut self, from: ConnectionId) -> bool {
        let step1 = encode::step1(self.awake.doc.state_vector());
        let Some(seated) = self.awake.members.get_mut(&from) else {
            return false;
        };
        if mem::replace(&mut seated.asked, true) {
            return false;
        }
        seated
            .member
            .outbox
            .send_always(seated.member.voice.frame(&step1));
        true
    }

    /// Integrates what gathered, or lets it gather: while a commit is on its way, and in a crowd for what else comes
    /// within milliseconds, because each relay is a write to everyone. A stalled store is not waited for.
    pub(super) fn pace_edits(&mut self) {
        let awake = &mut self.awake;
        let waits_for_commit = awake.in_flight_since.is_some() && !awake.stalled;
        if waits_for_commit || awake.gathered.is_empty() {
            awake.integrate_due = None;
            return;
        }
        let now = Instant::now();
        let pace = self.context.limits.pace(awake.members.len());
        let due = awake.integrated.map(|at| at + pace).filter(|due| *due > now);
        awake.integrate_due = due.filter(|_| awake.gathered.is_light());
        if awake.integrate_due.is_none() {
            self.integrate();
        }
    }

    /// Integrates what gathered, in one transaction, and hands it to the log.
    pub(super) fn integrate(&mut self) {
        if self.awake.gathered.is_empty() || self.awake.broken.is_some() {
            return;
        }
        let gathered = mem::take(&mut self.awake.gathered);
        self.awake.integrate_due = None;
        self.awake.integrated = Some(Instant::now());
        if let Some(close) = self.no_space_for(gathered.bytes) {
            metrics::updates_in("refused", gathered.updates.len());
            for waiting in gathered.updates {
                self.dismiss_author(waiting, close);
            }
            // Whoever was not dismissed sent nothing that is missing now.
            for (from, payload) in gathered.statuses {
                self.hold_status(from, payload);
            }
            return;
        }
        metrics::turn(gathered.updates.len());
        let batch: Vec<(ConnectionId, Update)> = gathered
            .updates
            .iter()
            .map(|waiting| (waiting.author, waiting.update.clone()))
            .collect();
        let before = self.awake.doc.state_vector().clone();
        match heavy(gathered.bytes, || self.awake.doc.apply(&batch)) {
            Ok(turn) => self.accept(turn, gathered.updates, before),
            Err(broken) => {
                self.awake.broken = Some(Box::new(Breakage {
                    broken,
                    suspects: gathered.updates,
                    statuses: gathered.statuses,
                }));
                return;
            }
        }
        for (from, payload) in gathered.statuses {
            self.hold_status(from, payload);
        }
    }

    /// Why this many bytes cannot be taken now, if they cannot.
    fn no_space_for(&mut self, bytes: usize) -> Option<Close> {
        if !self.context.saver.has_space_for(bytes) {
            return Some(Close::TryLater(
                "the store is away and its backlog is full; come back",
            ));
        }
        let bytes_max = self.context.limits.document_bytes_max;
        if self.awake.doc_bytes_estimate + bytes > bytes_max {
            // The estimate only grows; what the document really takes is known by encoding it.
            if let Ok(snapshot) = self.awake.doc.snapshot() {
                self.awake.doc_bytes_estimate = snapshot.bytes().len();
            }
            if self.awake.doc_bytes_estimate + bytes > bytes_max {
                return Some(Close::TooLarge("the document is at its size limit"));
            }
        }
        None
    }

    /// After a rebuild: one suspect alone, so that the one that breaks is known.
    pub(super) fn apply_alone(&mut self, suspect: &Waiting) -> Result<(), Broken> {
        let before = self.awake.doc.state_vector().clone();
        let turn = self
            .awake
            .doc
            .apply(&[(suspect.author, suspect.update.clone())])?;
        let waiting = Waiting {
            author: suspect.author,
            user: suspect.user.clone(),
            update: suspect.update.clone(),
            kind: suspect.kind,
            // An HTTP caller's answer stays with the suspect and is dropped with it: it tries again.
            receipt: Receipt::Member,
        };
        self.accept(turn, vec![waiting], before);
        Ok(())
    }

    /// Refuses one update by closing its author's socket: the author keeps the edit and brings it again.
    pub(super) fn dismiss_author(&mut self, waiting: Waiting, close: Close) {
        if let Some(seated) = self.awake.members.get(&waiting.author) {
            seated.send_status(false);
            seated.member.outbox.close(close);
        }
        waiting.receipt.refuse(close);
    }

    fn take_awareness(&mut self, from: ConnectionId, update: &roomtone_crdt::AwarenessUpdate) {
        presence::receive(&mut self.awake, from, update);
    }
}

/// Which of the two sync messages brought an update.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Step2,
    Update,
}

impl Receipt {
    /// Tells an HTTP caller; a member's own dialect has been told by other means.
    pub(super) fn refuse(self, close: Close) {
        if let Receipt::Http(done) = self {
            let _: Result<(), _> = oneshot::Sender::send(done, Err(close));
        }
    }
}
