//! What was met at one gateway: who lost what when and by whose word, and who still had what at each moment.

use serde::Serialize;

use super::{
    display::Display,
    person::Person,
    said::{Said, Speaker},
};

/// What was met at one gateway.
#[derive(Debug, Default, Serialize)]
pub(super) struct Ledger {
    /// How things stand.
    #[serde(skip)]
    pub(super) now: Circumstances,
    /// Every display.
    #[serde(skip)]
    pub(super) displays: Vec<Standing<Display>>,
    /// Everybody who signed in before.
    #[serde(skip)]
    pub(super) people: Vec<Standing<Person>>,
    /// What was lost, in order.
    pub(super) losses: Vec<Loss>,
    /// Requests, by what became of them.
    pub(super) requests: Requests,
    /// How many had what, over time.
    pub(super) samples: Vec<Sample>,
}

/// How things stand around a gateway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(super) struct Circumstances {
    /// Seconds since the start of the replay.
    pub(super) at: f64,
    /// Whether the provider's key set is out of reach.
    pub(super) keys_are_out: bool,
    /// Whether it was killed, and does not listen yet.
    pub(super) is_gone: bool,
    /// Whether it was killed before, and came back.
    pub(super) is_back: bool,
}

/// How one client is.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Standing<S> {
    pub(super) state: S,
    /// Whether the last request was served.
    pub(super) is_served: bool,
    /// Whether its token is signed with the provider's new key.
    pub(super) has_new_key: bool,
    /// The last status that it met, and whose word that was; none, where nothing answered.
    pub(super) met: Option<(u16, Speaker)>,
}

/// Somebody who lost nothing, and is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct LeftBehind {
    /// A display, not a person.
    pub(super) is_display: bool,
    /// The last status that they met, and whose word that was; none, where nothing answered.
    pub(super) met: Option<(u16, Speaker)>,
    /// Whether their token is signed with the provider's new key.
    pub(super) has_new_key: bool,
}

/// Something that was lost.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Loss {
    pub(super) what: Lost,
    /// The status that did it; none, where nothing answered.
    pub(super) status: Option<u16>,
    /// Who said it.
    pub(super) by: Speaker,
    /// Whether the client's token was signed with the provider's new key.
    pub(super) had_new_key: bool,
    /// How things stood.
    pub(super) when: Circumstances,
}

/// What was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Lost {
    /// A display erased its token and its calendar.
    Erased,
    /// An erased display got an error in place of a PIN.
    Pin,
    /// A person's session.
    Session,
    /// A calendar, to somebody with a bad token.
    Calendar,
}

/// Requests, by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Requests {
    /// All.
    pub(super) all: u64,
    /// Served as wanted.
    pub(super) served: u64,
    /// Not answered, while the gateway was gone.
    pub(super) unanswered_while_gone: u64,
    /// Not answered, at any other time.
    pub(super) unanswered: u64,
    /// Denied by the monolith, and answered with another status.
    pub(super) denials_held_back: u64,
    /// Served after the gateway came back, while the provider's keys were out of reach.
    pub(super) served_without_keys: u64,
    /// Those of intruders, which are not among the others.
    pub(super) of_intruders: u64,
}

/// How many had what.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Sample {
    /// Seconds since the start of the replay.
    pub(super) at: f64,
    /// Displays that have their token and their calendar.
    pub(super) working: usize,
    /// Displays whose last request was answered with their calendar.
    pub(super) served: usize,
    /// People whose session stands.
    pub(super) signed_in: usize,
}

impl<S> Standing<S> {
    pub(super) fn of(state: S) -> Self {
        Self { state, is_served: false, has_new_key: false, met: None }
    }
}

impl Ledger {
    /// Counts a request: `status` is what came back, if anything did, `said` what the monolith made of it. `began_gone` is
    /// whether the gateway was gone when it began.
    pub(super) fn count(&mut self, status: Option<u16>, said: Option<Said>, is_served: bool, began_gone: bool) {
        let requests = &mut self.requests;
        requests.all += 1;
        requests.served += u64::from(is_served);
        requests.served_without_keys += u64::from(is_served && self.now.is_back && self.now.keys_are_out);
        match status {
            None if began_gone || self.now.is_gone => requests.unanswered_while_gone += 1,
            None => requests.unanswered += 1,
            Some(status) => {
                let is_held_back =
                    said.is_some_and(Said::is_denial) && Speaker::of(status, said) == Speaker::Gateway && status >= 500;
                requests.denials_held_back += u64::from(is_held_back);
            }
        }
    }

    /// Notes that something was lost.
    pub(super) fn lose(&mut self, what: Lost, status: Option<u16>, by: Speaker, had_new_key: bool) {
        self.losses.push(Loss { what, status, by, had_new_key, when: self.now });
    }

    /// Notes how many have what now.
    pub(super) fn sample(&mut self) {
        let working = |standing: &&Standing<Display>| standing.state == Display::Working;
        self.samples.push(Sample {
            at: self.now.at,
            working: self.holding(),
            served: self.displays.iter().filter(working).filter(|standing| standing.is_served).count(),
            signed_in: self.people.iter().filter(|standing| standing.state == Person::SignedIn).count(),
        });
    }

    /// How many displays have their token and their calendar.
    pub(super) fn holding(&self) -> usize {
        self.displays_that_are(Display::Working)
    }

    /// How many losses are like this.
    pub(super) fn count_of(&self, is_it: impl Fn(&Loss) -> bool) -> usize {
        self.losses.iter().filter(|loss| is_it(loss)).count()
    }

    /// How many displays are so.
    pub(super) fn displays_that_are(&self, state: Display) -> usize {
        self.displays.iter().filter(|standing| standing.state == state).count()
    }

    /// Who lost nothing, and was not served when they last asked.
    pub(super) fn left_behind(&self) -> Vec<LeftBehind> {
        let displays = self.displays.iter().filter(|one| one.state == Display::Working && !one.is_served);
        let people = self.people.iter().filter(|one| one.state == Person::SignedIn && !one.is_served);
        let displays = displays.map(|one| LeftBehind { is_display: true, met: one.met, has_new_key: one.has_new_key });
        displays.chain(people.map(|one| LeftBehind { is_display: false, met: one.met, has_new_key: false })).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_what_became_of_them() {
        let mut ledger = Ledger::default();
        let denied = Some(Said::Status(401));
        ledger.count(Some(200), Some(Said::Status(200)), true, false);
        ledger.count(Some(401), denied, false, false);
        ledger.count(Some(503), denied, false, false);
        ledger.count(Some(404), denied, false, false);
        ledger.count(Some(502), Some(Said::Nothing), false, false);
        ledger.count(None, Some(Said::Nothing), false, false);
        // It began before the crash and ended in it, or the other way about.
        ledger.count(None, None, false, true);
        ledger.now.is_gone = true;
        ledger.count(None, None, false, false);
        (ledger.now.is_gone, ledger.now.is_back) = (false, true);
        ledger.count(Some(200), Some(Said::Status(200)), true, false);
        ledger.now.keys_are_out = true;
        ledger.count(Some(200), Some(Said::Status(200)), true, false);
        let expected = Requests {
            all: 10,
            served: 3,
            unanswered_while_gone: 2,
            unanswered: 1,
            denials_held_back: 1,
            served_without_keys: 1,
            of_intruders: 0,
        };
        assert_eq!(ledger.requests, expected);
    }

    #[test]
    fn a_sample_counts_who_has_what() {
        let mut ledger = Ledger::default();
        let display = |state, is_served| Standing { is_served, ..Standing::of(state) };
        ledger.displays =
            vec![display(Display::Working, true), display(Display::Working, false), display(Display::AtPin, true)];
        ledger.people = vec![Standing::of(Person::SignedIn), Standing::of(Person::SignedOut)];
        ledger.sample();
        assert_eq!(ledger.samples, [Sample { at: 0.0, working: 2, served: 1, signed_in: 1 }]);
        assert_eq!(ledger.left_behind().len(), 2);
    }
}
