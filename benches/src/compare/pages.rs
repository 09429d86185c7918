//! A comparison for people: as tables for a terminal, and as a page.

use std::time::Duration;

use super::{
    comparison::{Comparison, Entry, Served, WorkResult},
    figure::Ratio,
    work::Work,
};
use crate::report::{self, Bar, BarGroup, Bars, Block, Cell, Headline, Report, ReportOrigin, Section, Table, Tone};

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
    let measured = vec![Block::Text(method(comparison)), Block::List(started(comparison))];
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

/// Gateways by works, a figure or a dash each.
fn overview(comparison: &Comparison, works: &[&WorkResult]) -> Table {
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

/// How each was started; of files only the names, since where they are is this machine's business.
fn started(comparison: &Comparison) -> Vec<(String, String)> {
    let named = |word: &str| word.rsplit_once('/').map_or(word, |(_, name)| name).to_owned();
    let line = |command: &String| command.split(' ').map(named).collect::<Vec<_>>().join(" ");
    let how = |gateway: &super::Compared| {
        let lines: Vec<String> = gateway.commands.iter().map(line).collect();
        (gateway.name.to_owned(), format!("`{}`", lines.join("`, and `")))
    };
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
        "{interrupted}Rounds by turns: {rounds}, {} s each; figures are the middle of the rounds, spread is (largest − \
         smallest) / middle, and a ratio that differs from 1 by less than the spreads of its two figures is not given. \
         {cores} Every answer was checked. Processor time is what `/proc` says of all processes of a gateway over 32 \
         connections (8 for large bodies) that are kept busy; p50 and p99 are at 1,000 requests a second (50 for large \
         bodies) for all, counted from when each request was due. {noise}{load}",
        comparison.span_seconds
    )
}

fn conclusion(comparison: &Comparison) -> String {
    let cost = |entry: &Entry| Some(format!("{} µs", report::significant(entry.cost()?.median)));
    let own = |(work, what): (Work, &str)| Some(format!("{} {what}", cost(ours(comparison, work)?)?));
    let known = [
        (Work::Open, "passed on"),
        (Work::Remembered, "with a verified token that was seen before"),
        (Work::Fresh, "with one that was not"),
        (Work::Session, "with a session cookie"),
    ];
    let known: Vec<String> = known.into_iter().filter_map(own).collect();
    if known.is_empty() {
        return "Nothing was measured of Candor.".to_owned();
    }
    let seen = comparison.works.iter().find(|result| result.work == Work::Remembered);
    let pairs = comparison.gateways.iter().zip(seen.into_iter().flat_map(|result| &result.entries));
    let others = pairs.filter(|(gateway, _)| gateway.name != OURS);
    let others: Vec<String> =
        others.filter_map(|(gateway, entry)| Some(format!("{} {}", gateway.name, cost(entry)?))).collect();
    let others = if others.is_empty() {
        String::new()
    } else {
        format!(" With a token that was seen before the others take: {}.", others.join(", "))
    };
    format!("A request through Candor takes of a core: {}.{others}", known.join(", "))
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
        Work::Idle => "idle connections",
    }
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Compared, comparison::Round},
        *,
    };
    use crate::{latency::Latency, machine::Machine, process::CpuTime};

    /// Rounds of a second with these processor times a request, in microseconds.
    fn entry(costs: &[u64]) -> Entry {
        let mut entry = Entry::NotReached;
        for cost in costs {
            let time = |share: u64| Duration::from_micros(cost * 100 * share);
            let mut latency = Latency::new();
            (0..60).for_each(|_| latency.record(Duration::from_micros(200)));
            let cpu = CpuTime { user: time(25), system: time(75) };
            entry.add(Ok(Round::new(10_000, Duration::from_secs(1), cpu, latency)));
        }
        entry
    }

    fn held(bytes: &[f64]) -> Entry {
        let mut entry = Entry::NotReached;
        bytes.iter().for_each(|bytes| entry.add_held(Ok(*bytes)));
        entry
    }

    fn comparison(works: Vec<(Work, [Entry; 3])>) -> Comparison {
        let gateway = |name, version: Result<&str, &str>| Compared {
            name,
            version: version.map(ToOwned::to_owned).map_err(ToOwned::to_owned),
            commands: vec![format!("/bin/{name} --run")],
            memory_at_rest: version.is_ok().then_some(10 << 20),
        };
        let works = works.into_iter().map(|(work, entries)| WorkResult { work, entries: entries.into() });
        Comparison {
            command: "bench compare".to_owned(),
            date: "2026-01-31".to_owned(),
            machine: Machine::here(),
            load_before: Some(0.5),
            pinned: true,
            span_seconds: 1.0,
            interrupted: false,
            gateways: vec![
                gateway("nginx", Ok("1.22.1")),
                gateway("Envoy", Err("not here, because there is no network")),
                gateway("Candor", Ok("0.1.0")),
            ],
            works: works.collect(),
        }
    }

    fn lacking() -> Entry {
        Entry::Lacking("does not run here".to_owned())
    }

    /// The line of `gateway` in the table of `work`, its columns parted by `|`.
    fn line(comparison: &Comparison, work: Work, gateway: &str) -> String {
        let result = comparison.works.iter().find(|result| result.work == work).expect("the work");
        let lines = table(comparison, result).lines();
        let line = lines.lines().find(|line| line.starts_with(gateway)).expect("a line").to_owned();
        line.split("  ").map(str::trim).filter(|column| !column.is_empty()).collect::<Vec<_>>().join("|")
    }

    #[test]
    fn every_gateway_has_its_line_with_figures_or_a_reason() {
        let no_tokens = Entry::Lacking("it verifies no tokens".to_owned());
        let mut failed = entry(&[40]);
        failed.add(Err("answered 401 (812 of 900)".to_owned()));
        failed.add(Ok(Round::new(1, Duration::from_secs(1), CpuTime::default(), Latency::new())));
        let all = comparison(vec![
            (Work::Open, [entry(&[20, 20, 21]), lacking(), entry(&[40, 41, 42])]),
            (Work::Remembered, [no_tokens.clone(), lacking(), entry(&[60, 60])]),
            (Work::Fresh, [no_tokens.clone(), lacking(), entry(&[21, 19])]),
            (Work::Session, [no_tokens, lacking(), failed]),
            (Work::Up, [entry(&[20]), lacking(), Entry::NotReached]),
            (Work::Idle, [held(&[2048.0, 2048.0]), lacking(), held(&[20480.0, 20480.0])]),
        ]);
        let check = |work, gateway, expected: &str| assert_eq!(line(&all, work, gateway), expected);
        check(Work::Open, "nginx", "nginx|20.0|5.00 + 15.0|5 %|≥ 10,000|200 µs|200 µs|1");
        check(Work::Open, "Candor", "Candor|41.0|10.2 + 30.8|5 %|≥ 10,000|200 µs|200 µs|2.05 times");
        check(Work::Open, "Envoy", "Envoy|does not run here");
        check(Work::Remembered, "nginx", "nginx|it verifies no tokens");
        check(Work::Remembered, "Candor", "Candor|60.0|15.0 + 45.0|0 %|≥ 10,000|200 µs|200 µs|3.00 times");
        check(Work::Fresh, "Candor", "Candor|20.0|5.25 + 15.8|10 %|≥ 10,000|200 µs|200 µs|within the noise (± 15 %)");
        check(Work::Session, "Candor", "Candor|answered 401 (812 of 900)");
        check(Work::Up, "nginx", "nginx|20.0|5.00 + 15.0|–|≥ 10,000|200 µs|–|1");
        check(Work::Up, "Candor", "Candor|not measured: the run was ended before");
        check(Work::Idle, "Candor", "Candor|20.0 KiB|0 %|10.00 times");

        let text = text(&all);
        assert!(text.contains("Compared with what bare proxying costs nginx, which cannot do this."), "{text}");
        assert!(text.contains("Rounds by turns: 3, 1 s each"), "{text}");
        let own = "A request through Candor takes of a core: 41.0 µs passed on, 60.0 µs with a verified token that was seen \
                   before, 20.0 µs with one that was not.";
        assert_eq!(conclusion(&all), own);
        let page = report(&all).html();
        for shown in ["answered 401 (812 of 900)", "within the noise", "not here, because there is no network"] {
            assert!(page.contains(shown), "{shown}");
        }
    }

    #[test]
    fn without_nginx_nothing_is_compared() {
        let mut all = comparison(vec![(Work::Up, [Entry::NotReached, lacking(), entry(&[40, 41])])]);
        assert_eq!(line(&all, Work::Up, "Candor"), "Candor|40.5|10.2 + 30.8|2 %|≥ 10,000|200 µs|200 µs|–");
        all.interrupted = true;
        assert!(method(&all).starts_with("It was ended before all was measured."));
        assert_eq!(conclusion(&all), "Nothing was measured of Candor.");
    }
}
