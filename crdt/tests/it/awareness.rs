//! Presence: the rules AW1 to AW7 of docs/PROTOCOL.md, as far as they are this crate's.

use bytes::Bytes;
use roomtone_crdt::{Awareness, AwarenessUpdate, ConnectionId, Reader, Received, Stamp, Writer};

use crate::random::Random;

/// An awareness update: id, clock and state of each entry. `null` is a goodbye.
fn says(entries: &[(u64, u64, &str)]) -> AwarenessUpdate {
    let mut writer = Writer::new();
    writer.var_uint(entries.len() as u64);
    for (client, clock, state) in entries {
        writer.var_uint(*client).var_uint(*clock).var_string(state);
    }
    AwarenessUpdate::decode(Bytes::from(writer.into_bytes())).expect("a good update")
}

/// What an encoded awareness update says.
fn heard(bytes: &Bytes) -> Vec<(u64, u64, String)> {
    let mut reader = Reader::new(bytes);
    let count = reader.var_uint().expect("a count");
    let entry = |_| {
        let (client, clock) = (
            reader.var_uint().expect("an id"),
            reader.var_uint().expect("a clock"),
        );
        (client, clock, reader.var_string().expect("a state").to_owned())
    };
    let entries = (0..count).map(entry).collect();
    assert!(reader.is_done());
    entries
}

/// A room and what its members say.
struct Room(Awareness);

impl Room {
    fn with(members: u64) -> Room {
        let mut awareness = Awareness::new();
        (1..=members).for_each(|member| awareness.join(ConnectionId(member)));
        Room(awareness)
    }

    fn hears(&mut self, from: u64, entries: &[(u64, u64, &str)]) -> Received {
        self.0.receive(ConnectionId(from), None, &says(entries))
    }

    fn of(&self, client: u64) -> Vec<(u64, u64, String)> {
        heard(&self.0.encode(&[client]))
    }

    fn owner(&self, client: u64) -> Option<u64> {
        self.0.owner(client).map(|owner| owner.0)
    }
}

fn one(client: u64, clock: u64, state: &str) -> Vec<(u64, u64, String)> {
    vec![(client, clock, state.to_owned())]
}

#[test]
fn aw1_an_id_belongs_to_the_connection_that_introduced_it() {
    let mut room = Room::with(2);
    room.hears(1, &[(10, 5, "{\"a\":1}")]);
    room.hears(2, &[(20, 1, "{}")]);
    let spoof = room.hears(2, &[(10, 50, "{\"a\":2}")]);
    assert_eq!(spoof.foreign, [(10, ConnectionId(1))]);
    assert!(spoof.changed.is_empty());
    let removal = room.hears(2, &[(10, 60, "null")]);
    assert_eq!((removal.foreign.len(), removal.changed.len()), (1, 0));
    assert_eq!(room.hears(2, &[(10, 6, "null")]).echoes, 1);
    assert_eq!(room.of(10), one(10, 6, "{\"a\":1}"));
    assert_eq!(room.owner(10), Some(1));
}

#[test]
fn aw1_connections_that_are_not_here_say_nothing() {
    let mut room = Room::with(1);
    assert_eq!(room.hears(9, &[(10, 5, "{}")]), Received::default());
    room.0.leave(ConnectionId(1));
    assert_eq!(room.hears(1, &[(10, 5, "{}")]), Received::default());
    assert!(room.0.is_empty());
}

#[test]
fn aw2_an_echo_is_dropped_before_its_json_is_looked_at() {
    let mut room = Room::with(2);
    room.hears(1, &[(10, 5, "{\"a\":1}")]);
    room.hears(2, &[(20, 1, "{}")]);
    for clock in [0, 5, 6] {
        let echo = room.hears(2, &[(10, clock, "{ no JSON")]);
        assert_eq!(
            (echo.echoes, echo.refused, echo.foreign.len()),
            (1, 0, 0),
            "{clock}"
        );
    }
    assert_eq!(room.hears(1, &[(10, 5, "{ no JSON")]).echoes, 1);
    // What is newer is looked at.
    assert_eq!(room.hears(1, &[(10, 7, "{ no JSON")]).refused, 1);
}

#[test]
fn aw2_every_member_sends_every_change_back_and_it_ends_there() {
    const MEMBERS: u64 = 500;
    let mut room = Room::with(MEMBERS);
    for member in 1..=MEMBERS {
        assert_eq!(room.hears(member, &[(member, 1, "{}")]).changed, [member]);
    }
    let mut announced = 0;
    for clock in 2..6 {
        // One moves its cursor.
        let changed = room.hears(7, &[(7, clock + 1, "{\"cursor\":1}")]).changed;
        announced += changed.len();
        let frame = room.0.encode(&changed);
        let update = AwarenessUpdate::decode(frame).expect("our own");
        for member in 1..=MEMBERS {
            let received = room.0.receive(ConnectionId(member), None, &update);
            assert_eq!(received.echoes, 1, "member {member}");
            announced += received.changed.len();
        }
    }
    assert_eq!(announced, 4);
    // Everyone sends everyone back, as after a return.
    let everyone = AwarenessUpdate::decode(room.0.encode_all()).expect("our own");
    for member in 1..=MEMBERS {
        let received = room.0.receive(ConnectionId(member), None, &everyone);
        assert_eq!((received.echoes, received.changed.len()), (MEMBERS as u32, 0));
    }
    assert_eq!(room.owner(7), Some(7));
}

#[test]
fn aw2_the_echo_of_somebody_who_left_does_not_bring_him_back() {
    let mut room = Room::with(3);
    room.hears(1, &[(10, 5, "{}")]);
    room.hears(2, &[(20, 1, "{}")]);
    assert_eq!(room.0.leave(ConnectionId(1)), [10]);
    assert_eq!(room.hears(2, &[(10, 6, "{}")]).echoes, 1);
    // Nor when the one who echoes has said goodbye itself meanwhile.
    assert_eq!(room.hears(2, &[(20, 2, "null")]).changed, [20]);
    assert_eq!(room.hears(2, &[(10, 6, "{}")]).echoes, 1);
    assert_eq!(room.owner(10), None);
}

#[test]
fn aw3_what_a_socket_introduced_ends_with_it() {
    let mut room = Room::with(2);
    room.hears(1, &[(10, 5, "{}")]);
    room.hears(1, &[(11, 3, "{}"), (12, 0, "{}")]);
    let mut gone = room.0.leave(ConnectionId(1));
    gone.sort_unstable();
    assert_eq!(gone, [10, 11, 12]);
    // Peers accept `null` at the clock they know.
    assert_eq!(room.of(10), one(10, 6, "null"));
    assert_eq!(heard(&room.0.encode(&gone)).len(), 3);
    assert!(room.0.is_empty());
    assert!(room.0.leave(ConnectionId(1)).is_empty());
}

#[test]
fn aw4_an_id_appears_one_clock_further_and_returns_past_its_old_clock() {
    let mut room = Room::with(1);
    room.hears(1, &[(10, 5, "{}")]);
    assert_eq!(room.of(10), one(10, 6, "{}"));
    assert!(room.0.take_returned().is_empty());
    room.0.leave(ConnectionId(1));
    // The socket dropped; the client comes back with the clock it had.
    room.0.join(ConnectionId(2));
    assert_eq!(room.hears(2, &[(10, 5, "{}")]).changed, [10]);
    assert_eq!(room.of(10), one(10, 7, "{}"));
    assert_eq!(room.owner(10), Some(2));
}

#[test]
fn aw4_whoever_returns_is_sent_everyone_at_clocks_it_has_not_seen() {
    let mut room = Room::with(2);
    room.hears(1, &[(10, 5, "{}")]);
    room.hears(2, &[(20, 1, "{}")]);
    let seen = heard(&room.0.encode_all());
    room.0.leave(ConnectionId(1));
    room.0.join(ConnectionId(3));
    room.hears(3, &[(10, 5, "{}")]);
    assert_eq!(room.0.take_returned(), [ConnectionId(3)]);
    let told = heard(&room.0.encode_all());
    for ((client, before, _), (same, after, _)) in seen.iter().zip(&told) {
        assert_eq!(client, same);
        assert!(after > before, "{client} stays unseen at {after}");
    }
    // The owner of a clock that was moved on does not know that, and is heard all the same.
    assert_eq!(room.hears(2, &[(20, 2, "{\"b\":1}")]).changed, [20]);
    let clock = |entries: Vec<(u64, u64, String)>| entries[0].1;
    assert!(clock(room.of(20)) > told[1].1);
    assert_eq!(room.hears(2, &[(20, 2, "{\"b\":2}")]).echoes, 1);
    assert_eq!(room.hears(2, &[(20, 3, "{\"b\":3}")]).changed, [20]);
    assert!(room.0.take_returned().is_empty());
}

/// A client that reconnects at once may be here before its old socket is known to be gone, and speak after that.
#[test]
fn aw4_whoever_returned_before_its_goodbye_is_sent_everyone_too() {
    let mut room = Room::with(2);
    room.hears(1, &[(10, 5, "{}")]);
    room.hears(2, &[(20, 1, "{}")]);
    room.0.join(ConnectionId(3));
    assert_eq!(room.0.leave(ConnectionId(1)), [10]);
    // It could be an echo. The client hears of its goodbye, and does not let that stand.
    assert_eq!(room.hears(3, &[(10, 5, "{}")]).echoes, 1);
    assert_eq!(room.of(10), one(10, 6, "null"));
    assert_eq!(room.hears(3, &[(10, 7, "{}")]).changed, [10]);
    assert_eq!(room.0.take_returned(), [ConnectionId(3)]);
    assert!(room.of(20)[0].1 > 2, "it would go on to ignore the other one");
}

#[test]
fn aw4_a_goodbye_and_a_greeting_on_one_connection() {
    let mut room = Room::with(2);
    room.hears(1, &[(10, 5, "{}")]);
    assert_eq!(room.hears(1, &[(10, 6, "null")]).changed, [10]);
    assert_eq!(room.of(10), one(10, 6, "null"));
    assert_eq!(room.hears(1, &[(10, 6, "null")]).echoes, 1);
    assert_eq!(room.hears(1, &[(10, 6, "{\"a\":1}")]).changed, [10]);
    assert_eq!(room.of(10), one(10, 7, "{\"a\":1}"));
}

#[test]
fn aw4_a_goodbye_of_an_owner_whose_clock_lags() {
    let mut room = Room::with(1);
    room.hears(1, &[(10, 5, "{}")]);
    // It was announced at 6, and its owner did not hear of that.
    assert_eq!(room.hears(1, &[(10, 5, "null")]).changed, [10]);
    assert_eq!(room.of(10), one(10, 6, "null"));
}

#[test]
fn aw5_a_claim_waits_until_its_owner_is_gone() {
    let mut room = Room::with(1);
    room.hears(1, &[(10, 5, "{\"a\":1}")]);
    // The client is back while its old socket still seems to be there.
    room.0.join(ConnectionId(2));
    let claim = room.hears(2, &[(10, 5, "{\"a\":1}")]);
    assert_eq!(
        (claim.foreign, claim.changed),
        (vec![(10, ConnectionId(1))], vec![])
    );
    // It goes on, and its claim with it.
    assert_eq!(room.hears(2, &[(10, 7, "{\"a\":2}")]).foreign.len(), 1);
    assert_eq!(room.owner(10), Some(1));
    assert_eq!(room.0.leave(ConnectionId(1)), [10]);
    assert_eq!(room.owner(10), Some(2));
    let [(_, clock, state)] = room.of(10).try_into().expect("one");
    assert!(clock > 6, "peers would ignore {clock}");
    assert_eq!(state, "{\"a\":2}");
    assert_eq!(room.0.take_returned(), [ConnectionId(2)]);
    assert_eq!(room.0.leave(ConnectionId(2)), [10]);
    assert!(room.0.is_empty());
}

#[test]
fn aw5_of_several_claims_the_last_one_counts() {
    // Each time, whatever the order of a map.
    for _ in 0..20 {
        let mut room = Room::with(1);
        room.hears(1, &[(10, 5, "{\"a\":1}")]);
        for (connection, state) in [(2, "{\"a\":2}"), (3, "{\"a\":3}"), (4, "{\"a\":4}")] {
            room.0.join(ConnectionId(connection));
            room.hears(connection, &[(10, 5 + connection, state)]);
        }
        room.0.leave(ConnectionId(1));
        assert_eq!(room.owner(10), Some(4));
    }
}

#[test]
fn aw5_a_claim_of_somebody_who_left_is_forgotten() {
    let mut room = Room::with(2);
    room.hears(1, &[(10, 5, "{}")]);
    room.hears(2, &[(10, 9, "{}")]);
    room.0.leave(ConnectionId(2));
    room.0.leave(ConnectionId(1));
    assert_eq!(room.owner(10), None);
}

#[test]
fn aw5_a_tab_that_relays_another_one_does_not_inherit_it() {
    let mut room = Room::with(2);
    room.hears(1, &[(10, 1, "{}")]);
    room.hears(2, &[(20, 1, "{}")]);
    // Over the browser's own channel the second tab hears the first one's change before we do.
    assert_eq!(room.hears(2, &[(10, 3, "{\"a\":1}")]).foreign.len(), 1);
    assert_eq!(room.hears(1, &[(10, 3, "{\"a\":1}")]).changed, [10]);
    assert_eq!(room.hears(1, &[(10, 4, "null")]).changed, [10]);
    assert_eq!(room.owner(10), None, "a ghost");
}

#[test]
fn aw5_a_tab_that_was_relayed_first_speaks_for_itself() {
    let mut room = Room::with(2);
    room.hears(2, &[(20, 1, "{}")]);
    // The second tab is faster with the first one's state than the first one.
    assert_eq!(room.hears(2, &[(10, 4, "{}")]).changed, [10]);
    assert_eq!(room.owner(10), Some(2));
    assert_eq!(room.hears(1, &[(10, 4, "{}")]).changed, [10]);
    assert_eq!(room.owner(10), Some(1));
    assert_eq!(room.0.leave(ConnectionId(2)), [20]);
    assert_eq!(room.owner(10), Some(1));
}

#[test]
fn aw6_the_identity_of_a_state_comes_from_the_token() {
    let mut room = Room::with(1);
    let stamp = Stamp {
        id: "u1".to_owned(),
        name: Some("Ada".to_owned()),
    };
    let of = |room: &Room| -> serde_json::Value { serde_json::from_str(&room.of(10)[0].2).expect("JSON") };
    let states = [
        "{\"user\":{\"id\":\"root\",\"name\":\"Eve\",\"color\":\"red\"},\"cursor\":1}",
        "{\"user\":\"Eve\"}",
        "{\"user\":null}",
        "{}",
        "{\"user\":{\"id\":\"x\"},\"user\":{\"id\":\"y\"}}",
    ];
    for (clock, state) in states.iter().enumerate() {
        let said = says(&[(10, clock as u64 + 1, state)]);
        // Announced one further, so that every second clock is one it knows.
        room.0.receive(ConnectionId(1), Some(&stamp), &said);
        assert_eq!(of(&room)["user"]["id"], "u1", "{state}");
        assert_eq!(of(&room)["user"]["name"], "Ada", "{state}");
    }
    let said = says(&[(10, 20, states[0])]);
    room.0.receive(ConnectionId(1), Some(&stamp), &said);
    assert_eq!(
        (&of(&room)["user"]["color"], &of(&room)["cursor"]),
        (&"red".into(), &1.into())
    );
    // Sent back as it was announced, it is an echo.
    let back = AwarenessUpdate::decode(room.0.encode(&[10])).expect("our own");
    assert_eq!(room.0.receive(ConnectionId(1), Some(&stamp), &back).echoes, 1);
    // A state that is no object has no identity to be wrong.
    room.0
        .receive(ConnectionId(1), Some(&stamp), &says(&[(10, 30, "[1]")]));
    assert_eq!(of(&room), serde_json::json!([1]));
}

#[test]
fn aw7_a_bad_entry_is_dropped_alone() {
    let deep = format!("{}{}", "[".repeat(33), "]".repeat(33));
    let fits = format!("{}{}", "[".repeat(32), "]".repeat(32));
    let (large, largest) = (
        format!("\"{}\"", "a".repeat(16 * 1024 - 1)),
        format!("\"{}\"", "a".repeat(16 * 1024 - 2)),
    );
    let bad = ["{", "not json", "undefined", "", "{\"a\":1}}", &deep, &large];
    for state in bad {
        let mut room = Room::with(1);
        let received = room.hears(1, &[(10, 1, "{}"), (11, 1, state), (12, 1, "{}")]);
        assert_eq!((received.refused, received.changed), (1, vec![10, 12]));
    }
    for state in [&fits[..], &largest, "1", "\"x\"", "true"] {
        assert_eq!(Room::with(1).hears(1, &[(10, 1, state)]).changed, [10]);
    }
    for clock in [1 << 31, u64::from(u32::MAX), 1 << 32, (1 << 53) - 1] {
        let mut room = Room::with(1);
        let received = room.hears(1, &[(10, clock, "{}"), (11, clock, "null"), (12, 1, "{}")]);
        assert_eq!((received.refused, received.changed), (2, vec![12]));
    }
}

#[test]
fn aw7_a_connection_has_at_most_eight_ids() {
    let mut room = Room::with(2);
    let entries: Vec<(u64, u64, &str)> = (0..100).map(|client| (client, 1, "{}")).collect();
    let received = room.hears(1, &entries);
    assert_eq!((received.changed.len(), received.refused), (8, 92));
    assert_eq!(room.0.len(), 8);
    // Removing one makes space for one.
    room.hears(1, &[(0, 3, "null")]);
    assert_eq!(room.hears(1, &[(50, 1, "{}"), (51, 1, "{}")]).changed, [50]);
    // A goodbye of somebody who was never here is nothing.
    assert_eq!(room.hears(2, &[(77, 1, "null")]).echoes, 1);
    assert_eq!(heard(&room.0.encode(&[77])), []);
}

#[test]
fn aw7_a_crowd_of_clocks_at_their_end_does_not_overflow() {
    let mut room = Room::with(1);
    let last = (1 << 31) - 1;
    assert_eq!(room.hears(1, &[(10, last, "{}")]).changed, [10]);
    for _ in 0..10 {
        room.hears(1, &[(10, last, "null")]);
        room.hears(1, &[(10, last, "{}")]);
        room.0.take_returned();
    }
    assert!(room.of(10)[0].1 > last);
}

#[test]
fn removed_ids_are_remembered_up_to_a_bound() {
    let mut room = Room::with(2);
    room.hears(2, &[(2, 1, "{}")]);
    for client in 10..10 + 4_096 + 10 {
        room.hears(1, &[(client, 1, "{}")]);
        assert_eq!(room.hears(1, &[(client, 2, "null")]).changed, [client]);
    }
    assert_eq!(heard(&room.0.encode(&[10, 19])), [], "the oldest are forgotten");
    assert_eq!(heard(&room.0.encode(&[20, 4_115])).len(), 2);
    assert_eq!(room.hears(2, &[(20, 2, "{}")]).echoes, 1);
}

/// Whatever is said in whatever order: ids belong to members, clocks of an id never go back, and what is encoded can
/// be decoded.
#[test]
fn anything_in_any_order_keeps_the_books() {
    for seed in 0..400 {
        let mut random = Random::new(seed);
        let mut room = Room::with(0);
        let mut here: Vec<u64> = Vec::new();
        let mut next = 1;
        let mut clocks = std::collections::HashMap::<u64, u64>::new();
        for _ in 0..120 {
            match random.below(8) {
                0 => {
                    room.0.join(ConnectionId(next));
                    here.push(next);
                    next += 1;
                }
                1 if !here.is_empty() => {
                    let gone = here.swap_remove(random.below(here.len() as u64) as usize);
                    room.0.leave(ConnectionId(gone));
                }
                2 => drop(room.0.take_returned()),
                _ if here.is_empty() => {}
                _ => {
                    let from = *random.pick(&here);
                    let entries: Vec<(u64, u64, &str)> = (0..1 + random.below(2))
                        .map(|_| {
                            let state = *random.pick(&["{}", "{\"a\":1}", "null", "{"]);
                            (random.below(12), random.below(20), state)
                        })
                        .collect();
                    room.hears(from, &entries);
                }
            }
            let mut owned = std::collections::HashMap::<u64, usize>::new();
            for (client, clock, _) in heard(&room.0.encode_all()) {
                let owner = room.owner(client).expect("present");
                assert!(
                    here.contains(&owner),
                    "{client} belongs to {owner}, who is not here"
                );
                *owned.entry(owner).or_default() += 1;
                let known = clocks.entry(client).or_default();
                assert!(
                    clock >= *known,
                    "the clock of {client} went back from {known} to {clock}"
                );
                *known = clock;
            }
            assert!(owned.values().all(|ids| *ids <= 8));
        }
        here.iter()
            .for_each(|member| drop(room.0.leave(ConnectionId(*member))));
        assert!(room.0.is_empty());
    }
}

/// A room with one member (1) and another node (2).
fn beside_a_node() -> Room {
    let mut room = Room::with(1);
    room.0.join_node(ConnectionId(2));
    room
}

/// What another node would be told of these ids.
fn for_nodes(room: &Room, local: &[u64], gone: &[u64]) -> Vec<(u64, u64, String)> {
    heard(&room.0.encode_for_nodes(local, gone))
}

#[test]
fn a_node_speaks_for_its_clients_and_they_go_with_it() {
    let mut room = beside_a_node();
    room.hears(1, &[(11, 1, "{}")]);
    let many: Vec<(u64, u64, &str)> = (100..200).map(|client| (client, 1, "{}")).collect();
    assert_eq!(room.hears(2, &many).changed.len(), 100);
    assert_eq!((room.0.len(), room.0.local_ids()), (101, vec![11]));
    assert_eq!(for_nodes(&room, &[11], &[]), one(11, 2, "{}"));
    // All of them said again, but for some.
    let gone = room.0.retain(ConnectionId(2), &says(&many[10..]));
    assert_eq!((gone.len(), room.0.len()), (10, 91));
    assert_eq!(room.hears(2, &many[10..]).changed, [] as [u64; 0]);
    assert_eq!(room.0.leave(ConnectionId(2)).len(), 90);
    assert_eq!(room.0.len(), 1);
}

#[test]
fn a_client_that_comes_from_another_node_is_here_whatever_is_heard_first() {
    // Its goodbye there, then its greeting here, with a clock that is older than what others know; its connection was
    // here before the goodbye.
    let mut room = beside_a_node();
    room.hears(2, &[(7, 20, "{}")]);
    room.hears(2, &[(7, 20, "null")]);
    let known = room.of(7)[0].1;
    assert_eq!(room.hears(1, &[(7, 5, r#"{"a":1}"#)]).changed, [7]);
    assert!(room.of(7)[0].1 > known && room.0.is_local(7));

    // Its greeting here first: it waits for the word of the other node, which asks its socket.
    let mut room = beside_a_node();
    room.hears(2, &[(7, 20, "{}")]);
    let received = room.hears(1, &[(7, 5, r#"{"a":1}"#)]);
    assert_eq!(received.foreign, [(7, ConnectionId(2))]);
    assert_eq!(room.hears(2, &[(7, 20, "null")]).changed, [7]);
    assert_eq!((room.owner(7), room.0.len()), (Some(1), 1));
}

#[test]
fn a_client_that_went_to_another_node_is_there_whatever_clock_it_has_there() {
    let mut room = beside_a_node();
    room.hears(1, &[(7, 20, "{}")]);
    room.hears(1, &[(7, 20, "null")]);
    let known = room.of(7)[0].1;
    assert_eq!(room.hears(2, &[(7, 3, "{}")]).changed, [7]);
    assert!(room.of(7)[0].1 > known && !room.0.is_local(7));

    // Its old socket here is half-open: what the node claims holds when that is gone.
    let mut room = beside_a_node();
    room.hears(1, &[(7, 20, "{}")]);
    assert_eq!(
        room.hears(2, &[(7, 3, r#"{"b":1}"#)]).foreign,
        [(7, ConnectionId(1))]
    );
    assert_eq!(room.0.leave(ConnectionId(1)), [7]);
    assert_eq!(room.owner(7), Some(2));
    assert!(room.0.take_returned().is_empty());
    // The others hear that it is not here any more.
    assert_eq!(for_nodes(&room, &[], &[7])[0].2, "null");
}

#[test]
fn a_claim_that_was_taken_back_makes_no_ghost() {
    for whole in [false, true] {
        let mut room = beside_a_node();
        room.hears(1, &[(7, 20, "{}")]);
        room.hears(2, &[(7, 30, "{}")]);
        if whole {
            room.0.retain(ConnectionId(2), &says(&[]));
        } else {
            room.hears(2, &[(7, 31, "null")]);
        }
        room.0.leave(ConnectionId(1));
        assert!(room.0.is_empty(), "{whole}");
    }
}

/// Who moves to another node ignores everyone there at clocks that it knows from here.
#[test]
fn clocks_that_were_moved_on_for_somebody_are_gone_on_from_elsewhere() {
    let mut here = beside_a_node();
    here.hears(2, &[(7, 20, "{}")]);
    // Somebody comes back often.
    for round in 0..5 {
        here.0.join(ConnectionId(100 + round));
        here.0
            .receive(ConnectionId(100 + round), None, &says(&[(9, 1, "{}")]));
        here.0.take_returned();
        here.0.leave(ConnectionId(100 + round));
    }
    let known = here.of(7)[0].1;
    assert!(known > 21);
    let mut elsewhere = Room::with(1);
    elsewhere.hears(1, &[(7, 20, "{}")]);
    assert!(elsewhere.of(7)[0].1 < known);
    elsewhere.0.join_node(ConnectionId(2));
    let mut advance = |clocks: &[u8], is_first| {
        let changed = elsewhere.0.advance(ConnectionId(2), clocks, is_first);
        changed.map(|changed| (changed, elsewhere.of(7)[0].1, elsewhere.0.len()))
    };
    assert_eq!(advance(&here.0.clocks(), false), Ok((vec![], known, 1)));
    // Nothing goes backwards, nobody appears, and what is no clock is left out.
    assert_eq!(advance(&Room::with(0).0.clocks(), true), Ok((vec![], known, 1)));
    let mut wild = Writer::new();
    wild.var_uint(2)
        .var_uint(7)
        .var_uint(1 << 40)
        .var_uint(8)
        .var_uint(1);
    assert_eq!(advance(&wild.into_bytes(), false), Ok((vec![], known, 1)));
    for broken in [&[][..], &[5], &[1, 7], &[0xff; 12]] {
        assert!(advance(broken, true).is_err());
    }
    // At first contact whoever is here is announced beyond the clock that others know from there.
    assert_eq!(advance(&here.0.clocks(), true), Ok((vec![7], known + 1, 1)));
    // The owner need not know of it.
    elsewhere.hears(1, &[(7, 22, "{}")]);
    assert_eq!(elsewhere.of(7)[0].1, known + 2);
}

/// It is known from another node, which tells of it when it is gone there: it did not come for the first time.
#[test]
fn who_was_on_another_node_before_this_room_was_open_here_returns() {
    let mut there = Room::with(1);
    there.hears(1, &[(7, 20, "{}")]);
    there.0.leave(ConnectionId(1));
    let mut here = beside_a_node();
    assert_eq!(
        here.0.advance(ConnectionId(2), &there.0.clocks(), true),
        Ok(vec![])
    );
    here.hears(1, &[(7, 20, "{}")]);
    assert!(here.of(7)[0].1 > 21);
    assert_eq!(here.0.take_returned(), [ConnectionId(1)]);
}

#[test]
fn a_node_that_lags_behind_the_clocks_of_one_who_moved_there_is_told() {
    let mut room = beside_a_node();
    room.hears(1, &[(7, 20, "{}")]);
    room.hears(1, &[(7, 20, "null")]);
    assert!(room.hears(2, &[(7, 3, "{}")]).is_ahead);
    assert!(!room.hears(2, &[(8, 3, "{}")]).is_ahead, "everybody is one ahead");
}
