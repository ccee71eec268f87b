//! One node: the production hub, rooms, saver and compactor on a runtime of one thread, whose clock is the simulator's.

use std::sync::Arc;
use std::time::Duration;

use roomtone_crdt::Doc;
use roomtone_crdt::{ConnectionId, Message};
use roomtone_persistence::{DocId, Store};
use roomtone_server::ambient;
use roomtone_server::auth::Role;
use roomtone_server::bus::Bus;
use roomtone_server::close::Close;
use roomtone_server::compactor::{Compactor, Measured};
use roomtone_server::hub::{Context, Hub};
use roomtone_server::limits::Limits;
use roomtone_server::outbox::Outbox;
use roomtone_server::room::{Ask, Greeting, Member, Voice};
use roomtone_server::saver::Saver;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};

/// One run of a node, from its start to its stop or death.
pub(crate) struct Node {
    runtime: Runtime,
    began: Instant,
    began_ms: u64,
    /// To when its clock has come.
    at_ms: u64,
    pub(crate) hub: Hub,
    pub(crate) saver: Saver,
    compactor: Compactor,
    outbox_bytes_max: usize,
    /// No step is taken before this.
    pub(crate) paused_until_ms: u64,
    /// What its time of day is ahead, in milliseconds.
    pub(crate) ahead_ms: i64,
    stopped: Option<oneshot::Receiver<bool>>,
}

/// The node's end of one client's socket.
pub(crate) struct Socket {
    pub(crate) outbox: Outbox,
    inbox: mpsc::UnboundedSender<(Message, usize)>,
    task: AbortHandle,
}

impl Socket {
    /// A message has come.
    pub(crate) fn receive(&self, message: Message, bytes: usize) {
        // The socket may have been refused meanwhile; then nobody reads.
        let _ = self.inbox.send((message, bytes));
    }

    /// It is gone: nothing that waits is taken any more.
    pub(crate) fn abort(&self) {
        self.task.abort();
    }
}

impl Node {
    pub(crate) fn start(now_ms: u64, store: Arc<dyn Store>, bus: Bus, limits: Limits) -> Node {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime");
        let limits = Arc::new(limits);
        let outbox_bytes_max = limits.outbox_bytes_max;
        let (hub, saver, compactor, began) = runtime.block_on(async {
            let saver = Saver::start(store.clone(), limits.backlog_bytes_max);
            let compactor = Compactor::start(store.clone());
            let hub = Hub::new(Context {
                store,
                saver: saver.clone(),
                compactor: compactor.clone(),
                bus: Some(bus),
                limits,
            });
            (hub, saver, compactor, Instant::now())
        });
        Node {
            runtime,
            began,
            began_ms: now_ms,
            at_ms: now_ms,
            hub,
            saver,
            compactor,
            outbox_bytes_max,
            paused_until_ms: 0,
            ahead_ms: 0,
            stopped: None,
        }
    }

    /// Runs until `now_ms`. A node that was paused finds that all of the pause has passed at once.
    pub(crate) fn step(&mut self, now_ms: u64) {
        if now_ms < self.paused_until_ms {
            return;
        }
        ambient::set_time(Some(
            (1_700_000_000_000 + now_ms).saturating_add_signed(self.ahead_ms),
        ));
        let jumps = std::mem::take(&mut self.paused_until_ms) > 0;
        let target = self.began + Duration::from_millis(now_ms - self.began_ms);
        let behind = Duration::from_millis(now_ms - self.at_ms);
        self.runtime.block_on(async {
            if jumps {
                tokio::time::advance(behind).await;
            }
            sleep_until(target).await;
        });
        self.at_ms = now_ms;
    }

    /// Whether it stands still.
    pub(crate) fn is_paused(&self, now_ms: u64) -> bool {
        now_ms < self.paused_until_ms
    }

    /// Opens a socket and takes a seat, as the accept loop and the session would.
    pub(crate) fn open(&self, doc: &DocId, voice: Voice) -> Socket {
        let outbox = Outbox::new(self.outbox_bytes_max);
        let (inbox, mut messages) = mpsc::unbounded_channel::<(Message, usize)>();
        let member = Member {
            id: self.hub.connection_id(),
            voice,
            outbox: outbox.clone(),
            role: Role::Editor,
            user: None,
            stamp: None,
            greeting: Greeting::None,
        };
        let (hub, doc, writer) = (self.hub.clone(), doc.clone(), outbox.clone());
        let task = self.runtime.spawn(async move {
            let serving = async {
                let seat = hub.join(&doc, member).await?;
                while let Some((message, bytes)) = messages.recv().await {
                    seat.say(message, bytes).await?;
                }
                Ok::<(), Close>(())
            };
            if let Err(close) = serving.await {
                writer.close(close);
            }
        });
        Socket {
            outbox,
            inbox,
            task: task.abort_handle(),
        }
    }

    /// Asks for a compaction.
    pub(crate) fn compact(&self, doc: &DocId) {
        let _in_runtime = self.runtime.enter();
        self.compactor.due(doc, &Measured::default());
    }

    /// Asks for the document as a back end does. The answer comes while steps are taken.
    pub(crate) fn ask(&self, doc: &DocId) -> oneshot::Receiver<Result<Doc, Close>> {
        let (reply, answer) = oneshot::channel();
        let (hub, doc) = (self.hub.clone(), doc.clone());
        self.runtime.spawn(async move {
            let (ask, answered) = oneshot::channel();
            let whole = async {
                hub.ask(&doc, Ask::Snapshot(ask)).await?;
                let update = answered.await.map_err(|_| Close::TryLater("the room ended"))??;
                Ok(Doc::load([update]).expect("it loads"))
            };
            // The run may have ended.
            let _ = reply.send(whole.await);
        });
        answer
    }

    /// Begins an orderly stop.
    pub(crate) fn stop(&mut self, patience: Duration) {
        let hub = self.hub.clone();
        let (tell, stopped) = oneshot::channel();
        self.runtime.spawn(async move {
            let _ = tell.send(hub.stop(patience).await);
        });
        self.stopped = Some(stopped);
    }

    /// Whether an orderly stop has ended.
    pub(crate) fn has_stopped(&mut self) -> bool {
        self.stopped
            .as_mut()
            .is_some_and(|stopped| stopped.try_recv().is_ok())
    }

    /// Whether it is on its way out.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopped.is_some()
    }
}

/// Who the clients of these tests take an update from: there is one server.
pub(crate) const SERVER: ConnectionId = ConnectionId(1);
