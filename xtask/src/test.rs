//! `cargo xtask test`: its own set-up on a fresh machine, then every test.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::bail;

use crate::runner::{
    Counts, Failed, Runner, apt_install, command, has, run as run_command, run_counting, step,
};
use crate::setup;
use crate::tidy;
use crate::workspace::{claim_target, root, target_dir};

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
    (
        "sdk",
        "SDK, playground and editors: build, types, lint, tests",
        sdk,
    ),
    ("lint", "clippy, warnings are errors", lint),
    ("rust", "tests of all crates", rust),
    (
        "e2e",
        "unmodified npm clients, the SDK, faults and hostile peers against the binary",
        e2e,
    ),
    (
        "browser",
        "the playground and the editors in headless Chromium",
        browser,
    ),
];

/// The profile that tests are built with.
const PROFILE: &str = "ci";

/// Runs them, and says whether all is well. The last line is `N passed, N failed`.
pub(crate) fn run(args: &Args) -> anyhow::Result<bool> {
    if args.list {
        for (name, what, _) in STEPS {
            println!("{name:8} {what}");
        }
        return Ok(true);
    }
    for name in args.only.iter().chain(&args.skip) {
        if !STEPS.iter().any(|(known, _, _)| known == name) {
            bail!("there is no step `{name}`; --list names them");
        }
    }
    if !args.no_install {
        // What is still missing then makes the step fail that needs it; the others run.
        if let Err(error) = step("set-up", install_missing) {
            eprintln!("set-up: {error:#}");
        }
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
    Ok(total.failed == 0)
}

/// Debian packages that tests need and this machine lacks.
fn install_missing() -> anyhow::Result<()> {
    let mut missing = Vec::new();
    for (program, package) in [
        ("chromium", "chromium"),
        ("cc", "gcc"),
        // The allocator is built with it.
        ("make", "make"),
    ] {
        if !has(program) {
            missing.push(package);
        }
    }
    missing.extend(setup::missing_services());
    apt_install(&missing, &root())
}

/// A step without tests of its own.
fn checked(command: &mut Command) -> anyhow::Result<Counts> {
    run_command(command).map(|()| Counts::default())
}

fn format() -> anyhow::Result<Counts> {
    checked(&mut command("cargo", &["fmt", "--all", "--check"], &root()))
}

fn deny() -> anyhow::Result<Counts> {
    if !has("cargo-deny") {
        println!("skipped: cargo-deny is not installed (cargo install --locked cargo-deny)");
        return Ok(Counts::default());
    }
    checked(&mut command(
        "cargo",
        &[
            "deny",
            "--offline",
            "--locked",
            "--log-level",
            "error",
            "check",
            "bans",
            "licenses",
            "sources",
        ],
        &root(),
    ))
}

fn sdk() -> anyhow::Result<Counts> {
    let folder = root().join("client-sdk-ts");
    setup::playground()?;
    run_command(&mut command("npm", &["run", "check"], &folder))?;
    run_counting(&mut command("npm", &["test"], &folder), Runner::Vitest)
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
    claim_target(PROFILE)?;
    checked(command("cargo", &args, &root()).env("CARGO_TARGET_DIR", target_dir()))
}

fn rust() -> anyhow::Result<Counts> {
    setup::node_packages(&root().join("crdt/tests/yjs"))?;
    claim_target(PROFILE)?;
    let (mut args, runner) = if has("cargo-nextest") {
        (
            vec!["nextest", "run", "--cargo-profile", PROFILE],
            Runner::Nextest,
        )
    } else {
        (vec!["test", "--profile", PROFILE, "--tests"], Runner::Cargo)
    };
    args.extend(["--locked", "--workspace", "--no-fail-fast"]);
    let mut tests = command("cargo", &args, &root());
    run_counting(tests.env("CARGO_TARGET_DIR", target_dir()), runner)
}

fn e2e() -> anyhow::Result<Counts> {
    let folder = root().join("e2e");
    setup::node_packages(&folder)?;
    // The SDK is one of the clients.
    setup::playground()?;
    let binary = setup::server_beside_tests(PROFILE)?;
    let mut tests = command("npm", &["test"], &folder);
    tests.env("ROOMTONE_BIN", binary);
    if std::env::var_os("ROOMTONE_TRACES").is_none() {
        tests.env("ROOMTONE_TRACES", traces());
    }
    run_counting(&mut tests, Runner::Node)
}

fn browser() -> anyhow::Result<Counts> {
    setup::playground()?;
    let binary = setup::server_beside_tests(PROFILE)?;
    let folder = root().join("client-sdk-ts");
    let mut tests = command("npm", &["run", "test:browser"], &folder);
    run_counting(tests.env("ROOMTONE_BIN", binary), Runner::Node)
}

/// The editing traces stand beside the checkout.
fn traces() -> PathBuf {
    root()
        .parent()
        .unwrap_or(Path::new("/"))
        .join("shared/data/traces")
}
