//! The wire from the other side: plain HTTP and WebSocket clients.

use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use jsonwebtoken::{EncodingKey, Header};
use roomtone_crdt::Writer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::peer::PATIENCE;
use crate::world::SECRET;

/// What a server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Status line and headers, in lower case.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    /// RFC 9457, and nothing from inside.
    pub(crate) fn is_problem(&self) -> bool {
        self.head.contains("content-type: application/problem+json") && self.json()["status"] == self.status
    }
}

/// Sends bytes as they are and reads until the server ends the connection.
pub(crate) async fn raw(address: SocketAddr, request: &[u8]) -> Answer {
    let asking = async {
        let mut stream = TcpStream::connect(address).await.expect("it listens");
        // The server may answer and close before it has read all of it.
        let _ = stream.write_all(request).await;
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes).await;
        bytes
    };
    let bytes = tokio::time::timeout(PATIENCE, asking).await.expect("no answer");
    let split = bytes
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap_or(bytes.len());
    let head = String::from_utf8_lossy(&bytes[..split]).to_lowercase();
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap_or(0);
    Answer {
        status,
        head,
        body: bytes.get(split + 4..).unwrap_or_default().to_vec(),
    }
}

/// One request.
pub(crate) async fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    let mut text = format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n");
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    text += &format!("content-length: {}\r\n\r\n", body.len());
    raw(address, &[text.as_bytes(), body].concat()).await
}

/// GET without anything.
pub(crate) async fn get(address: SocketAddr, path: &str) -> Answer {
    request(address, "GET", path, &[], b"").await
}

/// A signed token. `ends_s` counts from now and may be negative.
pub(crate) fn token(room: &str, role: &str, ends_s: i64) -> String {
    token_of("user-1", room, role, ends_s)
}

/// The same of somebody else.
pub(crate) fn token_of(user: &str, room: &str, role: &str, ends_s: i64) -> String {
    let now_s = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970")
        .as_secs() as i64;
    let claims = serde_json::json!({
        "sub": user, "name": "Ada", "room": room, "role": role, "exp": now_s.saturating_add(ends_s),
    });
    jsonwebtoken::encode(&Header::default(), &claims, &EncodingKey::from_secret(SECRET)).expect("a token")
}

/// A WebSocket.
pub(crate) struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

/// Why a socket ended: the code of its close frame, or none.
pub(crate) type Ended = Option<u16>;

impl Socket {
    /// Connects, or returns the status that refused it.
    pub(crate) async fn connect(
        address: SocketAddr,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Socket, u16> {
        let mut request = format!("ws://{address}{path}")
            .into_client_request()
            .expect("a request");
        for (name, value) in headers {
            request
                .headers_mut()
                .insert(*name, value.parse().expect("a header value"));
        }
        match tokio_tungstenite::connect_async(request).await {
            Ok((stream, _)) => Ok(Socket { stream }),
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("no WebSocket: {error}"),
        }
    }

    /// Sends a binary frame.
    pub(crate) async fn send(&mut self, frame: impl Into<Bytes>) {
        // A socket that the server has closed says so when it is read.
        let _ = self.stream.send(Message::Binary(frame.into())).await;
    }

    /// Sends any frame.
    pub(crate) async fn send_message(&mut self, message: Message) {
        let _ = self.stream.send(message).await;
    }

    /// The next binary frame, or how the socket ended.
    pub(crate) async fn next(&mut self) -> Result<Bytes, Ended> {
        let reading = async {
            loop {
                match self.stream.next().await {
                    Some(Ok(Message::Binary(frame))) => return Ok(frame),
                    Some(Ok(Message::Close(Some(frame)))) => return Err(Some(frame.code.into())),
                    Some(Ok(Message::Close(None)) | Err(_)) | None => return Err(None),
                    Some(Ok(_)) => {}
                }
            }
        };
        tokio::time::timeout(PATIENCE, reading).await.expect("silence")
    }

    /// Reads until a frame like this comes.
    pub(crate) async fn until(&mut self, wanted: impl Fn(&[u8]) -> bool) -> Bytes {
        let reading = async {
            loop {
                let frame = self.next().await.expect("the socket stays open");
                if wanted(&frame) {
                    return frame;
                }
            }
        };
        // Keepalives are no answer.
        tokio::time::timeout(PATIENCE, reading)
            .await
            .expect("it never came")
    }

    /// Reads until the socket ends.
    pub(crate) async fn until_ended(&mut self) -> Ended {
        loop {
            if let Err(ended) = self.next().await {
                return ended;
            }
        }
    }
}

/// A y-websocket frame with an edit in it.
pub(crate) fn update_frame(update: &roomtone_crdt::Update) -> Bytes {
    roomtone_crdt::encode::update(update)
}

/// A body behind a Hocuspocus address.
pub(crate) fn addressed(address: &str, body: &[u8]) -> Bytes {
    roomtone_crdt::hocuspocus::addressed(address, body)
}

/// A Hocuspocus token.
pub(crate) fn auth_frame(address: &str, token: &str) -> Bytes {
    let mut writer = Writer::new();
    writer
        .var_string(address)
        .var_uint(2)
        .var_uint(0)
        .var_string(token);
    Bytes::from(writer.into_bytes())
}
