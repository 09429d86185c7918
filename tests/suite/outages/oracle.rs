//! The oracle: what must never be, whatever is broken. It knows who the caller truly is, sees what they were told, and
//! sees in whose name the monolith was asked.

use std::sync::atomic::{AtomicUsize, Ordering};

use world::caller::{Form, Heard};

use super::table::{Cell, Flow, Outcome};
use crate::figures;

static CELLS: AtomicUsize = AtomicUsize::new(0);
static TOUCHED: AtomicUsize = AtomicUsize::new(0);
static TWINS: AtomicUsize = AtomicUsize::new(0);
static FALSE_REFUSALS: AtomicUsize = AtomicUsize::new(0);
static WRONGLY_ADMITTED: AtomicUsize = AtomicUsize::new(0);

/// What is wrong with a cell, said as lines.
#[derive(Default)]
pub(crate) struct Complaints(Vec<String>);

impl Complaints {
    pub(crate) fn add(&mut self, what: impl Into<String>) {
        self.0.push(what.into());
    }

    /// What there is to complain about.
    pub(crate) fn lines(&self) -> &[String] {
        &self.0
    }

    /// # Panics
    /// There is something to complain about.
    pub(crate) fn settle(self, cell: &Cell) {
        assert!(self.0.is_empty(), "cell {} expects {:?}:\n  {}", cell.name(), cell.expected, self.0.join("\n  "));
    }
}

/// Counts one cell.
pub(crate) fn count(touched: bool) {
    CELLS.fetch_add(1, Ordering::SeqCst);
    TOUCHED.fetch_add(usize::from(touched), Ordering::SeqCst);
}

/// The last line of the matrix, if any cell ran.
pub(crate) fn sum_up() {
    let figure = |counter: &AtomicUsize| counter.load(Ordering::SeqCst);
    if figure(&CELLS) > 0 {
        figures::say(format!(
            "outage matrix: {} cells, {} touched their dependency, {} bad twins, {} false refusals, {} wrongly admitted",
            figure(&CELLS),
            figure(&TOUCHED),
            figure(&TWINS),
            figure(&FALSE_REFUSALS),
            figure(&WRONGLY_ADMITTED),
        ));
    }
}

/// Judges what the good credential of `subject` was told.
pub(crate) fn judge_good(when: &str, heard: &Heard, subject: &str, cell: &Cell, complaints: &mut Complaints) {
    if let Some(how) = blame(heard, cell.flow, cell.expected) {
        FALSE_REFUSALS.fetch_add(1, Ordering::SeqCst);
        complaints.add(format!("{when}, the good credential {how}: {}", heard.line()));
    }
    for other in others(heard, subject) {
        WRONGLY_ADMITTED.fetch_add(1, Ordering::SeqCst);
        complaints.add(format!("{when}, {subject} went on as {other:?}"));
    }
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
    if matches!(seen.status.as_u16(), 401 | 403 | 407) {
        Some("was refused")
    } else if signs_in && flow != Flow::SignInBegin {
        Some("was sent to sign in")
    } else if seen.deleted_cookies().iter().any(|name| !name.contains("-try-")) && flow != Flow::Logout {
        Some("lost its ticket")
    } else if seen.header("www-authenticate").is_some() || seen.header("clear-site-data").is_some() {
        Some("was asked for a credential")
    } else {
        None
    }
}

/// In whose name the monolith was asked, other than `subject`'s.
pub(crate) fn others<'h>(heard: &'h Heard, subject: &str) -> Vec<&'h str> {
    let named = heard.reached.iter().filter(|seen| seen.identity().is_some());
    named.map(|seen| seen.header("x-auth-request-user").unwrap_or_default()).filter(|name| *name != subject).collect()
}

/// Judges what the bad twin `name` was told: it may be told anything, but goes nowhere in anybody's name.
pub(crate) fn judge_twin(when: &str, heard: &Heard, name: &str, complaints: &mut Complaints) {
    TWINS.fetch_add(1, Ordering::SeqCst);
    if !heard.identities().is_empty() {
        WRONGLY_ADMITTED.fetch_add(1, Ordering::SeqCst);
        complaints.add(format!("{when}, the twin `{name}` reached the monolith with an identity: {}", heard.line()));
    }
}

/// Somebody was let in who should not have been, as told by `what`.
pub(crate) fn wrongly_admitted(what: impl Into<String>, complaints: &mut Complaints) {
    WRONGLY_ADMITTED.fetch_add(1, Ordering::SeqCst);
    complaints.add(what);
}

/// Whether what was heard is what the table expects.
pub(crate) fn meets(expected: Outcome, form: Form, heard: &Heard) -> bool {
    let with = |status: u16, word: &str| heard.status() == Some(status) && heard.word() == Some(word);
    let named = !heard.identities().is_empty();
    let for_form = |status: u16| if form == Form::Device { 503 } else { status };
    match expected {
        Outcome::Served => with(200, "upstream") && named,
        Outcome::ServedWithoutName => with(200, "upstream") && !named,
        Outcome::ToProvider => leads_to(heard, "/authorize"),
        Outcome::Unavailable => with(503, "verdict-unavailable") && heard.reached.is_empty(),
        Outcome::UpstreamFailed => with(for_form(502), "upstream-failed"),
        Outcome::UpstreamTimeout => with(for_form(504), "upstream-timeout"),
        Outcome::Disputed => with(503, "upstream-disputed"),
        Outcome::PassedOn(status) => with(status, "upstream"),
        Outcome::Cut => heard.answer.is_err(),
        Outcome::SignedOut => with(200, "own"),
        Outcome::TryAgain => with(503, "verdict-unavailable"),
    }
}

/// Whether it is a redirect to `path`.
pub(crate) fn leads_to(heard: &Heard, path: &str) -> bool {
    heard.answer.as_ref().is_ok_and(|seen| seen.location().is_some_and(|to| to.path() == path))
}
