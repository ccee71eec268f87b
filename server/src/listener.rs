//! The accept loop: sockets in, bounded request heads, a meter on every connection.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tower::ServiceExt;

use crate::limits::{HANDSHAKE_MS_MAX, HEADER_BYTES_MAX, LISTEN_BACKLOG_COUNT};
use crate::metrics;

/// What one connection has read.
#[derive(Clone, Default)]
pub struct Meter(Arc<Counters>);

struct Counters {
    read: AtomicU64,
    read_max: AtomicU64,
}

impl Default for Counters {
    fn default() -> Self {
        Counters {
            read: AtomicU64::new(0),
            read_max: AtomicU64::new(u64::MAX),
        }
    }
}

impl Meter {
    /// Breaks the connection when it sends more than `bytes` from now on. Below the WebSocket layer, which
    /// would gather a whole message first.
    pub fn allow_only(&self, bytes: u64) {
        self.0.read_max.store(
            self.0.read.load(Ordering::Relaxed).saturating_add(bytes),
            Ordering::Relaxed,
        );
    }

    /// Lifts [`Meter::allow_only`].
    pub fn allow_any(&self) {
        self.0.read_max.store(u64::MAX, Ordering::Relaxed);
    }

    /// Counts bytes that came. False when they are more than allowed.
    pub(crate) fn note_read(&self, bytes: usize) -> bool {
        let read = self.0.read.fetch_add(bytes as u64, Ordering::Relaxed) + bytes as u64;
        read <= self.0.read_max.load(Ordering::Relaxed)
    }
}

/// Binds with a backlog that takes a reconnect storm.
///
/// # Errors
/// The address is taken or not ours.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restarted server gets its port back although old connections linger.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(LISTEN_BACKLOG_COUNT)?;
    TcpListener::from_std(socket.into())
}

/// Accepts until `stop` turns true. Running connections go on; the returned semaphore has all its permits back
/// when the last of them has ended.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    connections_max: usize,
    mut stop: watch::Receiver<bool>,
) -> Arc<Semaphore> {
    let slots = Arc::new(Semaphore::new(connections_max));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => return slots,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, usually: let some connections end before the next try.
                tracing::warn!(%error, "accept failed");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let Ok(slot) = slots.clone().try_acquire_owned() else {
            metrics::refused_connection("full");
            tokio::spawn(turn_away(stream));
            continue;
        };
        // An edit is small and must not wait for the next one.
        let _ = stream.set_nodelay(true);
        if peer.ip().is_loopback() {
            quicken(&stream);
        }
        let router = router.clone();
        let mut stopped = stop.clone();
        tokio::spawn(async move {
            let io = TokioIo::new(Metered {
                stream,
                meter: Meter::default(),
                slot,
            });
            let service = hyper::service::service_fn(move |request: Request<Incoming>| {
                let router = router.clone();
                async move {
                    let response = router.oneshot(request.map(Body::new)).await;
                    Ok::<_, Infallible>(response.unwrap_or_else(|never| match never {}))
                }
            });
            let mut connection = pin!(
                http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(Duration::from_millis(HANDSHAKE_MS_MAX))
                    .max_buf_size(HEADER_BYTES_MAX)
                    .serve_connection(io, service)
                    .with_upgrades()
            );
            // A peer that breaks off is everyday life, and not worth a line.
            tokio::select! {
                _ = connection.as_mut() => return,
                _ = stopped.wait_for(|stop| *stop) => {}
            }
            // One that is between two requests would hold its place until it thinks of the next.
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        });
    }
}

/// A proxy on the same machine is no narrow road: congestion control that paces what it sends, as BBR does, makes a large
/// document take four times as long there, and each write a tenth dearer. Where it cannot be set, that is all that happens.
#[cfg(target_os = "linux")]
fn quicken(stream: &TcpStream) {
    let _ = socket2::SockRef::from(stream).set_tcp_congestion(b"cubic");
}

#[cfg(not(target_os = "linux"))]
fn quicken(_: &TcpStream) {}

/// Says that the house is full, without reading what is wanted.
async fn turn_away(stream: TcpStream) {
    const ANSWER: &[u8] =
        b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let patience = Duration::from_millis(HANDSHAKE_MS_MAX);
    let _ = tokio::time::timeout(patience, async {
        stream.writable().await?;
        stream.try_write(ANSWER)
    })
    .await;
}

/// A TCP stream on its way to become a socket. It holds its place among the connections, whatever becomes of it.
pub(crate) struct Metered {
    stream: TcpStream,
    meter: Meter,
    slot: OwnedSemaphorePermit,
}

impl Metered {
    /// What it is made of.
    pub(crate) fn into_parts(self) -> (TcpStream, Meter, OwnedSemaphorePermit) {
        (self.stream, self.meter, self.slot)
    }
}

impl AsyncRead for Metered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Metered {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
