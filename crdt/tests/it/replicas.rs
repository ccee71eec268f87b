//! The document's promise: in any order, however often, in whatever turns, the same updates make the same document.

use bytes::Bytes;
use proptest::prelude::{ProptestConfig, any, proptest};
use roomtone_crdt::{ConnectionId, Doc, Outcome, StateVector, Turn, Update};

use crate::random::Random;
use crate::session::{session, text_of};

const AUTHOR: ConnectionId = ConnectionId(1);

fn checked(session: &[Vec<u8>]) -> Vec<Update> {
    let check = |bytes: &Vec<u8>| Update::check(Bytes::from(bytes.clone())).expect("a client's");
    session.iter().map(check).collect()
}

fn apply(doc: &mut Doc, updates: &[Update]) -> Turn {
    let batch: Vec<(ConnectionId, Update)> = updates.iter().map(|update| (AUTHOR, update.clone())).collect();
    doc.apply(&batch).expect("a client's updates break nothing")
}

/// All that two documents can be asked.
fn assert_same(one: &Doc, other: &Doc) {
    assert_eq!(one.state_vector(), other.state_vector());
    let (snapshot, theirs) = (one.snapshot().expect("whole"), other.snapshot().expect("whole"));
    assert_eq!(text_of(snapshot.bytes(), "t"), text_of(theirs.bytes(), "t"));
    assert!(!one.is_news(&theirs).expect("whole"), "deletions too");
    assert!(!other.is_news(&snapshot).expect("whole"), "deletions too");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn order_repetition_and_turns_do_not_matter(seed in any::<u64>(), clients in 1u64..5, steps in 1u64..80) {
        let updates = checked(&session(seed, clients, steps));
        let mut random = Random::new(seed);

        let in_order = Doc::load(updates.iter().cloned()).expect("a session");
        assert_eq!(in_order.pending_bytes(), 0);

        let mut shuffled = updates.clone();
        shuffled.extend((0..steps / 4).map(|_| random.pick(&updates).clone()));
        random.shuffle(&mut shuffled);
        let mut in_turns = Doc::new();
        let mut follower = Doc::new();
        let mut rest = shuffled.as_slice();
        while !rest.is_empty() {
            let (turn, later) = rest.split_at(1 + random.below(rest.len().min(9) as u64) as usize);
            rest = later;
            let version = in_turns.version();
            let turn = apply(&mut in_turns, turn);
            assert_eq!(turn.update.is_some(), in_turns.version() > version);
            assert!(!turn.outcomes.contains(&Outcome::PendingFull));
            // Who gets only what is broadcast never lacks anything.
            if let Some(update) = turn.update {
                let turn = apply(&mut follower, &[update]);
                assert_eq!(turn.outcomes, [Outcome::New]);
            }
        }
        assert_eq!(in_turns.pending_bytes(), 0);
        assert_same(&in_order, &in_turns);
        assert_same(&in_order, &follower);

        // Said again, nothing is news.
        let turn = apply(&mut in_turns, &shuffled);
        assert!(turn.outcomes.iter().all(|outcome| *outcome == Outcome::Nothing));
        assert!(turn.update.is_none());
    }

    #[test]
    fn a_diff_is_what_somebody_lacks(seed in any::<u64>(), steps in 1usize..80) {
        let updates = checked(&session(seed, 3, steps as u64));
        let mut random = Random::new(seed);
        let whole = Doc::load(updates.iter().cloned()).expect("a session");
        let mut part = Doc::load(updates[..random.below(steps as u64) as usize].iter().cloned()).expect("a part");
        let diff = whole.diff(part.state_vector()).expect("a diff");
        let is_news = part.is_news(&diff).expect("an answer");
        let turn = apply(&mut part, &[diff]);
        assert_eq!(turn.outcomes, [if is_news { Outcome::New } else { Outcome::Nothing }]);
        assert_same(&whole, &part);

        let restored = Doc::load([whole.snapshot().expect("whole")]).expect("a snapshot");
        assert_same(&whole, &restored);
    }

    #[test]
    fn state_vectors_say_who_has_more(seed in any::<u64>(), steps in 2usize..40) {
        let updates = checked(&session(seed, 3, steps as u64));
        let whole = Doc::load(updates.iter().cloned()).expect("a session");
        let part = Doc::load(updates[..steps / 2].iter().cloned()).expect("a part");
        assert!(whole.state_vector().covers(part.state_vector()));
        let encoded = StateVector::decode(&whole.state_vector().encode()).expect("own bytes");
        assert_eq!(&encoded, whole.state_vector());
    }
}
