//! The people whom crashes meet: what they do, and what they find afterwards.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use url::Url;
use world::{
    World,
    caller::{Caller, Form, Heard},
};

use super::moments::Progress;
use crate::outages::flows::TICKET;

/// The world, and where people are in it.
pub(super) struct Stage {
    pub(super) world: World,
    pub(super) progress: Progress,
}

/// A browser with a session, or with one that was ended.
pub(super) struct Person {
    caller: Caller,
    /// Every ticket of the session that this browser, or another tab of it, was given.
    tickets: Vec<String>,
    told_out: bool,
    /// What they were told that must not be, if anything.
    wrong: Option<String>,
}

/// What became of what somebody was told.
#[derive(Debug)]
pub(super) enum Fate {
    /// It holds.
    Kept,
    /// It does not: what was answered instead.
    Lost(String),
    /// Nobody said.
    Unknown(String),
}

/// How often somebody asks again until they are served, and how long between: well beyond the half minute in which a
/// renewal that a crash cut off is left alone.
const TRIES: usize = 450;
const BETWEEN: Duration = Duration::from_millis(200);

/// Signs a new browser in; nobody if it was not answered with a ticket.
pub(super) async fn sign_in(stage: Arc<Stage>) -> Option<Person> {
    let mut caller = Caller::new(Form::Browser);
    let callback = stage.world.try_until_callback(&mut caller, "ada", "/calendar").await.ok()?;
    stage.progress.callbacks_sent.fetch_add(1, Ordering::SeqCst);
    caller.browser().get(&callback).await.ok()?;
    stage.progress.answers.fetch_add(1, Ordering::SeqCst);
    let ticket = ticket_of(&mut caller, &stage)?;
    Some(Person { caller, tickets: vec![ticket], told_out: false, wrong: None })
}

impl Person {
    /// Asks for the calendar until the gateway is gone.
    pub(super) async fn ask_on(mut self, stage: Arc<Stage>) -> Self {
        let mut beat = tokio::time::interval(Duration::from_millis(20));
        while let Some(fate) = self.ask(&stage, "/calendar").await {
            if let Fate::Lost(line) = fate {
                self.wrong.get_or_insert(line);
            }
            beat.tick().await;
        }
        self
    }

    /// Signs out while another tab asks for the calendar, which may be renewed meanwhile. Whether they were told that they
    /// are out.
    pub(super) async fn log_out(mut self, stage: Arc<Stage>) -> (Self, bool) {
        let mut tab = Caller::new(Form::Browser);
        if let Some(ticket) = self.tickets.last() {
            tab.browser().set_cookie(&stage.world.url("/"), TICKET, ticket);
        }
        let url = stage.world.url("/.candor/logout");
        stage.progress.logouts_sent.fetch_add(1, Ordering::SeqCst);
        let calendar = stage.world.url("/calendar");
        let (answer, seen) = tokio::join!(self.caller.browser().post(&url, &[]), tab.browser().get(&calendar));
        stage.progress.answers.fetch_add(1, Ordering::SeqCst);
        if seen.is_ok() {
            self.tickets.extend(ticket_of(&mut tab, &stage));
        }
        let Ok(page) = answer else { return (self, false) };
        if page.text().contains("Nobody was signed in") {
            self.wrong.get_or_insert("nobody was signed in, it said at the logout".to_owned());
            return (self, false);
        }
        self.told_out = page.status == 200 && page.deleted_cookies().iter().any(|name| name == TICKET);
        let told_out = self.told_out;
        (self, told_out)
    }

    /// Whether they were told already what must not be.
    pub(super) fn is_wronged(&self) -> bool {
        self.wrong.is_some()
    }

    pub(super) fn was_told_out(&self) -> bool {
        self.told_out
    }

    /// The same, who found themselves signed out.
    pub(super) fn told_out(self) -> Self {
        Self { told_out: true, ..self }
    }

    /// Whether they are still signed in, who may be.
    pub(super) async fn is_in(&mut self, stage: &Stage) -> Fate {
        self.show_last(&stage.world.url("/"));
        let fate = self.ask(stage, "/calendar").await;
        fate.unwrap_or_else(|| Fate::Unknown("no answer".to_owned()))
    }

    /// Shows each ticket of an ended session. [`Fate::Lost`] if any is served.
    pub(super) async fn is_out(&mut self, stage: &Stage) -> Fate {
        let mut answered = true;
        for ticket in &self.tickets {
            let mut thief = Caller::new(Form::Browser);
            thief.browser().set_cookie(&stage.world.url("/"), TICKET, ticket);
            let heard = stage.world.ask(&mut thief, "/calendar").await;
            answered &= heard.answer.is_ok();
            if !heard.identities().is_empty() {
                self.wrong.get_or_insert(format!("served: {}", heard.line()));
            }
        }
        match &self.wrong {
            Some(line) => Fate::Lost(line.clone()),
            None if answered => Fate::Kept,
            None => Fate::Unknown("no answer".to_owned()),
        }
    }

    /// The end of a session that lives: it is served where nothing may be stale, sooner or later.
    pub(super) async fn comes_back(mut self, stage: Arc<Stage>) -> Fate {
        let mut beat = tokio::time::interval(BETWEEN);
        let mut last = String::new();
        for _ in 0..TRIES {
            if let Some(line) = self.wrong {
                return Fate::Lost(line);
            }
            match self.ask(&stage, "/admin/panel").await {
                Some(Fate::Kept) => return Fate::Kept,
                Some(Fate::Lost(line)) => self.wrong = Some(line),
                Some(Fate::Unknown(line)) => last = line,
                None => "no answer".clone_into(&mut last),
            }
            beat.tick().await;
        }
        Fate::Lost(format!("never served: {last}"))
    }

    /// The end of a session that was ended.
    pub(super) async fn stays_out(mut self, stage: Arc<Stage>) -> Fate {
        self.is_out(&stage).await
    }

    /// What they are told when they ask for `path`; `None` if nothing.
    async fn ask(&mut self, stage: &Stage, path: &str) -> Option<Fate> {
        let heard = stage.world.ask(&mut self.caller, path).await;
        heard.answer.as_ref().ok()?;
        stage.progress.answers.fetch_add(1, Ordering::SeqCst);
        if let Some(ticket) = ticket_of(&mut self.caller, stage)
            && self.tickets.last() != Some(&ticket)
        {
            self.tickets.push(ticket);
        }
        Some(fate(&heard))
    }

    fn show_last(&mut self, home: &Url) {
        if let Some(ticket) = self.tickets.last() {
            self.caller.browser().set_cookie(home, TICKET, ticket);
        }
    }
}

/// What an answer to somebody says who was told that they are signed in.
fn fate(heard: &Heard) -> Fate {
    let forgotten = heard.answer.as_ref().is_ok_and(|seen| seen.deleted_cookies().iter().any(|name| name == TICKET));
    match heard.status() {
        Some(200) if !forgotten && !heard.identities().is_empty() => Fate::Kept,
        Some(300..=403) => Fate::Lost(heard.line()),
        _ if forgotten => Fate::Lost(heard.line()),
        _ => Fate::Unknown(heard.line()),
    }
}

fn ticket_of(caller: &mut Caller, stage: &Stage) -> Option<String> {
    caller.browser().cookie(&stage.world.url("/"), TICKET).map(str::to_owned)
}
