//! One report with everything in it, written in every way.

use super::{
    plot::{Axis, Line, Phase},
    *,
};

fn report() -> Report {
    let mut table = Table::new(&["gateway", "µs a request"]);
    table.row(["nginx <1>".into(), "15.4".into()]);
    table.row(["Candor".into(), Cell::from("none | yet").toned(Tone::Absent)]);
    let bar = |name: &str, value, text: &str, is_ours| Bar { name: name.into(), value, text: text.into(), is_ours };
    let bars = Bars {
        name: "costs",
        title: "µs a request".into(),
        groups: vec![BarGroup {
            caption: "passed on".into(),
            bars: vec![
                bar("nginx", Some(10.0), "10 µs", false),
                bar("Candor", Some(40.0), "40 µs", true),
                bar("Envoy", None, "not here", false),
            ],
        }],
    };
    let plot = Plot {
        name: "online",
        title: "Displays \"online\"".into(),
        x: Axis::up_to("seconds", 60.0),
        y: Axis::up_to("displays", 200.0),
        lines: vec![Line { name: "Candor".into(), points: vec![(0.0, 200.0), (60.0, 200.0)], is_ours: true }],
        phases: vec![Phase { from: 8.0, to: 44.0, label: "outage".into() }],
    };
    Report {
        title: "A & B".into(),
        conclusion: "It is `fast`.".into(),
        headlines: vec![Headline::new("0", "wiped", Tone::Good)],
        sections: vec![Section::new(
            "Costs",
            vec![
                Block::Text("A `b` <c>".into()),
                Block::List(vec![("nginx".into(), "passes it on".into())]),
                Block::Table(table),
                Block::Bars(bars),
                Block::Plot(plot),
                Block::Lines("$ bench".into()),
            ],
        )],
        origin: ReportOrigin {
            command: "bench compare".into(),
            machine: Machine { cores: 2, processor: "a processor".into(), memory_gib: 24, kernel: "6.1".into() },
            date: "2026-01-31".into(),
        },
    }
}

#[test]
fn a_page_shows_everything_and_trusts_no_text() {
    let page = report().html();
    for part in [
        "<h1>A &#38; B</h1>",
        "It is <code>fast</code>.",
        "<strong>0</strong> <span>wiped</span>",
        "<p>A <code>b</code> &#60;c&#62;</p>",
        "<th scope=\"row\" class=\"plain\">nginx &#60;1&#62;</th><td class=\"plain\">15.4</td>",
        "<td class=\"absent\">none | yet</td>",
        "style=\"width:25.0%\"",
        "<svg ",
        "aria-label=\"Displays &quot;online&quot;\"",
        "2 cores of a processor, 24 GiB, Linux 6.1",
    ] {
        assert!(page.contains(part), "{part} is not in {page}");
    }
    assert!(!page.contains("src=") && !page.contains("href="), "nothing is fetched from anywhere");
}

#[test]
fn markdown_shows_everything() {
    let text = report().markdown("pictures");
    for part in [
        "# A & B\n\nIt is `fast`.\n\n- **0** wiped\n\n## Costs\n",
        "| gateway | µs a request |\n|---|---:|\n| nginx <1> | 15.4 |\n| Candor | none \\| yet |\n",
        "- **nginx**: passes it on\n",
        "![µs a request](pictures/costs.svg)\n",
        "![Displays \"online\"](pictures/online.svg)\n",
        "```text\n$ bench\n```\n",
        "Made on 2026-01-31 by `bench compare` on 2 cores of a processor, 24 GiB, Linux 6.1.\n",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

#[test]
fn a_table_for_a_terminal_stands_in_columns() {
    let mut table = Table::new(&["", "µs", "p50"]);
    table.row(["nginx".into(), "9".into(), "1".into()]);
    table.row(["Candor".into(), "120".into(), "22".into()]);
    table.row(["Envoy".into(), "is not here".into()]);
    assert_eq!(table.lines(), "         µs  p50\nnginx     9    1\nCandor  120   22\nEnvoy   is not here\n");
    assert_eq!(table.span(&table.rows[2]), 2);
}

#[test]
fn numbers_are_short() {
    let check = |value: f64, expected: &str| assert_eq!(significant(value), expected, "{value}");
    check(0.0, "0");
    check(0.1234, "0.123");
    check(1.0, "1.00");
    check(9.996, "10.0");
    check(15.44, "15.4");
    check(99.97, "100");
    check(12_345.6, "12,346");
    check(-12_345.6, "-12,346");
    assert_eq!(duration(std::time::Duration::from_micros(14)), "14.0 µs");
    assert_eq!(bytes(31.0 * 1024.0), "31.0 KiB");
}
