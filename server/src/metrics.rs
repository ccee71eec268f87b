//! Every metric of the server, in one place: names, units, and what they count.

use std::sync::OnceLock;
use std::time::Duration;

use metrics::{
    Counter, Gauge, Histogram, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

use roomtone_persistence::{BlobCall, BlobOutcome};

use crate::limits::METRICS_UPKEEP_MS;

/// Upper edges of latency buckets, in seconds.
const SECONDS: &[f64] = &[
    0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0,
];
/// Upper edges of count buckets.
const COUNTS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0];

/// Installs the recorder of this process and describes what it will hold.
///
/// # Errors
/// When a recorder is installed already.
pub fn install() -> Result<PrometheusHandle, BuildError> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("_updates".into()), COUNTS)?
        .install_recorder()?;
    describe_gauge!("roomtone_connections", "Open sockets, by dialect");
    describe_gauge!("roomtone_rooms", "Rooms awake");
    describe_gauge!(
        "roomtone_backlog_bytes",
        "Accepted updates that wait for the store"
    );
    describe_counter!("roomtone_updates_in_total", "Updates received, by outcome");
    describe_counter!("roomtone_frames_out_total", "Frames put into outboxes, by kind");
    describe_counter!("roomtone_bytes_in_total", "Bytes of frames received");
    describe_counter!("roomtone_bytes_out_total", "Bytes of frames written");
    describe_counter!("roomtone_refused_frames_total", "Frames refused, by reason");
    describe_counter!(
        "roomtone_refused_connections_total",
        "Connections refused, by reason"
    );
    describe_counter!("roomtone_closes_total", "Sockets closed by the server, by reason");
    describe_counter!(
        "roomtone_resyncs_total",
        "Slow members brought up to date by one diff"
    );
    describe_counter!(
        "roomtone_quarantined_updates_total",
        "Updates put aside because they broke the engine"
    );
    describe_counter!("roomtone_damage_total", "Stored rows or snapshots found damaged");
    describe_counter!(
        "roomtone_awareness_total",
        "Awareness entries, by what became of them"
    );
    describe_counter!("roomtone_chat_calls_total", "Calls of chats, by outcome");
    describe_counter!("roomtone_compactions_total", "Documents compacted");
    describe_counter!(
        "roomtone_repacks_total",
        "Documents made anew in memory, without what is kept of past edits"
    );
    describe_counter!("roomtone_commit_failures_total", "Commits that the store refused");
    describe_counter!(
        "roomtone_stalls_total",
        "Times a room stopped waiting for the store to relay"
    );
    describe_histogram!(
        "roomtone_turn_updates",
        "Updates that one turn merged (the coalescing ratio)"
    );
    describe_histogram!("roomtone_commit_seconds", "Duration of a commit");
    describe_histogram!("roomtone_commit_documents", "Documents in one commit");
    describe_histogram!(
        "roomtone_sync_seconds",
        "Duration of bringing to the disk what commits wrote"
    );
    describe_histogram!(
        "roomtone_durable_seconds",
        "From accepting an update to its commit"
    );
    describe_histogram!("roomtone_load_seconds", "Cold start of a room");
    describe_histogram!(
        "roomtone_blob_seconds",
        "Calls to the blob store, by operation and outcome"
    );
    describe_counter!(
        "roomtone_blob_bytes_total",
        "Bytes put into and got from the blob store"
    );
    describe_counter!(
        "roomtone_blobs_collected_total",
        "Blobs deleted because nothing referred to them"
    );
    describe_gauge!(
        "roomtone_blobs_away",
        "Whether the blob store is out of reach, 0 or 1"
    );
    describe_gauge!("roomtone_bus_connected", "Whether Redis can be reached, 0 or 1");
    describe_gauge!(
        "roomtone_bus_queue_bytes",
        "Messages to other nodes that wait to be published"
    );
    describe_counter!("roomtone_bus_published_total", "Messages that Redis took");
    describe_counter!("roomtone_bus_received_total", "Messages of other nodes");
    describe_counter!(
        "roomtone_bus_dropped_total",
        "Messages of the bus lost, by reason"
    );
    describe_counter!(
        "roomtone_bus_gaps_total",
        "Times a room found that messages of other nodes are missing"
    );
    describe_counter!(
        "roomtone_bus_repairs_total",
        "State vectors exchanged with other nodes, by part"
    );
    describe_gauge!(
        "roomtone_draining",
        "Whether this node sends its clients away, 0 or 1"
    );
    draining(false);
    describe_gauge!("roomtone_nodes", "Nodes over the same store, by state");
    describe_gauge!(
        "roomtone_follow_connected",
        "Whether the log of other nodes can be followed, 0 or 1"
    );
    describe_counter!(
        "roomtone_followed_rows_total",
        "Rows of other nodes that were read from the log because no bus carried them"
    );
    describe_counter!(
        "roomtone_follow_reloads_total",
        "Documents read anew while they were open because something was missing"
    );
    // A second recorder would have been refused above.
    let _ = HOT.set(Hot::default());
    Ok(handle)
}

/// Sums up what the histograms gathered, again and again: without it a server that nobody scrapes keeps every value.
pub async fn keep_up(handle: PrometheusHandle) {
    let mut due = tokio::time::interval(Duration::from_millis(METRICS_UPKEEP_MS));
    loop {
        due.tick().await;
        handle.run_upkeep();
    }
}

/// What is counted with every frame: looked up by name once, not each time. Not there before [`install`], when nobody counts.
static HOT: OnceLock<Hot> = OnceLock::new();

struct Hot {
    commit: Histogram,
    commit_documents: Histogram,
    sync: Histogram,
    durable: Histogram,
    backlog: Gauge,
    turn: Histogram,
    bytes_in: Counter,
    bytes_out: Counter,
    bus_published: Counter,
    bus_received: Counter,
    bus_queue: Gauge,
}

impl Default for Hot {
    fn default() -> Hot {
        Hot {
            commit: histogram!("roomtone_commit_seconds"),
            commit_documents: histogram!("roomtone_commit_documents"),
            sync: histogram!("roomtone_sync_seconds"),
            durable: histogram!("roomtone_durable_seconds"),
            backlog: gauge!("roomtone_backlog_bytes"),
            turn: histogram!("roomtone_turn_updates"),
            bytes_in: counter!("roomtone_bytes_in_total"),
            bytes_out: counter!("roomtone_bytes_out_total"),
            bus_published: counter!("roomtone_bus_published_total"),
            bus_received: counter!("roomtone_bus_received_total"),
            bus_queue: gauge!("roomtone_bus_queue_bytes"),
        }
    }
}

fn hot(count: impl FnOnce(&Hot)) {
    if let Some(hot) = HOT.get() {
        count(hot);
    }
}

/// A commit was taken by the store.
pub fn commit_ok(took: Duration, documents: usize) {
    hot(|hot| {
        hot.commit.record(took);
        hot.commit_documents.record(documents as f64);
    });
}

/// What was written is on the disk.
pub fn synced(took: Duration) {
    hot(|hot| hot.sync.record(took));
}

/// The store refused a commit.
pub fn commit_failed() {
    counter!("roomtone_commit_failures_total").increment(1);
}

/// A batch is on the disk, this long after it was accepted.
pub fn durable(took: Duration) {
    hot(|hot| hot.durable.record(took));
}

/// What waits for the store.
pub fn backlog_bytes(bytes: usize) {
    hot(|hot| hot.backlog.set(bytes as f64));
}

/// A call to the blob store has ended.
pub fn blob_call(call: &BlobCall) {
    let (operation, outcome) = (call.operation.label(), call.outcome.label());
    histogram!("roomtone_blob_seconds", "operation" => operation, "outcome" => outcome)
        .record(call.took.as_secs_f64());
    if call.outcome == BlobOutcome::Ok {
        counter!("roomtone_blob_bytes_total", "operation" => operation).increment(call.bytes);
    }
}

/// Blobs were deleted because nothing referred to them.
pub fn blobs_collected(count: usize) {
    counter!("roomtone_blobs_collected_total").increment(count as u64);
}

/// Whether the blob store is out of reach.
pub fn blobs_away(is_away: bool) {
    gauge!("roomtone_blobs_away").set(f64::from(u8::from(is_away)));
}

/// A document was made anew in memory.
pub fn repacked() {
    counter!("roomtone_repacks_total").increment(1);
}

/// A document was compacted.
pub fn compacted() {
    counter!("roomtone_compactions_total").increment(1);
}

/// A room woke up, or fell asleep.
pub fn rooms(count: usize) {
    gauge!("roomtone_rooms").set(count as f64);
}

/// A cold start took this long.
pub fn loaded(took: Duration) {
    histogram!("roomtone_load_seconds").record(took);
}

/// Something stored was found damaged.
pub fn damage(count: usize) {
    counter!("roomtone_damage_total").increment(count as u64);
}

/// One turn merged this many updates.
pub fn turn(updates: usize) {
    hot(|hot| hot.turn.record(updates as f64));
}

/// Updates had this outcome: `new`, `nothing`, `pending`, `refused`.
pub fn updates_in(outcome: &'static str, count: usize) {
    if count > 0 {
        counter!("roomtone_updates_in_total", "outcome" => outcome).increment(count as u64);
    }
}

/// Frames of this kind were put into outboxes.
pub fn frames_out(kind: &'static str, count: usize) {
    if count > 0 {
        counter!("roomtone_frames_out_total", "kind" => kind).increment(count as u64);
    }
}

/// A frame of this size was read.
pub fn bytes_in(bytes: usize) {
    hot(|hot| hot.bytes_in.increment(bytes as u64));
}

/// Frames of this size were written.
pub fn bytes_out(bytes: usize) {
    hot(|hot| hot.bytes_out.increment(bytes as u64));
}

/// A frame was refused.
pub fn refused_frame(reason: &'static str) {
    counter!("roomtone_refused_frames_total", "reason" => reason).increment(1);
}

/// A connection was refused before it became a socket.
pub fn refused_connection(reason: &'static str) {
    counter!("roomtone_refused_connections_total", "reason" => reason).increment(1);
}

/// The server closed a socket.
pub fn closed(reason: &'static str) {
    counter!("roomtone_closes_total", "reason" => reason).increment(1);
}

/// A slow member was brought up to date.
pub fn resync() {
    counter!("roomtone_resyncs_total").increment(1);
}

/// An update broke the engine and was put aside.
pub fn quarantined() {
    counter!("roomtone_quarantined_updates_total").increment(1);
}

/// The relay deadline passed in a room.
pub fn stalled() {
    counter!("roomtone_stalls_total").increment(1);
}

/// A call of a chat was answered: `ok`, or the code of the failure.
pub fn chat_call(outcome: &'static str) {
    counter!("roomtone_chat_calls_total", "outcome" => outcome).increment(1);
}

/// What became of awareness entries: `changed`, `echo`, `foreign`, `refused`.
pub fn awareness(outcome: &'static str, count: usize) {
    if count > 0 {
        counter!("roomtone_awareness_total", "outcome" => outcome).increment(count as u64);
    }
}

/// Whether Redis can be reached.
pub fn bus_connected(is_connected: bool) {
    gauge!("roomtone_bus_connected").set(if is_connected { 1.0 } else { 0.0 });
}

/// What waits to be published.
pub fn bus_queue_bytes(bytes: usize) {
    hot(|hot| hot.bus_queue.set(bytes as f64));
}

/// Redis took messages.
pub fn bus_published(count: usize) {
    hot(|hot| hot.bus_published.increment(count as u64));
}

/// A message of another node came.
pub fn bus_received(count: usize) {
    hot(|hot| hot.bus_received.increment(count as u64));
}

/// Messages were lost: `queue_full`, `away`, `inbox_full`, `too_large`, `newer`, `unreadable`.
pub fn bus_dropped(reason: &'static str, count: usize) {
    if count > 0 {
        counter!("roomtone_bus_dropped_total", "reason" => reason).increment(count as u64);
    }
}

/// A room found that something of other nodes is missing, or may be.
pub fn bus_gap() {
    counter!("roomtone_bus_gaps_total").increment(1);
}

/// Whether what other nodes write to the log is heard.
pub fn follow_connected(is_connected: bool) {
    gauge!("roomtone_follow_connected").set(if is_connected { 1.0 } else { 0.0 });
}

/// Something of another node was read from the log.
pub fn followed() {
    counter!("roomtone_followed_rows_total").increment(1);
}

/// A document that is open is read anew.
pub fn follow_reload() {
    counter!("roomtone_follow_reloads_total").increment(1);
}

/// A part of an exchange of state vectors: `asked`, `answered`, `received`.
pub fn bus_repair(part: &'static str) {
    counter!("roomtone_bus_repairs_total", "part" => part).increment(1);
}

/// Whether this node sends its clients away.
pub fn draining(is_draining: bool) {
    gauge!("roomtone_draining").set(if is_draining { 1.0 } else { 0.0 });
}

/// How many nodes are in this state: `starting`, `ready`, `draining`, `gone`.
pub fn nodes(state: &'static str, count: usize) {
    gauge!("roomtone_nodes", "state" => state).set(count as f64);
}

/// Counts an open socket for as long as it lives.
pub struct ConnectionGauge(&'static str);

impl ConnectionGauge {
    /// One more socket of this dialect.
    pub fn open(dialect: &'static str) -> ConnectionGauge {
        gauge!("roomtone_connections", "dialect" => dialect).increment(1);
        ConnectionGauge(dialect)
    }
}

impl Drop for ConnectionGauge {
    fn drop(&mut self) {
        gauge!("roomtone_connections", "dialect" => self.0).decrement(1);
    }
}
