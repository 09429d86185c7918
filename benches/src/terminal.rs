//! How it goes while it runs: one line that is written over on a terminal, and a line each elsewhere.

use std::io::{IsTerminal, Write, stderr};

/// Lines of progress, on the standard error output.
#[derive(Debug)]
pub struct Progress {
    is_terminal: bool,
}

impl Progress {
    /// Finds out whether somebody watches.
    pub fn new() -> Self {
        Self { is_terminal: stderr().is_terminal() }
    }

    /// Shows `line` in place of the one before. Nobody's reading it is no fault.
    pub fn show(&self, line: &str) {
        let mut out = stderr().lock();
        // Cut at the edge: a line that wraps could not be written over.
        let _ = if self.is_terminal { write!(out, "\r\x1b[K\x1b[?7l{line}\x1b[?7h") } else { writeln!(out, "{line}") };
        let _ = out.flush();
    }

    /// Leaves the last line as it is; what follows begins below.
    pub fn end(&self) {
        if self.is_terminal {
            let _ = writeln!(stderr());
        }
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}
