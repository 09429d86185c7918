//! Failing and healing, in virtual time; what happens by itself is waited for.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use tokio::sync::watch;

use super::*;
use crate::{background::Background, clock::Clock, dependency::Dependency, lock::lock, verdict::Unavailable};

const NOON: crate::Timestamp = crate::Timestamp::from_secs(1_800_000_000);
const SECOND: Duration = Duration::from_secs(1);

/// Something that can fail, and counts how often it was asked for.
#[derive(Default)]
struct Thing {
    whole: AtomicBool,
    asked: watch::Sender<usize>,
    leave_alone: Mutex<Option<Duration>>,
}

impl Thing {
    async fn get(self: Arc<Self>) -> Result<&'static str, FailedAttempt> {
        self.asked.send_modify(|asked| *asked += 1);
        if self.whole.load(SeqCst) {
            return Ok("it");
        }
        let down = Unavailable::because(Dependency::Keys, "planned");
        Err(FailedAttempt::from(down).leaving_alone(*lock(&self.leave_alone)))
    }
}

struct Setting {
    thing: Arc<Thing>,
    clock: Clock,
    attempts: Attempts<&'static str>,
}

impl Setting {
    fn new() -> Self {
        let clock = Clock::standing_at(NOON);
        let attempts = Attempts::new("the thing".to_owned(), Background::current(), clock.clone());
        Self { thing: Arc::default(), clock, attempts }
    }

    async fn ask(&self) -> Result<&'static str, Duration> {
        let thing = || Arc::clone(&self.thing).get();
        self.attempts.ask(|_, _| Ok(()), thing).await.map_err(|down| down.retry_after)
    }

    fn asked(&self) -> usize {
        *self.thing.asked.borrow()
    }

    /// Begins to make the attempts by themselves: the first at once, and the next an hour after it went well.
    fn keep(&self) {
        let due_in = |thing: &Thing, _| if *thing.asked.borrow() == 0 { Duration::ZERO } else { 3600 * SECOND };
        self.attempts.keep(Arc::downgrade(&self.thing), due_in, Thing::get);
    }

    async fn until_asked(&self, times: usize) {
        self.thing.asked.subscribe().wait_for(|asked| *asked >= times).await.expect("the sender is our own");
    }
}

#[tokio::test]
async fn no_number_of_asks_makes_more_attempts() {
    let setting = Setting::new();
    let mut longest = Duration::ZERO;
    for seconds in 0..120 {
        for _ in 0..50 {
            let wait = setting.ask().await.expect_err("it is broken");
            assert!(!wait.is_zero() && wait <= 5 * SECOND, "{wait:?} after {seconds} s");
            longest = longest.max(wait);
        }
        setting.clock.advance(SECOND);
    }
    assert!((24..=34).contains(&setting.asked()), "{} attempts in two minutes", setting.asked());
    assert!(longest > 3 * SECOND, "{longest:?}");
}

#[tokio::test]
async fn whoever_asks_five_seconds_after_it_healed_is_served() {
    for broken_for in [0, 1, 7, 600] {
        let setting = Setting::new();
        let _ = setting.ask().await.expect_err("it is broken");
        for _ in 0..broken_for {
            setting.clock.advance(SECOND);
            let _ = setting.ask().await.expect_err("it is broken");
        }
        setting.thing.whole.store(true, SeqCst);
        setting.clock.advance(5 * SECOND);
        assert_eq!(setting.ask().await, Ok("it"), "broken for {broken_for} s");
    }
}

#[tokio::test]
async fn the_first_who_asks_waits_for_no_pause_that_grew_while_nobody_did() {
    let setting = Setting::new();
    for _ in 0..20 {
        let _ = setting.attempts.make(|| Arc::clone(&setting.thing).get()).await;
        setting.clock.advance(60 * SECOND);
    }
    let _ = setting.attempts.make(|| Arc::clone(&setting.thing).get()).await;
    setting.thing.whole.store(true, SeqCst);
    setting.clock.advance(5 * SECOND);
    assert_eq!(setting.ask().await, Ok("it"));
}

#[tokio::test]
async fn whoever_wants_to_be_left_alone_is() {
    let setting = Setting::new();
    *lock(&setting.thing.leave_alone) = Some(30 * SECOND);
    assert_eq!(setting.ask().await, Err(30 * SECOND));
    setting.thing.whole.store(true, SeqCst);
    setting.clock.advance(29 * SECOND);
    assert_eq!(setting.ask().await, Err(SECOND));
    setting.clock.advance(SECOND);
    assert_eq!(setting.ask().await, Ok("it"));
    assert_eq!(setting.asked(), 2);
}

#[tokio::test]
async fn a_panic_is_backed_off_from_like_any_failure() {
    let setting = Setting::new();
    for _ in 0..20 {
        let panicking = || async {
            setting_off();
            Ok("never")
        };
        let lost = setting.attempts.ask(|_, _| Ok(()), panicking).await.expect_err("it panics");
        assert_eq!(lost.dependency, Dependency::Background);
    }
    assert_eq!(setting.ask().await.expect_err("not yet").as_secs(), 0, "the first pause is short");
    setting.thing.whole.store(true, SeqCst);
    setting.clock.advance(SECOND);
    assert_eq!(setting.ask().await, Ok("it"));
}

fn setting_off() {
    panic!("planned");
}

#[tokio::test]
async fn an_attempt_from_before_says_nothing_about_now() {
    let setting = Setting::new();
    let (open, gate) = watch::channel(false);
    let hanging = {
        let thing = Arc::clone(&setting.thing);
        move || {
            let (thing, mut gate) = (Arc::clone(&thing), gate.clone());
            async move {
                let _ = gate.wait_for(|open| *open).await;
                thing.get().await
            }
        }
    };
    let first = setting.attempts.ask(|_, _| Ok(()), &hanging);
    let second = async {
        setting.clock.advance(5 * SECOND);
        let healing = || {
            setting.thing.whole.store(true, SeqCst);
            Arc::clone(&setting.thing).get()
        };
        let asked = setting.attempts.ask(|_, _| Ok(()), healing);
        let opening = async { open.send(true).expect("it waits") };
        tokio::join!(asked, opening).0
    };
    let (first, second) = tokio::join!(first, second);
    assert!(first.is_err(), "its own attempt failed");
    assert!(matches!(second, Ok("it")), "it joined that one, which was old, and made another");
}

#[tokio::test]
async fn nobodys_request_is_needed_for_the_next_attempt() {
    let setting = Setting::new();
    setting.keep();
    setting.until_asked(1).await;
    setting.thing.whole.store(true, SeqCst);
    setting.until_asked(2).await;
    assert_eq!(setting.ask().await, Ok("it"));
}

#[tokio::test]
async fn whoever_asks_in_vain_wakes_who_waits_longer() {
    let setting = Setting::new();
    for _ in 0..10 {
        let _ = setting.attempts.make(|| Arc::clone(&setting.thing).get()).await;
    }
    // By the clock that stands still it would wait for three quarters of a minute at least.
    setting.keep();
    setting.clock.advance(3 * SECOND);
    let _ = setting.ask().await.expect_err("it is not due");
    setting.until_asked(11).await;
}
