//! A sticky note from its first to its last edit: put on the board, moved, written on, taken away.
//!
//! What a removed note held is collected by every Yjs document that hears of it. So a session of notes may go on for hours
//! in a document that stays small, and what grows meanwhile is not the document.

use roomtone_crdt::Writer;

use super::{ANY, Block, DELETED, HAS_KEY, HAS_ORIGIN, Pen, STRING};
use crate::ranges::Ranges;

/// A shared type.
const TYPE: u8 = 7;
const TYPE_MAP: u64 = 1;
const TYPE_TEXT: u64 = 2;
/// What stands for collected blocks.
const COLLECTED: u8 = 0;
/// Root map of the notes; each writer has one at a time, under its own id.
const NOTES: &str = "notes";
/// Edits between a note's appearing and its going.
const NOTE_EDITS_COUNT: u32 = 200;

/// The note that is on the board.
pub(super) struct Note {
    /// The clock of the note itself; its text has the one behind.
    begins: u32,
    /// Its first block among the pen's, and that block as it is when the note is gone.
    first_block: usize,
    gone: Box<[u8]>,
    edits_count: u32,
    /// The clocks of its last place and its last character.
    place: Option<u32>,
    character: Option<u32>,
    /// All its clocks.
    clocks: Ranges,
}

impl Pen {
    /// The next edit of a note: of three, two move it and one writes on it. With it the clock that a removal deletes.
    pub fn note(&mut self, chars: usize) -> (Vec<u8>, Option<u32>) {
        let Some(mut note) = self.note.take() else {
            return (self.put_note(), None);
        };
        if note.edits_count == NOTE_EDITS_COUNT {
            return (self.remove_note(&note), Some(note.begins));
        }
        note.edits_count += 1;
        let from = self.clock;
        let update = if note.edits_count.is_multiple_of(3) {
            let block = self.writing(&note, chars);
            note.character = Some(from + chars as u32 - 1);
            self.keep_all([(block, chars as u32)])
        } else {
            let block = self.moving(&note);
            note.place = Some(from);
            self.keep_all([(block, 1)])
        };
        note.clocks.add(from, self.clock);
        self.note = Some(note);
        (update, None)
    }

    fn put_note(&mut self) -> Vec<u8> {
        let (begins, first_block) = (self.clock, self.blocks.len());
        let mut gone = self.note_itself(DELETED);
        gone.var_uint(1);
        let mut map = self.note_itself(TYPE);
        map.var_uint(TYPE_MAP);
        let mut text = self.inside(TYPE, begins, Some("text"));
        text.var_uint(TYPE_TEXT);
        let update = self.keep_all([(map, 1), (text, 1)]);
        let mut clocks = Ranges::default();
        clocks.add(begins, self.clock);
        self.note_before = Some(begins);
        self.note = Some(Note {
            begins,
            first_block,
            gone: gone.into_bytes().into_boxed_slice(),
            edits_count: 0,
            place: None,
            character: None,
            clocks,
        });
        update
    }

    /// A removal has no block of its own: it says which clocks are gone.
    fn remove_note(&mut self, note: &Note) -> Vec<u8> {
        self.blocks[note.first_block].bytes = note.gone.clone();
        // One block for all that was in it; where something else was written in between, they stay, deleted.
        if note.clocks.len() == 1 && note.clocks.has(self.clock - 1) {
            let begins = note.begins + 1;
            let mut collected = Writer::new();
            collected.u8(COLLECTED).var_uint(u64::from(self.clock - begins));
            self.blocks.truncate(note.first_block + 1);
            self.blocks.push(Block {
                begins,
                bytes: collected.into_bytes().into_boxed_slice(),
            });
        }
        for (from, to) in note.clocks.iter() {
            self.deleted.add(from, to);
        }
        self.update(self.clock, 0, &[], &note.clocks)
    }

    fn moving(&self, note: &Note) -> Writer {
        let mut writer = match note.place {
            Some(place) => self.behind(ANY | HAS_KEY, place),
            None => self.inside(ANY, note.begins, Some("at")),
        };
        let place = format!("{},{}", self.clock % 1_920, self.clock * 7 % 1_080);
        writer.var_uint(1).u8(119).var_string(&place);
        writer
    }

    fn writing(&self, note: &Note, chars: usize) -> Writer {
        let mut writer = match note.character {
            Some(character) => self.behind(STRING, character),
            None => self.inside(STRING, note.begins + 1, None),
        };
        writer.var_string(&self.letters(chars));
        writer
    }

    /// The begin of the block that is the note, which takes the place of the one before.
    fn note_itself(&self, content: u8) -> Writer {
        if let Some(before) = self.note_before {
            return self.behind(content | HAS_KEY, before);
        }
        let mut writer = Writer::new();
        writer.u8(content | HAS_KEY).var_uint(1).var_string(NOTES);
        writer.var_string(&self.client.to_string());
        writer
    }

    /// The begin of a block that is the first at its place in a type of ours.
    fn inside(&self, content: u8, parent: u32, key: Option<&str>) -> Writer {
        let mut writer = Writer::new();
        writer.u8(content | if key.is_some() { HAS_KEY } else { 0 });
        writer
            .var_uint(0)
            .var_uint(self.client)
            .var_uint(u64::from(parent));
        if let Some(key) = key {
            writer.var_string(key);
        }
        writer
    }

    /// The begin of a block that comes behind one of ours; parent and key are that one's.
    fn behind(&self, content: u8, origin: u32) -> Writer {
        let mut writer = Writer::new();
        writer.u8(content | HAS_ORIGIN);
        writer.var_uint(self.client).var_uint(u64::from(origin));
        writer
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use roomtone_crdt::{ConnectionId, Doc, Update};

    use super::*;

    fn checked(update: Vec<u8>) -> Update {
        Update::check(Bytes::from(update)).expect("it passes the gate")
    }

    /// Edits of so many notes. Some have strokes of another kind in between.
    fn session(pen: &mut Pen, doc: &mut Doc, notes: u32, is_mixed: bool) {
        for n in 0..notes * (NOTE_EDITS_COUNT + 2) {
            let (update, _) = pen.note(3);
            doc.apply(&[(ConnectionId(1), checked(update))]).expect("it fits");
            if is_mixed && n % 7 == 0 {
                doc.apply(&[(ConnectionId(1), checked(pen.write(2)))])
                    .expect("it fits");
            }
            assert_eq!(doc.pending_bytes(), 0);
            assert_eq!(doc.state_vector().get(pen.client()), pen.clock());
        }
    }

    #[test]
    fn a_document_of_notes_stays_small() {
        let (mut pen, mut doc) = (Pen::new(1_000_003), Doc::new());
        session(&mut pen, &mut doc, 1, false);
        let early = doc.snapshot().expect("a document").bytes().len();
        session(&mut pen, &mut doc, 30, false);
        let late = doc.snapshot().expect("a document").bytes().len();
        assert!(late < early + 30 * 32, "{early} to {late} bytes");
        assert!(pen.since(0).len() < 30 * 64);
    }

    #[test]
    fn what_the_pen_remembers_is_what_the_document_holds() {
        for is_mixed in [false, true] {
            let (mut pen, mut doc) = (Pen::new(7), Doc::new());
            session(&mut pen, &mut doc, 3, is_mixed);
            // One note is on the board.
            doc.apply(&[(ConnectionId(1), checked(pen.note(3).0))])
                .expect("it fits");
            let whole = checked(pen.since(0));
            assert!(!doc.is_news(&whole).expect("a document"));
            let loaded = Doc::load([whole]).expect("it loads");
            let held = doc.snapshot().expect("a document");
            assert!(!loaded.is_news(&held).expect("a document"), "{is_mixed}");
        }
    }
}
