//! The binary `roomtone-loadtest`. The harness comes with its own release; until then this says so.

use std::process::ExitCode;

use clap::Parser;

/// A k6-style load tester for any Yjs server: scenarios, virtual users of every dialect, thresholds, reports.
///
/// This release holds no scenarios yet: the command explains itself and does nothing else.
#[derive(Parser)]
#[command(name = "roomtone-loadtest", version, max_term_width = 100)]
struct Cli {}

fn main() -> ExitCode {
    let Cli {} = Cli::parse();
    #[allow(
        clippy::print_stderr,
        reason = "a command-line tool speaks on its standard streams"
    )]
    {
        // Code 2, as for any command line that asks for what is not there.
        eprintln!("roomtone-loadtest: this release has no scenarios yet; see --help");
    }
    ExitCode::from(2)
}
