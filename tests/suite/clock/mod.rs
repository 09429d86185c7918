//! A clock that moves, as the gateway's machine has one: set forward and back, running and across a restart, paused,
//! started again; beside a provider whose own clock is right, a year ahead, or not told.
//!
//! In each, good credentials and some that are over meet the running program three times: before anybody can say what
//! time it is, when providers can, and when the clock is right again. What is good is never refused, what is over by
//! the true time is never admitted; and in the end each is what it is.

mod by_hand;
mod stage;
mod together;

use std::sync::atomic::{AtomicUsize, Ordering};

use libtest_mimic::Trial;

use self::stage::Stage;
use crate::in_a_runtime;

static STEPS: AtomicUsize = AtomicUsize::new(0);
static FALSE_REFUSALS: AtomicUsize = AtomicUsize::new(0);
static WRONGLY_ADMITTED: AtomicUsize = AtomicUsize::new(0);

/// Fewer are no test.
const LEAST: usize = 14;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const YEAR: i64 = 365 * DAY;

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
        in_a_runtime("clock::accepted_by_hand", by_hand::accepted),
        in_a_runtime("clock::wrong_together_with_the_provider", together::wrong_together_with_the_provider),
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
