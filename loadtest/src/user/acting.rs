//! What a virtual user does: which actions, when they are due, and the frames that say them.

use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::Rng;
use rand::rngs::SmallRng;

use super::{Phase, Unsaved, User};
use crate::metrics::Counter;
use crate::scenario::{Action, Choose, Kind, Scenario, Speech};

/// What it does, each with the time of its first: spread over one interval, so that a crowd does not march in step.
pub(super) fn draw(scenario: &Scenario, rng: &mut SmallRng) -> Vec<(Action, Instant)> {
    let chosen: Vec<&Action> = match scenario.choose {
        Choose::All => scenario.actions.iter().collect(),
        Choose::ByWeight => {
            let mut left = rng.random_range(
                0.0..scenario
                    .actions
                    .iter()
                    .map(|one| one.weight)
                    .sum::<f64>()
                    .max(1e-9),
            );
            let one = scenario.actions.iter().find(|one| {
                left -= one.weight;
                left < 0.0
            });
            one.or(scenario.actions.last()).into_iter().collect()
        }
    };
    let now = Instant::now();
    chosen
        .into_iter()
        .map(|one| {
            (
                one.clone(),
                // What is flat out has no interval.
                now + Duration::from_secs_f64(if one.is_flat_out {
                    0.0
                } else {
                    rng.random_range(0.0..1.0) / one.per_s
                }),
            )
        })
        .collect()
}

impl User {
    /// When the next action is due. Never while the run drains.
    pub(super) fn next_action(&self) -> Option<Instant> {
        if !self.may_act() {
            return None;
        }
        let at_a_rate = self.actions.iter().filter(|(action, _)| !action.is_flat_out);
        at_a_rate.map(|(_, at)| *at).min()
    }

    pub(super) fn may_act(&self) -> bool {
        *self.brief.phase.borrow() == Phase::Run && self.brief.actions_max.is_none_or(|max| self.acted < max)
    }

    /// Does what is due and gives the frames that say so.
    pub(super) fn act(&mut self) -> Vec<Bytes> {
        let now = Instant::now();
        let mut frames = Vec::new();
        for place in 0..self.actions.len() {
            while self.actions[place].1 <= now && !self.actions[place].0.is_flat_out {
                let (action, at) = &mut self.actions[place];
                *at += Duration::from_secs_f64(1.0 / action.per_s);
                // What could not be done in time is left out, not made up for all at once.
                if *at + Duration::from_secs(1) < now {
                    *at = now;
                    self.brief.metrics.error("generator too slow");
                }
                let action = action.clone();
                self.acted += 1;
                self.perform(&action, &mut frames);
            }
        }
        frames
    }

    pub(super) fn perform(&mut self, action: &Action, frames: &mut Vec<Bytes>) {
        let mut deleted = None;
        let update = match action.kind {
            Kind::Cursor => {
                frames.push(self.presence());
                return;
            }
            Kind::Typing => self.pen.write(action.chars),
            Kind::Drag => self.pen.drag(action.chars),
            Kind::Chat => self.pen.chat(action.chars),
            Kind::Note => {
                let (update, gone) = self.pen.note(action.chars);
                deleted = gone;
                update
            }
            Kind::Replay => {
                let Some((update, gone)) = self.replayer.as_mut().and_then(|one| one.next(&mut self.pen))
                else {
                    return;
                };
                deleted = gone;
                update
            }
        };
        let now = Instant::now();
        self.sent_count += 1;
        self.own.enter(self.pen.clock(), deleted, now);
        self.brief.metrics.add(Counter::Edits, 1);
        frames.push(self.wire.update(&update));
        if self.wire.speech() != Speech::YWebsocket {
            self.unsaved.push_back(Unsaved {
                version: self.wire.version_of_last(self.sent_count),
                clock: self.pen.clock(),
                at: now,
            });
        }
        frames.extend(self.wire.ask_saved(self.sent_count));
        if action.cursor {
            frames.push(self.presence());
        }
        // Who replays keeps its document for the end: see `Remains`.
        if self.replayer.is_none() {
            let mine = Bytes::from(update);
            self.apply(&mine);
        }
    }

    pub(super) fn presence(&mut self) -> Bytes {
        self.presence_clock += 1;
        let number = {
            let mut sent = self.own.lock();
            sent.presence.push(Instant::now());
            sent.presence.len()
        };
        self.brief.metrics.add(Counter::PresenceSent, 1);
        // As large as what editors send: who, which colour, where.
        let state = format!(
            "{{\"n\":{number},\"user\":{{\"name\":\"virtual user {}\",\"color\":\"#30bced\",\"colorLight\":\"#30bced33\"}},\
             \"cursor\":{{\"anchor\":{{\"type\":null,\"tname\":\"text\",\"item\":{{\"client\":{},\"clock\":{}}},\"assoc\":0}}}}}}",
            self.brief.vu,
            self.pen.client(),
            self.pen.clock()
        );
        self.wire.presence(self.pen.client(), self.presence_clock, &state)
    }
}
