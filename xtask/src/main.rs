//! Everything a person types: `cargo xtask dev`, `cluster`, `test`, `chaos`, `bench`, `tidy`, `fuzz`.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line tool speaks on its standard streams"
)]

mod bench;
mod chaos;
mod cluster;
mod dev;
mod fuzz;
mod runner;
mod setup;
mod test;
mod tidy;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Builds, runs and tests Roomtone.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build what is missing and start roomtone on 127.0.0.1:4000 with its data under ./data.
    Dev(dev::Args),
    /// Start nodes with Redis, PostgreSQL and a load balancer on free ports of this machine, until Ctrl-C.
    Cluster(cluster::Args),
    /// Set up what tests need, then run every test; the same command CI runs.
    Test(test::Args),
    /// Take Redis, PostgreSQL, nodes and clocks away from a cluster under load, and hold it to its bars.
    Chaos(chaos::Args),
    /// Run the benchmark suite against Roomtone and its peers; `bench micro` runs the crates' own benches.
    Bench(bench::Args),
    /// Fuzz the gate and the document with cargo-fuzz.
    Fuzz(fuzz::Args),
    /// Check the rules of the house that a program can check.
    Tidy {
        /// Take new migrations into the list of checksums. A changed one is still refused.
        #[arg(long)]
        bless: bool,
    },
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Dev(args) => dev::run(&args),
        Command::Cluster(args) => cluster::run(&args),
        Command::Chaos(args) => chaos::run(&args),
        // Its last line says how it ended: nothing may follow.
        Command::Test(args) => match test::run(&args) {
            Ok(false) => return ExitCode::FAILURE,
            ended => ended.map(drop),
        },
        Command::Bench(args) => bench::run(&args),
        Command::Fuzz(args) => fuzz::run(&args),
        Command::Tidy { bless } => tidy::run(bless),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
