//! The project's own files, as text, for the tests that read them.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A source file.
pub(crate) struct Source {
    /// Its path from the top of the repository, with slashes.
    pub path: String,
    /// Its text, whole.
    pub text: String,
}

impl Source {
    /// Its lines up to its unit tests, with their numbers; comments and the contents of plain strings removed.
    pub(crate) fn code(&self) -> impl Iterator<Item = (usize, String)> {
        let end = match self.text.find("\n#[cfg(test)]\nmod tests {") {
            _ if self.is_only_for_tests() => 0,
            Some(tests) => tests,
            None => self.text.len(),
        };
        self.text[..end].lines().enumerate().map(|(index, line)| (index + 1, bare(line)))
    }

    /// Whether it holds unit tests, or what only they use.
    pub(crate) fn is_only_for_tests(&self) -> bool {
        let Some((member, file)) = self.path.split_once("/src/") else { return false };
        let map = text(&format!("{member}/src/lib.rs"));
        let module = file.split('/').next().unwrap_or(file).trim_end_matches(".rs");
        file.ends_with("tests.rs") || map.contains(&format!("#[cfg(test)]\nmod {module};"))
    }

    /// The name of its crate's folder and its module's path in it: `("auth-core", "session::sql")`.
    pub(crate) fn module(&self) -> (&str, String) {
        let (member, rest) = self.path.split_once("/src/").unwrap_or((&self.path, ""));
        let rest = rest.trim_end_matches(".rs").trim_end_matches("/mod").trim_end_matches("/main");
        (member, rest.replace('/', "::"))
    }
}

/// The top of the repository.
pub(crate) fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).unwrap_or_default()
}

/// The text of the file at `path` from the top; empty if there is none.
pub(crate) fn text(path: &str) -> String {
    fs::read_to_string(top().join(path)).unwrap_or_default()
}

/// Every Rust file below the folders `under`, sorted by path.
pub(crate) fn rust(under: &[&str]) -> Vec<Source> {
    let mut found = Vec::new();
    for folder in under {
        walk(&top().join(folder), &mut found);
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn walk(folder: &Path, found: &mut Vec<Source>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            walk(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            let text = fs::read_to_string(&path).unwrap_or_default();
            let path = path.strip_prefix(top()).unwrap_or(&path).to_string_lossy().replace('\\', "/");
            found.push(Source { path, text });
        }
    }
}

/// The line without its comment and without what stands in its strings.
fn bare(line: &str) -> String {
    let mut bare = String::new();
    let mut in_string = false;
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' if in_string => _ = characters.next(),
            '\'' if !in_string && line.contains("'\"'") => bare.push('\''),
            '"' => in_string = !in_string,
            '/' if !in_string && characters.peek() == Some(&'/') => break,
            _ if in_string => {}
            _ => bare.push(character),
        }
    }
    bare
}
