//! A comparison for people: as tables for a terminal, and as a page.

mod tables;

use self::tables::{capitalised, memory, overview, remark, short, table};
use super::{
    comparison::{Comparison, Entry, WorkResult},
    figure::Ratio,
    work::Work,
};
use crate::report::{self, Bar, BarGroup, Bars, Block, Headline, Report, ReportOrigin, Section, Tone};

/// Whom the page is about.
const OURS: &str = "Candor";

/// The page.
pub(super) fn report(comparison: &Comparison) -> Report {
    let among = |works: &[Work]| -> Vec<&WorkResult> {
        comparison.works.iter().filter(|result| works.contains(&result.work)).collect()
    };
    let requests = among(&[Work::Open, Work::Bearer, Work::Remembered, Work::Fresh, Work::Session]);
    let (bodies, idle) = (among(&[Work::Down, Work::Up]), among(&[Work::Idle]));
    let per_request = "Processor time a request, in microseconds (user and system)";
    let mut sections = Vec::new();
    if !requests.is_empty() {
        let costs = bars(comparison, "compare-requests", per_request, &requests);
        let beside = Block::Table(overview(comparison, &requests));
        sections.push(Section::new("What a request costs", vec![Block::Bars(costs), beside]));
    }
    if !bodies.is_empty() {
        let costs = bars(comparison, "compare-bodies", per_request, &bodies);
        sections.push(Section::new("What large bodies cost", vec![Block::Bars(costs)]));
    }
    let memory = Block::Table(memory(comparison));
    let held = bars(comparison, "compare-idle", "Memory an idle connection, of 8,000", &idle);
    let held = (!idle.is_empty()).then_some(Block::Bars(held));
    sections.push(Section::new("Memory", [memory].into_iter().chain(held).collect()));
    sections.push(Section::new(
        "All figures",
        comparison.works.iter().flat_map(|result| all(comparison, result)).collect(),
    ));
    let configured = "Each gateway is configured as its own documentation advises, and nothing is tuned for this: the files are \
                      in `benches/peers/`. All of them write one access line a request. Versions are those that Debian, PyPI \
                      and the Go modules have.";
    let measured = vec![Block::Text(method(comparison)), Block::Text(configured.to_owned())];
    sections.push(Section::new("How it was measured", measured));
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

fn all(comparison: &Comparison, result: &WorkResult) -> Vec<Block> {
    let title = Block::Text(format!("{}:", capitalised(result.work.title())));
    let remark = remark(comparison, result).map(Block::Text);
    [title, Block::Table(table(comparison, result))].into_iter().chain(remark).collect()
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

fn bars(comparison: &Comparison, name: &'static str, title: &str, works: &[&WorkResult]) -> Bars {
    let bar = |result: &WorkResult, (at, entry): (usize, &Entry)| {
        let name = comparison.gateways.get(at)?.name;
        let value = entry.cost().map(|cost| cost.median);
        let text = match value {
            Some(value) if result.work == Work::Idle => report::bytes(value),
            Some(value) => format!("{} µs", report::significant(value)),
            None => entry.reason().unwrap_or_default().to_owned(),
        };
        Some(Bar { name: name.to_owned(), value, text, is_ours: name == OURS })
    };
    let group = |result: &&WorkResult| BarGroup {
        caption: capitalised(result.work.title()),
        bars: result.entries.iter().enumerate().filter_map(|entry| bar(result, entry)).collect(),
    };
    Bars { name, title: title.to_owned(), groups: works.iter().map(group).collect() }
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
        format!(" The machine's load average was {} before.", report::significant(load))
    });
    let interrupted = if comparison.interrupted { "It was ended before all was measured. " } else { "" };
    format!(
        "{interrupted}{rounds} rounds of {} s for each gateway, by turns; figures are the middle of the rounds, spread is (largest − \
         smallest) / middle, and a ratio that differs from 1 by less than the spreads of its two figures is not given. \
         {cores} Every answer was checked. Processor time is what `/proc` says of all processes of a gateway over 32 \
         connections (8 for large bodies) that are kept busy; p50 and p99 are at 1,000 requests a second (50 for large \
         bodies) for all, counted from when each request was due. {noise}{load}",
        comparison.span_seconds
    )
}

fn conclusion(comparison: &Comparison) -> String {
    let own = |(work, what): (Work, &str)| {
        Some(format!("{} µs {what}", report::significant(ours(comparison, work)?.cost()?.median)))
    };
    let known = [
        (Work::Open, "when it is only passed on"),
        (Work::Remembered, "with a token that was verified before"),
        (Work::Fresh, "with a new token"),
        (Work::Session, "with a session cookie"),
    ];
    let known: Vec<String> = known.into_iter().filter_map(own).collect();
    if known.is_empty() {
        return "Nothing was measured of Candor.".to_owned();
    }
    format!("A request through Candor takes this much of a core: {}.{}", known.join(", "), beside(comparison))
}

/// Where Candor is the cheapest of all, and by how much it is dearer than the cheapest elsewhere. What lies within the
/// noise is neither.
fn beside(comparison: &Comparison) -> String {
    let (mut cheapest, mut dearer) = (Vec::new(), Vec::new());
    for result in &comparison.works {
        let Some(own) = ours(comparison, result.work).and_then(Entry::cost) else { continue };
        let pairs = comparison.gateways.iter().zip(&result.entries).filter(|(gateway, _)| gateway.name != OURS);
        let others = pairs.filter_map(|(gateway, entry)| Some((gateway.name, entry.cost()?)));
        let Some((name, best)) = others.min_by(|one, other| one.1.median.total_cmp(&other.1.median)) else { continue };
        match own.against(best) {
            Ratio::Times(times) if times < 1.0 => cheapest.push(short(result.work).to_owned()),
            Ratio::Times(times) => {
                dearer.push(format!("{} ({} times {name})", short(result.work), report::significant(times)));
            }
            Ratio::WithinNoise(_) | Ratio::SingleRound => {}
        }
    }
    let said = |what: &str, works: Vec<String>| {
        if works.is_empty() { String::new() } else { format!(" {what}: {}.", works.join(", ")) }
    };
    said("It is the cheapest of all that were measured at", cheapest)
        + &said("It is dearer than the cheapest at", dearer)
}

fn headlines(comparison: &Comparison) -> Vec<Headline> {
    let per_second = |work, label: &str| {
        let Some(Entry::Served(served)) = ours(comparison, work) else { return None };
        Some(Headline::new(report::count(served.per_second.median), label, Tone::Plain))
    };
    let idle = ours(comparison, Work::Idle).and_then(Entry::cost);
    [
        fleet(comparison),
        per_second(Work::Remembered, "requests a second on one core, with tokens that were verified before"),
        per_second(Work::Session, "a second with session cookies"),
        idle.map(|bytes| Headline::new(report::bytes(bytes.median), "of memory for each idle connection", Tone::Plain)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What a reader with displays wants to know.
fn fleet(comparison: &Comparison) -> Option<Headline> {
    const PER_SECOND: f64 = 10_000.0 / 30.0;
    let cost = ours(comparison, Work::Remembered)?.cost()?;
    let percent = report::significant(cost.median * PER_SECOND / 1e4);
    let label = "of one core for ten thousand displays that ask every thirty seconds, by what a request takes";
    Some(Headline::new(format!("{percent} %"), label, Tone::Plain))
}

fn ours(comparison: &Comparison, work: Work) -> Option<&Entry> {
    let at = comparison.gateways.iter().position(|gateway| gateway.name == OURS)?;
    comparison.works.iter().find(|result| result.work == work)?.entries.get(at)
}

#[cfg(test)]
mod tests;
