//! A comparison for people: as tables for a terminal, and as a page.

use super::{
    comparison::{Comparison, Entry, Served, WorkResult},
    figure::Ratio,
    work::Work,
};
use crate::{
    latency::readable,
    report::{self, Bar, Bars, Block, Cell, Headline, Report, ReportOrigin, Section, Table, Tone},
};

/// Whom the page is about.
const OURS: &str = "Candor";

/// The page.
pub(super) fn report(comparison: &Comparison) -> Report {
    let mut sections = vec![Section::new(
        "All works beside each other",
        vec![
            Block::Text(
                "Processor time a request, in microseconds: user and system of all processes of the gateway.".into(),
            ),
            Block::Table(overview(comparison)),
        ],
    )];
    for result in &comparison.works {
        let mut blocks = vec![Block::Bars(bars(comparison, result)), Block::Table(table(comparison, result))];
        blocks.extend(remark(comparison, result).map(Block::Text));
        sections.push(Section::new(capitalised(result.work.title()), blocks));
    }
    sections.push(Section::new("Memory before the first request", vec![Block::Table(memory(comparison))]));
    sections.push(Section::new(
        "How it was measured",
        vec![Block::Text(method(comparison)), Block::List(started(comparison))],
    ));
    Report {
        title: "The same work through each gateway".to_owned(),
        conclusion: conclusion(comparison),
        headlines: headlines(comparison),
        sections,
        origin: ReportOrigin {
            command: comparison.command.clone(),
            machine: comparison.machine.clone(),
            date: comparison.date.clone(),
        },
    }
}

/// The tables, one after the other.
pub(super) fn text(comparison: &Comparison) -> String {
    let mut text = String::new();
    for result in &comparison.works {
        text += &format!("\n{}\n{}", capitalised(result.work.title()), table(comparison, result).lines());
        text += &remark(comparison, result).map_or_else(String::new, |remark| format!("{remark}\n"));
    }
    text += &format!("\nMemory before the first request\n{}", memory(comparison).lines());
    text + &format!("\n{}\n{}\n", method(comparison), comparison.machine)
}

/// Gateways by works, a figure or a dash each.
fn overview(comparison: &Comparison) -> Table {
    let works = comparison.works.iter().filter(|result| result.work != Work::Idle);
    let works: Vec<&WorkResult> = works.collect();
    let mut table = Table::new(&["gateway"]);
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

fn table(comparison: &Comparison, result: &WorkResult) -> Table {
    let idle = result.work == Work::Idle;
    let mut table = Table::new(if idle {
        &["gateway", "a connection", "spread", "against nginx"]
    } else {
        &["gateway", "µs a request", "user + system", "spread", "requests/s", "p50", "p99", "against nginx"]
    });
    for (gateway, entry) in comparison.gateways.iter().zip(&result.entries) {
        let columns = table.head.len();
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
        // What has no figures has its reason in the last column.
        while cells.len() < columns {
            cells.insert(1, Cell::default());
        }
        table.row(cells);
    }
    table
}

fn served_cells(served: &Served) -> [Cell; 6] {
    let (user, system) = served.middle().map_or((0.0, 0.0), |round| (round.user, round.system));
    let least = if served.had_time_left() { "≥ " } else { "" };
    [
        report::significant(served.cpu.median).into(),
        format!("{} + {}", report::significant(user), report::significant(system)).into(),
        spread(served.cpu.spread),
        format!("{least}{}", report::count(served.per_second.median)).into(),
        readable(served.latency.p50()).into(),
        // Of fewer than a hundred the longest is no p99.
        readable(if served.latency.count() >= 100 { served.latency.p99() } else { None }).into(),
    ]
}

fn spread(spread: Option<f64>) -> Cell {
    match spread {
        Some(spread) => format!("{:.0} %", spread * 100.0).into(),
        None => Cell::from("–").toned(Tone::Absent),
    }
}

fn bars(comparison: &Comparison, result: &WorkResult) -> Bars {
    let idle = result.work == Work::Idle;
    let caption = if idle { "Memory an idle connection" } else { "Processor time a request, in microseconds" };
    let bar = |(at, entry): (usize, &Entry)| {
        let name = comparison.gateways.get(at)?.name;
        let value = entry.cost().map(|cost| cost.median);
        let text = match value {
            Some(value) if idle => report::bytes(value),
            Some(value) => format!("{} µs", report::significant(value)),
            None => entry.reason().unwrap_or_default().to_owned(),
        };
        Some(Bar { name: name.to_owned(), value, text, is_ours: name == OURS })
    };
    Bars { caption: caption.to_owned(), bars: result.entries.iter().enumerate().filter_map(bar).collect() }
}

/// What a reader of the table must know.
fn remark(comparison: &Comparison, result: &WorkResult) -> Option<String> {
    let had_time = |entry: &Entry| matches!(entry, Entry::Served(served) if served.had_time_left());
    let mut remarks = Vec::new();
    if result.entries.first().is_some_and(|first| first.cost().is_none()) && comparison.base(result).is_some() {
        remarks.push("Compared with what bare proxying costs nginx, which cannot do this.");
    }
    if result.entries.iter().any(had_time) {
        remarks.push("≥: the gateway had time left; the client or the service could do no more.");
    }
    (!remarks.is_empty()).then(|| remarks.join(" "))
}

fn memory(comparison: &Comparison) -> Table {
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

fn started(comparison: &Comparison) -> Vec<(String, String)> {
    let how = |gateway: &super::Compared| (gateway.name.to_owned(), format!("`{}`", gateway.commands.join("`, and `")));
    comparison.gateways.iter().filter(|gateway| !gateway.commands.is_empty()).map(how).collect()
}

fn method(comparison: &Comparison) -> String {
    let rounds = comparison.works.iter().flat_map(|result| &result.entries).map(Entry::rounds).max().unwrap_or(0);
    let cores = if comparison.pinned {
        "Each gateway had the same core for itself while it was measured, the client and the service another."
    } else {
        "There was one core, which gateway, client and service shared."
    };
    let noise = match comparison.noise() {
        Some((middle, largest)) => format!(
            "Between rounds a figure differed by {:.0} % (the middle one) and {:.0} % at most.",
            middle * 100.0,
            largest * 100.0
        ),
        None => "Nobody knows how noisy it was: there was a single round.".to_owned(),
    };
    let load = comparison.load_before.map_or_else(String::new, |load| {
        format!(" In the minute before, {} programs wanted a core on average.", report::significant(load))
    });
    let interrupted = if comparison.interrupted { "It was ended before all was measured. " } else { "" };
    format!(
        "{interrupted}{rounds} rounds by turns, {} s each; figures are the middle of the rounds, spread is (largest − \
         smallest) / middle, and a ratio that differs from 1 by less than the spreads of its two figures is not given. \
         {cores} Every answer was checked. Processor time is what `/proc` says of all processes of a gateway over 32 \
         connections (8 for large bodies) that are kept busy; p50 and p99 are at 1,000 requests a second (50 for large \
         bodies) for all, counted from when each request was due. {noise}{load}",
        comparison.span_seconds
    )
}

fn conclusion(comparison: &Comparison) -> String {
    let cost = |work| ours(comparison, work).and_then(Entry::cost).map(|cost| cost.median);
    let known = [
        (cost(Work::Open), "passed on"),
        (cost(Work::Remembered), "with a verified token that was seen before"),
        (cost(Work::Fresh), "with one that was not"),
        (cost(Work::Session), "with a session cookie"),
    ];
    let known: Vec<String> =
        known.iter().filter_map(|(cost, what)| Some(format!("{} µs {what}", report::significant((*cost)?)))).collect();
    if known.is_empty() {
        return "Nothing was measured of Candor.".to_owned();
    }
    format!("A request through Candor takes of a core: {}.", known.join(", "))
}

fn headlines(comparison: &Comparison) -> Vec<Headline> {
    let per_second = |work, label: &str| {
        let Some(Entry::Served(served)) = ours(comparison, work) else { return None };
        Some(Headline::new(report::count(1e6 / served.cpu.median), label, Tone::Plain))
    };
    let idle = ours(comparison, Work::Idle).and_then(Entry::cost);
    [
        per_second(Work::Open, "requests a second that one core of Candor passes on"),
        per_second(Work::Remembered, "a second with a verified token"),
        per_second(Work::Session, "a second with a session cookie"),
        idle.map(|bytes| Headline::new(report::bytes(bytes.median), "of memory an idle connection", Tone::Plain)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn ours(comparison: &Comparison, work: Work) -> Option<&Entry> {
    let at = comparison.gateways.iter().position(|gateway| gateway.name == OURS)?;
    comparison.works.iter().find(|result| result.work == work)?.entries.get(at)
}

/// Its name as the head of a column.
const fn short(work: Work) -> &'static str {
    match work {
        Work::Open => "bare",
        Work::Bearer => "unchecked token",
        Work::Remembered => "seen token",
        Work::Fresh => "new token",
        Work::Session => "session",
        Work::Down => "1 MiB down",
        Work::Up => "1 MiB up",
        Work::Idle => "idle",
    }
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
