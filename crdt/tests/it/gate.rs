//! What the gate refuses, rule by rule, and what it must not refuse.

use bytes::Bytes;
use roomtone_crdt::{AwarenessUpdate, ClockRange, Rule, StateVector, Update, Writer};

use crate::written::{Content, Parent, Written, update};

/// The rule that an update breaks. None when it passes.
fn broken(bytes: &[u8]) -> Option<Rule> {
    Update::check(Bytes::copy_from_slice(bytes))
        .err()
        .map(|refusal| refusal.rule)
}

/// An update of one block at the beginning of client 1: its first byte, and what follows.
fn block(info: u8, rest: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.var_uint(1).var_uint(1).var_uint(1).var_uint(0).u8(info);
    rest(&mut writer);
    writer.var_uint(0);
    writer.into_bytes()
}

/// The same with a parent by name in front of the content.
fn content(kind: u8, rest: impl FnOnce(&mut Writer)) -> Vec<u8> {
    block(kind, |writer| {
        writer.var_uint(1).var_string("t");
        rest(writer);
    })
}

fn item(origin: Option<(u64, u32)>, right_origin: Option<(u64, u32)>, content: Content) -> Written {
    let (parent, key) = (Parent::Root("t"), None);
    Written::Item {
        origin,
        right_origin,
        parent,
        key,
        content,
    }
}

#[test]
fn values_nested_ten_thousand_deep() {
    for tag in [117u8, 118] {
        let nested = content(8, |writer| {
            writer.var_uint(1);
            for _ in 0..10_000 {
                writer.u8(tag).var_uint(1);
                if tag == 118 {
                    writer.var_string("");
                }
            }
            writer.u8(126);
        });
        assert_eq!(broken(&nested), Some(Rule::Depth));
    }
    let options = content(9, |writer| {
        writer.var_string("guid").u8(118).var_uint(1).var_string("meta");
        for _ in 0..10_000 {
            writer.u8(117).var_uint(1);
        }
        writer.u8(126);
    });
    assert_eq!(broken(&options), Some(Rule::Depth));
    let allowed = content(8, |writer| {
        writer.var_uint(1);
        for _ in 0..64 {
            writer.u8(117).var_uint(1);
        }
        writer.u8(126);
    });
    assert_eq!(broken(&allowed), None);
}

#[test]
fn json_nested_ten_thousand_deep() {
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    assert_eq!(
        broken(&content(5, |writer| {
            writer.var_string(&deep);
        })),
        Some(Rule::Depth)
    );
    let format = content(6, |writer| {
        writer.var_string("bold").var_string(&"{\"a\":".repeat(10_000));
    });
    assert_eq!(broken(&format), Some(Rule::Depth));
    // Brackets in a string are no nesting.
    let text = format!("\"\\\"{}\"", "[".repeat(10_000));
    assert_eq!(
        broken(&content(5, |writer| {
            writer.var_string(&text);
        })),
        None
    );
}

#[test]
fn bombs_of_five_bytes() {
    for exponent in [20u32, 24, 28, 29, 31, 40, 52] {
        let mut writer = Writer::new();
        writer.var_uint(1 << exponent);
        let bomb = writer.into_bytes();
        assert_eq!(broken(&bomb), Some(Rule::Count), "sections");
        assert_eq!(
            StateVector::decode(&bomb).expect_err("state vector").rule,
            Rule::Count
        );
        let awareness = AwarenessUpdate::decode(Bytes::from(bomb.clone()));
        assert_eq!(awareness.expect_err("awareness").rule, Rule::Count);
        let with = |head: &[u8]| [head, &bomb].concat();
        assert_eq!(broken(&with(&[0])), Some(Rule::Count), "deletes");
        assert_eq!(broken(&with(&[0, 1, 1])), Some(Rule::Count), "deleted ranges");
        // Behind as many bytes as a section takes, so that the count of blocks is reached.
        let blocks = [&[1][..], &bomb, &[1, 0, 0, 0]].concat();
        assert_eq!(broken(&blocks), Some(Rule::Count), "blocks");
        for (kind, head) in [(8u8, &[][..]), (8, &[1, 117]), (8, &[1, 118])] {
            let values = content(kind, |writer| {
                writer.raw(head).raw(&bomb);
            });
            assert_eq!(broken(&values), Some(Rule::Count), "values");
        }
        for kind in [3, 4, 5, 6] {
            let lengths = content(kind, |writer| {
                writer.raw(&bomb);
            });
            assert_eq!(broken(&lengths), Some(Rule::Truncated), "lengths");
        }
    }
}

#[test]
fn collected_blocks_at_the_top_of_the_clock() {
    // The three of threats.md: 0 + 2^32-1, then 2^32-1 of 10, then 2^32-6 of 3.
    for (from, length) in [
        (0u64, u64::from(u32::MAX)),
        (u64::from(u32::MAX), 10),
        ((1 << 32) - 6, 3),
    ] {
        let mut writer = Writer::new();
        writer
            .var_uint(1)
            .var_uint(1)
            .var_uint(1)
            .var_uint(from)
            .u8(0)
            .var_uint(length)
            .var_uint(0);
        assert_eq!(broken(&writer.into_bytes()), Some(Rule::Clock));
    }
    // Lengths that add up to too much, over 64 bits as well.
    for lengths in [[(1u64 << 31) - 2, 2], [(1 << 53) - 1, (1 << 53) - 1]] {
        let mut writer = Writer::new();
        writer.var_uint(1).var_uint(2).var_uint(1).var_uint(0);
        lengths.iter().for_each(|length| {
            writer.u8(0).var_uint(*length);
        });
        writer.var_uint(0);
        assert_eq!(broken(&writer.into_bytes()), Some(Rule::Clock));
    }
    let last = update(&[(1, (1 << 31) - 2, vec![Written::Collected(1)])], &[]);
    assert_eq!(broken(&last), None);
    assert_eq!(broken(&update(&[], &[(1, (1 << 31) - 1, 1)])), Some(Rule::Clock));
    assert_eq!(broken(&update(&[], &[(1, 5, u32::MAX)])), Some(Rule::Clock));
}

#[test]
fn blocks_that_refer_to_themselves_or_to_what_comes_later() {
    let one = |from: u32, blocks: Vec<Written>| update(&[(1, from, blocks)], &[]);
    let text = || Content::Text("abc");
    for later in [5, 6, 7, 8, 1_000] {
        assert_eq!(
            broken(&one(5, vec![item(Some((1, later)), None, text())])),
            Some(Rule::Reference)
        );
        assert_eq!(
            broken(&one(5, vec![item(None, Some((1, later)), text())])),
            Some(Rule::Reference)
        );
        let mut child = item(None, None, text());
        if let Written::Item { parent, .. } = &mut child {
            *parent = Parent::Item(1, later);
        }
        assert_eq!(broken(&one(5, vec![child])), Some(Rule::Reference));
    }
    assert_eq!(broken(&one(5, vec![item(Some((1, 4)), None, text())])), None);
    let both = one(5, vec![item(Some((1, 4)), Some((1, 4)), text())]);
    assert_eq!(broken(&both), Some(Rule::Neighbours));
}

#[test]
fn options_of_a_subdocument_that_are_no_object() {
    for options in [
        &[126u8][..],
        &[127],
        &[125, 5],
        &[120],
        &[119, 0],
        &[117, 0],
        &[116, 0],
    ] {
        let bytes = content(9, |writer| {
            writer.var_string("guid").raw(options);
        });
        assert_eq!(broken(&bytes), Some(Rule::DocOptions));
    }
    for name in ["guid", "gcFilter"] {
        let bytes = content(9, |writer| {
            writer
                .var_string("guid")
                .u8(118)
                .var_uint(1)
                .var_string(name)
                .u8(120);
        });
        assert_eq!(broken(&bytes), Some(Rule::DocOptions));
    }
    assert_eq!(
        broken(&update(
            &[(1, 0, vec![item(None, None, Content::Subdocument)])],
            &[]
        )),
        None
    );
}

#[test]
fn blocks_that_are_empty() {
    let of = |content: Content| update(&[(1, 0, vec![item(None, None, content)])], &[]);
    assert_eq!(broken(&of(Content::Deleted(0))), Some(Rule::Empty));
    assert_eq!(broken(&of(Content::Text(""))), Some(Rule::Empty));
    assert_eq!(broken(&of(Content::Values(0))), Some(Rule::Empty));
    assert_eq!(
        broken(&update(&[(1, 0, vec![Written::Collected(0)])], &[])),
        Some(Rule::Empty)
    );
    assert_eq!(
        broken(&update(&[(1, 0, vec![])], &[(1, 0, 1)])),
        Some(Rule::Section)
    );
    assert_eq!(broken(&update(&[], &[(1, 0, 0)])), Some(Rule::DeleteRange));
}

#[test]
fn integers_beyond_what_javascript_counts() {
    let mut writer = Writer::new();
    writer
        .var_uint(1)
        .var_uint(1)
        .var_uint(1 << 53)
        .var_uint(0)
        .u8(0)
        .var_uint(1)
        .var_uint(0);
    assert_eq!(broken(&writer.into_bytes()), Some(Rule::Integer), "client id");
    // `Any` integers: 2^53 - 1 passes, 2^53 does not, with either sign.
    for (last, sign, rule) in [
        (0x1f, 0, None),
        (0x20, 0, Some(Rule::Integer)),
        (0x20, 0x40, Some(Rule::Integer)),
    ] {
        let value = content(8, |writer| {
            let low = if last == 0x1f { 0x7f } else { 0 };
            writer.var_uint(1).u8(125).u8(0x80 | sign | (low & 0x3f));
            writer.raw(&[0x80 | low; 6]).u8(last);
        });
        assert_eq!(broken(&value), rule);
    }
}

#[test]
fn numbers_that_are_too_long() {
    assert_eq!(broken(&[0x80; 11]), Some(Rule::Integer));
    assert_eq!(broken(&[0x80; 9]), Some(Rule::Truncated));
    let value = content(8, |writer| {
        writer.var_uint(1).u8(125).raw(&[0x80; 12]);
    });
    assert_eq!(broken(&value), Some(Rule::Integer));
    assert_eq!(
        StateVector::decode(&[0xff; 12]).expect_err("too long").rule,
        Rule::Integer
    );
}

#[test]
fn sections_that_come_twice() {
    let section = |client: u64, clock: u32| (client, clock, vec![item(None, None, Content::Text("a"))]);
    assert_eq!(
        broken(&update(&[section(1, 0), section(1, 1)], &[])),
        Some(Rule::Section)
    );
    // With many clients it is looked up in another way.
    for twice in [0u64, 7, 15, 16, 17, 38] {
        let mut sections: Vec<_> = (0..40).map(|client| section(client, 0)).collect();
        assert_eq!(broken(&update(&sections, &[])), None);
        sections.push(section(twice, 1));
        assert_eq!(broken(&update(&sections, &[])), Some(Rule::Section));
    }
}

/// yjs deletes what both sections say and the engine what the last one says.
#[test]
fn deletions_of_one_client_that_come_twice() {
    assert_eq!(broken(&update(&[], &[(3, 1, 2), (4, 1, 2)])), None);
    assert_eq!(
        broken(&update(&[], &[(3, 1, 2), (3, 14, 2)])),
        Some(Rule::Section)
    );
    let mut many: Vec<_> = (0..40).map(|client| (client, 0, 1)).collect();
    assert_eq!(broken(&update(&[], &many)), None);
    many.push((38, 5, 1));
    assert_eq!(broken(&update(&[], &many)), Some(Rule::Section));
}

#[test]
fn ps7_gaps_inside() {
    assert_eq!(
        broken(&block(10, |writer| {
            writer.var_uint(5);
        })),
        Some(Rule::Skip)
    );
    for info in [0x2a, 0x4a, 0x8a, 0xea] {
        assert_eq!(
            broken(&block(info, |writer| {
                writer.var_uint(5);
            })),
            Some(Rule::Skip)
        );
    }
    // Flags on a collected block: yjs and the engine read it differently.
    for info in [0x20, 0x40, 0x80, 0xe0] {
        assert_eq!(
            broken(&block(info, |writer| {
                writer.var_uint(5);
            })),
            Some(Rule::Block)
        );
    }
}

#[test]
fn bytes_that_follow_and_bytes_that_are_missing() {
    let whole = update(
        &[(
            1,
            0,
            vec![
                item(None, None, Content::Values(4)),
                item(Some((1, 0)), None, Content::Subdocument),
            ],
        )],
        &[(1, 0, 2)],
    );
    assert_eq!(broken(&whole), None);
    assert_eq!(broken(&[&whole[..], &[0]].concat()), Some(Rule::Trailing));
    for end in 0..whole.len() {
        let rule = broken(&whole[..end]);
        assert!(
            matches!(rule, Some(Rule::Truncated | Rule::Count)),
            "{rule:?} at {end}"
        );
    }
    assert_eq!(broken(&[0, 0, 0]), Some(Rule::Trailing));
    assert_eq!(
        StateVector::decode(&[0, 0]).expect_err("trailing").rule,
        Rule::Trailing
    );
}

#[test]
fn strings_that_are_no_utf8_and_json_that_is_none() {
    for bad in [
        &[0xffu8][..],
        &[0xc0, 0x80],
        &[0xed, 0xa0, 0x80],
        &[0xf4, 0x90, 0x80, 0x80],
    ] {
        let text = content(4, |writer| {
            writer.var_bytes(bad);
        });
        assert_eq!(broken(&text), Some(Rule::Utf8));
        let root = block(4, |writer| {
            writer.var_uint(1).var_bytes(bad).var_string("a");
        });
        assert_eq!(broken(&root), Some(Rule::Utf8));
    }
    for bad in [
        "",
        "{",
        "undefined",
        "not json",
        "'a'",
        "[1,]",
        "NaN",
        "1 2",
        "\"\n\"",
    ] {
        assert_eq!(
            broken(&content(5, |writer| {
                writer.var_string(bad);
            })),
            Some(Rule::Json),
            "{bad}"
        );
        let format = content(6, |writer| {
            writer.var_string("bold").var_string(bad);
        });
        assert_eq!(broken(&format), Some(Rule::Json), "{bad}");
    }
}

#[test]
fn kinds_that_are_unknown() {
    let json = content(2, |writer| {
        writer.var_uint(1).var_string("1");
    });
    assert_eq!(broken(&json), Some(Rule::ContentJson));
    for kind in 11..=31 {
        let bytes = content(kind, |writer| {
            writer.var_uint(1).raw(&[0; 8]);
        });
        assert_eq!(broken(&bytes), Some(Rule::Content), "{kind}");
    }
    for kind in [5u64, 7, 8, 127, 1 << 40] {
        let bytes = content(7, |writer| {
            writer.var_uint(kind).var_string("p");
        });
        assert_eq!(broken(&bytes), Some(Rule::Type), "{kind}");
    }
    for tag in (0..=115).chain(128..=255) {
        let bytes = content(8, |writer| {
            writer.var_uint(1).u8(tag).raw(&[0; 8]);
        });
        assert_eq!(broken(&bytes), Some(Rule::Any), "{tag}");
    }
    for parent in [2u64, 3, 200] {
        let bytes = block(4, |writer| {
            writer.var_uint(parent).var_string("t").var_string("a");
        });
        assert_eq!(broken(&bytes), Some(Rule::Parent));
    }
}

#[test]
fn what_an_update_needs() {
    let check = |bytes: Vec<u8>| Update::check(Bytes::from(bytes)).expect("passes");
    let needs = |update: &Update| {
        let mut needs = update.extent().needs.clone();
        needs.sort_unstable();
        needs
    };
    let text = |origin| item(origin, None, Content::Text("abc"));
    let first = check(update(
        &[(1, 0, vec![text(None), text(Some((1, 2)))])],
        &[(1, 1, 3)],
    ));
    assert_eq!(needs(&first), []);
    assert_eq!(
        first.extent().structs,
        [ClockRange {
            client: 1,
            from: 0,
            to: 6
        }]
    );
    assert_eq!(
        first.extent().deletes,
        [ClockRange {
            client: 1,
            from: 1,
            to: 4
        }]
    );
    // Its own past, that of another client, and what it deletes of a third.
    let later = check(update(&[(1, 6, vec![text(Some((2, 9)))])], &[(3, 4, 2)]));
    assert_eq!(needs(&later), [(1, 6), (2, 10), (3, 6)]);
    // What another section brings is not needed, only what lies before that section, or behind its end.
    let sections = [(1, 6, vec![text(Some((2, 4)))]), (2, 3, vec![text(None)])];
    assert_eq!(needs(&check(update(&sections, &[]))), [(1, 6), (2, 3)]);
    let sections = [(1, 0, vec![text(Some((2, 6)))]), (2, 3, vec![text(None)])];
    assert_eq!(needs(&check(update(&sections, &[]))), [(2, 7)]);
    let beyond = check(update(&[(1, 0, vec![text(None)])], &[(1, 2, 5)]));
    assert_eq!(needs(&beyond), [(1, 7)]);
}
