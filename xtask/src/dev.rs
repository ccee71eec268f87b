//! `cargo xtask dev`: from a checkout to a running server in one command.

use std::net::TcpListener;
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
    let data = root().join("data");
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
    let mut serve = Command::new(binary);
    serve
        .args(["serve", "--listen", &args.listen, "--data"])
        .arg(&data)
        .args(&args.serve);
    // Ctrl-C goes to the whole group: the server stops by itself, in order, and this waits for it.
    let status = serve.status().context("the server cannot be started")?;
    match status.code() {
        Some(0) | None => Ok(()),
        Some(code) => bail!("the server ended with code {code}"),
    }
}
