//! The opening handshake of a WebSocket (RFC 6455, section 4.2).

use std::future::Future;

use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use sha1::{Digest as _, Sha1};

use super::wire::Wire;
use crate::http::problem::Problem;
use crate::listener::Metered;

/// What the RFC has both sides append to the key.
const MAGIC: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A request that may become a socket.
pub(crate) struct Upgrade {
    accept: HeaderValue,
    /// The subprotocol that is answered with.
    protocol: Option<HeaderValue>,
    on_upgrade: OnUpgrade,
}

/// A request that cannot become a socket.
pub(crate) struct NoUpgrade;

impl IntoResponse for NoUpgrade {
    fn into_response(self) -> Response {
        Problem::new(StatusCode::UPGRADE_REQUIRED, "this address speaks WebSocket").into_response()
    }
}

impl<S: Sync> FromRequestParts<S> for Upgrade {
    type Rejection = NoUpgrade;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Upgrade, NoUpgrade> {
        let headers = &parts.headers;
        let is_websocket = parts.method == Method::GET
            && has_token(headers, header::CONNECTION, "upgrade")
            && has_token(headers, header::UPGRADE, "websocket")
            && headers
                .get(header::SEC_WEBSOCKET_VERSION)
                .is_some_and(|version| version == "13");
        let key = headers.get(header::SEC_WEBSOCKET_KEY).filter(|_| is_websocket);
        let accept = key.and_then(|key| accept_of(key.as_bytes())).ok_or(NoUpgrade)?;
        let on_upgrade = parts.extensions.remove::<OnUpgrade>().ok_or(NoUpgrade)?;
        Ok(Upgrade {
            accept,
            protocol: None,
            on_upgrade,
        })
    }
}

impl Upgrade {
    /// The same, if the client offers this subprotocol among others (RFC 6455, section 4.2.2).
    pub(crate) fn with_protocol(mut self, headers: &HeaderMap, protocol: &'static str) -> Option<Upgrade> {
        let is_offered = has_token(headers, header::SEC_WEBSOCKET_PROTOCOL, protocol);
        self.protocol = Some(HeaderValue::from_static(protocol));
        is_offered.then_some(self)
    }

    /// Says yes, and runs the socket once the answer has been sent.
    pub(super) fn accept<F, R>(self, message_bytes_max: usize, run: F) -> Response
    where
        F: FnOnce(Wire) -> R + Send + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        let Upgrade {
            accept,
            protocol,
            on_upgrade,
        } = self;
        tokio::spawn(async move {
            // A peer that is gone before it has its answer needs no socket.
            let Ok(upgraded) = on_upgrade.await else { return };
            // Every connection of ours is one of these.
            let Ok(parts) = upgraded.downcast::<TokioIo<Metered>>() else {
                tracing::error!("an upgraded connection is none of the listener's");
                return;
            };
            // A task of its own, which keeps no space for what was needed up to here.
            tokio::spawn(run(Wire::new(
                parts.io.into_inner(),
                parts.read_buf,
                message_bytes_max,
            )));
        });
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
        if let Some(protocol) = protocol {
            headers.insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
        }
        response
    }
}

/// The answer to a key, if that is one: sixteen bytes in base64.
fn accept_of(key: &[u8]) -> Option<HeaderValue> {
    let is_key = STANDARD.decode(key).is_ok_and(|bytes| bytes.len() == 16);
    if !is_key {
        return None;
    }
    let mut hash = Sha1::new();
    hash.update(key);
    hash.update(MAGIC);
    HeaderValue::from_str(&STANDARD.encode(hash.finalize())).ok()
}

/// Whether a list header holds a word, in any case.
fn has_token(headers: &HeaderMap, name: HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|word| word.trim().eq_ignore_ascii_case(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_that_of_the_rfc() {
        let accept = accept_of(b"dGhlIHNhbXBsZSBub25jZQ==").expect("a key");
        assert_eq!(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert!(accept_of(b"dGhlIHNhbXBsZQ==").is_none());
    }
}
