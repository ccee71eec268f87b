//! Plots as SVG: axes with units, a legend whose lines differ in colour and in dashes, numbered stages.

use std::fmt::Write;

use super::Summary;
use super::html::escape;
use super::text::{amount, number};

/// Width and height of a plot's inside, in its own units.
const PLOT: (f64, f64) = (384.0, 150.0);
/// The space around it: left, top, right, bottom.
const MARGIN: (f64, f64, f64, f64) = (46.0, 24.0, 12.0, 34.0);
/// A sample of less than this after the one before says nothing about a second.
const SAMPLE_S_MIN: f64 = 0.5;

/// One line: what it is, and its points in seconds and in the plot's unit.
pub(super) struct Line {
    pub(super) name: &'static str,
    pub(super) points: Vec<(f64, f64)>,
}

impl Line {
    /// One value of each second. The last sample of a run is cut short: it is left out.
    pub(super) fn of(summary: &Summary, name: &'static str, pick: impl Fn(&super::Second) -> f64) -> Line {
        let mut before_s = 0.0;
        let mut points = Vec::new();
        for second in &summary.seconds {
            if second.at_s - before_s >= SAMPLE_S_MIN {
                points.push((second.at_s, pick(second)));
            }
            before_s = second.at_s;
        }
        Line { name, points }
    }
}

fn x(share: f64) -> f64 {
    MARGIN.0 + share * PLOT.0
}

fn y(share: f64) -> f64 {
    MARGIN.1 + (1.0 - share) * PLOT.1
}

/// Draws lines over time.
pub(super) fn lines(out: &mut String, summary: &Summary, title: &str, unit: &str, lines: &[Line]) {
    let points = || lines.iter().flat_map(|line| &line.points);
    let end_s = points().map(|(at_s, _)| *at_s).fold(1.0, f64::max);
    let (top, step) = scale(points().map(|(_, value)| *value).fold(0.0, f64::max));
    let legend: Vec<&str> = lines.iter().map(|line| line.name).collect();
    let told: Vec<String> = lines
        .iter()
        .filter_map(|line| {
            let most = line.points.iter().map(|(_, value)| *value).reduce(f64::max)?;
            let last = line.points.last()?.1;
            Some(format!(
                "{}: at most {}, at the end {}",
                line.name,
                amount(most),
                amount(last)
            ))
        })
        .collect();
    open(out, title, unit, &legend, &told.join("; "));
    if summary.warmup_s > 0.0 {
        let width = (summary.warmup_s / end_s).min(1.0) * PLOT.0;
        let _ = write!(
            out,
            "<rect class=\"cold\" x=\"{:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{:.1}\"/>",
            MARGIN.0, MARGIN.1, PLOT.1
        );
    }
    grid(out, top, step);
    let (_, step_s) = scale(end_s);
    let mut at_s = 0.0;
    while at_s <= end_s {
        tick(out, x(at_s / end_s), &short(at_s));
        at_s += step_s;
    }
    axis(out, "seconds");
    for (place, (at_s, _)) in stages(summary).iter().enumerate() {
        if *at_s <= end_s {
            let at = x(at_s / end_s);
            let _ = write!(
                out,
                "<path class=\"mark\" d=\"M{at:.1} {:.1}V{:.1}\"/><text class=\"stage\" x=\"{at:.1}\" y=\"{:.1}\">{}</text>",
                y(0.0),
                y(1.0),
                y(1.0) - 9.0,
                place + 1
            );
        }
    }
    for (place, line) in lines.iter().enumerate() {
        let mut path = String::new();
        for (at_s, value) in &line.points {
            let verb = if path.is_empty() { 'M' } else { 'L' };
            let _ = write!(path, "{verb}{:.1} {:.1}", x(at_s / end_s), y(value / top));
        }
        let _ = write!(out, "<path class=\"line l{place}\" d=\"{path}\"/>");
    }
    out.push_str("</svg></figure>");
}

/// Draws how deliveries are spread, in shares of all of them.
pub(super) fn bars(out: &mut String, summary: &Summary) {
    let all: u64 = summary.histogram.iter().map(|(_, count)| *count).sum();
    // What is empty at the small end takes room and says nothing.
    let first = summary.histogram.iter().position(|(_, count)| *count > 0);
    let Some(bars) = first.map(|first| &summary.histogram[first..]) else {
        return;
    };
    let share = |count: u64| count as f64 * 100.0 / all as f64;
    let (top, step) = scale(bars.iter().map(|(_, count)| share(*count)).fold(0.0, f64::max));
    let told: Vec<String> = bars
        .iter()
        .map(|(bound_ms, count)| format!("up to {} ms: {} %", number(*bound_ms), number(share(*count))))
        .collect();
    open(
        out,
        "How delivery latency is spread",
        "% of deliveries",
        &[],
        &told.join("; "),
    );
    grid(out, top, step);
    let width = PLOT.0 / bars.len() as f64;
    for (place, (bound_ms, count)) in bars.iter().enumerate() {
        let left = MARGIN.0 + width * place as f64;
        let height = share(*count) / top * PLOT.1;
        let _ = write!(
            out,
            "<rect class=\"bar\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{height:.1}\"><title>{count}, up to {} ms</title></rect>",
            left + 1.0,
            y(0.0) - height,
            (width - 2.0).max(1.0),
            number(*bound_ms)
        );
        // With many bars every other has a label, so that they do not run into each other.
        if bars.len() <= 7 || (bars.len() - 1 - place).is_multiple_of(bars.len().div_ceil(7)) {
            tick(out, left + width / 2.0, &short(*bound_ms));
        }
    }
    axis(out, "up to, ms");
    out.push_str("</svg></figure>");
}

/// The stages in their order, each moment once, without the end.
pub(super) fn stages(summary: &Summary) -> Vec<(f64, String)> {
    let mut marks: Vec<&(f64, String)> = summary.marks.iter().collect();
    marks.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mut stages: Vec<(f64, String)> = Vec::new();
    for (at_s, what) in marks
        .into_iter()
        .filter(|(at_s, _)| *at_s + SAMPLE_S_MIN < summary.ran_s)
    {
        match stages.last_mut() {
            Some((last_s, told)) if (*at_s - *last_s).abs() < 1e-6 => {
                told.push_str(", ");
                told.push_str(what);
            }
            _ => stages.push((*at_s, what.clone())),
        }
    }
    stages
}

fn open(out: &mut String, title: &str, unit: &str, legend: &[&str], told: &str) {
    let _ = write!(
        out,
        "<figure><figcaption>{title} <span class=\"dim\">{unit}</span>"
    );
    if legend.len() > 1 {
        out.push_str("<span class=\"legend\">");
        for (place, name) in legend.iter().enumerate() {
            let _ = write!(
                out,
                "<span><svg class=\"swatch\" viewBox=\"0 0 24 8\" aria-hidden=\"true\"><path class=\"line l{place}\" d=\"M1 4H23\"/></svg>{name}</span>"
            );
        }
        out.push_str("</span>");
    }
    let _ = write!(
        out,
        "</figcaption><svg class=\"plot\" viewBox=\"0 0 {:.0} {:.0}\" role=\"img\" aria-label=\"{title}, {unit}. {}\">",
        MARGIN.0 + PLOT.0 + MARGIN.2,
        MARGIN.1 + PLOT.1 + MARGIN.3,
        escape(told)
    );
}

fn grid(out: &mut String, top: f64, step: f64) {
    let mut value = 0.0;
    while value <= top * 1.000_001 {
        let at = y(value / top);
        let _ = write!(
            out,
            "<path class=\"grid\" d=\"M{:.1} {at:.1}h{:.1}\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            MARGIN.0,
            PLOT.0,
            MARGIN.0 - 5.0,
            at + 4.0,
            short(value)
        );
        value += step;
    }
}

fn tick(out: &mut String, at: f64, label: &str) {
    let _ = write!(
        out,
        "<text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{label}</text>",
        y(0.0) + 14.0
    );
}

fn axis(out: &mut String, name: &str) {
    let _ = write!(
        out,
        "<text class=\"axis\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{name}</text>",
        MARGIN.0 + PLOT.0,
        y(0.0) + 29.0
    );
}

/// Where an axis ends that holds a value, and from one line to the next: at most five, at round values.
fn scale(value: f64) -> (f64, f64) {
    if value <= 0.0 {
        return (1.0, 0.5);
    }
    let power = 10_f64.powf((value / 5.0).log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0]
        .into_iter()
        .map(|step| step * power)
        .find(|step| step * 5.0 >= value * 0.999_999)
        .unwrap_or(power * 10.0);
    ((value / step - 1e-6).ceil() * step, step)
}

/// A number that fits beside an axis.
fn short(value: f64) -> String {
    let trim = |value: f64, suffix: &str| {
        let digits = if value.abs() >= 100.0 { 0 } else { 2 };
        let text = format!("{value:.digits$}");
        let text = if text.contains('.') {
            text.trim_end_matches('0').trim_end_matches('.')
        } else {
            &text
        };
        format!("{text}{suffix}")
    };
    match value.abs() {
        large if large >= 1e6 => trim(value / 1e6, "M"),
        large if large >= 1e4 => trim(value / 1e3, "k"),
        small if small >= 10.0 => trim((value * 10.0).round() / 10.0, ""),
        _ => trim(value, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_has_round_lines_and_room_for_the_value() {
        for (value, wanted) in [
            (0.0, (1.0, 0.5)),
            (24.0, (25.0, 5.0)),
            (6_300.0, (8_000.0, 2_000.0)),
            (80.0, (80.0, 20.0)),
            (100.0, (100.0, 20.0)),
            (0.07, (0.08, 0.02)),
        ] {
            let (top, step) = scale(value);
            assert!(
                (top - wanted.0).abs() < 1e-9 && (step - wanted.1).abs() < 1e-9,
                "{value}: {top}, {step}"
            );
        }
        let labels = [0.0, 0.064, 2.5, 16.384, 250.0, 12_500.0, 2e6].map(short);
        assert_eq!(labels, ["0", "0.06", "2.5", "16.4", "250", "12.5k", "2M"]);
    }
}
