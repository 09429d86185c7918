use super::*;
use crate::testing::Folder;

const NOON: Timestamp = Timestamp::from_secs(1_700_000_000);
const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

fn seconds(number: i64) -> Duration {
    Duration::from_secs(number.unsigned_abs())
}

/// A provider says that it is `truth`, to the second.
fn says(clock: &Clock, truth: Timestamp) {
    clock.hear(Witness { from: truth, to: truth + seconds(1) }, "idp.example");
}

fn standing(clock: &Clock) -> ReadingsState {
    clock.now().standing
}

#[test]
fn a_moment_is_past_when_it_is_reached() {
    let moment = Timestamp::from_secs(100);
    let check = |at, expected| assert_eq!(Now::at(Timestamp::from_millis(at)).past(moment), expected, "{at}");
    check(99_999, Past::No);
    check(100_000, Past::Yes);
    check(100_001, Past::Yes);
}

#[test]
fn clones_of_a_standing_clock_move_together() {
    let clock = Clock::standing_at(Timestamp::from_secs(7));
    let other = clock.clone();
    clock.advance(Duration::from_secs(3));
    assert_eq!(other.now().wall(), Timestamp::from_secs(10));
    assert_eq!(other.now().steady().since(Steady::from_millis(7000)), Duration::from_secs(3));
}

#[test]
fn what_one_reading_calls_over_is_in_doubt() {
    let check = |step: i64, moment: i64, expected: Past| {
        let clock = Clock::standing_at(NOON);
        clock.step_wall(step);
        assert_eq!(clock.now().past(Timestamp::from_secs(NOON.as_secs() + moment)), expected, "{step} {moment}");
    };
    check(13 * HOUR, 12 * HOUR, Past::InDoubt);
    check(13 * HOUR, 14 * HOUR, Past::No);
    check(13 * HOUR, 0, Past::Yes);
    check(-600, -300, Past::InDoubt);
    check(-600, -600, Past::Yes);
    check(-600, 1, Past::No);
    check(20, 10, Past::InDoubt);
}

#[test]
fn doubt_begins_beyond_thirty_seconds_and_ends_where_the_wall_clock_returns() {
    let check = |step, expected| {
        let clock = Clock::standing_at(NOON);
        clock.step_wall(step);
        assert_eq!(clock.now().is_in_doubt(), expected, "{step}");
        clock.step_wall(-step);
        assert_eq!(standing(&clock), ReadingsState::Agreed, "{step}");
    };
    check(30, false);
    check(31, true);
    check(-30, false);
    check(-31, true);
    check(365 * DAY, true);
}

#[test]
fn doubt_does_not_flutter_at_its_edge() {
    let clock = Clock::standing_at(NOON);
    clock.pause(Duration::from_millis(30_001));
    assert!(clock.now().is_in_doubt());
    clock.step_wall(-1);
    assert!(clock.now().is_in_doubt(), "a reading earlier or later is no return");
    clock.step_wall(-1);
    assert_eq!(standing(&clock), ReadingsState::Agreed);
    clock.step_wall(2);
    assert!(clock.now().is_in_doubt(), "and this is doubt again");
}

#[test]
fn a_step_moves_neither_the_steady_line_nor_what_is_made_now() {
    let clock = Clock::standing_at(NOON);
    let before = clock.now().steady();
    clock.step_wall(DAY);
    assert_eq!(clock.now().steady(), before);
    assert_eq!(clock.now().earlier(), NOON);
    clock.step_wall(-2 * DAY);
    assert_eq!(clock.now().steady(), before);
    assert_eq!(clock.now().earlier(), NOON - seconds(DAY));
}

#[test]
fn a_witness_chooses_the_anchor() {
    let clock = Clock::standing_at(NOON);
    clock.step_wall(DAY);
    says(&clock, NOON + seconds(10));
    assert_eq!(standing(&clock), ReadingsState::Contradicted);
    assert_eq!((clock.now().wall(), clock.now().past(NOON + seconds(1))), (NOON, Past::No));
    clock.advance(seconds(HOUR));
    assert_eq!(standing(&clock), ReadingsState::Contradicted, "as long as the wall clock is wrong");
    clock.step_wall(HOUR);
    assert!(clock.now().is_in_doubt(), "this is another reading than the one that was contradicted");
    clock.step_wall(-DAY - HOUR);
    assert_eq!(standing(&clock), ReadingsState::Agreed);
}

#[test]
fn a_witness_chooses_the_wall_clock() {
    let clock = Clock::standing_at(NOON);
    clock.pause(seconds(13 * HOUR));
    says(&clock, NOON + seconds(13 * HOUR));
    assert_eq!(standing(&clock), ReadingsState::Agreed);
    assert_eq!(clock.now().past(NOON + seconds(12 * HOUR)), Past::Yes);
    assert!(clock.now().expiry_may_be_a_mistake(), "for ten minutes");
    clock.advance(seconds(600));
    assert!(!clock.now().expiry_may_be_a_mistake());
}

#[test]
fn a_witness_that_fits_neither_moves_nothing() {
    let check = |step: i64, truth: i64, expected: ReadingsState| {
        let clock = Clock::standing_at(NOON);
        clock.step_wall(step);
        says(&clock, Timestamp::from_secs(NOON.as_secs() + truth));
        assert_eq!(standing(&clock), expected, "{step} {truth}");
        assert_eq!(
            clock.now().past(NOON + seconds(1)) == Past::No,
            step == 0 || expected == ReadingsState::Contradicted
        );
    };
    check(0, 365 * DAY, ReadingsState::Agreed);
    check(DAY, 365 * DAY, ReadingsState::Doubted);
    check(DAY, -DAY, ReadingsState::Doubted);
    check(DAY, 15, ReadingsState::Contradicted);
    check(DAY, -16, ReadingsState::Contradicted);
    check(DAY, 16, ReadingsState::Doubted);
    check(DAY, -17, ReadingsState::Doubted);
    check(DAY, DAY + 15, ReadingsState::Agreed);
}

#[test]
fn a_witness_that_fits_both_chooses_none() {
    let clock = Clock::standing_at(NOON);
    clock.step_wall(600);
    clock.hear(Witness { from: NOON, to: NOON + seconds(HOUR) }, "a cache may have kept this for an hour");
    assert_eq!(standing(&clock), ReadingsState::Doubted);
}

#[test]
fn of_two_that_contradict_each_other_none_is_believed() {
    let clock = Clock::standing_at(NOON);
    clock.step_wall(DAY);
    says(&clock, NOON);
    says(&clock, NOON + seconds(DAY));
    assert_eq!(standing(&clock), ReadingsState::Doubted);
    assert_eq!(clock.now().past(NOON + seconds(HOUR)), Past::InDoubt);
    says(&clock, NOON + seconds(DAY));
    assert_eq!(standing(&clock), ReadingsState::Doubted, "neither is believed any more");

    let clock = Clock::standing_at(NOON);
    clock.step_wall(DAY);
    says(&clock, NOON + seconds(DAY));
    says(&clock, NOON);
    assert_eq!(clock.now().past(NOON + seconds(HOUR)), Past::InDoubt);
    clock.accept();
    assert_eq!(clock.now().past(NOON + seconds(HOUR)), Past::Yes, "an operator ends it");
    says(&clock, NOON);
    assert_eq!(standing(&clock), ReadingsState::Agreed, "whose word stands");
}

#[test]
fn small_steps_that_a_witness_confirms_do_not_add_up() {
    let clock = Clock::standing_at(NOON);
    for step in 1..=10 {
        clock.step_wall(25);
        says(&clock, clock.now().wall());
        assert_eq!(standing(&clock), ReadingsState::Agreed, "{step}");
    }
    let clock = Clock::standing_at(NOON);
    clock.step_wall(25);
    clock.step_wall(25);
    assert!(clock.now().is_in_doubt());
}

#[test]
fn within_one_boot_the_anchor_goes_on_across_restarts() {
    let data = Folder::new();
    let before = Clock::standing_at(NOON);
    before.keep_in(data.path());
    before.write().expect("it is written");
    before.step_wall(DAY);
    before.advance(seconds(HOUR));
    let steady = before.now().steady();
    let after = before.clone();
    after.keep_in(data.path());
    assert!(after.now().is_in_doubt());
    assert_eq!(after.now().earlier(), NOON + seconds(HOUR));
    assert_eq!(after.now().steady(), steady);
}

#[test]
fn what_a_witness_said_is_not_forgotten_by_a_restart() {
    let data = Folder::new();
    let clock = Clock::standing_at(NOON);
    clock.keep_in(data.path());
    clock.step_wall(DAY);
    says(&clock, NOON);
    clock.write().expect("it is written");
    clock.keep_in(data.path());
    assert_eq!(standing(&clock), ReadingsState::Contradicted);
}

#[test]
fn after_a_start_of_the_machine_the_anchor_goes_on_from_the_time_last_written() {
    let data = Folder::new();
    let clock = Clock::standing_at(NOON);
    clock.keep_in(data.path());
    clock.write().expect("it is written");
    clock.reboot(seconds(HOUR));
    clock.keep_in(data.path());
    assert_eq!(clock.now().past(NOON), Past::Yes, "it was over when the machine went down");
    assert_eq!(clock.now().past(NOON + seconds(HOUR / 2)), Past::InDoubt);
    assert_eq!(clock.now().past(NOON + seconds(2 * HOUR)), Past::No);
    says(&clock, clock.readings().wall);
    assert_eq!(clock.now().past(NOON + seconds(HOUR / 2)), Past::Yes);
}

#[test]
fn a_machine_that_starts_in_1970_knows_nothing_until_its_clock_is_set() {
    let data = Folder::new();
    let clock = Clock::standing_at(NOON);
    clock.keep_in(data.path());
    clock.write().expect("it is written");
    clock.reboot(seconds(HOUR));
    clock.step_wall(-NOON.as_secs());
    clock.keep_in(data.path());
    let check = |expected: Past, moments: &[Timestamp]| {
        moments.iter().for_each(|moment| assert_eq!(clock.now().past(*moment), expected, "{moment:?}"));
    };
    check(Past::InDoubt, &[NOON - seconds(DAY), NOON + seconds(60), NOON + seconds(DAY)]);
    says(&clock, NOON + seconds(HOUR));
    check(Past::InDoubt, &[NOON - seconds(DAY), NOON + seconds(60), NOON + seconds(DAY)]);
    clock.step_wall(NOON.as_secs());
    check(Past::Yes, &[NOON - seconds(DAY)]);
    check(Past::InDoubt, &[NOON + seconds(60)]);
    check(Past::No, &[NOON + seconds(DAY)]);
    says(&clock, NOON + seconds(HOUR + 10));
    check(Past::Yes, &[NOON + seconds(60)]);
}

#[test]
fn a_first_start_takes_the_wall_clock_at_its_word_and_garbage_is_no_record() {
    let data = Folder::new();
    let clock = Clock::standing_at(NOON);
    clock.step_wall(DAY);
    clock.keep_in(data.path());
    assert_eq!((standing(&clock), clock.now().earlier()), (ReadingsState::Agreed, NOON + seconds(DAY)));
    std::fs::write(data.path().join("clock"), b"{half").expect("the folder is there");
    clock.step_wall(DAY);
    clock.keep_in(data.path());
    assert_eq!(standing(&clock), ReadingsState::Agreed);
}

#[test]
fn ages_count_what_the_machine_slept_through_once_that_is_proven() {
    let clock = Clock::standing_at(NOON);
    let confirmed = clock.now().steady();
    let due = confirmed + seconds(HOUR);
    clock.advance(seconds(60));
    clock.pause(seconds(3 * DAY));
    assert_eq!(clock.now().due(due, confirmed), due, "doubt alone makes nothing stale");
    says(&clock, clock.readings().wall);
    assert_eq!(clock.now().due(due, confirmed), due - seconds(3 * DAY));
    let confirmed = clock.now().steady() + seconds(1);
    assert_eq!(clock.now().due(due, confirmed), due, "what was confirmed since is younger");
}

#[tokio::test]
async fn doubt_is_told_of_once_each_time_and_where_it_goes_on() {
    let clock = Clock::standing_at(NOON);
    let mut early = clock.doubts();
    clock.step_wall(DAY);
    assert!(clock.now().is_in_doubt());
    early.begun().await;
    clock.doubts().begun().await;
    let told_twice = tokio::select! {
        biased;
        () = early.begun() => true,
        () = std::future::ready(()) => false,
    };
    assert!(!told_twice);
}

#[test]
fn readings_are_shown_as_dates_and_words() {
    let clock = Clock::standing_at(NOON);
    clock.step_wall(DAY);
    let shown = "wall clock  2023-11-15T22:13:20Z\nanchor      2023-11-14T22:13:20Z\n\
                 in doubt: nobody has said which is right";
    assert_eq!(clock.readings().to_string(), shown);
    for (moment, expected) in [(i64::MAX, "9999-12-30T22:00:00Z"), (-1, "1969-12-31T23:59:59Z")] {
        let shown = Clock::standing_at(Timestamp::from_millis(moment)).readings().to_string();
        assert!(shown.contains(expected), "{shown}");
    }
}

#[test]
fn the_machine_has_a_boot_and_a_time_since_it() {
    let source = Source::Machine;
    let (before, after) = (source.read(), source.read());
    assert!(before.since_boot > 0 && before.since_boot <= after.since_boot);
    assert!(source.boot().is_some_and(|boot| boot.len() == 36));
}
