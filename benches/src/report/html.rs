//! A report as one page: `pages/report.html` with its style in it.

use askama::Template;

use super::{Bars, Block, Report, Tone};

#[derive(Template)]
#[template(path = "report.html")]
struct ReportPage<'a> {
    report: &'a Report,
}

impl Report {
    /// The page.
    pub fn html(&self) -> String {
        // The template has no part that can fail: it only shows what is there.
        ReportPage { report: self }.render().unwrap_or_default()
    }
}

impl Tone {
    /// Its class in the page's style.
    const fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Plain => "plain",
            Self::Bad => "bad",
            Self::Absent => "absent",
        }
    }
}

impl Bars {
    /// The length of a bar, in per cent of the longest.
    fn length(&self, value: &f64) -> String {
        format!("{:.1}", 100.0 * value / self.longest())
    }
}

/// A text with its backticks: each piece, and whether it is code.
fn pieces(text: &str) -> Vec<(&str, bool)> {
    text.split('`')
        .enumerate()
        .map(|(index, piece)| (piece, index % 2 == 1))
        .filter(|(piece, _)| !piece.is_empty())
        .collect()
}
