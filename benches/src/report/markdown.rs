//! A report as Markdown, with its drawings as files beside it.

use std::fmt::Write;

use super::{Block, Cell, Report, Table};

impl Report {
    /// The text. Drawings are expected in the folder `pictures` beside it.
    pub fn markdown(&self, pictures: &str) -> String {
        let mut text = format!("# {}\n\n{}\n", self.title, self.conclusion);
        for headline in &self.headlines {
            let _ = write!(text, "\n- **{}** {}", headline.value, headline.label);
        }
        if !self.headlines.is_empty() {
            text.push('\n');
        }
        for section in &self.sections {
            let _ = write!(text, "\n## {}\n", section.heading);
            for block in &section.blocks {
                text.push('\n');
                text.push_str(&one(block, pictures));
            }
        }
        let origin = &self.origin;
        let _ = write!(text, "\n---\n\nMade on {} by `{}` on {}.\n", origin.date, origin.command, origin.machine);
        text
    }
}

fn one(block: &Block, pictures: &str) -> String {
    match block {
        Block::Text(paragraph) => format!("{paragraph}\n"),
        Block::List(items) => items.iter().map(|(name, said)| format!("- **{name}**: {said}\n")).collect(),
        Block::Table(table) => rows(table),
        Block::Bars(bars) => format!("![{}]({pictures}/{}.svg)\n", bars.title, bars.name),
        Block::Plot(plot) => format!("![{}]({pictures}/{}.svg)\n", plot.title, plot.name),
        Block::Lines(lines) => format!("```text\n{}\n```\n", lines.trim_end()),
    }
}

fn rows(table: &Table) -> String {
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let columns = table.head.len().saturating_sub(1);
    let rule = format!("|---|{}\n", "---:|".repeat(columns));
    let escaped = |text: &str| text.replace('|', "\\|");
    // Markdown knows no cell that takes several columns.
    let cells = |row: &Vec<Cell>| {
        let text = row.iter().map(|cell| escaped(&cell.text));
        text.chain(std::iter::repeat_n(String::new(), table.span(row) - 1)).collect()
    };
    let body = table.rows.iter().map(|row| line(cells(row)));
    line(table.head.iter().map(|name| escaped(name)).collect()) + &rule + &body.collect::<String>()
}
