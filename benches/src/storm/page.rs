//! The report of a storm: each rule beside the ideal, for a terminal and as a page.

use super::{RunRecord, StormRecord};
use crate::{
    outcome::{Outcome, Outcomes},
    report::{
        Block, Cell, Headline, Plot, Report, ReportOrigin, Section, Table, Tone, count,
        plot::{Axis, Line},
        significant,
    },
};

/// The lines that are printed at the end.
pub(super) fn summary(record: &StormRecord) -> String {
    let lack = record.left_out.iter().map(|lack| format!("{lack}\n")).collect::<String>();
    let ends = record.runs.iter().map(|run| format!("{}: {}\n", run.rule.as_str(), run.outcomes)).collect::<String>();
    format!("{}\n{lack}\n{}\n{ends}", conclusion(record), table(record).lines())
}

/// The page.
pub(super) fn report(record: &StormRecord, origin: ReportOrigin) -> Report {
    let mut sections = vec![
        Section::new("Beside the ideal", vec![Block::Table(table(record)), Block::Text(explanation(record))]),
        Section::new("Over time", vec![Block::Plot(back(record)), Block::Plot(sent(record))]),
        Section::new("Answers", record.runs.iter().map(|run| Block::Plot(answers(run))).collect()),
    ];
    sections[2].blocks.push(legend(record));
    if !record.left_out.is_empty() {
        let lacks = record.left_out.iter().map(|lack| Block::Text(lack.clone())).collect();
        sections.insert(0, Section::new("Not measured", lacks));
    }
    if record.runs.is_empty() {
        sections.truncate(1);
    }
    Report {
        title: format!("{} displays return at once through {}", count(record.clients as f64), record.gateway),
        conclusion: conclusion(record),
        headlines: headlines(record),
        sections,
        origin,
    }
}

fn ideal(record: &StormRecord) -> f64 {
    record.clients as f64 / f64::from(record.capacity)
}

fn conclusion(record: &StormRecord) -> String {
    if record.runs.is_empty() {
        return "Nothing was measured.".to_owned();
    }
    let each: Vec<String> = record
        .runs
        .iter()
        .map(|run| match run.all_back_s {
            Some(seconds) => {
                format!("all are back after {} s if they ask again {}", significant(seconds), run.rule.phrase())
            }
            None => format!(
                "{} of {} are back after {} s if they ask again {}",
                count(run.back as f64),
                count(run.clients as f64),
                significant(run.took_s),
                run.rule.phrase()
            ),
        })
        .collect();
    let stopped = if record.runs.iter().any(|run| run.stopped) { " It was stopped before its time." } else { "" };
    let refused: u64 = record.runs.iter().map(|run| run.outcomes.of(Outcome::FalseRefusal)).sum();
    let said = match refused {
        0 => "Nobody was told that their credential is bad.".to_owned(),
        refused => {
            format!("{} displays were told that their token is bad, and erased themselves.", count(refused as f64))
        }
    };
    let each = each.join("; ");
    let (first, rest) = each.split_at(each.chars().next().map_or(0, char::len_utf8));
    format!(
        "{}{rest}. No gateway can have all back before {} s, as the service serves {} a second. {said}{stopped}",
        first.to_uppercase(),
        significant(ideal(record)),
        count(record.capacity.into()),
    )
}

fn headlines(record: &StormRecord) -> Vec<Headline> {
    let mut headlines = Vec::new();
    for run in &record.runs {
        headlines.push(match run.all_back_s {
            Some(seconds) => Headline::new(
                format!("{} s", significant(seconds)),
                format!("all back, {} (ideal: {} s)", run.rule.as_str(), significant(ideal(record))),
                Tone::Plain,
            ),
            None => Headline::new(
                count((run.clients - run.back) as f64),
                format!("still out after {} s, {}", significant(run.took_s), run.rule.as_str()),
                out_tone(run),
            ),
        });
        headlines.push(Headline::new(
            tries_each(run),
            format!("tries each, {} (ideal: 1)", run.rule.as_str()),
            Tone::Plain,
        ));
    }
    if !record.runs.is_empty() {
        let wiped: u64 = record.runs.iter().map(RunRecord::wiped).sum();
        let tone = if wiped == 0 { Tone::Good } else { Tone::Bad };
        headlines.insert(0, Headline::new(count(wiped as f64), "false refusals", tone));
    }
    headlines
}

fn table(record: &StormRecord) -> Table {
    let mut head = vec!["", "ideal"];
    head.extend(record.runs.iter().map(|run| run.rule.as_str()));
    let mut table = Table::new(&head);
    let mut row = |name: &str, ideal: &str, of: &dyn Fn(&RunRecord) -> Cell| {
        let cells = [Cell::from(name), Cell::from(ideal)];
        table.row(cells.into_iter().chain(record.runs.iter().map(of)));
    };
    let seconds = |at: Option<f64>, run: &RunRecord| match at {
        Some(seconds) => Cell::from(format!("{}\u{a0}s", significant(seconds))),
        None => Cell::from(format!("not in {}\u{a0}s", significant(run.took_s))).toned(out_tone(run)),
    };
    let number = |number: u64| Cell::from(count(number as f64));
    let never = |times: u64| number(times).toned(if times > 0 { Tone::Bad } else { Tone::Plain });
    let capacity = count(record.capacity.into());
    let ideal = ideal(record);
    row("half are back after", &format!("{}\u{a0}s", significant(ideal / 2.0)), &|run| seconds(run.half_back_s, run));
    row("all are back after", &format!("{}\u{a0}s", significant(ideal)), &|run| seconds(run.all_back_s, run));
    row("still out at the end", "0", &|run| {
        let out = run.clients - run.back - run.wiped();
        number(out).toned(if out > 0 { out_tone(run) } else { Tone::Plain })
    });
    row("tries each, on average", "1", &|run| tries_each(run).into());
    row("tries, at most", "1", &|run| number(run.most_tries.into()));
    row("requests at the gateway in the first second", &capacity, &|run| {
        number(run.sent.first().copied().unwrap_or(0))
    });
    row("most in a later second", &capacity, &|run| number(run.peaks().1));
    row("most in a second at the service", &capacity, &|run| {
        let most = run.at_service.as_ref().map(|seconds| seconds.iter().copied().max().unwrap_or(0));
        most.map_or_else(|| Cell::from("not ours to see").toned(Tone::Absent), number)
    });
    row("most that it served in a second", &capacity, &|run| {
        run.most_served_by_service.map_or_else(|| Cell::from("not ours to see").toned(Tone::Absent), number)
    });
    row("false refusals", "0", &|run| never(run.outcomes.of(Outcome::FalseRefusal)));
    let answers = record.runs.iter().fold(Outcomes::default(), |mut sum, run| {
        sum.add(&run.outcomes);
        sum
    });
    for (outcome, _) in answers.met().filter(|(outcome, _)| !matches!(outcome, Outcome::FalseRefusal)) {
        let ideal = if outcome == Outcome::Served { count(record.clients as f64) } else { "0".to_owned() };
        row(outcome.as_str(), &ideal, &|run| number(run.outcomes.of(outcome)));
    }
    table
}

/// That some are out says nothing about a gateway that was not given the time.
fn out_tone(run: &RunRecord) -> Tone {
    if run.stopped { Tone::Plain } else { Tone::Bad }
}

/// Of those who are back: nobody knows how many tries the others would have made.
fn tries_each(run: &RunRecord) -> String {
    run.tries_each().map_or_else(|| "–".to_owned(), significant)
}

fn explanation(record: &StormRecord) -> String {
    format!(
        "All displays ask in the same moment, each over a connection of its own with a token of its own; {}. Who is told \
         \"not now\" asks again. `with jitter` waits for Retry-After and up to as long again, at random, as well-behaved \
         clients do; `exactly Retry-After` comes back with all who were sent away in the same moment. A connection that was \
         reset is opened again. Ideal is that each asks once, when its turn is.",
        record.service
    )
}

/// How many were back when, with the ideal.
fn back(record: &StormRecord) -> Plot {
    let longest = record.runs.iter().map(|run| run.took_s).fold(ideal(record), f64::max);
    let all = record.clients as f64;
    let mut lines = vec![Line {
        name: "ideal".to_owned(),
        points: vec![(0.0, 0.0), (ideal(record), all), (longest, all)],
        is_ours: false,
    }];
    lines.extend(record.runs.iter().enumerate().map(|(at, run)| {
        let points = run.back_by().into_iter().enumerate().map(|(second, back)| (second as f64 + 1.0, back as f64));
        let end = run.all_back_s.map(|_| (longest, all));
        let points = [(0.0, 0.0)].into_iter().chain(points).chain(end).collect();
        Line { name: run.rule.as_str().to_owned(), points, is_ours: at == 0 }
    }));
    Plot {
        name: "storm-back",
        title: "Displays that are back".to_owned(),
        x: Axis::up_to("seconds", longest),
        y: Axis::up_to("displays", all),
        lines,
        phases: Vec::new(),
    }
}

/// Requests a second, without the first, in which all ask.
fn sent(record: &StormRecord) -> Plot {
    let longest = record.runs.iter().map(|run| run.sent.len()).max().unwrap_or(1);
    let most = record.runs.iter().map(|run| run.peaks().1).fold(u64::from(record.capacity), u64::max);
    let mut lines = vec![Line {
        name: "capacity".to_owned(),
        points: vec![(0.0, record.capacity.into()), (longest as f64, record.capacity.into())],
        is_ours: false,
    }];
    lines.extend(record.runs.iter().enumerate().map(|(at, run)| Line {
        name: run.rule.as_str().to_owned(),
        points: per_second(run.sent.iter().copied()).skip(1).collect(),
        is_ours: at == 0,
    }));
    Plot {
        name: "storm-requests",
        title: "Requests at the gateway after the first second, in which all ask".to_owned(),
        x: Axis::up_to("seconds", longest as f64),
        y: Axis::up_to("requests a second", most as f64),
        lines,
        phases: Vec::new(),
    }
}

fn answers(run: &RunRecord) -> Plot {
    let seconds = &run.ended;
    let most = seconds.iter().flat_map(|second| Outcome::ALL.map(|outcome| second.of(outcome))).max().unwrap_or(1);
    let line = |outcome: Outcome| Line {
        name: outcome.as_str().to_owned(),
        points: per_second(seconds.iter().map(|second| second.of(outcome))).collect(),
        is_ours: outcome == Outcome::Served,
    };
    Plot {
        name: match run.rule {
            super::Rule::Jittered => "storm-answers-jittered",
            super::Rule::Exact => "storm-answers-exact",
        },
        title: format!("How requests ended, in each second: {}", run.rule.as_str()),
        x: Axis::up_to("seconds", seconds.len().max(1) as f64),
        y: Axis::up_to("requests a second", most.max(1) as f64),
        lines: run.outcomes.met().map(|(outcome, _)| line(outcome)).collect(),
        phases: Vec::new(),
    }
}

fn per_second(counts: impl Iterator<Item = u64>) -> impl Iterator<Item = (f64, f64)> {
    counts.enumerate().map(|(second, count)| (second as f64 + 0.5, count as f64))
}

fn legend(record: &StormRecord) -> Block {
    let shown = Outcome::ALL.into_iter().filter(|outcome| {
        *outcome == Outcome::FalseRefusal || record.runs.iter().any(|run| run.outcomes.of(*outcome) > 0)
    });
    Block::List(shown.map(|outcome| (outcome.as_str().to_owned(), outcome.meaning().to_owned())).collect())
}
