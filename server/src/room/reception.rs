//! Who comes while a large document is being built: they get the stored snapshot at once, and the rest is taken as a turn
//! when the room is ready.

use std::collections::HashMap;

use bytes::Bytes;
use roomtone_crdt::{ConnectionId, Message, StateVector, Update, encode};
use roomtone_persistence::Epoch;

use super::handle::{Delivery, Event};
use super::member::Voice;
use crate::limits::INBOX_EVENTS_COUNT_MAX;
use crate::outbox::Outbox;

/// A document as bytes, before anything is built from it: all that is stored, gated, and whole.
pub(super) struct Preview {
    epoch: Epoch,
    step1: Bytes,
    step2: Bytes,
}

impl Preview {
    /// None where the bytes alone do not tell what the document has: it begins late, or has a hole.
    pub(super) fn of(epoch: Epoch, snapshot: &Update) -> Option<Preview> {
        let mut have = StateVector::default();
        for range in &snapshot.extent().structs {
            if have.get(range.client) != range.from {
                return None;
            }
            have.advance(range.client, range.to);
        }
        Some(Preview {
            epoch,
            step1: encode::step1(&have),
            step2: encode::step2(snapshot),
        })
    }
}

/// What was said before the room was ready.
#[derive(Default)]
pub(super) struct Reception {
    waiting: Vec<Delivery>,
    guests: HashMap<ConnectionId, (Voice, Outbox)>,
}

impl Reception {
    /// What waits holds its space of the inbox, so bytes are bounded there.
    pub(super) fn has_space(&self) -> bool {
        self.waiting.len() < INBOX_EVENTS_COUNT_MAX
    }

    /// Answers whoever has nothing yet; all else waits for the room, in order.
    pub(super) fn receive(&mut self, mut delivery: Delivery, preview: &Preview) {
        match &mut delivery.event {
            Event::Join(member) => {
                // It comes before everything, and so before the answer below.
                if !member.greet(preview.epoch) {
                    return;
                }
                self.guests
                    .insert(member.id, (member.voice.clone(), member.outbox.clone()));
            }
            Event::Say(from, Message::Step1(since)) if since.is_empty() => {
                // Once: whoever asks again is answered by the room.
                if let Some((voice, outbox)) = self.guests.remove(from) {
                    if let Voice::Hocuspocus(_) = &voice {
                        outbox.send_always(voice.frame(&preview.step1));
                    }
                    // Nothing else waits there: it is the first frame of any size, and fits.
                    let _ = outbox.send(voice.frame(&preview.step2));
                    return;
                }
            }
            Event::Say(..) | Event::Renew(..) | Event::Ask(_) | Event::Chat(_) => {}
        }
        self.waiting.push(delivery);
    }

    /// What the room takes as its first turn.
    pub(super) fn into_waiting(self) -> Vec<Delivery> {
        self.waiting
    }
}

#[cfg(test)]
mod tests {
    use roomtone_crdt::hocuspocus;

    use super::*;
    use crate::auth::Role;
    use crate::room::{Greeting, Member};

    /// "ab" by client 1 at this clock, after what came before.
    fn update(clock: u8) -> Update {
        let mut bytes = vec![1, 1, 1, clock];
        match clock {
            0 => bytes.extend([4, 1, 1, b't']),
            after => bytes.extend([0x84, 1, after - 1]),
        }
        bytes.extend([2, b'a', b'b', 0]);
        Update::check(Bytes::from(bytes)).expect("an update")
    }

    fn delivery(event: Event) -> Delivery {
        Delivery::without_space(event)
    }

    #[test]
    fn bytes_that_begin_late_are_no_preview() {
        assert!(Preview::of(Epoch::FIRST, &update(0)).is_some());
        assert!(Preview::of(Epoch::FIRST, &update(2)).is_none());
    }

    #[tokio::test]
    async fn who_has_nothing_is_greeted_asked_and_answered_and_the_rest_waits() {
        let preview = Preview::of(Epoch::FIRST, &update(0)).expect("it is whole");
        let mut reception = Reception::default();
        let outbox = Outbox::new(1_000);
        let id = ConnectionId(1);
        let greeting = hocuspocus::authenticated("d", false);
        let member = Member {
            id,
            voice: Voice::Hocuspocus("d".into()),
            outbox: outbox.clone(),
            role: Role::Editor,
            user: None,
            stamp: None,
            greeting: Greeting::Frame(greeting.clone()),
        };
        reception.receive(delivery(Event::Join(Box::new(member))), &preview);
        for _ in 0..2 {
            let asks = Event::Say(id, Message::Step1(StateVector::default()));
            reception.receive(delivery(asks), &preview);
        }
        let addressed = |body| hocuspocus::addressed("d", body);
        assert_eq!(
            outbox.take().await.frames,
            [greeting, addressed(&preview.step1), addressed(&preview.step2)]
        );
        // The join, and the second question: the room answers that one.
        assert_eq!(reception.into_waiting().len(), 2);
    }
}
