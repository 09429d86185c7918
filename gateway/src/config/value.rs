//! One value of the file, and the ways to read it.
//!
//! A reading that answers `None` has already said what is wrong.

use std::{fmt::Write as _, fs, io::Read as _, ops::Range, path::PathBuf, time::Duration};

use secrecy::SecretString;
use toml::{Spanned, de::DeValue};
use url::Url;

use super::{
    file::{File, nearest},
    units,
};

/// Files that the configuration names are small; more is a mistake.
const LARGEST_FILE: u64 = 1 << 20;

/// Where the secrets come from that a configuration names.
#[derive(Clone, Copy)]
pub enum Secrets<'a> {
    /// From their files, and from the environment variables that this looks up.
    Read(&'a dyn Fn(&str) -> Option<String>),
    /// From nowhere: who reads the configuration needs none.
    NotNeeded,
}

/// A value, with where it stands and the key that it belongs to.
#[derive(Clone)]
pub(super) struct Value<'a> {
    file: &'a File<'a>,
    key: &'a str,
    at: Range<usize>,
    content: Content<'a>,
}

#[derive(Clone, Copy)]
enum Content<'a> {
    Toml(&'a DeValue<'a>),
    /// The name of a table.
    Name(&'a str),
}

impl<'a> Value<'a> {
    pub(super) fn new(file: &'a File<'a>, key: &'a str, value: &'a Spanned<DeValue<'a>>) -> Self {
        Self { file, key, at: value.span(), content: Content::Toml(value.get_ref()) }
    }

    /// A key that is itself a value: the name of a table.
    pub(super) fn named(file: &'a File<'a>, key: &'a Spanned<std::borrow::Cow<'a, str>>) -> Self {
        Self { file, key: key.get_ref(), at: key.span(), content: Content::Name(key.get_ref()) }
    }

    /// The key that it stands under.
    pub(super) fn key(&self) -> &'a str {
        self.key
    }

    pub(super) fn problem(&self, message: impl Into<String>, suggestion: impl Into<String>) {
        let suggestion = suggestion.into();
        self.file.problem(&self.at, message.into(), (!suggestion.is_empty()).then_some(suggestion));
    }

    pub(super) fn warning(&self, message: impl Into<String>, suggestion: impl Into<String>) {
        self.file.warning(&self.at, message.into(), Some(suggestion.into()));
    }

    /// Whether it is a text.
    pub(super) fn is_text(&self) -> bool {
        matches!(self.content, Content::Toml(DeValue::String(_)) | Content::Name(_))
    }

    /// A text that is not empty and has no control characters.
    pub(super) fn text(&self, example: &str) -> Option<&'a str> {
        let text = match self.content {
            Content::Toml(DeValue::String(text)) => text.as_ref(),
            Content::Name(text) => text,
            Content::Toml(_) => return self.wrong_kind("a text", example),
        };
        if text.is_empty() || text.chars().any(char::is_control) {
            self.problem(
                format!("`{}` must be a text, not empty and without control characters", self.key),
                format!("for example {example}"),
            );
            return None;
        }
        Some(text)
    }

    /// A text that `read` understands; `what` and `example` say what that is.
    pub(super) fn parsed<T>(&self, what: &str, example: &str, read: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let text = self.text(example)?;
        let parsed = read(text);
        if parsed.is_none() {
            let message = format!("`{}` must be {what}, not {text:?}", self.key);
            self.problem(message, format!("for example {example}"));
        }
        parsed
    }

    /// One of `choices`.
    pub(super) fn choice<T: Clone>(&self, choices: &[(&str, T)]) -> Option<T> {
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        let text = self.text(&format!("{:?}", words[0]))?;
        if let Some((_, choice)) = choices.iter().find(|(word, _)| *word == text) {
            return Some(choice.clone());
        }
        let listed = words.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(" or ");
        let suggestion = nearest(text, &words).map(|near| format!("did you mean {near:?}?")).unwrap_or_default();
        self.problem(format!("`{}` must be {listed}, not {text:?}", self.key), suggestion);
        None
    }

    /// `true` or `false`.
    pub(super) fn boolean(&self) -> Option<bool> {
        match self.content {
            Content::Toml(DeValue::Boolean(yes)) => Some(*yes),
            Content::Toml(_) | Content::Name(_) => self.wrong_kind("true or false", "true"),
        }
    }

    /// A whole number in `range`.
    pub(super) fn count(&self, range: std::ops::RangeInclusive<usize>) -> Option<usize> {
        let Content::Toml(DeValue::Integer(number)) = self.content else {
            return self.wrong_kind("a whole number", &range.start().to_string());
        };
        let read = usize::from_str_radix(number.as_str(), number.radix()).ok().filter(|number| range.contains(number));
        if read.is_none() {
            let message = format!("`{}` must be from {} to {}", self.key, range.start(), range.end());
            self.problem(message, String::new());
        }
        read
    }

    /// A length of time in `range`, such as `"15m"`.
    pub(super) fn duration(&self, range: std::ops::RangeInclusive<Duration>) -> Option<Duration> {
        let forms = "for example \"250ms\", \"30s\", \"15m\", \"1h30m\" or \"7d\"";
        if let Content::Toml(DeValue::Integer(number)) = self.content {
            self.problem(format!("`{}` needs a unit", self.key), format!("for example \"{}s\"", number.as_str()));
            return None;
        }
        let text = self.text("\"30s\"")?;
        match units::duration(text) {
            None => self.problem(format!("`{}` must be a length of time, not {text:?}", self.key), forms),
            Some(read) if range.contains(&read) => return Some(read),
            Some(_) => self.problem(
                format!(
                    "`{}` must be from {} to {}",
                    self.key,
                    units::show_duration(*range.start()),
                    units::show_duration(*range.end())
                ),
                String::new(),
            ),
        }
        None
    }

    /// A number of bytes in `range`, such as `"8KiB"`.
    pub(super) fn size(&self, range: std::ops::RangeInclusive<u64>) -> Option<u64> {
        if let Content::Toml(DeValue::Integer(number)) = self.content {
            self.problem(format!("`{}` needs a unit", self.key), format!("for example \"{}B\"", number.as_str()));
            return None;
        }
        let text = self.text("\"8KiB\"")?;
        match units::size(text) {
            None => self.problem(
                format!("`{}` must be a size, not {text:?}", self.key),
                "for example \"512B\", \"8KiB\", \"10MiB\" or \"1GiB\"",
            ),
            Some(read) if range.contains(&read) => return Some(read),
            Some(_) => self.problem(
                format!(
                    "`{}` must be from {} to {}",
                    self.key,
                    units::show_size(*range.start()),
                    units::show_size(*range.end())
                ),
                String::new(),
            ),
        }
        None
    }

    /// An http or https address.
    pub(super) fn url(&self, example: &str) -> Option<Url> {
        let url = self.parsed("an address", example, |text| Url::parse(text).ok().filter(Url::has_host))?;
        if !matches!(url.scheme(), "http" | "https") {
            self.problem(
                format!("`{}` must begin with https:// or http://", self.key),
                format!("for example {example}"),
            );
            return None;
        }
        if !url.username().is_empty() || url.password().is_some() {
            self.problem(
                format!("`{}` must not hold a name or a password", self.key),
                "leave out what is before the @",
            );
            return None;
        }
        Some(url)
    }

    /// The elements of a list; a problem if it is none.
    pub(super) fn list(&self, example: &str) -> Option<Vec<Self>> {
        match self.content {
            Content::Toml(DeValue::Array(elements)) => {
                Some(elements.iter().map(|element| Self::new(self.file, self.key, element)).collect())
            }
            Content::Toml(_) | Content::Name(_) => self.wrong_kind("a list", example),
        }
    }

    /// A list of texts, each read by `read`; only those that could be read, since the others are problems already.
    pub(super) fn each<T>(&self, example: &str, read: impl Fn(&Self) -> Option<T>) -> Option<Vec<T>> {
        Some(self.list(example)?.iter().filter_map(read).collect())
    }

    /// The table, if this is one: its keys and values.
    pub(super) fn entries(&self) -> Option<Vec<(Self, Self)>> {
        match self.content {
            Content::Toml(DeValue::Table(table)) => Some(
                table
                    .iter()
                    .map(|(key, value)| (Self::named(self.file, key), Self::new(self.file, key.get_ref(), value)))
                    .collect(),
            ),
            Content::Toml(_) | Content::Name(_) => None,
        }
    }

    /// A path, absolute or from the file's folder.
    pub(super) fn path(&self, example: &str) -> Option<PathBuf> {
        Some(self.file.base.join(self.text(example)?))
    }

    /// What the named file holds.
    pub(super) fn file_content(&self, example: &str) -> Option<Vec<u8>> {
        let path = self.path(example)?;
        let mut content = Vec::new();
        let read = fs::File::open(&path).and_then(|file| file.take(LARGEST_FILE + 1).read_to_end(&mut content));
        self.file.note_file(&path, read.is_ok().then_some(&content));
        match read {
            Ok(length) if length as u64 <= LARGEST_FILE => return Some(content),
            Ok(_) => self.problem(format!("{} is larger than 1 MiB", path.display()), "is it the right file?"),
            Err(cause) => self.problem(
                format!("{} cannot be read: {cause}", path.display()),
                "relative paths start at the configuration file's folder",
            ),
        }
        None
    }

    /// What the named file holds, which is a secret. Inside it is none where no secrets are needed: nothing is read then.
    pub(super) fn key_content(&self, example: &str) -> Option<Option<Vec<u8>>> {
        match self.file.secrets {
            Secrets::Read(_) => self.file_content(example).map(Some),
            Secrets::NotNeeded => self.path(example).map(|_| None),
        }
    }

    /// Whether files that hold secrets are to be read.
    pub(super) fn may_read_secrets(&self) -> bool {
        matches!(self.file.secrets, Secrets::Read(_))
    }

    /// A secret: `{ env = "…" }` or `{ file = "…" }`. Its content is in no message. None where it is not needed, too.
    pub(super) fn secret(&self) -> Option<SecretString> {
        let forms = format!("write `{} = {{ env = \"NAME\" }}` or `{} = {{ file = \"path\" }}`", self.key, self.key);
        let Some(entries) = self.entries() else {
            self.problem(format!("`{}` must not stand in the file itself", self.key), forms);
            return None;
        };
        let [(from, at)] = &entries[..] else {
            self.problem(format!("`{}` must name exactly one of `env` and `file`", self.key), forms);
            return None;
        };
        let secret = match (from.key, self.file.secrets) {
            ("env" | "file", Secrets::NotNeeded) => return None,
            ("env", Secrets::Read(environment)) => at.variable(environment)?,
            ("file", Secrets::Read(_)) => match String::from_utf8(at.file_content("\"secrets/client\"")?) {
                Ok(text) => text.trim_end_matches(['\r', '\n']).to_owned(),
                Err(_) => {
                    at.problem("the file is not text", "");
                    return None;
                }
            },
            _ => {
                from.problem("a secret comes from `env` or `file`", forms);
                return None;
            }
        };
        if secret.is_empty() {
            at.problem(format!("the secret for `{}` is empty", self.key), "");
            return None;
        }
        Some(SecretString::from(secret))
    }

    fn variable(&self, environment: &dyn Fn(&str) -> Option<String>) -> Option<String> {
        let name = self.text("\"CLIENT_SECRET\"")?;
        let found = environment(name);
        if found.is_none() {
            self.problem(format!("the environment variable {name} is not set"), "set it, or name another");
        }
        found
    }

    fn wrong_kind<T>(&self, expected: &str, example: &str) -> Option<T> {
        let found = match self.content {
            Content::Toml(DeValue::String(_)) | Content::Name(_) => "a text",
            Content::Toml(DeValue::Integer(_) | DeValue::Float(_)) => "a number",
            Content::Toml(DeValue::Boolean(_)) => "true or false",
            Content::Toml(DeValue::Datetime(_)) => "a date",
            Content::Toml(DeValue::Array(_)) => "a list",
            Content::Toml(DeValue::Table(_)) => "a table",
        };
        let mut message = String::new();
        // Writing to a String cannot fail.
        let _ = write!(message, "`{}` must be {expected}, not {found}", self.key);
        self.problem(message, format!("for example {example}"));
        None
    }
}
