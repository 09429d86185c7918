use super::*;
use crate::{
    clock::{Clock, Timestamp},
    principal::Subject,
    verdict::{Detail, Proof},
};

const NOON: Timestamp = Timestamp::from_secs(43_200);

struct Because(Reason, bool);

impl Proof for Because {
    fn reason(&self) -> Reason {
        self.0
    }
    fn detail(&self) -> Detail {
        Detail::new("planned")
    }
    fn about(&self) -> Option<Subject> {
        None
    }
    fn ordered(&self) -> bool {
        self.1
    }
}

fn refusal(reason: Reason) -> Rejected {
    Rejected::proven_by(Because(reason, false))
}

fn named(n: usize) -> CredentialId {
    CredentialId::of(&n.to_be_bytes())
}

fn at(seconds: u64) -> Now {
    Now::at(NOON + Duration::from_secs(seconds))
}

fn holds_back(held: &RefusalGuard, now: Now) -> bool {
    match held.hold(refusal(Reason::BadSignature).into(), Harm::Destroys, now) {
        Stop::Unavailable(unavailable) => unavailable.dependency == Dependency::OwnJudgement,
        Stop::Rejected(_) => false,
    }
}

/// A guard that accepted `accepted` credentials, of which `refused` are then refused.
fn guard(accepted: usize, refused: usize, reason: Reason) -> RefusalGuard {
    let held = RefusalGuard::new();
    (0..accepted).for_each(|n| held.accepted(named(n), at(0)));
    (0..refused).for_each(|n| held.refused(named(n), &refusal(reason), at(1)));
    held
}

#[test]
fn it_trips_at_twenty_or_at_two_percent() {
    let check = |accepted, refused, expected| {
        assert_eq!(holds_back(&guard(accepted, refused, Reason::UnknownKey), at(1)), expected, "{refused}/{accepted}");
    };
    check(20, 19, false);
    check(20, 20, true);
    check(1000, 20, true);
    check(1001, 20, false);
    check(1001, 21, true);
    check(5000, 99, false);
    check(5000, 100, true);
}

#[test]
fn only_what_a_mistake_can_cause_counts() {
    let check = |reason, expected| assert_eq!(holds_back(&guard(50, 50, reason), at(1)), expected, "{reason}");
    check(Reason::BadSeal, true);
    check(Reason::BadSignature, true);
    check(Reason::Malformed, true);
    check(Reason::Revoked, true);
    check(Reason::UnknownKey, true);
    check(Reason::WrongAudience, true);
    check(Reason::WrongIssuer, true);
    check(Reason::Ended, false);
    check(Reason::Expired, false);
    check(Reason::Missing, false);
    check(Reason::NotPermitted, false);
}

#[test]
fn what_a_person_ordered_does_not_count() {
    let held = guard(50, 0, Reason::Revoked);
    (0..50).for_each(|n| held.refused(named(n), &Rejected::proven_by(Because(Reason::Revoked, true)), at(1)));
    assert!(!holds_back(&held, at(1)));
}

#[test]
fn strangers_cannot_trip_it() {
    let held = guard(30, 0, Reason::BadSignature);
    (1000..9000).for_each(|n| held.refused(named(n), &refusal(Reason::BadSignature), at(1)));
    (0..9000).for_each(|_| held.refused(named(7), &refusal(Reason::BadSignature), at(1)));
    assert!(!holds_back(&held, at(1)));
    assert_eq!(held.denials.load(Ordering::Relaxed), 1);
}

#[test]
fn only_what_destroys_is_held_back() {
    let held = guard(20, 20, Reason::BadSeal);
    let shown = |stop: Stop, harm| match held.hold(stop, harm, at(2)) {
        Stop::Rejected(rejected) => rejected.reason().as_str(),
        Stop::Unavailable(unavailable) => unavailable.dependency.as_str(),
    };
    assert_eq!(shown(refusal(Reason::BadSeal).into(), Harm::Destroys), "own-judgement");
    assert_eq!(shown(refusal(Reason::BadSeal).into(), Harm::None), "bad-seal");
    assert_eq!(shown(refusal(Reason::Expired).into(), Harm::Destroys), "expired");
    assert_eq!(shown(refusal(Reason::Ended).into(), Harm::Destroys), "ended");
    assert_eq!(shown(Unavailable::because(Dependency::Keys, "planned").into(), Harm::Destroys), "keys");
    assert!(held.ended_by(&refusal(Reason::BadSeal), named(0), at(2)).is_none());
    assert!(held.ended_by(&refusal(Reason::Ended), named(0), at(2)).is_some());
    assert!(held.passed_on(named(0), at(2)).is_err());
}

#[test]
fn from_who_must_lose_nothing_every_refusal_is_held_back_while_anything_is() {
    let shown =
        |held: &RefusalGuard| match held.hold_any(Rejected::proven_by(Because(Reason::Revoked, true)).into(), at(2)) {
            Stop::Rejected(rejected) => rejected.reason().as_str(),
            Stop::Unavailable(unavailable) => unavailable.dependency.as_str(),
        };
    assert_eq!(shown(&guard(20, 20, Reason::BadSeal)), "own-judgement", "also what a person ordered");
    assert_eq!(shown(&guard(20, 19, Reason::BadSeal)), "revoked");
}

#[test]
fn only_a_refusal_that_ends_a_credential_makes_it_dead() {
    let held = RefusalGuard::new();
    for reason in Reason::ALL {
        let dead = held.ended_by(&refusal(reason), named(1), at(0));
        assert_eq!(dead.is_some(), refusal(reason).ends_credential(), "{reason}");
        if let Some(dead) = dead {
            assert_eq!(Ended::Refused(dead).credential(), named(1));
        }
    }
}

#[test]
fn it_lets_go_when_the_mistake_is_over() {
    let held = guard(25, 25, Reason::UnknownKey);
    assert!(holds_back(&held, at(60)));
    (0..6).for_each(|n| held.accepted(named(n), at(61)));
    assert!(!holds_back(&held, at(61)), "nineteen are left");
    let held = guard(25, 25, Reason::UnknownKey);
    assert!(holds_back(&held, at(601)));
    assert!(!holds_back(&held, at(602)), "ten minutes are over");
}

#[test]
fn a_credential_accepted_more_than_a_day_ago_does_not_count() {
    let held = guard(50, 0, Reason::UnknownKey);
    (0..50).for_each(|n| held.refused(named(n), &refusal(Reason::UnknownKey), at(24 * 3600 + 1)));
    assert!(!holds_back(&held, at(24 * 3600 + 1)));
}

#[test]
fn denials_passed_on_trip_it_though_the_credentials_go_on_being_accepted() {
    let held = RefusalGuard::new();
    let mut passed = 0;
    for n in 0..100 {
        held.accepted(named(n), at(0));
        passed += usize::from(held.passed_on(named(n), at(0)).is_ok());
        held.accepted(named(n), at(0));
    }
    assert_eq!(passed, RefusalGuard::FEW - 1);
}

/// A guard that accepted fifty credentials, which then expire by a clock of which `then` has happened.
fn expired(then: impl FnOnce(&Clock)) -> (RefusalGuard, Clock) {
    let (held, clock) = (RefusalGuard::new(), Clock::standing_at(NOON));
    (0..50).for_each(|n| held.accepted(named(n), clock.now()));
    then(&clock);
    (0..50).for_each(|n| held.refused(named(n), &refusal(Reason::Expired), clock.now()));
    (held, clock)
}

#[test]
fn expiry_counts_while_the_clock_may_be_wrong() {
    const DAY: Duration = Duration::from_secs(24 * 3600);
    let check = |then: fn(&Clock), expected: bool| {
        let (held, clock) = expired(then);
        assert_eq!(holds_back(&held, clock.now()), expected);
        assert_eq!(held.ended_by(&refusal(Reason::Expired), named(0), clock.now()).is_none(), expected);
    };
    check(|_| {}, false);
    check(|clock| clock.step_wall(3600), true);
    let chosen = |clock: &Clock| {
        clock.pause(Duration::from_secs(3600));
        clock.accept();
    };
    check(chosen, true);
    check(|clock| clock.advance(DAY), false);
    let (held, clock) = expired(chosen);
    clock.advance(Duration::from_secs(601));
    assert!(!holds_back(&held, clock.now()), "ten minutes later it is beyond doubt");
}

#[test]
fn a_step_of_the_clock_moves_no_window() {
    for step in [365 * 24 * 3600, -24 * 3600] {
        let (held, clock) = (RefusalGuard::new(), Clock::standing_at(NOON));
        (0..50).for_each(|n| held.accepted(named(n), clock.now()));
        clock.step_wall(step);
        (0..50).for_each(|n| held.refused(named(n), &refusal(Reason::UnknownKey), clock.now()));
        assert!(holds_back(&held, clock.now()), "{step}");
        clock.advance(Duration::from_secs(601));
        assert!(!holds_back(&held, clock.now()), "{step}");
    }
}
