//! Several servers over one PostgreSQL, without a bus or with one that is away: rooms follow the log.

use std::sync::Arc;
use std::time::{Duration, Instant};

use roomtone_persistence::{FaultyStore, PostgresStore, Store};
use roomtone_server::bus::Bus;
use roomtone_server::bus::memory::Network;
use roomtone_server::close::Close;
use roomtone_server::limits::Limits;
use roomtone_server::room::Voice;

use crate::peer::{Peer, same};
use crate::postgres::PostgresServer;
use crate::world::{World, doc_id, hocuspocus};
use crate::yjs;

/// Longest time between two people on two nodes.
const CROSSES: Duration = Duration::from_secs(2);

type Node = World<PostgresStore>;

async fn node(server: &PostgresServer, bus: Option<Bus>) -> Node {
    let store = Arc::new(FaultyStore::new(server.open().await));
    World::on_bus(store, Limits::default(), bus)
}

async fn nodes(server: &PostgresServer, buses: [Option<Bus>; 2]) -> Vec<Node> {
    let mut nodes = Vec::new();
    for bus in buses {
        nodes.push(node(server, bus).await);
    }
    nodes
}

async fn peers(nodes: &[Node]) -> Vec<Peer> {
    let mut peers = Vec::new();
    for node in nodes {
        let mut peer = node.join("d", Voice::YWebsocket).await;
        peer.sync().await;
        peers.push(peer);
    }
    peers
}

#[tokio::test]
async fn without_a_bus_edits_cross_and_are_saved_once() {
    let server = PostgresServer::start();
    let nodes = nodes(&server, [None, None]).await;
    let mut peers = peers(&nodes).await;
    for clock in 0..20 {
        let since = Instant::now();
        peers[0].edit(yjs::insert(7, clock, "x")).await;
        peers[1].until_has(7, clock as u32 + 1).await;
        peers[1].edit(yjs::insert(8, clock, "y")).await;
        peers[0].until_has(8, clock as u32 + 1).await;
        assert!(since.elapsed() < CROSSES * 2, "{:?}", since.elapsed());
    }
    for node in &nodes {
        node.saver.flush().await;
        assert_eq!(
            node.faults.appends(),
            20,
            "what is read from the log is not saved again"
        );
    }
    let rows = nodes[0].store.load(&doc_id("d")).await.expect("it loads").rows;
    assert_eq!(rows.len(), 40);
}

#[tokio::test]
async fn what_is_written_and_compacted_while_a_room_opens_or_sleeps_is_there() {
    let server = PostgresServer::start();
    let nodes = nodes(&server, [None, None]).await;
    let mut first = nodes[0].join("d", hocuspocus("d")).await;
    for clock in 0..30 {
        first.edit(yjs::insert(7, clock, "x")).await;
        if clock % 3 == 0 {
            nodes[0].saver.flush().await;
            // Rows go while the other node reads, and before it has read them.
            roomtone_persistence::compact(nodes[0].store.as_ref(), &doc_id("d"))
                .await
                .expect("it compacts");
        }
        if clock == 10 {
            let mut second = nodes[1].join("d", Voice::YWebsocket).await;
            second.sync().await;
            second.until_has(7, 11).await;
        }
    }
    let mut second = nodes[1].join("d", Voice::YWebsocket).await;
    second.sync().await;
    second.until_has(7, 30).await;
    let (one, two) = (nodes[0].snapshot("d").await, nodes[1].snapshot("d").await);
    assert!(same(&one.expect("awake"), &two.expect("awake")));
}

#[tokio::test]
async fn while_the_bus_is_away_edits_cross_and_while_it_works_nothing_is_read() {
    let server = PostgresServer::start();
    let network = Network::new(1);
    let buses = [network.node(), network.node()];
    let nodes = nodes(&server, [Some(buses[0].clone()), Some(buses[1].clone())]).await;
    let mut peers = peers(&nodes).await;
    let mut clock = 0;
    // Both are cut off, and then one: the other cannot know.
    for away in [&buses[..], &buses[..1], &buses[1..]] {
        for bus in away {
            network.set_away(bus, true);
        }
        for _ in 0..5 {
            let since = Instant::now();
            peers[0].edit(yjs::insert(7, clock, "x")).await;
            peers[1].edit(yjs::insert(8, clock, "y")).await;
            clock += 1;
            peers[0].until_has(8, clock as u32).await;
            peers[1].until_has(7, clock as u32).await;
            assert!(since.elapsed() < CROSSES, "{:?}", since.elapsed());
        }
        for bus in away {
            network.set_away(bus, false);
        }
    }
}

#[tokio::test]
async fn a_room_that_only_reads_closes_when_its_document_is_deleted_elsewhere() {
    let server = PostgresServer::start();
    let network = Network::new(1);
    for has_bus in [false, true] {
        let bus = || has_bus.then(|| network.node());
        let nodes = nodes(&server, [bus(), bus()]).await;
        let mut peers = peers(&nodes).await;
        peers[0].edit(yjs::insert(7, 0, "abc")).await;
        peers[1].until_has(7, 3).await;
        nodes[0].saver.flush().await;
        nodes[0].store.delete(&doc_id("d")).await.expect("it deletes");
        for peer in &mut peers {
            assert_eq!(peer.until_closed().await, Close::StaleEpoch);
        }
        let mut fresh = nodes[1].join("d", Voice::YWebsocket).await;
        fresh.sync().await;
        assert_eq!(fresh.doc.state_vector().get(7), 0, "it is another document");
    }
}

#[tokio::test]
async fn after_a_restart_of_postgresql_both_nodes_have_everything() {
    let mut server = PostgresServer::start();
    let nodes = nodes(&server, [None, None]).await;
    let mut peers = peers(&nodes).await;
    let mut clock = 0;
    for _ in 0..2 {
        server.kill();
        for _ in 0..5 {
            peers[0].edit(yjs::insert(7, clock, "x")).await;
            peers[1].edit(yjs::insert(8, clock, "y")).await;
            clock += 1;
        }
        server.run();
        peers[0].until_has(8, clock as u32).await;
        peers[1].until_has(7, clock as u32).await;
    }
}
