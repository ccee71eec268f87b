//! The binary `roomtone-loadtest`.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Parser;
use roomtone_loadtest::cli::{Cli, Command, RunArgs};
use roomtone_loadtest::report::{Progress, Summary, compare, html, text};
use roomtone_loadtest::run::{Watched, run};
use roomtone_loadtest::scenario::Plan;
use roomtone_loadtest::shipped;

/// A threshold is crossed: k6 ends with the same code.
const CROSSED: u8 = 99;
/// The command line or the file is wrong.
const WRONG: u8 = 2;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match act(cli.command) {
        Ok(code) => code,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

fn act(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::List => {
            for (name, text) in shipped::SHIPPED {
                let plan = Plan::parse(text, name)?;
                say(&format!("{name:<16} {}", plan.about));
            }
        }
        Command::Print { name } => {
            let text =
                shipped::text(&name).with_context(|| format!("no scenario is called {name}; see list"))?;
            say(text.trim_end());
        }
        Command::Validate { scenario } => {
            let plan = match read(&scenario) {
                Ok(plan) => plan,
                Err(error) => {
                    complain(&error);
                    return Ok(ExitCode::from(WRONG));
                }
            };
            say(&format!(
                "{}: {} scenarios, {:.0} s, valid",
                plan.name,
                plan.scenarios.len(),
                plan.duration_s()
            ));
        }
        Command::Compare { base, other } => say(&compare::table(&[load(&base)?], &[load(&other)?])),
        Command::Run(args) => return perform(*args),
    }
    Ok(ExitCode::SUCCESS)
}

fn perform(args: RunArgs) -> anyhow::Result<ExitCode> {
    let mut plan = match read(&args.scenario) {
        Ok(plan) => plan,
        Err(error) => {
            complain(&error);
            return Ok(ExitCode::from(WRONG));
        }
    };
    if let Some(target) = &args.target {
        plan.target.url.clone_from(target);
    }
    let trace = args.trace.as_deref().map(|path| path.to_string_lossy());
    if let Err(error) = plan.set_trace(trace.as_deref()) {
        complain(&error);
        return Ok(ExitCode::from(WRONG));
    }
    plan.seed = args.seed.unwrap_or(plan.seed);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("no runtime")?;
    let mut progress = Progress::new(args.quiet);
    let watched = Watched {
        pid: args.pid,
        spawn: args.spawn.clone(),
    };
    let Some(vs) = &args.vs else {
        let summary = runtime.block_on(run(&plan, &watched, &mut progress))?;
        write(&args, &summary)?;
        say(&text::text(&summary));
        return Ok(if summary.is_well() {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(CROSSED)
        });
    };
    let mut other_plan = plan.clone();
    other_plan.target.url.clone_from(vs);
    let other_watched = Watched {
        pid: args.vs_pid,
        spawn: None,
    };
    let (mut base, mut other) = (Vec::new(), Vec::new());
    for pair in 0..args.pairs {
        // Rooms of their own for each run: a document that grew would make later runs slower.
        for (plan, watched, runs) in [
            (&plan, &watched, &mut base),
            (&other_plan, &other_watched, &mut other),
        ] {
            let mut plan = plan.clone();
            for scenario in &mut plan.scenarios {
                scenario.room = format!("{}-{pair}", scenario.room);
            }
            runs.push(runtime.block_on(run(&plan, watched, &mut progress))?);
        }
    }
    if let Some(last) = base.last() {
        write(&args, last)?;
    }
    say(&compare::table(&base, &other));
    let is_well = base.iter().all(Summary::is_well);
    Ok(if is_well {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(CROSSED)
    })
}

fn read(scenario: &str) -> anyhow::Result<Plan> {
    if let Some(text) = shipped::text(scenario) {
        return Plan::parse(text, scenario);
    }
    let text = std::fs::read_to_string(scenario);
    match text {
        Ok(text) => Plan::parse(&text, scenario),
        Err(error) => bail!("{scenario} is no shipped scenario (see list) and cannot be read: {error}"),
    }
}

fn write(args: &RunArgs, summary: &Summary) -> anyhow::Result<()> {
    let put = |path: &Path, text: String| {
        std::fs::write(path, text).with_context(|| format!("{} cannot be written", path.display()))
    };
    if let Some(path) = &args.json {
        put(path, serde_json::to_string_pretty(summary)?)?;
    }
    if let Some(path) = &args.html {
        put(path, html::html(summary))?;
    }
    Ok(())
}

fn load(path: &Path) -> anyhow::Result<Summary> {
    let text = std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is no summary of a run", path.display()))
}

#[allow(
    clippy::print_stdout,
    reason = "a command-line tool speaks on its standard streams"
)]
fn say(text: &str) {
    println!("{text}");
}

#[allow(
    clippy::print_stderr,
    reason = "a command-line tool speaks on its standard streams"
)]
fn complain(error: &anyhow::Error) {
    eprintln!("roomtone-loadtest: {error:#}");
}
