//! The report as one HTML page that needs nothing else: plots are drawn here, and no script runs.

use std::fmt::Write;

use super::text::number;
use super::{Second, Summary};

const STYLE: &str = include_str!("report.css");

/// Width and height of a plot's inside, and the space around it, in its own units.
const PLOT: (f64, f64) = (640.0, 180.0);
const MARGIN: (f64, f64) = (56.0, 26.0);

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
    if !summary.verdicts.is_empty() {
        out.push_str("<section><h2>Thresholds</h2><ul class=\"verdicts\">");
        for verdict in &summary.verdicts {
            let (class, mark) = if verdict.holds {
                ("good", "✓ met")
            } else {
                ("bad", "✗ crossed")
            };
            let value = verdict.value.map_or("not measured".to_owned(), number);
            let _ = write!(
                out,
                "<li class=\"{class}\"><b>{mark}</b> {} <code>{}</code> <span>{value}</span></li>",
                escape(&verdict.metric),
                escape(&verdict.condition)
            );
        }
        out.push_str("</ul></section>");
    }
    for warning in &summary.warnings {
        let _ = write!(out, "<p class=\"warning\" role=\"note\">{}</p>", escape(warning));
    }
    out.push_str("<section class=\"plots\">");
    let of = |pick: fn(&Second) -> f64| {
        summary
            .seconds
            .iter()
            .map(|second| (second.at_s, pick(second)))
            .collect()
    };
    plot(
        &mut out,
        summary,
        "Delivery latency, ms",
        &[
            ("p50", of(|second| second.delivery_p50_ms)),
            ("p95", of(|second| second.delivery_p95_ms)),
            ("p99", of(|second| second.delivery_p99_ms)),
        ],
    );
    plot(
        &mut out,
        summary,
        "Deliveries a second",
        &[("deliveries", of(|second| second.deliveries_per_s))],
    );
    plot(
        &mut out,
        summary,
        "Virtual users",
        &[("users", of(|second| second.vus as f64))],
    );
    plot(
        &mut out,
        summary,
        "CPU, % of one core",
        &[
            ("server", of(|second| second.server_cpu_share * 100.0)),
            ("generator", of(|second| second.generator_cpu_share * 100.0)),
        ],
    );
    if summary.seconds.iter().any(|second| second.server_rss_mb > 0.0) {
        plot(
            &mut out,
            summary,
            "Server memory, MB",
            &[("resident", of(|second| second.server_rss_mb))],
        );
    }
    bars(&mut out, summary);
    out.push_str("</section>");
    tables(&mut out, summary);
    out.push_str("</main></body></html>");
    out
}

fn plot(out: &mut String, summary: &Summary, title: &str, lines: &[(&str, Vec<(f64, f64)>)]) {
    let end_s = summary.seconds.last().map_or(1.0, |second| second.at_s).max(1.0);
    let top = nice(
        lines
            .iter()
            .flat_map(|(_, points)| points)
            .map(|(_, value)| *value)
            .fold(0.0, f64::max),
    );
    let x = |at_s: f64| MARGIN.0 + at_s / end_s * PLOT.0;
    let y = |value: f64| MARGIN.1 + (1.0 - value / top) * PLOT.1;
    open(out, title);
    for part in 0..=4 {
        let value = top * f64::from(part) / 4.0;
        let _ = write!(
            out,
            "<path class=\"grid\" d=\"M{:.1} {:.1}H{:.1}\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            MARGIN.0,
            y(value),
            MARGIN.0 + PLOT.0,
            MARGIN.0 - 6.0,
            y(value) + 4.0,
            number(value)
        );
    }
    for (at_s, what) in &summary.marks {
        let _ = write!(
            out,
            "<path class=\"mark\" d=\"M{:.1} {:.1}v{:.1}\"><title>{}</title></path>",
            x(at_s.min(end_s)),
            MARGIN.1,
            PLOT.1,
            escape(what)
        );
    }
    for (place, (name, points)) in lines.iter().enumerate() {
        let mut path = String::new();
        for (at_s, value) in points {
            let verb = if path.is_empty() { 'M' } else { 'L' };
            let _ = write!(path, "{verb}{:.1} {:.1}", x(*at_s), y(*value));
        }
        let _ = write!(
            out,
            "<path class=\"line l{place}\" d=\"{path}\"/><text class=\"l{place}\" x=\"{:.1}\" y=\"16\">{name}</text>",
            MARGIN.0 + 90.0 * place as f64
        );
    }
    let _ = write!(
        out,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{end_s:.0} s</text>",
        MARGIN.0 + PLOT.0,
        MARGIN.1 + PLOT.1 + 18.0
    );
    out.push_str("</svg></figure>");
}

fn bars(out: &mut String, summary: &Summary) {
    let most = summary
        .histogram
        .iter()
        .map(|(_, count)| *count)
        .max()
        .unwrap_or_default();
    if most == 0 {
        return;
    }
    open(out, "How deliveries are spread, by latency");
    let width = PLOT.0 / summary.histogram.len() as f64;
    for (place, (bound_ms, count)) in summary.histogram.iter().enumerate() {
        let height = *count as f64 / most as f64 * PLOT.1;
        let left = MARGIN.0 + width * place as f64;
        let _ = write!(
            out,
            "<rect class=\"l0\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{height:.1}\"><title>{count} up to {} ms</title></rect>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            left + 1.0,
            MARGIN.1 + PLOT.1 - height,
            (width - 2.0).max(1.0),
            number(*bound_ms),
            left + width / 2.0,
            MARGIN.1 + PLOT.1 + 18.0,
            number(*bound_ms)
        );
    }
    out.push_str("</svg></figure>");
}

fn open(out: &mut String, title: &str) {
    let _ = write!(
        out,
        "<figure><figcaption>{title}</figcaption><svg viewBox=\"0 0 {:.0} {:.0}\" role=\"img\" aria-label=\"{title}\">",
        PLOT.0 + MARGIN.0 + 16.0,
        PLOT.1 + MARGIN.1 + 26.0
    );
}

fn tables(out: &mut String, summary: &Summary) {
    out.push_str("<section><h2>Latencies, ms</h2><div class=\"wide\"><table><tr><th>metric<th>count<th>avg<th>p50<th>p90<th>p95<th>p99<th>max</tr>");
    for (name, of) in summary.trends.iter().filter(|(_, figures)| figures.count > 0) {
        let _ = write!(out, "<tr><td>{name}<td>{}", of.count);
        for value in [of.avg, of.p50, of.p90, of.p95, of.p99, of.max] {
            let _ = write!(out, "<td>{}", number(value));
        }
        out.push_str("</tr>");
    }
    out.push_str("</table></div></section><section><h2>Everything else</h2><div class=\"wide\"><table><tr><th>metric<th>value</tr>");
    for (name, count) in &summary.counters {
        let _ = write!(out, "<tr><td>{name}<td>{count}</tr>");
    }
    for (name, value) in &summary.gauges {
        let _ = write!(out, "<tr><td>{name}<td>{}</tr>", number(*value));
    }
    for (kind, count) in &summary.errors {
        let _ = write!(out, "<tr><td>error: {}<td>{count}</tr>", escape(kind));
    }
    out.push_str("</table></div></section>");
}

/// The next of 1, 2, 5, 10, 20 …
fn nice(value: f64) -> f64 {
    if value <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf(value.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|step| step * power)
        .find(|bound| *bound >= value)
        .unwrap_or(value)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
