//! The runs: every server in turn, round by round, a line on the terminal for each.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde_json::Value;

use super::figures::{self, Metric, Run, Sent, number};
use super::machine::rss_mb;
use super::peers::Server;
use super::plan::{self, Earlier, Plan};
use super::process::Running;
use super::suite::Row;
use crate::runner::command;
use crate::workspace::root;

/// A row that goes on with a server begins so long after the one before.
const FOLLOWS_AFTER: Duration = Duration::from_secs(2);

/// A server rests so long after a run before what it keeps is read.
const RESTS: Duration = Duration::from_secs(5);

/// How the suite is run.
#[derive(Debug)]
pub(crate) struct Bench<'a> {
    pub(crate) loadtest: &'a Path,
    /// Folder for data, plans and summaries.
    pub(crate) place: PathBuf,
    /// The session that is replayed.
    pub(crate) session: &'a Path,
    pub(crate) rounds: usize,
    /// Where scenarios are cut, in seconds.
    pub(crate) longest_s: Option<f64>,
}

/// What became of a row.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) row: &'static Row,
    pub(crate) about: String,
    /// The runs of each server, in the order of the servers. A peer that did not finish is not run again.
    pub(crate) runs: Vec<Vec<Run>>,
}

/// A server in the middle of a chain of rows.
#[derive(Default)]
struct Turn {
    running: Option<Running>,
    earlier: Earlier,
}

impl Bench<'_> {
    /// All runs of rows that follow each other.
    pub(crate) fn chain(&self, rows: &[&'static Row], servers: &[Server]) -> anyhow::Result<Vec<Outcome>> {
        let mut outcomes = Vec::new();
        for row in rows {
            outcomes.push(Outcome {
                row,
                about: self.plan(row.plan, &servers[0], Earlier::default())?.about,
                runs: vec![Vec::new(); servers.len()],
            });
        }
        for round in 0..self.rounds {
            // In turn, so that what else the machine does falls on all alike.
            for (place, server) in servers.iter().enumerate() {
                let mut turn = Turn::default();
                let mut stopped: Option<Run> = None;
                for outcome in &mut outcomes {
                    let row = outcome.row;
                    let runs = &mut outcome.runs[place];
                    if row.is_ours_alone && place > 0 || server.is_floor() && !row.has_floor {
                        continue;
                    }
                    if place > 0 && runs.iter().any(|run| run.is_hopeless) {
                        // What the first row writes the others need; without the others one can do.
                        if row.follows {
                            continue;
                        }
                        break;
                    }
                    if let Some(stopped) = &stopped {
                        runs.push(stopped.clone());
                        continue;
                    }
                    let began = Instant::now();
                    // A peer that breaks down is a finding, not the end of the suite.
                    let run = self
                        .step(row, server, round, &mut turn)
                        .unwrap_or_else(|error| Run::failed(format!("{error:#}")));
                    let took_s = began.elapsed().as_secs_f64();
                    println!(
                        "{}  ({took_s:.0} s)",
                        line(row, server.name, (round + 1, self.rounds), &run)
                    );
                    if !row.follows {
                        stopped = run.void.as_ref().map(|void| Run {
                            is_hopeless: run.is_hopeless,
                            ..Run::failed(format!("{} before it: {void}", row.name))
                        });
                    }
                    runs.push(run);
                }
            }
        }
        Ok(outcomes)
    }

    /// One row on one server: started, filled and started again as the row wants it.
    fn step(&self, row: &Row, server: &Server, round: usize, turn: &mut Turn) -> anyhow::Result<Run> {
        let stem = format!("{}-{}-{}", row.name, slug(server.name), round + 1);
        if !row.follows {
            // The one before first ends, then the next begins.
            *turn = Turn::default();
            let mut rooms = Vec::new();
            for path in row.plans() {
                rooms.extend(self.plan(path, server, Earlier::default())?.rooms);
            }
            turn.running = Some(Running::start(server, &self.place, &rooms)?);
        }
        let running = turn
            .running
            .as_mut()
            .context("there is no server to go on with")?;
        if let Some(fill) = row.fill {
            let plan = self.plan(fill, server, turn.earlier)?;
            let run = self.measure(&plan, running, &format!("{stem}-fill"))?;
            if let Some(void) = run.void {
                bail!("what was to be there could not be written: {void}");
            }
            turn.earlier = after(turn.earlier, &run, &plan);
        }
        if row.restarts {
            running.restart(server)?;
        } else if row.follows {
            // What the row before has left undone is not this one's.
            sleep(FOLLOWS_AFTER);
        }
        let plan = self.plan(row.plan, server, turn.earlier)?;
        let mut run = self.measure(&plan, running, &stem)?;
        if row.metrics.contains(&Metric::RssAfter) {
            sleep(RESTS);
            if let Some(rss_mb) = rss_mb(running.pid()) {
                run.values.insert(Metric::RssAfter, rss_mb);
            }
        }
        turn.earlier = after(turn.earlier, &run, &plan);
        Ok(run)
    }

    fn plan(&self, path: &str, server: &Server, earlier: Earlier) -> anyhow::Result<Plan> {
        let text = fs::read_to_string(root().join(path)).with_context(|| format!("{path} cannot be read"))?;
        plan::derive(&text, server.speech, self.longest_s, earlier).with_context(|| path.to_owned())
    }

    /// Runs a plan and reads what it gave.
    pub(crate) fn measure(&self, plan: &Plan, running: &mut Running, stem: &str) -> anyhow::Result<Run> {
        let summary = self.summary(plan, running, stem)?;
        figures::read(&summary, running.empty_rss_mb, Sent::of(plan))
    }

    /// Runs a plan.
    pub(crate) fn summary(&self, plan: &Plan, running: &mut Running, stem: &str) -> anyhow::Result<Value> {
        let file = |ending: &str| self.place.join(format!("{stem}.{ending}"));
        let (plan_file, json) = (file("toml"), file("json"));
        fs::write(&plan_file, &plan.text)
            .with_context(|| format!("{} cannot be written", plan_file.display()))?;
        // A summary that an earlier suite left must not be taken for this one's.
        let _ = fs::remove_file(&json);
        let output = command(&self.loadtest.to_string_lossy(), &["run"], &self.place)
            .arg(&plan_file)
            .args(["--target", &format!("ws://127.0.0.1:{}", running.port)])
            .args(["--pid", &running.pid().to_string(), "--quiet", "--json"])
            .arg(&json)
            .arg("--trace")
            .arg(self.session)
            .stdout(Stdio::null())
            .output()
            .context("the load tester cannot be started")?;
        if running.is_gone() {
            bail!("the server ended during the run: {}", running.last_words());
        }
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("the load tester: {}", said.lines().last().unwrap_or_default());
        }
        let text = fs::read_to_string(&json).context("the load tester left no summary")?;
        serde_json::from_str(&text).context("the summary is not JSON")
    }
}

/// What is there after one more run: plans that write do so evenly over their rooms.
fn after(earlier: Earlier, run: &Run, plan: &Plan) -> Earlier {
    Earlier {
        plans_count: earlier.plans_count + 1,
        clocks_per_room: earlier.clocks_per_room + run.clocks / plan.rooms.len().max(1) as u64,
    }
}

/// One run on the terminal.
fn line(row: &Row, server: &str, (round, rounds): (usize, usize), run: &Run) -> String {
    let mut line = format!("{:<16} {round:>2}/{rounds}  {server:<21}", row.name);
    for metric in row.metrics {
        let value = run
            .values
            .get(metric)
            .map_or("-".to_owned(), |value| number(*value));
        line.push_str(&format!("  {} {value:>6} {:<2}", metric.short(), metric.unit()));
    }
    if run.is_generator_bound {
        line.push_str(&format!("  generator at {:.0} %", run.generator_share * 100.0));
    }
    if run.presence_lost > 0 {
        line.push_str(&format!("  presence lost {}", run.presence_lost));
    }
    if let Some(void) = &run.void {
        line.push_str(&format!("  VOID: {void}"));
    }
    line
}

/// A name as part of a file's.
fn slug(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric());
    let words: Vec<String> = words
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    words.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_row_are_aligned_and_say_what_is_void() {
        let row = &super::super::suite::ROWS[0];
        let mut good = Run::default();
        good.values
            .extend(row.metrics.iter().map(|metric| (*metric, 12.34)));
        let good = line(row, "Roomtone", (1, 5), &good);
        let bad = line(
            row,
            "y-websocket + LevelDB",
            (10, 10),
            &Run::failed("undelivered 3".to_owned()),
        );
        assert_eq!(good.find("  p50"), bad.find("  p50").map(|at| at - 1));
        assert!(bad.ends_with("VOID: undelivered 3"));
    }

    #[test]
    fn names_become_parts_of_files() {
        assert_eq!(slug("y-websocket + LevelDB"), "y-websocket-leveldb");
    }
}
