//! Line graphs as SVG: how a figure goes with another, or with time.

use super::figures::number;
use super::svg::{HEAD_HEIGHT, escape, frame, put, short, ticks};

/// One graph: a line through points.
#[derive(Debug)]
pub(crate) struct Graph {
    /// What goes up.
    pub(crate) title: String,
    /// What goes to the right.
    pub(crate) below: String,
    /// Whether the way to the right is measured in powers of ten.
    pub(crate) is_log: bool,
    /// From left to right.
    pub(crate) points: Vec<Point>,
    /// The most that is aimed at.
    pub(crate) aim: Option<f64>,
}

/// A point, with the least and the most that was seen there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Point {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

const LEFT_X: f64 = 70.0;
const RIGHT_X: f64 = 730.0;
const TITLE_HEIGHT: f64 = 28.0;
const PLOT_HEIGHT: f64 = 170.0;
const FOOT_HEIGHT: f64 = 54.0;
/// More points than this would be a smear: then there are no dots and no figures.
const DOTS_COUNT_MAX: usize = 12;
const LINES: &str = ".line{fill:none;stroke:#0969da;stroke-width:2}.dot{fill:#0969da}\
@media(prefers-color-scheme:dark){.line{stroke:#4493f8}.dot{fill:#4493f8}}";

/// Draws graphs below each other.
pub(crate) fn svg(title: &str, about: &str, graphs: &[Graph]) -> String {
    let each = TITLE_HEIGHT + PLOT_HEIGHT + FOOT_HEIGHT;
    let height = HEAD_HEIGHT + each * graphs.len() as f64;
    frame(title, about, &described(about, graphs), LINES, height, |out| {
        let mut top = HEAD_HEIGHT;
        for graph in graphs {
            draw(graph, top, out);
            top += each;
        }
    })
}

fn draw(graph: &Graph, top: f64, out: &mut String) {
    let plot_end = top + TITLE_HEIGHT + PLOT_HEIGHT;
    put(
        out,
        format_args!(
            "<text class=\"p\" x=\"16\" y=\"{:.1}\">{}</text>\n<text class=\"s\" x=\"{RIGHT_X}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\n",
            top + 16.0,
            escape(&graph.title),
            plot_end + 34.0,
            escape(&graph.below)
        ),
    );
    let most = graph.points.iter().map(|point| point.max).chain(graph.aim);
    let most = most.fold(f64::MIN_POSITIVE, f64::max) * 1.08;
    let y = |value: f64| plot_end - (value / most).clamp(0.0, 1.0) * PLOT_HEIGHT;
    for tick in ticks(most) {
        put(
            out,
            format_args!(
                "<line class=\"grid\" x1=\"{LEFT_X}\" x2=\"{RIGHT_X}\" y1=\"{0:.1}\" y2=\"{0:.1}\"/><text class=\"s\" x=\"{1:.1}\" y=\"{2:.1}\" text-anchor=\"end\">{3}</text>\n",
                y(tick),
                LEFT_X - 8.0,
                y(tick) + 4.0,
                short(tick)
            ),
        );
    }
    let (Some(first), Some(last)) = (graph.points.first(), graph.points.last()) else {
        return;
    };
    let along = |x: f64| if graph.is_log { x.max(1e-9).log10() } else { x };
    // A little room on both sides, so that figures at the ends are not cut.
    let (from, to) = (along(first.x), along(last.x).max(along(first.x) + 1e-9));
    let x = |value: f64| LEFT_X + 24.0 + (along(value) - from) / (to - from) * (RIGHT_X - LEFT_X - 48.0);
    let has_dots = graph.points.len() <= DOTS_COUNT_MAX;
    let marks: Vec<f64> = if has_dots {
        graph.points.iter().map(|point| point.x).collect()
    } else {
        ticks(last.x)
            .into_iter()
            .filter(|tick| *tick >= first.x)
            .collect()
    };
    for mark in marks {
        put(
            out,
            format_args!(
                "<text class=\"s\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\n",
                x(mark),
                plot_end + 16.0,
                short(mark)
            ),
        );
    }
    if let Some(aim) = graph.aim {
        put(
            out,
            format_args!(
                "<line class=\"aim\" x1=\"{LEFT_X}\" x2=\"{RIGHT_X}\" y1=\"{0:.1}\" y2=\"{0:.1}\"/><text class=\"at\" x=\"{RIGHT_X}\" y=\"{1:.1}\" text-anchor=\"end\">aim {2}</text>\n",
                y(aim),
                y(aim) - 4.0,
                short(aim)
            ),
        );
    }
    let line: Vec<String> = graph
        .points
        .iter()
        .map(|point| format!("{:.1},{:.1}", x(point.x), y(point.y)))
        .collect();
    put(
        out,
        format_args!("<polyline class=\"line\" points=\"{}\"/>\n", line.join(" ")),
    );
    for point in graph.points.iter().filter(|_| has_dots) {
        put(
            out,
            format_args!(
                "<line class=\"range\" x1=\"{0:.1}\" x2=\"{0:.1}\" y1=\"{1:.1}\" y2=\"{2:.1}\"/><circle class=\"dot\" cx=\"{0:.1}\" cy=\"{3:.1}\" r=\"3.5\"/><text x=\"{0:.1}\" y=\"{4:.1}\" text-anchor=\"middle\">{5}</text>\n",
                x(point.x),
                y(point.min),
                y(point.max),
                y(point.y),
                y(point.max) - 8.0,
                number(point.y)
            ),
        );
    }
}

/// The whole picture in words: the ends are enough of a long line.
fn described(about: &str, graphs: &[Graph]) -> String {
    let mut text = about.to_owned();
    for graph in graphs {
        let points: Vec<&Point> = if graph.points.len() <= DOTS_COUNT_MAX {
            graph.points.iter().collect()
        } else {
            graph
                .points
                .first()
                .into_iter()
                .chain(graph.points.last())
                .collect()
        };
        let points: Vec<String> = points
            .iter()
            .map(|point| format!("{} at {}", number(point.y), short(point.x)))
            .collect();
        put(
            &mut text,
            format_args!(" {} ({}): {}.", graph.title, graph.below, points.join(", ")),
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(points: &[(f64, f64)], is_log: bool) -> Graph {
        let point = |(x, y): &(f64, f64)| Point {
            x: *x,
            y: *y,
            min: *y,
            max: *y,
        };
        Graph {
            title: "cost <µs>".to_owned(),
            below: "rooms".to_owned(),
            is_log,
            points: points.iter().map(point).collect(),
            aim: Some(3.0),
        }
    }

    #[test]
    fn a_picture_says_in_words_what_it_shows() {
        let svg = svg("a & b", "About.", &[graph(&[(10.0, 1.0), (1_000.0, 2.0)], true)]);
        for wanted in [
            "a &amp; b",
            "cost &lt;µs&gt; (rooms): 1.00 at 10, 2.00 at 1000.",
            "aim 3",
        ] {
            assert!(svg.contains(wanted), "{wanted}");
        }
        assert_eq!(svg.matches("<circle").count(), 2);
    }

    #[test]
    fn a_long_line_has_no_dots_and_an_empty_one_breaks_nothing() {
        let points: Vec<(f64, f64)> = (0..100).map(|at| (f64::from(at), 5.0)).collect();
        assert!(!svg("t", "a", &[graph(&points, false)]).contains("<circle"));
        for few in [&[][..], &[(5.0, 0.0)]] {
            let svg = svg("t", "a", &[graph(few, true)]);
            assert!(svg.ends_with("</svg>\n") && !svg.contains("NaN"), "{svg}");
        }
    }
}
