//! A member whose outbox is read by the test instead of a socket, and which keeps what it hears as a client would.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use roomtone_crdt::{ConnectionId, Doc, Message, Outcome, Reader, StateVector, Update};
use roomtone_server::close::Close;
use roomtone_server::outbox::{Outbox, Outgoing};
use roomtone_server::room::{Seat, Voice};

/// How long a test waits for what must come. Far more than it takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// One frame from the server.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Heard {
    Step1(StateVector),
    Step2(Update),
    Update(Update),
    /// Client, clock, state.
    Awareness(Vec<(u64, u64, String)>),
    Denied(String),
    Authenticated(String),
    Stateless(String),
    Status(bool),
    YSweet(Bytes),
    /// Native: epoch, role, user.
    Joined(u64, String, String),
    /// Native: code and epoch.
    Left(u64, u64),
    /// Native.
    Event(String, String, String),
}

/// A member.
pub(crate) struct Peer {
    pub(crate) id: ConnectionId,
    pub(crate) voice: Voice,
    pub(crate) outbox: Outbox,
    pub(crate) seat: Option<Seat>,
    /// What a client would hold.
    pub(crate) doc: Doc,
    /// Everyone's presence, as a client would hold it.
    pub(crate) present: BTreeMap<u64, (u64, String)>,
    /// Everything that was heard and not looked at yet.
    pub(crate) heard: VecDeque<Heard>,
    pub(crate) closed: Option<Close>,
    pub(crate) probes: usize,
    /// How often something came before what it builds on.
    pub(crate) holes: usize,
}

impl Peer {
    /// Says something, as its socket would.
    pub(crate) async fn say(&self, message: Message) {
        let seat = self.seat.as_ref().expect("it sits");
        seat.say(message, 16).await.expect("the room is awake");
    }

    /// Sends an edit.
    pub(crate) async fn edit(&mut self, update: Update) {
        self.keep(&update);
        self.say(Message::Update(update)).await;
    }

    /// Asks for what it lacks and waits for the answer.
    pub(crate) async fn sync(&mut self) {
        self.say(Message::Step1(self.doc.state_vector().clone())).await;
        self.until(|heard| matches!(heard, Heard::Step2(_))).await;
        if let Voice::YSweet | Voice::Native(_) = self.voice {
            // The answer to the server's Step1: before it nothing counts as saved.
            self.say(Message::Step2(Update::empty())).await;
        }
    }

    /// Drops the seat.
    pub(crate) fn leave(&mut self) {
        self.seat = None;
    }

    /// Takes what waits in the outbox, once, as a socket's writer would, and says that it was written.
    pub(crate) async fn read(&mut self) {
        let outgoing = self.outbox.take().await;
        self.digest(outgoing);
    }

    /// Takes what waits, if something does.
    pub(crate) async fn read_now(&mut self) {
        tokio::select! {
            biased;
            outgoing = self.outbox.take() => self.digest(outgoing),
            () = std::future::ready(()) => {}
        }
    }

    /// Takes an outgoing batch apart.
    pub(crate) fn digest(&mut self, mut outgoing: Outgoing) {
        for frame in std::mem::take(&mut outgoing.frames) {
            let heard = decode(&self.voice, &frame);
            match &heard {
                Heard::Step2(update) | Heard::Update(update) => {
                    self.keep(update);
                    self.holes += usize::from(self.doc.pending_bytes() > 0);
                }
                Heard::Awareness(entries) => self.meet(entries),
                _ => {}
            }
            self.heard.push_back(heard);
        }
        self.probes += usize::from(outgoing.probe);
        self.closed = self.closed.or(outgoing.close);
        if outgoing.close.is_none() {
            outgoing.drained();
        }
    }

    /// Reads until something like this was heard; what was heard before it is forgotten.
    pub(crate) async fn until(&mut self, wanted: impl Fn(&Heard) -> bool) -> Heard {
        let waiting = async {
            loop {
                while let Some(heard) = self.heard.pop_front() {
                    if wanted(&heard) {
                        return heard;
                    }
                }
                assert_eq!(self.closed, None, "closed before it heard what it waits for");
                self.read().await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting)
            .await
            .expect("it was never heard")
    }

    /// Reads until its copy holds this client's clock.
    pub(crate) async fn until_has(&mut self, client: u64, clock: u32) {
        let waiting = async {
            while self.doc.state_vector().get(client) < clock {
                assert_eq!(self.closed, None, "closed before it had {client}:{clock}");
                self.read().await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting)
            .await
            .expect("it never came");
    }

    /// Reads until it is closed.
    pub(crate) async fn until_closed(&mut self) -> Close {
        let waiting = async {
            while self.closed.is_none() {
                self.read().await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting)
            .await
            .expect("it was never closed");
        self.closed.expect("closed")
    }

    /// Everything that was heard and not asked for, now.
    pub(crate) async fn heard_now(&mut self) -> Vec<Heard> {
        self.read_now().await;
        self.heard.drain(..).collect()
    }

    fn keep(&mut self, update: &Update) {
        let turn = self
            .doc
            .apply(&[(ConnectionId(1), update.clone())])
            .expect("a client loads it");
        // A pending update is kept by the document itself, as yjs does.
        assert_ne!(turn.outcomes[0], Outcome::PendingFull);
    }

    /// As y-protocols does it.
    fn meet(&mut self, entries: &[(u64, u64, String)]) {
        for (client, clock, state) in entries {
            let known = self
                .present
                .get(client)
                .map(|(clock, state)| (*clock, state != "null"));
            let newer = known
                .is_none_or(|(known, here)| *clock > known || (*clock == known && here && state == "null"));
            if newer {
                self.present.insert(*client, (*clock, state.clone()));
            }
        }
    }

    /// What y-websocket does when its socket is gone: nobody else is here, and the clocks stay known.
    pub(crate) fn forget_others(&mut self, own: u64) {
        for (client, (_, state)) in &mut self.present {
            if *client != own {
                *state = "null".to_owned();
            }
        }
    }

    /// Who is here, as this client sees it.
    pub(crate) fn sees(&self) -> Vec<u64> {
        let here = self.present.iter().filter(|(_, (_, state))| state != "null");
        here.map(|(client, _)| *client).collect()
    }
}

/// Whether two documents hold the same, deletions included.
pub(crate) fn same(one: &Doc, other: &Doc) -> bool {
    let lacks = |one: &Doc, other: &Doc| {
        let whole = other.snapshot().expect("it can be encoded");
        one.is_news(&whole).expect("it can be asked")
    };
    one.state_vector() == other.state_vector() && !lacks(one, other) && !lacks(other, one)
}

/// Reads a frame as a client of this dialect would.
pub(crate) fn decode(voice: &Voice, frame: &Bytes) -> Heard {
    let mut reader = Reader::new(frame);
    if let Voice::Native(channel) = voice {
        return read_native(*channel, &mut reader).expect("a frame that a client can read");
    }
    if let Voice::Hocuspocus(address) = voice {
        assert_eq!(reader.var_string().expect("an address"), &**address);
    }
    read(&mut reader).expect("a frame that a client can read")
}

fn entries(bytes: &[u8]) -> Result<Vec<(u64, u64, String)>, roomtone_crdt::Refusal> {
    let mut reader = Reader::new(bytes);
    let count = reader.var_uint()?;
    let mut list = Vec::new();
    for _ in 0..count {
        list.push((
            reader.var_uint()?,
            reader.var_uint()?,
            reader.var_string()?.to_owned(),
        ));
    }
    Ok(list)
}

/// Reads what a room sends to a native member: one message, on its channel.
fn read_native(channel: u32, reader: &mut Reader<'_>) -> Result<Heard, roomtone_crdt::Refusal> {
    let update = |bytes: &[u8]| Update::check(Bytes::copy_from_slice(bytes));
    assert_eq!(reader.var_uint()?, u64::from(channel));
    let kind = reader.var_uint()?;
    let body = reader.var_bytes()?;
    assert!(reader.is_done(), "PS4: one message a frame");
    let mut fields = Reader::new(body);
    Ok(match kind {
        17 => Heard::Joined(
            fields.var_uint()?,
            fields.var_string()?.to_owned(),
            fields.var_string()?.to_owned(),
        ),
        19 => {
            let code = fields.var_uint()?;
            fields.var_string()?;
            Heard::Left(code, fields.var_uint()?)
        }
        32 => Heard::Step1(StateVector::decode(body)?),
        33 => Heard::Step2(update(body)?),
        34 => Heard::Update(update(body)?),
        36 => Heard::YSweet(Bytes::copy_from_slice(body)),
        37 => Heard::Denied(fields.var_string()?.to_owned()),
        48 => Heard::Awareness(entries(body)?),
        49 => Heard::Event(
            fields.var_string()?.to_owned(),
            fields.var_string()?.to_owned(),
            fields.var_string()?.to_owned(),
        ),
        kind => panic!("native message {kind}"),
    })
}

fn read(reader: &mut Reader<'_>) -> Result<Heard, roomtone_crdt::Refusal> {
    let update = |bytes: &[u8]| Update::check(Bytes::copy_from_slice(bytes));
    let heard = match reader.var_uint()? {
        0 => match reader.var_uint()? {
            0 => Heard::Step1(StateVector::decode(reader.var_bytes()?)?),
            1 => Heard::Step2(update(reader.var_bytes()?)?),
            2 => Heard::Update(update(reader.var_bytes()?)?),
            kind => panic!("sync message {kind}"),
        },
        1 => Heard::Awareness(entries(reader.var_bytes()?)?),
        2 => match reader.var_uint()? {
            0 | 1 => Heard::Denied(reader.var_string()?.to_owned()),
            2 => Heard::Authenticated(reader.var_string()?.to_owned()),
            kind => panic!("auth message {kind}"),
        },
        5 => Heard::Stateless(reader.var_string()?.to_owned()),
        8 => Heard::Status(reader.var_uint()? == 1),
        102 => Heard::YSweet(Bytes::copy_from_slice(reader.var_bytes()?)),
        kind => panic!("message {kind}"),
    };
    assert!(reader.is_done(), "PS4: one message a frame");
    Ok(heard)
}
