//! The bus between nodes, over a real Redis and over the network in memory.

use std::time::{Duration, Instant};

use bytes::Bytes;
use roomtone_persistence::Epoch;
use roomtone_server::bus::memory::{Faults, Network};
use roomtone_server::bus::{Arrival, Bus, Envelope, Event, Message, RedisAddress, Senders, Subscription};
use tokio::time::timeout;

use crate::redis::{PATIENCE, RedisServer};
use crate::world::doc_id;

/// A node's bus, once it is connected.
async fn node(url: &str) -> Bus {
    let bus = connecting(url);
    connected(&bus).await;
    bus
}

fn connecting(url: &str) -> Bus {
    let address = RedisAddress::parse(url).expect("an address");
    Bus::redis(&address).expect("a bus")
}

async fn connected(bus: &Bus) {
    let ends = Instant::now() + PATIENCE;
    while !bus.is_connected() {
        assert!(Instant::now() < ends, "connected within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// A numbered edit.
fn edit(number: u32) -> Message {
    Message::Update {
        update: Bytes::copy_from_slice(&number.to_be_bytes()),
        saved: true,
    }
}

fn number_of(message: &Message) -> u32 {
    match message {
        Message::Update { update, .. } => {
            u32::from_be_bytes(update[..4].try_into().expect("an edit of these tests"))
        }
        other => panic!("{other:?} is no edit"),
    }
}

fn say(room: &mut Subscription, number: u32) {
    room.publish(Epoch::FIRST, edit(number));
    room.flush();
}

async fn events(room: &Subscription) -> Vec<Event> {
    timeout(PATIENCE, room.recv()).await.expect("something to hear")
}

/// Waits for a gap; what comes before it is of no interest.
async fn gap(room: &Subscription) {
    while !events(room).await.contains(&Event::Gap) {}
}

/// What is heard up to and with this edit. Gaps are told more often than there are any.
async fn heard_up_to(room: &Subscription, last: u32) -> Vec<u32> {
    let mut heard = Vec::new();
    while heard.last() != Some(&last) {
        heard.extend(events(room).await.iter().filter_map(edit_of));
    }
    heard
}

fn edit_of(event: &Event) -> Option<u32> {
    match event {
        Event::Remote(envelope) => Some(number_of(&envelope.message)),
        Event::Gap => None,
    }
}

/// Two nodes hear each other in order, through whatever stands behind these addresses.
async fn check_two_nodes(url: &str) {
    let (left, right) = (node(url).await, node(url).await);
    let doc = doc_id("a {document} of two nodes");
    let mut on_left = left.subscribe(&doc).await;
    let mut on_right = right.subscribe(&doc).await;
    let elsewhere = right.subscribe(&doc_id("another")).await;
    for number in 1..=500 {
        say(&mut on_left, number);
    }
    assert_eq!(heard_up_to(&on_right, 500).await, (1..=500).collect::<Vec<u32>>());
    say(&mut on_right, 7);
    // Its own five hundred would stand in front.
    assert_eq!(heard_up_to(&on_left, 7).await, [7]);
    assert_eq!(elsewhere.try_recv().iter().find_map(edit_of), None);
    // A room that sleeps hears nothing, and hears again when it wakes.
    drop(on_right);
    say(&mut on_left, 8);
    let mut on_right = right.subscribe(&doc).await;
    say(&mut on_left, 9);
    say(&mut on_right, 10);
    assert_eq!(heard_up_to(&on_left, 10).await, [10]);
    let heard = heard_up_to(&on_right, 9).await;
    assert!(heard == [9] || heard == [8, 9], "{heard:?}");
}

#[tokio::test]
async fn two_nodes_hear_each_other_and_not_themselves() {
    let redis = RedisServer::start();
    check_two_nodes(&redis.url("redis", "", "")).await;
}

#[tokio::test]
async fn a_password_is_given_and_a_wrong_one_is_not_the_end() {
    let redis = RedisServer::start_with(&["--requirepass", "s3cret/@"]);
    check_two_nodes(&redis.url("redis", ":s3cret%2F%40@", "")).await;
    let wrong = connecting(&redis.url("redis", ":wrong@", ""));
    let mut room = wrong.subscribe(&doc_id("d")).await;
    say(&mut room, 1);
    assert!(!wrong.is_connected());
}

#[tokio::test]
async fn a_cluster_carries_it_in_sharded_channels() {
    let redis = RedisServer::start_cluster();
    check_two_nodes(&redis.url("redis-cluster", "", "")).await;
    let bus = node(&redis.url("redis-cluster", "", "")).await;
    let _room = bus.subscribe(&doc_id("d")).await;
    assert!(redis.command("PUBSUB SHARDCHANNELS").contains("roomtone:"));
    assert!(!redis.command("PUBSUB CHANNELS").contains("roomtone:"));
}

#[tokio::test]
async fn sentinels_tell_where_redis_is() {
    let redis = RedisServer::start();
    let sentinel = redis.start_sentinel();
    check_two_nodes(&sentinel.url("redis-sentinel", "", "/?sentinelServiceName=main")).await;
}

#[tokio::test]
async fn a_subscription_is_confirmed_before_it_is_returned_and_left_when_it_is_dropped() {
    let redis = RedisServer::start();
    let bus = node(&redis.url("redis", "", "")).await;
    for round in 0..50 {
        let room = bus.subscribe(&doc_id("d")).await;
        assert!(
            redis.command("PUBSUB CHANNELS").contains("roomtone:"),
            "round {round}"
        );
        drop(room);
        let ends = Instant::now() + PATIENCE;
        while redis.command("PUBSUB CHANNELS").contains("roomtone:") {
            assert!(Instant::now() < ends);
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn redis_may_come_later_and_be_restarted_and_each_time_is_a_gap() {
    let mut redis = RedisServer::stopped(&[]);
    let url = redis.url("redis", "", "");
    let (left, right) = (connecting(&url), connecting(&url));
    let doc = doc_id("d");
    let started = Instant::now();
    let mut on_left = left.subscribe(&doc).await;
    let mut on_right = right.subscribe(&doc).await;
    say(&mut on_left, 1);
    assert!(
        started.elapsed() < Duration::from_secs(1),
        "rooms open without Redis"
    );
    for round in 2..5 {
        redis.run();
        tokio::join!(gap(&on_left), gap(&on_right));
        connected(&left).await;
        say(&mut on_left, round);
        assert_eq!(heard_up_to(&on_right, round).await, [round]);
        redis.kill();
        while left.is_connected() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
    say(&mut on_right, 9);
}

#[tokio::test]
async fn a_connection_that_redis_cuts_is_a_gap() {
    let redis = RedisServer::start();
    let bus = node(&redis.url("redis", "", "")).await;
    let room = bus.subscribe(&doc_id("d")).await;
    // One gap may be left from the beginning.
    for _ in 0..3 {
        // As it does with a subscriber that is too slow.
        assert!(redis.command("CLIENT KILL TYPE pubsub").starts_with(":1"));
        gap(&room).await;
        while !redis.command("PUBSUB CHANNELS").contains("roomtone:") {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

#[tokio::test]
async fn nobody_waits_for_a_paused_redis_and_what_found_no_space_shows_in_the_numbers() {
    let redis = RedisServer::start();
    let url = redis.url("redis", "", "");
    let (left, right) = (node(&url).await, node(&url).await);
    let doc = doc_id("d");
    let mut on_left = left.subscribe(&doc).await;
    let on_right = right.subscribe(&doc).await;
    say(&mut on_left, 0);
    assert_eq!(heard_up_to(&on_right, 0).await, [0]);
    let mut senders = Senders::default();
    assert_eq!(senders.note(on_left.sender(), on_left.sequence()), Arrival::First);

    redis.pause();
    let started = Instant::now();
    // Five times what the queue takes.
    let large = Bytes::from(vec![0; 16 * 1024]);
    for _ in 0..5_000 {
        let update = large.clone();
        on_left.publish(Epoch::FIRST, Message::Update { update, saved: true });
        on_left.flush();
    }
    let took = started.elapsed();
    // 80 MB are written and put together meanwhile; without waiting that is a few hundredths of a second.
    assert!(took < Duration::from_secs(1), "5,000 messages took {took:?}");
    let opened = Instant::now();
    drop(left.subscribe(&doc_id("opened meanwhile")).await);
    assert!(
        opened.elapsed() < Duration::from_secs(1),
        "{:?}",
        opened.elapsed()
    );
    redis.resume();

    // What comes is in order and has holes, whether the connections survived the pause or not.
    let mut missing = 0;
    'heard: loop {
        connected(&left).await;
        say(&mut on_left, 1);
        let Ok(events) = timeout(Duration::from_millis(50), on_right.recv()).await else {
            continue;
        };
        for event in events {
            if let Event::Remote(Envelope { from, sequence, .. }) = event {
                if let Arrival::Gap(count) = senders.note(from, sequence) {
                    missing += count;
                }
                if sequence > 5_001 {
                    break 'heard;
                }
            }
        }
    }
    assert!(missing > 1_000, "{missing} were found missing");
}

#[tokio::test]
async fn a_room_that_is_too_slow_is_told_of_a_gap() {
    let network = Network::new(1);
    let (left, right) = (network.node(), network.node());
    let doc = doc_id("d");
    let mut on_left = left.subscribe(&doc).await;
    let on_right = right.subscribe(&doc).await;
    for number in 0..2_000 {
        say(&mut on_left, number);
    }
    let first = on_right.try_recv();
    assert_eq!(first[0], Event::Gap);
    assert!(matches!(&first[1], Event::Remote(envelope) if number_of(&envelope.message) == 0));
}

#[tokio::test]
async fn the_network_in_memory_does_what_its_seed_says() {
    async fn run(seed: u64) -> Vec<u32> {
        let network = Network::new(seed);
        let (left, right) = (network.node(), network.node());
        let doc = doc_id("d");
        let mut on_left = left.subscribe(&doc).await;
        let on_right = right.subscribe(&doc).await;
        network.set_faults(Faults {
            lost_permille: 200,
            doubled_permille: 200,
            held_permille: 300,
        });
        for number in 0..100 {
            say(&mut on_left, number);
        }
        network.flush();
        network.set_faults(Faults::default());
        assert_eq!(network.published_count(), 100);
        network.set_away(&right, true);
        say(&mut on_left, 500);
        network.set_away(&right, false);
        let heard = on_right.try_recv();
        assert_eq!(heard[0], Event::Gap);
        heard.iter().filter_map(edit_of).collect()
    }
    let heard = run(7).await;
    assert_eq!(heard, run(7).await);
    assert_ne!(heard, run(8).await);
    let mut sorted = heard.clone();
    sorted.sort_unstable();
    assert_ne!(heard, sorted, "nothing was overtaken");
    sorted.dedup();
    assert!(sorted.len() < heard.len(), "nothing was doubled");
    assert!(sorted.len() < 95 && !heard.contains(&500), "nothing was lost");
}
