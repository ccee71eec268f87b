//! `cargo xtask dev`: from a checkout to a running server in one command.

use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::runner::{has, step};
use crate::setup;
use crate::workspace::root;

/// Where the server listens.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1:4000")]
    listen: String,
    /// Leave the playground as it is (no Node.js needed).
    #[arg(long)]
    no_playground: bool,
    /// Further arguments for `roomtone serve`, behind `--`.
    #[arg(last = true)]
    serve: Vec<String>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    // Said before minutes of building.
    if let Err(error) = TcpListener::bind(&args.listen) {
        bail!(
            "cannot listen on {}: {error}; stop what runs there, or choose another with --listen",
            args.listen
        );
    }
    match (args.no_playground, has("npm")) {
        (true, _) => {}
        (false, true) => step("playground", setup::playground)?,
        (false, false) => println!("Node.js is missing: starting without the playground."),
    }
    let binary = step("server", || setup::server("dev"))?;
    let data = std::env::var_os("ROOMTONE_DATA").map_or_else(|| root().join("data"), PathBuf::from);
    let http = format!("http://{}", args.listen);
    let ws = format!("ws://{}", args.listen);
    println!();
    println!("  playground   {http}/");
    println!("  y-websocket  {ws}/yjs            room name behind it");
    println!("  Hocuspocus   {ws}/hocuspocus");
    println!("  y-sweet      POST {http}/doc/new");
    println!("  health       {http}/healthz        metrics {http}/metrics");
    println!("  data         {}", data.display());
    println!("\n  Ctrl-C stops it.\n");
    // This process becomes the server: Ctrl-C, SIGTERM and the exit code are the server's own. By the environment,
    // because a flag may not be given twice and what stands behind `--` has to win.
    let error = Command::new(&binary)
        .arg("serve")
        .args(&args.serve)
        .env("ROOMTONE_LISTEN", &args.listen)
        .env("ROOMTONE_DATA", data)
        .exec();
    Err(error).with_context(|| format!("{} cannot be started", binary.display()))
}
