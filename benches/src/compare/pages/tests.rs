//! What tables and pages say of figures, of reasons, and of runs that were ended early.

use std::time::Duration;

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
    check(Work::Open, "Candor", "Candor|41.0|10.2 + 30.8|5 %|≥ 10,000|200 µs|200 µs|2.0 times");
    check(Work::Open, "Envoy", "Envoy|does not run here");
    check(Work::Remembered, "nginx", "nginx|it verifies no tokens");
    check(Work::Remembered, "Candor", "Candor|60.0|15.0 + 45.0|0 %|≥ 10,000|200 µs|200 µs|3.0 times");
    check(Work::Fresh, "Candor", "Candor|20.0|5.00 + 15.0|10 %|≥ 10,000|200 µs|200 µs|within the noise (± 15 %)");
    check(Work::Session, "Candor", "Candor|answered 401 (812 of 900)");
    check(Work::Up, "nginx", "nginx|20.0|5.00 + 15.0|–|≥ 10,000|200 µs|–|1");
    check(Work::Up, "Candor", "Candor|not measured: the run was ended before");
    check(Work::Idle, "Candor", "Candor|20.0 KiB|0 %|10.0 times");

    let text = text(&all);
    assert!(text.contains("Compared with what bare proxying costs nginx, which cannot do this."), "{text}");
    assert!(text.contains("3 rounds of 1 s for each gateway, by turns"), "{text}");
    let own = "A request through Candor takes this much of a core: 41.0 µs when it is only passed on, 60.0 µs with a token \
               that was verified before, 20.0 µs with a new token. It is dearer than the cheapest at: bare proxying (2.05 times \
               nginx), idle connections (10.0 times nginx).";
    assert_eq!(conclusion(&all), own);
    let page = report(&all).html();
    for shown in ["answered 401 (812 of 900)", "within the noise", "not here, because there is no network"] {
        assert!(page.contains(shown), "{shown}");
    }
}

#[test]
fn without_nginx_nothing_is_compared() {
    let mut all = comparison(vec![(Work::Up, [Entry::NotReached, lacking(), entry(&[40, 41])])]);
    assert_eq!(line(&all, Work::Up, "Candor"), "Candor|40.5|10.1 + 30.4|2 %|≥ 10,000|200 µs|200 µs|–");
    all.interrupted = true;
    assert!(method(&all).starts_with("It was ended before all was measured."));
    assert_eq!(conclusion(&all), "Nothing was measured of Candor.");
}
