//! A clock that moves, as the gateway's machine has one: set forward and back, running and across a restart, paused,
//! started again; beside a provider whose own clock is right, a year ahead, or not told.
//!
//! In each, good credentials and some that are over meet the running program three times: before anybody can say what
//! time it is, when providers can, and when the clock is right again. What is good is never refused, what is over by
//! the true time is never admitted; and in the end each is what it is.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use auth_core::{Clock, Timestamp, held::Held};
use gateway::demo::Bearer;
use libtest_mimic::Trial;
use world::{
    World,
    caller::{Caller, Form, Heard},
    process::{self, Process},
    wire::Break,
};

use crate::{
    in_a_runtime,
    outages::{
        oracle,
        table::{Flow, Outcome},
    },
};

static STEPS: AtomicUsize = AtomicUsize::new(0);
static FALSE_REFUSALS: AtomicUsize = AtomicUsize::new(0);
static WRONGLY_ADMITTED: AtomicUsize = AtomicUsize::new(0);

/// Fewer are no test.
const LEAST: usize = 14;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const YEAR: i64 = 365 * DAY;

/// How long a session lives here.
const A_SESSION: Duration = Duration::from_secs(12 * 3600);

/// What happens to the gateway's machine.
#[derive(Clone, Copy)]
enum Happens {
    /// Its wall clock is set wrong, by so many seconds.
    Step(i64),
    /// The same, while the gateway is stopped.
    StepWhileStopped(i64),
    /// It is paused for so many seconds. Its wall clock is right afterwards.
    Pause(i64),
    /// It is started again, which takes so many seconds, and its wall clock is so many off.
    Reboot(i64, i64),
}

/// What the provider says of the time.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Provider {
    Right,
    /// Its clock is a year ahead.
    Ahead,
    /// It sends no `Date`.
    Dateless,
}

/// One thing that happens.
struct Step {
    name: &'static str,
    happens: Happens,
    provider: Provider,
}

/// Somebody with a credential, and when that is over.
struct Holder {
    name: &'static str,
    caller: Caller,
    path: &'static str,
    until: Timestamp,
}

/// A gateway, its machine's clock, and who asks it.
struct Stage {
    world: World,
    provider: Clock,
    /// How far the provider is ahead of the truth.
    ahead: i64,
    holders: Vec<Holder>,
    complaints: Vec<String>,
}

const fn step(name: &'static str, happens: Happens) -> Step {
    Step { name, happens, provider: Provider::Right }
}

const STEPS_OF_ALL_KINDS: &[Step] = &[
    step("ten_minutes_forward", Happens::Step(10 * MINUTE)),
    step("ten_minutes_back", Happens::Step(-10 * MINUTE)),
    step("thirteen_hours_forward", Happens::Step(13 * HOUR)),
    step("a_day_forward", Happens::Step(DAY)),
    step("a_day_back", Happens::Step(-DAY)),
    step("a_year_forward", Happens::Step(YEAR)),
    step("a_year_back", Happens::Step(-YEAR)),
    step("ten_minutes_forward_while_stopped", Happens::StepWhileStopped(10 * MINUTE)),
    step("ten_minutes_back_while_stopped", Happens::StepWhileStopped(-10 * MINUTE)),
    step("a_day_forward_while_stopped", Happens::StepWhileStopped(DAY)),
    step("a_day_back_while_stopped", Happens::StepWhileStopped(-DAY)),
    step("a_year_forward_while_stopped", Happens::StepWhileStopped(YEAR)),
    step("paused_for_ten_minutes", Happens::Pause(10 * MINUTE)),
    step("paused_for_thirteen_hours", Happens::Pause(13 * HOUR)),
    step("started_again_after_an_hour", Happens::Reboot(HOUR, 0)),
    step("started_again_after_thirteen_hours", Happens::Reboot(13 * HOUR, 0)),
    step("started_again_in_1970", Happens::Reboot(13 * HOUR, -50 * YEAR)),
    Step {
        name: "a_year_forward_and_a_provider_without_date",
        happens: Happens::Step(YEAR),
        provider: Provider::Dateless,
    },
    Step { name: "a_provider_a_year_ahead", happens: Happens::Step(0), provider: Provider::Ahead },
    Step { name: "a_day_forward_and_a_provider_a_year_ahead", happens: Happens::Step(DAY), provider: Provider::Ahead },
];

pub(crate) fn tests() -> Vec<Trial> {
    let steps = STEPS_OF_ALL_KINDS;
    let steps = steps.iter().map(|step| in_a_runtime(&format!("clock::{}", step.name), || run(step)));
    let others = [
        in_a_runtime("clock::accepted_by_hand", accepted_by_hand),
        in_a_runtime("clock::wrong_together_with_the_provider", wrong_together_with_the_provider),
    ];
    steps.chain(others).collect()
}

/// The last line, if any step was made: what came of them. Whether the goal is met.
#[must_use]
pub(crate) fn sum_up() -> bool {
    let [steps, refused, admitted] =
        [&STEPS, &FALSE_REFUSALS, &WRONGLY_ADMITTED].map(|counter| counter.load(Ordering::SeqCst));
    if steps > 0 {
        println!("clock: {steps} steps, {refused} false refusals, {admitted} wrongly admitted");
    }
    refused + admitted == 0 && STEPS_OF_ALL_KINDS.len() >= LEAST
}

async fn run(step: &'static Step) {
    let mut stage = Stage::set().await;
    stage.cut_off().await;
    stage.happen(step).await;
    stage.ask_all("while nobody can say what time it is").await;
    stage.connect().await;
    let knows = stage.hear_the_provider().await;
    stage.ask_all("when the provider has been heard").await;
    assert_eq!(knows, step.ends_by_the_provider(), "whether the provider's word is enough");
    if knows {
        stage.each_is_what_it_is("when the provider has been heard").await;
    }
    stage.set_right(step);
    stage.ask_all("when the clock is right again").await;
    assert!(stage.hear_the_provider().await, "a right clock and a right provider end every doubt");
    stage.each_is_what_it_is("when the clock is right again").await;
    STEPS.fetch_add(1, Ordering::SeqCst);
    assert!(stage.complaints.is_empty(), "{}:\n  {}", step.name, stage.complaints.join("\n  "));
}

impl Step {
    /// Whether a provider can say which reading is right: one that is right itself, where one of the two is.
    fn ends_by_the_provider(&self) -> bool {
        let one_is_right = !matches!(self.happens, Happens::Reboot(_, off) if off != 0);
        match self.provider {
            Provider::Right | Provider::Dateless => one_is_right,
            Provider::Ahead => matches!(self.happens, Happens::Step(0)),
        }
    }
}

impl Stage {
    /// Everything is known and everybody is served, but those whose credentials are over.
    async fn set() -> Self {
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
        let bearer = Bearer::of(name).aged(seconds(-from)).lasting(seconds(to - from));
        let until = self.truth() + seconds(to + LEEWAY) - seconds(-to - LEEWAY);
        self.holders.push(Holder { name, caller: Caller::bearing(form, &self.world.idp.mint(&bearer)), path, until });
    }

    /// What time it truly is.
    fn truth(&self) -> Timestamp {
        Timestamp::from_secs(self.provider.now().wall().as_secs() - self.ahead)
    }

    async fn cut_off(&self) {
        for wire in [&self.world.wires.discovery, &self.world.wires.keys, &self.world.wires.token] {
            wire.break_with(Break::Refused).await;
        }
    }

    async fn connect(&self) {
        for wire in [&self.world.wires.discovery, &self.world.wires.keys, &self.world.wires.token] {
            wire.heal().await;
        }
    }

    async fn happen(&mut self, step: &Step) {
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

    fn set_right(&mut self, step: &Step) {
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
    async fn hear_the_provider(&self) -> bool {
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
    async fn ask_all(&mut self, when: &str) {
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
    async fn each_is_what_it_is(&mut self, when: &str) {
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

/// The provider stands on the same machine, so its clock is as wrong, and its word is believed. The mass-refusal guard
/// counts who expires by that: beyond its first few nobody loses anything.
async fn wrong_together_with_the_provider() {
    const PEOPLE: usize = 25;
    let mut world = World::new().secure().standing_clock().start().await;
    world.until_provider_is_on_disk().await;
    let mut people: Vec<_> = (0..PEOPLE).map(|_| Caller::new(Form::Browser)).collect();
    for person in &mut people {
        world.sign_in(person, "ada", "/calendar").await;
    }
    let clock = world.clock().clone();
    let believed = async |world: &mut World| {
        let mut beat = tokio::time::interval(Duration::from_millis(20));
        for _ in 0..50 {
            let seen = world.try_until_callback(&mut Caller::new(Form::Browser), "grace", "/calendar").await;
            if seen.is_ok() && !clock.now().is_in_doubt() {
                return;
            }
            world.advance(Duration::from_secs(1));
            beat.tick().await;
        }
        panic!("the provider is never believed");
    };
    clock.step_wall(13 * HOUR);
    believed(&mut world).await;
    let mut lost = 0;
    for person in &mut people {
        let heard = world.ask(person, "/calendar").await;
        lost += usize::from(heard.answer.is_ok_and(|seen| !seen.deleted_cookies().is_empty()));
    }
    assert_eq!(lost, Held::FEW - 1);
    clock.step_wall(-13 * HOUR);
    believed(&mut world).await;
    for person in &mut people[lost..] {
        world.warm_up(person, "/calendar").await;
    }
}

/// By a command, while the gateway runs and while it does not. The machine's clock cannot be stepped in a test, but what
/// was written of it can.
async fn accepted_by_hand() {
    let world = World::new().prepare().await;
    let config = world.write_config();
    let says = |arguments: &[&str], expected: &str| {
        let (status, said) = process::run(arguments, &config);
        assert!(status.success() && said.contains(expected), "{arguments:?}: {said}");
    };
    let step_what_was_written = || {
        let path = world.folder().join("data/clock");
        let mut record: serde_json::Value =
            serde_json::from_slice(&std::fs::read(&path).expect("it was written")).expect("JSON");
        let anchor = &mut record["reckoning"]["anchor"];
        *anchor = (anchor.as_i64().expect("a number") - 2 * DAY * 1000).into();
        std::fs::write(&path, record.to_string()).expect("it can be written");
    };
    let mut process = Process::start(&config);
    process.serving().await;
    says(&["clock"], "they agree");
    process.stop().await;
    step_what_was_written();
    let mut process = Process::start(&config);
    process.serving().await;
    says(&["clock"], "in doubt");
    says(&["clock", "accept"], "they agree");
    let said = String::from_utf8_lossy(&process.said()).into_owned();
    assert!(said.contains("clock-doubt"), "the alarm rang: {said}");
    assert!(said.contains("ClockAccept"), "the gateway was asked: {said}");
    process.kill();
    says(&["clock"], "they agree");
    step_what_was_written();
    says(&["clock"], "in doubt");
    says(&["clock", "accept"], "they agree");
    let mut process = Process::start(&config);
    process.serving().await;
    says(&["clock"], "they agree");
}

/// None of a negative number.
fn seconds(number: i64) -> Duration {
    Duration::from_secs(u64::try_from(number).unwrap_or(0))
}
