//! A native socket: rooms by number, with one token for all of them or one of their own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use roomtone_crdt::native::{self, Channel, Hello, Join, Said, Welcome};
use roomtone_crdt::{ConnectionId, Message};
use roomtone_persistence::{DocId, Epoch};
use tokio::time::Instant;
use uuid::Uuid;

use crate::ambient;
use crate::app::App;
use crate::auth::{Claims, Denied, Role};
use crate::chat::{Call, Caller, Line};
use crate::close::Close;
use crate::heavy::heavy;
use crate::limits::{
    AUTH_MS_MAX, DOCUMENTS_PER_CONNECTION_COUNT_MAX, RENEW_MS, SILENCE_MS_MAX, UNAUTHENTICATED_BYTES_MAX,
    UNAUTHENTICATED_DOCUMENTS_COUNT_MAX,
};
use crate::listener::Meter;
use crate::metrics;
use crate::outbox::Outbox;
use crate::room::{Greeting, Member, Seat, Voice};

/// The state of one such socket.
pub(crate) struct Native {
    app: App,
    outbox: Outbox,
    meter: Meter,
    is_greeted: bool,
    trust: Trust,
    /// Those of the token of the connection, or of nobody on an open server.
    claims: Result<Claims, Denied>,
    /// When the client is told to bring another token.
    renew_at: Option<Instant>,
    rooms: BTreeMap<Channel, Place>,
    /// Where calls of chats go, from the first one on.
    chat: Option<Line>,
}

/// Whether this socket has shown that it may be here at all.
enum Trust {
    /// Not yet: it gets little of anything, and not for long.
    None {
        until: Instant,
        refused_count: usize,
    },
    Some,
}

/// One room of the socket.
struct Place {
    doc: DocId,
    seat: Seat,
    member: ConnectionId,
    /// Gone with the place: whoever answers later sees that nobody is here any more.
    here: Arc<()>,
    user: Option<Arc<str>>,
    name: Option<Arc<str>>,
    role: Role,
    /// Its token is its own, and a new one of the connection changes nothing.
    has_own_token: bool,
    expires: Option<Instant>,
}

impl Native {
    pub(crate) fn new(app: App, outbox: Outbox, meter: Meter) -> Native {
        // A message is gathered whole before it is seen here: the bound has to hold below that.
        meter.allow_only(UNAUTHENTICATED_BYTES_MAX as u64);
        outbox.set_goodbye(native::go_away);
        let until = Instant::now() + Duration::from_millis(AUTH_MS_MAX);
        Native {
            app,
            outbox,
            meter,
            is_greeted: false,
            trust: Trust::None {
                until,
                refused_count: 0,
            },
            claims: Err(Denied::Missing),
            renew_at: None,
            rooms: BTreeMap::new(),
            chat: None,
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        let trust = match self.trust {
            Trust::None { until, .. } => Some(until),
            Trust::Some => None,
        };
        let expiry = self.rooms.values().filter_map(|place| place.expires).min();
        trust.into_iter().chain(self.renew_at).chain(expiry).min()
    }

    pub(crate) fn on_deadline(&mut self) -> Result<(), Close> {
        let now = Instant::now();
        if let Trust::None { until, .. } = self.trust
            && until <= now
        {
            return Err(Close::AuthTimeout);
        }
        if self.renew_at.take_if(|at| *at <= now).is_some() {
            let left = self.claims.as_ref().ok().and_then(Claims::remaining);
            let left_ms = left.unwrap_or_default().as_millis() as u64;
            self.outbox.send_always(native::renew(left_ms));
        }
        let has_expired = |place: &Place| place.expires.is_some_and(|at| at <= now);
        for (channel, _) in self.rooms.extract_if(.., |_, place| has_expired(place)) {
            let close = Close::from(Denied::Expired);
            self.outbox
                .send_always(native::left(channel, close.code(), close.reason(), 0));
        }
        Ok(())
    }

    pub(crate) fn leave(&mut self) {
        self.rooms.clear();
    }

    pub(crate) async fn receive(&mut self, frame: Bytes) -> Result<(), Close> {
        let mut bytes = frame.len();
        let decoded = heavy(bytes, || native::decode(&frame)).map_err(|bad| {
            metrics::refused_frame(bad.as_str());
            Close::BadFrame(bad.as_str())
        })?;
        for said in decoded {
            if !self.is_greeted && !matches!(said, Said::Hello(_)) {
                return Err(Close::BadFrame("hello_comes_first"));
            }
            match said {
                Said::Hello(hello) => self.greet(&hello)?,
                Said::Token(token) => self.take_token(&token).await?,
                Said::Ping(payload) => self.outbox.send_always(native::pong(&payload)),
                Said::Pong => {}
                Said::Join(channel, join) => self.join(channel, join, std::mem::take(&mut bytes)).await?,
                Said::Leave(channel) => drop(self.rooms.remove(&channel)),
                Said::Document {
                    channel,
                    message,
                    seq,
                } => {
                    // The frame's space in the inbox is counted once, with its first message.
                    self.say(channel, message, std::mem::take(&mut bytes)).await?;
                    if let Some(seq) = seq {
                        let status = Message::SyncStatus(native::saved_payload(seq));
                        self.say(channel, status, 0).await?;
                    }
                }
                Said::Event {
                    channel,
                    name,
                    payload,
                } => {
                    if let Some(place) = self.rooms.get(&channel) {
                        let user = place.user.as_deref().unwrap_or_default();
                        let body = native::event_body(user, &name, &payload);
                        let bytes = std::mem::take(&mut bytes);
                        self.say(channel, Message::Event(body), bytes).await?;
                    }
                }
                Said::Chat {
                    channel,
                    call,
                    request,
                } => self.call_chat(channel, call, request),
            }
        }
        Ok(())
    }

    fn greet(&mut self, hello: &Hello) -> Result<(), Close> {
        if std::mem::replace(&mut self.is_greeted, true) {
            return Err(Close::BadFrame("hello_twice"));
        }
        if hello.version != native::VERSION {
            return Err(Close::BadFrame("only_version_1"));
        }
        let token = Some(hello.token.as_str()).filter(|token| !token.is_empty());
        let claims = self.app.auth().claims(token);
        if let (Err(denied), Some(_)) = (&claims, token) {
            metrics::refused_connection("unauthorized");
            return Err(Close::Unauthorized(denied.reason()));
        }
        self.take_claims(claims);
        if hello.capabilities & native::CAN_INFLATE != 0 {
            self.outbox.set_deflater(self.app.deflater().clone());
        }
        let session = Uuid::new_v4().to_string();
        tracing::debug!(session, client = hello.client, "hello");
        self.outbox.send_always(native::welcome(&Welcome {
            capabilities: hello.capabilities & CAPABILITIES,
            session: &session,
            time_ms: ambient::time_ms(),
            frame_bytes_max: self.app.limits().frame_bytes_max as u64,
            rooms_count_max: DOCUMENTS_PER_CONNECTION_COUNT_MAX as u64,
            silence_ms: SILENCE_MS_MAX,
        }));
        Ok(())
    }

    fn take_claims(&mut self, claims: Result<Claims, Denied>) {
        if let Ok(claims) = &claims {
            let soon = Duration::from_millis(RENEW_MS);
            let now = Instant::now();
            self.renew_at = super::expiry_of(claims).map(|ends| ends.checked_sub(soon).unwrap_or(now));
            self.trust = Trust::Some;
            self.meter.allow_any();
        }
        self.claims = claims;
    }

    /// NA8: each room that lives on the connection's token is judged anew.
    async fn take_token(&mut self, token: &str) -> Result<(), Close> {
        let claims = self.app.auth().claims(Some(token));
        self.take_claims(claims.clone());
        let channels: Vec<Channel> = self.rooms.keys().copied().collect();
        for channel in channels {
            let Some(place) = self.rooms.get_mut(&channel).filter(|place| !place.has_own_token) else {
                continue;
            };
            match claims.as_ref().map_err(|denied| *denied).and_then(|claims| {
                let role = claims.role_in(&place.doc)?;
                Ok((role, super::expiry_of(claims)))
            }) {
                Ok((role, expires)) => {
                    place.expires = expires;
                    let is_new = std::mem::replace(&mut place.role, role) != role;
                    let renewed = place.seat.renew(role).await;
                    if is_new {
                        self.outbox.send_always(native::role(channel, role.as_str()));
                    }
                    self.part_with(channel, renewed)?;
                }
                Err(denied) => self.put_out(channel, denied.into()),
            }
        }
        Ok(())
    }

    async fn join(&mut self, channel: Channel, join: Join, bytes: usize) -> Result<(), Close> {
        // A number that is used again: whoever was there leaves first.
        self.rooms.remove(&channel);
        if self.rooms.len() >= DOCUMENTS_PER_CONNECTION_COUNT_MAX {
            self.put_out(channel, Close::TooLarge("too many rooms on one socket"));
            return Ok(());
        }
        let granted = self.judge(&join);
        let (doc, claims, role) = match granted {
            Ok(granted) => granted,
            Err(close) => {
                metrics::refused_connection("unauthorized");
                self.put_out(channel, close);
                return self.count_refusal();
            }
        };
        self.trust = Trust::Some;
        self.meter.allow_any();
        let user = super::user_of(&claims);
        let name = claims.name.as_deref().map(Arc::from);
        let epoch = u32::try_from(join.epoch).unwrap_or(u32::MAX);
        let id = self.app.hub().connection_id();
        let member = Member {
            id,
            voice: Voice::Native(channel),
            outbox: self.outbox.clone(),
            role,
            user: user.clone(),
            stamp: super::stamp_of(&claims),
            greeting: Greeting::Joined((epoch > 0).then_some(Epoch(epoch))),
        };
        let seat = match self.app.hub().join(&doc, member).await {
            Ok(seat) => seat,
            Err(close) => return self.part_with(channel, Err(close)),
        };
        let place = Place {
            doc,
            seat,
            member: id,
            here: Arc::new(()),
            user,
            name,
            role,
            has_own_token: !join.token.is_empty(),
            expires: super::expiry_of(&claims),
        };
        self.rooms.insert(channel, place);
        // The question that every join holds: what does the client lack?
        self.say(channel, Message::Step1(join.state_vector), bytes).await
    }

    fn judge(&self, join: &Join) -> Result<(DocId, Claims, Role), Close> {
        let doc = DocId::in_default_tenant(&join.name)
            .map_err(|_| Close::BadFrame("a name has 1 to 512 bytes and no control characters"))?;
        let claims = if join.token.is_empty() {
            self.claims.clone()
        } else {
            self.app.auth().claims(Some(&join.token))
        };
        let claims = claims?;
        let role = claims.role_in(&doc)?;
        Ok((doc, claims, role))
    }

    fn count_refusal(&mut self) -> Result<(), Close> {
        if let Trust::None { refused_count, .. } = &mut self.trust {
            *refused_count += 1;
            if *refused_count >= UNAUTHENTICATED_DOCUMENTS_COUNT_MAX {
                return Err(Close::AuthTimeout);
            }
        }
        Ok(())
    }

    /// Never waits: the chat has a task of its own. A call for a room that was left is not answered.
    fn call_chat(&mut self, channel: Channel, number: u64, request: String) {
        let Some(place) = self.rooms.get(&channel) else {
            return;
        };
        let line = self
            .chat
            .get_or_insert_with(|| Line::start(self.app.chat().clone(), self.outbox.clone()));
        line.call(Call {
            channel,
            number,
            request,
            caller: Caller {
                doc: place.doc.clone(),
                member: Some(place.member),
                // An empty id is nobody's.
                user: place.user.clone().filter(|user| !user.is_empty()),
                name: place.name.clone(),
                role: place.role,
                socket: line.socket(),
            },
            place: Arc::downgrade(&place.here),
        });
    }

    /// What comes for a room that was left meanwhile has nobody to hear it.
    async fn say(&mut self, channel: Channel, message: Message, bytes: usize) -> Result<(), Close> {
        let Some(place) = self.rooms.get(&channel) else {
            return Ok(());
        };
        let said = place.seat.say(message, bytes).await;
        self.part_with(channel, said)
    }

    /// NA6: a room that cannot be served does not take the others of the socket with it; a node that stops does.
    fn part_with(&mut self, channel: Channel, done: Result<(), Close>) -> Result<(), Close> {
        match done {
            Ok(()) => Ok(()),
            Err(Close::Restart) => Err(Close::Restart),
            Err(close) => {
                self.put_out(channel, close);
                Ok(())
            }
        }
    }

    fn put_out(&mut self, channel: Channel, close: Close) {
        self.rooms.remove(&channel);
        self.outbox
            .send_always(native::left(channel, close.code(), close.reason(), 0));
    }
}

/// What this server can do of what a client may ask for.
const CAPABILITIES: u64 = native::CAN_INFLATE;
