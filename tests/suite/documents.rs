//! The documents lead where they say: every link between them, and every file of ours that they name.

use std::{fs, path::Path};

use libtest_mimic::Trial;

use crate::{plain, sources};

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        plain("documents::every_link_leads_somewhere", every_link_leads_somewhere),
        plain("documents::every_file_that_is_named_is_there", every_file_that_is_named_is_there),
    ]
}

/// A document's path from the top, and its text.
type Document = (String, String);

fn every_link_leads_somewhere() {
    let mut wrong = Vec::new();
    for (path, text) in documents() {
        let folder = Path::new(&path).parent().unwrap_or(Path::new("")).to_path_buf();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target =
                if file.is_empty() { sources::top().join(&path) } else { sources::top().join(&folder).join(file) };
            let outside = link.starts_with("https://");
            let there = || target.exists() && (heading.is_empty() || headings(&target).any(|anchor| anchor == heading));
            if !outside && !there() {
                wrong.push(format!("{path}: {link}"));
            }
        }
    }
    assert!(wrong.is_empty(), "lead nowhere: {wrong:#?}");
}

fn every_file_that_is_named_is_there() {
    const TOPS: [&str; 5] = ["auth-core/", "deploy/", "docs/", "gateway/", "tests/"];
    let plain = |name: &str| name.chars().all(|c| c.is_alphanumeric() || "/._-".contains(c));
    let mut wrong = Vec::new();
    for (path, text) in documents() {
        let quoted = text.lines().flat_map(|line| line.split('`').skip(1).step_by(2));
        let named = quoted.filter(|name| TOPS.iter().any(|top| name.starts_with(top)) && plain(name));
        let absent = named.filter(|name| !sources::top().join(name).exists());
        wrong.extend(absent.map(|name| format!("{path}: {name}")));
    }
    assert!(wrong.is_empty(), "not there: {wrong:#?}");
}

/// Every Markdown file at the top and under `docs/`, without its blocks of code.
fn documents() -> Vec<Document> {
    let folders = ["", "docs", "docs/decisions"];
    let files = folders.iter().flat_map(|folder| {
        let entries = fs::read_dir(sources::top().join(folder)).map(|entries| entries.flatten().collect::<Vec<_>>());
        let names =
            entries.unwrap_or_default().into_iter().map(|entry| entry.file_name().to_string_lossy().into_owned());
        let path = move |name: String| if folder.is_empty() { name } else { format!("{folder}/{name}") };
        names.filter(|name| name.ends_with(".md")).map(path).collect::<Vec<_>>()
    });
    let found: Vec<Document> = files.map(|path| (path.clone(), prose(&sources::text(&path)))).collect();
    assert!(found.len() > 10, "the documents are found: {}", found.len());
    found
}

fn prose(text: &str) -> String {
    text.split("```").step_by(2).collect()
}

/// What a link may name in the document `path`: its headings, written as anchors.
fn headings(path: &Path) -> impl Iterator<Item = String> + use<> {
    let text = prose(&fs::read_to_string(path).unwrap_or_default());
    let headings: Vec<String> = text.lines().filter(|line| line.starts_with('#')).map(anchor).collect();
    headings.into_iter()
}

fn anchor(heading: &str) -> String {
    let words = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = words.chars().filter(|c| c.is_alphanumeric() || "-_ ".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}
