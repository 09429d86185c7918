//! Who asks for what in a round, and what must come of it.

use gateway::demo::{self, AccessTokenSpec, browser::SeenPage};
use world::{
    World,
    caller::{Caller, Form},
    fault_proxy::Break::{self, LoginRedirect, Refused, Reset, Status},
};

use super::{
    people::{People, arrive},
    tally::Tally,
};
use crate::outages::table::{Fault, Flow, Outcome, of_monolith};

impl Tally {
    /// Everybody asks once, with the provider and the store down and the monolith well.
    pub(super) async fn sees_everybody(&mut self, world: &World, people: &mut People) {
        self.sees_the_known(world, people, None).await;
        let callback = &people.callback;
        let heard = people.arriving.get(callback, &world.monolith).await;
        self.good("callback", &heard, "grace", Flow::Callback, Outcome::TryAgain, Form::Browser);
        let newcomer = &mut Caller::new(Form::Browser);
        let asked = world.ask(newcomer, "/calendar").await;
        let login = asked.answer.as_ref().ok().and_then(SeenPage::location);
        let login = login.unwrap_or_else(|| panic!("who has no credential is sent to sign in: {}", asked.line()));
        let heard = newcomer.get(&login, &world.monolith).await;
        self.good("newcomer", &heard, "nobody", Flow::SignInBegin, Outcome::TryAgain, Form::Browser);
        self.sees_the_public_route(world, people).await;
    }

    /// Who is known asks, and who is bad. The monolith may be broken.
    async fn sees_the_known(&mut self, world: &World, people: &mut People, monolith: Option<Break>) {
        let expected = |form| monolith.map_or(Outcome::Served, |how| of_monolith(Fault::Proxy(how), form));
        let heard = world.ask(&mut people.ada, "/calendar").await;
        self.good("ticket", &heard, "ada", Flow::Ticket, expected(Form::Browser), Form::Browser);
        let heard = world.ask(&mut people.script, "/api/calendar").await;
        self.good("ticket of a script", &heard, "ada", Flow::Ticket, expected(Form::Script), Form::Script);
        let heard = world.ask(&mut people.display, "/display/calendar").await;
        let (flow, device) = (Flow::BearerKnownKid, Form::Device);
        self.good("bearer", &heard, "display-4.12", flow, expected(device), device);
        for twin in &people.twins {
            let heard = twin.ask(world, None).await;
            self.twin(&twin.name, &heard);
        }
    }

    /// On a route open to anyone, everybody gets through, and only the good ones in their names.
    async fn sees_the_public_route(&mut self, world: &World, people: &mut People) {
        let (flow, form) = (Flow::PublicRoute, Form::Browser);
        let heard = world.ask(&mut people.ada, "/public/page").await;
        self.good("public route", &heard, "ada", flow, Outcome::Served, form);
        let heard = world.ask(&mut Caller::new(form), "/public/page").await;
        self.good("public route, nobody", &heard, "nobody", flow, Outcome::ServedWithoutName, form);
        for twin in &people.twins {
            let heard = twin.ask(world, Some("/public/page")).await;
            self.twin(&format!("{}, public route", twin.name), &heard);
        }
    }

    /// A token under a key that was published since, and a forged one under a key that never was: nobody can tell them
    /// apart now.
    pub(super) async fn sees_an_unknown_key(&mut self, world: &World) {
        self.round = "unknown key".into();
        let bearer = AccessTokenSpec::of("display-4.12");
        let (flow, form) = (Flow::BearerUnknownKid, Form::Device);
        world.idp.rotate();
        let heard = world.ask(&mut Caller::bearing(form, &world.idp.mint(&bearer)), "/display/calendar").await;
        self.good("bearer of an unknown key", &heard, "display-4.12", flow, Outcome::Unavailable, form);
        let forged = world.idp.twin(&bearer, demo::Twin::UnknownKid);
        let heard = world.ask(&mut Caller::bearing(form, &forged), "/display/calendar").await;
        self.twin("bearer unknown-kid", &heard);
    }

    pub(super) async fn sees_a_broken_monolith(&mut self, world: &World, people: &mut People) {
        for how in [Refused, Reset, Status(401), Status(403), LoginRedirect] {
            self.round = format!("everything down, monolith {}", how.name());
            world.proxies.monolith.break_with(how).await;
            self.sees_the_known(world, people, Some(how)).await;
        }
        world.proxies.monolith.heal().await;
    }

    /// The same credentials as before, and a token under the new key; who was on the way arrives.
    pub(super) async fn sees_everybody_healed(&mut self, world: &World, people: &mut People) {
        self.sees_the_known(world, people, None).await;
        let token = world.token("display-4.12");
        let mut display = Caller::bearing(Form::Device, &token);
        let (flow, form) = (Flow::BearerUnknownKid, Form::Device);
        let heard = self.until_served(flow, form, async || world.ask(&mut display, "/display/calendar").await).await;
        self.good("bearer of the new key", &heard, "display-4.12", flow, Outcome::Served, form);
        let (flow, form) = (Flow::Callback, Form::Browser);
        let (callback, arriving) = (&people.callback, &mut people.arriving);
        let heard = self.until_served(flow, form, async || arrive(world, arriving, callback).await).await;
        self.good("callback", &heard, "grace", flow, Outcome::Served, form);

        let newcomer = &mut Caller::new(form);
        let sign_in = async || match world.try_until_callback(newcomer, "grace", "/calendar").await {
            Ok(callback) => arrive(world, newcomer, &callback).await,
            Err(_) => world.ask(newcomer, "/.candor/login").await,
        };
        let heard = self.until_served(Flow::SignInBegin, form, sign_in).await;
        self.good("newcomer", &heard, "grace", flow, Outcome::Served, form);
    }
}
