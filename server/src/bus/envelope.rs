//! What travels between nodes: a version, a small header in bincode, and the payload as it is.
//!
//! Every byte here comes from outside. The header holds nothing that grows with what it claims, the payload is a slice
//! of what came, and what is inside it goes through the gate of `crdt` in the room that takes it.

use std::fmt;

use bincode::config::{Configuration, LittleEndian, Varint};
use bincode::{Decode, Encode};
use bytes::Bytes;
use roomtone_persistence::Epoch;
use uuid::Uuid;

use crate::limits::{BUS_HEADER_BYTES_MAX, BUS_MESSAGE_BYTES_MAX};

/// The version that this release writes. One that is newer is skipped: during an upgrade of the fleet the repair
/// brings what it carried.
const VERSION: u8 = 1;

/// Fixed for [`VERSION`]: what is read here was written with the same.
const CODING: Configuration<LittleEndian, Varint, bincode::config::Limit<BUS_HEADER_BYTES_MAX>> =
    bincode::config::standard().with_limit::<BUS_HEADER_BYTES_MAX>();

/// One run of one server process.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Encode, Decode)]
pub struct NodeId([u8; 16]);

impl NodeId {
    /// One that no other process has.
    pub fn random() -> NodeId {
        NodeId(Uuid::new_v4().into_bytes())
    }

    /// Of bytes that somebody chose.
    pub const fn from_bytes(bytes: [u8; 16]) -> NodeId {
        NodeId(bytes)
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Uuid::from_bytes(self.0).fmt(f)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A room on a node, for as long as it is awake there. Its messages are numbered from 1.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Encode, Decode)]
pub struct Sender {
    /// The node.
    pub node: NodeId,
    /// Which of the times that the room was awake there. It counts over all rooms of the node.
    pub incarnation: u64,
}

/// A message of one room to the same room on other nodes. None of them is ever passed on to a third.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Envelope {
    /// Who says it.
    pub from: Sender,
    /// The how many-th message of this sender it is.
    pub sequence: u64,
    /// The lineage of the document that it is about.
    pub epoch: Epoch,
    /// What it says.
    pub message: Message,
}

/// What rooms say to each other.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Message {
    /// Edits of one turn, as one Yjs update.
    Update {
        /// The update, unchecked.
        update: Bytes,
        /// Whether the log has it. What it has not, a receiver hands to its own log before it vouches for it.
        saved: bool,
    },
    /// Presence of clients that are connected to the sender's node: those that changed, or all of them.
    Awareness {
        /// An awareness update, unchecked.
        update: Bytes,
        /// Whether these are all: whoever is not among them is gone.
        whole: bool,
    },
    /// What the sender has. It is a sign of life, and tells a receiver that lacks something to ask.
    Digest(Have),
    /// What the sender has, and that it wants the rest. It is how a room announces itself too.
    Ask(Have),
    /// What a sender of [`Message::Ask`] lacked.
    Answer {
        /// Who asked.
        to: Sender,
        /// The number of the question.
        question: u64,
        /// A Yjs update, unchecked.
        update: Bytes,
        /// As in [`Message::Update`].
        saved: bool,
    },
    /// Somebody introduces itself here with the awareness id of a client that is the receiver's: is that one still
    /// there?
    Contest {
        /// The awareness id.
        client: u64,
    },
    /// The room falls asleep on the sender's node, or the node stops. Nobody is present there any more.
    Bye,
    /// What a Hocuspocus client says to the others past the document. It is not repaired when it is lost.
    Stateless {
        /// Text, unchecked.
        payload: Bytes,
    },
    /// The clocks at which presence was announced on the sender's node, so that nobody who moves knows later ones than are told
    /// elsewhere. It goes ahead of all presence of a node, so what was lost of it comes with the next answer.
    Clocks {
        /// Ids and clocks, unchecked.
        clocks: Bytes,
    },
    /// As [`Message::Stateless`], of a client of the native dialect.
    Event {
        /// User, name and payload, unchecked.
        body: Bytes,
    },
    /// Something in the chat has changed. It is not repaired when it is lost: whoever listens asks now and then.
    Chat {
        /// Whom to tell and what, unchecked.
        news: Bytes,
    },
}

/// What a room has, in few bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Have {
    /// An encoded state vector, unchecked.
    pub state_vector: Bytes,
    /// The fingerprint of what is deleted, which a state vector does not tell.
    pub deletions: u64,
}

/// Why bytes are no envelope of ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadEnvelope {
    /// Nothing, or more than any node sends.
    #[error("a message of the bus has 1 to {BUS_MESSAGE_BYTES_MAX} bytes")]
    Length,
    /// A later release wrote it.
    #[error("a later release wrote it, in version {0}")]
    Newer(u8),
    /// An earlier release that is not known any more wrote it, or nobody.
    #[error("there was never a version {0}")]
    Unknown(u8),
    /// The header cannot be read.
    #[error("its header cannot be read")]
    Header,
    /// A payload where none belongs.
    #[error("it has a payload where none belongs")]
    Payload,
}

#[derive(Encode, Decode)]
struct Header {
    from: Sender,
    sequence: u64,
    epoch: u32,
    kind: Kind,
}

/// The order is the number on the wire: new ones go to the end.
#[derive(Encode, Decode)]
enum Kind {
    Update { saved: bool },
    Awareness { whole: bool },
    Digest { deletions: u64 },
    Ask { deletions: u64 },
    Answer { to: Sender, question: u64, saved: bool },
    Contest { client: u64 },
    Bye,
    Stateless,
    Event,
    Clocks,
    Chat,
}

impl Envelope {
    /// The bytes to publish.
    pub fn encode(&self) -> Bytes {
        let none = Bytes::new();
        let (kind, payload) = match &self.message {
            Message::Update { update, saved } => (Kind::Update { saved: *saved }, update),
            Message::Awareness { update, whole } => (Kind::Awareness { whole: *whole }, update),
            Message::Digest(have) => (
                Kind::Digest {
                    deletions: have.deletions,
                },
                &have.state_vector,
            ),
            Message::Ask(have) => (
                Kind::Ask {
                    deletions: have.deletions,
                },
                &have.state_vector,
            ),
            Message::Answer {
                to,
                question,
                update,
                saved,
            } => (
                Kind::Answer {
                    to: *to,
                    question: *question,
                    saved: *saved,
                },
                update,
            ),
            Message::Contest { client } => (Kind::Contest { client: *client }, &none),
            Message::Bye => (Kind::Bye, &none),
            Message::Stateless { payload } => (Kind::Stateless, payload),
            Message::Event { body } => (Kind::Event, body),
            Message::Clocks { clocks } => (Kind::Clocks, clocks),
            Message::Chat { news } => (Kind::Chat, news),
        };
        let header = Header {
            from: self.from,
            sequence: self.sequence,
            epoch: self.epoch.0,
            kind,
        };
        let mut bytes = Vec::with_capacity(1 + BUS_HEADER_BYTES_MAX + payload.len());
        bytes.push(VERSION);
        bincode::encode_into_std_write(&header, &mut bytes, CODING)
            .expect("a header of fixed parts fits its bound, and memory takes it");
        bytes.extend_from_slice(payload);
        Bytes::from(bytes)
    }

    /// Reads what came from the bus. The payload shares the bytes.
    ///
    /// # Errors
    /// [`BadEnvelope`]; the message is skipped, and its sender's next number shows that one is missing.
    pub fn decode(bytes: &Bytes) -> Result<Envelope, BadEnvelope> {
        if bytes.len() > BUS_MESSAGE_BYTES_MAX {
            return Err(BadEnvelope::Length);
        }
        match bytes.first() {
            None => return Err(BadEnvelope::Length),
            Some(&VERSION) => {}
            Some(&version) if version > VERSION => return Err(BadEnvelope::Newer(version)),
            Some(&version) => return Err(BadEnvelope::Unknown(version)),
        }
        let (header, length): (Header, usize) =
            bincode::decode_from_slice(&bytes[1..], CODING).map_err(|_| BadEnvelope::Header)?;
        let payload = bytes.slice(1 + length..);
        let have = |deletions| Have {
            state_vector: payload.clone(),
            deletions,
        };
        let is_bare = payload.is_empty();
        let message = match header.kind {
            Kind::Update { saved } => Message::Update {
                update: payload,
                saved,
            },
            Kind::Awareness { whole } => Message::Awareness {
                update: payload,
                whole,
            },
            Kind::Digest { deletions } => Message::Digest(have(deletions)),
            Kind::Ask { deletions } => Message::Ask(have(deletions)),
            Kind::Answer { to, question, saved } => Message::Answer {
                to,
                question,
                update: payload,
                saved,
            },
            Kind::Contest { client } if is_bare => Message::Contest { client },
            Kind::Bye if is_bare => Message::Bye,
            Kind::Stateless => Message::Stateless { payload },
            Kind::Event => Message::Event { body: payload },
            Kind::Clocks => Message::Clocks { clocks: payload },
            Kind::Chat => Message::Chat { news: payload },
            Kind::Contest { .. } | Kind::Bye => return Err(BadEnvelope::Payload),
        };
        Ok(Envelope {
            from: header.from,
            sequence: header.sequence,
            epoch: Epoch(header.epoch),
            message,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn sender() -> impl Strategy<Value = Sender> {
        (any::<[u8; 16]>(), any::<u64>()).prop_map(|(node, incarnation)| Sender {
            node: NodeId(node),
            incarnation,
        })
    }

    fn message() -> impl Strategy<Value = Message> {
        let payload = || vec(any::<u8>(), 0..200).prop_map(Bytes::from);
        let have = || {
            (payload(), any::<u64>()).prop_map(|(state_vector, deletions)| Have {
                state_vector,
                deletions,
            })
        };
        prop_oneof![
            (payload(), any::<bool>()).prop_map(|(update, saved)| Message::Update { update, saved }),
            (payload(), any::<bool>()).prop_map(|(update, whole)| Message::Awareness { update, whole }),
            have().prop_map(Message::Digest),
            have().prop_map(Message::Ask),
            (sender(), any::<u64>(), payload(), any::<bool>()).prop_map(|(to, question, update, saved)| {
                Message::Answer {
                    to,
                    question,
                    update,
                    saved,
                }
            }),
            any::<u64>().prop_map(|client| Message::Contest { client }),
            Just(Message::Bye),
            payload().prop_map(|payload| Message::Stateless { payload }),
            payload().prop_map(|body| Message::Event { body }),
            payload().prop_map(|clocks| Message::Clocks { clocks }),
            payload().prop_map(|news| Message::Chat { news }),
        ]
    }

    fn envelope() -> impl Strategy<Value = Envelope> {
        (sender(), any::<u64>(), any::<u32>(), message()).prop_map(|(from, sequence, epoch, message)| {
            Envelope {
                from,
                sequence,
                epoch: Epoch(epoch),
                message,
            }
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(envelope in envelope()) {
            prop_assert_eq!(Envelope::decode(&envelope.encode()), Ok(envelope));
        }

        #[test]
        fn a_header_that_was_cut_is_refused(envelope in envelope(), cut in 0_usize..64) {
            let bytes = envelope.encode();
            let cut = bytes.slice(..cut.min(bytes.len()));
            // What is cut within the payload is a shorter payload: the gate finds that, not the envelope.
            if let Ok(read) = Envelope::decode(&cut) {
                prop_assert_eq!((read.from, read.sequence), (envelope.from, envelope.sequence));
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..300), ours in any::<bool>()) {
            let mut bytes = bytes;
            if let (true, Some(first)) = (ours, bytes.first_mut()) {
                *first = VERSION;
            }
            let bytes = Bytes::from(bytes);
            if let Ok(read) = Envelope::decode(&bytes) {
                // Numbers may be written longer than need be; what they say is the same.
                prop_assert_eq!(Envelope::decode(&read.encode()), Ok(read));
            }
        }

        #[test]
        fn one_wrong_byte_does_no_harm(envelope in envelope(), at in any::<usize>(), byte in any::<u8>()) {
            let mut bytes = envelope.encode().to_vec();
            let at = at % bytes.len();
            bytes[at] = byte;
            let _ = Envelope::decode(&Bytes::from(bytes));
        }
    }

    #[test]
    fn the_bytes_of_a_version_stay_what_they_are() {
        let envelope = Envelope {
            from: Sender {
                node: NodeId::from_bytes([7; 16]),
                incarnation: 3,
            },
            sequence: 300,
            epoch: Epoch(1),
            message: Message::Update {
                update: Bytes::from_static(&[0, 0]),
                saved: true,
            },
        };
        let mut expected = vec![1];
        expected.extend([7; 16]);
        expected.extend([3, 251, 44, 1, 1, 0, 1, 0, 0]);
        assert_eq!(envelope.encode(), expected);
    }

    #[test]
    fn versions_lengths_and_payloads_that_are_not_ours_are_told_apart() {
        let decode = |bytes: &[u8]| Envelope::decode(&Bytes::copy_from_slice(bytes));
        assert_eq!(decode(&[]), Err(BadEnvelope::Length));
        assert_eq!(decode(&[0, 1, 2]), Err(BadEnvelope::Unknown(0)));
        assert_eq!(decode(&[2]), Err(BadEnvelope::Newer(2)));
        assert_eq!(decode(&[1]), Err(BadEnvelope::Header));
        let bye = Envelope {
            from: Sender {
                node: NodeId::from_bytes([0; 16]),
                incarnation: 1,
            },
            sequence: 1,
            epoch: Epoch(1),
            message: Message::Bye,
        };
        let mut longer = bye.encode().to_vec();
        longer.push(0);
        assert_eq!(decode(&longer), Err(BadEnvelope::Payload));
        // A kind that a later release may add within this version.
        let mut unknown = bye.encode().to_vec();
        let last = unknown.len() - 1;
        unknown[last] = 200;
        assert_eq!(decode(&unknown), Err(BadEnvelope::Header));
        let long = Bytes::from(vec![VERSION; BUS_MESSAGE_BYTES_MAX + 1]);
        assert_eq!(Envelope::decode(&long), Err(BadEnvelope::Length));
    }
}
