//! Large answers to who joins, made smaller for those who can read that (NA3).

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use roomtone_crdt::native::{self, Channel};

use crate::heavy::heavy;
use crate::limits::{DEFLATED_BYTES_MAX, DEFLATED_BYTES_MIN};

/// Deflates diffs, each once for all who are sent the same at the same time: in a storm of joins that is everybody.
#[derive(Default)]
pub struct Deflater {
    /// Drawn for this process, so that nobody finds two documents of one hash.
    keys: RandomState,
    slots: Mutex<HashMap<u64, Slot>>,
}

/// What a frame becomes, as long as some socket has it to write. Whoever comes while it is being made waits for it.
type Slot = Arc<Mutex<Option<Weak<[u8]>>>>;

impl Deflater {
    /// The same frame, deflated if it is a diff of a size that makes it worth the while. For the writer of a socket: in a
    /// room's turn it would hold everybody up.
    pub(crate) fn pack(&self, frame: Bytes) -> Bytes {
        let is_worth_it = (DEFLATED_BYTES_MIN..=DEFLATED_BYTES_MAX).contains(&frame.len());
        if !is_worth_it {
            return frame;
        }
        let Some((channel, diff)) = native::as_diff(&frame) else {
            return frame;
        };
        let packed = heavy(frame.len(), || self.packed(&frame, channel, diff));
        packed.unwrap_or(frame)
    }

    fn packed(&self, frame: &Bytes, channel: Channel, diff: &[u8]) -> Option<Bytes> {
        let slot = self.slot(self.keys.hash_one(frame));
        let mut known = lock(&slot);
        if let Some(packed) = known.as_ref().and_then(Weak::upgrade) {
            return Some(Bytes::from_owner(packed));
        }
        let packed: Arc<[u8]> = Arc::from(&native::deflated_diff(channel, &deflate(diff)?)[..]);
        *known = Some(Arc::downgrade(&packed));
        Some(Bytes::from_owner(packed))
    }

    fn slot(&self, hash: u64) -> Slot {
        let mut slots = lock(&self.slots);
        // Those that nobody makes or writes any more.
        let is_written = |slot: &Slot| {
            lock(slot)
                .as_ref()
                .is_none_or(|packed| packed.strong_count() == 0)
        };
        slots.retain(|_, slot| Arc::strong_count(slot) > 1 || !is_written(slot));
        slots.entry(hash).or_default().clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing in here can panic half-way, so a poisoned lock still guards a whole value.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// None where it would hardly be smaller: pictures in a document, say.
fn deflate(diff: &[u8]) -> Option<Vec<u8>> {
    // The fastest level: it takes away most of what the slower ones do.
    let mut encoder = DeflateEncoder::new(Vec::with_capacity(diff.len() / 2), Compression::fast());
    encoder.write_all(diff).ok()?;
    let deflated = encoder.finish().ok()?;
    (deflated.len() < diff.len() / 8 * 7).then_some(deflated)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::DeflateDecoder;
    use roomtone_crdt::{Reader, Writer};

    use super::*;

    fn diff(body: &[u8]) -> Bytes {
        let mut writer = Writer::new();
        writer.var_uint(3).var_uint(33).var_bytes(body);
        Bytes::from(writer.into_bytes())
    }

    #[test]
    fn a_large_diff_is_smaller_afterwards_and_the_same_inside() {
        let body = b"room tone ".repeat(10_000);
        let deflater = Deflater::default();
        let packed = deflater.pack(diff(&body));
        assert!(packed.len() < body.len() / 10, "{}", packed.len());
        let mut reader = Reader::new(&packed);
        assert_eq!((reader.var_uint(), reader.var_uint()), (Ok(3), Ok(38)));
        let mut inflated = Vec::new();
        DeflateDecoder::new(reader.var_bytes().expect("a body"))
            .read_to_end(&mut inflated)
            .expect("deflate");
        assert_eq!(inflated, body);
    }

    #[test]
    fn what_many_are_sent_is_made_once_and_forgotten_when_it_is_written() {
        let deflater = Deflater::default();
        let body = b"room tone ".repeat(10_000);
        let first = deflater.pack(diff(&body));
        let second = deflater.pack(diff(&body));
        assert_eq!(first.as_ptr(), second.as_ptr());
        let other = deflater.pack(diff(&body[10..]));
        assert_ne!(other, first);
        assert_eq!(lock(&deflater.slots).len(), 2);
        drop((first, second, other));
        let _again = deflater.pack(diff(&body));
        assert_eq!(lock(&deflater.slots).len(), 1, "what nobody has is not kept");
    }

    #[test]
    fn what_is_small_or_random_or_something_else_stays_as_it_is() {
        let mut state = 1_u32;
        let mut noise = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        let random: Vec<u8> = (0..DEFLATED_BYTES_MIN * 2).map(|_| noise()).collect();
        let mut update = Writer::new();
        update
            .var_uint(3)
            .var_uint(34)
            .var_bytes(&vec![0; DEFLATED_BYTES_MIN * 2]);
        let two = [diff(&vec![0; DEFLATED_BYTES_MIN]), diff(b"x")].concat();
        for frame in [
            diff(b"small"),
            diff(&random),
            Bytes::from(update.into_bytes()),
            Bytes::from(two),
            Bytes::from(vec![0xff; DEFLATED_BYTES_MIN * 2]),
        ] {
            assert_eq!(Deflater::default().pack(frame.clone()), frame);
        }
    }
}
