//! `cargo xtask chaos`: every fault of a cluster by its name.

use anyhow::bail;

use crate::runner::{command, run as run_command};
use crate::setup;
use crate::workspace::root;

/// The profile that timing is measured with.
const PROFILE: &str = "ci";

/// Which faults, and for how long.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only this fault, or all whose names begin with it (redis, postgres, node); repeat for more.
    #[arg(long, value_name = "NAME")]
    fault: Vec<String>,
    /// How long each fault lasts, for those that last. [default: each has its own]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=600))]
    seconds: Option<u16>,
    /// The seed of everything that is drawn. [default: a fresh one, which is printed]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    seed: Option<u32>,
    /// Name the faults with their bars and stop.
    #[arg(long)]
    list: bool,
    /// Judge the measurements as well: for a machine that does nothing else.
    #[arg(long)]
    bar: bool,
    /// Do not install missing Debian packages.
    #[arg(long)]
    no_install: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let folder = root().join("e2e");
    setup::node_packages(&folder)?;
    let chaos = || {
        let mut chaos = command("node", &["chaos/main.mjs"], &folder);
        for name in &args.fault {
            chaos.args(["--fault", name]);
        }
        if let Some(seconds) = args.seconds {
            chaos.args(["--seconds", &seconds.to_string()]);
        }
        if let Some(seed) = args.seed {
            chaos.args(["--seed", &seed.to_string()]);
        }
        chaos
    };
    if args.list {
        return run_command(chaos().arg("--list"));
    }
    // A wrong name is said before minutes of building.
    if !chaos().arg("--check").status()?.success() {
        bail!("nothing was run");
    }
    let mut chaos = chaos();
    setup::services(args.no_install);
    if args.bar {
        chaos.env("ROOMTONE_BAR", "1");
    }
    chaos.env("ROOMTONE_BIN", setup::chosen_server(PROFILE)?);
    // Only what a cluster costs needs the load generator.
    if args.fault.is_empty() || args.fault.iter().any(|name| name.starts_with("cost")) {
        chaos.env("ROOMTONE_LOADTEST_BIN", setup::chosen_loadtest(PROFILE)?);
    }
    if !chaos.status()?.success() {
        bail!("not every bar held");
    }
    Ok(())
}
