//! Failing and healing, in virtual time; what happens by itself is waited for.

use std::{
    io,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use tokio::{runtime::Handle, sync::watch, task::yield_now};

use super::*;
use crate::{
    background::Background,
    clock::{Clock, Now},
    dependency::Dependency,
    lock::{lock, without_locks},
    principal::Freshness,
    testing::Folder,
    verdict::Unavailable,
};

const NOON: crate::Timestamp = crate::Timestamp::from_secs(1_800_000_000);
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// Something that can fail, and counts how often it was asked for.
struct Thing {
    /// It is whole from the attempt of this number on.
    whole_from: AtomicUsize,
    asked: watch::Sender<usize>,
    leave_alone: Mutex<Option<Duration>>,
    panics: AtomicBool,
    /// Closed, it keeps attempts waiting.
    gate: watch::Sender<bool>,
}

impl Thing {
    fn heal(&self) {
        self.whole_from.store(0, SeqCst);
    }
}

impl Fetch for Thing {
    type Value = Option<&'static str>;
    async fn fetch(cell: &LastKnownGood<Self>, _now: Now) -> Result<Option<Change<Self::Value>>, FailedAttempt> {
        let thing = cell.source();
        thing.gate.subscribe().wait_for(|open| *open).await.expect("the sender is its own");
        assert!(!thing.panics.load(SeqCst), "planned");
        thing.asked.send_modify(|asked| *asked += 1);
        if *thing.asked.borrow() >= thing.whole_from.load(SeqCst) {
            return Ok(Some(Box::new(|_| Some("it"))));
        }
        let down = Unavailable::because(Dependency::Keys, "planned");
        Err(FailedAttempt::from(down).leaving_alone(*lock(&thing.leave_alone)))
    }

    fn write(&self, known: &Self::Value, _schedule: Schedule) -> io::Result<Vec<u8>> {
        Ok(serde_json::to_vec(known)?)
    }

    fn read(&self, _copy: &[u8]) -> io::Result<(Self::Value, Schedule)> {
        Ok((Some("what was"), Schedule::NEVER))
    }
}

struct Setting {
    cell: LastKnownGood<Thing>,
    clock: Clock,
    _data: Folder,
}

impl Setting {
    fn new() -> Self {
        let (clock, data) = (Clock::standing_at(NOON), Folder::new());
        let thing = Thing {
            whole_from: AtomicUsize::new(usize::MAX),
            asked: watch::Sender::new(0),
            leave_alone: Mutex::default(),
            panics: AtomicBool::new(false),
            gate: watch::Sender::new(true),
        };
        let copy = DiskCopy::of_an_issuer(Some(&data.taken()), "thing", "");
        let (what, cadence) = ("the thing".to_owned(), Cadence::Provider { every: HOUR });
        let cell = LastKnownGood::new(what, thing, cadence, copy, Background::current(), clock.clone());
        Self { cell, clock, _data: data }
    }

    fn thing(&self) -> &Thing {
        self.cell.source()
    }

    async fn ask(&self) -> Result<&'static str, Duration> {
        self.cell.ask(|_, _| Ok(())).await.map_err(|down| down.retry_after)?;
        Ok(self.cell.load().value.expect("it was had"))
    }

    fn asked(&self) -> usize {
        *self.thing().asked.borrow()
    }

    async fn until_asked(&self, times: usize) {
        self.thing().asked.subscribe().wait_for(|asked| *asked >= times).await.expect("the sender is our own");
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
        setting.thing().heal();
        setting.clock.advance(5 * SECOND);
        assert_eq!(setting.ask().await, Ok("it"), "broken for {broken_for} s");
    }
}

#[tokio::test]
async fn the_first_who_asks_waits_for_no_pause_that_grew_while_nobody_did() {
    let setting = Setting::new();
    for _ in 0..20 {
        let _ = setting.cell.refresh().await;
        setting.clock.advance(60 * SECOND);
    }
    let _ = setting.cell.refresh().await;
    setting.thing().heal();
    setting.clock.advance(5 * SECOND);
    assert_eq!(setting.ask().await, Ok("it"));
}

#[tokio::test]
async fn whoever_wants_to_be_left_alone_is() {
    let setting = Setting::new();
    *lock(&setting.thing().leave_alone) = Some(30 * SECOND);
    assert_eq!(setting.ask().await, Err(30 * SECOND));
    setting.thing().heal();
    setting.clock.advance(29 * SECOND);
    assert_eq!(setting.ask().await, Err(SECOND));
    setting.clock.advance(SECOND);
    assert_eq!(setting.ask().await, Ok("it"));
    assert_eq!(setting.asked(), 2);
}

#[tokio::test]
async fn a_panic_is_backed_off_from_like_any_failure() {
    let setting = Setting::new();
    setting.thing().panics.store(true, SeqCst);
    for _ in 0..20 {
        let lost = setting.cell.ask(|_, _| Ok(())).await.expect_err("it panics");
        assert_eq!(lost.dependency, Dependency::Background);
    }
    assert_eq!(setting.ask().await.expect_err("not yet").as_secs(), 0, "the first pause is short");
    setting.thing().panics.store(false, SeqCst);
    setting.thing().heal();
    setting.clock.advance(SECOND);
    assert_eq!(setting.ask().await, Ok("it"));
}

#[tokio::test]
async fn an_attempt_from_before_says_nothing_about_now() {
    let setting = Setting::new();
    setting.thing().whole_from.store(2, SeqCst);
    setting.thing().gate.send_replace(false);
    let first = setting.ask();
    let second = async {
        setting.clock.advance(5 * SECOND);
        let opening = async { setting.thing().gate.send_replace(true) };
        tokio::join!(setting.ask(), opening).0
    };
    let (first, second) = tokio::join!(first, second);
    assert!(first.is_err(), "its own attempt failed");
    assert!(matches!(second, Ok("it")), "it joined that one, which was old, and made another");
}

#[tokio::test]
async fn nobodys_request_is_needed_for_the_next_attempt() {
    let setting = Setting::new();
    setting.cell.start();
    setting.until_asked(1).await;
    setting.thing().heal();
    setting.until_asked(2).await;
    assert_eq!(setting.ask().await, Ok("it"));
}

#[tokio::test]
async fn whoever_asks_in_vain_wakes_who_waits_longer() {
    let setting = Setting::new();
    for _ in 0..10 {
        let _ = setting.cell.refresh().await;
    }
    // By the clock that stands still it would wait for three quarters of a minute at least.
    setting.cell.start();
    setting.clock.advance(3 * SECOND);
    let _ = setting.ask().await.expect_err("it is not due");
    setting.until_asked(11).await;
}

/// As a configuration that is replaced by a later one, which names the same issuer.
#[tokio::test]
async fn handles_share_one_cell_and_its_loop_ends_with_the_last_of_them() {
    let tasks = || Handle::current().metrics().num_alive_tasks();
    let setting = Setting::new();
    let later = setting.cell.clone();
    setting.thing().heal();
    let mut asked = later.source().asked.subscribe();
    setting.cell.start();
    later.start();
    assert_eq!(tasks(), 1, "there is one loop, whoever starts it");
    setting.until_asked(1).await;
    let Setting { cell: earlier, clock, _data } = setting;
    assert_eq!(later.load().value, Some("it"), "what one handle learned, all know");
    drop(earlier);
    // Doubt wakes the loop.
    clock.step_wall(3600);
    clock.now();
    asked.wait_for(|asked| *asked == 2).await.expect("the loop goes on for the handle that is left");
    drop(later);
    while asked.changed().await.is_ok() {}
    while tasks() > 0 {
        yield_now().await;
    }
}

#[tokio::test]
async fn a_reader_takes_no_lock_whatever_a_writer_holds() {
    let setting = Setting::new();
    let cell = &setting.cell;
    let writing = cell.0.written.lock().await;
    setting.thing().heal();
    let asking = tokio::spawn({
        let cell = cell.clone();
        async move { cell.ask(|_, _| Ok(())).await }
    });
    setting.until_asked(1).await;
    let now = setting.clock.now();
    without_locks(|| {
        let snapshot = cell.load();
        assert_eq!(snapshot.value, Some("it"), "memory does not wait for the disk");
        assert_eq!(cell.freshness(&snapshot, Dependency::Keys, now), Freshness::Live);
        cell.want(now);
    });
    assert!(!asking.is_finished(), "the disk is not done");
    drop(writing);
    asking.await.expect("it does not panic").expect("it is whole");
}
