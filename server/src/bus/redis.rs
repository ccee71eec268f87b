//! The bus over Redis: one connection publishes, one is subscribed to the channels of the rooms that are awake.
//!
//! Nothing here is waited for by a room, but a subscription for a moment. Redis promises no delivery, so no message is
//! tried again: what is lost while it is away or slow shows in the senders' numbers, and every room is told
//! [`super::Event::Gap`] once it is subscribed again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use fred::clients::{Client, WithOptions};
use fred::error::{Error, ErrorKind};
use fred::interfaces::{ClientLike, EventInterface, PubsubInterface};
use fred::types::config::{Options, ReconnectPolicy};
use fred::types::{Builder, ConnectHandle, Message, RespVersion, Value};
use futures_util::future::join_all;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout};

use super::Rooms;
use super::address::{BadAddress, RedisAddress};
use super::queue::Queue;
use crate::limits::{
    BUS_BATCH_BYTES_MAX, BUS_BATCH_COUNT_MAX, BUS_COMMAND_MS_MAX, BUS_PROBE_MS, BUS_QUEUE_BYTES_MAX,
    BUS_QUEUE_COUNT_MAX, BUS_RECEIVED_COUNT_MAX, BUS_RECONNECT_MS_MAX, BUS_RECONNECT_MS_MIN,
    BUS_SUBSCRIBE_MS_MAX, BUS_SUBSCRIPTIONS_COUNT_MAX, BUS_VOUCH_MS,
};
use crate::metrics;

/// The connections to Redis and what waits for them. They end with it.
pub(super) struct Redis {
    queue: Arc<Queue<Outgoing>>,
    control: mpsc::UnboundedSender<Control>,
    publisher: Client,
    /// Whether what the others say comes here.
    is_connected: Arc<AtomicBool>,
    /// When the last question was asked that was answered behind all that had come before.
    proven: Arc<Mutex<Option<Instant>>>,
    tasks: Vec<AbortHandle>,
}

struct Outgoing {
    channel: Arc<str>,
    message: Bytes,
}

/// What rooms want: at most one of each waits for a room that opens or ends.
enum Control {
    Subscribe(Arc<str>, oneshot::Sender<()>),
    Unsubscribe(Arc<str>),
}

impl Redis {
    /// Connects in the background, and again whenever that is needed.
    pub(super) fn start(address: &RedisAddress, rooms: Arc<Rooms>) -> Result<Redis, BadAddress> {
        let publisher = client(address)?;
        let subscriber = client(address)?;
        let is_sharded = address.is_cluster();
        let queue = Arc::new(Queue::new(BUS_QUEUE_COUNT_MAX, BUS_QUEUE_BYTES_MAX));
        let is_connected = Arc::new(AtomicBool::new(false));
        let proven = Arc::new(Mutex::new(None));
        let (control, controls) = mpsc::unbounded_channel();
        metrics::bus_connected(false);
        let tasks = [
            tokio::spawn(keep_connected(publisher.clone())),
            tokio::spawn(publish(publisher.clone(), queue.clone(), is_sharded)),
            tokio::spawn(listen(subscriber.clone(), rooms.clone())),
            tokio::spawn(
                Keeper {
                    subscriber: Subscriber {
                        options: options(),
                        client: subscriber,
                        is_sharded,
                    },
                    publisher: publisher.clone(),
                    rooms,
                    controls,
                    is_connected: is_connected.clone(),
                    proven: proven.clone(),
                    is_known_away: false,
                    address: address.to_string(),
                }
                .run(),
            ),
        ];
        Ok(Redis {
            queue,
            control,
            publisher,
            is_connected,
            proven,
            tasks: tasks.iter().map(|task| task.abort_handle()).collect(),
        })
    }

    pub(super) fn is_connected(&self) -> bool {
        self.is_connected.load(Ordering::Relaxed) && self.publisher.is_connected()
    }

    pub(super) fn vouched(&self) -> Option<Instant> {
        let proven = *lock(&self.proven);
        let vouches = Duration::from_millis(BUS_VOUCH_MS);
        proven.filter(|proven| self.is_connected() && proven.elapsed() < vouches)
    }

    /// Waits until Redis has confirmed it, but not for long, and not at all while Redis is away: what is missed then is
    /// a gap, of which the room is told.
    pub(super) async fn subscribe(&self, channel: Arc<str>) {
        let (ready, confirmed) = oneshot::channel();
        // The task lives as long as this does. While Redis is away it drops this at once.
        let _ = self.control.send(Control::Subscribe(channel, ready));
        let _ = timeout(Duration::from_millis(BUS_SUBSCRIBE_MS_MAX), confirmed).await;
    }

    pub(super) fn unsubscribe(&self, channel: Arc<str>) {
        let _ = self.control.send(Control::Unsubscribe(channel));
    }

    pub(super) fn publish(&self, channel: &Arc<str>, message: Bytes) {
        let bytes = channel.len() + message.len();
        let outgoing = Outgoing {
            channel: channel.clone(),
            message,
        };
        if !self.queue.push(outgoing, bytes) {
            metrics::bus_dropped("queue_full", 1);
        }
        metrics::bus_queue_bytes(self.queue.bytes());
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

fn client(address: &RedisAddress) -> Result<Client, BadAddress> {
    let mut config = address.config()?;
    // Redis may come later than we do.
    config.fail_fast = false;
    // Subscribed connections take other commands only in this version, such as the ping that shows that they live.
    config.version = RespVersion::RESP3;
    let command_max = Duration::from_millis(BUS_COMMAND_MS_MAX);
    Builder::from_config(config)
        .with_connection_config(|connection| {
            connection.connection_timeout = command_max;
            connection.internal_command_timeout = command_max;
            connection.reconnect_on_auth_error = true;
            connection.tcp.nodelay = Some(true);
        })
        .with_performance_config(|performance| {
            performance.broadcast_channel_capacity = BUS_RECEIVED_COUNT_MAX;
            performance.default_command_timeout = command_max;
        })
        .set_policy(ReconnectPolicy::new_exponential(
            0,
            BUS_RECONNECT_MS_MIN,
            BUS_RECONNECT_MS_MAX,
            2,
        ))
        .build()
        .map_err(|_| BadAddress)
}

/// A command is sent now or not at all: a later try would come behind its successors.
fn options() -> Options {
    Options {
        max_attempts: Some(1),
        timeout: Some(Duration::from_millis(BUS_COMMAND_MS_MAX)),
        fail_fast: true,
        ..Options::default()
    }
}

/// Connects, and begins anew if the client ever gives up.
async fn keep_connected(client: Client) {
    loop {
        let _ended = client.connect().await;
        sleep(Duration::from_millis(u64::from(BUS_RECONNECT_MS_MAX))).await;
    }
}

/// Sends what waits. While one batch is on its way the next one gathers.
async fn publish(client: Client, queue: Arc<Queue<Outgoing>>, is_sharded: bool) {
    let sender = client.with_options(&options());
    loop {
        let batch = queue.take(BUS_BATCH_COUNT_MAX, BUS_BATCH_BYTES_MAX).await.items;
        metrics::bus_queue_bytes(queue.bytes());
        // In order: each is handed to the connection when it is polled first.
        let sent = join_all(
            batch
                .into_iter()
                .map(|outgoing| publish_one(&sender, outgoing, is_sharded)),
        )
        .await;
        let failed = sent.iter().filter(|result| result.is_err()).count();
        metrics::bus_published(sent.len() - failed);
        metrics::bus_dropped("away", failed);
        let is_silent = sent.iter().any(|result| is_timeout(result.as_ref()));
        if is_silent {
            // It may be a connection that nobody told of its end.
            let _ = reconnect(&client).await;
        }
    }
}

async fn publish_one(
    sender: &WithOptions<Client>,
    outgoing: Outgoing,
    is_sharded: bool,
) -> Result<Value, Error> {
    let channel = outgoing.channel.as_ref();
    if is_sharded {
        sender.spublish(channel, outgoing.message).await
    } else {
        sender.publish(channel, outgoing.message).await
    }
}

fn is_timeout<T>(result: Result<&T, &Error>) -> bool {
    result.is_err_and(|error| *error.kind() == ErrorKind::Timeout)
}

async fn reconnect(client: &Client) -> Result<(), Error> {
    let patience = Duration::from_millis(BUS_COMMAND_MS_MAX);
    match timeout(patience, client.force_reconnection()).await {
        Ok(result) => result,
        Err(_) => Err(Error::new(ErrorKind::Timeout, "no reconnection")),
    }
}

/// Hands what comes to the rooms.
async fn listen(client: Client, rooms: Arc<Rooms>) {
    let mut messages = client.message_rx();
    loop {
        match messages.recv().await {
            Ok(Message { channel, value, .. }) => match value {
                Value::Bytes(bytes) => rooms.deliver(&channel, &bytes),
                Value::String(text) => rooms.deliver(&channel, text.inner()),
                // Not from us; nothing of ours is anything else.
                _ => metrics::bus_dropped("unreadable", 1),
            },
            Err(RecvError::Lagged(_)) => rooms.gap_everywhere(),
            Err(RecvError::Closed) => return,
        }
    }
}

/// Keeps the subscriptions as the rooms want them.
struct Keeper {
    subscriber: Subscriber,
    publisher: Client,
    rooms: Arc<Rooms>,
    controls: mpsc::UnboundedReceiver<Control>,
    is_connected: Arc<AtomicBool>,
    proven: Arc<Mutex<Option<Instant>>>,
    is_known_away: bool,
    address: String,
}

impl Keeper {
    async fn run(mut self) {
        let client = self.subscriber.client.clone();
        let mut connected = client.reconnect_rx();
        let mut speaks = self.publisher.reconnect_rx();
        let mut moved = client.cluster_change_rx();
        let mut errors = client.error_rx();
        let mut connection: ConnectHandle = client.connect();
        let probe_every = Duration::from_millis(BUS_PROBE_MS);
        // Not at once: it is being connected.
        let mut probe = interval_at(Instant::now() + probe_every, probe_every);
        probe.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut controls = Vec::new();
        loop {
            tokio::select! {
                biased;
                // Of several at once, one is answered: what is subscribed is looked up, not told.
                Ok(_) | Err(RecvError::Lagged(_)) = connected.recv() => self.resubscribe().await,
                Ok(_) | Err(RecvError::Lagged(_)) = moved.recv() => self.resubscribe().await,
                Ok(_) | Err(RecvError::Lagged(_)) = speaks.recv() => self.speak_again().await,
                Ok((error, _)) = errors.recv() => self.note_away(&error),
                ended = &mut connection => {
                    tracing::warn!(address = self.address, ?ended, "the connection to Redis was given up; it is begun anew");
                    sleep(Duration::from_millis(u64::from(BUS_RECONNECT_MS_MAX))).await;
                    connection = client.connect();
                }
                taken = self.controls.recv_many(&mut controls, BUS_SUBSCRIPTIONS_COUNT_MAX) => {
                    if taken == 0 {
                        return;
                    }
                    self.follow(controls.drain(..)).await;
                }
                _ = probe.tick() => self.probe().await,
            }
        }
    }

    /// Subscribes and unsubscribes. The rooms that listen are looked up, because some have changed their mind.
    async fn follow(&mut self, controls: impl Iterator<Item = Control>) {
        let mut wanted: BTreeMap<Arc<str>, Vec<oneshot::Sender<()>>> = BTreeMap::new();
        let mut left: Vec<Arc<str>> = Vec::new();
        for control in controls {
            match control {
                Control::Subscribe(channel, ready) => wanted.entry(channel).or_default().push(ready),
                Control::Unsubscribe(channel) => left.push(channel),
            }
        }
        if !self.is_connected.load(Ordering::Relaxed) {
            // All is subscribed anew when Redis is back. Who waits for it is told by the drop of its sender.
            return;
        }
        left.retain(|channel| !self.rooms.listens(channel));
        wanted.retain(|channel, _| self.rooms.listens(channel));
        // What is not left in time is received for nothing.
        let _ = self.subscriber.leave(&left).await;
        let channels: Vec<Arc<str>> = wanted.keys().cloned().collect();
        if let Err(error) = self.subscriber.subscribe(&channels).await {
            self.note_away(&error);
            return;
        }
        for (channel, waiting) in wanted {
            // Not all of them: whoever waited for too long has begun without it.
            if waiting.into_iter().any(|ready| ready.send(()).is_err()) {
                self.rooms.gap(&channel);
            }
        }
    }

    /// The connection is new, or channels have moved: what was said in between is lost.
    async fn resubscribe(&mut self) {
        let channels = self.rooms.channels();
        if let Err(error) = self.subscribe_all(&channels).await {
            self.note_away(&error);
            return;
        }
        // What is said from now on is heard.
        *lock(&self.proven) = Some(Instant::now());
        self.rooms.gap_everywhere();
        self.is_connected.store(true, Ordering::Relaxed);
        metrics::bus_connected(true);
        self.is_known_away = false;
        tracing::info!(
            address = self.address,
            rooms = channels.len(),
            "connected to Redis"
        );
    }

    async fn subscribe_all(&self, channels: &[Arc<str>]) -> Result<(), Error> {
        for some in channels.chunks(BUS_SUBSCRIPTIONS_COUNT_MAX) {
            self.subscriber.subscribe(some).await?;
        }
        // Also where there was nothing to subscribe to.
        self.subscriber.ping().await
    }

    /// What rooms said since they were told of the last gap was lost: their questions too.
    async fn speak_again(&self) {
        // Answered once the connection takes commands.
        let pong: Result<Value, Error> = self.publisher.ping(None).await;
        if pong.is_ok() && self.is_connected.load(Ordering::Relaxed) {
            self.rooms.gap_everywhere();
        }
    }

    /// Whether the connection still carries something. One that nobody told of its end is given up.
    async fn probe(&mut self) {
        let asked = Instant::now();
        let result = self.subscriber.ping().await;
        match result {
            Ok(()) if self.is_connected.load(Ordering::Relaxed) => *lock(&self.proven) = Some(asked),
            // It came back without having been away for the client: subscribing had failed.
            Ok(()) => self.resubscribe().await,
            Err(error) => {
                let was_connected = self.is_connected.load(Ordering::Relaxed);
                self.note_away(&error);
                if was_connected && *error.kind() == ErrorKind::Timeout {
                    let _ = reconnect(&self.subscriber.client).await;
                }
            }
        }
    }

    fn note_away(&mut self, error: &Error) {
        self.is_connected.store(false, Ordering::Relaxed);
        metrics::bus_connected(false);
        if !std::mem::replace(&mut self.is_known_away, true) {
            tracing::error!(
                address = self.address,
                error = error.details(),
                "Redis is away; nodes work on their own until it is back"
            );
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing in here can panic half-way.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The connection that is subscribed.
struct Subscriber {
    client: Client,
    options: Options,
    is_sharded: bool,
}

impl Subscriber {
    /// Returns when Redis has taken note of all of them.
    async fn subscribe(&self, channels: &[Arc<str>]) -> Result<(), Error> {
        if channels.is_empty() {
            return Ok(());
        }
        let client = self.client.with_options(&self.options);
        if self.is_sharded {
            // Each has a slot of its own, and the client confirms them one by one.
            for channel in channels {
                client.ssubscribe(channel.as_ref()).await?;
            }
            return Ok(());
        }
        client.subscribe(names(channels)).await?;
        // The client does not wait for the confirmation, which comes by another way. What is sent behind it on the same
        // connection is answered behind it.
        self.ping().await
    }

    async fn leave(&self, channels: &[Arc<str>]) -> Result<(), Error> {
        if channels.is_empty() {
            return Ok(());
        }
        let client = self.client.with_options(&self.options);
        if self.is_sharded {
            for channel in channels {
                client.sunsubscribe(channel.as_ref()).await?;
            }
            return Ok(());
        }
        client.unsubscribe(names(channels)).await
    }

    async fn ping(&self) -> Result<(), Error> {
        let _: Value = self.client.with_options(&self.options).ping(None).await?;
        Ok(())
    }
}

fn names(channels: &[Arc<str>]) -> Vec<String> {
    channels.iter().map(|channel| channel.to_string()).collect()
}
