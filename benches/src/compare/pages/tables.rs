//! The tables of a comparison: gateways by figures, each with a figure or the reason why there is none.

use std::time::Duration;

use super::super::{
    comparison::{Comparison, Entry, Served, WorkResult},
    figure::Ratio,
    work::Work,
};
use crate::report::{self, Cell, Table, Tone};

/// What `≥` before a number of requests says.
const HAD_TIME: &str = "≥: the gateway had time left; the client or the service could do no more. Who waits wakes up for \
                        fewer requests at a time, so that each is a little dearer than under full load.";

/// Gateways by works, a figure or a dash each.
pub(super) fn overview(comparison: &Comparison, works: &[&WorkResult]) -> Table {
    let mut table = Table::new(&["µs a request"]);
    table.head.extend(works.iter().map(|result| short(result.work).to_owned()));
    for (at, gateway) in comparison.gateways.iter().enumerate() {
        let figure = |result: &&WorkResult| match result.entries.get(at).and_then(Entry::cost) {
            Some(cost) => Cell::from(report::significant(cost.median)),
            None => Cell::from("–").toned(Tone::Absent),
        };
        table.row([Cell::from(gateway.name)].into_iter().chain(works.iter().map(figure)));
    }
    table
}

pub(super) fn table(comparison: &Comparison, result: &WorkResult) -> Table {
    let idle = result.work == Work::Idle;
    let mut table = Table::new(if idle {
        &["gateway", "a connection", "spread", "against nginx"]
    } else {
        &["gateway", "µs a request", "user + system", "spread", "requests/s", "p50", "p99", "against nginx"]
    });
    for (gateway, entry) in comparison.gateways.iter().zip(&result.entries) {
        let mut cells = vec![Cell::from(gateway.name)];
        match entry {
            Entry::Served(served) => cells.extend(served_cells(served)),
            Entry::Held { bytes, .. } => cells.extend([report::bytes(bytes.median).into(), spread(bytes.spread)]),
            Entry::NotReached | Entry::Lacking(_) | Entry::Failed(_) => {}
        }
        cells.push(match (entry, comparison.ratio(result, entry)) {
            (Entry::Failed(why), _) => Cell::from(&**why).toned(Tone::Bad),
            (Entry::Lacking(_) | Entry::NotReached, _) => {
                Cell::from(entry.reason().unwrap_or_default()).toned(Tone::Absent)
            }
            (_, None) => Cell::from("–").toned(Tone::Absent),
            (_, Some(ratio @ Ratio::Times(_))) => Cell::from(ratio.to_string()),
            (_, Some(ratio)) => Cell::from(ratio.to_string()).toned(Tone::Absent),
        });
        if comparison.gateways.first().is_some_and(|first| first.name == gateway.name) && entry.cost().is_some() {
            cells.pop();
            cells.push("1".into());
        }
        table.row(cells);
    }
    table
}

fn served_cells(served: &Served) -> [Cell; 6] {
    let (user, system) = served.split();
    let least = if served.had_time_left() { "≥ " } else { "" };
    [
        report::significant(served.cpu.median).into(),
        format!("{} + {}", report::significant(user), report::significant(system)).into(),
        spread(served.cpu.spread),
        format!("{least}{}", report::count(served.per_second.median)).into(),
        took(served.latency.p50()),
        // Of fewer than a hundred the longest is no p99.
        took(served.latency.p99().filter(|_| served.latency.count() >= 100)),
    ]
}

fn took(time: Option<Duration>) -> Cell {
    time.map_or_else(|| Cell::from("–").toned(Tone::Absent), |time| report::duration(time).into())
}

fn spread(spread: Option<f64>) -> Cell {
    match spread {
        Some(spread) => format!("{:.0} %", spread * 100.0).into(),
        None => Cell::from("–").toned(Tone::Absent),
    }
}

pub(super) fn memory(comparison: &Comparison) -> Table {
    let mut table = Table::new(&["gateway", "version", "memory"]);
    for gateway in &comparison.gateways {
        let (version, memory) = match (&gateway.version, gateway.memory_at_rest) {
            (Ok(version), Some(memory)) => (Cell::from(&**version), Cell::from(report::bytes(memory as f64))),
            (Ok(version), None) => (Cell::from(&**version), Cell::from("–").toned(Tone::Absent)),
            (Err(why), _) => (Cell::from(&**why).toned(Tone::Absent), Cell::from("–").toned(Tone::Absent)),
        };
        table.row([Cell::from(gateway.name), version, memory]);
    }
    table
}

/// What a reader of the table must know.
pub(super) fn remark(comparison: &Comparison, result: &WorkResult) -> Option<String> {
    let had_time = |entry: &Entry| matches!(entry, Entry::Served(served) if served.had_time_left());
    let mut remarks = Vec::new();
    if result.entries.first().is_some_and(|first| first.cost().is_none()) && comparison.base(result).is_some() {
        remarks.push("Compared with what bare proxying costs nginx, which cannot do this.");
    }
    if result.entries.iter().any(had_time) {
        remarks.push(HAD_TIME);
    }
    (!remarks.is_empty()).then(|| remarks.join(" "))
}

/// Its name as the head of a column.
pub(super) const fn short(work: Work) -> &'static str {
    match work {
        Work::Open => "bare proxying",
        Work::Bearer => "unchecked token",
        Work::Remembered => "seen token",
        Work::Fresh => "new token",
        Work::Session => "session",
        Work::Down => "1 MiB down",
        Work::Up => "1 MiB up",
        Work::Idle => "idle connections",
    }
}

pub(super) fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
