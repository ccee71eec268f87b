//! Two runs, or the medians of several pairs, side by side.

use std::fmt::Write;

use super::Summary;
use super::text::number;

/// One figure of both.
struct Row {
    name: String,
    base: f64,
    other: f64,
}

/// A table: what, the base, the other, and the other over the base.
pub fn table(base: &[Summary], other: &[Summary]) -> String {
    let mut rows = Vec::new();
    let mut row = |name: String, of: &dyn Fn(&Summary) -> Option<f64>| {
        if let (Some(base), Some(other)) = (median(base, of), median(other, of)) {
            rows.push(Row { name, base, other });
        }
    };
    let Some(first) = base.first() else {
        return String::new();
    };
    for name in first.trends.keys() {
        let figures = |summary: &Summary| {
            summary
                .trends
                .get(name)
                .filter(|figures| figures.count > 0)
                .copied()
        };
        row(format!("{name} p50"), &|summary| {
            figures(summary).map(|figures| figures.p50)
        });
        row(format!("{name} p95"), &|summary| {
            figures(summary).map(|figures| figures.p95)
        });
        row(format!("{name} p99"), &|summary| {
            figures(summary).map(|figures| figures.p99)
        });
    }
    for name in first.gauges.keys() {
        row(name.clone(), &|summary| summary.gauges.get(name).copied());
    }
    for name in first.counters.keys() {
        row(name.clone(), &|summary| {
            summary.counters.get(name).map(|count| *count as f64)
        });
    }
    let mut out = String::new();
    let name_of = |runs: &[Summary]| runs.first().map_or(String::new(), |run| run.target.clone());
    // Writing to a string cannot fail.
    let _ = writeln!(
        out,
        "\n  {:<32} {:>14} {:>14} {:>8}",
        "median", "base", "other", "ratio"
    );
    for Row { name, base, other } in rows {
        let ratio = if base == other { 1.0 } else { other / base };
        let ratio = if ratio.is_finite() {
            format!("{ratio:.2}")
        } else {
            "-".to_owned()
        };
        let _ = writeln!(
            out,
            "  {name:<32} {:>14} {:>14} {ratio:>8}",
            number(base),
            number(other)
        );
    }
    let _ = writeln!(
        out,
        "\n  base   {}, {} runs\n  other  {}, {} runs",
        name_of(base),
        base.len(),
        name_of(other),
        other.len()
    );
    for (which, runs) in [("base", base), ("other", other)] {
        let mut warnings: Vec<&String> = runs.iter().flat_map(|run| &run.warnings).collect();
        warnings.sort();
        warnings.dedup();
        for warning in warnings {
            let _ = writeln!(out, "  ! {which}: {warning}");
        }
    }
    out
}

fn median(runs: &[Summary], of: &dyn Fn(&Summary) -> Option<f64>) -> Option<f64> {
    let mut values: Vec<f64> = runs.iter().filter_map(of).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}
