//! The floors of each crate: they stand in the map at the top of its `lib.rs`, and nowhere else.

use std::collections::{BTreeMap, BTreeSet};

use super::none;
use crate::sources::{self, Source};

/// The floor of every module that a crate's map names: of its lines `- 3 [`keys`], `own`: what they are for.`
fn floors(member: &str) -> BTreeMap<String, u32> {
    let map = sources::text(&format!("{member}/src/lib.rs"));
    let mut floors = BTreeMap::new();
    for line in map.lines().filter_map(|line| line.strip_prefix("//! - ")) {
        let Some((floor, rest)) = line.split_once(' ') else { continue };
        let Ok(floor) = floor.parse() else { continue };
        let names = rest.split([':', '(']).next().unwrap_or(rest);
        // The names stand between backticks; `mod@check` is rustdoc's way to name a module.
        for module in names.split('`').skip(1).step_by(2).map(|module| module.trim_start_matches("mod@")) {
            let before = floors.insert(module.to_owned(), floor);
            assert!(before.is_none(), "{member}: the map names `{module}` twice");
        }
    }
    assert!(!floors.is_empty(), "{member}/src/lib.rs has no map");
    floors
}

/// Every module at the top of a crate stands in the map, and imports from lower floors only: two modules on one floor
/// do not know each other.
pub(super) fn imports_go_down() {
    let mut wrong = Vec::new();
    for member in ["auth-core", "benches", "gateway"] {
        let floors = floors(member);
        let mut met = BTreeSet::new();
        for source in sources::rust(&[&format!("{member}/src")]) {
            let (_, module) = source.module();
            let own = module.split("::").next().unwrap_or_default().to_owned();
            if own == "lib" || own == "main" || source.is_only_for_tests() {
                continue;
            }
            met.insert(own.clone());
            let Some(floor) = floors.get(&own) else {
                wrong.push(format!("{}: `{own}` is not in the map", source.path));
                continue;
            };
            for imported in imports(&source, module.contains("::")) {
                let lower = floors.get(&imported).is_some_and(|other| other < floor);
                let is_module =
                    floors.contains_key(&imported) || imported.chars().all(|c| c.is_lowercase() || c == '_');
                if is_module && imported != own && !lower {
                    wrong.push(format!("{}: `{own}` must not know `{imported}`", source.path));
                }
            }
        }
        let gone = floors.keys().filter(|module| !met.contains(*module));
        wrong.extend(gone.map(|module| format!("{member}: the map names `{module}`, which is not there")));
    }
    none(&wrong);
}

/// One style of module files: what has a folder lies in it whole, as `mod.rs`.
pub(super) fn a_folder_is_one_module() {
    let files = sources::rust(&["auth-core/src", "benches/src", "gateway/src", "tests/world", "tests/suite"]);
    let beside = files.iter().filter(|file| sources::top().join(file.path.trim_end_matches(".rs")).is_dir());
    none(&beside.map(|file| format!("{} has a folder beside it", file.path)).collect::<Vec<_>>());
}

/// The first segments after `crate::` (and after `super::`, where that is the crate) in the code of `source`.
fn imports(source: &Source, nested: bool) -> BTreeSet<String> {
    let code: String = source.code().map(|(_, line)| line + "\n").collect();
    let mut found = BTreeSet::new();
    let starts: &[&str] = if nested { &["crate::"] } else { &["crate::", "super::"] };
    for start in starts {
        for (at, _) in code.match_indices(start) {
            let preceded = code[..at].chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$');
            let rest = &code[at + start.len()..];
            if preceded {
                continue;
            } else if let Some(group) = rest.strip_prefix('{') {
                found.extend(first_names(group));
            } else {
                found.extend(name(rest));
            }
        }
    }
    found
}

/// The names at the top level of a `{…}` group of imports.
fn first_names(group: &str) -> Vec<String> {
    let (mut depth, mut fresh, mut names) = (0, true, Vec::new());
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => fresh = true,
            c if fresh && depth == 0 && !c.is_whitespace() => {
                names.extend(name(&group[at..]));
                fresh = false;
            }
            _ => {}
        }
    }
    names
}

pub(super) fn name(text: &str) -> Option<String> {
    let name: String = text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (!name.is_empty() && name != "self").then_some(name)
}
