//! The figures of a run, read from the load tester's summary, and their medians.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use serde_json::Value;

/// A figure. Less is better in all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Metric {
    /// CPU of the server for one edit that arrived at one reader, in the steady window.
    CpuPerEdit,
    /// CPU of the server in the whole run.
    CpuWhole,
    DeliveryP50,
    DeliveryP99,
    PresenceP95,
    SyncP95,
    SyncMax,
    RssMax,
    /// Beyond what the empty server had.
    RssGrowth,
    /// The growth, over the connections.
    KbPerConnection,
}

impl Metric {
    /// Name in tables and plots.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Metric::CpuPerEdit => "CPU per delivered edit",
            Metric::CpuWhole => "CPU of the whole run",
            Metric::DeliveryP50 => "delivery, p50",
            Metric::DeliveryP99 => "delivery, p99",
            Metric::PresenceP95 => "presence, p95",
            Metric::SyncP95 => "sync, p95",
            Metric::SyncMax => "sync, max",
            Metric::RssMax => "memory, max",
            Metric::RssGrowth => "memory, growth",
            Metric::KbPerConnection => "memory per connection",
        }
    }

    /// Name on the terminal.
    pub(crate) fn short(self) -> &'static str {
        match self {
            Metric::CpuPerEdit | Metric::CpuWhole => "cpu",
            Metric::DeliveryP50 => "p50",
            Metric::DeliveryP99 => "p99",
            Metric::PresenceP95 => "presence p95",
            Metric::SyncP95 => "sync p95",
            Metric::SyncMax => "max",
            Metric::RssMax => "rss",
            Metric::RssGrowth => "+",
            Metric::KbPerConnection => "conn",
        }
    }

    pub(crate) fn unit(self) -> &'static str {
        match self {
            Metric::CpuPerEdit => "µs",
            Metric::CpuWhole => "s",
            Metric::DeliveryP50
            | Metric::DeliveryP99
            | Metric::PresenceP95
            | Metric::SyncP95
            | Metric::SyncMax => "ms",
            Metric::RssMax | Metric::RssGrowth => "MB",
            Metric::KbPerConnection => "KB",
        }
    }
}

/// One run of one server.
#[derive(Clone, Debug, Default)]
pub(crate) struct Run {
    pub(crate) values: BTreeMap<Metric, f64>,
    /// Why it does not count.
    pub(crate) void: Option<String>,
    /// Whether the generator could not keep up, so that latencies are its own.
    pub(crate) is_generator_bound: bool,
    /// Last presence states that never came. They void nothing, and the report tells of them.
    pub(crate) presence_lost: u64,
    /// CPU of the generator; 1 is one core.
    pub(crate) generator_share: f64,
}

impl Run {
    /// A run that gave no summary.
    pub(crate) fn failed(why: String) -> Run {
        Run {
            void: Some(why),
            ..Run::default()
        }
    }
}

/// Middle and ends of a figure over the runs that count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

/// The spread of a figure, if any run that counts has it.
pub(crate) fn spread(runs: &[Run], metric: Metric) -> Option<Spread> {
    let mut values: Vec<f64> = runs
        .iter()
        .filter(|run| run.void.is_none())
        .filter_map(|run| run.values.get(&metric).copied())
        .collect();
    values.sort_by(f64::total_cmp);
    let (min, max) = (*values.first()?, *values.last()?);
    Some(Spread {
        median: median(&values)?,
        min,
        max,
    })
}

/// The middle of sorted values; of two, their mean.
fn median(sorted: &[f64]) -> Option<f64> {
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = *sorted.get((sorted.len() - 1) / 2)?;
    Some(lower.midpoint(upper))
}

/// Reads a summary. `empty_rss_mb` is what the server had before anybody came, `users` is how many the plan sends.
pub(crate) fn read(summary: &Value, empty_rss_mb: Option<f64>, users: usize) -> anyhow::Result<Run> {
    let mut values = BTreeMap::new();
    let mut put = |metric, value: Option<f64>| {
        if let Some(value) = value.filter(|value| value.is_finite()) {
            values.insert(metric, value);
        }
    };
    let trend = |name: &str, of: &str| {
        let trend = summary.get("trends")?.get(name)?;
        (trend.get("count")?.as_u64()? > 0).then_some(trend.get(of)?.as_f64()?)
    };
    let gauge = |name: &str| summary.get("gauges")?.get(name)?.as_f64();
    let counter = |name: &str| {
        let value = summary.get("counters").and_then(|counters| counters.get(name));
        value.and_then(Value::as_u64)
    };
    if counter("connections").is_none() {
        bail!("the summary has no counters");
    }
    put(Metric::DeliveryP50, trend("delivery_ms", "p50"));
    put(Metric::DeliveryP99, trend("delivery_ms", "p99"));
    put(Metric::PresenceP95, trend("presence_ms", "p95"));
    put(Metric::SyncP95, trend("sync_ms", "p95"));
    put(Metric::SyncMax, trend("sync_ms", "max"));
    put(Metric::CpuWhole, gauge("server_cpu_s"));
    let seconds = summary.get("seconds").and_then(Value::as_array);
    let ran_s = summary.get("ran_s").and_then(Value::as_f64);
    let seconds: Vec<Second> = seconds
        .map(|seconds| seconds.iter().map(second).collect::<anyhow::Result<_>>())
        .transpose()?
        .unwrap_or_default();
    put(
        Metric::CpuPerEdit,
        cpu_us_per_edit(&seconds, ran_s.unwrap_or(f64::MAX)),
    );
    let rss_mb = gauge("server_rss_mb_max");
    put(Metric::RssMax, rss_mb);
    let growth_mb = match (rss_mb, empty_rss_mb) {
        (Some(max), Some(empty)) => Some(max - empty),
        _ => gauge("server_rss_mb_growth"),
    };
    put(Metric::RssGrowth, growth_mb);
    put(
        Metric::KbPerConnection,
        growth_mb.map(|mb| mb * 1_024.0 / users.max(1) as f64),
    );
    let generator_share = gauge("generator_cpu_share").unwrap_or_default();
    let is_slow = summary
        .get("errors")
        .is_some_and(|errors| errors.get("generator too slow").is_some());
    Ok(Run {
        values,
        void: void(counter, users),
        presence_lost: counter("undelivered_presence").unwrap_or_default(),
        is_generator_bound: is_slow || generator_share > 0.8 * super::machine::cores() as f64,
        generator_share,
    })
}

/// Why a run does not count: somebody did not get everything, or was not there.
fn void(counter: impl Fn(&str) -> Option<u64>, users: usize) -> Option<String> {
    for name in ["undelivered", "diverged"] {
        match counter(name) {
            Some(count) if count > 0 => return Some(format!("{name} {count}")),
            _ => {}
        }
    }
    let connections = counter("connections").unwrap_or_default();
    (connections < users as u64).then(|| format!("{connections} of {users} connected"))
}

/// What the steady window needs of a second.
#[derive(Clone, Copy, Debug)]
struct Second {
    at_s: f64,
    users: u64,
    deliveries_per_s: f64,
    cpu_share: f64,
}

fn second(value: &Value) -> anyhow::Result<Second> {
    let number = |name: &str| {
        let number = value.get(name).and_then(Value::as_f64);
        number.with_context(|| format!("a second of the summary has no {name}"))
    };
    let users = value.get("vus").and_then(Value::as_u64);
    Ok(Second {
        at_s: number("at_s")?,
        users: users.context("a second of the summary has no vus")?,
        deliveries_per_s: number("deliveries_per_s")?,
        cpu_share: number("server_cpu_share")?,
    })
}

/// CPU over deliveries, in microseconds, in the seconds in which everybody is there and has been for one.
fn cpu_us_per_edit(seconds: &[Second], ran_s: f64) -> Option<f64> {
    /// The last second is noted a little after the run's end.
    const LATE_S: f64 = 0.2;
    let most = seconds.iter().map(|second| second.users).max()?;
    let before = std::iter::once(0.0).chain(seconds.iter().map(|second| second.at_s));
    let (mut cpu_s, mut deliveries) = (0.0, 0.0);
    let steady = seconds
        .iter()
        .zip(before)
        .filter(|(second, _)| second.users == most && second.at_s <= ran_s + LATE_S)
        .skip(1);
    for (second, before_s) in steady {
        let took_s = second.at_s - before_s;
        cpu_s += second.cpu_share * took_s;
        deliveries += second.deliveries_per_s * took_s;
    }
    (deliveries >= 1.0).then(|| cpu_s * 1e6 / deliveries)
}

/// Three digits that matter.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        small if small < 10.0 => format!("{value:.2}"),
        middle if middle < 100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn summary() -> Value {
        let second = |at_s: f64, vus: u64, per_s: f64, share: f64| json!({ "at_s": at_s, "vus": vus, "deliveries_per_s": per_s, "server_cpu_share": share });
        json!({
            "ran_s": 4.0,
            "trends": {
                "delivery_ms": { "count": 9, "p50": 1.0, "p99": 2.0 },
                "presence_ms": { "count": 0, "p95": 0.0 },
            },
            "counters": { "connections": 10, "undelivered": 0, "diverged": 0 },
            "gauges": { "server_rss_mb_max": 30.0, "server_rss_mb_growth": 9.0, "server_cpu_s": 1.5 },
            "errors": {},
            "seconds": [
                second(1.0, 5, 1e6, 1.0),
                second(2.0, 10, 1e6, 1.0),
                second(3.0, 10, 1_000.0, 0.01),
                second(4.1, 10, 1_000.0, 0.03),
                second(5.1, 10, 1e6, 1.0),
                second(5.2, 0, 0.0, 0.0),
            ],
        })
    }

    #[test]
    fn the_steady_window_leaves_out_joins_and_drain() {
        let run = read(&summary(), None, 10).expect("a good summary");
        let cpu = run.values[&Metric::CpuPerEdit];
        let expected = (0.01 + 0.03 * 1.1) * 1e6 / 2_100.0;
        assert!((cpu - expected).abs() < 1e-6, "{cpu}");
    }

    #[test]
    fn what_was_not_measured_is_left_out_and_growth_begins_at_the_empty_server() {
        let run = read(&summary(), Some(20.0), 10).expect("a good summary");
        assert!(!run.values.contains_key(&Metric::PresenceP95));
        assert!(!run.values.contains_key(&Metric::SyncMax));
        assert!((run.values[&Metric::RssGrowth] - 10.0).abs() < 1e-9);
        assert!((run.values[&Metric::KbPerConnection] - 1_024.0).abs() < 1e-9);
        assert!(read(&json!({}), None, 1).is_err());
    }

    #[test]
    fn a_run_in_which_something_is_missing_is_void() {
        assert_eq!(read(&summary(), None, 10).expect("good").void, None);
        for (name, count, why) in [
            ("undelivered", 3, "undelivered 3"),
            ("diverged", 1, "diverged 1"),
            ("connections", 9, "9 of 10 connected"),
        ] {
            let mut bad = summary();
            bad["counters"][name] = json!(count);
            assert_eq!(read(&bad, None, 10).expect("read").void.as_deref(), Some(why));
        }
        let mut lost = summary();
        lost["counters"]["undelivered_presence"] = json!(2);
        let lost = read(&lost, None, 10).expect("read");
        assert_eq!((lost.void, lost.presence_lost), (None, 2));
    }

    #[test]
    fn void_runs_do_not_count() {
        let run = |value: f64, void: Option<&str>| Run {
            values: BTreeMap::from([(Metric::SyncMax, value)]),
            void: void.map(str::to_owned),
            ..Run::default()
        };
        let runs = [
            run(4.0, None),
            run(1.0, None),
            run(100.0, Some("x")),
            run(2.0, None),
        ];
        let expected = Spread {
            median: 2.0,
            min: 1.0,
            max: 4.0,
        };
        assert_eq!(spread(&runs, Metric::SyncMax), Some(expected));
        assert_eq!(spread(&runs[2..3], Metric::SyncMax), None);
        assert_eq!(median(&[1.0, 2.0]), Some(1.5));
        assert_eq!(median(&[]), None);
    }
}
