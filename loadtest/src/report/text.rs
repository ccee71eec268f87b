//! The summary on a terminal, aligned as k6 aligns it.

use std::fmt::Write;

use super::Summary;

/// Width of the names with their dots.
const NAME_WIDTH: usize = 32;

/// The whole summary.
pub fn text(summary: &Summary) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(
        out,
        "\n  {}  on {}  ({:.1} s, seed {})\n",
        summary.name, summary.target, summary.ran_s, summary.seed
    );
    for verdict in &summary.verdicts {
        let mark = if verdict.holds { "✓" } else { "✗" };
        let value = verdict.value.map_or("not measured".to_owned(), amount);
        let _ = writeln!(
            out,
            "  {mark} {} {}  ({value})",
            verdict.metric, verdict.condition
        );
    }
    if !summary.verdicts.is_empty() {
        out.push('\n');
    }
    for (name, figures) in &summary.trends {
        if figures.count == 0 {
            continue;
        }
        let _ = writeln!(
            out,
            "  {} avg={:<9} min={:<9} p50={:<9} p90={:<9} p95={:<9} p99={:<9} max={}",
            dotted(name),
            number(figures.avg),
            number(figures.min),
            number(figures.p50),
            number(figures.p90),
            number(figures.p95),
            number(figures.p99),
            number(figures.max)
        );
    }
    for (name, count) in &summary.counters {
        let _ = writeln!(
            out,
            "  {} {:<12} {}/s",
            dotted(name),
            count,
            number(*count as f64 / summary.ran_s)
        );
    }
    for (name, value) in &summary.gauges {
        let _ = writeln!(out, "  {} {}", dotted(name), amount(*value));
    }
    for (kind, count) in &summary.errors {
        let _ = writeln!(out, "  error, {count} times: {kind}");
    }
    for warning in &summary.warnings {
        let _ = writeln!(out, "  ! {warning}");
    }
    out
}

fn dotted(name: &str) -> String {
    format!("{name}{}:", ".".repeat(NAME_WIDTH.saturating_sub(name.len())))
}

/// As [`number`], and what is whole without a fraction.
pub fn amount(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e15 {
        return format!("{value:.0}");
    }
    number(value)
}

/// Three digits that matter.
pub fn number(value: f64) -> String {
    match value.abs() {
        small if small < 10.0 => format!("{value:.2}"),
        middle if middle < 100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}
