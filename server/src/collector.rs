//! The blob store in the background: deletes what nobody refers to any more, and finds out when it is back.

use std::sync::Arc;
use std::time::Duration;

use rand::Rng as _;
use roomtone_persistence::{BlobStore, Store};
use tokio::time::{Instant, sleep};

use crate::limits::{BLOB_PROBE_MS, COLLECTION_MS_MAX, COLLECTION_MS_MIN};
use crate::metrics;

/// Collects for as long as the process runs. Every node does; they do not get into each other's way.
pub async fn run(store: Arc<dyn Store>, blobs: BlobStore, grace: Duration) {
    let longest = (grace.as_millis() as u64).clamp(COLLECTION_MS_MIN, COLLECTION_MS_MAX);
    let next = || Instant::now() + jittered(longest);
    let mut collection = next();
    let mut was_away = false;
    loop {
        sleep(jittered(BLOB_PROBE_MS)).await;
        // Asked when nobody else asks: or it would be taken to be away until somebody needs it.
        let trouble = match blobs.is_away() {
            true => blobs.check().await.err(),
            false => None,
        };
        metrics::blobs_away(trouble.is_some());
        match (was_away, &trouble) {
            (false, Some(error)) => {
                tracing::error!(%error, "large documents that sleep do not open until the blob store is back")
            }
            (true, None) => tracing::info!("the blob store is back"),
            _ => {}
        }
        was_away = trouble.is_some();
        if was_away || Instant::now() < collection {
            continue;
        }
        match store.collect_blobs(grace).await {
            Ok(0) => {}
            Ok(count) => {
                metrics::blobs_collected(count);
                tracing::debug!(count, "blobs collected");
            }
            // What was condemned stays so, and the next collection deletes it.
            Err(error) => tracing::warn!(%error, "collecting blobs failed"),
        }
        collection = next();
    }
}

/// Up to a half shorter, at random.
fn jittered(ms: u64) -> Duration {
    Duration::from_millis(rand::rng().random_range(ms / 2..=ms))
}
