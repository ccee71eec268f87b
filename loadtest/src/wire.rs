//! The client's side of every dialect: where to connect, what to say first, what the server's frames mean.

mod native;

use bytes::Bytes;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use roomtone_crdt::{Reader, Refusal, StateVector, Writer};

use crate::scenario::{Speech, Target};

/// What a server's frame says.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// The server wants what the client has beyond this state vector.
    Step1(Bytes),
    /// The answer to the client's question.
    Step2(Bytes),
    /// Edits.
    Update(Bytes),
    /// Presence.
    Awareness(Bytes),
    /// Hocuspocus: the token is good.
    Authenticated,
    /// The token, or an edit, is refused.
    Denied(String),
    /// Hocuspocus: the oldest update that waits is saved, or refused.
    Status(bool),
    /// y-sweet, native: everything up to this version is saved.
    Saved(u64),
    /// Nothing of interest.
    Other,
}

/// One document as one client addresses it.
#[derive(Clone, Debug)]
pub struct Wire {
    speech: Speech,
    room: String,
    /// Native: the number of the last diff or edit of this connection.
    seq: u64,
}

const SYNC: u64 = 0;
const AWARENESS: u64 = 1;
const AUTH: u64 = 2;
const STATUS: u64 = 8;
const YSWEET_STATUS: u64 = 102;

impl Wire {
    /// For a room.
    pub fn new(speech: Speech, room: String) -> Wire {
        Wire { speech, room, seq: 0 }
    }

    /// A new connection: numbers begin again.
    pub fn begin(&mut self) {
        self.seq = 0;
    }

    /// What the WebSocket has to ask for.
    pub fn subprotocol(&self) -> Option<&'static str> {
        match self.speech {
            Speech::Native => Some(native::SUBPROTOCOL),
            Speech::YWebsocket | Speech::Hocuspocus | Speech::YSweet => None,
        }
    }

    /// The address to connect to.
    pub fn url(&self, target: &Target, token: Option<&str>) -> String {
        let room = utf8_percent_encode(&self.room, NON_ALPHANUMERIC).to_string();
        let path = target.path.as_deref().unwrap_or(match self.speech {
            Speech::YWebsocket => "/{room}",
            Speech::Hocuspocus => "/",
            Speech::YSweet => "/d/{room}/ws/{room}",
            Speech::Native => "/v1/connect",
        });
        let mut url = format!(
            "{}{}",
            target.url.trim_end_matches('/'),
            path.replace("{room}", &room)
        );
        if let (Some(token), Speech::YWebsocket | Speech::YSweet) = (token, self.speech) {
            url.push_str("?token=");
            url.push_str(&utf8_percent_encode(token, NON_ALPHANUMERIC).to_string());
        }
        url
    }

    /// What authenticates, in the dialect that has such a frame: nothing else is said before the answer.
    pub fn auth(&self, token: Option<&str>) -> Option<Bytes> {
        match self.speech {
            Speech::YWebsocket | Speech::YSweet | Speech::Native => None,
            Speech::Hocuspocus => Some(self.frame(AUTH, |writer| {
                writer.var_uint(0).var_string(token.unwrap_or_default());
            })),
        }
    }

    /// Whether saved edits are heard of, and how.
    pub fn speech(&self) -> Speech {
        self.speech
    }

    /// What the client has. The native dialect says with it who it is.
    pub fn step1(&self, have: &StateVector, token: Option<&str>) -> Bytes {
        match self.speech {
            Speech::Native => native::opening(&self.room, token, have),
            Speech::YWebsocket | Speech::Hocuspocus | Speech::YSweet => self.sync(0, &have.encode()),
        }
    }

    /// The answer to the server's question.
    pub fn step2(&mut self, update: &[u8]) -> Bytes {
        self.seq += 1;
        match self.speech {
            Speech::Native => native::diff(self.seq, update),
            Speech::YWebsocket | Speech::Hocuspocus | Speech::YSweet => self.sync(1, update),
        }
    }

    /// An edit.
    pub fn update(&mut self, update: &[u8]) -> Bytes {
        self.seq += 1;
        match self.speech {
            Speech::Native => native::edit(self.seq, update),
            Speech::YWebsocket | Speech::Hocuspocus | Speech::YSweet => self.sync(2, update),
        }
    }

    /// Under which version the last edit will be called saved: it was the client's nth.
    pub fn version_of_last(&self, nth: u64) -> u64 {
        match self.speech {
            Speech::Native => self.seq,
            Speech::YWebsocket | Speech::Hocuspocus | Speech::YSweet => nth,
        }
    }

    /// One presence state.
    pub fn presence(&self, client: u64, clock: u64, state: &str) -> Bytes {
        let mut inner = Writer::with_capacity(state.len() + 16);
        inner
            .var_uint(1)
            .var_uint(client)
            .var_uint(clock)
            .var_string(state);
        self.awareness(&inner.into_bytes())
    }

    /// Presence as it came.
    pub fn awareness(&self, payload: &[u8]) -> Bytes {
        if self.speech == Speech::Native {
            return native::awareness(payload);
        }
        self.frame(AWARENESS, |writer| {
            writer.var_bytes(payload);
        })
    }

    /// y-sweet asks to hear this version back when all before it is saved.
    pub fn ask_saved(&self, version: u64) -> Option<Bytes> {
        match self.speech {
            Speech::YWebsocket | Speech::Hocuspocus | Speech::Native => None,
            Speech::YSweet => {
                let mut inner = Writer::new();
                inner.var_uint(version);
                let inner = inner.into_bytes();
                Some(self.frame(YSWEET_STATUS, |writer| {
                    writer.var_bytes(&inner);
                }))
            }
        }
    }

    fn sync(&self, step: u64, payload: &[u8]) -> Bytes {
        self.frame(SYNC, |writer| {
            writer.var_uint(step).var_bytes(payload);
        })
    }

    fn frame(&self, kind: u64, body: impl FnOnce(&mut Writer)) -> Bytes {
        let mut writer = Writer::new();
        if self.speech == Speech::Hocuspocus {
            writer.var_string(&self.room);
        }
        writer.var_uint(kind);
        body(&mut writer);
        Bytes::from(writer.into_bytes())
    }

    /// Reads a server's frame: one message, or several behind each other.
    ///
    /// # Errors
    /// The frame is cut or no frame of this dialect.
    pub fn read(&self, frame: &Bytes) -> Result<Vec<Heard>, Refusal> {
        if self.speech == Speech::Native {
            return native::read(frame);
        }
        let mut reader = Reader::new(frame);
        if self.speech == Speech::Hocuspocus {
            reader.var_string()?;
        }
        let mut heard = Vec::with_capacity(1);
        while !reader.is_done() {
            let kind = reader.var_uint()?;
            heard.push(match kind {
                // 4 is what Hocuspocus calls a sync reply.
                SYNC | 4 => {
                    let step = reader.var_uint()?;
                    let payload = frame.slice_ref(reader.var_bytes()?);
                    match step {
                        0 => Heard::Step1(payload),
                        1 => Heard::Step2(payload),
                        _ => Heard::Update(payload),
                    }
                }
                AWARENESS => Heard::Awareness(frame.slice_ref(reader.var_bytes()?)),
                AUTH => match (self.speech, reader.var_uint()?) {
                    (Speech::Hocuspocus, 2) => {
                        reader.var_string()?;
                        Heard::Authenticated
                    }
                    _ => Heard::Denied(reader.var_string()?.to_owned()),
                },
                STATUS if self.speech == Speech::Hocuspocus => Heard::Status(reader.var_uint()? == 1),
                YSWEET_STATUS => Heard::Saved(Reader::new(reader.var_bytes()?).var_uint()?),
                // What it holds is not known, so neither is what follows.
                _ => {
                    heard.push(Heard::Other);
                    return Ok(heard);
                }
            });
        }
        Ok(heard)
    }
}
