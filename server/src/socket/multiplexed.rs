//! A Hocuspocus socket: many documents, each authenticated by itself, addressed by name in every frame.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use roomtone_crdt::Message;
use roomtone_crdt::hocuspocus::{self, Address, Frame};
use roomtone_persistence::DocId;
use tokio::time::Instant;

use crate::app::App;
use crate::auth::{Claims, Role};
use crate::close::Close;
use crate::heavy::heavy;
use crate::limits::{
    ADDRESS_BYTES_MAX, AUTH_MS_MAX, DOCUMENTS_PER_CONNECTION_COUNT_MAX, UNAUTHENTICATED_BYTES_MAX,
    UNAUTHENTICATED_DOCUMENTS_COUNT_MAX,
};
use crate::listener::Meter;
use crate::metrics;
use crate::outbox::Outbox;
use crate::room::{Greeting, Member, Seat, Voice};

/// The state of one such socket.
pub(crate) struct Multiplexed {
    app: App,
    outbox: Outbox,
    meter: Meter,
    documents: HashMap<String, Document>,
    trust: Trust,
}

/// Whether this socket has shown that it may be here at all.
enum Trust {
    /// Not yet: it gets little of anything, and not for long.
    None {
        until: Instant,
    },
    Some,
}

enum Document {
    Seated {
        seat: Seat,
        expires: Option<Instant>,
    },
    /// Refused or detached. What was sent behind the bad token is ignored until a new one comes.
    Refused,
}

impl Multiplexed {
    pub(super) fn new(app: App, outbox: Outbox, meter: Meter) -> Multiplexed {
        // A message is gathered whole before it is seen here: the bound has to hold below that.
        meter.allow_only(UNAUTHENTICATED_BYTES_MAX as u64);
        let until = Instant::now() + Duration::from_millis(AUTH_MS_MAX);
        Multiplexed {
            app,
            outbox,
            meter,
            documents: HashMap::new(),
            trust: Trust::None { until },
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let trust = match self.trust {
            Trust::None { until } => Some(until),
            Trust::Some => None,
        };
        let expiry = self.documents.values().filter_map(Document::expires).min();
        trust.into_iter().chain(expiry).min()
    }

    pub(super) fn on_deadline(&mut self) -> Result<(), Close> {
        if let Trust::None { .. } = self.trust {
            return Err(Close::AuthTimeout);
        }
        let now = Instant::now();
        for (address, document) in &mut self.documents {
            if document.expires().is_some_and(|at| at <= now) {
                *document = Document::Refused;
                self.outbox
                    .send_always(hocuspocus::permission_denied(address, "the token has expired"));
            }
        }
        Ok(())
    }

    pub(super) fn leave(&mut self) {
        self.documents.clear();
    }

    pub(super) async fn receive(&mut self, frame: Bytes) -> Result<(), Close> {
        let frame_bytes = frame.len();
        let decoded = heavy(frame_bytes, || hocuspocus::decode(frame)).map_err(|bad| {
            metrics::refused_frame(bad.as_str());
            Close::BadFrame(bad.as_str())
        })?;
        let (address, message) = match decoded {
            Frame::Pong => return Ok(()),
            Frame::Document { address, message } => (address, message),
        };
        if address.raw().len() > ADDRESS_BYTES_MAX {
            metrics::refused_frame("long_address");
            return Err(Close::BadFrame("long_address"));
        }
        match (self.documents.get(address.raw()), message) {
            (_, Message::Token(token)) => self.authenticate(&address, Some(&token)).await,
            (Some(Document::Seated { .. }), Message::Detach) => {
                self.documents.remove(address.raw());
                Ok(())
            }
            (Some(Document::Seated { seat, .. }), message) => {
                let said = seat.say(message, frame_bytes).await;
                self.part_with(address.raw(), said)
            }
            (Some(Document::Refused), _) => Ok(()),
            (None, Message::Detach) => Ok(()),
            // A v2 provider without a token sends no Auth: its first sync message is taken for an empty one. It also
            // says goodbye to presence after it has left, which is no wish to come back.
            (
                None,
                message @ (Message::Step1(_) | Message::Step2(_) | Message::Update(_) | Message::Gapped),
            ) => {
                self.authenticate(&address, None).await?;
                match self.documents.get(address.raw()) {
                    Some(Document::Seated { seat, .. }) => {
                        let said = seat.say(message, frame_bytes).await;
                        self.part_with(address.raw(), said)
                    }
                    Some(Document::Refused) | None => Ok(()),
                }
            }
            (
                None,
                Message::Awareness(_)
                | Message::QueryAwareness
                | Message::Stateless(_)
                | Message::Event(_)
                | Message::Pong
                | Message::SyncStatus(_),
            ) => Ok(()),
        }
    }

    /// A document that cannot be served does not take the others of the socket with it. Its room has told the client.
    fn part_with(&mut self, raw: &str, said: Result<(), Close>) -> Result<(), Close> {
        match said {
            Err(close) if close.is_for_one_document() => {
                self.documents.insert(raw.to_owned(), Document::Refused);
                Ok(())
            }
            said => said,
        }
    }

    /// Judges a token for one document: the first one takes the seat, a later one renews it.
    async fn authenticate(&mut self, address: &Address, token: Option<&str>) -> Result<(), Close> {
        let raw = address.raw();
        if !self.documents.contains_key(raw) {
            let count = self.documents.len();
            match self.trust {
                Trust::None { .. } if count >= UNAUTHENTICATED_DOCUMENTS_COUNT_MAX => {
                    return Err(Close::AuthTimeout);
                }
                Trust::Some if count >= DOCUMENTS_PER_CONNECTION_COUNT_MAX => {
                    let denied = hocuspocus::permission_denied(raw, "too many documents on one socket");
                    self.outbox.send_always(denied);
                    return Ok(());
                }
                Trust::None { .. } | Trust::Some => {}
            }
        }
        let granted = DocId::in_default_tenant(address.document())
            .map_err(|bad| bad.to_string())
            .and_then(|doc| {
                let claims = self
                    .app
                    .auth()
                    .claims(token)
                    .map_err(|denied| denied.to_string())?;
                let role = claims.role_in(&doc).map_err(|denied| denied.to_string())?;
                Ok((doc, claims, role))
            });
        let (doc, claims, role) = match granted {
            Ok(granted) => granted,
            Err(reason) => {
                metrics::refused_connection("unauthorized");
                self.outbox
                    .send_always(hocuspocus::permission_denied(raw, &reason));
                self.documents.insert(raw.to_owned(), Document::Refused);
                return Ok(());
            }
        };
        self.trust = Trust::Some;
        self.meter.allow_any();
        match self.documents.get_mut(raw) {
            Some(Document::Seated { seat, expires }) => {
                *expires = super::expiry_of(&claims);
                match seat.renew(role).await {
                    Ok(()) => {}
                    // Of a room that could not go on; a new one may.
                    Err(close) if close.is_for_one_document() => {
                        return self.sit(raw, doc, claims, role, token.is_some()).await;
                    }
                    Err(close) => return Err(close),
                }
                self.outbox
                    .send_always(hocuspocus::authenticated(raw, !role.writes()));
                Ok(())
            }
            Some(Document::Refused) | None => self.sit(raw, doc, claims, role, token.is_some()).await,
        }
    }

    async fn sit(
        &mut self,
        raw: &str,
        doc: DocId,
        claims: Claims,
        role: Role,
        has_token: bool,
    ) -> Result<(), Close> {
        let address: Arc<str> = Arc::from(raw);
        let member = Member {
            id: self.app.hub().connection_id(),
            voice: Voice::Hocuspocus(address),
            outbox: self.outbox.clone(),
            role,
            user: super::user_of(&claims),
            stamp: super::stamp_of(&claims),
            // Only who asked is answered.
            greeting: if has_token {
                Greeting::Frame(hocuspocus::authenticated(raw, !role.writes()))
            } else {
                Greeting::None
            },
        };
        let seat = self.app.hub().join(&doc, member).await?;
        let expires = super::expiry_of(&claims);
        self.documents
            .insert(raw.to_owned(), Document::Seated { seat, expires });
        Ok(())
    }
}

impl Document {
    fn expires(&self) -> Option<Instant> {
        match self {
            Document::Seated { expires, .. } => *expires,
            Document::Refused => None,
        }
    }
}
