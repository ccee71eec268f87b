//! Runs commands, passes their output through, and reads the closing lines of test runners.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::Instant;

use anyhow::{Context as _, bail};

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

/// A command in a folder.
pub(crate) fn command(program: &str, args: &[&str], folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.args(args).current_dir(folder).stdin(Stdio::null());
    command
}

/// Runs a command and fails with its words when it fails.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    run_counting(command).map(drop)
}

/// Runs a command, passes both of its streams through, and adds up what its test runner says.
pub(crate) fn run_counting(command: &mut Command) -> anyhow::Result<Counts> {
    let named = words(command);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("`{named}` cannot be started; is it installed?"))?;
    let counts = Mutex::new(Counts::default());
    let streams = (child.stdout.take(), child.stderr.take());
    std::thread::scope(|scope| {
        scope.spawn(|| streams.0.map(|out| pass(out, std::io::stdout(), &counts)));
        scope.spawn(|| streams.1.map(|err| pass(err, std::io::stderr(), &counts)));
    });
    let status = child.wait()?;
    let counts = counts
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    if !status.success() {
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

fn pass(from: impl Read, mut to: impl Write, counts: &Mutex<Counts>) {
    let mut reader = BufReader::new(from);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
        // A reader that went away must not end the tests.
        let _ = to.write_all(&line).and_then(|()| to.flush());
        if let Some(found) = closing_line(&String::from_utf8_lossy(&line)) {
            counts
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .add(found);
        }
        line.clear();
    }
}

/// Reads the closing line of nextest, cargo test, node's runner or vitest.
fn closing_line(line: &str) -> Option<Counts> {
    let plain = without_colours(line);
    let words: Vec<&str> = plain
        .split([' ', ',', ';', '(', ')', '\n', '\t'])
        .filter(|word| !word.is_empty())
        .collect();
    let before = |name: &str| {
        let place = words.iter().position(|word| *word == name)?;
        words.get(place.checked_sub(1)?)?.parse::<u64>().ok()
    };
    match words.as_slice() {
        // Summary [ 1.2s] 121 tests run: 120 passed (1 slow), 1 failed, 1 skipped
        ["Summary", ..] => Some(Counts {
            passed: before("passed")?,
            failed: before("failed").unwrap_or(0),
        }),
        // test result: ok. 3 passed; 0 failed; ...
        ["test", "result:", ..] => Some(Counts {
            passed: before("passed")?,
            failed: before("failed")?,
        }),
        // Tests  1 failed | 166 passed (167)
        ["Tests", ..] => Some(Counts {
            passed: before("passed")?,
            failed: before("failed").unwrap_or(0),
        }),
        // i pass 4
        ["\u{2139}" | "#", "pass", count] => Some(Counts {
            passed: count.parse().ok()?,
            failed: 0,
        }),
        ["\u{2139}" | "#", "fail" | "cancelled", count] => Some(Counts {
            passed: 0,
            failed: count.parse().ok()?,
        }),
        _ => None,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_of_every_runner_are_read() {
        for (line, passed, failed) in [
            (
                "     Summary [   1.234s] 121 tests run: 120 passed (1 slow), 1 failed, 2 skipped",
                120,
                1,
            ),
            ("     Summary [   1.234s] 7 tests run: 7 passed, 0 skipped", 7, 0),
            (
                "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out",
                3,
                0,
            ),
            (
                "\u{1b}[2m      Tests \u{1b}[22m \u{1b}[1m\u{1b}[32m166 passed\u{1b}[39m\u{1b}[22m (166)",
                166,
                0,
            ),
            ("      Tests  1 failed | 165 passed (166)", 165, 1),
            ("\u{2139} pass 59", 59, 0),
            ("\u{2139} fail 2", 0, 2),
            ("\u{2139} cancelled 1", 0, 1),
        ] {
            assert_eq!(closing_line(line), Some(Counts { passed, failed }), "{line}");
        }
        assert_eq!(closing_line("pass the salt"), None);
    }
}
