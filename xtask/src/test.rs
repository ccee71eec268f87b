//! `cargo xtask test`: its own set-up on a fresh machine, then every test.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::bail;

use crate::runner::{Counts, Failed, apt_install, command, has, run as run_command, run_counting, step};
use crate::setup;
use crate::tidy;
use crate::workspace::{root, target_dir};

/// Which steps.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only these steps (see --list); repeat for more.
    #[arg(long, value_name = "STEP")]
    only: Vec<String>,
    /// Not these steps.
    #[arg(long, value_name = "STEP")]
    skip: Vec<String>,
    /// Stop at the first step that fails.
    #[arg(long)]
    fail_fast: bool,
    /// Do not install missing Debian packages.
    #[arg(long)]
    no_install: bool,
    /// Name the steps and stop.
    #[arg(long)]
    list: bool,
}

type Work = fn() -> anyhow::Result<Counts>;

/// Name, what it does, and the work.
const STEPS: &[(&str, &str, Work)] = &[
    ("format", "rustfmt over all crates", format),
    ("tidy", "rules of the house", || {
        tidy::run(false).map(|()| Counts::default())
    }),
    ("deny", "licences, bans and sources of crates", deny),
    ("sdk", "SDK and playground: build, types, lint, tests", sdk),
    ("lint", "clippy, warnings are errors", lint),
    ("rust", "tests of all crates", rust),
    (
        "e2e",
        "unmodified npm clients, faults and hostile peers against the binary",
        e2e,
    ),
    ("browser", "the playground in headless Chromium", browser),
];

/// The profile that tests are built with.
const PROFILE: &str = "ci";

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    if args.list {
        for (name, what, _) in STEPS {
            println!("{name:8} {what}");
        }
        return Ok(());
    }
    for name in args.only.iter().chain(&args.skip) {
        if !STEPS.iter().any(|(known, _, _)| known == name) {
            bail!("there is no step `{name}`; --list names them");
        }
    }
    if !args.no_install {
        let missing: Vec<&str> = [("chromium", "chromium"), ("gcc", "gcc")]
            .iter()
            .filter(|(program, _)| !has(program))
            .map(|(_, package)| *package)
            .collect();
        step("set-up", || apt_install(&missing, &root()))?;
    }
    let mut total = Counts::default();
    let mut lines: Vec<(&str, &str, Counts, Duration)> = Vec::new();
    for (name, _, work) in STEPS {
        let wanted = (args.only.is_empty() || args.only.iter().any(|only| only == name))
            && !args.skip.iter().any(|skip| skip == name);
        if !wanted {
            continue;
        }
        let started = Instant::now();
        let (mark, counts) = match step(name, work) {
            Ok(counts) => ("ok", counts),
            Err(error) => {
                eprintln!("{name}: {error:#}");
                let mut counts = error
                    .downcast_ref::<Failed>()
                    .map_or(Counts::default(), |failed| failed.counts);
                // A step that fails without a failed test is a failure all the same.
                counts.failed = counts.failed.max(1);
                ("FAILED", counts)
            }
        };
        total.add(counts);
        lines.push((name, mark, counts, started.elapsed()));
        if mark != "ok" && args.fail_fast {
            break;
        }
    }
    println!(
        "\n{:8} {:7} {:>7} {:>7} {:>8}",
        "step", "result", "passed", "failed", "seconds"
    );
    for (name, mark, counts, took) in &lines {
        println!(
            "{name:8} {mark:7} {:>7} {:>7} {:>8.1}",
            counts.passed,
            counts.failed,
            took.as_secs_f32()
        );
    }
    println!("\n{} passed, {} failed", total.passed, total.failed);
    if total.failed > 0 {
        bail!("tests failed");
    }
    Ok(())
}

fn format() -> anyhow::Result<Counts> {
    run_counting(&mut command("cargo", &["fmt", "--all", "--check"], &root()))
}

fn deny() -> anyhow::Result<Counts> {
    if !has("cargo-deny") {
        println!("skipped: cargo-deny is not installed (cargo install --locked cargo-deny)");
        return Ok(Counts::default());
    }
    run_counting(&mut command(
        "cargo",
        &["deny", "--offline", "check", "bans", "licenses", "sources"],
        &root(),
    ))
}

fn sdk() -> anyhow::Result<Counts> {
    let folder = root().join("client-sdk-ts");
    setup::playground()?;
    run_command(&mut command("npm", &["run", "check"], &folder))?;
    run_counting(&mut command("npm", &["test"], &folder))
}

fn lint() -> anyhow::Result<Counts> {
    let args = [
        "clippy",
        "--locked",
        "--workspace",
        "--all-targets",
        "--profile",
        PROFILE,
        "--",
        "-D",
        "warnings",
    ];
    run_counting(command("cargo", &args, &root()).env("CARGO_TARGET_DIR", target_dir()))
}

fn rust() -> anyhow::Result<Counts> {
    setup::node_packages(&root().join("crdt/tests/yjs"))?;
    let mut args = if has("cargo-nextest") {
        vec![
            "nextest",
            "run",
            "--cargo-profile",
            PROFILE,
            "--status-level",
            "fail",
            "--final-status-level",
            "fail",
        ]
    } else {
        vec!["test", "--profile", PROFILE]
    };
    args.extend(["--locked", "--workspace"]);
    run_counting(command("cargo", &args, &root()).env("CARGO_TARGET_DIR", target_dir()))
}

fn e2e() -> anyhow::Result<Counts> {
    let folder = root().join("e2e");
    setup::node_packages(&folder)?;
    let binary = setup::server(PROFILE)?;
    let mut tests = command("npm", &["test"], &folder);
    tests.env("ROOMTONE_BIN", binary);
    if std::env::var_os("ROOMTONE_TRACES").is_none() {
        tests.env("ROOMTONE_TRACES", traces());
    }
    run_counting(&mut tests)
}

fn browser() -> anyhow::Result<Counts> {
    setup::playground()?;
    let binary = setup::server(PROFILE)?;
    let folder = root().join("client-sdk-ts");
    run_counting(command("npm", &["run", "test:browser"], &folder).env("ROOMTONE_BIN", binary))
}

/// The editing traces stand beside the checkout.
fn traces() -> PathBuf {
    root()
        .parent()
        .unwrap_or(Path::new("/"))
        .join("shared/data/traces")
}
