//! Every bound of the server, with its unit, its reason, and what happens when it is reached.
//!
//! Bounds that an operator may need to move are fields of [`Limits`] (configuration section `[limits]`);
//! the others are constants, because changing them would break a promise to clients.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Bytes of request line and headers of one HTTP request. Over it: 431 and the connection is closed.
pub const HEADER_BYTES_MAX: usize = 16 * 1024;
/// Time a peer has to send its whole request head, in milliseconds. Over it: the connection is closed.
pub const HANDSHAKE_MS_MAX: u64 = 5_000;
/// Pause between two parts of a request body, in milliseconds. Over it: the request is refused and the connection
/// closed.
pub const BODY_PAUSE_MS_MAX: u64 = 8_000;
/// Time a multiplexed socket has to authenticate its first document, in milliseconds; traffic does not
/// extend it. Over it: close 4408.
pub const AUTH_MS_MAX: u64 = 10_000;
/// Bytes a multiplexed socket may send before its first successful authentication. Over it: close 4408.
pub const UNAUTHENTICATED_BYTES_MAX: usize = 64 * 1024;
/// Time before the end of a token, in milliseconds, at which a native client is asked for another one. The leeway of 30 s is part of it.
pub const RENEW_MS: u64 = 60_000;
/// Time a fetch of a session without WebSocket waits for something to hear, in milliseconds: less than proxies wait for an answer.
pub const POLL_MS_MAX: u64 = 20_000;
/// Time between two requests of such a session, in milliseconds. Over it: its client is gone.
pub const POLLED_SILENCE_MS_MAX: u64 = 30_000;
/// Frames of such a session that wait to be taken. Over it: the next one waits with its request.
pub const POLLED_FRAMES_COUNT_MAX: usize = 4;
/// Such sessions on one node. Over it: 503.
pub const POLLED_SESSIONS_COUNT_MAX: usize = 20_000;
/// Time over which native clients are told to come back, evenly, when a node stops that does not send them away over a window, in
/// milliseconds: of any number a fifth comes back in any half second.
pub const RETURN_MS_MAX: u64 = 2_600;
/// Documents a multiplexed socket may name before its first successful authentication. Over it: close 4408.
pub const UNAUTHENTICATED_DOCUMENTS_COUNT_MAX: usize = 10;
/// Length of an address, in bytes: a document's name and the session behind it. It stands in front of every frame. Over
/// it: close 4400.
pub const ADDRESS_BYTES_MAX: usize = 1_024;
/// Documents one socket may carry. Over it: that document is refused (Hocuspocus PermissionDenied).
pub const DOCUMENTS_PER_CONNECTION_COUNT_MAX: usize = 512;
/// Length of a token, in bytes. Over it: refused before any cryptography.
pub const TOKEN_BYTES_MAX: usize = 8 * 1024;
/// Length of the id that a guest of an open server gives, in bytes. Over it: anonymous.
pub const GUEST_ID_BYTES_MAX: usize = 64;
/// Length of the name that a guest of an open server gives, in bytes. Over it: without a name.
pub const GUEST_NAME_BYTES_MAX: usize = 128;
/// Interval of WebSocket pings, in milliseconds. A peer silent for [`SILENCE_MS_MAX`] is gone.
pub const PING_MS: u64 = 15_000;
/// Silence after which a peer counts as gone, in milliseconds: its socket is dropped (no close is owed).
pub const SILENCE_MS_MAX: u64 = 30_000;
/// Time a probed peer has to show life, in milliseconds. A probe is sent when another connection claims
/// its awareness id: a client that came back while its old socket is half-open.
pub const PROBE_MS_MAX: u64 = 1_000;
/// Browsers cannot see WebSocket pings, and Yjs providers close a socket that is silent for 30 s: after this
/// many milliseconds without a frame, an empty awareness frame is sent.
pub const KEEPALIVE_MS: u64 = 10_000;
/// While a full room keeps a socket from being read, its client gets a sign of life this often, in milliseconds:
/// y-sweet clients hang up after 3 s without one.
pub const BUSY_KEEPALIVE_MS: u64 = 1_000;
/// Control frames (ping, pong) a peer may send per [`PING_MS`]. Over it: close 1008.
pub const CONTROL_FRAMES_COUNT_MAX: u32 = 1_000;
/// Time a socket may take to read nothing of what waits for it, in milliseconds. Over it: close 1013.
pub const NO_PROGRESS_MS_MAX: u64 = 30_000;
/// Time given to a close handshake, in milliseconds. Over it: the socket is dropped.
pub const CLOSE_MS_MAX: u64 = 2_000;
/// What one system call reads from a socket, in bytes. One buffer a thread.
pub const READ_BYTES_MAX: usize = 16 * 1024;
/// What gathers for one system call that writes to a socket, in bytes. One buffer a thread.
pub const WRITE_BYTES_MAX: usize = 64 * 1024;

/// Events that wait in a room's inbox. Full: the socket that sends next is not read until there is space.
pub const INBOX_EVENTS_COUNT_MAX: usize = 256;
/// Bytes of messages that wait in a room's inbox. Full: as [`INBOX_EVENTS_COUNT_MAX`]. One message larger
/// than this takes the whole inbox for itself.
pub const INBOX_BYTES_MAX: u32 = 2 * 1024 * 1024;
/// Events a room takes in one turn. What is over waits for the next turn.
pub const TURN_EVENTS_COUNT_MAX: usize = 256;
/// Updates that gather while a commit runs. At the bound the room stops reading its inbox until the commit
/// returns, so that the senders are slowed down instead of memory growing.
pub const GATHER_UPDATES_COUNT_MAX: usize = 2_000;
/// Bytes of updates that gather while a commit runs. As [`GATHER_UPDATES_COUNT_MAX`].
pub const GATHER_BYTES_MAX: usize = 1024 * 1024;
/// Times a room rebuilds its document within one turn because an update broke the engine. Over it: the rest
/// of the turn is refused and its senders are told to come back.
pub const REBUILDS_PER_TURN_COUNT_MAX: usize = 4;
/// Time a y-sweet client is left without an answer to its status request, in milliseconds. It reconnects
/// after 3 s of silence, so the last durable version is sent again before that.
pub const STATUS_ANSWER_MS: u64 = 2_000;
/// Length of what a y-sweet client wants to hear back, in bytes: it is a number of at most ten. Over it: close 4400.
pub const STATUS_BYTES_MAX: usize = 64;
/// Acknowledgements that wait for the store in one room, in bytes, with what has to be repeated to acknowledge it.
/// Over it: close 1013, and the author brings its edit again.
pub const ACKS_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Length of a stateless message, in bytes. Over it: close 1009.
pub const STATELESS_BYTES_MAX: usize = 64 * 1024;

/// Characters of a message of a chat, after the white space around it is taken off. Over it: `too_long`.
pub const CHAT_TEXT_CHARS_COUNT_MAX: usize = 4_096;
/// What a client may call a message, in bytes. Over it: `too_long`.
pub const CHAT_KEY_BYTES_MAX: usize = 64;
/// People whom a message mentions. Over it: `too_long`.
pub const CHAT_MENTIONS_COUNT_MAX: usize = 16;
/// The id of one of them, in bytes. Over it: `too_long`.
pub const CHAT_MENTION_BYTES_MAX: usize = 256;
/// An emoji, in bytes: those of families take 25. Over it: `too_long`.
pub const CHAT_EMOJI_BYTES_MAX: usize = 32;
/// Messages in an answer when nobody says how many.
pub const CHAT_PAGE_DEFAULT_COUNT: usize = 50;
/// Calls of one socket that wait for those before them, of all its rooms. Over it: `too_fast`.
pub const CHAT_CALLS_COUNT_MAX: usize = 32;
/// Changes that a user may make one right after the other, in all rooms of a node. Over it: `too_fast`.
pub const CHAT_CHANGES_COUNT_MAX: u32 = 10;
/// Time after which such a user may make one more, in milliseconds.
pub const CHAT_CHANGE_MS: u64 = 500;
/// Users whose changes are counted. At the bound those that may make as many as anybody are forgotten, and when that does not help,
/// all.
pub const CHAT_PACES_COUNT_MAX: usize = 10_000;
/// Time a call of the chat waits for the store, in milliseconds. Over it: `away`.
pub const CHAT_STORE_MS_MAX: u64 = 10_000;
/// Time a room has to take a word about its chat, in milliseconds. Over it: `away` where somebody opens it, and a change that is
/// stored is not passed on, and is found missing.
pub const CHAT_NOTE_MS_MAX: u64 = 3_000;
/// A change of a chat on its way between nodes, in bytes. Over it: it is not passed on, and is found missing.
pub const CHAT_NEWS_BYTES_MAX: usize = 1024 * 1024;

/// What a record that waits for the store takes beside its update, in bytes. It counts as backlog: a million edits of
/// one character are not a megabyte.
pub const RECORD_BYTES: usize = 256;
/// Bytes that one commit carries. What is over goes into the next commit.
pub const COMMIT_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Least time between the beginnings of two syncs while edits come in, in milliseconds: what is written in between shares
/// one. An edit that comes alone waits for nothing.
pub const SYNC_PACE_MS: u64 = 16;
/// Longest time in which an answer that confirms something waits for the disk, in milliseconds. Then it is made anew when the
/// store is back: many of them, each a document long, would be kept otherwise.
pub const CONFIRM_MS_MAX: u64 = 300;
/// First pause after a failed commit, in milliseconds; it doubles up to [`COMMIT_RETRY_MS_MAX`].
pub const COMMIT_RETRY_MS_MIN: u64 = 50;
/// Longest pause between tries of a failed commit, in milliseconds.
pub const COMMIT_RETRY_MS_MAX: u64 = 1_000;
/// A commit that takes longer than this turns health red, in milliseconds.
pub const COMMIT_SLOW_MS: u64 = 5_000;
/// Interval at which an idle store is asked whether it can still write, in milliseconds.
pub const STORE_PROBE_MS: u64 = 10_000;
/// Time that a start waits for a store on another machine, in seconds, where nothing else is configured. Over it: the process
/// ends with the reason.
pub const STORE_WAIT_SECONDS: u64 = 60;
/// Time that the first try has, in seconds, however short the wait is. Over it: as if nobody were there.
pub const STORE_FIRST_TRY_SECONDS: u64 = 10;
/// First pause before such a store is asked again, in milliseconds; it doubles up to [`STORE_WAIT_MS_MAX`].
pub const STORE_WAIT_MS_MIN: u64 = 100;
/// Longest pause before such a store is asked again, in milliseconds.
pub const STORE_WAIT_MS_MAX: u64 = 1_000;
/// Connections that are answered while the store is waited for. Over it: 503 without a word.
pub const STORE_WAIT_CONNECTIONS_COUNT_MAX: usize = 1_024;
/// Interval at which a store that has a clock is asked for the time, in milliseconds: a clock that nobody sets drifts by less
/// than a millisecond in it.
pub const CLOCK_ASK_MS: u64 = 10_000;
/// Longest way of that question and its answer, in milliseconds. Over it: the answer is too old, and the time before it goes on.
pub const CLOCK_ANSWER_MS_MAX: u64 = 2_000;
/// Difference between this machine's clock and the store's from which on an operator is told, in milliseconds.
pub const CLOCK_OFF_MS_MAX: u64 = 5_000;
/// Time a room waits for its log before a rebuild or a sleep gives up, in milliseconds.
pub const FLUSH_MS_MAX: u64 = 8_000;
/// Members from which on a room is a crowd, and gathers edits for up to [`Limits::crowd_pace_ms_max`]: what comes in that time shares a
/// transaction, a commit, and a write to each member. With fewer it is less in proportion; two people wait for nothing.
pub const CROWD_MEMBERS_COUNT: usize = 50;
/// Bytes that are worth a write of their own: one costs what it carries from here on, and more would only be held longer.
pub const PACE_BYTES_MAX: usize = 32 * 1024;
/// Members of a room for each millisecond between two of its awareness frames: what moves in between leaves in one. Two
/// people see each other at once; of five hundred every client would answer every frame with one of its own.
pub const AWARENESS_MEMBERS_PER_MS: usize = 5;
/// Longest time between two awareness frames of a crowd, in milliseconds.
pub const AWARENESS_PACE_MS_MAX: u64 = 60;
/// Longest time that presence waits for edits in order to leave with them, in milliseconds, beyond the time that they gather.
pub const AWARENESS_RELAY_MS_MAX: u64 = 20;
/// Edits are taken to go on while the last ones are no older than this, in milliseconds.
pub const EDITS_RECENT_MS: u64 = 50;
/// A stored document of this size or more is sent to who opens it before it is built, in bytes; a smaller one is built
/// as fast.
pub const PREVIEW_BYTES_MIN: usize = 32_768;
/// Documents that wait to be compacted. Full: a document is left for its next trigger.
pub const COMPACTION_QUEUE_COUNT_MAX: usize = 4_096;
/// First pause before a compaction that the store could not do is tried again, in milliseconds; it doubles up to
/// [`COMPACTION_RETRY_MS_MAX`], with jitter. As many wait as in the queue.
pub const COMPACTION_RETRY_MS_MIN: u64 = 1_000;
/// Longest pause before a compaction is tried again, in milliseconds: each attempt reads the whole document.
pub const COMPACTION_RETRY_MS_MAX: u64 = 60_000;
/// Interval at which a blob store that is away is asked whether it is back, in milliseconds, with jitter.
pub const BLOB_PROBE_MS: u64 = 5_000;
/// Interval of collections of blobs, in milliseconds, with jitter, where [`Limits::blob_grace_ms`] is not shorter.
pub const COLLECTION_MS_MAX: u64 = 600_000;
/// The same at least.
pub const COLLECTION_MS_MIN: u64 = 1_000;
/// Log bytes since the last snapshot that make a compaction due, at least. What it merges it has in memory many times over, and
/// that should not be more than the open room takes.
pub const COMPACTION_LOG_BYTES_MIN: usize = 128 * 1024;
/// What four times the document's size, or the least, may come to; a quarter of its size may be more. It is loaded and written whole
/// each time.
pub const COMPACTION_SMALL_LOG_BYTES_MAX: usize = 512 * 1024;
/// Log bytes that make a compaction of any document due: it holds in memory what it merges.
pub const COMPACTION_LOG_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Log rows that make a compaction due when a room falls asleep.
pub const COMPACTION_SLEEP_ROWS_MIN: usize = 16;
/// Interval at which rooms that are still awake during a stop are told again, in milliseconds.
pub const STOP_ROUND_MS: u64 = 100;
/// Time from the first stop signal to the end of the process, in milliseconds; clients are told before.
pub const STOP_MS_MAX: u64 = 9_000;
/// Time the store has to close at a stop, in milliseconds, when everything is saved.
pub const STORE_CLOSE_MS_MAX: u64 = 500;
/// Time over which a node that drains sends its clients away when nobody says otherwise and others are there to take them, in
/// milliseconds: a tenth of them in a second.
pub const DRAIN_WINDOW_DEFAULT_MS: u64 = 10_000;
/// Shortest such time other than none at all, in milliseconds: a fifth of the clients in a second.
pub const DRAIN_WINDOW_MS_MIN: u64 = 5_000;
/// Longest such time, in milliseconds.
pub const DRAIN_WINDOW_MS_MAX: u64 = 600_000;
/// Interval at which a node that drains sends some of its clients away, in milliseconds.
pub const DRAIN_STEP_MS: u64 = 50;
/// Interval at which a node shows the others that it lives, in milliseconds, and the time that one try may take.
pub const HEARTBEAT_MS: u64 = 3_000;
/// Time a node that is told to stop takes to look who else is there, in milliseconds.
pub const LOOK_AROUND_MS_MAX: u64 = 500;
/// Body of a request to the HTTP API other than a document update, in bytes. Over it: 413.
pub const HTTP_BODY_BYTES_MAX: usize = 64 * 1024;
/// Smallest answer to a join that is deflated for clients that can read that, in bytes. Below it the time counts for more.
pub const DEFLATED_BYTES_MIN: usize = 16 * 1024;
/// Largest one, in bytes: whoever asks for it costs a fraction of a second, and may ask again.
pub const DEFLATED_BYTES_MAX: usize = 16 * 1024 * 1024;
/// A frame, a batch or a document of this size takes milliseconds to work through, in bytes: other sockets do not wait for it.
pub const HEAVY_BYTES_MIN: usize = 128 * 1024;
/// Threads that an operator may ask for.
pub const WORKERS_COUNT_MAX: usize = 1_024;
/// Interval at which histograms that nobody reads are summed up, in milliseconds: until then each value is kept.
pub const METRICS_UPKEEP_MS: u64 = 5_000;
/// Connections that wait in the kernel to be accepted: a reconnect storm must not be refused.
pub const LISTEN_BACKLOG_COUNT: i32 = 4_096;

/// Header of a message between nodes, in bytes. A longer one is skipped.
pub const BUS_HEADER_BYTES_MAX: usize = 128;
/// Message between nodes, in bytes: Redis cuts a subscriber for whom more than 32 MB wait, and would do it again at each
/// try. A larger one is not sent, and a larger one that came is skipped.
pub const BUS_MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Messages that wait to be published, of all rooms. Over it: the next is lost, its number shows that, and receivers ask.
pub const BUS_QUEUE_COUNT_MAX: usize = 16_384;
/// The same in bytes. A message larger than this takes the whole queue for itself.
pub const BUS_QUEUE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Messages that are published at once. What is over goes with the next batch.
pub const BUS_BATCH_COUNT_MAX: usize = 256;
/// The same in bytes.
pub const BUS_BATCH_BYTES_MAX: usize = 1024 * 1024;
/// Messages received that wait to be handed to rooms. Over it: every room is told of a gap.
pub const BUS_RECEIVED_COUNT_MAX: usize = 8_192;
/// Messages of other nodes that wait for one room. Over it: the next is lost, and the room is told of a gap.
pub const BUS_INBOX_COUNT_MAX: usize = 1_024;
/// The same in bytes. A message larger than this takes the whole inbox for itself.
pub const BUS_INBOX_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Messages of other nodes that a room takes in one turn. What is over waits for the next turn.
pub const BUS_TURN_COUNT_MAX: usize = 256;
/// The same in bytes.
pub const BUS_TURN_BYTES_MAX: usize = 1024 * 1024;
/// Senders of other nodes whose numbers a room remembers. Over it: the one that was silent for longest is forgotten, and
/// is asked again when it speaks.
pub const BUS_SENDERS_COUNT_MAX: usize = 256;
/// Time a room waits for the confirmation of its subscription, in milliseconds. Over it: it opens all the same, and is told
/// of a gap when the confirmation comes.
pub const BUS_SUBSCRIBE_MS_MAX: u64 = 250;
/// Time Redis has to answer a command, in milliseconds. Over it: what was published counts as lost, and the connection is
/// made anew.
pub const BUS_COMMAND_MS_MAX: u64 = 2_000;
/// Interval at which the connection to Redis has to show life, in milliseconds.
pub const BUS_PROBE_MS: u64 = 500;
/// Time after a sign of life for which Redis is taken to carry what is said, in milliseconds. Over it: rooms follow the log,
/// until the next sign.
pub const BUS_VOUCH_MS: u64 = 1_000;
/// First pause before Redis is connected again, in milliseconds; it doubles up to [`BUS_RECONNECT_MS_MAX`], with jitter.
pub const BUS_RECONNECT_MS_MIN: u32 = 50;
/// Longest pause before Redis is connected again, in milliseconds.
pub const BUS_RECONNECT_MS_MAX: u32 = 1_000;
/// Channels in one command to Redis. What is over goes into the next.
pub const BUS_SUBSCRIPTIONS_COUNT_MAX: usize = 256;
/// Interval at which a room that is open on other nodes tells them what it has, in milliseconds, with jitter. It is the
/// sign of life too.
pub const BUS_DIGEST_MS: u64 = 2_000;
/// The same of a room that knows of no other, in milliseconds.
pub const BUS_DIGEST_ALONE_MS: u64 = 30_000;
/// Silence after which a room on another node counts as gone, with the presence of its clients, in milliseconds.
pub const BUS_SILENCE_MS_MAX: u64 = 6_000;
/// Shortest time between two questions of a room to other nodes, in milliseconds.
pub const BUS_ASK_MS_MIN: u64 = 250;
/// Time after which a question is asked once more, in milliseconds, with jitter: it may have been lost.
pub const BUS_ASK_AGAIN_MS: u64 = 1_000;
/// All rooms ask when Redis is back: each within this time, in milliseconds.
pub const BUS_ASK_JITTER_MS_MAX: u64 = 300;
/// Of several rooms that could answer, each waits up to this long for each of the others, in milliseconds.
pub const BUS_ANSWER_JITTER_MS: u64 = 20;
/// Answers that a room owes others at once. Over it: the question is not answered, and is asked again.
pub const BUS_ANSWERS_COUNT_MAX: usize = 64;

/// Time from the commit of an edit on another node to its message, in milliseconds, as far as it is waited for: the log has an
/// edit a little before the bus.
pub const FOLLOW_GRACE_MS: u64 = 250;
/// Time that an edit from another node may wait for its past, in milliseconds. Over it: the whole document is read.
pub const FOLLOW_PAST_MS: u64 = 1_500;

/// Bounds that an operator may move.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Largest WebSocket message and HTTP update body, in bytes. Over it: close 1009 or 413.
    pub frame_bytes_max: usize,
    /// Largest document, in encoded bytes. Over it: updates are refused with close 1009.
    pub document_bytes_max: usize,
    /// What may wait for one slow socket, in bytes. Over it: the queue gives way to one resync.
    pub outbox_bytes_max: usize,
    /// Accepted updates that may wait for the store, in bytes, over all rooms. Over it: writes are refused
    /// with a retryable reason until the store takes them.
    pub backlog_bytes_max: usize,
    /// Time a commit may hold back the relay of an edit, in milliseconds. Over it the store counts as
    /// stalled: edits are relayed without waiting, and still never acknowledged. 0 relays at once. An edit that
    /// came while one commit ran waits for its own as well, so the longest wait is twice this.
    pub relay_deadline_ms: u64,
    /// Longest time between two writes of edits to the members of a crowd, in milliseconds: what is edited in between leaves
    /// in one. Less is seen sooner and costs more, in proportion; 0 waits for nothing but the commit.
    pub crowd_pace_ms_max: u64,
    /// Time a room without members stays in memory, in milliseconds.
    pub room_idle_ms: u64,
    /// Open sockets. Over it: HTTP 503 with Retry-After.
    pub connections_count_max: usize,
    /// Rooms awake at once. Over it: close 1013.
    pub rooms_count_max: usize,
    /// Time that a blob is kept after the last snapshot that referred to it is gone, in milliseconds. A copy of the
    /// database that is older has to do without some blobs when it is restored.
    pub blob_grace_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            frame_bytes_max: 64 * 1024 * 1024,
            document_bytes_max: 64 * 1024 * 1024,
            outbox_bytes_max: 1024 * 1024,
            backlog_bytes_max: 64 * 1024 * 1024,
            relay_deadline_ms: 50,
            crowd_pace_ms_max: 33,
            room_idle_ms: 30_000,
            connections_count_max: 50_000,
            rooms_count_max: 100_000,
            blob_grace_ms: 86_400_000,
        }
    }
}

impl Limits {
    /// [`Limits::relay_deadline_ms`] as a duration.
    pub fn relay_deadline(&self) -> Duration {
        Duration::from_millis(self.relay_deadline_ms)
    }

    /// How long a room of so many members gathers edits.
    pub fn pace(&self, members_count: usize) -> Duration {
        let others_count = members_count.clamp(2, CROWD_MEMBERS_COUNT) - 2;
        let share = others_count as f64 / (CROWD_MEMBERS_COUNT - 2) as f64;
        Duration::from_millis(self.crowd_pace_ms_max).mul_f64(share)
    }

    /// [`Limits::room_idle_ms`] as a duration.
    pub fn room_idle(&self) -> Duration {
        Duration::from_millis(self.room_idle_ms)
    }

    /// [`Limits::blob_grace_ms`] as a duration.
    pub fn blob_grace(&self) -> Duration {
        Duration::from_millis(self.blob_grace_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_waits_for_nothing_and_no_crowd_longer_than_was_said() {
        let limits = Limits::default();
        assert_eq!(limits.pace(0), Duration::ZERO);
        assert_eq!(limits.pace(2), Duration::ZERO);
        assert!(limits.pace(10) < Duration::from_millis(6));
        assert!(limits.pace(49) < Duration::from_millis(33));
        assert_eq!(limits.pace(50), Duration::from_millis(33));
        assert_eq!(limits.pace(usize::MAX), Duration::from_millis(33));
        let hasty = Limits {
            crowd_pace_ms_max: 0,
            ..limits
        };
        assert_eq!(hasty.pace(5_000), Duration::ZERO);
    }
}
