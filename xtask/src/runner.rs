//! Runs commands, passes their output through, and reads the closing lines of test runners.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

/// How often a silent runner is looked at.
const LOOK_MS: u64 = 100;
/// How long output is awaited after a runner has ended.
const LEFT_BEHIND_MS_MAX: u64 = 2_000;

/// Tests that a runner counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

impl Counts {
    pub(crate) fn add(&mut self, other: Counts) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// Which test runner speaks. Each is read in its own words only: nextest shows what a failed test printed, and
/// that ends in the closing line of another runner.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Runner {
    Nextest,
    Cargo,
    Vitest,
    Node,
}

/// A command in a folder.
pub(crate) fn command(program: &str, args: &[&str], folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.args(args).current_dir(folder).stdin(Stdio::null());
    command
}

/// Runs a command with its output going where ours goes.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let named = words(command);
    let status = command.status().with_context(|| cannot_start(&named))?;
    if !status.success() {
        bail!("`{named}`: {status}");
    }
    Ok(())
}

/// Runs a test runner, passes both of its streams through, and adds up what it says at the end.
pub(crate) fn run_counting(command: &mut Command, runner: Runner) -> anyhow::Result<Counts> {
    let named = words(command);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| cannot_start(&named))?;
    let (sender, lines) = mpsc::channel();
    forward(child.stdout.take(), sender.clone());
    forward(child.stderr.take(), sender);
    let mut counts = Counts::default();
    let mut ended: Option<Instant> = None;
    loop {
        match lines.recv_timeout(Duration::from_millis(LOOK_MS)) {
            Ok(line) => {
                // A reader that went away must not end the tests.
                let _ = std::io::stdout().write_all(&line);
                counts.add(
                    runner
                        .closing_line(&String::from_utf8_lossy(&line))
                        .unwrap_or_default(),
                );
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {}
        }
        match ended {
            // What it left behind may hold the streams open for ever.
            Some(since) if since.elapsed() > Duration::from_millis(LEFT_BEHIND_MS_MAX) => break,
            Some(_) => {}
            None => ended = child.try_wait()?.map(|_| Instant::now()),
        }
    }
    let status = child.wait()?;
    if status.success() && counts == Counts::default() {
        bail!("`{named}` ran no test");
    }
    if !status.success() || counts.failed > 0 {
        return Err(Failed {
            counts,
            named,
            status: status.to_string(),
        }
        .into());
    }
    Ok(counts)
}

/// A command that failed, and what its tests came to.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) counts: Counts,
    named: String,
    status: String,
}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}`: {}", self.named, self.status)
    }
}

impl std::error::Error for Failed {}

/// Whether a program is there.
pub(crate) fn has(program: &str) -> bool {
    let dirs = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&dirs).any(|dir| dir.join(program).is_file())
}

/// Runs something with a line before and after it.
pub(crate) fn step<T>(name: &str, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
    println!("\n\u{2500}\u{2500} {name}");
    let started = Instant::now();
    let result = work();
    let mark = if result.is_ok() { "ok" } else { "FAILED" };
    println!(
        "\u{2500}\u{2500} {name}: {mark} in {:.1} s",
        started.elapsed().as_secs_f32()
    );
    result
}

/// Installs Debian packages, where that is possible.
pub(crate) fn apt_install(packages: &[&str], root: &Path) -> anyhow::Result<()> {
    if packages.is_empty() {
        return Ok(());
    }
    let list = packages.join(" ");
    if !has("apt-get") {
        bail!("please install: {list}");
    }
    let is_root = Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|out| out.stdout.starts_with(b"0\n"));
    if !is_root {
        bail!("please run: sudo apt-get install --no-install-recommends {list}");
    }
    run(&mut command("apt-get", &["update", "-qq"], root))?;
    let mut args = vec!["install", "-y", "-qq", "--no-install-recommends"];
    args.extend(packages);
    run(command("apt-get", &args, root).env("DEBIAN_FRONTEND", "noninteractive"))
}

fn forward(pipe: Option<impl Read + Send + 'static>, sender: mpsc::Sender<Vec<u8>>) {
    let Some(pipe) = pipe else { return };
    std::thread::spawn(move || {
        let mut reader = BufReader::new(pipe);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
            if sender.send(std::mem::take(&mut line)).is_err() {
                break;
            }
        }
    });
}

impl Runner {
    /// What a closing line adds.
    fn closing_line(self, line: &str) -> Option<Counts> {
        let plain = without_colours(line);
        let words: Vec<&str> = plain
            .split([' ', ',', ';', '(', ')', '\n', '\t'])
            .filter(|word| !word.is_empty())
            .collect();
        let before = |name: &str| -> u64 {
            let place = words.iter().position(|word| *word == name).unwrap_or(0);
            place
                .checked_sub(1)
                .and_then(|place| words[place].parse().ok())
                .unwrap_or(0)
        };
        let failed = match (self, words.as_slice()) {
            // Summary [ 1.2s] 121 tests run: 119 passed (1 slow), 1 failed, 1 timed out, 1 skipped
            (Runner::Nextest, ["Summary", ..]) => before("failed") + before("timed") + before("exec"),
            // test result: ok. 3 passed; 0 failed; ...
            (Runner::Cargo, ["test", "result:", ..]) => before("failed"),
            // Tests  1 failed | 166 passed (167)
            (Runner::Vitest, ["Tests", ..]) => before("failed"),
            // i pass 4
            (Runner::Node, ["\u{2139}" | "#", "pass", count]) => {
                return Some(Counts {
                    passed: count.parse().ok()?,
                    failed: 0,
                });
            }
            (Runner::Node, ["\u{2139}" | "#", "fail" | "cancelled", count]) => count.parse().ok()?,
            _ => return None,
        };
        Some(Counts {
            passed: before("passed"),
            failed,
        })
    }
}

fn without_colours(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            // A colour ends with its letter.
            for c in chars.by_ref() {
                if c.is_ascii_alphabetic() {
                    break;
                }
            }
        } else {
            plain.push(c);
        }
    }
    plain
}

fn words(command: &Command) -> String {
    let args = command.get_args().map(|arg| arg.to_string_lossy().into_owned());
    std::iter::once(command.get_program().to_string_lossy().into_owned())
        .chain(args)
        .collect::<Vec<_>>()
        .join(" ")
}

fn cannot_start(named: &str) -> String {
    let program = named.split(' ').next().unwrap_or_default();
    match program {
        "npm" | "node" => format!("`{named}` cannot be started: install Node.js 20 or newer with npm"),
        _ => format!("`{named}` cannot be started; is {program} installed?"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_of_every_runner_are_read() {
        let other = "    test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 2 filtered out";
        for (runner, line, passed, failed) in [
            (
                Runner::Nextest,
                "     Summary [   1.234s] 121 tests run: 120 passed (1 slow), 1 failed, 2 skipped",
                120,
                1,
            ),
            (
                Runner::Nextest,
                "     Summary [   1.234s] 7 tests run: 7 passed, 0 skipped",
                7,
                0,
            ),
            (
                Runner::Nextest,
                "     Summary [   9s] 9/12 tests run: 6 passed, 2 failed, 1 timed out, 0 skipped",
                6,
                3,
            ),
            (
                Runner::Cargo,
                "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out",
                3,
                0,
            ),
            (Runner::Cargo, other, 0, 1),
            (
                Runner::Vitest,
                "\u{1b}[2m      Tests \u{1b}[22m \u{1b}[1m\u{1b}[32m166 passed\u{1b}[39m\u{1b}[22m (166)",
                166,
                0,
            ),
            (Runner::Vitest, "      Tests  1 failed | 165 passed (166)", 165, 1),
            (Runner::Node, "\u{2139} pass 59", 59, 0),
            (Runner::Node, "\u{2139} fail 2", 0, 2),
            (Runner::Node, "\u{2139} cancelled 1", 0, 1),
        ] {
            assert_eq!(
                runner.closing_line(line),
                Some(Counts { passed, failed }),
                "{line}"
            );
        }
        assert_eq!(Runner::Node.closing_line("pass the salt"), None);
        assert_eq!(Runner::Nextest.closing_line(other), None);
    }

    fn shell(script: &str) -> Command {
        command("sh", &["-c", script], Path::new("."))
    }

    #[test]
    fn what_a_runner_leaves_behind_is_not_waited_for() {
        let started = Instant::now();
        let counts = run_counting(&mut shell("sleep 30 & echo '# pass 1'"), Runner::Node);
        assert_eq!(counts.expect("it ended well").passed, 1);
        assert!(started.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn a_runner_that_ran_nothing_or_failed_is_an_error() {
        assert!(run_counting(&mut shell("true"), Runner::Node).is_err());
        let error = run_counting(&mut shell("echo '# fail 2'; exit 1"), Runner::Node).expect_err("it failed");
        assert_eq!(
            error.downcast_ref::<Failed>().map(|failed| failed.counts.failed),
            Some(2)
        );
    }
}
