//! What an answer means for whoever asked: the classes into which every exchange falls, in one place.
//!
//! The line that matters runs between "no" and "not now". A 503 is honest; a 401 for somebody whose credential is good
//! makes a display erase itself and signs a person out. So what was sent decides what an answer is: the same 401 is
//! [`Outcome::Refused`] for a forged token and [`Outcome::FalseRefusal`] for a good one. Deliberately absent: a view of
//! this as a boolean.

use serde::{Serialize, Serializer, ser::SerializeMap};
use url::Url;

use crate::exchange::{Answer, NoAnswer};

/// What became of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// It got what it asked for, and was entitled to it.
    Served,
    /// 5xx: not now. Nobody loses anything by it but time.
    Unavailable,
    /// 429: not so often (RFC 6585 §4). As honest as a 5xx, but said by somebody who could have answered.
    Limited,
    /// A bad credential was refused, as it should be; or who showed none was.
    Refused,
    /// A good credential was refused: 401, 403, 407, a way to sign-in, or its cookie deleted.
    FalseRefusal,
    /// A bad credential was served.
    WronglyAdmitted,
    /// No connection, a connection that ended early, or an answer that is no HTTP.
    Lost,
    /// No answer for as long as was waited.
    Hung,
    /// An answer that says nothing about the credential: 404, 400 and their like.
    Other,
}

/// Whether the credential that a request carries is what the route asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Credential {
    /// It is, or the route asks for none.
    Good,
    /// It is not: forged, expired, for somebody else, or absent where one is asked for.
    Bad,
    /// There is none, and nobody said whether the route asks for one: it is right to serve, and right to refuse.
    Absent,
}

/// Who reads the answer. The same redirect means different things to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClientKind {
    /// It follows redirects, and keeps cookies.
    Browser,
    /// It does neither: any redirect is a failure to it.
    Program,
}

/// What was asked, as far as an answer is judged by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Who asked.
    pub client: ClientKind,
    /// What was shown.
    pub credential: Credential,
    /// The address that was asked: a redirect away from its host and port leads to sign-in.
    pub url: Url,
}

/// How many requests ended in each way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcomes([u64; Outcome::ALL.len()]);

impl Outcome {
    /// Every class, the good ones first.
    pub const ALL: [Self; 9] = [
        Self::Served,
        Self::Refused,
        Self::Unavailable,
        Self::Limited,
        Self::Other,
        Self::Lost,
        Self::Hung,
        Self::FalseRefusal,
        Self::WronglyAdmitted,
    ];

    /// Its name in a report.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Served => "served",
            Self::Unavailable => "honest 5xx",
            Self::Limited => "limited (429)",
            Self::Refused => "refused",
            Self::FalseRefusal => "false refusal",
            Self::WronglyAdmitted => "wrongly admitted",
            Self::Lost => "lost",
            Self::Hung => "hung",
            Self::Other => "other",
        }
    }

    /// What it means, in a sentence for a legend.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Served => "A good credential got what it asked for.",
            Self::Unavailable => "5xx: not now. Costs time, and nothing else.",
            Self::Limited => "429: not so often.",
            Self::Refused => "A bad credential, or none, was refused, as it should be.",
            Self::FalseRefusal => {
                "A good credential met 401, 403, 407 or a way to sign-in, or its cookie was deleted: somebody is signed \
                 out, a display erases itself. Whoever said it: the gateway, or the service behind whose word it passed on."
            }
            Self::WronglyAdmitted => "A bad credential was served.",
            Self::Lost => "No connection, one that ended early, or an answer that is no HTTP.",
            Self::Hung => "No answer for as long as was waited.",
            Self::Other => "An answer that says nothing about the credential, such as 404.",
        }
    }
}

impl Serialize for Outcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl Outcomes {
    /// Counts one more.
    pub fn count(&mut self, outcome: Outcome) {
        self.0[outcome.index()] += 1;
    }

    /// Counts all of `other` too.
    pub fn add(&mut self, other: &Self) {
        for (sum, more) in self.0.iter_mut().zip(other.0) {
            *sum += more;
        }
    }

    /// How many ended so.
    pub fn of(&self, outcome: Outcome) -> u64 {
        self.0[outcome.index()]
    }

    /// How many there were.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Every class that occurred, the good ones first.
    pub fn met(&self) -> impl Iterator<Item = (Outcome, u64)> + '_ {
        Outcome::ALL.into_iter().map(|outcome| (outcome, self.of(outcome))).filter(|(_, count)| *count > 0)
    }
}

/// `12 served, 3 hung`: the classes that occurred.
impl std::fmt::Display for Outcomes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let met: Vec<String> = self.met().map(|(outcome, count)| format!("{count} {}", outcome.as_str())).collect();
        f.write_str(if met.is_empty() { "nothing" } else { "" })?;
        f.write_str(&met.join(", "))
    }
}

/// All classes by name, those that did not occur with 0: a reader need not know what could have been.
impl Serialize for Outcomes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(Outcome::ALL.len()))?;
        for outcome in Outcome::ALL {
            map.serialize_entry(outcome.as_str(), &self.of(outcome))?;
        }
        map.end()
    }
}

impl Outcome {
    /// Its place in [`Outcome::ALL`].
    const fn index(self) -> usize {
        match self {
            Self::Served => 0,
            Self::Refused => 1,
            Self::Unavailable => 2,
            Self::Limited => 3,
            Self::Other => 4,
            Self::Lost => 5,
            Self::Hung => 6,
            Self::FalseRefusal => 7,
            Self::WronglyAdmitted => 8,
        }
    }
}

impl Asked {
    /// A program with a good credential at `url`.
    pub fn by_program(url: Url) -> Self {
        Self { client: ClientKind::Program, credential: Credential::Good, url }
    }

    /// A browser with a good credential at `url`.
    pub fn by_browser(url: Url) -> Self {
        Self { client: ClientKind::Browser, credential: Credential::Good, url }
    }

    /// The same with a bad credential.
    #[must_use]
    pub fn with_bad_credential(self) -> Self {
        Self { credential: Credential::Bad, ..self }
    }

    /// What became of it.
    pub fn judge(&self, met: &Result<Answer, NoAnswer>) -> Outcome {
        match met {
            Err(NoAnswer::Hung(_)) => Outcome::Hung,
            Err(NoAnswer::Lost(_) | NoAnswer::Nonsense(_)) => Outcome::Lost,
            Ok(answer) => match self.credential {
                Credential::Good => self.judge_good(answer),
                Credential::Bad => self.judge_bad(answer),
                Credential::Absent => match self.judge_bad(answer) {
                    Outcome::WronglyAdmitted => Outcome::Served,
                    refused_or_neither => refused_or_neither,
                },
            },
        }
    }

    fn judge_good(&self, answer: &Answer) -> Outcome {
        // A browser that loses its cookie is signed out, whatever the status: an error page that deletes it is no less.
        if self.client == ClientKind::Browser && answer.deletes_cookie {
            return Outcome::FalseRefusal;
        }
        match answer.status {
            200..=299 | 304 => Outcome::Served,
            401 | 403 | 407 => Outcome::FalseRefusal,
            300..=399 if self.leads_to_sign_in(answer) => Outcome::FalseRefusal,
            // A service may send a browser on, from one of its pages to another.
            300..=399 => Outcome::Served,
            status => without_verdict(status),
        }
    }

    fn judge_bad(&self, answer: &Answer) -> Outcome {
        match answer.status {
            200..=299 | 304 => Outcome::WronglyAdmitted,
            401 | 403 | 407 => Outcome::Refused,
            300..=399 if self.leads_to_sign_in(answer) => Outcome::Refused,
            status => without_verdict(status),
        }
    }

    /// Whether a redirect asks for a sign-in. To a program any does: it stands before a page that it cannot use.
    fn leads_to_sign_in(&self, answer: &Answer) -> bool {
        const SIGN_IN: [&str; 11] =
            ["auth", "authorize", "log-in", "login", "logon", "oauth", "oauth2", "saml", "sign-in", "signin", "sso"];
        if self.client == ClientKind::Program {
            return true;
        }
        let Some(to) = answer.location.as_ref().and_then(|to| self.url.join(to).ok()) else { return false };
        if (to.host_str(), to.port()) != (self.url.host_str(), self.url.port()) {
            return true;
        }
        to.path_segments().into_iter().flatten().any(|segment| {
            // `login.php`, and `sign_in`.
            let word = segment.split('.').next().unwrap_or_default().to_ascii_lowercase().replace('_', "-");
            SIGN_IN.contains(&&*word)
        })
    }
}

fn without_verdict(status: u16) -> Outcome {
    match status {
        429 => Outcome::Limited,
        500..=599 => Outcome::Unavailable,
        _ => Outcome::Other,
    }
}

#[cfg(test)]
mod tests {
    use std::{io, time::Duration};

    use super::*;

    fn asked(client: ClientKind, credential: Credential) -> Asked {
        Asked { client, credential, url: Url::parse("http://127.0.0.1:8080/calendar").expect("an address") }
    }

    fn status(status: u16) -> Answer {
        Answer { status, ..Answer::default() }
    }

    /// What `answer` means to a browser and to a program with a good credential, and to both with a bad one.
    fn check(answer: &Answer, expected: [Outcome; 4]) {
        let all = [Credential::Good, Credential::Bad]
            .map(|credential| [ClientKind::Browser, ClientKind::Program].map(|client| asked(client, credential)));
        let judged = [&all[0][0], &all[0][1], &all[1][0], &all[1][1]].map(|asked| asked.judge(&Ok(answer.clone())));
        assert_eq!(judged, expected, "{answer:?}");
    }

    #[test]
    fn a_status_means_what_the_credential_makes_of_it() {
        use Outcome::{FalseRefusal, Limited, Other, Refused, Served, Unavailable, WronglyAdmitted};
        for served in [200, 204, 206, 304] {
            check(&status(served), [Served, Served, WronglyAdmitted, WronglyAdmitted]);
        }
        for refusal in [401, 403, 407] {
            check(&status(refusal), [FalseRefusal, FalseRefusal, Refused, Refused]);
        }
        for honest in [500, 502, 503, 504, 599] {
            check(&status(honest), [Unavailable; 4]);
        }
        check(&status(429), [Limited; 4]);
        for other in [0, 400, 404, 405, 410, 600] {
            check(&status(other), [Other; 4]);
        }
    }

    #[test]
    fn a_redirect_to_sign_in_is_a_refusal() {
        use Outcome::{FalseRefusal, Other, Refused, Served};
        let to = |location: Option<&str>| Answer {
            status: 302,
            location: location.map(ToOwned::to_owned),
            ..Answer::default()
        };
        let sign_in = [
            "/login",
            "/login?next=/",
            "/accounts/Login.php",
            "/.candor/login?return_to=/",
            "/oauth2/start",
            "users/sign_in",
            "http://127.0.0.1:8081/calendar",
            "http://idp.example/",
            "//idp.example/calendar",
        ];
        for location in sign_in {
            check(&to(Some(location)), [FalseRefusal, FalseRefusal, Refused, Refused]);
        }
        for within in ["/calendar/", "/calendar/2021", "http://127.0.0.1:8080/loginless", "?page=login"] {
            check(&to(Some(within)), [Served, FalseRefusal, Other, Refused]);
        }
        check(&to(None), [Served, FalseRefusal, Other, Refused]);
    }

    #[test]
    fn a_deleted_cookie_signs_a_browser_out_whatever_the_status() {
        use Outcome::{FalseRefusal, Refused, Served, Unavailable, WronglyAdmitted};
        let deleting = |status| Answer { status, deletes_cookie: true, ..Answer::default() };
        check(&deleting(200), [FalseRefusal, Served, WronglyAdmitted, WronglyAdmitted]);
        check(&deleting(503), [FalseRefusal, Unavailable, Unavailable, Unavailable]);
        check(&deleting(401), [FalseRefusal, FalseRefusal, Refused, Refused]);
    }

    #[test]
    fn no_answer_is_no_refusal() {
        for client in [ClientKind::Browser, ClientKind::Program] {
            for credential in [Credential::Good, Credential::Bad] {
                let judge = |met| asked(client, credential).judge(&Err(met));
                assert_eq!(judge(NoAnswer::Hung(Duration::ZERO)), Outcome::Hung);
                assert_eq!(judge(NoAnswer::Nonsense("x")), Outcome::Lost);
                assert_eq!(judge(NoAnswer::Lost(io::ErrorKind::ConnectionReset.into())), Outcome::Lost);
            }
        }
    }

    #[test]
    fn who_shows_nothing_may_be_served_or_refused() {
        let check = |answer: Answer, expected| {
            let judged = asked(ClientKind::Browser, Credential::Absent).judge(&Ok(answer));
            assert_eq!(judged, expected);
        };
        check(status(200), Outcome::Served);
        check(status(401), Outcome::Refused);
        check(Answer { location: Some("/login".into()), ..status(302) }, Outcome::Refused);
        check(Answer { deletes_cookie: true, ..status(503) }, Outcome::Unavailable);
    }

    #[test]
    fn outcomes_are_counted_by_class() {
        let mut outcomes = Outcomes::default();
        assert_eq!(outcomes.to_string(), "nothing");
        for (at, outcome) in Outcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome.index(), at);
            outcomes.count(outcome);
        }
        let mut twice = outcomes;
        twice.add(&outcomes);
        assert_eq!((twice.of(Outcome::Hung), twice.total()), (2, 18));
        let mut some = Outcomes::default();
        some.count(Outcome::Hung);
        some.count(Outcome::Served);
        assert_eq!(some.to_string(), "1 served, 1 hung");
        let json = serde_json::to_value(some).expect("JSON");
        assert_eq!((&json["served"], &json["false refusal"]), (&1.into(), &0.into()));
    }
}
