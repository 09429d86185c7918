//! The oracle: what must never be, whatever is broken. It knows who the caller truly is, sees what they were told, and
//! sees in whose name the monolith was asked.

use std::{
    collections::BTreeSet,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use auth_core::lock::lock;

use serde_json::Map;
use url::Url;
use world::caller::{Form, Heard};

use super::{
    installer, old_pin, plan, protocol,
    table::{Cell, Flow, Outcome},
};
use crate::report;

static CELLS: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
static TOUCHED: AtomicUsize = AtomicUsize::new(0);
static TWINS: AtomicUsize = AtomicUsize::new(0);
static FALSE_REFUSALS: AtomicUsize = AtomicUsize::new(0);
static WRONGLY_ADMITTED: AtomicUsize = AtomicUsize::new(0);

/// What a twin is called that was good once, and is only too old.
pub(crate) const EXPIRED: &str = "expired";

/// What displays are called that are what they say, and may not go where they want to.
pub(crate) const NOT_PERMITTED: [&str; 2] = [SUSPENDED, OF_ANOTHER_TENANT];
pub(crate) const SUSPENDED: &str = "suspended";
pub(crate) const OF_ANOTHER_TENANT: &str = "of-another-tenant";

/// What somebody is called who is good, and reaches for what is another person's.
pub(crate) const OF_ANOTHER_PERSON: &str = "of-another-person";

/// A matrix of which fewer cells touch what they break is none.
pub(crate) const LEAST_TOUCHED: usize = 800;

/// Whoever is told to ask again later, in seconds, is not told to stay away for hours: the outage may be over by then.
const LONGEST_WAIT: u64 = 180;

/// What is wrong with a cell, said as lines, and what it counts for.
#[derive(Default)]
pub(crate) struct Complaints {
    lines: Vec<String>,
    touched: bool,
    twins: usize,
    false_refusals: usize,
    wrongly_admitted: usize,
}

impl Complaints {
    pub(crate) fn add(&mut self, what: impl Into<String>) {
        self.lines.push(what.into());
    }

    /// What there is to complain about.
    pub(crate) fn lines(&self) -> &[String] {
        &self.lines
    }

    /// The cell met what it broke.
    pub(crate) fn count_as_touched(&mut self) {
        self.touched = true;
    }

    /// One more twin was shown.
    pub(crate) fn count_a_twin(&mut self) {
        self.twins += 1;
    }

    /// Whether somebody was lied to, or let in. All else may be a deadline that a busy machine missed.
    pub(crate) fn are_grave(&self) -> bool {
        self.false_refusals + self.wrongly_admitted > 0
    }

    /// Counts the cell.
    ///
    /// # Panics
    /// There is something to complain about.
    pub(crate) fn settle(self, cell: &Cell) {
        lock(&CELLS).insert(cell.name());
        for (counter, by) in [
            (&TOUCHED, usize::from(self.touched)),
            (&TWINS, self.twins),
            (&FALSE_REFUSALS, self.false_refusals),
            (&WRONGLY_ADMITTED, self.wrongly_admitted),
        ] {
            counter.fetch_add(by, Ordering::SeqCst);
        }
        assert!(
            self.lines.is_empty(),
            "cell {} expects {:?}:\n  {}",
            cell.name(),
            cell.expected,
            self.lines.join("\n  ")
        );
    }
}

/// The last lines of the matrix, if any cell ran: its figures, and if all of it ran, why combinations are left out, and
/// how many have neither a cell nor a reason. Whether the goal is met; only a part of the matrix need not touch much.
#[must_use]
pub(crate) fn sum_up() -> bool {
    let [touched, twins, false_refusals, wrongly_admitted] =
        [&TOUCHED, &TWINS, &FALSE_REFUSALS, &WRONGLY_ADMITTED].map(|counter| counter.load(Ordering::SeqCst));
    let ran = lock(&CELLS);
    if ran.is_empty() {
        return true;
    }
    report::say(format!(
        "outage matrix: {} cells, {touched} touched their dependency, {twins} bad twins, \
         {false_refusals} false refusals, {wrongly_admitted} wrongly admitted",
        ran.len()
    ));
    let none_wronged = false_refusals + wrongly_admitted == 0;
    if ran.len() < plan::cells().len() {
        return none_wronged;
    }
    for (why, count) in plan::left_out() {
        report::say(format!("matrix combinations left out: {count:6}, since {why}"));
    }
    let holes = plan::holes(&ran);
    report::say(format!("matrix holes: {holes}"));
    none_wronged && touched >= LEAST_TOUCHED && holes == 0
}

/// Judges what the good credential of `subject` was told.
pub(crate) fn judge_good(when: &str, heard: &Heard, subject: &str, cell: &Cell, complaints: &mut Complaints) {
    if let Some(how) = blame(heard, cell.flow, cell.expected) {
        complaints.false_refusals += 1;
        complaints.add(format!("{when}, the good credential {how}: {}", heard.line()));
    }
    if cell.flow == Flow::BackChannelLogout && heard.status() == Some(400) {
        complaints.false_refusals += 1;
        complaints.add(format!("{when}, the provider's word was called wrong: {}", heard.line()));
    }
    if cell.flow.is_of_the_protocol() && protocol::is_disowned(heard) {
        complaints.false_refusals += 1;
        complaints.add(format!(
            "{when}, the good display was disowned: {} {:?}",
            heard.line(),
            protocol::problem(heard)
        ));
    }
    if let Some(other) = protocol::granted_to(heard).filter(|device| device != subject) {
        complaints.wrongly_admitted += 1;
        complaints.add(format!("{when}, {subject} was granted a token of {other}"));
    }
    for other in others(heard, subject) {
        complaints.wrongly_admitted += 1;
        complaints.add(format!("{when}, {subject} went on as {other:?}"));
    }
    judge_form(when, heard, cell.form, complaints);
}

/// How somebody with a good credential was blamed for an outage, if they were. An answer of the upstream's that the
/// route lets pass is the upstream's word, not ours; who begins to sign in is sent to sign in, and who signs out loses
/// the ticket.
pub(crate) fn blame(heard: &Heard, flow: Flow, expected: Outcome) -> Option<&'static str> {
    let seen = heard.answer.as_ref().ok()?;
    if matches!(expected, Outcome::PassedOn(_)) && heard.word() == Some("upstream") {
        return None;
    }
    let to = seen.location().map(|to| to.path().to_owned()).unwrap_or_default();
    let signs_in = to.starts_with("/.candor/login") || to.starts_with("/authorize") || to.contains("/login");
    if matches!(seen.status.as_u16(), 401 | 403 | 407) || matches!(heard.grpc_status(), Some("16" | "7")) {
        Some("was refused")
    } else if signs_in && flow != Flow::SignInBegin {
        Some("was sent to sign in")
    } else if seen.deleted_cookies().iter().any(|name| !name.contains("-signin-")) && !flow.is_a_logout() {
        Some("lost its ticket")
    } else if seen.header("www-authenticate").is_some() || seen.header("clear-site-data").is_some() {
        Some("was asked for a credential")
    } else {
        None
    }
}

/// In whose name it went on, other than `subject`'s.
pub(crate) fn others<'h>(heard: &'h Heard, subject: &str) -> Vec<&'h str> {
    names(heard).into_iter().filter(|name| *name != subject).collect()
}

/// Judges what the bad twin `name` was told: it may be told anything, but goes nowhere in anybody's name.
pub(crate) fn judge_twin(when: &str, flow: Flow, heard: &Heard, name: &str, complaints: &mut Complaints) {
    if !names(heard).is_empty() {
        complaints.wrongly_admitted += 1;
        complaints.add(format!("{when}, the twin `{name}` goes on with an identity: {}", heard.line()));
    }
    // Nobody's bad twin is shown a PIN either: anybody may ask for one, in their own name.
    if protocol::lets_in(heard)
        || installer::is_done(heard)
        || heard.status() == Some(201)
        || has_its_way(flow, name, heard)
    {
        complaints.wrongly_admitted += 1;
        complaints.add(format!("{when}, the twin `{name}` was let in: {}", heard.line()));
    }
}

/// Whether a bad twin was shown sessions, or ended one.
fn has_its_way(flow: Flow, name: &str, heard: &Heard) -> bool {
    match flow {
        Flow::SessionsPage => meets(Outcome::Listed, Form::Browser, heard),
        Flow::SessionEnd => says(heard, ENDED_ONE),
        // Of another person, the provider may say what it likes.
        Flow::BackChannelLogout => meets(Outcome::TakenIn, Form::Script, heard) && name != OF_ANOTHER_PERSON,
        _ => false,
    }
}

/// Judges what `subject` was told, whose session nobody may end.
pub(crate) fn judge_bystander(when: &str, heard: &Heard, subject: &str, complaints: &mut Complaints) {
    if let Some(how) = blame(heard, Flow::Ticket, Outcome::Served) {
        complaints.false_refusals += 1;
        complaints.add(format!("{when}, a session that nobody ended {how}: {}", heard.line()));
    }
    for other in others(heard, subject) {
        complaints.wrongly_admitted += 1;
        complaints.add(format!("{when}, {subject} went on as {other:?}"));
    }
}

/// Judges what was told to who may be good again, and takes any refusal for the end.
pub(crate) fn judge_spared(when: &str, heard: &Heard, name: &str, complaints: &mut Complaints) {
    if matches!(heard.status(), Some(401 | 403)) {
        complaints.false_refusals += 1;
        complaints.add(format!("{when}, `{name}` is ended before its time: {}", heard.line()));
    }
}

/// Whatever we say ourselves, we say in the caller's form; and when nobody can tell or serve, when to ask again.
fn judge_form(when: &str, heard: &Heard, form: Form, complaints: &mut Complaints) {
    let Ok(seen) = &heard.answer else { return };
    if matches!(heard.word(), Some("upstream" | "own")) || seen.status.is_redirection() {
        return;
    }
    let kind = match form {
        Form::Browser => "text/html",
        Form::Script | Form::Device => "application/problem+json",
        Form::Grpc => "application/grpc",
    };
    if !seen.header("content-type").is_some_and(|has| has.starts_with(kind)) {
        complaints.add(format!("{when}, told as {:?}: {}", seen.header("content-type"), heard.line()));
    }
    if seen.status == 503 || heard.grpc_status() == Some("14") {
        match seen.header("retry-after").map(str::parse::<u64>) {
            Some(Ok(seconds)) if seconds <= LONGEST_WAIT => {}
            Some(_) => complaints.add(format!("{when}, told to stay away for long: {}", heard.line())),
            None => complaints.add(format!("{when}, not told when to ask again: {}", heard.line())),
        }
    }
    if seen.header("cache-control") != Some("no-store") {
        complaints.add(format!("{when}, a cache may keep it: {}", heard.line()));
    }
}

/// In whose name a request went on: to the monolith, or past the proxy that asked for it.
fn names(heard: &Heard) -> Vec<&str> {
    let reached = heard.reached.iter().filter(|seen| seen.identity().is_some());
    let named = reached.map(|seen| seen.header("x-auth-request-user").unwrap_or_default());
    named.chain(vouched_for(heard)).collect()
}

/// Whom the gateway told another proxy about.
fn vouched_for(heard: &Heard) -> Option<&str> {
    let seen = heard.answer.as_ref().ok()?;
    seen.header("x-auth-request-user").filter(|name| heard.word() == Some("own") && !name.is_empty())
}

/// Whether what was heard is what the table expects.
pub(crate) fn meets(expected: Outcome, form: Form, heard: &Heard) -> bool {
    // What HTTP would say by these, gRPC says by 14.
    let by_grpc = |status: u16| matches!(status, 502..=504) && heard.grpc_status() == Some("14");
    let has = |status: u16| if form == Form::Grpc && by_grpc(status) { true } else { heard.status() == Some(status) };
    let with = |status: u16, word: &str| has(status) && heard.word() == Some(word);
    let named = !heard.identities().is_empty();
    let for_form = |status: u16| if form == Form::Device { 503 } else { status };
    let says = |text: &str| says(heard, text);
    match expected {
        Outcome::Served => with(200, "upstream") && named,
        Outcome::ServedWithoutName => with(200, "upstream") && !named,
        Outcome::ServedUndecided => with(200, "upstream") && !named && is_told_undecided(heard),
        Outcome::ToProvider => leads_to(heard, "/authorize"),
        Outcome::Unavailable => is_undecided(heard) && heard.reached.is_empty(),
        Outcome::UnavailableSinceDenied => is_undecided(heard) && is_since_denied(heard) && is_told_undecided(heard),
        Outcome::UpstreamFailed => with(for_form(502), "upstream-failed"),
        Outcome::UpstreamTimeout => with(for_form(504), "upstream-timeout"),
        Outcome::Disputed => with(503, "upstream-disputed"),
        Outcome::PassedOn(status) => with(status, "upstream"),
        Outcome::Cut => heard.answer.is_err(),
        Outcome::SignedOut => with(200, "own") && says("everywhere else"),
        Outcome::SignedOutThere => with(200, "own") && says("signed out there too"),
        Outcome::SignedOutHere => with(200, "own") && says("as soon as the store is back"),
        Outcome::Listed => with(200, "own") && (says("This session") || says("\"this\":true")),
        Outcome::SessionEnded => with(200, "own") && (says(ENDED_ONE) || says(NOTHING_TO_END)),
        Outcome::TakenIn => with(200, "own") && protocol::content(heard).as_object().is_some_and(Map::is_empty),
        Outcome::TryAgain => is_undecided(heard),
        Outcome::TryIsKept => is_undecided(heard) && !forgets_a_try(heard),
        Outcome::TryIsSpent => is_undecided(heard) && forgets_a_try(heard) && begin_link(heard).is_some(),
        Outcome::Vouched => with(200, "own") && vouched_for(heard).is_some(),
        Outcome::RenewalRequired => with(503, "renewal-required"),
        Outcome::PinShown => with(201, "own") && protocol::content(heard)["pin"].is_string(),
        Outcome::Granted => with(200, "own") && protocol::granted_token(heard).is_some(),
        Outcome::Stated => with(200, "own") && protocol::stated(heard).is_some_and(|verdict| verdict == "valid"),
        Outcome::KeyAdded => with(200, "own") && protocol::added_key(heard).is_some(),
        Outcome::OldPinShown => with(200, "own") && old_pin::is_shown(heard),
        Outcome::Confirmed => with(200, "own") && installer::is_done(heard),
    }
}

/// What the page of one's own sessions says.
const ENDED_ONE: &str = "One session was ended.";
const NOTHING_TO_END: &str = "There was nothing left to end.";

fn says(heard: &Heard, text: &str) -> bool {
    heard.answer.as_ref().is_ok_and(|seen| seen.text().contains(text))
}

/// Whether the monolith, if the request came so far, was told in nobody's name that we cannot tell whose it is.
fn is_told_undecided(heard: &Heard) -> bool {
    let mut reached = heard.reached.iter();
    reached.all(|seen| seen.identity().is_none() && seen.header("x-gateway-undecided").is_some_and(|it| !it.is_empty()))
}

/// Whether it says that it stands in place of what the monolith answered.
fn is_since_denied(heard: &Heard) -> bool {
    let seen = heard.answer.as_ref().ok();
    seen.and_then(|seen| seen.header("proxy-status")).is_some_and(|status| status.contains("received-status="))
}

/// Whether it says that we cannot tell.
pub(crate) fn is_undecided(heard: &Heard) -> bool {
    (heard.status() == Some(503) || heard.grpc_status() == Some("14")) && heard.word() == Some("verdict-unavailable")
}

/// Whether the bad twin `name` was told that it is bad, or, where nobody needs to be good, went on without a name. A
/// display whose token has merely expired is not refused: it is told to renew. One that is good, and not there, may not go
/// there.
pub(crate) fn is_told(flow: Flow, name: &str, heard: &Heard) -> bool {
    if name == EXPIRED && heard.word() == Some("renewal-required") {
        return heard.status() == Some(503);
    }
    match flow {
        Flow::Confirmation => return installer::is_told(heard),
        Flow::SessionEnd if name == OF_ANOTHER_PERSON => return says(heard, NOTHING_TO_END),
        // There is nothing of theirs to end; once that was taken, it was sent before.
        Flow::BackChannelLogout if name == OF_ANOTHER_PERSON => return matches!(heard.status(), Some(200 | 400)),
        Flow::BackChannelLogout => return heard.status() == Some(400),
        _ => {}
    }
    if name == old_pin::NOT_CONFIRMED {
        return old_pin::is_pending(heard);
    }
    if flow.is_of_the_protocol() {
        return protocol::is_turned_away(heard);
    }
    if NOT_PERMITTED.contains(&name) && flow.is_of_the_fleet() {
        return heard.status() == Some(403) && heard.word() == Some("not-permitted");
    }
    let refused = matches!(heard.word(), Some("credential-invalid" | "credential-missing"))
        && (heard.status() == Some(401) || heard.grpc_status() == Some("16") || leads_to(heard, "/.candor/login"));
    refused || flow == Flow::PublicRoute && meets(Outcome::ServedWithoutName, Form::Script, heard)
}

/// The link of a page on which a sign-in begins once more.
pub(crate) fn begin_link(heard: &Heard) -> Option<Url> {
    let seen = heard.answer.as_ref().ok()?;
    let page = seen.text();
    let links = page.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
    let login =
        links.map(|link| link.replace("&#38;", "&").replace("&amp;", "&")).find(|link| link.contains("/login"))?;
    seen.url.join(&login).ok()
}

fn forgets_a_try(heard: &Heard) -> bool {
    heard.answer.as_ref().is_ok_and(|seen| seen.deleted_cookies().iter().any(|name| name.contains("-signin-")))
}

/// Whether it is a redirect to `path`.
pub(crate) fn leads_to(heard: &Heard, path: &str) -> bool {
    heard.answer.as_ref().is_ok_and(|seen| seen.location().is_some_and(|to| to.path() == path))
}
