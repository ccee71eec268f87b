//! What can be typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// A k6-style load tester for any Yjs server: scenarios, virtual users of every dialect, thresholds, reports.
///
/// Every edit is matched from the writer's send to each reader's receive; what never arrives is counted.
#[derive(Parser, Debug)]
#[command(name = "roomtone-loadtest", version, max_term_width = 100)]
#[command(
    after_help = "Start with:  roomtone-loadtest run fanout --target ws://127.0.0.1:4000\n\
Exit codes:  0 all well, 99 a threshold is crossed, 1 the run failed, 2 the command line or the file is wrong"
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Run a scenario file, or a shipped one by its name.
    Run(Box<RunArgs>),
    /// Check a scenario file without running it.
    Validate {
        /// The file, or the name of a shipped one.
        scenario: String,
    },
    /// List the shipped scenarios.
    List,
    /// Print a shipped scenario, to begin a file of one's own.
    Print {
        /// Its name.
        name: String,
    },
    /// Compare the JSON summaries of two runs.
    Compare {
        /// What to compare with: the base of every ratio.
        base: PathBuf,
        /// The run to judge.
        other: PathBuf,
    },
}

/// How to run.
#[derive(Args, Debug)]
pub struct RunArgs {
    /// The file, or the name of a shipped one.
    pub scenario: String,
    /// Where the server listens, as ws://host:port; before the file's own `[target] url`.
    #[arg(long, value_name = "URL")]
    pub target: Option<String>,
    /// A second server: both are run in turn, pair by pair, and compared by medians.
    #[arg(long, value_name = "URL")]
    pub vs: Option<String>,
    /// How many pairs.
    #[arg(long, default_value_t = 5, value_name = "N", requires = "vs")]
    pub pairs: usize,
    /// Process whose CPU, memory and descriptors are measured, with its children.
    #[arg(long, value_name = "PID")]
    pub pid: Option<i32>,
    /// The same, of the server that `--vs` names.
    #[arg(long, value_name = "PID", requires = "vs")]
    pub vs_pid: Option<i32>,
    /// Command that starts the server: measured as `--pid`, ended with the run. Split at blanks.
    #[arg(long, value_name = "COMMAND", conflicts_with = "pid")]
    pub spawn: Option<String>,
    /// Seed of everything that is drawn; before the file's own.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Editing trace for scenarios that replay one: JSON or .json.gz of the collection josephg/editing-traces.
    #[arg(long, value_name = "FILE", env = "ROOMTONE_TRACE")]
    pub trace: Option<PathBuf>,
    /// Write the summary with its series as JSON.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write a self-contained HTML report with plots.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Say nothing while it runs.
    #[arg(long)]
    pub quiet: bool,
}
