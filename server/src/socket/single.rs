//! A socket that carries one document: y-websocket and y-sweet.

use bytes::Bytes;
use roomtone_crdt::{Dialect, Message, ysweet, ywebsocket};
use roomtone_persistence::DocId;
use tokio::time::Instant;

use crate::app::App;
use crate::auth::{Claims, Role};
use crate::close::Close;
use crate::heavy::heavy;
use crate::metrics;
use crate::outbox::Outbox;
use crate::room::{Greeting, Member, Seat, Voice};

/// The state of one such socket.
pub(crate) struct Single {
    app: App,
    doc: DocId,
    dialect: Dialect,
    expires: Option<Instant>,
    place: Place,
}

enum Place {
    /// On the way to the room.
    Outside(Box<Member>),
    Inside(Seat),
    Left,
}

impl Single {
    pub(super) fn new(
        app: App,
        doc: DocId,
        dialect: Dialect,
        claims: Claims,
        role: Role,
        outbox: Outbox,
    ) -> Single {
        let voice = match dialect {
            Dialect::YSweet => Voice::YSweet,
            // Sockets of many documents never come here.
            Dialect::YWebsocket | Dialect::Hocuspocus | Dialect::Native => Voice::YWebsocket,
        };
        let member = Member {
            id: app.hub().connection_id(),
            voice,
            outbox,
            role,
            user: super::user_of(&claims),
            stamp: super::stamp_of(&claims),
            greeting: Greeting::None,
        };
        let expires = super::expiry_of(&claims);
        Single {
            app,
            doc,
            dialect,
            expires,
            place: Place::Outside(Box::new(member)),
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.expires
    }

    pub(super) fn on_deadline(&mut self) -> Result<(), Close> {
        Err(Close::Unauthorized("the token has expired"))
    }

    pub(super) fn leave(&mut self) {
        self.place = Place::Left;
    }

    /// Takes the seat. The server speaks first in these dialects, so nothing is waited for.
    pub(super) async fn join(&mut self) -> Result<(), Close> {
        if let Place::Outside(member) = std::mem::replace(&mut self.place, Place::Left) {
            self.place = Place::Inside(self.app.hub().join(&self.doc, *member).await?);
        }
        Ok(())
    }

    pub(super) async fn receive(&mut self, frame: Bytes) -> Result<(), Close> {
        let Place::Inside(seat) = &self.place else {
            return Ok(());
        };
        let mut bytes = frame.len();
        let decoded = heavy(bytes, || match self.dialect {
            Dialect::YSweet => ysweet::decode(frame),
            Dialect::YWebsocket | Dialect::Hocuspocus | Dialect::Native => ywebsocket::decode(frame),
        });
        let messages: Vec<Message> = decoded.map_err(|bad| {
            metrics::refused_frame(bad.as_str());
            Close::BadFrame(bad.as_str())
        })?;
        for message in messages {
            // The frame's space in the inbox is counted once, with its first message.
            seat.say(message, std::mem::take(&mut bytes)).await?;
        }
        Ok(())
    }
}
