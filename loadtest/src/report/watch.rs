//! The server at the moments that count: before the run, when the warm-up is over, at the end.

use super::Second;
use crate::metrics::{Counter, Metrics};
use crate::process::{self, Cost};

/// One moment of a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Moment {
    /// Seconds from the beginning.
    pub at_s: f64,
    /// What the server's process tree has cost so far; nothing where it is not watched.
    pub server: Cost,
    /// Edits delivered so far.
    pub deliveries: u64,
    /// Presence states delivered so far.
    pub presence: u64,
}

impl Moment {
    /// Now.
    pub fn of(pid: Option<i32>, metrics: &Metrics, at_s: f64) -> Moment {
        Moment {
            at_s,
            server: pid.and_then(process::cost).unwrap_or_default(),
            deliveries: metrics.count(Counter::Deliveries),
            presence: metrics.count(Counter::PresenceReceived),
        }
    }
}

/// The moments of one run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Watch {
    /// Before anybody came.
    pub before: Moment,
    /// The end of the warm-up; the same as `before` where there is none.
    pub steady: Moment,
    /// The end, before what is on its way is waited for.
    pub end: Moment,
    /// Whether there is a process to look at.
    pub is_server_watched: bool,
    /// CPU of the generator in the whole run, in seconds.
    pub generator_cpu_s: f64,
}

impl Watch {
    /// CPU of the server for each delivery in the steady part, in microseconds. Edits count; presence counts only where
    /// no edit was delivered, because a cursor that moves with an edit is no delivery of its own.
    pub fn cpu_us_per_delivery(&self) -> Option<f64> {
        let edits = self.end.deliveries - self.steady.deliveries;
        let count = match edits {
            0 => self.end.presence - self.steady.presence,
            edits => edits,
        };
        let cpu_s = self.end.server.cpu_s - self.steady.server.cpu_s;
        (count > 0).then(|| cpu_s * 1e6 / count as f64)
    }

    pub(super) fn server_gauges(&self, seconds: &[Second], gauge: &mut impl FnMut(&str, f64)) {
        gauge("server_cpu_s", self.end.server.cpu_s - self.before.server.cpu_s);
        if let Some(cpu_us) = self.cpu_us_per_delivery() {
            gauge("server_cpu_us_per_delivery", cpu_us);
        }
        let most = |from_s: f64| {
            let after = seconds.iter().filter(|second| second.at_s >= from_s);
            after.map(|second| second.server_rss_mb).fold(0.0, f64::max)
        };
        gauge(
            "server_rss_mb_start",
            self.before.server.rss_bytes as f64 / 1_048_576.0,
        );
        gauge("server_rss_mb_max", most(0.0));
        gauge(
            "server_rss_mb_end",
            self.end.server.rss_bytes as f64 / 1_048_576.0,
        );
        let rss_mb = self.steady.server.rss_bytes as f64 / 1_048_576.0;
        gauge(
            "server_rss_mb_growth",
            most(self.steady.at_s).max(rss_mb) - rss_mb,
        );
        let fds = seconds.iter().map(|second| second.server_fds).max();
        gauge("server_fds_max", fds.unwrap_or_default() as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(at_s: f64, cpu_s: f64, deliveries: u64, presence: u64) -> Moment {
        let server = Cost {
            cpu_s,
            ..Cost::default()
        };
        Moment {
            at_s,
            server,
            deliveries,
            presence,
        }
    }

    #[test]
    fn a_delivery_costs_what_the_steady_part_says_and_presence_is_none_beside_edits() {
        let mut watch = Watch {
            before: moment(0.0, 1.0, 0, 0),
            steady: moment(3.0, 5.0, 10, 500),
            end: moment(9.0, 6.0, 110, 9_000),
            is_server_watched: true,
            generator_cpu_s: 0.0,
        };
        assert_eq!(watch.cpu_us_per_delivery(), Some(10_000.0));
        watch.end.deliveries = 10;
        assert_eq!(watch.cpu_us_per_delivery(), Some(1e6 / 8_500.0));
        watch.end.presence = 500;
        assert_eq!(watch.cpu_us_per_delivery(), None);
    }
}
