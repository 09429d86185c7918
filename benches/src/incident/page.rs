//! The replay for people: the lines in the terminal, the drawings, the page.

use super::{
    ledger::Sample,
    result::{Cost, GatewayResult, IncidentResult, Met},
    script::Script,
};
use crate::report::{
    Block, Cell, Headline, Plot, Report, ReportOrigin, Section, Table, Tone, count,
    plot::{Axis, Line, Phase},
};

const COSTS: [&str; 6] = ["Gateway", "Wiped", "Stuck", "Signed out", "Lost", "Wrongly admitted"];

const REQUESTS: [&str; 6] =
    ["Gateway", "Requests", "Served", "Denials held back", "No answer in the crash", "No answer otherwise"];

impl IncidentResult {
    /// What is printed.
    pub(super) fn lines(&self) -> String {
        let why = self.gateways.iter().map(|gateway| format!("{}: {}\n", gateway.called(), gateway.why()));
        format!("{}\n{}\n{}", self.costs().lines(), self.requests().lines(), why.collect::<String>())
    }

    /// The page.
    pub(super) fn report(&self, command: &str) -> Report {
        let text = |said: String| Block::Text(said);
        let why = self.gateways.iter().map(|gateway| (gateway.called(), gateway.why())).collect();
        Report {
            title: "January 2021, replayed".to_owned(),
            conclusion: self.conclusion(),
            headlines: self.headlines(),
            sections: vec![
                Section::new(
                    "Who keeps what",
                    vec![
                        text(self.in_short()),
                        Block::Plot(self.holding()),
                        Block::Table(self.costs()),
                        text(Self::meanings()),
                    ],
                ),
                Section::new("Why", vec![Block::List(why), text(Self::how_to_tell())]),
                Section::new(
                    "Who is served meanwhile",
                    vec![text(Self::of_the_served()), Block::Plot(self.served()), Block::Table(self.requests())],
                ),
                Section::new("What happens", vec![Block::List(self.events()), Block::List(self.clients())]),
            ],
            origin: ReportOrigin::here(command),
        }
    }

    /// Displays that have their token and calendar, over time.
    pub(super) fn holding(&self) -> Plot {
        self.plot("incident", "Displays that still have their token and calendar", |sample| sample.working)
    }

    /// Displays that were served when they last asked, over time.
    fn served(&self) -> Plot {
        self.plot("incident-served", "Displays whose last request was answered with their calendar", |sample| {
            sample.served
        })
    }

    fn plot(&self, name: &'static str, title: &str, of: impl Fn(&Sample) -> usize) -> Plot {
        let point = |sample: &Sample| (sample.at, of(sample) as f64);
        let line = |gateway: &GatewayResult| {
            let points = gateway.met()?.ledger.samples.iter().map(point).collect();
            Some(Line { name: gateway.name.to_owned(), points, is_ours: gateway.is_ours() })
        };
        let phase = |from, to, label: &str| Phase { from, to, label: label.to_owned() };
        let script = self.script;
        Plot {
            name,
            title: title.to_owned(),
            x: Axis::up_to("seconds", script.end),
            y: Axis::up_to("displays", self.cast.displays as f64),
            lines: self.gateways.iter().filter_map(line).collect(),
            phases: vec![
                phase(script.outage, script.healing, "monolith half dead, keys out of reach"),
                phase(script.rotation, script.rotation, "new key"),
                phase(script.kill, script.kill, "gateways killed"),
            ],
        }
    }

    /// What was lost: all of it should be nought.
    fn costs(&self) -> Table {
        let bad = |count: usize| {
            let tone = if count == 0 { Tone::Good } else { Tone::Bad };
            Cell::from(count.to_string()).toned(tone)
        };
        self.table(&COSTS, |met| {
            let Cost { wiped, stuck, signed_out, lost, wrongly_admitted } = met.cost;
            let lost = lost.map_or(Cell::from("not known").toned(Tone::Absent), bad);
            [bad(wiped), bad(stuck), bad(signed_out), lost, bad(wrongly_admitted)]
        })
    }

    /// What became of requests, those of intruders apart.
    fn requests(&self) -> Table {
        self.table(&REQUESTS, |met| {
            let requests = met.ledger.requests;
            let numbers = [
                requests.all,
                requests.served,
                requests.denials_held_back,
                requests.unanswered_while_gone,
                requests.unanswered,
            ];
            numbers.map(|number| count(number as f64).into())
        })
    }

    /// A row for each gateway; one that took no part has none of the figures.
    fn table(&self, head: &[&str; 6], row: impl Fn(&Met) -> [Cell; 5]) -> Table {
        let mut table = Table::new(head);
        for gateway in &self.gateways {
            let name = Cell::from(gateway.name);
            let (name, cells) = match gateway.met() {
                Some(met) => (name, row(met)),
                None => (name.toned(Tone::Absent), [(); 5].map(|()| Cell::from("–").toned(Tone::Absent))),
            };
            table.row([name].into_iter().chain(cells));
        }
        table
    }

    fn conclusion(&self) -> String {
        let ours = self.ours().map_or_else(|| "Candor took no part.".to_owned(), |cost| self.of_ours(&cost));
        let others: Vec<&GatewayResult> = self.gateways.iter().filter(|gateway| !gateway.is_ours()).collect();
        let costs: Vec<Cost> = others.iter().filter_map(|gateway| gateway.met()).map(|met| met.cost).collect();
        if costs.is_empty() {
            return format!("{}{ours}", self.until());
        }
        let range = |of: fn(&Cost) -> usize, all: usize| {
            let (least, most) = (costs.iter().map(of).min().unwrap_or(0), costs.iter().map(of).max().unwrap_or(0));
            if least == most { format!("{least} of {all}") } else { format!("{least} to {most} of {all}") }
        };
        format!(
            "{}{ours} Behind {} {} displays erased themselves, and {} people were signed out.",
            self.until(),
            if costs.len() == 1 { "the other gateway" } else { "each of the others" },
            range(Cost::erased, self.cast.displays),
            range(|cost| cost.signed_out, self.cast.people),
        )
    }

    fn of_ours(&self, cost: &Cost) -> String {
        if cost.is_nothing() {
            return format!(
                "Behind Candor nobody lost anything: {} displays kept their calendars, {} people stayed signed in, and \
                 nobody was let in who should not have been.",
                self.cast.displays, self.cast.people
            );
        }
        format!(
            "Behind Candor {} displays erased themselves, {} people were signed out, {} clients were not served any more, \
             and {} intruders were let in.",
            cost.erased(),
            cost.signed_out,
            cost.lost.map_or("an unknown number of".to_owned(), |lost| lost.to_string()),
            cost.wrongly_admitted
        )
    }

    fn ours(&self) -> Option<Cost> {
        self.gateways.iter().find(|gateway| gateway.is_ours())?.met().map(|met| met.cost)
    }

    /// What is true of a replay that was interrupted only until then.
    fn until(&self) -> String {
        self.interrupted
            .map_or_else(String::new, |at| format!("Interrupted after {at:.0} seconds, and true until then only. "))
    }

    fn headlines(&self) -> Vec<Headline> {
        let all = self.cast.displays;
        let tone = |most| if most == 0 { Tone::Good } else { Tone::Bad };
        let erased = |is_ours| {
            let met =
                self.gateways.iter().filter(move |gateway| gateway.is_ours() == is_ours).filter_map(|one| one.met());
            let counts: Vec<usize> = met.map(|met| met.cost.erased()).collect();
            Some((*counts.iter().min()?, *counts.iter().max()?))
        };
        let ours = erased(true).map(|(_, most)| {
            Headline::new(most.to_string(), format!("of {all} displays erased themselves behind Candor"), tone(most))
        });
        let others = erased(false).map(|(least, most)| {
            let range = if least == most { most.to_string() } else { format!("{least} to {most}") };
            Headline::new(range, format!("of {all} erased themselves behind each of the others"), tone(most))
        });
        ours.into_iter().chain(others).collect()
    }

    fn in_short(&self) -> String {
        let Script { outage, rotation, kill, healing, .. } = self.script;
        format!(
            "Behind each gateway, {} unmodified displays and {} people use a legacy service (the monolith). From second \
             {outage} to {healing} it is half dead: two answers in five are right, the others are errors, 401 among them, \
             for tokens and sessions that are good. As long, the keys of the provider that signs the tokens are out of \
             reach; at {rotation} it signs with a new one, and at {kill} every gateway is killed and started again.",
            self.cast.displays, self.cast.people
        )
    }

    fn how_to_tell() -> String {
        "Candor verifies tokens and sessions itself, so it knows who is there: a 401 of the service about somebody whom it \
         vouches for is answered with 503 instead. A token that is forged or revoked Candor refuses itself, whatever the \
         service says. It keeps the provider's last keys on disk. The others have no such rule to switch on: they could turn every \
         401 of the service into a 503, but then the true ones too."
            .to_owned()
    }

    fn meanings() -> String {
        "A 401 makes a display erase its token and its calendar and ask for a PIN. Wiped: it got a PIN, and waits for a \
         person to type it in. Stuck: an error answered in place of the PIN. Signed out: a person met 401, a redirect to \
         a sign-in, a 403 of the gateway's own, or their cookie was deleted. Lost: a client that lost nothing and is not \
         served when it last asks, well after everything is healed. Wrongly admitted: an intruder got a calendar. \
         Where lines lie on each other, the same was lost."
            .to_owned()
    }

    fn of_the_served() -> String {
        "No gateway can serve a calendar that the monolith does not give: while that is half dead, two requests in five are \
         answered right. What differs is who is left to be served, and so how many requests there are. A request without an \
         answer costs nobody anything here: the crash costs some everywhere, and what hangs in the monolith is given up by \
         the client after four seconds. The rest of the requests were answered by errors."
            .to_owned()
    }

    fn events(&self) -> Vec<(String, String)> {
        let script = self.script;
        let at = |seconds: f64, said: &str| (format!("{seconds} s"), said.to_owned());
        vec![
            at(
                script.outage,
                "The monolith behind is half dead. Of its answers two in five are right, the others by turns 401, 401 with \
                 a prompt for a password, 403, 404, 500, 502, 200 with a page, a redirect to its sign-in, none, or a \
                 reset. A request meets the same behind every gateway. The provider's key set is out of reach: who asks \
                 for it is cut off.",
            ),
            at(
                script.rotation,
                "The provider signs with a new key. One display in five renews its token and gets it under that.",
            ),
            at(script.kill, "Every gateway is killed by SIGKILL, and started again a second later as it was."),
            at(script.healing, "Everything is well again."),
            at(script.end, "It is looked at who is served."),
        ]
    }

    fn clients(&self) -> Vec<(String, String)> {
        let cast = self.cast;
        let item = |count: usize, who: &str, said: &str| (format!("{count} {who}"), said.to_owned());
        vec![
            item(
                cast.displays,
                "displays",
                "behind each gateway ask for their calendar every one to two seconds, with a bearer token. Any failure but \
                 a 401 leaves them their calendar.",
            ),
            item(
                cast.people,
                "people",
                "load their page every two seconds. They signed in through the gateway, or where that keeps no sessions \
                 (nginx, HAProxy) at the monolith itself.",
            ),
            item(
                cast.intruders,
                "intruders",
                "ask for a calendar with tokens that have expired, are forged, or are for somebody else.",
            ),
        ]
    }
}

impl GatewayResult {
    /// Its name with its version.
    fn called(&self) -> String {
        self.version.as_ref().map_or_else(|| self.name.to_owned(), |version| format!("{} {version}", self.name))
    }
}
