//! The time before the store is there: the address is ours, readiness is red, and the store is asked again and again.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use roomtone_persistence::{Store, StoreError};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};

use crate::http::problem::Problem;
use crate::limits::{
    STORE_FIRST_TRY_SECONDS, STORE_WAIT_CONNECTIONS_COUNT_MAX, STORE_WAIT_MS_MAX, STORE_WAIT_MS_MIN,
};
use crate::listener;

/// Opens a store that another machine has, and waits for it where that may help: it is starting, failing over, or the network
/// is not there yet. Meanwhile whoever asks this node hears to come back.
///
/// # Errors
/// It is there and does not let us in, or it did not come within `patience`; the first try has time to end even without any.
pub(crate) async fn open<F>(
    open: impl Fn() -> F,
    patience: Duration,
    socket: &TcpListener,
) -> anyhow::Result<Arc<dyn Store>>
where
    F: Future<Output = Result<Arc<dyn Store>, StoreError>>,
{
    let begun = Instant::now();
    let ends = begun + patience;
    let first_ends = begun + Duration::from_secs(STORE_FIRST_TRY_SECONDS);
    let mut pause_ms = STORE_WAIT_MS_MIN;
    let mut turned_away = None;
    let mut known = String::new();
    loop {
        let error = match timeout_at(ends.max(first_ends), open()).await {
            Ok(Ok(store)) => return Ok(store),
            Ok(Err(error)) if !error.is_retryable() => return Err(error.into()),
            Ok(Err(error)) => error,
            Err(_) => StoreError::Unavailable(format!("no answer within {} s", begun.elapsed().as_secs())),
        };
        let now = Instant::now();
        if now >= ends {
            return Err(error.into());
        }
        if turned_away.is_none() {
            turned_away = Some(TurnedAway::start(socket)?);
        }
        let text = error.to_string();
        if text != known {
            let left_seconds = (ends - now).as_secs();
            tracing::warn!(error = %text, left_seconds, "the store is not there yet; waiting for it");
            known = text;
        }
        sleep(Duration::from_millis(pause_ms).min(ends - now)).await;
        pause_ms = (pause_ms * 2).min(STORE_WAIT_MS_MAX);
    }
}

/// Answers those who come too early, until it is dropped.
struct TurnedAway {
    stop: watch::Sender<bool>,
}

impl TurnedAway {
    fn start(socket: &TcpListener) -> std::io::Result<TurnedAway> {
        // The same socket, so that nobody is refused when it is handed over.
        let same = TcpListener::from_std(socket2::SockRef::from(socket).try_clone()?.into())?;
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(async move {
            listener::serve(same, router(), STORE_WAIT_CONNECTIONS_COUNT_MAX, stopped).await;
        });
        Ok(TurnedAway { stop })
    }
}

impl Drop for TurnedAway {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

/// It lives, and nothing else can be said.
fn router() -> Router {
    let later = || async {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "waiting for the store; come back",
        )
    };
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .fallback(later)
}

#[cfg(test)]
mod tests {
    use roomtone_persistence::MemoryStore;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn without_patience_a_store_is_asked_once_and_its_answer_is_heard() {
        let socket = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("the loopback is there");
        let slow = || async {
            sleep(Duration::from_millis(300)).await;
            Ok(Arc::new(MemoryStore::default()) as Arc<dyn Store>)
        };
        assert!(open(slow, Duration::ZERO, &socket).await.is_ok());
        let tries = std::cell::Cell::new(0);
        let refused = || async {
            tries.set(tries.get() + 1);
            sleep(Duration::from_millis(300)).await;
            Err::<Arc<dyn Store>, _>(StoreError::Unavailable("connection refused".into()))
        };
        let error = open(refused, Duration::ZERO, &socket)
            .await
            .err()
            .expect("it was refused");
        assert!(error.to_string().contains("refused"), "{error}");
        assert_eq!(tries.get(), 1);
        let silent = || std::future::pending::<Result<Arc<dyn Store>, StoreError>>();
        let error = open(silent, Duration::ZERO, &socket)
            .await
            .err()
            .expect("nobody answered");
        assert!(error.to_string().contains("no answer within"), "{error}");
    }
}
