//! `cargo xtask bench`: load-test plans against Roomtone and its peers, in turn; and the crates' own benches.

mod aims;
mod figures;
mod graph;
mod line;
mod long;
mod machine;
mod micro;
mod page;
mod peers;
mod plan;
mod plot;
mod process;
mod report;
mod run;
mod scaling;
mod suite;
mod svg;
mod trace;

use std::path::PathBuf;

use anyhow::ensure;

use crate::runner::{command, run as run_command};
use crate::workspace::{claim_target, root, target_dir};
use page::Page;
use report::Report;
use run::Bench;
use suite::{ROWS, Row};

/// A quick run cuts scenarios to this.
const QUICK_S: f64 = 5.0;

/// Which benches.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(
    after_help = "Five rounds of the whole suite with peers take about an hour, the long runs 45 minutes; leave the machine alone meanwhile.\n\
Start with:  cargo xtask bench --quick --only fanout-50"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: Option<What>,
    /// Run the peers too: y-websocket with and without LevelDB, Hocuspocus, y-sweet. They are installed below the
    /// target folder; one that cannot be installed is named in the report.
    #[arg(long)]
    peers: bool,
    /// How many rounds. In each every server runs once, one after the other; medians are told.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    pairs: u16,
    /// Run this row only, with the rows that go before it on the same server; may be given several times.
    #[arg(long, value_name = "ROW", value_parser = clap::builder::PossibleValuesParser::new(names()))]
    only: Vec<String>,
    /// Instead of the suite: 10,000 connections for ten minutes, and half an hour of a session. Roomtone alone.
    #[arg(long, conflicts_with_all = ["peers", "only"])]
    long: bool,
    /// Editing trace for the replay: JSON or .json.gz of the collection josephg/editing-traces [default: one of the
    /// same size that is made up].
    #[arg(long, value_name = "FILE", env = "ROOMTONE_TRACE")]
    trace: Option<PathBuf>,
    /// One round of five seconds: whether all works, not how well.
    #[arg(long)]
    quick: bool,
    /// Where BENCHMARKS.md and benchmarks/*.svg are written [default: docs for the whole suite; a folder below the
    /// target folder with --quick or --only].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Folder with roomtone and roomtone-loadtest that were built before.
    #[arg(long, value_name = "DIR", hide = true)]
    bin_dir: Option<PathBuf>,
}

/// What else can be benched.
#[derive(clap::Subcommand)]
enum What {
    /// Run the crates' own benches (criterion).
    Micro(micro::Args),
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    if let Some(What::Micro(args)) = &args.what {
        return micro::run(args);
    }
    let place = target_dir().join("bench");
    let (binaries, commit) = match &args.bin_dir {
        Some(folder) => (std::path::absolute(folder)?, None),
        None => (build()?, commit()),
    };
    let mut servers = vec![peers::roomtone(binaries.join("roomtone"), commit)?];
    let mut missing = Vec::new();
    if args.peers {
        let (found, not_found) = peers::install();
        servers.extend(found);
        missing = not_found;
        servers.push(peers::floor(existing(binaries.join("examples/floor"))?));
    }
    for peer in &missing {
        println!("without {}: {}", peer.name, peer.why);
    }
    let session = trace::session(args.trace.as_deref(), &place)?;
    let bench = Bench {
        loadtest: &existing(binaries.join("roomtone-loadtest"))?,
        place: place.join("runs"),
        session: &session.path,
        rounds: if args.quick { 1 } else { usize::from(args.pairs) },
        longest_s: args.quick.then_some(QUICK_S),
    };
    let out = match &args.out {
        Some(out) => out.clone(),
        None if args.quick || !args.only.is_empty() => place.join("report"),
        None => root().join("docs"),
    };
    let page = Page::new(out);
    if args.long {
        long::run(&bench, &servers[0], &page, &args.told())?;
        println!("\n{}", page.path().display());
        return Ok(());
    }
    let mut report = Report {
        command: args.told(),
        is_quick: args.quick,
        load: machine::load(),
        rounds: bench.rounds,
        servers: &servers,
        missing: &missing,
        outcomes: Vec::new(),
        session: &session.about,
        curves: Vec::new(),
    };
    for chain in suite::chains() {
        // What a row goes on from has to run before it.
        let Some(last) = chain.iter().rposition(|row| args.wants(row)) else {
            continue;
        };
        report.outcomes.extend(bench.chain(&chain[..=last], &servers)?);
        // After every chain: who stops a suite keeps what it found.
        write(&page, &report)?;
    }
    if args.wants_scaling() {
        report.curves = scaling::run(&bench, &servers[0])?;
        write(&page, &report)?;
    }
    println!("\n{}", page.path().display());
    println!("{}: the summary of every run", bench.place.display());
    Ok(())
}

impl Args {
    fn wants(&self, row: &Row) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name == row.name)
    }

    fn wants_scaling(&self) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name == scaling::NAME)
    }

    /// The command line, for the report: without what tells of one machine.
    fn told(&self) -> String {
        let mut words = vec!["cargo xtask bench".to_owned()];
        words.extend(self.peers.then(|| "--peers".to_owned()));
        words.extend(self.long.then(|| "--long".to_owned()));
        if self.quick {
            words.push("--quick".to_owned());
        } else if !self.long {
            words.push(format!("--pairs {}", self.pairs));
        }
        words.extend(self.only.iter().map(|name| format!("--only {name}")));
        words.join(" ")
    }
}

/// What `--only` knows.
fn names() -> impl Iterator<Item = &'static str> {
    ROWS.iter().map(|row| row.name).chain([scaling::NAME])
}

/// Builds what is measured as it is shipped, and returns the folder with the binaries.
fn build() -> anyhow::Result<PathBuf> {
    claim_target("dist")?;
    let line = [
        "build",
        "--locked",
        "--profile",
        "dist",
        "--package",
        "roomtone-server",
        "--package",
        "roomtone-loadtest",
        "--bins",
        "--example",
        "floor",
    ];
    run_command(command("cargo", &line, &root()).env("CARGO_TARGET_DIR", target_dir()))?;
    Ok(target_dir().join("dist"))
}

/// The commit of this checkout. Without git, or in an unpacked archive, there is none.
fn commit() -> Option<String> {
    machine::said(&mut command(
        "git",
        &["describe", "--always", "--dirty", "--exclude=*"],
        &root(),
    ))
}

fn existing(binary: PathBuf) -> anyhow::Result<PathBuf> {
    ensure!(binary.is_file(), "{} is not there", binary.display());
    Ok(binary)
}

fn write(page: &Page, report: &Report) -> anyhow::Result<()> {
    for outcome in &report.outcomes {
        if let Some(svg) = report.plot(outcome) {
            page.picture(outcome.row.name, &svg)?;
        }
    }
    for curve in &report.curves {
        page.picture(curve.grows.name(), &curve.svg())?;
    }
    page.suite(&report.markdown())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        args: Args,
    }

    fn args(line: &[&str]) -> Result<Args, clap::Error> {
        Cli::try_parse_from([&["bench"], line].concat()).map(|cli| cli.args)
    }

    #[test]
    fn flags_are_read_and_told() {
        let some = args(&["--peers", "--only", "rooms", "--bin-dir", "x"]).expect("good flags");
        assert_eq!(some.told(), "cargo xtask bench --peers --pairs 5 --only rooms");
        assert_eq!(ROWS.iter().filter(|row| some.wants(row)).count(), 1);
        assert_eq!(
            args(&["--quick"]).expect("good").told(),
            "cargo xtask bench --quick"
        );
        assert_eq!(
            args(&["--long"]).expect("good").told(),
            "cargo xtask bench --long"
        );
        let scaling = args(&["--only", "scaling"]).expect("good");
        assert!(scaling.wants_scaling() && !some.wants_scaling());
        assert!(args(&["--long", "--only", "rooms"]).is_err());
        assert!(args(&["--only", "nothing"]).is_err());
        assert!(args(&["--pairs", "0"]).is_err());
        assert!(args(&["micro", "gate", "--", "--quick"]).is_ok_and(|args| args.what.is_some()));
    }
}
