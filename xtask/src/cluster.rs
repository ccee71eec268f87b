//! `cargo xtask cluster`: several nodes, and all that they need, in one command.

use std::os::unix::process::CommandExt as _;

use anyhow::Context as _;

use crate::runner::command;
use crate::setup;
use crate::workspace::root;

/// What runs.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How many nodes.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=9))]
    nodes: u8,
    /// Nodes that have nothing but PostgreSQL between them.
    #[arg(long)]
    no_redis: bool,
    /// What stands in front, with the configuration that ships. Both take up to 3 nodes.
    #[arg(long, default_value = "nginx", value_parser = ["nginx", "haproxy", "none"])]
    balancer: String,
    /// Stop after this time, and not only at Ctrl-C.
    #[arg(long, value_name = "MINUTES")]
    minutes: Option<f32>,
    /// Do not install missing Debian packages.
    #[arg(long)]
    no_install: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    setup::services(args.no_install);
    let folder = root().join("e2e");
    setup::node_packages(&folder)?;
    let binary = setup::chosen_server("dev")?;
    let mut line = vec!["chaos/cluster.mjs".to_owned()];
    line.extend(["--nodes".to_owned(), args.nodes.to_string()]);
    line.extend(["--balancer".to_owned(), args.balancer.clone()]);
    if args.no_redis {
        line.push("--no-redis".to_owned());
    }
    if let Some(minutes) = args.minutes {
        line.extend(["--minutes".to_owned(), minutes.to_string()]);
    }
    // The topology is the one that the tests start. This process becomes it: Ctrl-C is for the one that stops the others.
    let error = command("node", &[], &folder)
        .args(&line)
        .env("ROOMTONE_BIN", binary)
        .exec();
    Err(error).context("node cannot be started: install Node.js 20 or newer")
}
