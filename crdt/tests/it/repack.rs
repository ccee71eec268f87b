//! A document that is repacked is the same to everybody, and long sessions do not fill memory with their past.

use roomtone_crdt::{ConnectionId, Doc, Outcome, Update};
use yrs::{Map, MapPrelim, Transact};

use crate::random::{Random, rounds};
use crate::session::{described, session, text_of};
use crate::written::checked;

const AUTHOR: ConnectionId = ConnectionId(1);

#[test]
fn a_document_takes_the_same_edits_whenever_it_is_repacked() {
    for seed in 0..rounds("ROOMTONE_REPACK_ROUNDS", 200) {
        let mut random = Random::new(seed);
        let (mut kept, mut repacked) = (Doc::new(), Doc::new());
        for update in session(seed, 4, 60) {
            let batch = [(AUTHOR, checked(update))];
            let outcomes = |doc: &mut Doc| doc.apply(&batch).expect("honest").outcomes;
            assert_eq!(outcomes(&mut kept), outcomes(&mut repacked), "seed {seed}");
            if random.chance(4) {
                repacked.repack().expect("whole");
            }
        }
        let whole = |doc: &Doc| doc.snapshot().expect("whole");
        let seen = |doc: &Doc| (doc.state_vector().clone(), doc.deletions_fingerprint());
        assert_eq!(seen(&kept), seen(&repacked), "seed {seed}");
        let (kept, repacked) = (whole(&kept), whole(&repacked));
        assert_eq!(text_of(kept.bytes(), "t"), text_of(repacked.bytes(), "t"));
        assert_eq!(described(kept.bytes()), described(repacked.bytes()));
    }
}

#[test]
fn what_waits_for_its_past_goes_on_waiting() {
    let board = Board::new();
    let first = board
        .said(|transaction| board.notes.insert(transaction, "a", 1.0))
        .1;
    let second = board
        .said(|transaction| board.notes.insert(transaction, "a", 2.0))
        .1;
    let mut doc = Doc::new();
    let early = doc.apply(&[(ConnectionId(2), second)]).expect("honest");
    assert_eq!(early.outcomes, [Outcome::Pending]);
    doc.repack().expect("whole");
    let turn = doc.apply(&[(AUTHOR, first)]).expect("honest");
    assert_eq!(turn.outcomes, [Outcome::New]);
    let late: Vec<ConnectionId> = turn.late.iter().map(|late| late.author).collect();
    assert_eq!(late, [ConnectionId(2)]);
    assert_eq!(doc.version(), 1, "counted on");
}

/// A board on which notes are put, moved and taken away: what it sends, one note's life after the other.
struct Board {
    doc: yrs::Doc,
    notes: yrs::MapRef,
}

impl Board {
    fn new() -> Board {
        let doc = yrs::Doc::with_client_id(7);
        let notes = doc.get_or_insert_map("notes");
        Board { doc, notes }
    }

    fn said<T>(&self, edit: impl FnOnce(&mut yrs::TransactionMut<'_>) -> T) -> (T, Update) {
        let mut transaction = self.doc.transact_mut();
        let made = edit(&mut transaction);
        let update = transaction.encode_update_v1();
        (made, checked(update))
    }

    fn life_of_a_note(&self, key: &str) -> Vec<Update> {
        let (note, put) = self.said(|transaction| self.notes.insert(transaction, key, MapPrelim::default()));
        let mut updates = vec![put];
        for step in 0..20 {
            let axis = if step % 2 == 0 { "x" } else { "y" };
            updates.push(
                self.said(|transaction| note.insert(transaction, axis, f64::from(step)))
                    .1,
            );
        }
        updates.push(self.said(|transaction| self.notes.remove(transaction, key)).1);
        updates
    }

    /// Lets notes live until a document wants to be repacked, and counts them.
    fn notes_until_wanted(&self, doc: &mut Doc) -> usize {
        let mut count = 0;
        while !doc.wants_repack() {
            for update in self.life_of_a_note("note") {
                doc.apply(&[(AUTHOR, update)]).expect("honest");
            }
            count += 1;
        }
        count
    }
}

#[test]
fn what_is_gone_is_let_go_of() {
    let (board, mut doc) = (Board::new(), Doc::new());
    let first = board.notes_until_wanted(&mut doc);
    assert!(first > 100, "{first}: it is not wanted for every note");
    let mut notes = first;
    for _ in 0..3 {
        doc.repack().expect("whole");
        // That there was a note under this key stays, and nothing of what was in it.
        let bytes = doc.snapshot().expect("whole").bytes().len();
        assert!(bytes < notes * 8, "{bytes} bytes are left of {notes} notes");
        let again = board.notes_until_wanted(&mut doc);
        assert!(again * 10 >= first * 7, "{again} after {first}");
        notes += again;
    }
}

#[test]
fn a_document_that_only_grows_is_repacked_when_it_has_doubled() {
    let (board, mut doc) = (Board::new(), Doc::new());
    let (mut wanted, mut notes) = (Vec::new(), 0);
    while wanted.len() < 4 {
        let key = format!("note {notes}");
        let insert = |transaction: &mut yrs::TransactionMut<'_>| board.notes.insert(transaction, key, 1.0);
        doc.apply(&[(AUTHOR, board.said(insert).1)]).expect("honest");
        notes += 1;
        if doc.wants_repack() {
            doc.repack().expect("whole");
            assert!(!doc.wants_repack());
            wanted.push(notes);
        }
    }
    let doubles = wanted.windows(2).all(|pair| pair[1] * 10 > pair[0] * 19);
    assert!(doubles, "{wanted:?}");
}
