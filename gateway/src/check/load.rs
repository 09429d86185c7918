//! From a path to a configuration, or to words.

use std::{
    env, fmt, fs,
    io::{self, Read as _},
    path::Path,
};

use crate::config::{Config, ConfigProblem, Secrets, SourceFile, parse_with_files};

/// No configuration is this long; something else is.
const LARGEST: u64 = 1 << 20;

/// Why there is no configuration.
#[derive(Debug)]
pub enum Unreadable {
    /// The file cannot be read, or is no text of a sensible size.
    File(String),
    /// It can, and this is wrong with it, in the order of the file.
    Problems(Vec<ConfigProblem>),
}

/// What came of reading a configuration.
pub struct Loaded {
    /// The configuration.
    pub config: Result<Config, Unreadable>,
    /// What it was read from, the configuration file first: once any of these changes, it may be another.
    pub files: Vec<SourceFile>,
}

/// Reads the configuration file at `path`. Relative paths in it start at its folder.
///
/// # Errors
/// [`Unreadable`], which says what to change. It has a line for each problem.
pub fn load(path: &Path) -> Result<Config, Unreadable> {
    load_with_files(path).config
}

/// The same, with what it was read from.
pub fn load_with_files(path: &Path) -> Loaded {
    load_with(path, Secrets::Read(&|name| env::var(name).ok()))
}

/// The same, for a command. An operator's shell has none of the gateway's secrets, and commands need none.
///
/// # Errors
/// [`Unreadable`], which says what to change.
pub fn load_without_secrets(path: &Path) -> Result<Config, Unreadable> {
    load_with(path, Secrets::NotNeeded).config
}

fn load_with(path: &Path, secrets: Secrets<'_>) -> Loaded {
    let bytes = read(path);
    let mut files = vec![SourceFile::new(path.to_owned(), bytes.as_deref().ok())];
    let config = bytes.and_then(|bytes| text(bytes, path)).and_then(|text| {
        let (config, named) = parse_with_files(&text, path.parent().unwrap_or(Path::new("")), secrets);
        files.extend(named);
        config.map_err(Unreadable::Problems)
    });
    Loaded { config, files }
}

/// What the file holds, up to a byte more than it may.
fn read(path: &Path) -> Result<Vec<u8>, Unreadable> {
    let unreadable = |cause: io::Error| {
        let what = if path.is_dir() { "is a folder".to_owned() } else { format!("cannot be read: {cause}") };
        Unreadable::File(format!("{} {what}", path.display()))
    };
    let mut bytes = Vec::new();
    fs::File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes)).map_err(unreadable)?;
    Ok(bytes)
}

fn text(bytes: Vec<u8>, path: &Path) -> Result<String, Unreadable> {
    if bytes.len() as u64 > LARGEST {
        return Err(Unreadable::File(format!("{} is larger than 1 MiB: is it the right file?", path.display())));
    }
    String::from_utf8(bytes).map_err(|fault| Unreadable::Problems(vec![not_text(&fault)]))
}

/// The place of the first byte that is not UTF-8.
fn not_text(fault: &std::string::FromUtf8Error) -> ConfigProblem {
    let good = String::from_utf8_lossy(&fault.as_bytes()[..fault.utf8_error().valid_up_to()]);
    ConfigProblem {
        line: good.matches('\n').count() + 1,
        column: good.rsplit('\n').next().unwrap_or_default().chars().count() + 1,
        message: "this is not UTF-8".to_owned(),
        suggestion: Some("save the file as UTF-8".to_owned()),
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(what) => f.write_str(what),
            Self::Problems(problems) => {
                for (index, problem) in problems.iter().enumerate() {
                    let newline = if index == 0 { "" } else { "\n" };
                    write!(f, "{newline}{problem}")?;
                }
                Ok(())
            }
        }
    }
}
