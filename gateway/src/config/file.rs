//! The file's own shape: tables, keys and where they stand in the text.
//!
//! A [`Section`] knows which keys it was asked for; those are the keys that exist, and every other one in the file is a
//! problem. Nothing here knows what a key means.

use std::{cell::RefCell, ops::Range, path::Path};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    problem::ConfigProblem,
    source::SourceFile,
    value::{Secrets, Value},
};

/// A file while it is read: its text, what surrounds it, and the problems found so far.
pub(super) struct File<'a> {
    lines: Vec<usize>,
    text: &'a str,
    /// Where relative paths start.
    pub(super) base: &'a Path,
    pub(super) secrets: Secrets<'a>,
    problems: RefCell<Vec<ConfigProblem>>,
    warnings: RefCell<Vec<ConfigProblem>>,
    named: RefCell<Vec<SourceFile>>,
    /// Whether the text itself is broken. Then nothing else is known of it: what seems to be missing may stand in what could
    /// not be read, and a key may seem to be in another table than it is.
    broken: bool,
}

/// A table of the file.
pub(super) struct Section<'a> {
    pub(super) file: &'a File<'a>,
    /// How the file writes it: `[server]`.
    pub(super) name: String,
    at: Range<usize>,
    table: &'a DeTable<'a>,
    asked: RefCell<Vec<&'static str>>,
    not_built: RefCell<Vec<&'static str>>,
}

impl<'a> File<'a> {
    pub(super) fn new(text: &'a str, base: &'a Path, secrets: Secrets<'a>) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        let lines = std::iter::once(0).chain(ends).collect();
        let (problems, warnings) = (RefCell::default(), RefCell::default());
        Self { lines, text, base, secrets, problems, warnings, named: RefCell::default(), broken: false }
    }

    /// What it says, whole.
    pub(super) fn text(&self) -> &'a str {
        self.text
    }

    /// Notes what the TOML parser could not read, the first fault of each line: the next ones are its echo.
    pub(super) fn note_syntax(&mut self, faults: Vec<toml::de::Error>) {
        self.broken = !faults.is_empty();
        let faults = faults.iter().map(|it| self.locate(&it.span().unwrap_or(0..0), it.message().to_owned(), None));
        let mut faults: Vec<_> = faults.collect();
        faults.sort();
        faults.dedup_by_key(|problem| problem.line);
        self.problems.borrow_mut().extend(faults);
    }

    /// A problem, unless the text is broken.
    pub(super) fn problem(&self, at: &Range<usize>, message: String, suggestion: Option<String>) {
        if !self.broken {
            self.problems.borrow_mut().push(self.locate(at, message, suggestion));
        }
    }

    pub(super) fn warning(&self, at: &Range<usize>, message: String, suggestion: Option<String>) {
        self.warnings.borrow_mut().push(self.locate(at, message, suggestion));
    }

    /// Notes that what is at `path` is part of the configuration, and what it held, if it could be read: when it changes, so
    /// does the configuration.
    pub(super) fn note_file(&self, path: &Path, content: Option<&[u8]>) {
        self.named.borrow_mut().push(SourceFile::new(path.to_owned(), content));
    }

    /// The files that were noted.
    pub(super) fn named(&self) -> Vec<SourceFile> {
        self.named.borrow().clone()
    }

    /// All problems and all warnings, in the order of the file.
    pub(super) fn findings(self) -> (Vec<ConfigProblem>, Vec<ConfigProblem>) {
        let ordered = |found: RefCell<Vec<ConfigProblem>>| {
            let mut found = found.into_inner();
            found.sort();
            found.dedup();
            found
        };
        (ordered(self.problems), ordered(self.warnings))
    }

    fn locate(&self, at: &Range<usize>, message: String, suggestion: Option<String>) -> ConfigProblem {
        let at = self.text.floor_char_boundary(at.start.min(self.text.len()));
        let line = self.lines.partition_point(|start| *start <= at);
        let start = self.lines[line - 1];
        ConfigProblem { line, column: self.text[start..at].chars().count() + 1, message, suggestion }
    }
}

impl<'a> Section<'a> {
    pub(super) fn new(file: &'a File<'a>, name: String, at: Range<usize>, table: &'a DeTable<'a>) -> Self {
        Self { file, name, at, table, asked: RefCell::default(), not_built: RefCell::default() }
    }

    /// The value under `key`, if the file has one.
    pub(super) fn value(&self, key: &'static str) -> Option<Value<'a>> {
        self.asked.borrow_mut().push(key);
        let (_, value) = self.find(key)?;
        Some(Value::new(self.file, key, value))
    }

    /// Whether the file has `key`, whatever stands there.
    pub(super) fn has(&self, key: &str) -> bool {
        self.find(key).is_some()
    }

    /// The value under `key`; a problem if the file has none.
    pub(super) fn required(&self, key: &'static str, example: &str) -> Option<Value<'a>> {
        let value = self.value(key);
        if value.is_none() {
            self.problem(format!("{} has no `{key}`", self.name), Some(format!("write `{key} = {example}`")));
        }
        value
    }

    /// Refuses `key`, whose part of the gateway does not exist yet: taking it silently would promise what is not done.
    pub(super) fn not_built(&self, key: &'static str, instead: &str) {
        self.not_built.borrow_mut().push(key);
        if let Some((key_text, _)) = self.find(key) {
            let message = format!("`{key}` is not built yet in {}", self.name);
            self.file.problem(&key_text.span(), message, Some(instead.to_owned()));
        }
    }

    /// The table under `key`, if there is one.
    pub(super) fn section(&self, key: &'static str) -> Option<Section<'a>> {
        self.asked.borrow_mut().push(key);
        let (key_text, value) = self.find(key)?;
        let DeValue::Table(table) = value.get_ref() else {
            self.file.problem(&key_text.span(), format!("`{key}` must be a table"), Some(format!("write `[{key}]`")));
            return None;
        };
        Some(Section::new(self.file, format!("[{key}]"), key_text.span(), table))
    }

    /// The array of tables under `key`; empty if there is none.
    pub(super) fn sections(&self, key: &'static str) -> Vec<Section<'a>> {
        self.asked.borrow_mut().push(key);
        let Some((key_text, value)) = self.find(key) else { return Vec::new() };
        let wrong = |at: &Range<usize>| {
            let suggestion = format!("write `[[{key}]]` above each");
            self.file.problem(at, format!("`{key}` must be a list of tables"), Some(suggestion));
        };
        let DeValue::Array(elements) = value.get_ref() else {
            wrong(&key_text.span());
            return Vec::new();
        };
        elements
            .iter()
            .filter_map(|element| match element.get_ref() {
                DeValue::Table(table) => Some(Section::new(self.file, format!("[[{key}]]"), element.span(), table)),
                _ => {
                    wrong(&element.span());
                    None
                }
            })
            .collect()
    }

    /// The keys that the file has here.
    pub(super) fn keys(&self) -> Vec<&'a str> {
        self.table.iter().map(|(key, _)| &**key.get_ref()).collect()
    }

    /// Every table under this one, by the name that the file gives it. For tables whose keys are names.
    pub(super) fn named(&self) -> Vec<(Value<'a>, Section<'a>)> {
        let mut named = Vec::new();
        for (key, value) in self.table.iter() {
            let name = Value::named(self.file, key);
            match value.get_ref() {
                DeValue::Table(table) => {
                    let title = format!("{}.{}]", self.name.trim_end_matches(']'), key.get_ref());
                    named.push((name, Section::new(self.file, title, key.span(), table)));
                }
                _ => name.problem(
                    format!("`{}` must be a table", key.get_ref()),
                    format!("write `{}.{}]`", self.name.trim_end_matches(']'), key.get_ref()),
                ),
            }
        }
        named
    }

    /// A problem of the whole section.
    pub(super) fn problem(&self, message: String, suggestion: Option<String>) {
        self.file.problem(&self.at, message, suggestion);
    }

    /// Something about the whole section that is allowed and probably not meant.
    pub(super) fn warning(&self, message: String, suggestion: &str) {
        self.file.warning(&self.at, message, Some(suggestion.to_owned()));
    }

    /// Reports every key that nobody asked for.
    pub(super) fn finish(&self) {
        let (asked, not_built) = (self.asked.borrow(), self.not_built.borrow());
        let unknown = |key: &str| !asked.contains(&key) && !not_built.contains(&key);
        for (key, _) in self.table.iter().filter(|(key, _)| unknown(key.get_ref())) {
            let message = format!("{} has no key `{}`", self.name, key.get_ref().escape_debug());
            let suggestion = match nearest(key.get_ref(), &asked) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("its keys are {}", asked.join(", ")),
            };
            self.file.problem(&key.span(), message, Some(suggestion));
        }
    }

    fn find(&self, key: &str) -> Option<(&'a Spanned<std::borrow::Cow<'a, str>>, &'a Spanned<DeValue<'a>>)> {
        self.table.iter().find(|(name, _)| name.get_ref() == key)
    }
}

/// The word among `known` that `word` is probably a misspelling of.
pub(super) fn nearest<'w>(word: &str, known: &[&'w str]) -> Option<&'w str> {
    let near = known.iter().map(|known| (strsim::damerau_levenshtein(&word.to_lowercase(), known), *known)).min()?;
    (near.0 <= near.1.len().max(word.len()).div_ceil(3)).then_some(near.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelling_is_recognised_and_another_word_is_not() {
        let check = |word, expected| assert_eq!(nearest(word, &["listen", "data", "head_timeout"]), expected, "{word}");
        check("lisen", Some("listen"));
        check("Listen", Some("listen"));
        check("head-timeout", Some("head_timeout"));
        check("headtimeout", Some("head_timeout"));
        check("dta", Some("data"));
        check("colour", None);
        check("", None);
    }
}
