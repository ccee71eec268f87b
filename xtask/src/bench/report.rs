//! The report: BENCHMARKS.md with a table and a plot for each row, and what is met of what is aimed at.

use std::fmt::Write as _;

use super::aims::{self, Aim, Bar, Judgement};
use super::figures::{Metric, Run, Spread, number, spread};
use super::machine;
use super::peers::{FLOOR, Missing, OURS, Server};
use super::plot::{self, Panel};
use super::run::Outcome;
use super::scaling::Curve;
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
    /// What is replayed, in a sentence.
    pub(crate) session: &'a str,
    pub(crate) curves: Vec<Curve>,
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
        for curve in &self.curves {
            page.push_str(&curve.section());
        }
        if self.outcomes.iter().any(|outcome| self.plot(outcome).is_some()) {
            page.push_str("\n## Plots\n");
        }
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
with it is not counted. Memory growth is from the empty server, or from the one that was started again; once all are there: from
the first second in which they are, which for the slow reader is about when it stops. Somebody has the document when
all of it is there, whatever the server calls synced; the time is counted from when one was to come. A peer that waited in vain for what
never came did not finish, and is left out of the later rounds. The ratio is Roomtone's median over the best peer's: below 1 is
better than every peer, and in rates above 1. y-sweet's rooms are made before anybody joins. [LOADTEST.md](LOADTEST.md) says how the load
tester measures.

{} Meanwhile 2,000 edits may be on their way, with Hocuspocus 200: with more it does a tenth. A server whose store
is behind what it relayed, and which does not wait for it, gets three seconds before it is stopped.
",
                self.rounds, self.session
            ),
        );
    }

    fn aims(&self, page: &mut String) {
        let mut lines = String::new();
        for outcome in &self.outcomes {
            let aims = outcome
                .row
                .metrics
                .iter()
                .flat_map(|metric| outcome.row.aims(*metric));
            for aim in aims {
                let judgement = self.judge(outcome, aim);
                let is_ratio = aim.bar.mark().is_none();
                let unit = if is_ratio { "ratio" } else { aim.metric.unit() };
                put(
                    &mut lines,
                    format_args!(
                        "| {} | {}, {unit} | {} | {} | {} |\n",
                        outcome.row.name,
                        aim.metric.label(),
                        aim.bar.told(),
                        judgement.told(),
                        judgement.verdict
                    ),
                );
            }
        }
        for curve in &self.curves {
            lines.push_str(&curve.aims());
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

    fn judge(&self, outcome: &Outcome, aim: &Aim) -> Judgement {
        let spreads = self.spreads(outcome, aim.metric);
        let names = self.names();
        let other = match aim.bar {
            Bar::Most(_) | Bar::Least(_) => None,
            Bar::OfFloor(_) => aims::floor(&spreads, &names),
            Bar::OfBestPeer(_) => aims::best_peer(aim.metric, &spreads, &names).map(|(median, _)| median),
            Bar::OfRow(row, _) => {
                let other = self.outcomes.iter().find(|outcome| outcome.row.name == row);
                other
                    .and_then(|other| self.spread(other, 0, aim.metric))
                    .map(|spread| spread.median)
            }
        };
        let has_run = outcome.runs.first().is_some_and(|runs| !runs.is_empty());
        aim.bar.judge(spreads.first().copied().flatten(), other, has_run)
    }

    fn row(&self, outcome: &Outcome, page: &mut String) {
        let row = outcome.row;
        put(page, format_args!("\n## {}\n\n{}\n\n", row.name, outcome.about));
        let has_aim = row
            .metrics
            .iter()
            .any(|metric| row.aims(*metric).next().is_some());
        // Who does not run the row has no column.
        let columns: Vec<usize> = (0..self.servers.len())
            .filter(|server| outcome.runs.get(*server).is_some_and(|runs| !runs.is_empty()))
            .collect();
        let has_peers = columns.len() > 1;
        let aim_head = if has_aim { " aim |" } else { "" };
        let ratio_head = if has_peers { " ratio |" } else { "" };
        let names = self.names();
        let heads: Vec<&str> = columns.iter().map(|server| names[*server]).collect();
        put(
            page,
            format_args!("| |{aim_head} {} |{ratio_head}\n", heads.join(" | ")),
        );
        let count = 1 + usize::from(has_aim) + heads.len() + usize::from(has_peers);
        put(page, format_args!("|{}\n", "---|".repeat(count)));
        for metric in row.metrics {
            let spreads = self.spreads(outcome, *metric);
            if spreads.iter().all(Option::is_none) {
                continue;
            }
            put(page, format_args!("| {}, {} |", metric.label(), metric.unit()));
            if has_aim {
                let told: Vec<String> = row
                    .aims(*metric)
                    .map(|aim| format!("{}: {}", aim.bar.told(), self.judge(outcome, aim).verdict))
                    .collect();
                put(page, format_args!(" {} |", told.join("; ")));
            }
            for server in &columns {
                put(
                    page,
                    format_args!(" {} |", spreads[*server].map_or("–".to_owned(), told)),
                );
            }
            if has_peers {
                put(page, format_args!(" {} |", ratio(*metric, &spreads, &names)));
            }
            page.push('\n');
        }
        put(
            page,
            format_args!("| runs that count |{}", if has_aim { " |" } else { "" }),
        );
        for server in &columns {
            put(page, format_args!(" {} |", counted(&outcome.runs[*server])));
        }
        page.push_str(if has_peers { " |\n" } else { "\n" });
        for server in columns {
            notes(names[server], &outcome.runs[server], page);
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
                aim: outcome.row.mark(*metric),
                is_better_higher: metric.is_better_higher(),
                bars: self
                    .servers
                    .iter()
                    .enumerate()
                    .filter(|(server, _)| outcome.runs.get(*server).is_some_and(|runs| !runs.is_empty()))
                    .map(|(server, of)| plot::Bar {
                        name: of.name,
                        spread: self.spread(outcome, server, *metric),
                    })
                    .collect(),
            })
            .filter(|panel| panel.bars.iter().any(|bar| bar.spread.is_some()))
            .collect();
        (!panels.is_empty()).then(|| plot::svg(outcome.row.name, &outcome.about, &panels))
    }

    fn names(&self) -> Vec<&'static str> {
        self.servers.iter().map(|server| server.name).collect()
    }

    fn spread(&self, outcome: &Outcome, server: usize, metric: Metric) -> Option<Spread> {
        spread(outcome.runs.get(server)?, metric)
    }

    fn spreads(&self, outcome: &Outcome, metric: Metric) -> Vec<Option<Spread>> {
        (0..self.servers.len())
            .map(|server| self.spread(outcome, server, metric))
            .collect()
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
        let is_left_out = runs.iter().any(|run| run.is_hopeless);
        let rest = if is_left_out && name != OURS {
            ", and it was not run again"
        } else {
            ""
        };
        put(
            page,
            format_args!("\n{name}, void: {}{rest}.\n", voids.join("; ")),
        );
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

/// How many runs count, and what became of the others.
fn counted(runs: &[Run]) -> String {
    let good = runs.iter().filter(|run| run.void.is_none()).count();
    let rest = if runs.iter().any(|run| run.is_hopeless) {
        ", **did not finish**"
    } else if good < runs.len() {
        ", **void** the others"
    } else {
        ""
    };
    format!("{good} of {}{rest}", runs.len())
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
fn ratio(metric: Metric, spreads: &[Option<Spread>], names: &[&str]) -> String {
    let ours = spreads.first().copied().flatten().map(|ours| ours.median);
    let Some(ours) = ours.filter(|ours| *ours > 0.0) else {
        return "–".to_owned();
    };
    // The floor is no server that one could run: it is told by itself.
    let floor = aims::floor(spreads, names).map(|median| (median, FLOOR));
    let told: Vec<String> = aims::best_peer(metric, spreads, names)
        .into_iter()
        .chain(floor)
        .map(|(other, name)| format!("{} of {name}", number(ours / other)))
        .collect();
    if told.is_empty() {
        "–".to_owned()
    } else {
        told.join(", ")
    }
}

/// Text that fits into a table, without paths of this machine.
pub(crate) fn cell(text: &str) -> String {
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

    const CPU: Metric = Metric::CpuPerEdit;

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
        assert_eq!(
            ratio(CPU, &[one(2.0), one(8.0), None, one(4.0)], &names),
            "0.50 of c"
        );
        assert_eq!(ratio(CPU, &[one(2.0), None, None, None], &names), "–");
        assert_eq!(
            ratio(CPU, &[one(2.0), one(1.0), one(4.0)], &["Roomtone", FLOOR, "b"]),
            "0.50 of b, 2.00 of floor"
        );
        assert_eq!(ratio(CPU, &[None, one(8.0), None, None], &names), "–");
        assert_eq!(ratio(CPU, &[one(2.0), one(-1.0)], &names), "–");
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
            session: "A session.",
            curves: Vec::new(),
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

    #[test]
    fn who_did_not_finish_is_told_so_and_not_run_again() {
        let hopeless = Run {
            is_hopeless: true,
            ..Run::failed("did not finish".to_owned())
        };
        assert_eq!(counted(&[hopeless]), "0 of 1, **did not finish**");
        assert_eq!(
            counted(&[Run::default(), Run::failed("diverged 1".to_owned())]),
            "1 of 2, **void** the others"
        );
        assert_eq!(counted(&[Run::default()]), "1 of 1");
    }
}
