//! The binary `roomtone-media`. The worker comes with its own release; until then this says so.

use std::process::ExitCode;

use clap::Parser;

/// The media worker: claims render jobs from a Roomtone server over HTTP, renders them, uploads the results.
///
/// This release has no jobs yet: the command explains itself and does nothing else.
#[derive(Parser)]
#[command(name = "roomtone-media", version, max_term_width = 100)]
struct Cli {}

fn main() -> ExitCode {
    let Cli {} = Cli::parse();
    #[allow(
        clippy::print_stderr,
        reason = "a command-line tool speaks on its standard streams"
    )]
    {
        // Code 2, as for any command line that asks for what is not there.
        eprintln!("roomtone-media: this release has no jobs yet; see --help");
    }
    ExitCode::from(2)
}
