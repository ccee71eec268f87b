//! The figures of a run, read from the load tester's summary, and their medians.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use serde_json::Value;

use super::plan::Plan;

/// A figure. Less is better in all of them but the rates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Metric {
    /// CPU of the server for one edit that arrived at one reader, in the steady window.
    CpuPerEdit,
    /// CPU of the server in the whole run, for one edit that was written.
    CpuPerWritten,
    /// CPU of the server in the steady window, over its time.
    CpuShare,
    /// CPU of the server in the whole run.
    CpuWhole,
    /// Edits that were written, over the time of the run.
    EditsPerS,
    DeliveryP50,
    DeliveryP99,
    PresenceP95,
    /// Last presence states that never came.
    PresenceLost,
    /// From when one was to come to when one had the document.
    CaughtUpP95,
    /// The same of the last one.
    CaughtUpMax,
    Reconnects,
    RssMax,
    /// When the run ended.
    RssEnd,
    /// When the server has come to rest after the run.
    RssAfter,
    /// Beyond what the empty server had.
    RssGrowth,
    /// Beyond what it had in the first second in which everybody was there.
    RssGrowthAllThere,
    /// The growth, over the connections.
    KbPerConnection,
    /// The growth, over the rooms.
    KbPerRoom,
    /// Most open descriptors.
    FdsMax,
}

impl Metric {
    /// Name in tables and plots, name on the terminal, unit.
    fn names(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Metric::CpuPerEdit => ("CPU per delivered edit", "cpu", "µs"),
            Metric::CpuPerWritten => ("CPU per edit", "cpu", "µs"),
            Metric::CpuShare => ("CPU, share of one core", "cpu", "%"),
            Metric::CpuWhole => ("CPU of the whole run", "cpu", "s"),
            Metric::EditsPerS => ("edits a second", "edits", "/s"),
            Metric::DeliveryP50 => ("delivery, p50", "p50", "ms"),
            Metric::DeliveryP99 => ("delivery, p99", "p99", "ms"),
            Metric::PresenceP95 => ("presence, p95", "presence p95", "ms"),
            Metric::PresenceLost => ("last presence states that never came", "lost", "count"),
            Metric::CaughtUpP95 => ("has the document, p95", "p95", "ms"),
            Metric::CaughtUpMax => ("all have the document", "all", "ms"),
            Metric::Reconnects => ("reconnects", "again", "count"),
            Metric::RssMax => ("memory, max", "rss", "MB"),
            Metric::RssEnd => ("memory, at the end", "end", "MB"),
            Metric::RssAfter => ("memory, five seconds after", "after", "MB"),
            Metric::RssGrowth => ("memory, growth", "+", "MB"),
            Metric::RssGrowthAllThere => ("memory, growth once all are there", "then +", "MB"),
            Metric::KbPerConnection => ("memory per connection", "conn", "KB"),
            Metric::KbPerRoom => ("memory per room", "room", "KB"),
            Metric::FdsMax => ("descriptors, max", "fds", "count"),
        }
    }

    /// Name in tables and plots.
    pub(crate) fn label(self) -> &'static str {
        self.names().0
    }

    /// Name on the terminal.
    pub(crate) fn short(self) -> &'static str {
        self.names().1
    }

    pub(crate) fn unit(self) -> &'static str {
        self.names().2
    }

    /// Whether more is better.
    pub(crate) fn is_better_higher(self) -> bool {
        self == Metric::EditsPerS
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
    /// Clocks that its people wrote: what the next run on the same server has to find there.
    pub(crate) clocks: u64,
    /// Whether it waited in vain for what never came, so that further runs would only cost time.
    pub(crate) is_hopeless: bool,
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

    /// A figure of it, if it counts and has it.
    pub(crate) fn counting(&self, metric: Metric) -> Option<f64> {
        self.values.get(&metric).copied().filter(|_| self.void.is_none())
    }
}

/// Middle and ends of a figure over the runs that count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// Of a single value.
    pub(crate) fn of(value: f64) -> Spread {
        Spread {
            median: value,
            min: value,
            max: value,
        }
    }
}

/// The spread of a figure, if any run that counts has it.
pub(crate) fn spread(runs: &[Run], metric: Metric) -> Option<Spread> {
    spread_of(runs.iter().filter_map(|run| run.counting(metric)).collect())
}

/// The spread of values, if there are any.
pub(crate) fn spread_of(mut values: Vec<f64>) -> Option<Spread> {
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

/// What a run is measured by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    /// How many people the plan sends.
    pub(crate) users: usize,
    /// Over how many rooms.
    pub(crate) rooms: usize,
    /// When the first of those who write come, in seconds.
    pub(crate) begins_s: f64,
}

impl Sent {
    pub(crate) fn of(plan: &Plan) -> Sent {
        Sent {
            users: plan.users,
            rooms: plan.rooms.len(),
            begins_s: plan.begins_s,
        }
    }
}

/// Reads a summary. `empty_rss_mb` is what the server had before anybody came.
pub(crate) fn read(summary: &Value, empty_rss_mb: Option<f64>, sent: Sent) -> anyhow::Result<Run> {
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
    put(Metric::CaughtUpP95, trend("caught_up_ms", "p95"));
    put(Metric::CaughtUpMax, trend("caught_up_ms", "max"));
    let count = |name: &str| counter(name).map(|count| count as f64);
    put(Metric::PresenceLost, count("undelivered_presence"));
    put(Metric::Reconnects, count("reconnects"));
    put(Metric::FdsMax, gauge("server_fds_max"));
    put(Metric::RssEnd, gauge("server_rss_mb_end"));
    let cpu_s = gauge("server_cpu_s");
    put(Metric::CpuWhole, cpu_s);
    let edits = count("edits").filter(|edits| *edits > 0.0);
    put(
        Metric::CpuPerWritten,
        cpu_s.zip(edits).map(|(cpu_s, edits)| cpu_s * 1e6 / edits),
    );
    let seconds = summary.get("seconds").and_then(Value::as_array);
    let ran_s = summary.get("ran_s").and_then(Value::as_f64);
    let seconds: Vec<Second> = seconds
        .map(|seconds| seconds.iter().map(second).collect::<anyhow::Result<_>>())
        .transpose()?
        .unwrap_or_default();
    put(
        Metric::EditsPerS,
        edits
            .zip(
                ran_s
                    .map(|ran_s| ran_s - sent.begins_s)
                    .filter(|wrote_s| *wrote_s > 0.0),
            )
            .map(|(edits, wrote_s)| edits / wrote_s),
    );
    let steady = Steady::of(&seconds, ran_s.unwrap_or(f64::MAX));
    put(Metric::CpuPerEdit, steady.cpu_us_per_edit());
    put(Metric::CpuShare, steady.cpu_percent());
    put(Metric::RssGrowthAllThere, steady.rss_growth_mb());
    let rss_mb = gauge("server_rss_mb_max");
    put(Metric::RssMax, rss_mb);
    let growth_mb = match (rss_mb, empty_rss_mb) {
        (Some(max), Some(empty)) => Some(max - empty),
        _ => gauge("server_rss_mb_growth"),
    };
    put(Metric::RssGrowth, growth_mb);
    let kb_per = |count: usize| growth_mb.map(|mb| mb * 1_024.0 / count.max(1) as f64);
    put(Metric::KbPerConnection, kb_per(sent.users));
    put(Metric::KbPerRoom, kb_per(sent.rooms));
    let generator_share = gauge("generator_cpu_share").unwrap_or_default();
    let has_error = |kind: &str| {
        summary
            .get("errors")
            .is_some_and(|errors| errors.get(kind).is_some())
    };
    let is_slow = has_error("generator too slow");
    let is_out_of_time = has_error(OUT_OF_TIME);
    let void = if is_out_of_time {
        Some("did not finish".to_owned())
    } else {
        void(counter, sent.users)
    };
    Ok(Run {
        values,
        is_hopeless: is_out_of_time || counter("undelivered").is_some_and(|count| count > 0),
        clocks: counter("clocks").unwrap_or_default(),
        void,
        presence_lost: counter("undelivered_presence").unwrap_or_default(),
        is_generator_bound: is_slow || generator_share > 0.8 * super::machine::cores() as f64,
        generator_share,
    })
}

/// What the load tester calls a run that was to end when all are through, and did not.
const OUT_OF_TIME: &str = "the time was up before all were through";

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
    rss_mb: Option<f64>,
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
        rss_mb: value.get("server_rss_mb").and_then(Value::as_f64),
    })
}

/// The seconds in which everybody is there and has been for one.
#[derive(Clone, Copy, Debug, Default)]
struct Steady {
    took_s: f64,
    cpu_s: f64,
    deliveries: f64,
    /// When everybody had come, and the most from then on.
    rss_mb: Option<(f64, f64)>,
}

impl Steady {
    fn of(seconds: &[Second], ran_s: f64) -> Steady {
        /// The last second is noted a little after the run's end.
        const LATE_S: f64 = 0.2;
        let most = seconds.iter().map(|second| second.users).max();
        let before = std::iter::once(0.0).chain(seconds.iter().map(|second| second.at_s));
        let steady = seconds
            .iter()
            .zip(before)
            .filter(|(second, _)| Some(second.users) == most && second.at_s <= ran_s + LATE_S)
            .skip(1);
        let mut sum = Steady::default();
        for (second, before_s) in steady {
            let took_s = second.at_s - before_s;
            sum.took_s += took_s;
            sum.cpu_s += second.cpu_share * took_s;
            sum.deliveries += second.deliveries_per_s * took_s;
            sum.rss_mb = second.rss_mb.map(|now| match sum.rss_mb {
                Some((first, most)) => (first, most.max(now)),
                None => (now, now),
            });
        }
        sum
    }

    fn rss_growth_mb(self) -> Option<f64> {
        self.rss_mb.map(|(first, most)| most - first)
    }

    /// CPU over deliveries, in microseconds.
    fn cpu_us_per_edit(self) -> Option<f64> {
        (self.deliveries >= 1.0).then(|| self.cpu_s * 1e6 / self.deliveries)
    }

    /// CPU over time; 100 is one core.
    fn cpu_percent(self) -> Option<f64> {
        (self.took_s > 0.0).then(|| self.cpu_s * 100.0 / self.took_s)
    }
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

    const SENT: Sent = Sent {
        users: 10,
        rooms: 5,
        begins_s: 1.0,
    };

    fn summary() -> Value {
        let second = |at_s: f64, vus: u64, per_s: f64, share: f64| {
            json!({ "at_s": at_s, "vus": vus, "deliveries_per_s": per_s, "server_cpu_share": share,
                    "server_rss_mb": 10.0 * at_s })
        };
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
        let run = read(&summary(), None, SENT).expect("a good summary");
        let cpu = run.values[&Metric::CpuPerEdit];
        let expected = (0.01 + 0.03 * 1.1) * 1e6 / 2_100.0;
        assert!((cpu - expected).abs() < 1e-6, "{cpu}");
        let share = run.values[&Metric::CpuShare];
        assert!(
            (share - (0.01 + 0.03 * 1.1) * 100.0 / 2.1).abs() < 1e-6,
            "{share}"
        );
    }

    #[test]
    fn what_was_not_measured_is_left_out_and_growth_begins_at_the_empty_server() {
        let run = read(&summary(), Some(20.0), SENT).expect("a good summary");
        assert!(!run.values.contains_key(&Metric::PresenceP95));
        assert!(!run.values.contains_key(&Metric::CaughtUpMax));
        assert!((run.values[&Metric::RssGrowth] - 10.0).abs() < 1e-9);
        assert!((run.values[&Metric::RssGrowthAllThere] - 11.0).abs() < 1e-9);
        assert!((run.values[&Metric::KbPerConnection] - 1_024.0).abs() < 1e-9);
        assert!((run.values[&Metric::KbPerRoom] - 2_048.0).abs() < 1e-9);
        assert!(!run.values.contains_key(&Metric::EditsPerS));
        assert!(read(&json!({}), None, SENT).is_err());
    }

    #[test]
    fn a_run_in_which_something_is_missing_is_void() {
        assert_eq!(read(&summary(), None, SENT).expect("good").void, None);
        for (name, count, why) in [
            ("undelivered", 3, "undelivered 3"),
            ("diverged", 1, "diverged 1"),
            ("connections", 9, "9 of 10 connected"),
        ] {
            let mut bad = summary();
            bad["counters"][name] = json!(count);
            assert_eq!(read(&bad, None, SENT).expect("read").void.as_deref(), Some(why));
        }
        let mut late = summary();
        late["errors"] = json!({ OUT_OF_TIME: 1 });
        let late = read(&late, None, SENT).expect("read");
        assert!(late.is_hopeless && late.void.as_deref() == Some("did not finish"));
        let mut lost = summary();
        lost["counters"]["undelivered_presence"] = json!(2);
        let lost = read(&lost, None, SENT).expect("read");
        assert_eq!((lost.void, lost.presence_lost), (None, 2));
    }

    #[test]
    fn what_a_replay_costs_is_told_by_the_edits_that_were_written() {
        let mut replay = summary();
        replay["counters"]["edits"] = json!(300_000);
        replay["counters"]["clocks"] = json!(200_000);
        let run = read(&replay, None, SENT).expect("read");
        assert!((run.values[&Metric::EditsPerS] - 100_000.0).abs() < 1e-6);
        assert!((run.values[&Metric::CpuPerWritten] - 5.0).abs() < 1e-6);
        assert_eq!((run.clocks, run.is_hopeless), (200_000, false));
    }

    #[test]
    fn void_runs_do_not_count() {
        let run = |value: f64, void: Option<&str>| Run {
            values: BTreeMap::from([(Metric::CaughtUpMax, value)]),
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
        assert_eq!(spread(&runs, Metric::CaughtUpMax), Some(expected));
        assert_eq!(spread(&runs[2..3], Metric::CaughtUpMax), None);
        assert_eq!(median(&[1.0, 2.0]), Some(1.5));
        assert_eq!(median(&[]), None);
    }
}
