//! What a comparison is told on the command line.

use std::{path::PathBuf, time::Duration};

use clap::Args;

use super::{measure::Spans, work::Work};

/// The same work through nginx, HAProxy, Envoy, oauth2-proxy and Candor, by turns.
#[derive(Clone, Debug, Args)]
pub struct CompareOptions {
    /// Where reports, logs and installed gateways go.
    #[arg(long, default_value = "target/bench")]
    pub out: PathBuf,

    /// How often each work is done at each gateway.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub rounds: u32,

    /// How long a gateway is kept busy each time; a second at least, since processor time is counted in hundredths.
    #[arg(long, default_value = "2s", value_parser = seconds)]
    pub span: Duration,

    /// Three rounds of a second each: under five minutes for all.
    #[arg(long, conflicts_with_all = ["rounds", "span"])]
    pub short: bool,

    /// These gateways alone, by name. Figures are compared with nginx's, if it is among them.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub only: Vec<String>,

    /// These works alone.
    #[arg(long, value_name = "WORK", value_enum, value_delimiter = ',')]
    pub works: Vec<Work>,

    /// Measure nothing: start all, say where they are and what to send them, and wait for Ctrl-C.
    #[arg(long)]
    pub hold: bool,
}

impl CompareOptions {
    pub(super) fn rounds(&self) -> usize {
        if self.short { 3 } else { usize::try_from(self.rounds).unwrap_or(1) }
    }

    pub(super) fn spans(&self) -> Spans {
        let closed = if self.short { Duration::from_secs(1) } else { self.span };
        Spans { warm: closed / 10, closed, paced: closed / 2 }
    }

    pub(super) fn works(&self) -> Vec<Work> {
        let all = <Work as clap::ValueEnum>::value_variants();
        all.iter().copied().filter(|work| self.works.is_empty() || self.works.contains(work)).collect()
    }

    /// Whether the gateway called `name` takes part.
    pub(super) fn has(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only.eq_ignore_ascii_case(name))
    }
}

/// A span of seconds: `1s`, `2.5s`.
fn seconds(text: &str) -> Result<Duration, String> {
    let number = text.strip_suffix('s').and_then(|number| number.parse::<f64>().ok());
    match number {
        Some(number) if (1.0..=600.0).contains(&number) => Ok(Duration::from_secs_f64(number)),
        _ => Err("a span is a number of seconds from 1 to 600, such as 2s".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        compare: CompareOptions,
    }

    fn read(words: &[&str]) -> Result<CompareOptions, String> {
        let line = Line::try_parse_from([&["compare"], words].concat());
        line.map(|line| line.compare).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_asked_for_is_done() {
        let options = read(&["--only", "NGINX,Candor", "--works", "session,open", "--span", "1.5s"]).expect("options");
        let names = ["nginx", "nginx with oauth2-proxy", "Envoy", "Candor"];
        assert_eq!(names.map(|name| options.has(name)), [true, false, false, true]);
        assert_eq!(options.works(), [Work::Open, Work::Session]);
        assert_eq!((options.rounds(), options.spans().closed), (5, Duration::from_millis(1500)));
        let short = read(&["--short"]).expect("options");
        assert_eq!((short.rounds(), short.spans().closed), (3, Duration::from_secs(1)));
        assert!(names.iter().all(|name| short.has(name)));
        assert_eq!(short.works().len(), 8);
    }

    #[test]
    fn what_makes_no_sense_is_said() {
        let check = |words: &[&str], expected: &str| {
            let said = read(words).map(|_| ()).expect_err("wrong usage");
            assert!(said.contains(expected), "{words:?}: {said}");
        };
        for span in ["0s", "0.5s", "1", "s", "NaNs", "1e9s"] {
            check(&["--span", span], "a span is a number of seconds");
        }
        check(&["--rounds", "0"], "0 is not in 1..=100");
        check(&["--works", "tea"], "possible values");
        check(&["--short", "--rounds", "2"], "cannot be used with");
    }
}
