//! The ways of people: signing in and out, and asking with a ticket.

use std::time::Duration;

use gateway::demo::browser::SeenPage;
use tokio::time::timeout;
use url::Url;
use world::{
    World,
    caller::{Caller, Form, Heard},
};

use super::{
    super::{
        oracle::{self, Complaints},
        table::{CacheState, Cell, Flow, Outcome},
        twins,
    },
    Going, LOGOUT, TICKET, go,
};

/// Later than a session's renewal is due, and soon enough that nobody waits for it.
const RENEWAL_DUE: Duration = Duration::from_secs(16 * 60);

/// So late that it is waited for.
const PAST_GRACE: Duration = Duration::from_secs(30 * 60);

/// How far the good one has come who comes back from the provider.
#[derive(Default)]
pub(super) struct Coming {
    /// Where to.
    pub(super) callback: Option<Url>,
    /// Whether the provider has answered the code.
    pub(super) spent: bool,
    /// The link of the last page on which the sign-in begins once more.
    pub(super) begin: Option<Url>,
    /// Whether they have been served: they are signed in.
    pub(super) arrived: bool,
}

/// How long somebody waits at the provider, who is signed out here already.
const PATIENCE_THERE: Duration = Duration::from_millis(500);

/// Signs out here, and goes on to the provider; as far as that leads.
pub(super) async fn sign_out_everywhere(world: &World, caller: &mut Caller) -> Heard {
    // The last good contact is so long ago that the provider is asked again.
    world.advance(Duration::from_secs(11));
    let here = caller.post(&world.url(LOGOUT), &[], &world.monolith).await;
    let Some(mut there) = here.answer.as_ref().ok().and_then(SeenPage::onward) else { return here };
    if there.scheme() == "https" {
        there = world.at_the_provider(&there);
    }
    match timeout(PATIENCE_THERE, caller.browser().visit(&there)).await {
        Ok(Ok(back)) if back.url.path() == LOGOUT => Heard { answer: Ok(back), reached: here.reached },
        Ok(_) | Err(_) => here,
    }
}

impl Going {
    pub(super) async fn prepare_person(&mut self, world: &mut World, cell: &Cell) {
        match self.flow {
            Flow::SignInBegin => {
                let mut earlier = Caller::new(Form::Browser);
                world.until_callback(&mut earlier, "grace", self.path).await;
                world.until_provider_is_on_disk().await;
            }
            Flow::Callback | Flow::UserinfoCallback => {
                if cell.cache_state == CacheState::Warm {
                    world.sign_in(&mut Caller::new(Form::Browser), "grace", self.path).await;
                }
                let callback = world.until_callback(&mut self.good, &self.subject, self.path).await;
                self.twins = twins::of_callback(world, &callback, self.path).await;
                if self.flow == Flow::UserinfoCallback {
                    self.twins.push(twins::of_another_userinfo(world, self.path).await);
                }
                self.coming.callback = Some(callback);
            }
            _ => {
                let form = self.good.form();
                self.twins = twins::of_earlier_sessions(world, form).await;
                let mut browser = Caller::new(Form::Browser);
                world.sign_in(&mut browser, &self.subject, "/calendar").await;
                let home = world.url("/");
                let ticket = browser.browser().cookie(&home, TICKET).expect("signed in").to_owned();
                self.good.browser().set_cookie(&home, TICKET, &ticket);
                self.twins.extend(twins::of_ticket(world, form, &ticket).await);
                if self.path == "/admin/panel"
                    && matches!(self.flow, Flow::RenewalPastGrace | Flow::UserinfoRenewal)
                    && !cell.breaks_the_token_endpoint()
                {
                    self.twins.push(twins::who_is_disabled(world, form).await);
                }
                self.ticket = Some(ticket);
                match self.flow {
                    Flow::RenewalDue => world.advance(RENEWAL_DUE),
                    Flow::RenewalPastGrace | Flow::UserinfoRenewal => world.advance(PAST_GRACE),
                    Flow::SessionEnd => self.prepare_own_end(world).await,
                    _ => {}
                }
            }
        }
    }

    /// What is wrong with what became of the code, as the provider saw it.
    pub(crate) fn judge_the_code(&self, expected: Outcome, complaints: &mut Complaints) {
        match (expected, self.coming.spent) {
            (Outcome::TryIsKept, true) => complaints.add("the code was spent"),
            (Outcome::TryIsSpent, false) => complaints.add("the provider was never shown the code"),
            _ => {}
        }
    }

    /// The same when it is healed. Who came back while it was broken loads the same address again, or follows the link
    /// of the page if the provider has answered the code. Somebody who signed out has nothing to sign out of, and signs
    /// in first.
    pub(crate) async fn good_again(&mut self, world: &World) -> Heard {
        match self.flow {
            flow if flow.is_a_callback() && self.coming.arrived => world.ask(&mut self.good, self.path).await,
            flow if flow.is_a_callback() && self.coming.spent => {
                let Some(begin) = self.coming.begin.clone() else { return self.good(world).await };
                match world.try_until_callback_from(&mut self.good, &self.subject, &begin).await {
                    Ok(callback) => {
                        self.coming.callback = Some(callback);
                        self.good(world).await
                    }
                    // The provider may not be known to be back yet: then this says so, and the next try comes.
                    Err(Some(seen)) => Heard { answer: Ok(seen), reached: Vec::new() },
                    Err(None) => self.good(world).await,
                }
            }
            Flow::Logout | Flow::LogoutAtProvider => {
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
}
