//! What a process tree costs, from the operating system's own accounting.

use std::collections::HashMap;

use procfs::process::{Process, all_processes};

/// A tree at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// CPU seconds of all its threads so far, in user and kernel; ended children count where they were waited for.
    pub cpu_s: f64,
    /// Memory that is resident, in bytes.
    pub rss_bytes: u64,
    /// Open descriptors.
    pub fds: u64,
}

/// Measures a process and its children. None when it is gone.
pub fn cost(pid: i32) -> Option<Cost> {
    let mut parents: HashMap<i32, Vec<Process>> = HashMap::new();
    for process in all_processes().ok()?.flatten() {
        if let Ok(stat) = process.stat() {
            parents.entry(stat.ppid).or_default().push(process);
        }
    }
    let mut queue = vec![Process::new(pid).ok()?];
    let mut sum = Cost::default();
    while let Some(process) = queue.pop() {
        if let Some(one) = cost_of(&process) {
            sum.cpu_s += one.cpu_s;
            sum.rss_bytes += one.rss_bytes;
            sum.fds += one.fds;
        }
        queue.extend(parents.remove(&process.pid()).unwrap_or_default());
    }
    Some(sum)
}

/// This process alone.
pub fn own() -> Cost {
    Process::myself()
        .ok()
        .as_ref()
        .and_then(cost_of)
        .unwrap_or_default()
}

fn cost_of(process: &Process) -> Option<Cost> {
    let stat = process.stat().ok()?;
    let s = |ticks: u64| ticks as f64 / procfs::ticks_per_second() as f64;
    let ended_s = s(u64::try_from(stat.cutime + stat.cstime).unwrap_or_default());
    // The accounts count in hundredths; the scheduler counts finely and forgets threads that ended. Neither says more
    // than there was, so the larger is nearer to it.
    let cpu_s = s(stat.utime + stat.stime).max(scheduled_s(process).unwrap_or_default());
    Some(Cost {
        cpu_s: cpu_s + ended_s,
        rss_bytes: stat.rss * procfs::page_size(),
        fds: process.fd_count().unwrap_or_default() as u64,
    })
}

/// CPU of the threads that live, by the scheduler. None where it keeps no such figures.
fn scheduled_s(process: &Process) -> Option<f64> {
    let threads = process.tasks().ok()?.flatten();
    let ns = threads.filter_map(|thread| Some(thread.schedstat().ok()?.sum_exec_runtime));
    Some(ns.sum::<u64>() as f64 / 1e9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_seen_and_nothing_goes_backwards() {
        let before = own();
        let mut sum = 0_u64;
        while own().cpu_s <= before.cpu_s {
            sum = (0..100_000).fold(sum, |sum, number| sum.wrapping_mul(31).wrapping_add(number));
        }
        assert!(own().cpu_s > before.cpu_s, "{sum}");
        let pid = i32::try_from(std::process::id()).expect("a pid");
        assert!(
            cost(pid).is_some_and(|tree| tree.cpu_s > before.cpu_s && tree.rss_bytes > 0 && tree.fds > 0)
        );
    }
}
