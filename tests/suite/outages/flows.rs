//! How somebody goes each way: with a good credential, with its bad twin, and again when all is healed.

use std::time::Duration;

use gateway::demo::{Bearer, Twin, browser::Seen};
use url::Url;
use world::{
    World,
    caller::{Caller, Form, Heard},
};

use super::{
    oracle::{self, Complaints},
    table::{Cell, Flow, Outcome, Temper},
};

/// The cookie that holds a ticket, where people reach the gateway by http.
pub(crate) const TICKET: &str = "candor";

/// Somebody on their way, and their bad twin.
pub(crate) struct Going {
    flow: Flow,
    path: &'static str,
    subject: String,
    good: Caller,
    /// Where the good one comes back to, if this is a callback.
    callback: Option<Url>,
    /// What the good one had before signing out.
    ticket: Option<String>,
    twin: Option<Bad>,
}

/// A bad twin: in which way it is bad, and who shows it.
struct Bad {
    name: &'static str,
    caller: Caller,
    callback: Option<Url>,
}

/// Makes a good ticket bad.
type Spoil = fn(&str) -> String;

/// In which way a ticket is bad.
pub(crate) const BAD_TICKETS: [(&str, Spoil); 3] = [
    ("tampered", |ticket| swapped(ticket, ticket.len() / 2)),
    ("under-another-key", |ticket| swapped(ticket, 4)),
    ("cut-short", |ticket| ticket[..ticket.len() - 8].to_owned()),
];

impl Going {
    /// Brings somebody to the point where the dependency is about to break. `index` chooses the twin.
    pub(super) async fn prepare(world: &mut World, cell: &Cell, index: usize) -> Self {
        let form = cell.form;
        let by_ticket = match cell.flow {
            Flow::SignInBegin | Flow::Callback | Flow::Ticket | Flow::Logout | Flow::StrictRoute => true,
            Flow::BearerKnownKid | Flow::BearerUnknownKid | Flow::PublicRoute => false,
            Flow::ForwardedRequest => form == Form::Browser,
        };
        let path = match (cell.flow, form) {
            (Flow::PublicRoute, _) => "/public/page",
            (Flow::StrictRoute, _) => "/admin/panel",
            (_, Form::Browser) => "/calendar",
            (_, Form::Script) => "/api/calendar",
            (_, Form::Device) => "/display/calendar",
        };
        let mut going = Self {
            flow: cell.flow,
            path,
            subject: if by_ticket { "ada" } else { "display-4.12" }.to_owned(),
            good: Caller::new(form),
            callback: None,
            ticket: None,
            twin: None,
        };
        if by_ticket {
            going.prepare_person(world, cell, index).await
        } else {
            going.prepare_program(world, index).await
        }
        going
    }

    async fn prepare_person(&mut self, world: &mut World, cell: &Cell, index: usize) {
        let home = world.url("/");
        match self.flow {
            Flow::SignInBegin => {
                let mut earlier = Caller::new(Form::Browser);
                world.until_callback(&mut earlier, "grace", self.path).await;
                world.until_provider_is_on_disk().await;
            }
            Flow::Callback => {
                if cell.temper == Temper::Warm {
                    world.sign_in(&mut Caller::new(Form::Browser), "grace", self.path).await;
                }
                self.callback = Some(world.until_callback(&mut self.good, &self.subject, self.path).await);
                self.twin = Some(bad_callback(world, self.callback.as_ref(), self.path, index).await);
            }
            _ => {
                let mut browser = Caller::new(Form::Browser);
                world.sign_in(&mut browser, &self.subject, "/calendar").await;
                let ticket = browser.browser().cookie(&home, TICKET).expect("signed in").to_owned();
                let (name, spoil) = BAD_TICKETS[index % BAD_TICKETS.len()];
                self.good.browser().set_cookie(&home, TICKET, &ticket);
                let mut caller = Caller::new(self.good.form());
                caller.browser().set_cookie(&home, TICKET, &spoil(&ticket));
                self.twin = Some(Bad { name, caller, callback: None });
                self.ticket = Some(ticket);
            }
        }
    }

    async fn prepare_program(&mut self, world: &mut World, index: usize) {
        let form = self.good.form();
        let bearer = Bearer::of(&self.subject).lasting(Duration::from_secs(6 * 3600));
        // Asked where keys are waited for: a route open to anyone waits for nothing.
        let path = if form == Form::Device { "/display/calendar" } else { "/api/calendar" };
        world.warm_up(&mut Caller::bearing(form, &world.idp.mint(&bearer)), path).await;
        if self.flow == Flow::BearerUnknownKid {
            world.idp.rotate();
        }
        let twin = Twin::ALL[index % Twin::ALL.len()];
        self.good = Caller::bearing(form, &world.idp.mint(&bearer));
        let caller = Caller::bearing(form, &world.idp.twin(&bearer, twin));
        self.twin = Some(Bad { name: twin.as_str(), caller, callback: None });
    }

    /// Who the good one truly is.
    pub(super) fn subject(&self) -> &str {
        &self.subject
    }

    /// What must come of it when nothing is broken.
    pub(super) fn healed(&self) -> Outcome {
        match self.flow {
            Flow::SignInBegin => Outcome::ToProvider,
            Flow::Logout => Outcome::SignedOut,
            _ => Outcome::Served,
        }
    }

    /// Goes the way with the good credential.
    pub(super) async fn good(&mut self, world: &World) -> Heard {
        go(world, self.flow, &mut self.good, self.callback.as_ref(), self.path).await
    }

    /// The same when it is healed. A code that the provider has answered is spent, so that who got a 503 after that
    /// begins again, as the page offers; somebody who signed out has nothing to sign out of, and signs in first.
    pub(super) async fn good_again(&mut self, world: &World) -> Heard {
        match self.flow {
            Flow::Callback => {
                let served = |heard: &Heard| oracle::meets(Outcome::Served, Form::Browser, heard);
                let heard = self.good(world).await;
                if served(&heard) {
                    return heard;
                }
                // Whoever was signed in while it was broken has spent the code, and is somebody.
                let now = world.ask(&mut self.good, self.path).await;
                if served(&now) {
                    return now;
                }
                // The provider may not be known to be back yet: then this try says so, and the next comes.
                let Ok(again) = world.try_until_callback(&mut self.good, &self.subject, self.path).await else {
                    return heard;
                };
                self.callback = Some(again);
                self.good(world).await
            }
            Flow::Logout => {
                let heard = world.ask(&mut self.good, "/calendar").await;
                if oracle::leads_to(&heard, "/.candor/login") {
                    let back = world.try_until_callback(&mut self.good, &self.subject, "/calendar").await;
                    let callback = match back {
                        Ok(callback) => callback,
                        // Signing in anew cannot be had yet. That they are not signed in is so: they signed out.
                        Err(Some(seen)) => return Heard { answer: Ok(seen), reached: Vec::new() },
                        Err(None) => return self.good(world).await,
                    };
                    go(world, Flow::Callback, &mut self.good, Some(&callback), "/calendar").await;
                }
                self.good(world).await
            }
            _ => self.good(world).await,
        }
    }

    /// Goes the way with the bad twin.
    pub(super) async fn twin(&mut self, world: &World) -> Option<(&'static str, Heard)> {
        let Bad { name, caller, callback } = self.twin.as_mut()?;
        let mut heard = go(world, self.flow, caller, callback.as_ref(), self.path).await;
        if matches!(self.flow, Flow::Callback | Flow::Logout) {
            // Whatever they were told: are they somebody now?
            heard = world.ask(caller, "/calendar").await;
        }
        Some((*name, heard))
    }

    /// Who signed out is signed out: the ticket of before is good for nothing.
    pub(super) async fn afterwards(&mut self, world: &World, complaints: &mut Complaints) {
        let (Flow::Logout, Some(ticket)) = (self.flow, &self.ticket) else { return };
        let mut copied = Caller::new(Form::Browser);
        copied.browser().set_cookie(&world.url("/"), TICKET, ticket);
        let heard = world.ask(&mut copied, "/calendar").await;
        if !heard.identities().is_empty() {
            oracle::wrongly_admitted(format!("the ticket still works after logout: {}", heard.line()), complaints);
        }
    }
}

async fn go(world: &World, flow: Flow, caller: &mut Caller, callback: Option<&Url>, path: &str) -> Heard {
    match flow {
        Flow::SignInBegin => {
            // The last good contact is so long ago that the provider is asked again.
            world.clock().advance(Duration::from_secs(11));
            let asked = world.ask(caller, path).await;
            match asked.answer.as_ref().ok().and_then(Seen::location) {
                Some(login) if login.path() == "/.candor/login" => caller.get(&login, &world.monolith).await,
                _ => asked,
            }
        }
        Flow::Callback => {
            let callback = callback.expect("a callback has its address");
            let heard = caller.get(callback, &world.monolith).await;
            match heard.answer.as_ref().ok().and_then(Seen::location) {
                Some(home) if home.path() == path => caller.get(&home, &world.monolith).await,
                _ => heard,
            }
        }
        Flow::Logout => caller.post(&world.url("/.candor/logout"), &[], &world.monolith).await,
        Flow::Ticket
        | Flow::BearerKnownKid
        | Flow::BearerUnknownKid
        | Flow::PublicRoute
        | Flow::StrictRoute
        | Flow::ForwardedRequest => world.ask(caller, path).await,
    }
}

/// Somebody who comes back with what is not theirs: a code that was given to somebody else, or to a browser that began
/// nothing an answer that was meant for another.
async fn bad_callback(world: &World, good: Option<&Url>, path: &str, index: usize) -> Bad {
    let mut caller = Caller::new(Form::Browser);
    if index.is_multiple_of(2) {
        return Bad { name: "no-try", caller, callback: good.cloned() };
    }
    let own = world.until_callback(&mut caller, "grace", path).await;
    let foreign = world.until_callback(&mut Caller::new(Form::Browser), "ada", path).await;
    let value = |url: &Url, name: &str| {
        url.query_pairs().find(|(has, _)| has == name).map(|(_, value)| value.into_owned()).unwrap_or_default()
    };
    let mut stolen = own.clone();
    stolen.query_pairs_mut().clear().extend_pairs([("code", value(&foreign, "code")), ("state", value(&own, "state"))]);
    Bad { name: "foreign-code", caller, callback: Some(stolen) }
}

/// `text` with another letter at `at`.
fn swapped(text: &str, at: usize) -> String {
    let mut bytes = text.as_bytes().to_vec();
    bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
    String::from_utf8_lossy(&bytes).into_owned()
}
