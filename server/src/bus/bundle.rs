//! What a room says in one turn, as one message of the bus.
//!
//! The first byte is [`BUNDLE`], where a message that travels alone has its version; behind it each message has its length in
//! front of it, in four bytes with the lowest first. A release that does not know bundles takes one for a version to come.

use bytes::{Buf, Bytes};

use super::BadEnvelope;
use crate::limits::{BUS_MESSAGE_BYTES_MAX, BUS_TURN_COUNT_MAX};

/// No version of an envelope may ever have this number.
const BUNDLE: u8 = 2;

/// Bytes in front of each message.
const LENGTH_BYTES: usize = size_of::<u32>();

/// Messages that wait for the end of the turn, in order.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    messages: Vec<Bytes>,
    bytes: usize,
}

impl Outgoing {
    /// Adds a message of at most [`BUS_MESSAGE_BYTES_MAX`]. Returns what has to leave before it, because both would be too much.
    pub(super) fn push(&mut self, message: Bytes) -> Option<Bytes> {
        let bytes = LENGTH_BYTES + message.len();
        let fits =
            1 + self.bytes + bytes <= BUS_MESSAGE_BYTES_MAX && self.messages.len() < BUS_TURN_COUNT_MAX;
        let before = if fits { None } else { self.take() };
        self.bytes += bytes;
        self.messages.push(message);
        before
    }

    /// All that waits, as one message.
    pub(super) fn take(&mut self) -> Option<Bytes> {
        if self.messages.len() <= 1 {
            self.bytes = 0;
            return self.messages.pop();
        }
        let mut bundle = Vec::with_capacity(1 + self.bytes);
        bundle.push(BUNDLE);
        for message in self.messages.drain(..) {
            let length = u32::try_from(message.len()).expect("BUS_MESSAGE_BYTES_MAX fits");
            bundle.extend_from_slice(&length.to_le_bytes());
            bundle.extend_from_slice(&message);
        }
        self.bytes = 0;
        Some(bundle.into())
    }
}

/// The messages in what came from the bus, unchecked. They share its bytes.
///
/// # Errors
/// [`BadEnvelope::Length`] when there are more bytes or messages than any node sends, or fewer than it says.
pub(super) fn messages_of(bytes: &Bytes) -> Result<Vec<Bytes>, BadEnvelope> {
    if bytes.len() > BUS_MESSAGE_BYTES_MAX {
        return Err(BadEnvelope::Length);
    }
    if bytes.first() != Some(&BUNDLE) {
        return Ok(vec![bytes.clone()]);
    }
    let (mut rest, mut messages) = (bytes.slice(1..), Vec::with_capacity(2));
    while !rest.is_empty() {
        let length = rest.try_get_u32_le().map_err(|_| BadEnvelope::Length)?;
        let length = usize::try_from(length).map_err(|_| BadEnvelope::Length)?;
        if length > rest.len() || messages.len() == BUS_TURN_COUNT_MAX {
            return Err(BadEnvelope::Length);
        }
        messages.push(rest.split_to(length));
    }
    Ok(messages)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn bundled(messages: &[Bytes]) -> Vec<Bytes> {
        let mut outgoing = Outgoing::default();
        let mut sent: Vec<Bytes> = messages
            .iter()
            .filter_map(|message| outgoing.push(message.clone()))
            .collect();
        sent.extend(outgoing.take());
        assert_eq!(outgoing.take(), None);
        sent
    }

    proptest! {
        #[test]
        fn what_is_bundled_comes_out_in_order(messages in vec(vec(any::<u8>(), 0..40), 0..600)) {
            // Each begins as an envelope does.
            let messages: Vec<Bytes> = messages.into_iter().map(|tail| [&[1], &tail[..]].concat().into()).collect();
            let sent = bundled(&messages);
            prop_assert_eq!(sent.len(), messages.len().div_ceil(BUS_TURN_COUNT_MAX));
            let mut read = Vec::new();
            for bytes in &sent {
                read.extend(messages_of(bytes).expect("we wrote it"));
            }
            prop_assert_eq!(read, messages);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..300)) {
            let bundle = Bytes::from([&[BUNDLE], &bytes[..]].concat());
            if let Ok(messages) = messages_of(&bundle) {
                let count: usize = messages.iter().map(|message| LENGTH_BYTES + message.len()).sum();
                prop_assert_eq!(count, bytes.len());
            }
        }
    }

    #[test]
    fn one_message_travels_as_it_is() {
        let message = Bytes::from_static(&[1, 2, 3]);
        assert_eq!(bundled(std::slice::from_ref(&message)), [message]);
    }

    #[test]
    fn no_bundle_is_too_large_and_none_is_taken_that_is() {
        let large = Bytes::from(vec![1; BUS_MESSAGE_BYTES_MAX]);
        let small = Bytes::from_static(&[1]);
        let sent = bundled(&[small.clone(), large.clone(), small.clone(), small.clone()]);
        let lengths: Vec<usize> = sent.iter().map(Bytes::len).collect();
        assert_eq!(lengths, [1, BUS_MESSAGE_BYTES_MAX, 1 + 2 * (LENGTH_BYTES + 1)]);
        let longer = Bytes::from(vec![BUNDLE; BUS_MESSAGE_BYTES_MAX + 1]);
        assert_eq!(messages_of(&longer), Err(BadEnvelope::Length));
        let many = Bytes::from([vec![BUNDLE], vec![0; LENGTH_BYTES * (BUS_TURN_COUNT_MAX + 1)]].concat());
        assert_eq!(messages_of(&many), Err(BadEnvelope::Length));
    }

    #[test]
    fn a_bundle_that_was_cut_is_refused_whole() {
        let bundle = &bundled(&[Bytes::from_static(&[1, 2, 3]), Bytes::from_static(&[1])])[0];
        for cut in 2..bundle.len() {
            // Behind the first message it looks whole: what is missing shows in the sender's numbers.
            let is_whole = cut == 1 + LENGTH_BYTES + 3;
            assert_eq!(messages_of(&bundle.slice(..cut)).is_ok(), is_whole, "{cut}");
        }
    }
}
