//! What was measured, for people: one model of a report, written as a page and as Markdown.
//!
//! A command says what it found in [`Block`]s; how they look is decided here alone. The page is one file with nothing
//! fetched from anywhere, for a phone as for a desk, by day and in the dark.

mod html;
mod markdown;
mod number;
pub mod plot;

use std::{fs, io, path::Path};

pub use number::{bytes, count, duration, significant};
pub use plot::Plot;

use crate::machine::Machine;

/// A report.
#[derive(Clone, Debug)]
pub struct Report {
    /// What it is about, as a heading.
    pub title: String,
    /// What it comes to, in a sentence or two: what a reader in a hurry takes away.
    pub conclusion: String,
    /// The few figures that matter most.
    pub headlines: Vec<Headline>,
    /// The rest, in the order of how many readers want it.
    pub sections: Vec<Section>,
    /// What made it.
    pub origin: ReportOrigin,
}

/// By what, where and when a report was made.
#[derive(Clone, Debug)]
pub struct ReportOrigin {
    /// The command that makes it again.
    pub command: String,
    /// The machine.
    pub machine: Machine,
    /// The day, `2026-01-31`.
    pub date: String,
}

/// One figure that matters, with what it is.
#[derive(Clone, Debug)]
pub struct Headline {
    /// The figure.
    pub value: String,
    /// What it is, in a few words.
    pub label: String,
    /// Whether a reader should be glad of it.
    pub tone: Tone,
}

/// How something is for the reader.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// As good as hoped for.
    Good,
    /// Neither.
    #[default]
    Plain,
    /// What the reader should know before choosing this.
    Bad,
    /// Not measured, and why.
    Absent,
}

/// A part of a report under a heading.
#[derive(Clone, Debug)]
pub struct Section {
    /// The heading.
    pub heading: String,
    /// What stands under it.
    pub blocks: Vec<Block>,
}

/// One thing in a section.
#[derive(Clone, Debug)]
pub enum Block {
    /// A paragraph. What stands between backticks is code.
    Text(String),
    /// A list of short paragraphs, each with what it is about first.
    List(Vec<(String, String)>),
    /// A table.
    Table(Table),
    /// Horizontal bars, to be compared by length.
    Bars(Bars),
    /// Lines over an axis.
    Plot(Plot),
    /// Lines of output or of a configuration, as they are.
    Lines(String),
}

/// A table. The first column names its rows.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// The names of the columns.
    pub head: Vec<String>,
    /// The rows. The last cell of a row that is shorter than the head takes the columns that are left.
    pub rows: Vec<Vec<Cell>>,
}

/// A cell of a table.
#[derive(Clone, Debug, Default)]
pub struct Cell {
    /// What it says.
    pub text: String,
    /// How that is.
    pub tone: Tone,
}

/// Horizontal bars, in groups that share one scale.
#[derive(Clone, Debug, Default)]
pub struct Bars {
    /// The name of its file beside a Markdown text, without an ending.
    pub name: &'static str,
    /// What their length means, with its unit.
    pub title: String,
    /// The groups.
    pub groups: Vec<BarGroup>,
}

/// Bars of one kind.
#[derive(Clone, Debug, Default)]
pub struct BarGroup {
    /// Of what kind.
    pub caption: String,
    /// The bars.
    pub bars: Vec<Bar>,
}

/// One bar.
#[derive(Clone, Debug)]
pub struct Bar {
    /// Whose it is.
    pub name: String,
    /// Its length. `None` if there is no figure.
    pub value: Option<f64>,
    /// What stands beside it: the figure with its unit, or why there is none.
    pub text: String,
    /// Whether this is what the report is about.
    pub is_ours: bool,
}

impl Report {
    /// Writes the page to `path`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_html(&self, path: &Path) -> io::Result<()> {
        fs::write(path, self.html())
    }

    /// Writes the Markdown text to `path`, and its drawings into the folder `pictures` beside it.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn write_markdown(&self, path: &Path, pictures: &str) -> io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new(".")).join(pictures);
        fs::create_dir_all(&folder)?;
        for block in self.sections.iter().flat_map(|section| &section.blocks) {
            match block {
                Block::Plot(plot) => fs::write(folder.join(format!("{}.svg", plot.name)), plot.svg())?,
                Block::Bars(bars) => fs::write(folder.join(format!("{}.svg", bars.name)), bars.svg())?,
                Block::Text(_) | Block::List(_) | Block::Table(_) | Block::Lines(_) => {}
            }
        }
        fs::write(path, self.markdown(pictures))
    }
}

impl ReportOrigin {
    /// Made now, on this machine, by `command`.
    pub fn here(command: impl Into<String>) -> Self {
        let now = auth_core::Clock::system().now().wall().to_string();
        Self { command: command.into(), machine: Machine::here(), date: now.chars().take(10).collect() }
    }
}

impl Section {
    /// A section with these blocks.
    pub fn new(heading: impl Into<String>, blocks: Vec<Block>) -> Self {
        Self { heading: heading.into(), blocks }
    }
}

impl Headline {
    /// A figure.
    pub fn new(value: impl Into<String>, label: impl Into<String>, tone: Tone) -> Self {
        Self { value: value.into(), label: label.into(), tone }
    }
}

impl Table {
    /// A table with these columns.
    pub fn new(head: &[&str]) -> Self {
        Self { head: head.iter().map(ToString::to_string).collect(), rows: Vec::new() }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// As lines for a terminal, columns under each other.
    pub fn lines(&self) -> String {
        let head: Vec<&str> = self.head.iter().map(String::as_str).collect();
        let body = self.rows.iter().map(|row| row.iter().map(|cell| &*cell.text).collect::<Vec<_>>());
        let rows: Vec<Vec<&str>> = [head].into_iter().chain(body).collect();
        let width = |column: usize| {
            let whole = rows.iter().filter(|row| column == 0 || row.len() == self.head.len());
            whole.filter_map(|row| row.get(column)).map(|text| text.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.head.len()).map(width).collect();
        let line = |row: &Vec<&str>| {
            let is_short = |column| row.len() < widths.len() && column + 1 == row.len();
            let cells = row.iter().zip(&widths).enumerate().map(|(column, (text, width))| {
                if column == 0 || is_short(column) { format!("{text:<width$}") } else { format!("{text:>width$}") }
            });
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
        };
        rows.iter().map(line).collect()
    }
}

impl Table {
    /// How many columns the last cell of `row` takes.
    fn span(&self, row: &[Cell]) -> usize {
        1 + self.head.len().saturating_sub(row.len())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self { text, tone: Tone::Plain }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl Cell {
    /// The same, in this tone.
    pub fn toned(self, tone: Tone) -> Self {
        Self { tone, ..self }
    }
}

#[cfg(test)]
mod tests;
