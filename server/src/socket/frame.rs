//! WebSocket frames (RFC 6455, section 5), the server's side: no extensions, no text.
//!
//! Our own, because this is where the cost of a delivery is: a header is a few bytes before a frame that many sockets share,
//! and an idle socket keeps no buffer. Checked against tungstenite frame by frame in the tests below.

use std::collections::VecDeque;

use bytes::Bytes;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Opcode {
    /// A message.
    Binary = 2,
    /// The last frame.
    Close = 8,
    /// A question for a sign of life.
    Ping = 9,
    /// Its answer.
    Pong = 10,
}

/// What a client sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Incoming {
    /// A whole message.
    Binary(Bytes),
    /// It asks for a sign of life, to be answered with the same bytes.
    Ping(Bytes),
    /// It shows life.
    Pong,
    /// It closes, with a code where it gives a valid one.
    Close(Option<u16>),
}

/// Why a client's bytes cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadFrame {
    /// The message is longer than allowed. Known from its header, before it is read.
    TooLarge,
    /// A text message.
    Text,
    /// Not what the RFC allows a client to send.
    Protocol,
}

/// Bytes of a control frame's payload at most.
const CONTROL_BYTES_MAX: usize = 125;
/// The longest header of a client: two bytes, eight of length, four of mask.
const HEADER_BYTES_MAX: usize = 14;
/// Memory that a frame gets before any of it has come; from then on at most as much again as has come.
const TRUST_BYTES: usize = 16 * 1024;

/// Appends the header of an unfragmented frame of the server.
pub(super) fn put_header(out: &mut Vec<u8>, opcode: Opcode, payload_bytes: usize) {
    out.push(0x80 | opcode as u8);
    match payload_bytes {
        0..=125 => out.push(payload_bytes as u8),
        126..=0xffff => {
            out.push(126);
            out.extend_from_slice(&(payload_bytes as u16).to_be_bytes());
        }
        _ => {
            out.push(127);
            out.extend_from_slice(&(payload_bytes as u64).to_be_bytes());
        }
    }
}

/// Takes a client's bytes in pieces of any size.
pub(super) struct Decoder {
    message_bytes_max: usize,
    /// What has come of the next header.
    header: [u8; HEADER_BYTES_MAX],
    header_bytes: u8,
    /// A frame whose header has come.
    body: Option<Body>,
    /// The beginning of a fragmented message.
    begun: Option<Vec<u8>>,
}

struct Body {
    header: Header,
    payload: Vec<u8>,
}

#[derive(Clone, Copy)]
struct Header {
    is_last: bool,
    kind: Kind,
    bytes: usize,
    mask: [u8; 4],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Continuation,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Decoder {
    /// Of a socket whose messages have at most `message_bytes_max` bytes.
    pub(super) fn new(message_bytes_max: usize) -> Decoder {
        Decoder {
            message_bytes_max,
            header: [0; HEADER_BYTES_MAX],
            header_bytes: 0,
            body: None,
            begun: None,
        }
    }

    /// Takes bytes and appends what they complete. After an error nothing more may be fed.
    pub(super) fn feed(&mut self, mut bytes: &[u8], out: &mut VecDeque<Incoming>) -> Result<(), BadFrame> {
        loop {
            let mut body = match self.body.take() {
                Some(body) => body,
                None => match self.take_header(&mut bytes)? {
                    Some(header) => Body {
                        header,
                        payload: Vec::with_capacity(header.bytes.min(TRUST_BYTES)),
                    },
                    None => return Ok(()),
                },
            };
            let missing = body.header.bytes - body.payload.len();
            let (now, later) = bytes.split_at(missing.min(bytes.len()));
            bytes = later;
            if body.payload.capacity() < body.payload.len() + now.len() {
                let wanted = (2 * body.payload.len()).max(now.len());
                body.payload.reserve_exact(wanted.min(missing));
            }
            body.payload.extend_from_slice(now);
            if now.len() < missing {
                self.body = Some(body);
                return Ok(());
            }
            unmask(&mut body.payload, body.header.mask);
            out.extend(self.complete(body)?);
        }
    }

    /// Takes what is still missing of a header.
    fn take_header(&mut self, bytes: &mut &[u8]) -> Result<Option<Header>, BadFrame> {
        loop {
            let have = usize::from(self.header_bytes);
            let known = &self.header[..have];
            if let Some(header) = self.parse(known)? {
                self.header_bytes = 0;
                return Ok(Some(header));
            }
            let Some((first, rest)) = bytes.split_first() else {
                return Ok(None);
            };
            *bytes = rest;
            self.header[have] = *first;
            self.header_bytes += 1;
        }
    }

    /// Reads a header, once all of it is here. What is wrong with it is said as early as it is known.
    fn parse(&self, known: &[u8]) -> Result<Option<Header>, BadFrame> {
        let [first, second, rest @ ..] = known else {
            return Ok(None);
        };
        let is_last = first & 0x80 != 0;
        let is_masked = second & 0x80 != 0;
        // No extension was agreed on, so no reserved bit has a meaning; and a client masks what it sends.
        if first & 0x70 != 0 || !is_masked {
            return Err(BadFrame::Protocol);
        }
        let kind = match first & 0x0f {
            0 => Kind::Continuation,
            1 => return Err(BadFrame::Text),
            2 => Kind::Binary,
            8 => Kind::Close,
            9 => Kind::Ping,
            10 => Kind::Pong,
            _ => return Err(BadFrame::Protocol),
        };
        let short = usize::from(second & 0x7f);
        let is_control = matches!(kind, Kind::Close | Kind::Ping | Kind::Pong);
        if is_control && (short > CONTROL_BYTES_MAX || !is_last) {
            return Err(BadFrame::Protocol);
        }
        if !is_control && self.begun.is_some() != (kind == Kind::Continuation) {
            return Err(BadFrame::Protocol);
        }
        let (bytes, rest) = match (short, rest) {
            (126, [a, b, rest @ ..]) => (u64::from(u16::from_be_bytes([*a, *b])), rest),
            (127, [a, b, c, d, e, f, g, h, rest @ ..]) => {
                (u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]), rest)
            }
            (126 | 127, _) => return Ok(None),
            (_, rest) => (short as u64, rest),
        };
        let begun_bytes = self.begun.as_ref().map_or(0, Vec::len);
        let allowed = self.message_bytes_max.saturating_sub(begun_bytes);
        let bytes = usize::try_from(bytes)
            .ok()
            .filter(|bytes| is_control || *bytes <= allowed)
            .ok_or(BadFrame::TooLarge)?;
        let [a, b, c, d, ..] = rest else {
            return Ok(None);
        };
        Ok(Some(Header {
            is_last,
            kind,
            bytes,
            mask: [*a, *b, *c, *d],
        }))
    }

    fn complete(&mut self, body: Body) -> Result<Option<Incoming>, BadFrame> {
        let Body { header, payload } = body;
        Ok(match header.kind {
            Kind::Ping => Some(Incoming::Ping(payload.into())),
            Kind::Pong => Some(Incoming::Pong),
            Kind::Close => Some(Incoming::Close(close_code(&payload)?)),
            Kind::Binary | Kind::Continuation => {
                let whole = match self.begun.take() {
                    Some(mut begun) => {
                        begun.extend_from_slice(&payload);
                        begun
                    }
                    None => payload,
                };
                if header.is_last {
                    Some(Incoming::Binary(whole.into()))
                } else {
                    self.begun = Some(whole);
                    None
                }
            }
        })
    }
}

/// The code of a close frame (RFC 6455, section 7.4).
fn close_code(payload: &[u8]) -> Result<Option<u16>, BadFrame> {
    match payload {
        [] => Ok(None),
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            let is_valid = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
            if is_valid && std::str::from_utf8(reason).is_ok() {
                Ok(Some(code))
            } else {
                Err(BadFrame::Protocol)
            }
        }
        [_] => Err(BadFrame::Protocol),
    }
}

fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let (words, rest) = payload.as_chunks_mut::<4>();
    for word in words {
        *word = (u32::from_ne_bytes(*word) ^ u32::from_ne_bytes(mask)).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask) {
        *byte ^= mask;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};
    use tokio_tungstenite::tungstenite::protocol::frame::{Frame, FrameHeader};

    use super::*;

    const MESSAGE_BYTES_MAX: usize = 100_000;

    /// A frame as tungstenite writes it.
    fn theirs(opcode: OpCode, is_last: bool, payload: &[u8], mask: [u8; 4]) -> Vec<u8> {
        let header = FrameHeader {
            is_final: is_last,
            opcode,
            mask: Some(mask),
            ..FrameHeader::default()
        };
        let mut bytes = Vec::new();
        Frame::from_payload(header, payload.to_vec().into())
            .format(&mut bytes)
            .expect("it writes to memory");
        bytes
    }

    fn decode(bytes: &[u8], step: usize) -> Result<Vec<Incoming>, BadFrame> {
        let mut decoder = Decoder::new(MESSAGE_BYTES_MAX);
        let mut out = VecDeque::new();
        for piece in bytes.chunks(step.max(1)) {
            decoder.feed(piece, &mut out)?;
        }
        Ok(out.into())
    }

    #[derive(Clone, Debug)]
    enum Said {
        Message(Vec<Vec<u8>>),
        Ping(Vec<u8>),
        Pong,
    }

    fn said() -> impl Strategy<Value = Said> {
        let bytes = |most| proptest::collection::vec(any::<u8>(), 0..most);
        prop_oneof![
            proptest::collection::vec(bytes(300), 1..4).prop_map(Said::Message),
            proptest::collection::vec(bytes(70_000), 1..2).prop_map(Said::Message),
            bytes(125).prop_map(Said::Ping),
            Just(Said::Pong),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn what_tungstenite_writes_is_read_in_pieces_of_any_size(
            all in proptest::collection::vec(said(), 0..6),
            mask: [u8; 4],
            step in 1_usize..5_000,
        ) {
            let mut bytes = Vec::new();
            let mut wanted = Vec::new();
            for one in &all {
                match one {
                    Said::Message(parts) => {
                        for (place, part) in parts.iter().enumerate() {
                            let opcode = if place == 0 { Data::Binary } else { Data::Continue };
                            bytes.extend(theirs(OpCode::Data(opcode), place + 1 == parts.len(), part, mask));
                            if place + 1 < parts.len() {
                                // A control frame may come between the fragments.
                                bytes.extend(theirs(OpCode::Control(Control::Pong), true, b"p", mask));
                                wanted.push(Incoming::Pong);
                            }
                        }
                        wanted.push(Incoming::Binary(parts.concat().into()));
                    }
                    Said::Ping(payload) => {
                        bytes.extend(theirs(OpCode::Control(Control::Ping), true, payload, mask));
                        wanted.push(Incoming::Ping(payload.clone().into()));
                    }
                    Said::Pong => {
                        bytes.extend(theirs(OpCode::Control(Control::Pong), true, b"", mask));
                        wanted.push(Incoming::Pong);
                    }
                }
            }
            prop_assert_eq!(decode(&bytes, step).expect("a client's frames"), wanted);
        }

        #[test]
        fn no_bytes_make_it_panic_or_hold_much(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut decoder = Decoder::new(MESSAGE_BYTES_MAX);
            let mut out = VecDeque::new();
            let _ = decoder.feed(&bytes, &mut out);
            let held = decoder.body.map_or(0, |body| body.payload.capacity());
            prop_assert!(held <= TRUST_BYTES + 2 * bytes.len(), "{} bytes", held);
        }
    }

    #[test]
    fn headers_are_those_of_tungstenite() {
        for length in [0, 1, 125, 126, 65_535, 65_536, 1 << 20] {
            let payload = vec![7; length];
            let header = FrameHeader {
                is_final: true,
                opcode: OpCode::Data(Data::Binary),
                ..FrameHeader::default()
            };
            let mut wanted = Vec::new();
            Frame::from_payload(header, payload.clone().into())
                .format(&mut wanted)
                .expect("it writes to memory");
            let mut ours = Vec::new();
            put_header(&mut ours, Opcode::Binary, length);
            ours.extend(&payload);
            assert!(ours == wanted, "{length}");
        }
    }

    #[test]
    fn what_no_client_may_send_is_refused_as_soon_as_it_is_known() {
        let cases: [(&[u8], BadFrame); 13] = [
            (&[0x82, 0x01, b'x'], BadFrame::Protocol),
            (&[0xc2, 0x81], BadFrame::Protocol),
            (&[0x92, 0x81], BadFrame::Protocol),
            (&[0x83, 0x80], BadFrame::Protocol),
            (&[0x8b, 0x80], BadFrame::Protocol),
            (&[0x81, 0x81], BadFrame::Text),
            (&[0x80, 0x80], BadFrame::Protocol),
            (&[0x09, 0x80], BadFrame::Protocol),
            (&[0x89, 0xfe], BadFrame::Protocol),
            (&[0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0], BadFrame::TooLarge),
            (&[0x82, 0xff, 0, 0, 0, 0, 0, 1, 0x86, 0xa1], BadFrame::TooLarge),
            // A close of one byte, and one of a code that nobody may send.
            (&[0x88, 0x81, 0, 0, 0, 0, 3], BadFrame::Protocol),
            (&[0x88, 0x82, 0, 0, 0, 0, 3, 0xed], BadFrame::Protocol),
        ];
        for (bytes, wanted) in cases {
            assert_eq!(decode(bytes, 1), Err(wanted), "{bytes:x?}");
        }
        let half = theirs(OpCode::Data(Data::Binary), false, &[0; 60_000], [1, 2, 3, 4]);
        let again = theirs(OpCode::Data(Data::Binary), true, b"x", [1, 2, 3, 4]);
        assert_eq!(
            decode(&[half.clone(), again].concat(), 999),
            Err(BadFrame::Protocol)
        );
        let rest = theirs(OpCode::Data(Data::Continue), true, &[0; 60_000], [1, 2, 3, 4]);
        assert_eq!(decode(&[half, rest].concat(), 999), Err(BadFrame::TooLarge));
    }

    #[test]
    fn a_close_gives_its_code() {
        let close = |payload: &[u8]| theirs(OpCode::Control(Control::Close), true, payload, [9; 4]);
        let code = |payload: &[u8]| decode(&close(payload), 1).expect("a close");
        assert_eq!(code(&[]), [Incoming::Close(None)]);
        assert_eq!(code(&[3, 0xe8]), [Incoming::Close(Some(1000))]);
        assert_eq!(code(b"\x0f\xa0bye"), [Incoming::Close(Some(4000))]);
    }
}
