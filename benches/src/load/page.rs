//! The report of a load: what it came to, for a terminal and as a page.

use super::{Kind, LoadRecord};
use crate::{
    drive::Measured,
    latency::Latency,
    outcome::{Outcome, Outcomes},
    report::{
        Block, Cell, Headline, Plot, Report, ReportOrigin, Section, Table, Tone, count, duration,
        plot::{Axis, Line, Phase, Scale},
        significant,
    },
};

/// The lines that are printed at the end.
pub(super) fn summary(record: &LoadRecord) -> String {
    let lack = record.left_out.iter().map(|lack| format!("{lack}\n")).collect::<String>();
    format!("{}\n{lack}\n{}\n{}\n", conclusion(record), kinds(record).lines(), lateness(&record.all))
}

/// The page.
pub(super) fn report(record: &LoadRecord, origin: ReportOrigin) -> Report {
    let all = &record.all;
    let mut sections = vec![
        Section::new("By kind of client", vec![Block::Table(kinds(record)), legend(&all.outcomes)]),
        Section::new("Latency", latency(record)),
        Section::new("Over time", vec![Block::Plot(over_time(record))]),
        Section::new("How it was sent", sending(record)),
    ];
    if !record.left_out.is_empty() {
        let lacks = record.left_out.iter().map(|lack| Block::Text(lack.clone())).collect();
        sections.insert(0, Section::new("Not measured", lacks));
    }
    Report {
        title: format!("Load on {}", site(&record.target)),
        conclusion: conclusion(record),
        headlines: headlines(record),
        sections,
        origin,
    }
}

/// Host and port: what of the address fits a heading.
fn site(target: &str) -> &str {
    target.split('/').nth(2).unwrap_or(target)
}

fn conclusion(record: &LoadRecord) -> String {
    let (all, outcomes) = (&record.all, &record.all.outcomes);
    if all.due == 0 {
        return "Nothing was sent.".to_owned();
    }
    let mut said = format!(
        "Of {} requests, {} a second, {}.",
        count(all.due as f64),
        significant(record.rate),
        outcomes
            .met()
            .map(|(outcome, times)| format!("{} {}", count(times as f64), outcome.as_str()))
            .collect::<Vec<_>>()
            .join(", "),
    );
    let shown = |bad: bool| {
        let anonymous = Kind::Anonymous.as_str();
        record.kinds.iter().any(|kind| kind.kind != anonymous && (kind.kind == Kind::BadTokens.as_str()) == bad)
    };
    said += &match (outcomes.of(Outcome::FalseRefusal), outcomes.of(Outcome::WronglyAdmitted)) {
        (0, 0) => match (shown(false), shown(true)) {
            (true, true) => " Nobody with a good credential was refused, and nobody with a bad one was served.",
            (true, false) => " Nobody with a good credential was refused.",
            (false, true) => " Nobody with a bad credential was served.",
            (false, false) => "",
        }
        .to_owned(),
        (refused, 0) => {
            format!(" {} answers refused somebody whose credential is good.", count(refused as f64))
        }
        (0, admitted) => format!(" {} bad credentials were served.", count(admitted as f64)),
        (refused, admitted) => format!(
            " {} answers refused somebody whose credential is good, and {} bad credentials were served.",
            count(refused as f64),
            count(admitted as f64)
        ),
    };
    if record.stopped {
        let under_way = all.due - outcomes.total();
        said += &format!(" It was stopped before its time, with {} under way.", count(under_way as f64));
    }
    said
}

fn headlines(record: &LoadRecord) -> Vec<Headline> {
    let outcomes = &record.all.outcomes;
    let bad = |times: u64| if times == 0 { Tone::Good } else { Tone::Bad };
    let number = |times: u64| count(times as f64);
    let silent = outcomes.of(Outcome::Lost) + outcomes.of(Outcome::Hung);
    let refused = outcomes.of(Outcome::FalseRefusal);
    let sent_bad = record.kinds.iter().any(|kind| kind.kind == Kind::BadTokens.as_str());
    let admitted = match (sent_bad, outcomes.of(Outcome::WronglyAdmitted)) {
        (false, _) => Headline::new("–", "wrongly admitted: no bad credential was sent", Tone::Absent),
        (true, admitted) => Headline::new(number(admitted), "bad credentials served", bad(admitted)),
    };
    vec![
        Headline::new(number(refused), "false refusals", bad(refused)),
        admitted,
        Headline::new(number(silent), "lost or hung", bad(silent)),
        Headline::new(count(record.all.answers_per_second()), "answers a second", Tone::Plain),
        Headline::new(took(record.all.latency.p50().map(duration)), "half were answered within", Tone::Plain),
        Headline::new(took(record.all.latency.p99().map(duration)), "99 of 100 within", Tone::Plain),
    ]
}

/// A row for each kind, with the classes that occurred, and always the two that must not.
fn kinds(record: &LoadRecord) -> Table {
    let always = [Outcome::Served, Outcome::FalseRefusal, Outcome::WronglyAdmitted];
    let shown: Vec<Outcome> = Outcome::ALL
        .into_iter()
        .filter(|outcome| always.contains(outcome) || record.all.outcomes.of(*outcome) > 0)
        .collect();
    let mut head = vec!["kind", "clients", "requests"];
    head.extend(shown.iter().map(|outcome| outcome.as_str()));
    head.extend(["p50", "p99"]);
    let mut table = Table::new(&head);
    let mut row = |name: &str, clients: usize, outcomes: &Outcomes, latency: &Latency| {
        let mut cells = vec![Cell::from(name), count(clients as f64).into(), count(outcomes.total() as f64).into()];
        cells.extend(shown.iter().map(|outcome| {
            let times = outcomes.of(*outcome);
            let tone = match outcome {
                Outcome::FalseRefusal | Outcome::WronglyAdmitted if times > 0 => Tone::Bad,
                _ => Tone::Plain,
            };
            Cell::from(count(times as f64)).toned(tone)
        }));
        cells.extend([latency.p50(), latency.p99()].map(|at| Cell::from(took(at.map(duration)))));
        table.row(cells);
    };
    for kind in &record.kinds {
        row(kind.kind, kind.clients, &kind.outcomes, &kind.latency);
    }
    if record.kinds.len() > 1 {
        let clients = record.kinds.iter().map(|kind| kind.clients).sum();
        row("all", clients, &record.all.outcomes, &record.all.latency);
    }
    table
}

fn legend(outcomes: &Outcomes) -> Block {
    let always = [Outcome::Served, Outcome::FalseRefusal, Outcome::WronglyAdmitted];
    let shown = Outcome::ALL.into_iter().filter(|outcome| always.contains(outcome) || outcomes.of(*outcome) > 0);
    let shown = shown.map(|outcome| (outcome.as_str().to_owned(), outcome.meaning().to_owned()));
    let bad = outcomes.of(Outcome::Refused) > 0 && outcomes.of(Outcome::Unavailable) > 0;
    let apart = bad.then(|| {
        let why = "Not served either: a gateway that cannot prove yet that a token is bad says \"not now\".";
        ("honest 5xx for a bad token".to_owned(), why.to_owned())
    });
    Block::List(shown.chain(apart).collect())
}

fn latency(record: &LoadRecord) -> Vec<Block> {
    let text = "From when a request was due until its answer was there whole. Requests that were answered rightly count, and \
                those that hung, for as long as was waited. A request that had to wait for a connection waited.";
    let mut lines: Vec<Line> = record.kinds.iter().map(|kind| line(kind.kind, &kind.latency, false)).collect();
    if lines.len() > 1 {
        lines.push(line("all", &record.all.latency, true));
    }
    lines.retain(|line| !line.points.is_empty());
    if lines.is_empty() {
        return vec![Block::Text("No request was answered rightly: there is no latency to show.".to_owned())];
    }
    let values = || lines.iter().flat_map(|line| &line.points).map(|(_, value)| *value);
    let (least, most) = (values().fold(f64::MAX, f64::min), values().fold(f64::MIN, f64::max));
    let nines = lines.iter().flat_map(|line| &line.points).map(|(nine, _)| *nine).fold(90.0, f64::max);
    let plot = Plot {
        name: "load-latency",
        title: "How long which share of the requests took at most".to_owned(),
        x: Axis { label: "percent of requests".to_owned(), from: 0.0, to: nines, scale: Scale::Percentiles },
        y: Axis {
            label: "milliseconds".to_owned(),
            from: 10f64.powf(least.log10().floor()),
            to: 10f64.powf((most * 1.001).log10().ceil()),
            scale: Scale::Logarithmic,
        },
        lines,
        phases: Vec::new(),
    };
    vec![Block::Text(text.to_owned()), Block::Plot(plot)]
}

fn line(name: &str, latency: &Latency, is_ours: bool) -> Line {
    // The longest of all lies at 100 %, which no axis of nines reaches.
    let points = latency.curve().into_iter().filter(|(quantile, _)| *quantile < 1.0);
    let points = points.map(|(quantile, took)| (quantile * 100.0, (took.as_secs_f64() * 1e3).max(0.001))).collect();
    Line { name: name.to_owned(), points, is_ours }
}

fn over_time(record: &LoadRecord) -> Plot {
    let seconds = &record.all.seconds;
    let most = seconds.iter().flat_map(|second| Outcome::ALL.map(|outcome| second.of(outcome))).max().unwrap_or(0);
    let line = |outcome: Outcome| Line {
        name: outcome.as_str().to_owned(),
        points: seconds.iter().enumerate().map(|(at, second)| (at as f64 + 0.5, second.of(outcome) as f64)).collect(),
        is_ours: outcome == Outcome::Served,
    };
    Plot {
        name: "load-answers",
        title: "How requests ended, in each second".to_owned(),
        x: Axis::up_to("seconds", seconds.len().max(1) as f64),
        y: Axis::up_to("requests a second", most.max(1) as f64),
        lines: record.all.outcomes.met().map(|(outcome, _)| line(outcome)).collect(),
        phases: record
            .outage
            .iter()
            .map(|(from, to)| Phase { from: *from, to: *to, label: "outage".to_owned() })
            .collect(),
    }
}

fn sending(record: &LoadRecord) -> Vec<Block> {
    let all = &record.all;
    let paths: Vec<(String, String)> = record
        .kinds
        .iter()
        .map(|kind| {
            let statuses: Vec<String> =
                kind.statuses.iter().map(|(status, times)| format!("{status}: {}", count(*times as f64))).collect();
            let statuses = if statuses.is_empty() { "no answer".to_owned() } else { statuses.join(", ") };
            (kind.kind.to_owned(), format!("`{}`; by status: {statuses}", kind.path))
        })
        .collect();
    vec![
        Block::Text(format!(
            "Open loop: {} requests a second in the mix `{}`, each when it was due, whatever became of the others, over {} \
             connections that were opened ({} at once at most). {} waited because all were busy.",
            count(record.rate),
            record.mix,
            count(all.opened as f64),
            count(record.connections as f64),
            count(all.held_back as f64),
        )),
        Block::Text(lateness(all)),
        Block::List(paths),
    ]
}

/// How much of the latency is this program's own.
fn lateness(all: &Measured) -> String {
    let [half, most] = [all.late.p50(), all.late.p99()].map(|at| took(at.map(duration)));
    let busy = all.late.p99().is_some_and(|late| late > std::time::Duration::from_millis(5));
    let judged = if busy { " The machine was too busy for its timers: latencies are upper bounds." } else { "" };
    format!("Sent late by {half} (half of the requests) and {most} (99 of 100), which is part of the latency.{judged}")
}

/// A figure and its unit stay on one line.
fn took(text: Option<String>) -> String {
    text.map_or_else(|| "–".to_owned(), |text| text.replace(' ', "\u{a0}"))
}
