//! A gateway whose machine's clock moves, a provider with a clock of its own, and people, scripts and displays who ask.

use std::{sync::atomic::Ordering, time::Duration};

use auth_core::{Clock, Timestamp};
use gateway::demo::AccessTokenSpec;
use world::{
    World,
    caller::{Caller, Form, Heard},
    fault_proxy::Break,
};

use super::{DAY, FALSE_REFUSALS, HOUR, Happens, MINUTE, Provider, Step, WRONGLY_ADMITTED, YEAR};
use crate::outages::{
    oracle,
    table::{Flow, Outcome},
};

/// How long a session lives here.
const A_SESSION: Duration = Duration::from_secs(12 * 3600);

/// Somebody with a credential, and when that is over.
struct Holder {
    name: &'static str,
    caller: Caller,
    path: &'static str,
    until: Timestamp,
}

/// A gateway, its machine's clock, and who asks it.
pub(super) struct Stage {
    world: World,
    provider: Clock,
    /// How far the provider is ahead of the truth.
    ahead: i64,
    holders: Vec<Holder>,
    pub(super) complaints: Vec<String>,
}

impl Stage {
    /// Everything is known and everybody is served, but those whose credentials are over.
    pub(super) async fn set() -> Self {
        let now = Clock::system().now().wall();
        let (clock, provider) = (Clock::standing_at(now), Clock::standing_at(now));
        let world = World::new().secure().clock(clock).provider_clock(provider.clone()).start().await;
        world.until_provider_is_on_disk().await;
        let mut stage = Self { world, provider, ahead: 0, holders: Vec::new(), complaints: Vec::new() };
        stage.somebody_signs_in("a ticket that was over").await;
        stage.world.advance(A_SESSION + seconds(MINUTE));
        stage.confirm_revocations().await;
        stage.somebody_signs_in("a ticket").await;
        stage.somebody_bears("a script's token", Form::Script, "/api/x", -MINUTE, 30 * DAY);
        stage.somebody_bears("a display's token", Form::Device, "/display/x", -MINUTE, 30 * DAY);
        stage.somebody_bears("a display's short token", Form::Device, "/display/x", -2 * HOUR, 2 * HOUR);
        stage.somebody_bears("a script's token that was over", Form::Script, "/api/x", -HOUR, -5 * MINUTE);
        stage.somebody_bears("a display's token that was over", Form::Device, "/display/x", -HOUR, -5 * MINUTE);
        stage.each_is_what_it_is("before anything happens").await;
        stage
    }

    /// Somebody's ticket, which the gateway makes for twelve hours.
    async fn somebody_signs_in(&mut self, name: &'static str) {
        let mut caller = Caller::new(Form::Browser);
        self.world.sign_in(&mut caller, "ada", "/calendar").await;
        self.holders.push(Holder { name, caller, path: "/calendar", until: self.truth() + A_SESSION });
    }

    /// Somebody's token, good from and to so many seconds from now.
    fn somebody_bears(&mut self, name: &'static str, form: Form, path: &'static str, from: i64, to: i64) {
        const LEEWAY: i64 = 30;
        let bearer = AccessTokenSpec::of(name).aged(seconds(-from)).lasting(seconds(to - from));
        let until = self.truth() + seconds(to + LEEWAY) - seconds(-to - LEEWAY);
        self.holders.push(Holder { name, caller: Caller::bearing(form, &self.world.idp.mint(&bearer)), path, until });
    }

    /// What time it truly is.
    fn truth(&self) -> Timestamp {
        Timestamp::from_secs(self.provider.now().wall().as_secs() - self.ahead)
    }

    pub(super) async fn cut_off(&self) {
        for proxy in [&self.world.proxies.discovery, &self.world.proxies.keys, &self.world.proxies.token] {
            proxy.break_with(Break::Refused).await;
        }
    }

    pub(super) async fn connect(&self) {
        for proxy in [&self.world.proxies.discovery, &self.world.proxies.keys, &self.world.proxies.token] {
            proxy.heal().await;
        }
    }

    pub(super) async fn happen(&mut self, step: &Step) {
        let clock = self.world.clock().clone();
        match step.happens {
            Happens::Step(by) => clock.step_wall(by),
            Happens::StepWhileStopped(by) => {
                self.world.stop_gateway().await;
                clock.step_wall(by);
                self.world.start_gateway().await;
            }
            Happens::Pause(time) => {
                clock.pause(seconds(time));
                self.provider.advance(seconds(time));
            }
            Happens::Reboot(took, off) => {
                self.world.stop_gateway().await;
                clock.reboot(seconds(took));
                clock.step_wall(off);
                self.provider.advance(seconds(took));
                self.world.start_gateway().await;
            }
        }
        match step.provider {
            Provider::Right => {}
            Provider::Ahead => {
                self.provider.step_wall(YEAR);
                self.ahead = YEAR;
            }
            Provider::Dateless => self.world.idp.leave_out_date(true),
        }
    }

    pub(super) fn set_right(&mut self, step: &Step) {
        self.world.clock().step_wall(match step.happens {
            Happens::Step(by) | Happens::StepWhileStopped(by) => -by,
            Happens::Reboot(_, off) => -off,
            Happens::Pause(_) => 0,
        });
        self.provider.step_wall(-self.ahead);
        self.ahead = 0;
    }

    /// Somebody signs in, so that the provider is asked; several times, since a back-off goes on for a while. Whether the
    /// clock is beyond doubt then.
    pub(super) async fn hear_the_provider(&self) -> bool {
        let mut beat = tokio::time::interval(Duration::from_millis(20));
        for _ in 0..12 {
            let mut caller = Caller::new(Form::Browser);
            if let Ok(callback) = self.world.try_until_callback(&mut caller, "grace", "/calendar").await {
                // What becomes of it depends on what is the matter with the clock.
                let _ = self.world.ask(&mut caller, &callback[url::Position::BeforePath..]).await;
                if !self.world.clock().now().is_in_doubt() {
                    return true;
                }
            }
            self.world.advance(Duration::from_secs(1));
            beat.tick().await;
        }
        false
    }

    /// Much time has passed, and in a moment the gateway would do this itself.
    async fn confirm_revocations(&self) {
        for _ in 0..10 {
            if self.world.poll_revocations().await {
                return;
            }
        }
    }

    /// Asks for everybody, twice: what the first made us remember must not mislead the second.
    pub(super) async fn ask_all(&mut self, when: &str) {
        for _ in 0..2 {
            for index in 0..self.holders.len() {
                self.ask(index, when).await;
            }
        }
    }

    async fn ask(&mut self, index: usize, when: &str) -> Heard {
        let truth = self.truth();
        let Holder { name, caller, path, until } = &mut self.holders[index];
        let heard = self.world.ask(caller, path).await;
        let blame = oracle::blame(&heard, Flow::BearerKnownKid, Outcome::Served);
        let blame = blame.or((heard.word() == Some("renewal-required")).then_some("was told to renew"));
        if let (true, Some(how)) = (truth < *until, blame) {
            FALSE_REFUSALS.fetch_add(1, Ordering::SeqCst);
            self.complaints.push(format!("{when}, {name} {how}: {}", heard.line()));
        }
        if truth >= *until && !heard.identities().is_empty() {
            WRONGLY_ADMITTED.fetch_add(1, Ordering::SeqCst);
            self.complaints.push(format!("{when}, {name} is over, and was admitted: {}", heard.line()));
        }
        heard
    }

    /// What is good is served, and what is over is told so; a deadline that a busy machine missed is tried again.
    pub(super) async fn each_is_what_it_is(&mut self, when: &str) {
        let mut beat = tokio::time::interval(Duration::from_millis(20));
        for index in 0..self.holders.len() {
            let mut heard = self.ask(index, when).await;
            for _ in 0..20 {
                if !oracle::is_undecided(&heard) {
                    break;
                }
                self.world.advance(Duration::from_secs(1));
                self.confirm_revocations().await;
                beat.tick().await;
                heard = self.ask(index, when).await;
            }
            let Holder { name, until, .. } = &self.holders[index];
            let good = self.truth() < *until;
            let as_it_should = match good {
                true => oracle::meets(Outcome::Served, Form::Script, &heard),
                false => oracle::is_told(Flow::BearerKnownKid, oracle::EXPIRED, &heard),
            };
            if !as_it_should {
                self.complaints.push(format!("{when}, {name} (good: {good}): {}", heard.line()));
            }
        }
    }
}

/// None of a negative number.
fn seconds(number: i64) -> Duration {
    Duration::from_secs(u64::try_from(number).unwrap_or(0))
}
