//! How cost goes with size: more rooms, and more people in one room.

use std::fmt::Write as _;

use anyhow::Context as _;

use super::aims::Bar;
use super::figures::{Metric, Run, Spread, number, spread, spread_of};
use super::graph::{self, Graph, Point};
use super::line::Line;
use super::peers::Server;
use super::plan::{self, Earlier};
use super::process::Running;
use super::run::Bench;

/// What grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grows {
    Rooms,
    Members,
}

/// One figure over sizes.
#[derive(Debug)]
pub(crate) struct Curve {
    pub(crate) grows: Grows,
    /// Size, and its runs.
    sizes: Vec<(u32, Vec<Run>)>,
}

/// As `--only` names it.
pub(crate) const NAME: &str = "scaling";
/// Edits a second of all rooms together.
const EDITS_PER_S: f64 = 300.0;
/// Most over least of what is to be flat.
const FLAT_RATIO_MAX: f64 = 1.15;
/// How far memory may be off a straight line, as a share of the most.
const OFF_SHARE_MAX: f64 = 0.1;
/// So many edits a room has had, on average, before it is measured: one in 150 has had none by then.
const EDITS_BEFORE: f64 = 5.0;

impl Grows {
    /// Both.
    pub(crate) const ALL: [Grows; 2] = [Grows::Rooms, Grows::Members];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Grows::Rooms => "scaling-rooms",
            Grows::Members => "scaling-members",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Grows::Rooms => "rooms",
            Grows::Members => "members",
        }
    }

    fn sizes(self) -> &'static [u32] {
        match self {
            Grows::Rooms => &[10, 30, 100, 300, 1_000],
            Grows::Members => &[10, 50, 100, 200, 500],
        }
    }

    /// What is held, and why.
    fn about(self) -> &'static str {
        match self {
            // Were it the rate of each room that is held, 1,000 rooms would share their commits and 10 would not: that
            // shows what load saves, not what rooms cost.
            Grows::Rooms => {
                "10 to 1,000 rooms of four people, one of them types: 300 edits a second in all rooms together are held, few enough that no room merges them, so that only the number of rooms differs. Measured is what a room costs that has been written to: the first edit of all makes the document."
            }
            Grows::Members => {
                "One room of 10 to 500 people, five of them type four times a second: what is written is held, so that only the number of those who listen differs."
            }
        }
    }

    /// The plan for one size.
    fn plan(self, size: u32) -> String {
        let (writers, rooms, readers, per_s) = match self {
            Grows::Rooms => (size, size, 3 * size, EDITS_PER_S / f64::from(size)),
            Grows::Members => (5, 1, size - 5, 4.0),
        };
        let join_over_s = if writers + readers > 1_000 { 3 } else { 1 };
        let warmup_s = join_over_s + (EDITS_BEFORE / per_s).ceil() as u32;
        let duration_s = warmup_s + 8;
        let crowd = |name: &str, vus: u32, actions: &str| {
            format!(
                "[[scenario]]\nname = \"{name}\"\nroom = \"scale-{{n}}\"\nrooms = {rooms}\n\
                 executor = {{ kind = \"constant-vus\", vus = {vus}, duration_s = {duration_s}, join_over_s = {join_over_s} }}\n{actions}"
            )
        };
        format!(
            "name = \"{}-{size}\"\nabout = \"{}\"\nwarmup_s = {warmup_s}\n{}{}",
            self.name(),
            self.about(),
            crowd("readers", readers, ""),
            crowd(
                "writers",
                writers,
                &format!("actions = [{{ kind = \"typing\", per_s = {per_s} }}]\n")
            ),
        )
    }
}

/// Runs all sizes in turn.
pub(crate) fn run(bench: &Bench, ours: &Server) -> anyhow::Result<Vec<Curve>> {
    let mut curves: Vec<Curve> = Grows::ALL
        .into_iter()
        .map(|grows| Curve {
            grows,
            sizes: grows.sizes().iter().map(|size| (*size, Vec::new())).collect(),
        })
        .collect();
    let rounds = bench.rounds;
    for round in 1..=rounds {
        for curve in &mut curves {
            for (size, runs) in &mut curve.sizes {
                let stem = format!("{}-{size}-{round}", curve.grows.name());
                let run = once(bench, ours, &curve.grows.plan(*size), &stem)
                    .unwrap_or_else(|error| Run::failed(format!("{error:#}")));
                let value = |metric| {
                    run.values
                        .get(&metric)
                        .map_or("-".to_owned(), |value| number(*value))
                };
                println!(
                    "{:<16} {round:>2}/{rounds}  {size:>5}  cpu {:>6} µs  + {:>6} MB  {}",
                    curve.grows.name(),
                    value(Metric::CpuPerEdit),
                    value(Metric::RssGrowth),
                    run.void.as_deref().unwrap_or_default()
                );
                runs.push(run);
            }
        }
    }
    Ok(curves)
}

fn once(bench: &Bench, ours: &Server, text: &str, stem: &str) -> anyhow::Result<Run> {
    let plan =
        plan::derive(text, ours.speech, bench.longest_s, Earlier::default()).context("a plan of scaling")?;
    let mut running = Running::start(ours, &bench.place, &plan.rooms)?;
    bench.measure(&plan, &mut running, stem)
}

impl Curve {
    fn spreads(&self, metric: Metric) -> Vec<(u32, Option<Spread>)> {
        self.sizes
            .iter()
            .map(|(size, runs)| (*size, spread(runs, metric)))
            .collect()
    }

    /// Medians, where every size has one.
    fn medians(&self, metric: Metric) -> Option<Vec<(f64, f64)>> {
        self.spreads(metric)
            .into_iter()
            .map(|(size, spread)| Some((f64::from(size), spread?.median)))
            .collect()
    }

    /// Medians over the rounds in which every size counts, each round brought to the same mean: the machine is faster in one
    /// than in another, which would bend a curve through the medians of what was measured.
    fn shape(&self, metric: Metric) -> Option<Vec<(f64, f64)>> {
        let length = self.sizes.iter().map(|(_, runs)| runs.len()).min()?;
        let rounds: Vec<Vec<f64>> = (0..length)
            .filter_map(|round| {
                let values = self.sizes.iter().map(|(_, runs)| runs[round].counting(metric));
                values.collect()
            })
            .collect();
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let means: Vec<f64> = rounds.iter().map(|values| mean(values)).collect();
        let points = self.sizes.iter().enumerate().map(|(place, (size, _))| {
            let level = rounds.iter().zip(&means);
            let level = level.map(|(values, own)| values[place] * (mean(&means) / own));
            Some((f64::from(*size), spread_of(level.collect())?.median))
        });
        points.collect()
    }

    /// What is aimed at, as lines of the table of aims.
    pub(crate) fn aims(&self) -> String {
        let mut lines = String::new();
        let mut line = |figure: &str, bar: Bar, value: Option<f64>| {
            let judgement = bar.judge(value.map(Spread::of), None, true);
            let _ = writeln!(
                lines,
                "| {} | {figure} | {} | {} | {} |",
                self.grows.name(),
                bar.told(),
                judgement.told(),
                judgement.verdict
            );
        };
        let cpu = self.shape(Metric::CpuPerEdit);
        match self.grows {
            Grows::Rooms => line(
                "CPU per delivered edit, most over least",
                Bar::Most(FLAT_RATIO_MAX),
                cpu.as_deref().and_then(most_over_least),
            ),
            Grows::Members => line(
                "CPU per delivered edit, steepest step: a size over the one before",
                Bar::Most(1.0),
                cpu.as_deref().and_then(steepest_step),
            ),
        }
        let memory = self.medians(Metric::RssGrowth);
        line(
            "memory, growth: farthest from a straight line, share of the most",
            Bar::Most(OFF_SHARE_MAX),
            memory.and_then(|points| Line::through(&points)?.worst_share(&points)),
        );
        lines
    }

    /// Its part of the page.
    pub(crate) fn section(&self) -> String {
        let mut text = format!("\n## {}\n\n{}\n\n", self.grows.name(), self.grows.about());
        let word = self.grows.word();
        let _ = write!(
            text,
            "| {word} | CPU per delivered edit, µs | delivery, p99, ms | memory, growth, MB | runs that count |\n|---|---|---|---|---|\n"
        );
        for (size, runs) in &self.sizes {
            let cell = |metric| spread(runs, metric).map_or("–".to_owned(), |spread| number(spread.median));
            let _ = writeln!(
                text,
                "| {size} | {} | {} | {} | {} of {} |",
                cell(Metric::CpuPerEdit),
                cell(Metric::DeliveryP99),
                cell(Metric::RssGrowth),
                runs.iter().filter(|run| run.void.is_none()).count(),
                runs.len()
            );
        }
        if let Some(line) = self
            .medians(Metric::RssGrowth)
            .and_then(|points| Line::through(&points))
        {
            let _ = write!(
                text,
                "\nOne more {} takes {} KB of memory.\n",
                word.trim_end_matches('s'),
                number(line.slope * 1_024.0)
            );
        }
        let _ = write!(text, "\n![{0}](benchmarks/{0}.svg)\n", self.grows.name());
        text
    }

    /// The picture.
    pub(crate) fn svg(&self) -> String {
        let graph = |metric: Metric, is_log| Graph {
            title: format!("{}, {}", metric.label(), metric.unit()),
            below: self.grows.word().to_owned(),
            is_log,
            points: self
                .spreads(metric)
                .into_iter()
                .filter_map(|(size, spread)| {
                    spread.map(|spread| Point {
                        x: f64::from(size),
                        y: spread.median,
                        min: spread.min,
                        max: spread.max,
                    })
                })
                .collect(),
            aim: None,
        };
        // What is to be a straight line has to be drawn on a straight axis.
        let graphs = [graph(Metric::CpuPerEdit, true), graph(Metric::RssGrowth, false)];
        graph::svg(self.grows.name(), self.grows.about(), &graphs)
    }
}

fn most_over_least(points: &[(f64, f64)]) -> Option<f64> {
    let values = || points.iter().map(|(_, value)| *value);
    let (most, least) = (
        values().fold(f64::MIN, f64::max),
        values().fold(f64::MAX, f64::min),
    );
    (least > 0.0).then(|| most / least)
}

fn steepest_step(points: &[(f64, f64)]) -> Option<f64> {
    points
        .windows(2)
        .map(|pair| (pair[0].1 > 0.0).then(|| pair[1].1 / pair[0].1))
        .collect::<Option<Vec<f64>>>()?
        .into_iter()
        .reduce(f64::max)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::bench::plan::Speech;

    fn curve(grows: Grows, figures: &[(u32, f64, f64)]) -> Curve {
        let run = |cpu, memory| Run {
            values: BTreeMap::from([(Metric::CpuPerEdit, cpu), (Metric::RssGrowth, memory)]),
            ..Run::default()
        };
        Curve {
            grows,
            sizes: figures
                .iter()
                .map(|(size, cpu, memory)| (*size, vec![run(*cpu, *memory)]))
                .collect(),
        }
    }

    fn verdicts(curve: &Curve) -> Vec<String> {
        let lines = curve.aims();
        let last = |line: &str| line.trim_end_matches(" |").rsplit("| ").next().map(str::to_owned);
        lines.lines().filter_map(last).collect()
    }

    #[test]
    fn every_size_has_a_plan_of_so_many_people() {
        let speech = Speech {
            dialect: "y-websocket",
            path: None,
            ahead: None,
        };
        for grows in Grows::ALL {
            for size in grows.sizes() {
                let plan =
                    plan::derive(&grows.plan(*size), speech, None, Earlier::default()).expect("a plan");
                let (users, rooms) = match grows {
                    Grows::Rooms => (4 * size, *size),
                    Grows::Members => (*size, 1),
                };
                assert_eq!((plan.users, plan.rooms.len()), (users as usize, rooms as usize));
            }
        }
    }

    #[test]
    fn flat_and_falling_and_straight_are_judged() {
        let good = curve(
            Grows::Rooms,
            &[(10, 10.0, 1.0), (100, 11.0, 10.0), (1_000, 11.5, 100.0)],
        );
        assert_eq!(verdicts(&good), ["met", "met"]);
        let bad = curve(
            Grows::Rooms,
            &[(10, 10.0, 1.0), (100, 11.6, 90.0), (1_000, 10.0, 100.0)],
        );
        assert_eq!(verdicts(&bad), ["not met", "not met"]);
        let falls = curve(
            Grows::Members,
            &[(10, 10.0, 1.0), (50, 6.0, 5.0), (500, 2.0, 50.0)],
        );
        assert_eq!(verdicts(&falls), ["met", "met"]);
        let rises = curve(
            Grows::Members,
            &[(10, 10.0, 1.0), (50, 2.0, 5.0), (500, 2.1, 50.0)],
        );
        assert_eq!(verdicts(&rises)[0], "not met");
    }

    #[test]
    fn a_slow_round_does_not_bend_a_curve() {
        let mut curve = curve(Grows::Rooms, &[(10, 10.0, 1.0), (100, 10.0, 10.0)]);
        let slower = |run: &Run| {
            let mut run = run.clone();
            run.values.insert(Metric::CpuPerEdit, 20.0);
            run
        };
        for (_, runs) in &mut curve.sizes {
            runs.push(slower(&runs[0]));
            runs.push(slower(&runs[0]));
        }
        // One size is left with the fast round and a slow one, the other with slow ones: its medians differ by a third.
        curve.sizes[0].1[1] = Run::failed("undelivered 3".to_owned());
        assert_eq!(verdicts(&curve)[0], "met");
    }

    #[test]
    fn a_size_without_a_run_that_counts_meets_nothing() {
        let mut curve = curve(Grows::Rooms, &[(10, 10.0, 1.0), (100, 11.0, 10.0)]);
        curve.sizes[1].1 = vec![Run::failed("undelivered 3".to_owned())];
        assert_eq!(verdicts(&curve), ["not met: void", "not met: void"]);
        assert!(curve.section().contains("| 100 | – | – | – | 0 of 1 |"));
        assert!(curve.svg().contains("scaling-rooms"));
    }
}
