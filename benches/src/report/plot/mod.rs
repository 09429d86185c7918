//! Lines over an axis, and bars, drawn as SVG.
//!
//! Our own few hundred lines rather than a library: the drawing takes its colours from the reader's light or dark scheme
//! and can be read at a phone's width, which those that write SVG do not do.

mod axis;
mod bars;

use std::fmt::Write;

pub use axis::{Axis, Scale};

const WIDTH: f64 = 460.0;
const PLOT_HEIGHT: f64 = 220.0;
const LEFT: f64 = 52.0;
/// Where headings and legends begin.
const MARGIN: f64 = 12.0;
const RIGHT: f64 = 14.0;
const LINE: f64 = 18.0;
/// A character's width in the drawing's type, at most.
const CHARACTER: f64 = 7.1;

/// How many characters of a heading go into one line.
const TITLE: usize = 50;

const STYLE: &str = include_str!("../../../pages/plot.css");

/// A drawing: lines over an axis.
#[derive(Clone, Debug)]
pub struct Plot {
    /// The name of its file beside a Markdown text, without an ending.
    pub name: &'static str,
    /// What it shows, in a sentence: its heading, and what is read to who cannot see it.
    pub title: String,
    /// Left to right.
    pub x: Axis,
    /// Bottom to top.
    pub y: Axis,
    /// The lines.
    pub lines: Vec<Line>,
    /// What happened when, as shaded bands behind the lines.
    pub phases: Vec<Phase>,
}

/// One line.
#[derive(Clone, Debug)]
pub struct Line {
    /// Whose it is.
    pub name: String,
    /// Its points, from left to right.
    pub points: Vec<(f64, f64)>,
    /// Whether this is what the report is about.
    pub is_ours: bool,
}

/// A band from one value of `x` to another.
#[derive(Clone, Debug)]
pub struct Phase {
    /// Where it begins.
    pub from: f64,
    /// Where it ends. The same as `from`: one moment.
    pub to: f64,
    /// What it is, in a word or two.
    pub label: String,
}

impl Plot {
    /// The drawing, for a page or as a file of its own.
    pub fn svg(&self) -> String {
        let frame = Frame::of(self);
        let mut svg = begun(&self.title, frame.height);
        titled(&mut svg, &frame.title);
        self.legend(&frame, &mut svg);
        self.phases(&frame, &mut svg);
        self.axes(&frame, &mut svg);
        for (index, line) in self.lines.iter().enumerate().filter(|(_, line)| !line.is_ours) {
            self.line(&frame, index, line, &mut svg);
        }
        // Ours last, so that it lies above the others.
        for (index, line) in self.lines.iter().enumerate().filter(|(_, line)| line.is_ours) {
            self.line(&frame, index, line, &mut svg);
        }
        svg + "</svg>\n"
    }

    fn legend(&self, frame: &Frame, svg: &mut String) {
        for (index, (line, (x, y))) in self.lines.iter().zip(&frame.legend).enumerate() {
            let _ = write!(
                svg,
                "<line class=\"{}\" x1=\"{x}\" x2=\"{}\" y1=\"{}\" y2=\"{}\"/>",
                class(index, line),
                x + 22.0,
                y - 4.0,
                y - 4.0
            );
            text(svg, if line.is_ours { "label strong" } else { "label" }, x + 27.0, *y, "start", &line.name);
        }
    }

    fn phases(&self, frame: &Frame, svg: &mut String) {
        for (index, phase) in self.phases.iter().enumerate() {
            let (from, to) = (frame.x(&self.x, phase.from), frame.x(&self.x, phase.to));
            let (top, bottom) = (frame.top, frame.top + PLOT_HEIGHT);
            if to - from < 1.0 {
                let _ = write!(
                    svg,
                    "<line class=\"moment\" x1=\"{from:.1}\" x2=\"{from:.1}\" y1=\"{top}\" y2=\"{bottom}\"/>"
                );
            } else {
                let (width, height) = (to - from, PLOT_HEIGHT);
                let _ = write!(
                    svg,
                    "<rect class=\"phase\" x=\"{from:.1}\" y=\"{top}\" width=\"{width:.1}\" height=\"{height}\"/>"
                );
            }
            // Labels stand in rows above the axis, so that neighbours do not cover each other.
            let y = frame.top - 6.0 - 14.0 * (index % frame.phase_rows) as f64;
            let half = phase.label.chars().count() as f64 * CHARACTER * 0.42;
            let middle = f64::midpoint(from, to).clamp(half, WIDTH - half);
            text(svg, "tick", middle, y, "middle", &phase.label);
        }
    }

    fn axes(&self, frame: &Frame, svg: &mut String) {
        let (right, bottom) = (WIDTH - RIGHT, frame.top + PLOT_HEIGHT);
        for (value, label) in self.y.ticks() {
            let y = frame.y(&self.y, value);
            let _ = write!(svg, "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>");
            text(svg, "tick", LEFT - 6.0, y + 4.0, "end", &label);
        }
        for (value, label) in self.x.ticks() {
            let x = frame.x(&self.x, value);
            let _ = write!(
                svg,
                "<line class=\"axis\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{bottom}\" y2=\"{}\"/>",
                bottom + 4.0
            );
            text(svg, "tick", x, bottom + 17.0, "middle", &label);
        }
        let _ = write!(svg, "<line class=\"axis\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{bottom}\" y2=\"{bottom}\"/>");
        text(svg, "label", f64::midpoint(LEFT, right), bottom + 36.0, "middle", &self.x.label);
        text(svg, "tick", MARGIN, frame.top - 10.0 - 14.0 * frame.phase_rows as f64, "start", &self.y.label);
    }

    fn line(&self, frame: &Frame, index: usize, line: &Line, svg: &mut String) {
        let points: Vec<String> = line
            .points
            .iter()
            .map(|(x, y)| format!("{:.1},{:.1}", frame.x(&self.x, *x), frame.y(&self.y, *y)))
            .collect();
        let _ = write!(svg, "<polyline class=\"{}\" points=\"{}\"/>", class(index, line), points.join(" "));
    }
}

/// Where things stand.
struct Frame {
    title: Vec<String>,
    legend: Vec<(f64, f64)>,
    phase_rows: usize,
    top: f64,
    height: f64,
}

impl Frame {
    fn of(plot: &Plot) -> Self {
        let title = wrapped(&plot.title, TITLE);
        let mut y = 18.0 + LINE * title.len() as f64 + 4.0;
        let mut x = MARGIN;
        let mut legend = Vec::new();
        for line in &plot.lines {
            let width = 40.0 + line.name.chars().count() as f64 * CHARACTER;
            if x + width > WIDTH && x > LEFT {
                (x, y) = (MARGIN, y + LINE);
            }
            legend.push((x, y));
            x += width;
        }
        // Between legend and drawing stand the name of the axis and the names of the phases.
        let phase_rows = plot.phases.len().min(3);
        let top = y + 28.0 + 14.0 * phase_rows as f64;
        Self { title, legend, phase_rows, top, height: top + PLOT_HEIGHT + 46.0 }
    }

    fn x(&self, axis: &Axis, value: f64) -> f64 {
        LEFT + axis.position(value) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, axis: &Axis, value: f64) -> f64 {
        self.top + (1.0 - axis.position(value)) * PLOT_HEIGHT
    }
}

/// The start of a drawing that is called `title`.
fn begun(title: &str, height: f64) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"plot\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         aria-label=\"{}\"><style>{STYLE}</style><rect class=\"paper\" width=\"{WIDTH}\" height=\"{height}\"/>",
        escaped(title)
    )
}

fn titled(svg: &mut String, title: &[String]) {
    for (row, line) in title.iter().enumerate() {
        text(svg, "title", MARGIN, 18.0 + LINE * row as f64, "start", line);
    }
}

fn class(index: usize, line: &Line) -> String {
    if line.is_ours { "line ours".to_owned() } else { format!("line other{}", index % 6) }
}

fn text(svg: &mut String, class: &str, x: f64, y: f64, anchor: &str, text: &str) {
    let text = escaped(text);
    let _ = write!(svg, "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>");
}

fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
