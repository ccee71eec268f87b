//! The runs: every server in turn, round by round, a line on the terminal for each.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, bail};

use super::figures::{self, Run, number};
use super::peers::Server;
use super::plan::{self, Plan};
use super::process::Running;
use super::suite::Row;
use crate::runner::command;
use crate::workspace::root;

/// How the suite is run.
#[derive(Debug)]
pub(crate) struct Bench<'a> {
    pub(crate) loadtest: &'a Path,
    /// Folder for data, plans and summaries.
    pub(crate) place: PathBuf,
    pub(crate) rounds: usize,
    /// Where scenarios are cut, in seconds.
    pub(crate) longest_s: Option<f64>,
}

/// What became of a row.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) row: &'static Row,
    pub(crate) about: String,
    /// The runs of each server, in the order of the servers.
    pub(crate) runs: Vec<Vec<Run>>,
}

impl Bench<'_> {
    /// All runs of a row.
    pub(crate) fn row(&self, row: &'static Row, servers: &[Server]) -> anyhow::Result<Outcome> {
        let text = fs::read_to_string(root().join(row.plan))
            .with_context(|| format!("{} cannot be read", row.plan))?;
        let mut runs = vec![Vec::new(); servers.len()];
        let mut about = String::new();
        for round in 0..self.rounds {
            // In turn, so that what else the machine does falls on all alike.
            for (server, runs) in servers.iter().zip(&mut runs) {
                if server.is_floor() && !row.has_floor {
                    continue;
                }
                let plan = plan::derive(&text, server.speech, self.longest_s)
                    .with_context(|| row.plan.to_owned())?;
                let run = self.once(row, server, &plan, round);
                // A peer that breaks down is a finding, not the end of the suite.
                let run = run.unwrap_or_else(|error| Run::failed(format!("{error:#}")));
                println!("{}", line(row, server.name, (round + 1, self.rounds), &run));
                runs.push(run);
                about = plan.about;
            }
        }
        Ok(Outcome { row, about, runs })
    }

    fn once(&self, row: &Row, server: &Server, plan: &Plan, round: usize) -> anyhow::Result<Run> {
        let mut running = Running::start(server, &self.place, &plan.rooms)?;
        let stem = format!("{}-{}-{}", row.name, slug(server.name), round + 1);
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
        let summary = serde_json::from_str(&text).context("the summary is not JSON")?;
        figures::read(&summary, running.empty_rss_mb, plan.users)
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
