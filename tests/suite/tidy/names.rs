//! What names may be: standard terms that say something, and one meaning to a type's name in a crate.

use std::collections::BTreeMap;

use super::{none, words};
use crate::{report, sources};

pub(super) fn names_say_something() {
    const EMPTY: [&str; 7] = ["utils", "util", "common", "helpers", "helper", "manager", "types"];
    let mut wrong = Vec::new();
    for source in sources::rust(&["auth-core/src", "benches", "gateway/src", "tests/world", "tests/suite"]) {
        if source.path.split(['/', '.']).any(|part| EMPTY.contains(&part)) {
            wrong.push(source.path.clone());
        }
        for (number, line) in source.code() {
            let modules = line.trim_start().trim_start_matches("pub ").starts_with("mod ");
            let empty = words(&line).any(|word| word.ends_with("Manager") || modules && EMPTY.contains(&word));
            if empty {
                wrong.push(format!("{}:{number}: {}", source.path, line.trim()));
            }
        }
    }
    none(&wrong);
}

/// The name of a type that more than its own file can see means one thing in its crate.
pub(super) fn a_type_name_means_one_thing() {
    let (mut count, mut wrong) = (0, Vec::new());
    for member in ["auth-core/src", "gateway/src"] {
        let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for source in sources::rust(&[member]) {
            for (number, line) in source.text.lines().enumerate() {
                if let Some(name) = shared_type(line) {
                    count += 1;
                    places.entry(name).or_default().push(format!("{}:{}", source.path, number + 1));
                }
            }
        }
        wrong.extend(places.into_iter().filter(|(_, at)| at.len() > 1).map(|(name, at)| format!("{name}: {at:?}")));
    }
    report::say(format!("type names: {count}, doubled: {}", wrong.len()));
    none(&wrong);
}

/// The type that `line` defines, if it has any visibility of its own.
fn shared_type(line: &str) -> Option<String> {
    let rest = line.trim_start().strip_prefix("pub")?;
    let rest = rest.strip_prefix('(').and_then(|rest| rest.split_once(')')).map_or(rest, |(_, rest)| rest);
    let mut words = rest.split_whitespace();
    let kind = words.next()?;
    let is_type = ["struct", "enum", "trait", "type", "union"].contains(&kind);
    let name: String = words.next()?.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (is_type && !name.is_empty()).then_some(name)
}
