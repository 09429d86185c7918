//! What `/metrics` shows is what `docs/operations.md` says that it shows, in both directions.

use std::collections::{BTreeMap, BTreeSet};

use libtest_mimic::Trial;
use world::{
    World,
    caller::{Caller, Form},
    device::{Device, DeviceRequest},
    wire::Protocol,
};

use crate::{in_a_runtime, sources};

pub(super) fn tests() -> Vec<Trial> {
    vec![in_a_runtime("serving::the_metrics_are_those_of_the_document", the_metrics_are_those_of_the_document)]
}

/// A metric: its name and type, and the names of its labels.
type Metric = (String, String, BTreeSet<String>);

/// What `/metrics` says.
#[derive(Default)]
struct Scrape {
    types: BTreeMap<String, String>,
    helped: BTreeSet<String>,
    labels: BTreeMap<String, BTreeSet<String>>,
    /// Of each label, every value.
    values: BTreeMap<String, BTreeSet<String>>,
}

async fn the_metrics_are_those_of_the_document() {
    // Its certificate is measured in the same place: one for the whole process.
    let _encrypted = World::new().over(Protocol::Http1Tls).start().await;
    let mut world = World::new().prepare().await;
    world.settings.add_fleet();
    world.start_gateway().await;
    let mut display = Device::new(&world.settings.public_url(), "SN-1");
    let unproven = DeviceRequest { proof: None, ..display.request("reactivations", &serde_json::json!({})).await };
    assert_eq!(display.send(&unproven).await.word(), Some("bad-proof"), "what is told displays is counted");
    let answer = Caller::new(Form::Browser).browser().get(&world.url("/")).await.expect("an answer");
    assert_eq!(answer.status, 303, "a stranger is sent to sign in");
    let scrape = Scrape::of(&world.metrics().await);
    let document = sources::text("docs/operations.md");
    let (shown, said) = (scrape.metrics(), documented(&document));
    let undocumented: Vec<_> = shown.difference(&said).collect();
    let invented: Vec<_> = said.difference(&shown).collect();
    assert!(
        undocumented.is_empty() && invented.is_empty(),
        "not in the table: {undocumented:#?}\nin the table alone: {invented:#?}"
    );
    let unhelpful: Vec<_> = scrape.types.keys().filter(|name| !scrape.helped.contains(*name)).collect();
    assert!(unhelpful.is_empty(), "without a HELP line: {unhelpful:?}");
    for name in scrape.types.keys() {
        let well_named = name.starts_with("candor_") && name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        let of_its_type = match scrape.types[name].as_str() {
            "counter" => name.ends_with("_total"),
            "histogram" => name.ends_with("_seconds"),
            _ => true,
        };
        assert!(well_named && of_its_type, "{name} is not called as Prometheus would have it");
    }
    for (label, values) in &scrape.values {
        // The configuration chooses the others.
        if !["certificate", "endpoint", "route", "upstream"].contains(&label.as_str()) {
            let silent: Vec<_> = values.iter().filter(|value| !document.contains(&format!("`{value}`"))).collect();
            assert!(silent.is_empty(), "values of {label} that the document does not name: {silent:?}");
        }
    }
    rows_explain(&document, "| Alarm | Means |", &scrape.values["alarm"]);
    rows_explain(&document, "| Word | Means |", &scrape.values["outcome"]);
}

/// The table under `heading` explains each of `words`, and no other.
fn rows_explain(document: &str, heading: &str, words: &BTreeSet<String>) {
    let table = document.split(heading).nth(1).expect("there is a table");
    let rows = table.trim_start().lines().skip(1).take_while(|line| line.starts_with('|'));
    let first_cells = rows.filter_map(|row| row.split('|').nth(1));
    let explained: BTreeSet<String> = first_cells.flat_map(quoted).collect();
    assert_eq!(&explained, words, "under {heading}");
}

/// The rows of the table of metrics.
fn documented(document: &str) -> BTreeSet<Metric> {
    let rows = document.lines().filter(|line| line.starts_with("| `candor_"));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        assert_eq!(cells.len(), 7, "name, type, labels, meaning, what to do: {row}");
        assert!(!cells[4].is_empty(), "it means something: {row}");
        (cells[1].trim_matches('`').to_owned(), cells[2].to_owned(), quoted(cells[3]).collect())
    })
    .collect()
}

fn quoted(cell: &str) -> impl Iterator<Item = String> {
    cell.split('`').skip(1).step_by(2).map(ToOwned::to_owned)
}

impl Scrape {
    fn of(text: &str) -> Self {
        let mut scrape = Self::default();
        for line in text.lines().filter(|line| !line.is_empty()) {
            if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) {
                assert!(help.ends_with('.'), "a sentence: {line}");
                scrape.helped.insert(name.to_owned());
            } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
                scrape.types.insert(name.to_owned(), kind.to_owned());
            } else {
                scrape.sample(line);
            }
        }
        scrape
    }

    fn sample(&mut self, line: &str) {
        let (series, _) = line.rsplit_once(' ').expect("a sample has a value");
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let parts = ["_bucket", "_sum", "_count"];
        let of_histogram = parts.iter().find_map(|part| name.strip_suffix(part));
        let name = of_histogram.filter(|name| self.types.contains_key(*name)).unwrap_or(name);
        let known = self.labels.entry(name.to_owned()).or_default();
        for (label, value) in labels.trim_end_matches('}').split(',').filter_map(|label| label.split_once('=')) {
            if label != "le" {
                known.insert(label.to_owned());
                self.values.entry(label.to_owned()).or_default().insert(value.trim_matches('"').to_owned());
            }
        }
    }

    fn metrics(&self) -> BTreeSet<Metric> {
        let labels = |name: &String| self.labels.get(name).cloned().unwrap_or_default();
        self.types.iter().map(|(name, kind)| (name.clone(), kind.clone(), labels(name))).collect()
    }
}
