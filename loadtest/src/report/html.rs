//! The report as one HTML page that needs nothing else: plots are drawn here, and no script runs.

use std::fmt::Write;

use super::plot::{self, Line};
use super::text::{amount, number};
use super::{Second, Summary};

const STYLE: &str = include_str!("report.css");

/// The page.
pub fn html(summary: &Summary) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write!(
        out,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{name} · load test</title><style>{STYLE}</style></head><body><main>\
         <header><h1>{name}</h1><p>{about}</p><p class=\"dim\">{target} · {ran:.1} s · seed {seed}</p></header>",
        name = escape(&summary.name),
        about = escape(&summary.about),
        target = escape(&summary.target),
        ran = summary.ran_s,
        seed = summary.seed,
    );
    verdicts(&mut out, summary);
    for warning in &summary.warnings {
        let _ = write!(
            out,
            "<p class=\"warning\" role=\"note\"><b>Note</b> {}</p>",
            escape(warning)
        );
    }
    plots(&mut out, summary);
    trends(&mut out, summary);
    out.push_str("<div class=\"columns\">");
    counters(&mut out, summary);
    gauges(&mut out, summary);
    out.push_str("</div></main></body></html>");
    out
}

fn verdicts(out: &mut String, summary: &Summary) {
    if summary.verdicts.is_empty() {
        return;
    }
    out.push_str("<section><h2>Thresholds</h2><ul class=\"verdicts\">");
    for verdict in &summary.verdicts {
        let (class, mark) = if verdict.holds {
            ("good", "✓ met")
        } else {
            ("bad", "✗ crossed")
        };
        let value = verdict.value.map_or("not measured".to_owned(), amount);
        let _ = write!(
            out,
            "<li class=\"{class}\"><b>{mark}</b> <span class=\"name\">{} <code>{}</code></span> <span class=\"value\">{value}</span></li>",
            escape(&verdict.metric),
            escape(&verdict.condition)
        );
    }
    out.push_str("</ul></section>");
}

fn plots(out: &mut String, summary: &Summary) {
    out.push_str("<section><h2>Second by second</h2>");
    let stages = plot::stages(summary);
    if !stages.is_empty() {
        out.push_str("<ol class=\"stages\" aria-label=\"Stages, by their numbers in the plots\">");
        for (at_s, what) in stages {
            let _ = write!(
                out,
                "<li>{} <span class=\"dim\">at {} s</span></li>",
                escape(&what),
                amount(at_s)
            );
        }
        out.push_str("</ol>");
    }
    if summary.warmup_s > 0.0 {
        let _ = write!(
            out,
            "<p class=\"dim\">Shaded: the warm-up of {} s, which counts in no trend.</p>",
            amount(summary.warmup_s)
        );
    }
    if summary.seconds.len() < 3 {
        out.push_str(
            "<p class=\"dim\">The run was too short for a picture of its seconds.</p><div class=\"plots\">",
        );
        plot::bars(out, summary);
        out.push_str("</div></section>");
        return;
    }
    out.push_str("<div class=\"plots\">");
    let line = |name, pick: fn(&Second) -> f64| Line::of(summary, name, pick);
    let has = |pick: fn(&Second) -> f64| summary.seconds.iter().any(|second| pick(second) > 0.0);
    if has(|second| second.deliveries_per_s) {
        let lines = [
            line("p50", |second| second.delivery_p50_ms),
            line("p95", |second| second.delivery_p95_ms),
            line("p99", |second| second.delivery_p99_ms),
        ];
        plot::lines(out, summary, "Delivery latency", "ms", &lines);
        let lines = [line("deliveries", |second| second.deliveries_per_s)];
        plot::lines(out, summary, "Deliveries", "1/s", &lines);
    }
    let lines = [line("users", |second| second.vus as f64)];
    plot::lines(out, summary, "Virtual users", "connected or coming", &lines);
    let is_watched = has(|second| second.server_rss_mb);
    let generator = line("generator", |second| second.generator_cpu_share * 100.0);
    if is_watched {
        let server = line("server", |second| second.server_cpu_share * 100.0);
        plot::lines(out, summary, "CPU", "% of one core", &[server, generator]);
        let lines = [line("resident", |second| second.server_rss_mb)];
        plot::lines(out, summary, "Server memory", "MB", &lines);
    } else {
        plot::lines(
            out,
            summary,
            "CPU of the generator",
            "% of one core",
            &[generator],
        );
    }
    plot::bars(out, summary);
    out.push_str("</div></section>");
}

fn trends(out: &mut String, summary: &Summary) {
    let measured = || summary.trends.iter().filter(|(_, figures)| figures.count > 0);
    if measured().next().is_none() {
        return;
    }
    let names = ["count", "avg", "min", "p50", "p90", "p95", "p99", "max"];
    // With roles, because a phone shows the rows as blocks and would forget that they are rows.
    out.push_str(
        "<section><h2>Latencies <span class=\"dim\">ms</span></h2>\
         <table role=\"table\" class=\"trends\"><thead role=\"rowgroup\"><tr role=\"row\"><th role=\"columnheader\" scope=\"col\">metric</th>",
    );
    for name in names {
        let _ = write!(out, "<th role=\"columnheader\" scope=\"col\">{name}</th>");
    }
    out.push_str("</tr></thead><tbody role=\"rowgroup\">");
    for (metric, of) in measured() {
        let _ = write!(
            out,
            "<tr role=\"row\"><th role=\"rowheader\" scope=\"row\">{metric}</th>"
        );
        let values = [of.avg, of.min, of.p50, of.p90, of.p95, of.p99, of.max].map(number);
        for (name, value) in names
            .into_iter()
            .zip(std::iter::once(grouped(of.count)).chain(values))
        {
            let _ = write!(out, "<td role=\"cell\" data-of=\"{name}\">{value}</td>");
        }
        out.push_str("</tr>");
    }
    out.push_str("</tbody></table></section>");
}

fn counters(out: &mut String, summary: &Summary) {
    out.push_str(
        "<section><h2>Counters</h2><table><thead><tr><th scope=\"col\">metric</th>\
         <th scope=\"col\">count</th><th scope=\"col\">per second</th></tr></thead><tbody>",
    );
    for (name, count) in &summary.counters {
        let _ = write!(
            out,
            "<tr><th scope=\"row\">{name}</th><td>{}</td><td>{}</td></tr>",
            grouped(*count),
            per_second(*count as f64 / summary.ran_s.max(1e-3))
        );
    }
    out.push_str("</tbody></table></section>");
}

fn gauges(out: &mut String, summary: &Summary) {
    out.push_str(
        "<section><h2>Gauges</h2><table><thead><tr><th scope=\"col\">metric</th>\
         <th scope=\"col\">value</th></tr></thead><tbody>",
    );
    for (name, value) in &summary.gauges {
        let _ = write!(
            out,
            "<tr><th scope=\"row\">{name}</th><td>{}</td></tr>",
            amount(*value)
        );
    }
    out.push_str("</tbody></table>");
    if !summary.errors.is_empty() {
        out.push_str(
            "<h2>Errors</h2><table><thead><tr><th scope=\"col\">what</th>\
             <th scope=\"col\">count</th></tr></thead><tbody>",
        );
        for (kind, count) in &summary.errors {
            let _ = write!(
                out,
                "<tr><th scope=\"row\">{}</th><td>{}</td></tr>",
                escape(kind),
                grouped(*count)
            );
        }
        out.push_str("</tbody></table>");
    }
    out.push_str("</section>");
}

fn per_second(rate: f64) -> String {
    if rate < 1_000.0 {
        return amount(rate);
    }
    grouped(rate.round() as u64)
}

/// A count with its thousands apart, by a space that does not break.
fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        assert_eq!(
            [7, 999, 1_000, 1_234_567].map(grouped),
            ["7", "999", "1\u{202f}000", "1\u{202f}234\u{202f}567"]
        );
    }
}
