//! What one virtual user writes: updates as a Yjs client makes them, byte by byte, without a document.

mod note;

use roomtone_crdt::{ClientId, Writer};

use self::note::Note;
use crate::ranges::Ranges;
use crate::replay::Edit;

/// A deleted block, one of text, and one of JSON-like values.
const DELETED: u8 = 1;
const STRING: u8 = 4;
const ANY: u8 = 8;
const HAS_ORIGIN: u8 = 0x80;
const HAS_RIGHT_ORIGIN: u8 = 0x40;
const HAS_KEY: u8 = 0x20;

/// Roots that the pen writes to.
const TEXT: &str = "text";
const SHAPES: &str = "shapes";
const CHAT: &str = "chat";

/// A block that was written.
struct Block {
    begins: u32,
    bytes: Box<[u8]>,
}

/// A writer of one document, with all that it ever wrote and that is still there.
pub struct Pen {
    client: ClientId,
    clock: u32,
    /// Its blocks one behind the other.
    blocks: Vec<Block>,
    /// What it deleted.
    deleted: Ranges,
    last: [Option<u32>; 3],
    /// Which block holds the place of its shape, and the block as it is when another holds it.
    shape: Option<(usize, Box<[u8]>)>,
    note: Option<Note>,
    /// The clock of the last note that was put on the board.
    note_before: Option<u32>,
}

impl Pen {
    /// With a client id of its own.
    pub fn new(client: ClientId) -> Pen {
        Pen {
            client,
            clock: 0,
            blocks: Vec::new(),
            deleted: Ranges::default(),
            last: [None; 3],
            shape: None,
            note: None,
            note_before: None,
        }
    }

    /// Its client id.
    pub fn client(&self) -> ClientId {
        self.client
    }

    /// The clock behind its last edit.
    pub fn clock(&self) -> u32 {
        self.clock
    }

    /// Appends to a text.
    pub fn write(&mut self, chars: usize) -> Vec<u8> {
        let mut writer = Writer::new();
        self.place(&mut writer, STRING, 0, TEXT, None);
        writer.var_string(&self.letters(chars));
        self.keep(writer, 0, chars as u32)
    }

    fn letters(&self, chars: usize) -> String {
        (0..chars)
            .map(|at| char::from(b'a' + ((self.clock as usize + at) % 26) as u8))
            .collect()
    }

    /// Moves its shape. The value that says where it is has at least so many characters.
    pub fn drag(&mut self, chars: usize) -> Vec<u8> {
        let key = self.client.to_string();
        let begin = |content| {
            let mut writer = Writer::new();
            self.place(&mut writer, content, 1, SHAPES, Some(&key));
            writer
        };
        let mut gone = begin(DELETED);
        gone.var_uint(1);
        let mut writer = begin(ANY);
        let place = format!("{},{}", self.clock % 1_920, self.clock * 7 % 1_080);
        // One value: a string.
        writer
            .var_uint(1)
            .u8(119)
            .var_string(&format!("{place: <chars$}"));
        // What is overwritten is deleted, as in a Yjs client: large values must not pile up here.
        let gone = gone.into_bytes().into_boxed_slice();
        if let Some((before, gone)) = self.shape.replace((self.blocks.len(), gone)) {
            self.blocks[before].bytes = gone;
        }
        self.keep(writer, 1, 1)
    }

    /// Says something.
    pub fn chat(&mut self, chars: usize) -> Vec<u8> {
        let mut writer = Writer::new();
        self.place(&mut writer, ANY, 2, CHAT, None);
        writer.var_uint(1).u8(119).var_string(&"m".repeat(chars));
        self.keep(writer, 2, 1)
    }

    /// Writes an edit of a trace, into the text. Who replays a trace writes nothing else.
    pub fn replay(&mut self, edit: &Edit<'_>) -> Vec<u8> {
        let from = self.clock;
        let mut blocks = Vec::new();
        let inserts = edit.inserts();
        let count = inserts.len();
        for piece in inserts {
            let (left, right) = (piece.between.left, piece.between.right);
            let mut info = STRING;
            for (bit, neighbour) in [(HAS_ORIGIN, left), (HAS_RIGHT_ORIGIN, right)] {
                info |= if neighbour.is_some() { bit } else { 0 };
            }
            let mut writer = Writer::with_capacity(piece.text.len() + 24);
            writer.u8(info);
            for clock in [left, right].into_iter().flatten() {
                writer.var_uint(self.client).var_uint(u64::from(clock));
            }
            if left.is_none() && right.is_none() {
                writer.var_uint(1).var_string(TEXT);
            }
            writer.var_string(piece.text);
            let bytes = writer.into_bytes();
            blocks.extend_from_slice(&bytes);
            self.blocks.push(Block {
                begins: piece.clock,
                bytes: bytes.into_boxed_slice(),
            });
            self.clock = piece.clock + piece.text.encode_utf16().count() as u32;
        }
        let mut deleted = Ranges::default();
        for (from, to) in edit.deletes {
            deleted.add(*from, *to);
            self.deleted.add(*from, *to);
        }
        self.update(from, count, &blocks, &deleted)
    }

    /// All that it wrote from a clock on, and all that it deleted, as one update.
    pub fn since(&self, clock: u32) -> Vec<u8> {
        let first = self.blocks.partition_point(|block| block.begins < clock);
        let rest = &self.blocks[first..];
        let begins = rest.first().map_or(self.clock, |block| block.begins);
        let bytes: Vec<u8> = rest
            .iter()
            .flat_map(|block| block.bytes.iter().copied())
            .collect();
        self.update(begins, rest.len(), &bytes, &self.deleted)
    }

    fn place(&self, writer: &mut Writer, content: u8, list: usize, root: &str, key: Option<&str>) {
        let key_bit = if key.is_some() { HAS_KEY } else { 0 };
        match self.last[list] {
            Some(last) => {
                writer.u8(content | HAS_ORIGIN | key_bit);
                writer.var_uint(self.client).var_uint(u64::from(last));
            }
            None => {
                writer.u8(content | key_bit).var_uint(1).var_string(root);
                if let Some(key) = key {
                    writer.var_string(key);
                }
            }
        }
    }

    fn keep(&mut self, block: Writer, list: usize, length: u32) -> Vec<u8> {
        let update = self.keep_all([(block, length)]);
        self.last[list] = Some(self.clock - 1);
        update
    }

    /// Keeps blocks and their lengths, and gives the update that brings them.
    fn keep_all<const COUNT: usize>(&mut self, blocks: [(Writer, u32); COUNT]) -> Vec<u8> {
        let from = self.clock;
        let mut all = Vec::new();
        for (block, length) in blocks {
            let bytes = block.into_bytes();
            all.extend_from_slice(&bytes);
            self.blocks.push(Block {
                begins: self.clock,
                bytes: bytes.into_boxed_slice(),
            });
            self.clock += length;
        }
        self.update(from, COUNT, &all, &Ranges::default())
    }

    fn update(&self, clock: u32, count: usize, blocks: &[u8], deleted: &Ranges) -> Vec<u8> {
        let mut writer = Writer::with_capacity(blocks.len() + 8 * deleted.len() + 24);
        if count == 0 {
            writer.var_uint(0);
        } else {
            writer
                .var_uint(1)
                .var_uint(count as u64)
                .var_uint(self.client)
                .var_uint(u64::from(clock))
                .raw(blocks);
        }
        if deleted.is_empty() {
            writer.var_uint(0);
        } else {
            writer
                .var_uint(1)
                .var_uint(self.client)
                .var_uint(deleted.len() as u64);
            for (from, to) in deleted.iter() {
                writer.var_uint(u64::from(from)).var_uint(u64::from(to - from));
            }
        }
        writer.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use roomtone_crdt::{ConnectionId, Doc, Update};

    use super::*;

    #[test]
    fn what_it_writes_is_a_document_at_once_and_as_a_whole() {
        let mut pen = Pen::new(7);
        let mut doc = Doc::new();
        for n in 0..30 {
            let update = match n % 3 {
                0 => pen.write(6),
                1 => pen.drag(20),
                _ => pen.chat(20),
            };
            let update = Update::check(Bytes::from(update)).expect("it passes the gate");
            doc.apply(&[(ConnectionId(1), update)]).expect("it fits");
            assert_eq!(doc.state_vector().get(7), pen.clock());
        }
        for from in [0, 8, pen.clock()] {
            let rest = Update::check(Bytes::from(pen.since(from))).expect("it passes the gate");
            assert!(!doc.is_news(&rest).expect("a document"));
        }
        let whole = Update::check(Bytes::from(pen.since(0))).expect("it passes the gate");
        let loaded = Doc::load([whole]).expect("it loads");
        assert_eq!(loaded.state_vector().get(7), pen.clock());
        assert!(
            !loaded
                .is_news(&doc.snapshot().expect("a document"))
                .expect("a document")
        );
    }

    #[test]
    fn values_that_are_overwritten_take_no_room() {
        let mut pen = Pen::new(7);
        for _ in 0..50 {
            assert!(pen.drag(10_000).len() > 10_000);
        }
        let whole = pen.since(0);
        assert!(whole.len() < 12_000, "{}", whole.len());
        let loaded =
            Doc::load([Update::check(Bytes::from(whole)).expect("it passes the gate")]).expect("it loads");
        assert!(loaded.snapshot().expect("a document").bytes().len() < 12_000);
    }
}
