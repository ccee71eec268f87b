//! The machine and the day of a run, for the head of the report.

use std::fs;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

/// Cores that this process may use.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Cores, processor, memory and kernel in a sentence.
pub(crate) fn describe() -> String {
    let file = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let processor = field(&file("/proc/cpuinfo"), "model name");
    let memory_kb = field(&file("/proc/meminfo"), "MemTotal").and_then(|text| kilobytes(&text));
    let memory = memory_kb.map_or("memory unknown".to_owned(), |kb| {
        format!("{:.1} GB of memory", kb as f64 / 1_048_576.0)
    });
    let kernel = said(Command::new("uname").arg("-sr")).unwrap_or_else(|| std::env::consts::OS.to_owned());
    // The version; what a distributor appends tells nothing here.
    let kernel = kernel.split('-').next().unwrap_or_default();
    format!(
        "{} cores ({}), {memory}, {kernel}",
        cores(),
        processor.as_deref().unwrap_or(std::env::consts::ARCH)
    )
}

/// Load average of the last minute, where the system tells it.
pub(crate) fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ')
        .next()
        .filter(|load| !load.is_empty())
        .unwrap_or("not known")
        .to_owned()
}

/// Resident memory of a process, in MiB. Only where the system tells it.
pub(crate) fn rss_mb(pid: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    Some(kilobytes(&field(&status, "VmRSS")?)? as f64 / 1_024.0)
}

/// Today in UTC, as 2026-01-31.
pub(crate) fn today() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    date(since.as_secs() / 86_400)
}

/// What a command says on one line, if it succeeds.
pub(crate) fn said(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (!text.is_empty()).then_some(text)
}

/// The value behind `name:` in a file of /proc.
fn field(text: &str, name: &str) -> Option<String> {
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.trim() == name)
        .map(|(_, value)| value.trim().to_owned())
}

fn kilobytes(text: &str) -> Option<u64> {
    text.strip_suffix("kB")?.trim().parse().ok()
}

/// The date of a day since 1970, by counting years and months.
fn date(days: u64) -> String {
    let is_leap =
        |year: u64| (year.is_multiple_of(4) && !year.is_multiple_of(100)) || year.is_multiple_of(400);
    let (mut year, mut left) = (1_970, days);
    loop {
        let length = if is_leap(year) { 366 } else { 365 };
        if left < length {
            break;
        }
        left -= length;
        year += 1;
    }
    let february = if is_leap(year) { 29 } else { 28 };
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if left < length {
            break;
        }
        left -= length;
        month += 1;
    }
    format!("{year}-{month:02}-{:02}", left + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_become_dates() {
        for (days, text) in [
            (0, "1970-01-01"),
            (59, "1970-03-01"),
            (11_016, "2000-02-29"),
            (20_453, "2025-12-31"),
            (20_454, "2026-01-01"),
        ] {
            assert_eq!(date(days), text);
        }
    }

    #[test]
    fn fields_of_proc_are_read() {
        let text = "Name:\tx\nVmRSS:\t    2048 kB\nmodel name\t: A thing: fast\n";
        assert_eq!(field(text, "VmRSS").as_deref().and_then(kilobytes), Some(2_048));
        assert_eq!(field(text, "model name").as_deref(), Some("A thing: fast"));
        assert_eq!(field(text, "MemTotal"), None);
    }
}
