//! What is measured, in the words of k6: trends, counters and gauges, whole and second by second.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use hdrhistogram::Histogram;

/// Trends: every value in milliseconds.
pub const TRENDS: [&str; 6] = [
    "connect_ms",
    "sync_ms",
    "caught_up_ms",
    "delivery_ms",
    "presence_ms",
    "ack_ms",
];
/// Counters.
pub const COUNTERS: [&str; 16] = [
    "connections",
    "edits",
    "deliveries",
    "presence_sent",
    "presence_received",
    "messages_in",
    "messages_out",
    "bytes_in",
    "bytes_out",
    "reconnects",
    "gaps",
    "undelivered",
    "undelivered_presence",
    "diverged",
    "early_acks",
    "clocks",
];
/// Gauges; those of the server need `--pid` or `--spawn`.
pub const GAUGES: [&str; 9] = [
    "server_cpu_s",
    "server_cpu_us_per_delivery",
    "server_rss_mb_start",
    "server_rss_mb_max",
    "server_rss_mb_end",
    "server_rss_mb_growth",
    "server_fds_max",
    "generator_cpu_share",
    "errors",
];

/// A trend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trend {
    /// From the first byte to the open socket.
    Connect,
    /// From the open socket to the document.
    Sync,
    /// From the first byte to all that others had sent by then.
    CaughtUp,
    /// From the writer's send to a reader's receive of one edit.
    Delivery,
    /// The same of a presence state.
    Presence,
    /// From the send of an edit to the word that it is saved.
    Ack,
}

/// A counter; in the order of [`COUNTERS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// Sockets opened.
    Connections,
    /// Edits sent.
    Edits,
    /// Edits that arrived at one other client.
    Deliveries,
    /// Presence states sent.
    PresenceSent,
    /// Presence states received that were new.
    PresenceReceived,
    /// Messages received.
    MessagesIn,
    /// Messages sent.
    MessagesOut,
    /// Bytes received in messages.
    BytesIn,
    /// Bytes sent in messages.
    BytesOut,
    /// Connections opened again.
    Reconnects,
    /// Edits that came with a hole before them.
    Gaps,
    /// Edits that never came.
    Undelivered,
    /// Last presence states that never came.
    UndeliveredPresence,
    /// Documents that differ at the end.
    Diverged,
    /// Edits that were called saved and were not there for a fresh joiner.
    EarlyAcks,
    /// Clocks that were written: what a document counts in.
    Clocks,
}

/// Microseconds, to three digits, up to ten minutes.
type Micros = Histogram<u64>;

fn micros() -> Micros {
    Histogram::new_with_bounds(1, 600_000_000, 3).expect("these bounds are valid")
}

struct Trends {
    whole: [Micros; TRENDS.len()],
    /// Deliveries of the current second.
    second: Micros,
}

/// All metrics of a run.
pub struct Metrics {
    /// Whether the warm-up lasts: trends wait, and the picture of each second does not.
    is_cold: AtomicBool,
    trends: Mutex<Trends>,
    counters: [AtomicU64; COUNTERS.len()],
    errors: Mutex<BTreeMap<String, u64>>,
}

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics {
            is_cold: AtomicBool::new(false),
            trends: Mutex::new(Trends {
                whole: std::array::from_fn(|_| micros()),
                second: micros(),
            }),
            counters: Default::default(),
            errors: Mutex::default(),
        }
    }
}

/// The figures of a trend, in milliseconds.
#[derive(Clone, Copy, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Figures {
    /// How many values.
    pub count: u64,
    /// Mean.
    pub avg: f64,
    /// Smallest.
    pub min: f64,
    /// Median.
    pub p50: f64,
    /// 90th percentile.
    pub p90: f64,
    /// 95th percentile.
    pub p95: f64,
    /// 99th percentile.
    pub p99: f64,
    /// Largest.
    pub max: f64,
}

impl Metrics {
    /// Begins or ends the warm-up, in which trends and the histogram take nothing in.
    pub fn set_cold(&self, is_cold: bool) {
        self.is_cold.store(is_cold, Ordering::Relaxed);
    }

    /// Adds values of a trend, in milliseconds.
    pub fn record(&self, trend: Trend, values_ms: &[f64]) {
        if values_ms.is_empty() {
            return;
        }
        let is_cold = self.is_cold.load(Ordering::Relaxed);
        let mut trends = self.lock();
        for value_ms in values_ms {
            let value = (value_ms * 1_000.0).max(1.0) as u64;
            if !is_cold {
                trends.whole[trend as usize].saturating_record(value);
            }
            if trend == Trend::Delivery {
                trends.second.saturating_record(value);
            }
        }
    }

    /// Adds to a counter.
    pub fn add(&self, counter: Counter, count: u64) {
        self.counters[counter as usize].fetch_add(count, Ordering::Relaxed);
    }

    /// A counter's value.
    pub fn count(&self, counter: Counter) -> u64 {
        self.counters[counter as usize].load(Ordering::Relaxed)
    }

    /// Counts an error of a kind.
    pub fn error(&self, kind: &str) {
        let mut errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        *errors.entry(kind.to_owned()).or_default() += 1;
    }

    /// Errors by kind.
    pub fn errors(&self) -> BTreeMap<String, u64> {
        self.errors.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The figures of every trend, by name.
    pub fn trends(&self) -> BTreeMap<String, Figures> {
        let trends = self.lock();
        TRENDS
            .iter()
            .zip(&trends.whole)
            .map(|(name, of)| ((*name).to_owned(), figures(of)))
            .collect()
    }

    /// Every counter, by name.
    pub fn counters(&self) -> BTreeMap<String, u64> {
        COUNTERS
            .iter()
            .zip(&self.counters)
            .map(|(name, value)| ((*name).to_owned(), value.load(Ordering::Relaxed)))
            .collect()
    }

    /// A percentile that the figures do not hold.
    pub fn percentile_ms(&self, trend: &str, percent: f64) -> Option<f64> {
        let place = TRENDS.iter().position(|name| *name == trend)?;
        Some(self.lock().whole[place].value_at_quantile(percent / 100.0) as f64 / 1_000.0)
    }

    /// Deliveries since the last call.
    pub fn second(&self) -> Figures {
        let mut trends = self.lock();
        let of = figures(&trends.second);
        trends.second.reset();
        of
    }

    /// How deliveries are spread: upper bounds in milliseconds, doubling, and how many values lie below each and above
    /// the one before.
    pub fn histogram(&self) -> Vec<(f64, u64)> {
        let trends = self.lock();
        let of = &trends.whole[Trend::Delivery as usize];
        let mut bars = Vec::new();
        let mut from = 0;
        let mut to = 64;
        while from < of.max() {
            bars.push((to as f64 / 1_000.0, of.count_between(from + 1, to)));
            (from, to) = (to, to * 2);
        }
        bars
    }

    fn lock(&self) -> MutexGuard<'_, Trends> {
        // Nothing in here can panic half-way.
        self.trends.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn figures(of: &Micros) -> Figures {
    if of.is_empty() {
        return Figures::default();
    }
    let at = |quantile| of.value_at_quantile(quantile) as f64 / 1_000.0;
    Figures {
        count: of.len(),
        avg: of.mean() / 1_000.0,
        min: of.min() as f64 / 1_000.0,
        p50: at(0.5),
        p90: at(0.9),
        p95: at(0.95),
        p99: at(0.99),
        max: of.max() as f64 / 1_000.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_warm_up_is_in_the_picture_and_in_no_trend() {
        let metrics = Metrics::default();
        metrics.set_cold(true);
        metrics.record(Trend::Delivery, &[900.0]);
        assert_eq!(metrics.second().count, 1);
        metrics.set_cold(false);
        metrics.record(Trend::Delivery, &[1.0, 2.0]);
        let delivery = metrics.trends()["delivery_ms"];
        assert_eq!(delivery.count, 2);
        assert!(delivery.max < 3.0, "{delivery:?}");
        assert_eq!(metrics.histogram().iter().map(|(_, count)| count).sum::<u64>(), 2);
    }
}
