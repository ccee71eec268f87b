//! The report: BENCHMARKS.md with a table and a plot for each row, and what is met of what is aimed at.

use std::fmt::Write as _;

use super::figures::{Metric, Run, Spread, number, spread};
use super::machine;
use super::peers::{FLOOR, Missing, Server};
use super::plot::{self, Bar, Panel};
use super::run::Outcome;
use crate::workspace::{root, target_dir};

/// All that is told.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    /// The command line that made it.
    pub(crate) command: String,
    pub(crate) is_quick: bool,
    /// The load average before the first run: whether somebody else was at work.
    pub(crate) load: String,
    pub(crate) rounds: usize,
    /// Roomtone first.
    pub(crate) servers: &'a [Server],
    pub(crate) missing: &'a [Missing],
    pub(crate) outcomes: Vec<Outcome>,
}

impl Report<'_> {
    /// The whole page.
    pub(crate) fn markdown(&self) -> String {
        let mut page = "# Benchmarks\n\n".to_owned();
        if self.is_quick {
            page.push_str("**A quick run: it shows that all works. Its figures are not to be quoted.**\n\n");
        }
        self.head(&mut page);
        self.aims(&mut page);
        for outcome in &self.outcomes {
            self.row(outcome, &mut page);
        }
        page.push_str("\n## Plots\n");
        for outcome in self
            .outcomes
            .iter()
            .filter(|outcome| self.plot(outcome).is_some())
        {
            let name = outcome.row.name;
            put(
                &mut page,
                format_args!("\n![{name}: {}](benchmarks/{name}.svg)\n", cell(&outcome.about)),
            );
        }
        page
    }

    fn head(&self, page: &mut String) {
        put(
            page,
            format_args!(
                "    {}\n\nMade on {} by the line above, on {}.\nBefore the first run the load average was {}. The load generator runs beside the server on the same machine, so latencies include the wait for a core.\n",
                self.command,
                machine::today(),
                machine::describe(),
                self.load,
            ),
        );
        page.push_str("\n| server | version | store |\n|---|---|---|\n");
        for server in self.servers {
            let (version, store) = (cell(&server.version), server.store);
            put(page, format_args!("| {} | {version} | {store} |\n", server.name));
        }
        if !self.missing.is_empty() {
            page.push_str("\nNot compared with, because it could not be installed:\n\n");
        }
        for peer in self.missing {
            put(page, format_args!("- {}: {}\n", peer.name, cell(&peer.why)));
        }
        put(
            page,
            format_args!(
                "
Each server runs with its normal settings, alone, started anew with an empty folder for every run. Rounds: {}; in each
every server ran once, one after the other, with the same seed. A cell is the median of the runs that count, with the
least and the most in brackets. CPU is that of the server's process tree as the operating system accounts for it. A run is void, and
counts nowhere, when an edit did not reach a reader, when two documents of a room differ at the end, or when somebody could
not connect. Presence that got lost voids nothing and is told below its table. CPU per delivered edit is taken from the
seconds in which everybody has been there for one; an edit that arrives at one reader is one delivery, and the cursor move that goes
with it is not counted. Memory growth is from the empty server. The ratio is Roomtone's median over the best peer's: below 1 is
better than every peer. y-sweet's rooms are made before anybody joins. [LOADTEST.md](LOADTEST.md) says how the load tester measures.
",
                self.rounds
            ),
        );
    }

    fn aims(&self, page: &mut String) {
        let mut lines = String::new();
        for outcome in &self.outcomes {
            for metric in outcome.row.metrics {
                let Some(aim) = outcome.row.aim(*metric) else {
                    continue;
                };
                let ours = self.spread(outcome, 0, *metric);
                let measured = ours.map_or("none".to_owned(), |ours| number(ours.median));
                put(
                    &mut lines,
                    format_args!(
                        "| {} | {}, {} | ≤ {aim} | {measured} | {} |\n",
                        outcome.row.name,
                        metric.label(),
                        metric.unit(),
                        verdict(aim, ours)
                    ),
                );
            }
        }
        if !lines.is_empty() {
            put(
                page,
                format_args!(
                    "\n## Aims\n\n| row | figure | aim | median | |\n|---|---|---|---|---|\n{lines}"
                ),
            );
        }
    }

    fn row(&self, outcome: &Outcome, page: &mut String) {
        let row = outcome.row;
        put(page, format_args!("\n## {}\n\n{}\n\n", row.name, outcome.about));
        let has_aim = row.metrics.iter().any(|metric| row.aim(*metric).is_some());
        let has_peers = self.servers.len() > 1;
        let aim_head = if has_aim { " aim |" } else { "" };
        let ratio_head = if has_peers { " ratio |" } else { "" };
        let names: Vec<&str> = self.servers.iter().map(|server| server.name).collect();
        put(
            page,
            format_args!("| |{aim_head} {} |{ratio_head}\n", names.join(" | ")),
        );
        let columns = 1 + usize::from(has_aim) + names.len() + usize::from(has_peers);
        put(page, format_args!("|{}\n", "---|".repeat(columns)));
        for metric in row.metrics {
            let spreads: Vec<Option<Spread>> = (0..names.len())
                .map(|server| self.spread(outcome, server, *metric))
                .collect();
            if spreads.iter().all(Option::is_none) {
                continue;
            }
            put(page, format_args!("| {}, {} |", metric.label(), metric.unit()));
            if has_aim {
                let aim = row.aim(*metric);
                let told = aim.map(|aim| format!("≤ {aim}: {}", verdict(aim, spreads[0])));
                put(page, format_args!(" {} |", told.unwrap_or_default()));
            }
            for one in &spreads {
                put(page, format_args!(" {} |", one.map_or("–".to_owned(), told)));
            }
            if has_peers {
                put(page, format_args!(" {} |", ratio(&spreads, &names)));
            }
            page.push('\n');
        }
        put(
            page,
            format_args!("| runs that count |{}", if has_aim { " |" } else { "" }),
        );
        for runs in &outcome.runs {
            let good = runs.iter().filter(|run| run.void.is_none()).count();
            let void = if good < runs.len() {
                ", **void** the others"
            } else {
                ""
            };
            put(page, format_args!(" {good} of {}{void} |", runs.len()));
        }
        page.push_str(if has_peers { " |\n" } else { "\n" });
        for (name, runs) in names.iter().zip(&outcome.runs) {
            notes(name, runs, page);
        }
    }

    /// The picture of a row. None where nothing counts.
    pub(crate) fn plot(&self, outcome: &Outcome) -> Option<String> {
        let panels: Vec<Panel> = outcome
            .row
            .plots
            .iter()
            .map(|metric| Panel {
                title: metric.label(),
                unit: metric.unit(),
                aim: outcome.row.aim(*metric),
                bars: self
                    .servers
                    .iter()
                    .enumerate()
                    .map(|(server, of)| Bar {
                        name: of.name,
                        spread: self.spread(outcome, server, *metric),
                    })
                    .collect(),
            })
            .filter(|panel| panel.bars.iter().any(|bar| bar.spread.is_some()))
            .collect();
        (!panels.is_empty()).then(|| plot::svg(outcome.row.name, &outcome.about, &panels))
    }

    fn spread(&self, outcome: &Outcome, server: usize, metric: Metric) -> Option<Spread> {
        spread(outcome.runs.get(server)?, metric)
    }
}

/// Why runs do not count, and whose latencies are the generator's.
fn notes(name: &str, runs: &[Run], page: &mut String) {
    let voids: Vec<String> = runs
        .iter()
        .filter_map(|run| run.void.as_deref())
        .map(cell)
        .collect();
    if !voids.is_empty() {
        put(page, format_args!("\n{name}, void: {}.\n", voids.join("; ")));
    }
    let lost: Vec<String> = runs
        .iter()
        .filter(|run| run.void.is_none() && run.presence_lost > 0)
        .map(|run| run.presence_lost.to_string())
        .collect();
    if !lost.is_empty() {
        put(
            page,
            format_args!(
                "\n{name}: in {} of {} runs last presence states never came ({}); its figures leave them out.\n",
                lost.len(),
                runs.len(),
                lost.join(", ")
            ),
        );
    }
    let bound = runs
        .iter()
        .filter(|run| run.void.is_none() && run.is_generator_bound)
        .count();
    if bound > 0 {
        put(
            page,
            format_args!(
                "\n{name}: in {bound} of {} runs the generator could not keep up; latencies are its own there.\n",
                runs.len()
            ),
        );
    }
}

fn verdict(aim: f64, ours: Option<Spread>) -> &'static str {
    match ours {
        Some(ours) if ours.median <= aim => "met",
        Some(_) => "not met",
        None => "not measured",
    }
}

fn told(spread: Spread) -> String {
    let (median, min, max) = (number(spread.median), number(spread.min), number(spread.max));
    // Of a single run there is no more to tell.
    if min == max {
        median
    } else {
        format!("{median} ({min}–{max})")
    }
}

/// Ours over the best peer's. What shrank, or is nothing, has no ratio.
fn ratio(spreads: &[Option<Spread>], names: &[&str]) -> String {
    let mut others: Vec<(f64, &str)> = spreads
        .iter()
        .zip(names)
        .skip(1)
        .filter_map(|(one, name)| Some(((*one)?.median, *name)))
        .collect();
    others.sort_by(|one, other| one.0.total_cmp(&other.0));
    let Some(ours) = spreads
        .first()
        .copied()
        .flatten()
        .filter(|ours| ours.median > 0.0)
    else {
        return "–".to_owned();
    };
    // The floor is no server that one could run: it is told by itself.
    let (floor, peers): (Vec<_>, Vec<_>) = others
        .iter()
        .filter(|(other, _)| *other > 0.0)
        .partition(|(_, name)| *name == FLOOR);
    let told: Vec<String> = peers
        .first()
        .into_iter()
        .chain(floor.first())
        .map(|(other, name)| format!("{} of {name}", number(ours.median / other)))
        .collect();
    if told.is_empty() {
        "–".to_owned()
    } else {
        told.join(", ")
    }
}

/// Text that fits into a table, without paths of this machine.
fn cell(text: &str) -> String {
    let text = text.replace(&target_dir().display().to_string(), "TARGET");
    let text = text.replace(&root().display().to_string(), ".");
    text.replace(['\n', '\r'], " ").replace('|', "/")
}

fn put(page: &mut String, text: std::fmt::Arguments) {
    // Writing to a string cannot fail.
    let _ = page.write_fmt(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(median: f64) -> Option<Spread> {
        Some(Spread {
            median,
            min: median,
            max: median,
        })
    }

    #[test]
    fn the_ratio_is_to_the_best_peer() {
        let names = ["Roomtone", "a", "b", "c"];
        assert_eq!(ratio(&[one(2.0), one(8.0), None, one(4.0)], &names), "0.50 of c");
        assert_eq!(ratio(&[one(2.0), None, None, None], &names), "–");
        assert_eq!(
            ratio(&[one(2.0), one(1.0), one(4.0)], &["Roomtone", FLOOR, "b"]),
            "0.50 of b, 2.00 of floor"
        );
        assert_eq!(ratio(&[None, one(8.0), None, None], &names), "–");
        assert_eq!(ratio(&[one(2.0), one(-1.0)], &names), "–");
    }

    #[test]
    fn aims_are_judged_truthfully() {
        assert_eq!(verdict(4.5, one(4.5)), "met");
        assert_eq!(verdict(4.5, one(4.51)), "not met");
        assert_eq!(verdict(4.5, None), "not measured");
    }

    #[test]
    fn cells_hold_no_bars_and_no_paths() {
        let path = root().join("x|y").display().to_string();
        assert_eq!(cell(&format!("{path}\nz")), "./x/y z");
    }

    #[test]
    fn a_page_tells_of_void_runs_and_of_peers_that_are_missing() {
        let outcome = Outcome {
            row: &super::super::suite::ROWS[0],
            about: "A room.".to_owned(),
            runs: Vec::new(),
        };
        let missing = [Missing {
            name: "y-sweet",
            why: "no compiler".to_owned(),
        }];
        let report = Report {
            command: "cargo xtask bench".to_owned(),
            is_quick: true,
            load: String::new(),
            rounds: 1,
            servers: &[],
            missing: &missing,
            outcomes: vec![outcome],
        };
        let page = report.markdown();
        for wanted in [
            "y-sweet: no compiler",
            "not measured",
            "A quick run",
            "## fanout-50",
        ] {
            assert!(page.contains(wanted), "{wanted}");
        }
        assert!(report.plot(&report.outcomes[0]).is_none());
        let mut text = String::new();
        notes("x", &[Run::failed("undelivered 3".to_owned())], &mut text);
        assert_eq!(text, "\nx, void: undelivered 3.\n");
    }
}
