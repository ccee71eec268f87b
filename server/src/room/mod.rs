//! A room: a document that is awake. One task owns it, and nothing else touches it.
//!
//! The loop below takes what waits as one *turn* (`turn.rs`), which never awaits. What a turn brought goes to the
//! log at once and to the members when the commit returns (`release.rs`). Updates that arrive while a commit runs
//! gather, so commits pace a busy room and cost a quiet one a millisecond.

mod accept;
mod acks;
mod answer;
mod beside;
mod chat;
mod drained;
mod following;
mod foreign;
mod handle;
mod loading;
mod member;
mod presence;
mod reception;
mod release;
mod remote;
mod status;
mod turn;

use std::collections::{HashMap, VecDeque};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use roomtone_crdt::{Awareness, ClientId, ConnectionId, Doc};
use roomtone_persistence::DocId;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Duration, Instant};

use crate::close::Close;
use crate::compactor::Measured;
use crate::heavy::heavy;
use crate::hub::{Context, Hub, RoomHandleId};
use crate::limits::{
    CONFIRM_MS_MAX, FLUSH_MS_MAX, GATHER_BYTES_MAX, GATHER_UPDATES_COUNT_MAX, INBOX_EVENTS_COUNT_MAX,
    PACE_BYTES_MAX, TURN_EVENTS_COUNT_MAX,
};
use crate::metrics;
use crate::saver::{Log, Progress};

use acks::Acks;
use drained::Drained;
use following::Following;
pub use handle::{Ask, RoomHandle, Seat};
use handle::{Control, Delivery, Failure, Inbox};
use loading::Loaded;
use member::Seated;
pub use member::{Greeting, Member, Voice};
use reception::Reception;
use release::Held;
use remote::Remote;
use turn::Gathered;

/// The inside of a room.
pub(crate) struct Room {
    doc_id: DocId,
    id: RoomHandleId,
    hub: Hub,
    context: Context,
    inbox: Inbox,
    control: mpsc::UnboundedReceiver<Control>,
    drained: Drained,
    failure: Failure,
    awake: Awake,
}

/// What a loaded room holds.
struct Awake {
    doc: Doc,
    log: Log,
    progress: watch::Receiver<Progress>,
    /// Boxed: a map is up to half empty, and copies what it holds as it grows.
    members: HashMap<ConnectionId, Box<Seated>>,
    awareness: Awareness,
    /// Awareness ids that changed in this turn.
    dirty: Vec<ClientId>,
    /// When what has gathered in a crowd is taken; none while nothing waits for company.
    integrate_due: Option<Instant>,
    /// When something was integrated last.
    integrated: Option<Instant>,
    /// When what is dirty leaves at the latest; none while nothing is.
    awareness_due: Option<Instant>,
    /// When an awareness frame left last.
    awareness_sent: Option<Instant>,
    /// Updates that wait for the running commit.
    gathered: Gathered,
    /// What goes out when a batch is written, in order.
    held: VecDeque<Held>,
    acks: Acks,
    /// The same room on other nodes, where there are any.
    remote: Option<Box<Remote>>,
    /// What they write to the log, in a store that they share.
    following: Option<Box<Following>>,
    /// Whose name updates of other nodes wait under when their past is missing.
    others: ConnectionId,
    /// Members whose Step1 is to be answered at the end of this turn.
    askers: Vec<ConnectionId>,
    /// Members whose Step1 is to be answered when something has reached the disk.
    deferred: Vec<ConnectionId>,
    /// No y-sweet client has to hear something before this.
    status_due: Option<Instant>,
    /// The progress that was acted on last.
    seen: Progress,
    /// Since when a batch is on its way to the store.
    in_flight_since: Option<Instant>,
    /// Since when a batch is on its way to the disk, and nothing has reached it.
    unsaved_since: Option<Instant>,
    /// The store missed the relay deadline, here or on another node: edits are relayed without waiting until a commit succeeds.
    stalled: bool,
    /// The encoded document is at most this long.
    doc_bytes_estimate: usize,
    /// What the last compaction found it to be.
    measured: Measured,
    /// What came since that was asked for: it may be in that figure or not.
    unmeasured_bytes: usize,
    /// What the log holds since the last snapshot.
    log_bytes: usize,
    log_rows: usize,
    /// The whole document as an answer to a first joiner, for one version of it.
    whole: Option<(u64, Bytes)>,
    /// Since when nobody is here.
    empty_since: Option<Instant>,
    /// Set when the engine broke and the document has to be rebuilt from the log.
    /// Boxed: it is rare.
    broken: Option<Box<turn::Breakage>>,
}

/// Why the loop ended.
enum End {
    /// The room was retired: idle, everything saved, nobody about to use it.
    Idle,
    /// The node stops.
    Stop,
    /// The room can serve nobody any more.
    Failed(Close),
}

impl Room {
    /// Starts the task of a room and returns the handle for the hub's map.
    pub(crate) fn start(doc_id: DocId, hub: Hub, context: Context) -> Arc<RoomHandle> {
        let (inbox_sender, inbox) = mpsc::channel(INBOX_EVENTS_COUNT_MAX);
        let (control_sender, control) = mpsc::unbounded_channel();
        let id = RoomHandleId::next();
        let failure = Failure::default();
        let handle = RoomHandle::new(id, inbox_sender, control_sender, failure.clone());
        // Boxed: what opening takes, the room would keep for its whole life.
        let opening = Box::pin(open(doc_id, id, hub, context, inbox, control, failure));
        tokio::spawn(async move {
            let Some(mut room) = opening.await else { return };
            let end = room.serve().await;
            Box::pin(room.end(end)).await;
        });
        Arc::new(handle)
    }

    async fn serve(&mut self) -> End {
        let mut deliveries = Vec::with_capacity(16);
        loop {
            self.flush_remote();
            if let Some(breakage) = self.awake.broken.take() {
                // Boxed like what follows below, because it is rare, and every room would keep the space for it.
                if let Err(close) = Box::pin(self.rebuild(*breakage)).await {
                    return End::Failed(close);
                }
                continue;
            }
            self.awake.repack();
            let promised = self.awake.promise_deadline(&self.context.limits);
            let idle = self.awake.idle_deadline(&self.context.limits);
            let takes_more = self.awake.gathered.has_space();
            tokio::select! {
                biased;
                changed = self.awake.progress.changed() => {
                    // The sender is this room's own log.
                    let _ = changed;
                    if self.awake.progress.borrow_and_update().stale {
                        return End::Failed(Close::StaleEpoch);
                    }
                    self.release_saved();
                }
                // In front of the inbox: a flood of messages must not hold back what is due.
                () = sleep_until(promised) => self.keep_promises(),
                control = self.control.recv() => match control {
                    Some(Control::Leave(id)) => {
                        self.take_inbox();
                        self.leave(id);
                    }
                    Some(Control::Stop) | None => {
                        self.take_inbox();
                        return End::Stop;
                    }
                },
                id = self.drained.next() => self.resync(id),
                taken = self.inbox.recv_many(&mut deliveries, TURN_EVENTS_COUNT_MAX), if takes_more => {
                    if taken == 0 {
                        return End::Stop;
                    }
                    self.turn(deliveries.drain(..).map(|delivery| *delivery));
                    // None of them can keep the others waiting.
                    self.take_waiting_remote();
                    if let Err(close) = self.take_waiting_followed() {
                        return End::Failed(close);
                    }
                }
                news = following::told(&self.awake.following) => {
                    if let Err(close) = self.take_followed(news) {
                        return End::Failed(close);
                    }
                }
                events = remote::heard(&self.awake.remote) => self.take_remote(events),
                () = sleep_until(idle) => {
                    if self.fall_asleep() {
                        return End::Idle;
                    }
                }
            }
        }
    }

    /// Takes everything that waits in the inbox now.
    fn take_inbox(&mut self) {
        let mut deliveries = Vec::new();
        while let Ok(delivery) = self.inbox.try_recv() {
            deliveries.push(*delivery);
        }
        if !deliveries.is_empty() {
            self.turn(deliveries.drain(..));
        }
    }

    /// Something was promised for now.
    fn keep_promises(&mut self) {
        let now = Instant::now();
        let deadline = self.context.limits.relay_deadline();
        let in_flight_since = self.awake.in_flight_since;
        if in_flight_since.is_some_and(|since| now >= since + deadline) {
            self.stall();
        }
        if self.awake.withheld_deadline().is_some_and(|due| now >= due) {
            self.awake.release_withheld(&mut self.drained);
        }
        self.answer_waiting_status(now);
        if self.awake.integrate_due.is_some_and(|due| now >= due) {
            self.pace_edits();
        }
        if self.awake.awareness_due.is_some_and(|due| now >= due) {
            self.send_awareness();
        }
        self.keep_remote_promises(now);
        self.keep_following_promises(now);
    }

    /// Nobody has been here for long enough. Returns whether the room was retired.
    fn fall_asleep(&mut self) -> bool {
        let (inbox, control) = (&self.inbox, &self.control);
        if self
            .hub
            .retire(&self.doc_id, || inbox.is_empty() && control.is_empty())
        {
            return true;
        }
        // Somebody is about to join: their event is on its way.
        self.awake.empty_since = Some(Instant::now());
        false
    }

    /// Undoes the room, whatever ended it.
    async fn end(mut self, end: End) {
        match end {
            End::Idle => {
                if self.awake.log_rows >= crate::limits::COMPACTION_SLEEP_ROWS_MIN {
                    self.context.compactor.due(&self.doc_id, &self.awake.measured);
                }
            }
            End::Stop => {
                self.integrate();
                let flushed = self.wait_for_log().await;
                // Whoever asked meanwhile what it lacks can ask nobody else when this room is gone.
                self.take_waiting_remote();
                self.answer_all_nodes();
                self.release_saved();
                self.flush_remote();
                let close = if flushed {
                    Close::Restart
                } else {
                    Close::TryLater("the store is away")
                };
                self.dismiss(close);
                self.hub.remove(&self.doc_id, &self.id);
                // A join that had passed the hub when it began to stop.
                turn_away(&mut self.inbox, close).await;
            }
            End::Failed(close) => {
                let _ = self.failure.set(close);
                self.flush_remote();
                // Out of the map first, so that whoever comes back finds a new room, not this one.
                self.hub.remove(&self.doc_id, &self.id);
                self.dismiss(close);
                turn_away(&mut self.inbox, close).await;
            }
        }
    }

    /// Sends every member away.
    fn dismiss(&mut self, close: Close) {
        for (_, seated) in self.awake.members.drain() {
            seated.member.dismiss(close);
        }
        self.awake.acks.refuse_all(close);
    }

    /// Says what is to be said to other nodes, and waits until all that was handed to the log is on the disk. False when
    /// that takes too long, or will never be.
    async fn wait_for_log(&mut self) -> bool {
        self.flush_remote();
        let target = self.awake.log.accepted();
        let all = self
            .awake
            .progress
            .wait_for(|progress| progress.stale || progress.saved >= target);
        match tokio::time::timeout(Duration::from_millis(FLUSH_MS_MAX), all).await {
            Ok(Ok(progress)) => !progress.stale,
            Ok(Err(_)) | Err(_) => false,
        }
    }
}

impl Awake {
    /// The document takes in so much, from a member or from another node.
    fn grow(&mut self, bytes: usize) {
        let measured = self.measured.swap(0, Ordering::Relaxed);
        if measured > 0 {
            self.doc_bytes_estimate = measured + self.unmeasured_bytes;
        }
        self.doc_bytes_estimate += bytes;
        self.unmeasured_bytes += bytes;
    }

    /// Lets go of what is kept of edits of which nothing is left. In a session of a day that would be more than the document.
    fn repack(&mut self) {
        if !self.doc.wants_repack() {
            return;
        }
        metrics::repacked();
        if let Err(broken) = heavy(self.doc_bytes_estimate, || self.doc.repack()) {
            tracing::warn!(%broken, "a document could not be repacked; it stays as it was");
        }
    }

    /// When authors have to hear what others wrote beside them although it is not on the disk.
    fn withheld_deadline(&self) -> Option<Instant> {
        let since = self.unsaved_since.filter(|_| self.acks.withholds())?;
        Some(since + Duration::from_millis(CONFIRM_MS_MAX))
    }

    /// When edits have to leave although their commit has not returned, or a y-sweet client has to hear something, or what
    /// waits for company has waited for long enough.
    fn promise_deadline(&self, limits: &crate::limits::Limits) -> Option<Instant> {
        let relay = match self.in_flight_since {
            Some(since) if !self.stalled => Some(since + limits.relay_deadline()),
            Some(_) | None => None,
        };
        let remote = self.remote.as_ref().map(|remote| remote.due());
        let following = self.following.as_ref().and_then(|following| following.due());
        [
            relay,
            self.withheld_deadline(),
            self.status_due,
            self.integrate_due,
            self.awareness_due,
            remote,
            following,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// When this room may sleep: nobody here, everything saved. A document that nobody ever wrote to goes at once.
    fn idle_deadline(&self, limits: &crate::limits::Limits) -> Option<Instant> {
        let since = self.empty_since?;
        if !self.log.is_clean() || !self.gathered.is_empty() {
            return None;
        }
        let untouched = self.doc_bytes_estimate == 0 && self.doc.version() == 0;
        Some(if untouched {
            since
        } else {
            since + limits.room_idle()
        })
    }
}

/// A room with its document and whoever came meanwhile; none when it cannot be loaded, and all of them were sent away.
async fn open(
    doc_id: DocId,
    id: RoomHandleId,
    hub: Hub,
    context: Context,
    mut inbox: Inbox,
    control: mpsc::UnboundedReceiver<Control>,
    failure: Failure,
) -> Option<Box<Room>> {
    // The other nodes first: what they say while the document is loaded waits, and cannot fall between the two.
    let subscription = match &context.bus {
        Some(bus) => Some(bus.subscribe(&doc_id).await),
        None => None,
    };
    let watch = hub.follower().map(|follower| follower.watch(&doc_id));
    // Not loaded is not empty: nothing is answered but with the stored document.
    let (loaded, mut waiting) = receive_while_loading(&context, &doc_id, &mut inbox).await;
    let loaded = match loaded {
        Ok(loaded) => loaded,
        Err(close) => {
            let _ = failure.set(close);
            hub.remove(&doc_id, &id);
            waiting
                .into_iter()
                .for_each(|delivery| send_away(delivery, close));
            turn_away(&mut inbox, close).await;
            return None;
        }
    };
    let remote = subscription.map(|subscription| Box::new(Remote::new(subscription, loaded.epoch)));
    let following = watch.map(|watch| {
        watch.loaded(loaded.epoch, loaded.generation);
        Box::new(Following::new(watch))
    });
    let others = hub.connection_id();
    let awake = Awake::new(&context, &doc_id, loaded, remote, following, others);
    let mut room = Box::new(Room {
        doc_id,
        id,
        hub,
        context,
        inbox,
        control,
        drained: Drained::default(),
        failure,
        awake,
    });
    if !waiting.is_empty() {
        room.turn(waiting.drain(..));
    }
    Some(room)
}

/// Loads the document. Until it is built, those who come are received with its bytes, where these are at hand.
async fn receive_while_loading(
    context: &Context,
    doc_id: &DocId,
    inbox: &mut Inbox,
) -> (Result<Loaded, Close>, Vec<Delivery>) {
    let (previewer, preview) = oneshot::channel();
    let mut reception = Reception::default();
    let mut loading = pin!(loading::load(context, doc_id, Some(previewer)));
    let preview = tokio::select! {
        biased;
        Ok(preview) = preview => preview,
        loaded = &mut loading => return (loaded, reception.into_waiting()),
    };
    loop {
        tokio::select! {
            biased;
            Some(delivery) = inbox.recv(), if reception.has_space() => reception.receive(*delivery, &preview),
            loaded = &mut loading => return (loaded, reception.into_waiting()),
        }
    }
}

/// Sends away whoever waits in the inbox of a room that is no more. Whoever had begun to send when it was closed still
/// gets through, and is waited for.
async fn turn_away(inbox: &mut Inbox, close: Close) {
    inbox.close();
    while let Some(delivery) = inbox.recv().await {
        send_away(*delivery, close);
    }
}

fn send_away(delivery: Delivery, close: Close) {
    match delivery.event {
        handle::Event::Join(member) => member.dismiss(close),
        handle::Event::Ask(ask) => release::refuse(ask, close),
        // Their seats find the inbox closed at the next word.
        handle::Event::Say(..) | handle::Event::Renew(..) | handle::Event::Chat(_) => {}
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

impl Gathered {
    fn has_space(&self) -> bool {
        self.len() < GATHER_UPDATES_COUNT_MAX && self.bytes() < GATHER_BYTES_MAX
    }

    /// Whether more can gather in a crowd before a write pays for itself.
    fn is_light(&self) -> bool {
        self.has_space() && self.bytes() < PACE_BYTES_MAX
    }
}
