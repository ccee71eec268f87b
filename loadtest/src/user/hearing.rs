//! What a virtual user hears: each edit and each presence is matched with what its author sent.

use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::Rng;
use roomtone_crdt::{ConnectionId, Reader, StateVector, Update};

use super::probe::verify;
use super::{Unsaved, User, ms};
use crate::ledger::Received;
use crate::metrics::{Counter, Trend};
use crate::wire::Heard;

impl User {
    pub(super) fn hear(
        &mut self,
        frame: &Bytes,
        opened: Instant,
        synced: &mut Option<Instant>,
    ) -> Result<Vec<Bytes>, String> {
        let heard = self
            .wire
            .read(frame)
            .map_err(|error| format!("a frame that cannot be read: {error}"))?;
        let mut answers = Vec::new();
        for one in heard {
            match one {
                Heard::Authenticated => answers.extend(self.opening()),
                Heard::Step1(have) => {
                    let have =
                        StateVector::decode(&have).map_err(|error| format!("a bad state vector: {error}"))?;
                    let mine = self.pen.since(have.get(self.pen.client()));
                    answers.push(self.wire.step2(&mine));
                }
                Heard::Step2(update) => {
                    if synced.is_none() {
                        self.measure(Trend::Sync, &[ms(opened)]);
                    }
                    let now = *synced.get_or_insert_with(Instant::now);
                    // Who returns counts what it missed from the moment it was sent.
                    self.take(&update, if self.received.is_empty() { now } else { opened }, true)?;
                }
                Heard::Update(update) => self.take(&update, opened, synced.is_some())?,
                Heard::Awareness(payload) => {
                    if self.take_presence(&payload, opened)? && self.brief.scenario.echo_presence {
                        answers.push(self.wire.awareness(&payload));
                    }
                }
                Heard::Status(true) => {
                    if let Some(edit) = self.unsaved.pop_front() {
                        self.saved(edit);
                    }
                }
                Heard::Status(false) => {
                    self.unsaved.pop_front();
                    self.brief.metrics.error("an edit was refused");
                }
                Heard::Saved(version) => {
                    while let Some(edit) = self.unsaved.pop_front_if(|edit| edit.version <= version) {
                        self.saved(edit);
                    }
                }
                Heard::Denied(why) => return Err(format!("denied: {why}")),
                Heard::Other => {}
            }
        }
        Ok(answers)
    }

    fn saved(&mut self, edit: Unsaved) {
        self.measure(Trend::Ack, &[ms(edit.at)]);
        let is_due = self
            .verified_at
            .is_none_or(|at| at.elapsed() > Duration::from_millis(100));
        if is_due && self.brief.verify_acks > 0.0 && self.rng.random_bool(self.brief.verify_acks) {
            self.verified_at = Some(Instant::now());
            tokio::spawn(verify(
                self.wire.clone(),
                self.brief.target.clone(),
                self.brief.token.clone(),
                (self.pen.client(), edit.clock),
                self.brief.metrics.clone(),
            ));
        }
    }

    /// Before it is synced a hole is nothing strange: the rest is still to come.
    fn take(&mut self, update: &Bytes, since: Instant, is_synced: bool) -> Result<(), String> {
        let checked = self
            .brief
            .ledger
            .check(update)
            .map_err(|error| format!("an update that cannot be read: {error}"))?;
        let metrics = &self.brief.metrics;
        for range in &checked.extent().structs {
            if range.client == self.pen.client() {
                continue;
            }
            let received = match self.received.get_mut(&range.client) {
                Some(received) => received,
                None => match self.brief.ledger.writer(range.client) {
                    Some(sent) => self.received.entry(range.client).or_insert(Received::new(sent)),
                    // What was in the document before this run.
                    None => {
                        let known = self.strangers.entry(range.client).or_default();
                        *known = range.to.max(*known);
                        continue;
                    }
                },
            };
            let arrived = received.take(range.from, range.to, since);
            metrics.add(Counter::Gaps, u64::from(arrived.is_gap && is_synced));
            metrics.add(Counter::Deliveries, arrived.delivery_ms.len() as u64);
            if self.brief.scenario.measured {
                metrics.record(Trend::Delivery, &arrived.delivery_ms);
            }
        }
        for ranges in checked
            .extent()
            .deletes
            .chunk_by(|one, next| one.client == next.client)
        {
            let Some(received) = self.received.get_mut(&ranges[0].client) else {
                continue;
            };
            for range in ranges {
                let delivery_ms = received.take_deleted(range.from, range.to, since);
                metrics.add(Counter::Deliveries, delivery_ms.len() as u64);
                if self.brief.scenario.measured {
                    metrics.record(Trend::Delivery, &delivery_ms);
                }
            }
        }
        self.apply(update);
        Ok(())
    }

    pub(super) fn apply(&mut self, update: &Bytes) {
        if let Some(doc) = &mut self.doc
            && let Ok(update) = Update::check(update.clone())
            && let Err(error) = doc.apply(&[(ConnectionId(1), update)])
        {
            self.brief.metrics.error(&format!("a document broke: {error}"));
            self.doc = None;
        }
    }

    /// Whether anything in it was new.
    fn take_presence(&mut self, payload: &Bytes, since: Instant) -> Result<bool, String> {
        let mut reader = Reader::new(payload);
        let bad = |error| format!("presence that cannot be read: {error}");
        let mut is_news = false;
        for _ in 0..reader.var_uint().map_err(bad)? {
            let client = reader.var_uint().map_err(bad)?;
            let clock = reader.var_uint().map_err(bad)?;
            let state = reader.var_string().map_err(bad)?;
            if client == self.pen.client() {
                // As y-protocols does, which takes over what is newer of itself too.
                self.presence_clock = self.presence_clock.max(clock);
                continue;
            }
            if state == "null" {
                // Of somebody who has left there is no last state.
                if let Some(received) = self.received.get_mut(&client) {
                    received.forget_presence();
                }
                continue;
            }
            let Some(number) = number_of(state) else {
                continue;
            };
            let received = match self.received.get_mut(&client) {
                Some(received) => received,
                None => match self.brief.ledger.writer(client) {
                    Some(sent) => self.received.entry(client).or_insert(Received::new(sent)),
                    None => continue,
                },
            };
            if let Some(latency_ms) = received.take_presence(number, since) {
                is_news = true;
                self.brief.metrics.add(Counter::PresenceReceived, 1);
                self.measure(Trend::Presence, &[latency_ms]);
            }
        }
        Ok(is_news)
    }

    /// Whether everything that anybody in the room sent is here.
    pub(super) fn has_all(&self) -> bool {
        self.unsaved.is_empty() && self.missing() == (0, 0)
    }

    pub(super) fn missing(&self) -> (usize, usize) {
        let mut sum = (0, 0);
        for (client, sent) in self.brief.ledger.all() {
            if client == self.pen.client() {
                continue;
            }
            let (edits, presence) = match self.received.get(&client) {
                Some(received) => received.missing(),
                None => Received::new(sent).missing(),
            };
            sum.0 += edits;
            sum.1 += presence;
        }
        sum
    }
}

/// The number that every presence state of ours begins with.
fn number_of(state: &str) -> Option<usize> {
    let rest = &state[state.find("\"n\":")? + 4..];
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..digits].parse().ok().filter(|number| *number > 0)
}
