//! What every picture of the suite has: its frame, its colours, and figures on an axis.

use std::fmt::Write as _;

pub(crate) const WIDTH: f64 = 760.0;
/// Above what is drawn: title and subtitle.
pub(crate) const HEAD_HEIGHT: f64 = 58.0;
/// Characters of a line below the title.
const ABOUT_CHARS_MAX: usize = 118;

const STYLE: &str = "text{font:13px system-ui,sans-serif;fill:#1f2328}.h{font-size:17px;font-weight:600}.p{font-weight:600}\
.s{fill:#59636e;font-size:12px}.ours{fill:#0969da}.peer{fill:#8c959f}.grid{stroke:#d1d9e0}.range{stroke:#1f2328;stroke-width:1.5}\
.aim{stroke:#1a7f37;stroke-width:1.5;stroke-dasharray:4 3}.at{fill:#1a7f37;font-size:12px}.bg{fill:#fff}\
@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.s{fill:#9198a1}.ours{fill:#4493f8}.peer{fill:#656c76}.grid{stroke:#3d444d}\
.range{stroke:#f0f6fc}.aim{stroke:#3fb950}.at{fill:#3fb950}.bg{fill:#0d1117}}";

/// A picture with its title, and with all that it shows in words for those who hear it. `style` goes with what `draw` adds.
pub(crate) fn frame(
    title: &str,
    about: &str,
    described: &str,
    style: &str,
    height: f64,
    draw: impl FnOnce(&mut String),
) -> String {
    let mut out = String::new();
    put(
        &mut out,
        format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" role=\"img\" aria-labelledby=\"title desc\">\n<title id=\"title\">{}</title>\n<desc id=\"desc\">{}</desc>\n<style>{STYLE}{style}</style>\n<rect class=\"bg\" width=\"{WIDTH}\" height=\"{height}\" rx=\"6\"/>\n<text class=\"h\" x=\"16\" y=\"26\">{}</text>\n<text class=\"s\" x=\"16\" y=\"46\">{}</text>\n",
            escape(title),
            escape(described),
            escape(title),
            escape(&shortened(about)),
        ),
    );
    draw(&mut out);
    out.push_str("</svg>\n");
    out
}

/// Round figures from nothing to `most`, and not many of them.
pub(crate) fn ticks(most: f64) -> Vec<f64> {
    let rough = (most / 4.0).max(f64::MIN_POSITIVE);
    let ten = 10_f64.powf(rough.log10().floor());
    let step = [5.0, 2.0, 1.0]
        .into_iter()
        .find(|of| of * ten <= rough)
        .unwrap_or(1.0)
        * ten;
    let steps =
        std::iter::successors(Some(0_u32), |step| Some(step + 1)).map(|count| f64::from(count) * step);
    steps.take_while(|tick| *tick <= most * 1.000_001).collect()
}

/// Without noughts that say nothing.
pub(crate) fn short(value: f64) -> String {
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn shortened(about: &str) -> String {
    if about.chars().count() <= ABOUT_CHARS_MAX {
        return about.to_owned();
    }
    let kept: String = about.chars().take(ABOUT_CHARS_MAX - 1).collect();
    format!("{}…", kept.trim_end())
}

pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

pub(crate) fn put(out: &mut String, text: std::fmt::Arguments) {
    // Writing to a string cannot fail.
    let _ = out.write_fmt(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_told_without_noughts() {
        for (value, text) in [(0.1, "0.1"), (20.0, "20"), (0.0, "0"), (1_000.0, "1000")] {
            assert_eq!(short(value), text);
        }
    }
}
