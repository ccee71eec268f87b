//! Bar charts as SVG: readable on light and on dark, and by those who hear them.

use super::figures::{Spread, number};
use super::svg::{HEAD_HEIGHT, escape, frame, put, short, ticks};

/// Bars of one figure, one below the other.
#[derive(Debug)]
pub(crate) struct Panel<'a> {
    pub(crate) title: &'a str,
    pub(crate) unit: &'a str,
    /// The most that is aimed at.
    pub(crate) aim: Option<f64>,
    /// Whether more is better.
    pub(crate) is_better_higher: bool,
    /// Ours first.
    pub(crate) bars: Vec<Bar<'a>>,
}

/// One server's bar.
#[derive(Debug)]
pub(crate) struct Bar<'a> {
    pub(crate) name: &'a str,
    /// None where no run counts.
    pub(crate) spread: Option<Spread>,
}

/// Names stand left of this.
const AXIS_X: f64 = 190.0;
/// Bars end here at the latest: what is right of it is for their figures.
const END_X: f64 = 640.0;
const BAR_STEP: f64 = 26.0;
const BAR_HEIGHT: f64 = 16.0;
/// Above and below the bars of a panel.
const PANEL_HEAD: f64 = 30.0;
const PANEL_FOOT: f64 = 40.0;
/// The ends of bars on a linear scale would not be told apart beyond this.
const LINEAR_RATIO_MAX: f64 = 30.0;

/// Draws panels below each other.
pub(crate) fn svg(title: &str, about: &str, panels: &[Panel]) -> String {
    let height = HEAD_HEIGHT + panels.iter().map(panel_height).sum::<f64>();
    frame(title, about, &described(about, panels), "", height, |out| {
        let mut top = HEAD_HEIGHT;
        for panel in panels {
            draw(panel, top, out);
            top += panel_height(panel);
        }
    })
}

fn panel_height(panel: &Panel) -> f64 {
    PANEL_HEAD + BAR_STEP * panel.bars.len() as f64 + PANEL_FOOT
}

fn draw(panel: &Panel, top: f64, out: &mut String) {
    let scale = Scale::of(panel);
    let kind = if scale.is_log { ", logarithmic" } else { "" };
    let better = if panel.is_better_higher { "more" } else { "less" };
    let title = format!("{}, {}{kind}; {better} is better", panel.title, panel.unit);
    let (bars_y, bars_end) = (top + PANEL_HEAD, top + panel_height(panel) - PANEL_FOOT);
    put(
        out,
        format_args!(
            "<text class=\"p\" x=\"16\" y=\"{:.1}\">{}</text>\n",
            top + 16.0,
            escape(&title)
        ),
    );
    for tick in scale.ticks() {
        let x = scale.x(tick);
        put(
            out,
            format_args!(
                "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{bars_y:.1}\" y2=\"{bars_end:.1}\"/><text class=\"s\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\n",
                bars_end + 15.0,
                short(tick)
            ),
        );
    }
    for (index, bar) in panel.bars.iter().enumerate() {
        draw_bar(bar, index, bars_y + BAR_STEP * index as f64, &scale, out);
    }
    if let Some(aim) = panel.aim {
        let x = scale.x(aim);
        put(
            out,
            format_args!(
                "<line class=\"aim\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{:.1}\" y2=\"{bars_end:.1}\"/><text class=\"at\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">aim {}</text>\n",
                bars_y - 2.0,
                bars_end + 30.0,
                short(aim)
            ),
        );
    }
}

fn draw_bar(bar: &Bar, index: usize, y: f64, scale: &Scale, out: &mut String) {
    let (bar_y, text_y) = (y + (BAR_STEP - BAR_HEIGHT) / 2.0, y + BAR_STEP / 2.0 + 4.5);
    put(
        out,
        format_args!(
            "<text x=\"{:.1}\" y=\"{text_y:.1}\" text-anchor=\"end\">{}</text>",
            AXIS_X - 10.0,
            escape(bar.name)
        ),
    );
    let Some(spread) = bar.spread else {
        put(
            out,
            format_args!(
                "<text class=\"s\" x=\"{:.1}\" y=\"{text_y:.1}\">void</text>\n",
                AXIS_X + 8.0
            ),
        );
        return;
    };
    let (x, from, to) = (scale.x(spread.median), scale.x(spread.min), scale.x(spread.max));
    let class = if index == 0 { "ours" } else { "peer" };
    put(
        out,
        format_args!(
            "<rect class=\"{class}\" x=\"{AXIS_X}\" y=\"{bar_y:.1}\" width=\"{:.1}\" height=\"{BAR_HEIGHT}\" rx=\"2\"/><line class=\"range\" x1=\"{from:.1}\" x2=\"{to:.1}\" y1=\"{mid:.1}\" y2=\"{mid:.1}\"/><text x=\"{:.1}\" y=\"{text_y:.1}\">{}</text>\n",
            // A figure of nearly nothing is still there.
            (x - AXIS_X).max(1.0),
            x.max(to) + 8.0,
            number(spread.median),
            mid = bar_y + BAR_HEIGHT / 2.0,
        ),
    );
}

/// From figures to places.
#[derive(Debug)]
struct Scale {
    is_log: bool,
    from: f64,
    to: f64,
}

impl Scale {
    fn of(panel: &Panel) -> Scale {
        let spreads = || panel.bars.iter().filter_map(|bar| bar.spread);
        let most = spreads()
            .map(|spread| spread.max)
            .chain(panel.aim)
            .fold(f64::MIN_POSITIVE, f64::max);
        let least = spreads()
            .map(|spread| spread.min)
            .chain(panel.aim)
            .fold(f64::MAX, f64::min);
        // What is nothing, or shrank, has no logarithm.
        if least > 0.0 && most / least > LINEAR_RATIO_MAX {
            // From a power of ten below the least, so that its bar has a length.
            let from = 10_f64.powf((least * 0.8).log10().floor());
            return Scale {
                is_log: true,
                from,
                to: most,
            };
        }
        Scale {
            is_log: false,
            from: 0.0,
            to: most,
        }
    }

    fn x(&self, value: f64) -> f64 {
        let share = if self.is_log {
            (value / self.from).log10() / (self.to / self.from).log10()
        } else {
            value / self.to
        };
        AXIS_X + share.clamp(0.0, 1.0) * (END_X - AXIS_X)
    }

    /// Round figures, and not many of them.
    fn ticks(&self) -> Vec<f64> {
        if self.is_log {
            let tens = std::iter::successors(Some(self.from), |tick| Some(tick * 10.0));
            return tens.take_while(|tick| *tick <= self.to * 1.000_001).collect();
        }
        ticks(self.to)
    }
}

/// The whole picture in words.
fn described(about: &str, panels: &[Panel]) -> String {
    let mut text = about.to_owned();
    for panel in panels {
        let bars: Vec<String> = panel
            .bars
            .iter()
            .map(|bar| {
                let value = bar
                    .spread
                    .map_or("void".to_owned(), |spread| number(spread.median));
                format!("{} {value}", bar.name)
            })
            .collect();
        put(
            &mut text,
            format_args!(" {}, {}: {}.", panel.title, panel.unit, bars.join(", ")),
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panel(values: &[f64]) -> Panel<'static> {
        let bar = |value: &f64| Bar {
            name: "a<b",
            spread: Some(Spread {
                median: *value,
                min: *value,
                max: *value,
            }),
        };
        Panel {
            title: "cost",
            unit: "µs",
            aim: None,
            is_better_higher: false,
            bars: values.iter().map(bar).collect(),
        }
    }

    #[test]
    fn text_is_escaped_and_the_picture_has_title_and_description() {
        assert_eq!(escape("<a & \"b\">"), "&lt;a &amp; &quot;b&quot;&gt;");
        let mut some = panel(&[1.0, 2.0]);
        some.bars[1].spread = None;
        let svg = svg("t & t", "About <it>.", &[some]);
        for wanted in [
            "<title id=\"title\">t &amp; t</title>",
            "About &lt;it&gt;. cost, µs: a&lt;b 1.00, a&lt;b void.",
            "prefers-color-scheme:dark",
            ">void</text>",
        ] {
            assert!(svg.contains(wanted), "{wanted}");
        }
        assert!(!svg.contains("a<b"));
    }

    #[test]
    fn what_lies_far_apart_is_drawn_on_a_logarithmic_scale() {
        let log = Scale::of(&panel(&[0.3, 4_000.0]));
        assert!(log.is_log);
        assert_eq!(log.ticks().len(), 5, "{:?}", log.ticks());
        assert!((log.x(4_000.0) - END_X).abs() < 1e-6 && log.x(0.3) > AXIS_X);
        let linear = Scale::of(&panel(&[1.0, 10.0]));
        assert!(!linear.is_log);
        assert_eq!(linear.ticks(), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
        assert!(!Scale::of(&panel(&[0.0, 10.0])).is_log);
        assert!(Scale::of(&panel(&[0.0])).ticks().len() < 8);
    }
}
