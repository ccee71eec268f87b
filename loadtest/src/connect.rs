//! A socket with small buffers, so that ten thousand fit.

use anyhow::Context;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

/// Most bytes of one message.
const MESSAGE_BYTES_MAX: usize = 512 << 20;

/// What is read at once, in bytes: with less a document of 20 MB takes its reader longer than the server, with more ten
/// thousand connections do not fit, and a small frame pays for a buffer that is cleared.
const READ_BUFFER_BYTES: usize = 16 * 1024;

/// Opens a WebSocket. Frames that are fed to it are written when so many bytes wait, or when it is flushed; 0 writes each
/// at once.
///
/// # Errors
/// In words that can be counted: without addresses.
pub async fn connect(
    url: &str,
    subprotocol: Option<&'static str>,
    write_buffer_bytes: usize,
) -> anyhow::Result<WebSocketStream<TcpStream>> {
    let mut request = url.into_client_request().context("the address is none")?;
    if let Some(subprotocol) = subprotocol {
        let headers = request.headers_mut();
        headers.insert("sec-websocket-protocol", HeaderValue::from_static(subprotocol));
    }
    let host = request
        .uri()
        .host()
        .unwrap_or_default()
        .trim_matches(['[', ']'])
        .to_owned();
    let port = request.uri().port_u16().unwrap_or(80);
    let stream = TcpStream::connect((host, port))
        .await
        .map_err(|error| anyhow::anyhow!("{}", error.kind()))?;
    stream.set_nodelay(true).context("the socket is broken")?;
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(write_buffer_bytes)
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX));
    let (socket, _) = client_async_with_config(request, stream, Some(config)).await?;
    Ok(socket)
}
