//! The ways of programs: asking with a bearer token, which anybody can read or only its issuer.

use std::time::Duration;

use gateway::demo::AccessTokenSpec;
use world::{
    World,
    caller::{Caller, Form},
};

use super::{
    super::{
        oracle::{self, Complaints},
        table::Flow,
        twins,
    },
    Going,
};

/// More strangers than a provider may be asked for at once, each later than the back-off after the one before.
const STRANGERS: u32 = 6;
const BETWEEN_STRANGERS: Duration = Duration::from_secs(6);

/// Longer than an issuer is not asked again about a token that is active.
const ASKED_A_WHILE_AGO: Duration = Duration::from_secs(61);

impl Going {
    pub(super) async fn prepare_program(&mut self, world: &mut World) {
        let form = self.good.form();
        if self.flow.is_opaque() {
            return self.prepare_opaque(world).await;
        }
        let bearer = AccessTokenSpec::of(&self.subject).lasting(Duration::from_secs(6 * 3600));
        // Asked where keys are waited for: a route open to anyone waits for nothing.
        let path = if form == Form::Device { "/display/calendar" } else { "/api/calendar" };
        world.warm_up(&mut Caller::bearing(form, &world.idp.mint(&bearer)), path).await;
        if self.flow == Flow::BearerUnknownKid {
            world.idp.rotate();
        }
        self.good = Caller::bearing(form, &world.idp.mint(&bearer));
        self.twins = twins::of_bearer(world, form, &bearer).await;
    }

    async fn prepare_opaque(&mut self, world: &World) {
        let form = self.good.form();
        let bearer = AccessTokenSpec::of(&self.subject).lasting(Duration::from_secs(6 * 3600));
        self.good = Caller::bearing(form, &world.idp.issue_opaque(&bearer));
        self.twins = twins::of_opaque(world, form, &bearer).await;
        if self.flow == Flow::OpaqueKnown {
            world.warm_up(&mut self.good, self.path).await;
        } else {
            // Its issuer is known.
            world.warm_up(&mut Caller::bearing(form, &world.idp.issue_opaque(&bearer)), self.path).await;
        }
        world.advance(ASKED_A_WHILE_AGO);
    }

    /// The outage lasts for a while, in which strangers ask with tokens by keys that nobody ever had: whatever that costs,
    /// it is not what the good one waits for afterwards.
    pub(crate) async fn strangers_while_broken(&self, world: &World, complaints: &mut Complaints) {
        if self.flow != Flow::BearerUnknownKid {
            return;
        }
        for number in 0..STRANGERS {
            let token = world.idp.mint(&AccessTokenSpec::of("mallory").under_kid(&format!("made-up-{number}")));
            let heard = world.ask(&mut Caller::bearing(self.good.form(), &token), self.path).await;
            oracle::judge_twin("broken", self.flow, &heard, "made-up", complaints);
            world.advance(BETWEEN_STRANGERS);
        }
    }
}
