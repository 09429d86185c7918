//! Bars as SVG: for a picture that stands alone. A page draws them by itself, to its own width.

use std::fmt::Write;

use super::{
    super::{Bar, Bars},
    LINE, MARGIN, RIGHT, TITLE, WIDTH, begun, escaped, text, titled, wrapped,
};

/// Where bars begin, after their names.
const START: f64 = 128.0;
/// What is kept free for the longest figure behind the longest bar.
const FIGURE: f64 = 64.0;
const HEIGHT: f64 = 13.0;

impl Bars {
    /// The drawing, as a file of its own.
    pub fn svg(&self) -> String {
        let title = wrapped(&self.title, TITLE);
        let rows: usize = self.groups.iter().map(|group| group.bars.len() + 1).sum();
        let height = LINE * (title.len() + rows) as f64 + 12.0 * self.groups.len() as f64 + 14.0;
        let mut svg = begun(&self.title, height);
        titled(&mut svg, &title);
        let mut y = 18.0 + LINE * (title.len() - 1) as f64;
        for group in &self.groups {
            y += LINE + 12.0;
            text(&mut svg, "label", MARGIN, y, "start", &group.caption);
            for bar in &group.bars {
                y += LINE;
                self.bar(bar, y, &mut svg);
            }
        }
        svg + "</svg>\n"
    }

    fn bar(&self, bar: &Bar, y: f64, svg: &mut String) {
        let strong = if bar.is_ours { "label strong" } else { "label" };
        text(svg, strong, START - 8.0, y, "end", &bar.name);
        let Some(value) = bar.value else {
            text(svg, "tick", START, y, "start", &bar.text);
            return;
        };
        let width = value / self.longest() * (WIDTH - START - RIGHT - FIGURE);
        let class = if bar.is_ours { "bar-ours" } else { "bar-other" };
        let _ = write!(
            svg,
            "<rect class=\"{class}\" x=\"{START}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{HEIGHT}\"><title>{}</title></rect>",
            y - HEIGHT + 2.0,
            escaped(&bar.name)
        );
        text(svg, strong, START + width + 6.0, y, "start", &bar.text);
    }

    /// The longest bar of all groups.
    pub(in super::super) fn longest(&self) -> f64 {
        let bars = self.groups.iter().flat_map(|group| &group.bars);
        bars.filter_map(|bar| bar.value).fold(f64::MIN_POSITIVE, f64::max)
    }
}
