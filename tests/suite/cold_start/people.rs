//! Everybody who was there before the gateway was killed, and who must not get through.

use gateway::demo::{self, AccessTokenSpec, browser::SeenPage};
use url::Url;
use world::{
    World,
    caller::{Caller, Form, Heard},
};

use super::tally::Tally;
use crate::outages::{
    flows::TICKET,
    oracle,
    table::{Flow, Outcome},
    twins::BAD_TICKETS,
};

/// Everybody who was there before.
pub(super) struct People {
    /// Ada, who stays signed in: her browser, and a script of hers with the same ticket.
    pub ada: Caller,
    pub script: Caller,
    /// A display with a bearer token.
    pub display: Caller,
    /// Grace signs out while everything is down.
    grace: Caller,
    /// Somebody who was on the way back from the provider.
    pub arriving: Caller,
    pub callback: Url,
    pub twins: Vec<Twin>,
}

/// Who must not get through: with a bad copy of a ticket or of a token, or with the ticket of somebody who signed out.
pub(super) struct Twin {
    pub name: String,
    credential: Credential,
}

enum Credential {
    Ticket(String),
    Bearer(String),
}

impl People {
    /// Everybody comes to the first gateway, while all is well.
    pub(super) async fn meet(world: &World) -> Self {
        let home = world.url("/");
        let (ada, ticket) = signed_in(world, "ada").await;
        let mut twins: Vec<Twin> =
            BAD_TICKETS.iter().map(|(name, spoil)| Twin::of_ticket(name, spoil(&ticket))).collect();
        let mut script = Caller::new(Form::Script);
        script.browser().set_cookie(&home, TICKET, &ticket);

        let (mut gone, ended) = signed_in(world, "grace").await;
        let heard = gone.post(&world.url("/.candor/logout"), &[], &world.monolith).await;
        assert!(oracle::meets(Outcome::SignedOut, Form::Browser, &heard), "signed out: {}", heard.line());
        twins.push(Twin::of_ticket("ended", ended));

        let bearer = AccessTokenSpec::of("display-4.12");
        let mut display = Caller::bearing(Form::Device, &world.idp.mint(&bearer));
        world.warm_up(&mut display, "/display/calendar").await;
        // A key that nobody knows may be asked for a few times a minute: that is kept for who is good.
        for twin in demo::Twin::ALL.into_iter().filter(|twin| *twin != demo::Twin::UnknownKid) {
            let credential = Credential::Bearer(world.idp.twin(&bearer, twin));
            twins.push(Twin { name: format!("bearer {}", twin.as_str()), credential });
        }
        let (grace, _) = signed_in(world, "grace").await;
        let mut arriving = Caller::new(Form::Browser);
        let callback = world.until_callback(&mut arriving, "grace", "/calendar").await;
        Self { ada, script, display, grace, arriving, callback, twins }
    }

    /// Grace signs out. Her ticket is a bad one from now on.
    pub(super) async fn sign_grace_out(&mut self, world: &World, tally: &mut Tally) {
        let home = world.url("/");
        let ticket = self.grace.browser().cookie(&home, TICKET).expect("Grace is signed in").to_owned();
        let heard = self.grace.post(&world.url("/.candor/logout"), &[], &world.monolith).await;
        tally.good("logout", &heard, "grace", Flow::Logout, Outcome::SignedOutHere, Form::Browser);
        self.twins.push(Twin::of_ticket("ended in the dark", ticket));
    }
}

impl Twin {
    fn of_ticket(how: &str, ticket: String) -> Self {
        Self { name: format!("ticket {how}"), credential: Credential::Ticket(ticket) }
    }

    /// Asks anew, so that no answer takes the credential away. For `path`, or for what such a credential is for.
    pub(super) async fn ask(&self, world: &World, path: Option<&str>) -> Heard {
        match &self.credential {
            Credential::Ticket(ticket) => {
                let mut caller = Caller::new(Form::Browser);
                caller.browser().set_cookie(&world.url("/"), TICKET, ticket);
                world.ask(&mut caller, path.unwrap_or("/calendar")).await
            }
            Credential::Bearer(token) => {
                world.ask(&mut Caller::bearing(Form::Device, token), path.unwrap_or("/display/calendar")).await
            }
        }
    }
}

/// Comes back from the provider, and goes on to where all began.
pub(super) async fn arrive(world: &World, caller: &mut Caller, callback: &Url) -> Heard {
    let heard = caller.get(callback, &world.monolith).await;
    match heard.answer.as_ref().ok().and_then(SeenPage::location) {
        Some(home) if home.path() == "/calendar" => caller.get(&home, &world.monolith).await,
        _ => heard,
    }
}

/// Somebody who has just signed in, and their ticket.
async fn signed_in(world: &World, subject: &str) -> (Caller, String) {
    let mut caller = Caller::new(Form::Browser);
    world.sign_in(&mut caller, subject, "/calendar").await;
    let ticket = caller.browser().cookie(&world.url("/"), TICKET).expect("a ticket").to_owned();
    (caller, ticket)
}
