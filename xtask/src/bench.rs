//! `cargo xtask bench` and `fuzz`.

use anyhow::bail;

use crate::runner::{command, has, run as run_command};
use crate::workspace::{root, target_dir};

/// Which benches.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only benches whose name holds this.
    filter: Option<String>,
}

/// What to fuzz and for how long.
#[derive(clap::Args)]
pub(crate) struct FuzzArgs {
    /// A target of crdt/fuzz: gate, doc, awareness or frames.
    #[arg(default_value = "gate")]
    target: String,
    /// How long, in seconds.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    for package in ["roomtone-crdt", "roomtone-persistence", "roomtone-server"] {
        let mut line = vec!["bench", "--locked", "--package", package, "--benches"];
        if let Some(filter) = &args.filter {
            line.extend(["--", filter]);
        }
        run_command(command("cargo", &line, &root()).env("CARGO_TARGET_DIR", target_dir()))?;
    }
    Ok(())
}

pub(crate) fn fuzz(args: &FuzzArgs) -> anyhow::Result<()> {
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
