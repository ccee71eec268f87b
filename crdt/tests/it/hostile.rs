//! What only a document can see: updates that pass the gate and do not fit into it.

use bytes::Bytes;
use roomtone_crdt::limits::TYPE_DEPTH_MAX;
use roomtone_crdt::{Broken, ConnectionId, Doc, Outcome, Rule, StateVector, Update};

use crate::written::{Content, Parent, Written, update};

const AUTHOR: ConnectionId = ConnectionId(1);

fn checked(sections: &[(u64, u32, Vec<Written>)], deletes: &[(u64, u32, u32)]) -> Update {
    Update::check(Bytes::from(update(sections, deletes))).expect("the gate sees nothing wrong")
}

fn root(content: Content) -> Written {
    let (parent, key) = (Parent::Root("t"), None);
    Written::Item {
        origin: None,
        right_origin: None,
        parent,
        key,
        content,
    }
}

fn beside(origin: Option<(u64, u32)>, right_origin: Option<(u64, u32)>) -> Written {
    let (parent, key) = (Parent::Root("t"), None);
    Written::Item {
        origin,
        right_origin,
        parent,
        key,
        content: Content::Text("a"),
    }
}

fn inside(client: u64, clock: u32, content: Content) -> Written {
    let (parent, key) = (Parent::Item(client, clock), None);
    Written::Item {
        origin: None,
        right_origin: None,
        parent,
        key,
        content,
    }
}

fn keyed(content: Content) -> Written {
    let (parent, key) = (Parent::Root("m"), Some("k"));
    Written::Item {
        origin: None,
        right_origin: None,
        parent,
        key,
        content,
    }
}

/// The rule by which a document refuses the last of some updates.
fn refused(updates: &[Update]) -> Option<Rule> {
    let mut doc = Doc::new();
    let (last, first) = updates.split_last().expect("one at least");
    for update in first {
        doc.apply(&[(AUTHOR, update.clone())])
            .expect("only the last is wrong");
    }
    match doc.apply(&[(AUTHOR, last.clone())]) {
        Ok(_) => None,
        Err(Broken::Refused(refusal)) => {
            // The document is thrown away; whoever asks it again gets an answer, not a wait without end.
            assert!(doc.snapshot().is_err());
            assert!(doc.apply(&[(AUTHOR, last.clone())]).is_err());
            Some(refusal.rule)
        }
        Err(other) => panic!("{other}"),
    }
}

/// Shared types inside each other, so many levels of them, by one client from clock 0.
fn nested(levels: u32) -> Vec<Written> {
    let mut blocks = vec![root(Content::Type(1))];
    blocks.extend((1..levels).map(|level| inside(1, level - 1, Content::Type(1))));
    blocks
}

#[test]
fn types_nested_in_one_update_end_at_the_limit() {
    let most = u32::from(TYPE_DEPTH_MAX) + 1;
    assert_eq!(refused(&[checked(&[(1, 0, nested(most))], &[(1, 0, 1)])]), None);
    assert_eq!(
        refused(&[checked(&[(1, 0, nested(most + 1))], &[(1, 0, 1)])]),
        Some(Rule::Depth)
    );
    assert_eq!(
        refused(&[checked(&[(1, 0, nested(100_000))], &[(1, 0, 1)])]),
        Some(Rule::Depth)
    );
}

#[test]
fn types_nested_one_update_after_the_other_end_at_the_limit() {
    let mut doc = Doc::new();
    for (clock, block) in (0..).zip(nested(u32::from(TYPE_DEPTH_MAX) + 2)) {
        let applied = doc.apply(&[(AUTHOR, checked(&[(1, clock, vec![block])], &[]))]);
        assert_eq!(
            applied.is_err(),
            clock > u32::from(TYPE_DEPTH_MAX),
            "at level {clock}"
        );
    }
}

#[test]
fn the_deepest_tree_can_be_deleted_on_a_small_stack() {
    let tree = checked(&[(1, 0, nested(u32::from(TYPE_DEPTH_MAX) + 1))], &[]);
    let deletion = checked(&[], &[(1, 0, 1)]);
    std::thread::Builder::new()
        .stack_size(1024 * 1024)
        .spawn(move || {
            let mut doc = Doc::load([tree]).expect("within the limit");
            let turn = doc.apply(&[(AUTHOR, deletion)]).expect("a deletion");
            assert_eq!(turn.outcomes, [Outcome::New]);
        })
        .expect("a thread")
        .join()
        .expect("no overflow");
}

#[test]
fn a_parent_has_to_be_a_shared_type() {
    let text = checked(&[(1, 0, vec![root(Content::Text("abc"))])], &[]);
    let child = checked(&[(2, 0, vec![inside(1, 1, Content::Text("x"))])], &[]);
    assert_eq!(refused(&[text.clone(), child.clone()]), Some(Rule::Parent));
    let both = checked(
        &[
            (2, 0, vec![inside(1, 1, Content::Text("x"))]),
            (1, 0, vec![root(Content::Text("abc"))]),
        ],
        &[],
    );
    assert_eq!(refused(&[both]), Some(Rule::Parent));
    let map = checked(
        &[(1, 0, vec![root(Content::Type(1)), root(Content::Type(1))])],
        &[],
    );
    assert_eq!(refused(&[map, child]), None);
}

#[test]
fn neighbours_belong_to_one_list() {
    let two = checked(
        &[(1, 0, vec![root(Content::Text("a")), keyed(Content::Binary)])],
        &[],
    );
    let between = checked(&[(2, 0, vec![beside(Some((1, 0)), Some((1, 1)))])], &[]);
    assert_eq!(refused(&[two, between]), Some(Rule::Neighbours));
    let collected = checked(
        &[(1, 0, vec![root(Content::Text("a")), Written::Collected(1)])],
        &[],
    );
    let between = checked(&[(2, 0, vec![beside(Some((1, 0)), Some((1, 1)))])], &[]);
    assert_eq!(refused(&[collected, between]), Some(Rule::Neighbours));
}

#[test]
fn the_rest_of_a_block_belongs_where_its_beginning_is() {
    let first = checked(&[(1, 0, vec![root(Content::Text("abc"))])], &[]);
    let mut longer = root(Content::Text("0123456789"));
    assert_eq!(
        refused(&[first.clone(), checked(&[(1, 0, vec![longer.clone()])], &[])]),
        None
    );
    if let Written::Item { parent, .. } = &mut longer {
        *parent = Parent::Root("elsewhere");
    }
    assert_eq!(
        refused(&[first, checked(&[(1, 0, vec![longer])], &[])]),
        Some(Rule::Neighbours)
    );
}

#[test]
fn a_key_holds_one_value() {
    let two = vec![keyed(Content::Values(2))];
    assert_eq!(refused(&[checked(&[(1, 0, two.clone())], &[])]), Some(Rule::Key));
    // Values that were set one after the other and deleted: a client without collection sends them as one.
    assert_eq!(refused(&[checked(&[(1, 0, two)], &[(1, 0, 2)])]), None);
    assert_eq!(
        refused(&[checked(&[(1, 0, vec![keyed(Content::Deleted(2))])], &[])]),
        None
    );
}

#[test]
fn blocks_may_not_wait_for_each_other_in_a_circle() {
    let circle = checked(
        &[
            (1, 0, vec![beside(Some((2, 0)), None)]),
            (2, 0, vec![beside(Some((1, 0)), None)]),
        ],
        &[],
    );
    assert_eq!(refused(&[circle]), Some(Rule::Circle));
    // Back and forth is no circle, in whatever order the sections stand.
    let back_and_forth = |first: u64, second: u64| {
        let mut sections = vec![
            (
                1,
                0,
                vec![
                    root(Content::Text("a")),
                    beside(Some((2, 0)), None),
                    beside(Some((2, 1)), None),
                ],
            ),
            (
                2,
                0,
                vec![
                    beside(Some((1, 0)), None),
                    beside(Some((1, 1)), None),
                    beside(Some((1, 2)), None),
                ],
            ),
        ];
        sections.sort_by_key(|(client, _, _)| if *client == first { 0 } else { second });
        checked(&sections, &[])
    };
    assert_eq!(refused(&[back_and_forth(1, 2)]), None);
    assert_eq!(refused(&[back_and_forth(2, 1)]), None);
}

#[test]
fn two_updates_that_wait_for_each_other_wait_for_ever_and_are_forgotten_with_their_author() {
    let mut doc = Doc::new();
    let one = checked(&[(1, 0, vec![beside(Some((2, 0)), None)])], &[]);
    let other = checked(&[(2, 0, vec![beside(Some((1, 0)), None)])], &[]);
    let turn = doc
        .apply(&[(AUTHOR, one), (AUTHOR, other)])
        .expect("nothing wrong");
    assert_eq!(turn.outcomes, [Outcome::Pending, Outcome::Pending]);
    assert!(turn.update.is_none());
    assert!(doc.pending_bytes() > 0 && doc.pending_bytes() == doc.pending_bytes_of(AUTHOR));
    assert!(doc.snapshot().expect("a document").is_empty());
    doc.forget_pending(AUTHOR);
    assert_eq!(doc.pending_bytes(), 0);
}

#[test]
fn collected_blocks_at_the_top_of_the_clock_are_refused_or_harmless() {
    let top = (1 << 31) - 2;
    let big = checked(&[(1, 0, vec![Written::Collected(top)])], &[]);
    let over = update(&[(1, top, vec![Written::Collected(10)])], &[]);
    assert_eq!(
        Update::check(Bytes::from(over))
            .map_err(|refusal| refusal.rule)
            .err(),
        Some(Rule::Clock)
    );
    let again = checked(&[(1, top - 5, vec![Written::Collected(3)])], &[]);
    let mut doc = Doc::new();
    let turn = doc.apply(&[(AUTHOR, big), (AUTHOR, again)]).expect("no panic");
    assert_eq!(turn.outcomes, [Outcome::New, Outcome::Nothing]);
}

#[test]
fn a_state_vector_in_the_middle_of_a_pair_gets_a_diff() {
    let doc = Doc::load([checked(&[(1, 0, vec![root(Content::Text("x\u{1f600}y"))])], &[])]).expect("a text");
    for clock in 0..=9 {
        let diff = doc
            .diff(&StateVector::from_pairs(vec![(1, clock), (5, 7)]))
            .expect("a diff");
        assert_eq!(
            diff.extent().structs.first().map(|range| range.from),
            (clock < 4).then_some(clock)
        );
    }
}
