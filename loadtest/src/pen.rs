//! What one virtual user writes: updates as a Yjs client makes them, byte by byte, without a document.

use roomtone_crdt::{ClientId, Writer};

/// A block of JSON-like values, and one of text.
const ANY: u8 = 8;
const STRING: u8 = 4;
const HAS_ORIGIN: u8 = 0x80;
const HAS_KEY: u8 = 0x20;

/// Roots that the pen writes to.
const TEXT: &str = "text";
const SHAPES: &str = "shapes";
const CHAT: &str = "chat";

/// A writer of one document, with all that it ever wrote.
pub struct Pen {
    client: ClientId,
    clock: u32,
    /// Its blocks one behind the other, and where each begins.
    blocks: Vec<u8>,
    begins: Vec<(u32, usize)>,
    last: [Option<u32>; 3],
}

impl Pen {
    /// With a client id of its own.
    pub fn new(client: ClientId) -> Pen {
        Pen {
            client,
            clock: 0,
            blocks: Vec::new(),
            begins: Vec::new(),
            last: [None; 3],
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
        let text: String = (0..chars)
            .map(|at| char::from(b'a' + ((self.clock as usize + at) % 26) as u8))
            .collect();
        writer.var_string(&text);
        self.keep(writer, 0, chars as u32)
    }

    /// Moves its shape.
    pub fn drag(&mut self) -> Vec<u8> {
        let mut writer = Writer::new();
        let key = self.client.to_string();
        self.place(&mut writer, ANY, 1, SHAPES, Some(&key));
        let place = format!("{},{}", self.clock % 1_920, self.clock * 7 % 1_080);
        // One value: a string.
        writer.var_uint(1).u8(119).var_string(&place);
        self.keep(writer, 1, 1)
    }

    /// Says something.
    pub fn chat(&mut self, chars: usize) -> Vec<u8> {
        let mut writer = Writer::new();
        self.place(&mut writer, ANY, 2, CHAT, None);
        writer.var_uint(1).u8(119).var_string(&"m".repeat(chars));
        self.keep(writer, 2, 1)
    }

    /// All that it wrote from a clock on, as one update.
    pub fn since(&self, clock: u32) -> Vec<u8> {
        let first = self.begins.partition_point(|(begins, _)| *begins < clock);
        match self.begins.get(first) {
            None => vec![0, 0],
            Some((begins, at)) => self.update(*begins, self.begins.len() - first, &self.blocks[*at..]),
        }
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
        let block = block.into_bytes();
        let update = self.update(self.clock, 1, &block);
        self.begins.push((self.clock, self.blocks.len()));
        self.blocks.extend(block);
        self.clock += length;
        self.last[list] = Some(self.clock - 1);
        update
    }

    fn update(&self, clock: u32, count: usize, blocks: &[u8]) -> Vec<u8> {
        let mut writer = Writer::with_capacity(blocks.len() + 24);
        writer
            .var_uint(1)
            .var_uint(count as u64)
            .var_uint(self.client)
            .var_uint(u64::from(clock));
        writer.raw(blocks).var_uint(0);
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
                1 => pen.drag(),
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
        assert_eq!(
            Doc::load([whole]).expect("it loads").state_vector().get(7),
            pen.clock()
        );
    }
}
