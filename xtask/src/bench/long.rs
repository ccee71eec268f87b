//! `cargo xtask bench --long`: what only shows with time. Connections that are held, and a session that goes on.

use std::fmt::Write as _;
use std::fs;

use anyhow::Context as _;
use serde_json::Value;

use super::aims::Bar;
use super::figures::{self, Metric, Sent, Spread, number};
use super::graph::{self, Graph, Point};
use super::line::Line;
use super::machine;
use super::page::Page;
use super::peers::Server;
use super::plan::{self, Earlier};
use super::process::Running;
use super::run::Bench;
use crate::workspace::root;

/// A long run.
#[derive(Debug)]
struct Long {
    name: &'static str,
    plan: &'static str,
    aims: &'static [(Figure, Bar)],
}

/// What is told of a long run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Figure {
    Of(Metric),
    /// How memory goes in the end, in MB an hour.
    RssSlope,
    /// Descriptors that are always there in the last fifth when it has settled, beyond those in the first fifth.
    FdsGrowth,
}

const LONGS: &[Long] = &[
    Long {
        name: "held-10k",
        plan: "xtask/peers/plans/held-10k.toml",
        aims: &[
            (Figure::Of(Metric::RssMax), Bar::Most(90.0)),
            (Figure::Of(Metric::DeliveryP99), Bar::Most(10.0)),
            (Figure::Of(Metric::Reconnects), Bar::Most(0.0)),
        ],
    },
    Long {
        name: "soak-studio",
        plan: "xtask/peers/plans/soak-studio.toml",
        aims: &[
            (Figure::RssSlope, Bar::Most(1.0)),
            (Figure::FdsGrowth, Bar::Most(0.0)),
            (Figure::Of(Metric::Reconnects), Bar::Most(0.0)),
        ],
    },
];

/// What else is told, without a bar.
const TOLD: &[Figure] = &[
    Figure::Of(Metric::DeliveryP50),
    Figure::Of(Metric::DeliveryP99),
    Figure::Of(Metric::PresenceP95),
    Figure::Of(Metric::CpuShare),
    Figure::Of(Metric::RssMax),
    Figure::Of(Metric::RssEnd),
    Figure::Of(Metric::FdsMax),
];

/// A server settles for so long, in seconds; in a run that is cut, for a third of it.
const SETTLES_S: f64 = 300.0;

/// Runs them one after the other and writes what they found, the first before the second begins.
pub(crate) fn run(bench: &Bench, ours: &Server, page: &Page, command: &str) -> anyhow::Result<()> {
    let mut text = format!(
        "\n## Long runs\n\n    {command}\n\nMade on {} by the line above, on {}, with Roomtone {}. One run each.\n",
        machine::today(),
        machine::describe(),
        ours.version
    );
    for long in LONGS {
        println!("{}", long.name);
        let (about, result) = once(bench, ours, long)?;
        for line in &result.lines {
            println!("  {line}");
        }
        let _ = write!(
            text,
            "\n### {}\n\n{about}\n\n| figure | aim | measured | |\n|---|---|---|---|\n",
            long.name
        );
        for line in &result.lines {
            let _ = writeln!(text, "{line}");
        }
        if let Some(void) = &result.void {
            let _ = write!(text, "\n**Void**: {void}.\n");
        }
        if let Some(svg) = &result.svg {
            page.picture(long.name, svg)?;
            let _ = write!(text, "\n![{0}: {about}](benchmarks/{0}.svg)\n", long.name);
        }
        page.long(&text)?;
    }
    Ok(())
}

/// What a run amounts to.
#[derive(Debug)]
struct Found {
    lines: Vec<String>,
    void: Option<String>,
    svg: Option<String>,
}

fn once(bench: &Bench, ours: &Server, long: &Long) -> anyhow::Result<(String, Found)> {
    let text = fs::read_to_string(root().join(long.plan))
        .with_context(|| format!("{} cannot be read", long.plan))?;
    let plan = plan::derive(&text, ours.speech, bench.longest_s, Earlier::default())?;
    let mut running = Running::start(ours, &bench.place, &plan.rooms)?;
    let summary = bench.summary(&plan, &mut running, long.name)?;
    let found = found(&summary, running.empty_rss_mb, Sent::of(&plan), long, &plan.about)?;
    Ok((plan.about, found))
}

fn found(
    summary: &Value,
    empty_rss_mb: Option<f64>,
    sent: Sent,
    long: &Long,
    about: &str,
) -> anyhow::Result<Found> {
    let run = figures::read(summary, empty_rss_mb, sent)?;
    let rss = series(summary, "server_rss_mb");
    let fds = series(summary, "server_fds");
    let value = |figure: Figure| match figure {
        // A run that is void has no figures.
        _ if run.void.is_some() => None,
        Figure::Of(metric) => run.values.get(&metric).copied(),
        Figure::RssSlope => Line::through(settled(&rss)).map(|line| line.slope * 3_600.0),
        Figure::FdsGrowth => {
            // The least of each: what a compaction opens it closes again, and what leaks is there in every second.
            let settled = settled(&fds);
            let fifth = settled.len().div_ceil(5);
            let least = |part: &[(f64, f64)]| part.iter().map(|(_, count)| *count).reduce(f64::min);
            Some(least(&settled[settled.len() - fifth..])? - least(&settled[..fifth])?)
        }
    };
    let mut lines = Vec::new();
    for (figure, bar) in long.aims {
        let judgement = bar.judge(value(*figure).map(Spread::of), None, true);
        lines.push(format!(
            "| {} | {} | {} | {} |",
            figure.label(),
            bar.told(),
            judgement.told(),
            judgement.verdict
        ));
    }
    for figure in TOLD {
        if let Some(value) = value(*figure)
            && long.aims.iter().all(|(of, _)| of != figure)
        {
            lines.push(format!("| {} | | {} | |", figure.label(), number(value)));
        }
    }
    let graph = |title: &str, points: &[(f64, f64)], aim| Graph {
        title: title.to_owned(),
        below: "minutes".to_owned(),
        is_log: false,
        points: points
            .iter()
            .map(|(at_s, y)| Point {
                x: at_s / 60.0,
                y: *y,
                min: *y,
                max: *y,
            })
            .collect(),
        aim,
    };
    let bar = |figure: Figure| long.aims.iter().find(|(of, _)| *of == figure);
    let most_mb = bar(Figure::Of(Metric::RssMax)).and_then(|(_, bar)| bar.mark());
    let svg = (rss.len() > 1).then(|| {
        let graphs = [
            graph("memory, MB", &rss, most_mb),
            graph("descriptors", &fds, None),
        ];
        graph::svg(long.name, about, &graphs)
    });
    Ok(Found {
        lines,
        void: run.void,
        svg,
    })
}

impl Figure {
    fn label(self) -> String {
        match self {
            Figure::Of(metric) => format!("{}, {}", metric.label(), metric.unit()),
            Figure::RssSlope => "memory, slope when it has settled, MB/h".to_owned(),
            Figure::FdsGrowth => "descriptors, growth when it has settled, count".to_owned(),
        }
    }
}

/// One figure second by second, up to the end of the run: who leaves then tells nothing.
fn series(summary: &Value, name: &str) -> Vec<(f64, f64)> {
    let ran_s = summary.get("ran_s").and_then(Value::as_f64).unwrap_or(f64::MAX);
    let seconds = summary.get("seconds").and_then(Value::as_array);
    seconds
        .into_iter()
        .flatten()
        .filter_map(|second| Some((second.get("at_s")?.as_f64()?, second.get(name)?.as_f64()?)))
        .filter(|(at_s, _)| *at_s <= ran_s)
        .collect()
}

/// What is behind the first five minutes.
fn settled(series: &[(f64, f64)]) -> &[(f64, f64)] {
    let end_s = series.last().map_or(0.0, |(at_s, _)| *at_s);
    let from_s = SETTLES_S.min(end_s / 3.0);
    &series[series.partition_point(|(at_s, _)| *at_s < from_s)..]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn summary(rss_mb: impl Fn(f64) -> f64, fds: impl Fn(f64) -> u64) -> Value {
        let seconds: Vec<Value> = (1..=1_800)
            .map(|at| {
                let at_s = f64::from(at);
                json!({ "at_s": at_s, "vus": 72, "deliveries_per_s": 10.0, "server_cpu_share": 0.1,
                        "server_rss_mb": rss_mb(at_s), "server_fds": fds(at_s) })
            })
            .collect();
        json!({
            "ran_s": 1_790.0, "trends": {}, "gauges": {}, "errors": {}, "seconds": seconds,
            "counters": { "connections": 72, "reconnects": 0, "undelivered": 0, "diverged": 0 },
        })
    }

    fn judged(summary: &Value) -> Found {
        let sent = Sent {
            users: 72,
            rooms: 1,
            begins_s: 0.0,
        };
        found(summary, None, sent, &LONGS[1], "About.").expect("a summary")
    }

    #[test]
    fn what_grows_after_five_minutes_is_found_and_what_grows_before_is_not() {
        let settles = summary(
            |at_s| 20.0 + at_s.min(300.0) / 10.0,
            |at_s| {
                if at_s < 10.0 {
                    20
                } else {
                    90 + u64::from(at_s % 225.0 > 185.0)
                }
            },
        );
        let found = judged(&settles);
        assert!(
            found.lines.iter().take(3).all(|line| line.ends_with("| met |")),
            "{found:?}"
        );
        let leaks = summary(
            |at_s| 20.0 + at_s / 1_800.0,
            |at_s| 90 + u64::from(at_s > 1_000.0),
        );
        let found = judged(&leaks);
        assert!(found.lines[0].ends_with("| 2.00 | not met |"), "{found:?}");
        assert!(found.lines[1].ends_with("| 1.00 | not met |"), "{found:?}");
        assert!(found.svg.is_some_and(|svg| svg.contains("descriptors")));
    }

    #[test]
    fn a_void_run_meets_nothing() {
        let mut void = summary(|_| 20.0, |_| 90);
        void["counters"]["undelivered"] = json!(1);
        let found = judged(&void);
        assert_eq!(found.void.as_deref(), Some("undelivered 1"));
        assert!(
            found.lines.iter().all(|line| line.ends_with("| not met: void |")),
            "{found:?}"
        );
    }

    #[test]
    fn every_long_run_has_its_plan() {
        for long in LONGS {
            let text = fs::read_to_string(root().join(long.plan)).expect(long.plan);
            let speech = plan::Speech {
                dialect: "y-websocket",
                path: None,
                ahead: None,
            };
            let plan = plan::derive(&text, speech, Some(5.0), Earlier::default()).expect(long.plan);
            assert!(plan.users > 0 && !plan.about.is_empty());
        }
    }
}
