//! `cargo xtask fuzz`.

use anyhow::bail;

use crate::runner::{command, has, run as run_command};
use crate::workspace::root;

/// What to fuzz and for how long.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A target of crdt/fuzz: gate, doc, awareness or frames.
    #[arg(default_value = "gate")]
    target: String,
    /// How long, in seconds.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    if !has("cargo-fuzz") {
        bail!("cargo-fuzz is missing: cargo install --locked cargo-fuzz");
    }
    let seconds = format!("-max_total_time={}", args.seconds);
    let line = [
        "fuzz",
        "run",
        "--sanitizer",
        "none",
        &args.target,
        "--",
        &seconds,
        "-max_len=65536",
    ];
    // The stable compiler knows the coverage flags that cargo-fuzz passes, once it is told that it may.
    run_command(command("cargo", &line, &root().join("crdt")).env("RUSTC_BOOTSTRAP", "1"))
}
