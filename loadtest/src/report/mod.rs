//! What a run amounts to, and how it is told.

pub mod compare;
pub mod html;
mod plot;
pub mod text;
mod watch;

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};

use serde::{Deserialize, Serialize};

pub use watch::{Moment, Watch};

use crate::metrics::{Counter, Figures, Metrics};
use crate::scenario::Plan;
use crate::threshold::Statistic;

/// One second of a run.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Second {
    /// Seconds from the beginning.
    pub at_s: f64,
    /// Virtual users that live.
    pub vus: usize,
    /// Deliveries a second.
    pub deliveries_per_s: f64,
    /// Median of their latency, in milliseconds.
    pub delivery_p50_ms: f64,
    /// 95th percentile.
    pub delivery_p95_ms: f64,
    /// 99th percentile.
    pub delivery_p99_ms: f64,
    /// CPU of the server's process tree; 1 is one core.
    pub server_cpu_share: f64,
    /// Its resident memory, in MiB.
    pub server_rss_mb: f64,
    /// Its open descriptors.
    pub server_fds: u64,
    /// CPU of the generator; 1 is one core.
    pub generator_cpu_share: f64,
}

/// What became of one threshold.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Verdict {
    /// Metric.
    pub metric: String,
    /// The condition, as it was written.
    pub condition: String,
    /// The value that was compared. None where it was not measured.
    pub value: Option<f64>,
    /// Whether it holds.
    pub holds: bool,
}

/// A whole run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Summary {
    /// The plan's name.
    pub name: String,
    /// What it shows.
    pub about: String,
    /// Where it ran against.
    pub target: String,
    /// The seed.
    pub seed: u64,
    /// How long it ran without the drain, in seconds.
    pub ran_s: f64,
    /// What was measured before this is in no trend, in seconds.
    #[serde(default)]
    pub warmup_s: f64,
    /// Trends, in milliseconds.
    pub trends: BTreeMap<String, Figures>,
    /// Counters.
    pub counters: BTreeMap<String, u64>,
    /// Gauges that were measured.
    pub gauges: BTreeMap<String, f64>,
    /// Errors by kind.
    pub errors: BTreeMap<String, u64>,
    /// What the thresholds say.
    pub verdicts: Vec<Verdict>,
    /// What the reader should know before believing the figures.
    pub warnings: Vec<String>,
    /// How deliveries are spread: upper bound in milliseconds, count.
    pub histogram: Vec<(f64, u64)>,
    /// Second by second.
    pub seconds: Vec<Second>,
    /// When something begins, for the plots: seconds and what.
    pub marks: Vec<(f64, String)>,
}

impl Summary {
    /// Adds up.
    pub fn of(plan: &Plan, metrics: &Metrics, seconds: Vec<Second>, watch: &Watch) -> Summary {
        let errors = metrics.errors();
        let ran_s = watch.end.at_s;
        let mut gauges = BTreeMap::new();
        let mut gauge = |name: &str, value: f64| {
            gauges.insert(name.to_owned(), value);
        };
        let share = watch.generator_cpu_s / ran_s.max(1e-3);
        gauge("generator_cpu_share", share);
        gauge("errors", errors.values().sum::<u64>() as f64);
        if watch.is_server_watched {
            watch.server_gauges(&seconds, &mut gauge);
        }
        let mut summary = Summary {
            name: plan.name.clone(),
            about: plan.about.clone(),
            target: plan.target.url.clone(),
            seed: plan.seed,
            ran_s,
            warmup_s: plan.warmup_s,
            trends: metrics.trends(),
            counters: metrics.counters(),
            gauges,
            warnings: warnings(metrics, &errors, share),
            errors,
            verdicts: Vec::new(),
            histogram: metrics.histogram(),
            seconds,
            marks: marks(plan),
        };
        for (metric, thresholds) in &plan.thresholds {
            for threshold in thresholds {
                let value = match threshold.statistic {
                    Statistic::Percentile(percent) => metrics.percentile_ms(metric, percent),
                    other => summary.value(metric, other),
                };
                summary.verdicts.push(Verdict {
                    metric: metric.clone(),
                    condition: threshold.text.clone(),
                    value,
                    // What was not measured holds nothing.
                    holds: value.is_some_and(|value| threshold.holds(value)),
                });
            }
        }
        summary
    }

    /// Whether every threshold holds.
    pub fn is_well(&self) -> bool {
        self.verdicts.iter().all(|verdict| verdict.holds)
    }

    fn value(&self, metric: &str, statistic: Statistic) -> Option<f64> {
        if let Some(trend) = self.trends.get(metric) {
            return match statistic {
                Statistic::Count => Some(trend.count as f64),
                _ if trend.count == 0 => None,
                Statistic::Avg => Some(trend.avg),
                Statistic::Min => Some(trend.min),
                Statistic::Max => Some(trend.max),
                Statistic::Rate => Some(trend.count as f64 / self.ran_s),
                Statistic::Percentile(_) | Statistic::Value => None,
            };
        }
        if let Some(count) = self.counters.get(metric) {
            return match statistic {
                Statistic::Count | Statistic::Value => Some(*count as f64),
                Statistic::Rate => Some(*count as f64 / self.ran_s),
                _ => None,
            };
        }
        self.gauges.get(metric).copied()
    }
}

fn warnings(metrics: &Metrics, errors: &BTreeMap<String, u64>, generator_cpu_share: f64) -> Vec<String> {
    let mut warnings = Vec::new();
    let mut warn = |text: String| warnings.push(text);
    let cores = std::thread::available_parallelism().map_or(1, usize::from) as f64;
    if errors.contains_key("generator too slow") || generator_cpu_share > 0.8 * cores {
        warn(format!(
            "the generator itself was the bottleneck ({:.0} % of one core): its latencies are its own",
            generator_cpu_share * 100.0
        ));
    }
    for (counter, what) in [
        (
            Counter::Undelivered,
            "edits never reached a reader: the run is void as a measurement",
        ),
        (
            Counter::UndeliveredPresence,
            "last presence states never reached a reader",
        ),
        (
            Counter::Diverged,
            "documents differ from another of the same room: the run is void as a measurement",
        ),
        (
            Counter::EarlyAcks,
            "edits were called saved, and a fresh joiner did not get them",
        ),
        (
            Counter::Gaps,
            "edits came with a hole before them: a frame was lost or overtaken",
        ),
    ] {
        let count = metrics.count(counter);
        if count > 0 {
            warn(format!("{count} {what}"));
        }
    }
    warnings
}

fn marks(plan: &Plan) -> Vec<(f64, String)> {
    use crate::scenario::Executor;
    let mut marks = Vec::new();
    if plan.warmup_s > 0.0 {
        marks.push((plan.warmup_s, "steady part".to_owned()));
    }
    for scenario in &plan.scenarios {
        marks.push((scenario.start_s, scenario.name.clone()));
        if let Executor::RampingVus { stages, .. } | Executor::RampingArrivalRate { stages, .. } =
            &scenario.executor
        {
            let mut at_s = scenario.start_s;
            for stage in stages {
                at_s += stage.duration_s;
                marks.push((at_s, format!("{} → {}", scenario.name, stage.target)));
            }
        }
    }
    marks
}

/// What is shown while it runs: one line that is drawn again on a terminal, a line now and then elsewhere.
pub struct Progress {
    is_quiet: bool,
    is_terminal: bool,
    shown: usize,
}

impl Progress {
    /// Shows nothing where `is_quiet`.
    pub fn new(is_quiet: bool) -> Progress {
        Progress {
            is_quiet,
            is_terminal: std::io::stderr().is_terminal(),
            shown: 0,
        }
    }

    /// One more second.
    pub fn show(&mut self, plan: &Plan, second: &Second) {
        self.shown += 1;
        if self.is_quiet || (!self.is_terminal && !self.shown.is_multiple_of(10)) {
            return;
        }
        let line = format!(
            "{}  {:>4.0}/{:.0} s  {:>6} users  {:>8.0} deliveries/s  p50 {:>7.2} ms  p99 {:>7.2} ms  server {:>3.0} % {:>6.1} MB",
            plan.name,
            second.at_s,
            plan.duration_s(),
            second.vus,
            second.deliveries_per_s,
            second.delivery_p50_ms,
            second.delivery_p99_ms,
            second.server_cpu_share * 100.0,
            second.server_rss_mb,
        );
        let mut out = std::io::stderr().lock();
        // A terminal that is gone needs no progress.
        let _ = if self.is_terminal {
            write!(out, "\r\x1b[2K{line}").and_then(|()| out.flush())
        } else {
            writeln!(out, "{line}")
        };
    }

    /// The line is not drawn again.
    pub fn done(&mut self) {
        if !self.is_quiet && self.is_terminal && self.shown > 0 {
            let _ = writeln!(std::io::stderr());
        }
        self.shown = 0;
    }
}
