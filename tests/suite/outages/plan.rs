//! What is run of all that could be: every flow with every dependency broken in every way, alone and with each other
//! one, warm, cold and stale, in every form. Each such combination is a cell, or is left out for a reason that the run
//! prints at its end; one that is neither is a hole.

use std::collections::{BTreeMap, BTreeSet};

use auth_core::database::Disturbance;
use world::{
    caller::Form,
    disk::DiskBreak,
    fault_proxy::Break::{Hang, Refused, Status},
    store::StoreBreak,
};

use super::table::{
    CacheState, Cell,
    Dependency::{self, Monolith},
    Entry::{Expect, Nothing},
    Fault, Flow, Outcome, entry, of_monolith_for_the_undecided,
};

/// What is done about one combination.
enum Plan {
    Run(Cell),
    LeaveOut(&'static str),
}

/// Every cell that is run.
pub(crate) fn cells() -> Vec<Cell> {
    let run = |plan| if let Plan::Run(cell) = plan { Some(cell) } else { None };
    plans().filter_map(run).collect()
}

/// Why combinations are left out, and how many for each reason.
pub(crate) fn left_out() -> BTreeMap<&'static str, usize> {
    let mut reasons = BTreeMap::new();
    for plan in plans() {
        if let Plan::LeaveOut(why) = plan {
            *reasons.entry(why).or_default() += 1;
        }
    }
    reasons
}

/// How many combinations have neither a reason nor a cell among those that `ran`.
pub(crate) fn holes(ran: &BTreeSet<String>) -> usize {
    let is_hole = |plan: &Plan| match plan {
        Plan::Run(cell) => !ran.contains(&cell.name()),
        Plan::LeaveOut(why) => why.is_empty(),
    };
    plans().filter(is_hole).count()
}

fn plans() -> impl Iterator<Item = Plan> {
    let single = Dependency::ALL
        .into_iter()
        .flat_map(|dependency| dependency.faults().into_iter().map(move |fault| ((dependency, fault), None)));
    single.chain(pairs()).flat_map(|(first, also)| {
        Flow::ALL.into_iter().flat_map(move |flow| {
            CacheState::ALL.into_iter().flat_map(move |cache_state| {
                Form::ALL.into_iter().map(move |form| plan(flow, first, also, cache_state, form))
            })
        })
    })
}

type Broken = (Dependency, Fault);

/// Every two dependencies, each broken in every way.
fn pairs() -> impl Iterator<Item = (Broken, Option<Broken>)> {
    let all = || Dependency::ALL.into_iter().enumerate();
    all().flat_map(move |(at, one)| {
        all().filter(move |(other, _)| *other > at).flat_map(move |(_, other)| {
            let with = move |how| other.faults().into_iter().map(move |also| ((one, how), Some((other, also))));
            one.faults().into_iter().flat_map(with)
        })
    })
}

fn plan(flow: Flow, first: Broken, also: Option<Broken>, cache_state: CacheState, form: Form) -> Plan {
    if !flow.forms().contains(&form) {
        return Plan::LeaveOut("nobody goes this way in that form");
    }
    if also.is_some_and(|(other, _)| flow.is_of_the_protocol() && (first.0, other) != (Dependency::Store, Monolith)) {
        return Plan::LeaveOut("only the registry counts on the paths of the protocol");
    }
    if also.is_some() && flow.lasts() {
        return Plan::LeaveOut("nobody is asked about what lasts, as each alone shows");
    }
    let is_of_endpoints = |dependency| matches!(dependency, Dependency::Endpoint | Dependency::Dns);
    if also.is_some_and(|(other, _)| is_of_endpoints(first.0) || is_of_endpoints(other)) {
        return Plan::LeaveOut("one endpoint of several, and names, are broken alone");
    }
    let alone = |(dependency, fault)| entry(flow, dependency, cache_state, fault, form);
    let (dependency, fault) = first;
    let cell = |expected| Cell { flow, dependency, fault, also, cache_state, form, expected };
    match (alone(first), also.map(|other| (other, alone(other)))) {
        (Nothing(why), _) | (_, Some((_, Nothing(why)))) => Plan::LeaveOut(why),
        (Expect(expected), None) => {
            let cell = cell(expected);
            if !cell.shows_its_break() && !stands_for_others(fault) {
                return Plan::LeaveOut("nobody is asked: three ways to break stand for all");
            }
            let in_all_forms = cell.shows_its_break() && cache_state != CacheState::Cold;
            if !in_all_forms && form != one_form(flow, first) {
                return Plan::LeaveOut(
                    "where nothing shows, and after a cold start, it is seen in one form, each in turn",
                );
            }
            Plan::Run(cell)
        }
        (Expect(one), Some((other, Expect(two)))) => {
            let both = together(flow, (first, one), (other, two), form);
            if flow.is_of_sessions() && one == flow.whole() && two == one {
                return Plan::LeaveOut("neither is met on this way, as each alone shows");
            }
            let each_shows = one != flow.whole() && two != flow.whole() || both != one && both != two;
            if !is_run_together(fault, other.1, each_shows) {
                return Plan::LeaveOut("two are broken at once: a few ways of each, in turn, stand for all");
            }
            let turn = turn_of(first, other);
            if form != in_turn(flow.forms(), turn) {
                return Plan::LeaveOut("two are broken at once: it is seen in one form, each in turn");
            }
            let is_possible = |state: &CacheState| {
                let alone = |(dependency, fault)| entry(flow, dependency, *state, fault, form);
                matches!((alone(first), alone(other)), (Expect(_), Expect(_)))
            };
            let starts: Vec<_> = [CacheState::Warm, CacheState::Cold].into_iter().filter(is_possible).collect();
            if starts.contains(&cache_state) && cache_state != in_turn(&starts, turn / flow.forms().len()) {
                return Plan::LeaveOut("two are broken at once: warm or after a cold start, each in turn");
            }
            Plan::Run(cell(both))
        }
    }
}

/// What comes of two that are broken at once, from what comes of each.
fn together(flow: Flow, (first, one): (Broken, Outcome), (second, two): (Broken, Outcome), form: Form) -> Outcome {
    match (one, two) {
        // The monolith comes last, and hears of nobody.
        (Outcome::ServedUndecided, _) if second.0 == Monolith => of_monolith_for_the_undecided(second.1, form),
        (_, Outcome::ServedUndecided) if first.0 == Monolith => of_monolith_for_the_undecided(first.1, form),
        // Nobody is signed out while neither of the two has taken it: then nothing has ended.
        (Outcome::SignedOutHere, _) if second.1 == Fault::Disk(DiskBreak::Unwritable) => Outcome::TryAgain,
        // A broken store that is gone with its folder is made again, whole.
        (_, two) if matches!((first.1, second.1), (Fault::Store(_), Fault::Disk(DiskBreak::Gone))) => two,
        // Of the two things that the page says, both are true.
        (Outcome::SignedOut, Outcome::SignedOutHere) => Outcome::SignedOutHere,
        (_, Outcome::TryAgain) => Outcome::TryAgain,
        // No code is spent while it would be for nothing.
        (_, Outcome::TryIsKept) => Outcome::TryIsKept,
        (one, two) if one == flow.whole() => two,
        (one, _) => one,
    }
}

/// Whether two ways stand for all of their dependencies: where each changes what comes of it, each of three with itself
/// and with another; else one.
fn is_run_together(one: Fault, other: Fault, each_shows: bool) -> bool {
    match (stand_in(one), stand_in(other)) {
        (Some(one), Some(other)) => {
            if each_shows {
                other == one || other == (one + 1) % 3
            } else {
                (one, other) == (0, 0)
            }
        }
        (_, _) => false,
    }
}

/// Which of a few ways to look stands for the others, where two are broken at once: alone, each is looked at in all.
fn turn_of((one, how): Broken, (other, also): Broken) -> usize {
    one as usize + other as usize + stand_in(how).unwrap_or(0) + stand_in(also).unwrap_or(0)
}

/// In which form this is seen where one stands for all.
fn one_form(flow: Flow, (dependency, fault): Broken) -> Form {
    let which = dependency.faults().iter().position(|one| *one == fault).unwrap_or(0);
    in_turn(flow.forms(), dependency as usize + which)
}

fn in_turn<T: Copy>(of: &[T], turn: usize) -> T {
    of[turn % of.len()]
}

/// Where nobody is asked, all ways to break are alike: these stand for the rest.
fn stands_for_others(fault: Fault) -> bool {
    match fault {
        Fault::Proxy(how) => matches!(how, Refused | Hang | Status(401)),
        Fault::Store(_)
        | Fault::Within(_)
        | Fault::DemandsName(_)
        | Fault::Keyring(_)
        | Fault::Disk(_)
        | Fault::Step(_)
        | Fault::Dns(_) => true,
    }
}

/// Which of the three ways of its dependency it is, where two are broken at once.
fn stand_in(fault: Fault) -> Option<usize> {
    match fault {
        Fault::Proxy(Refused) => Some(0),
        Fault::Proxy(Hang) => Some(1),
        Fault::Proxy(Status(401)) => Some(2),
        Fault::Store(StoreBreak::Garbage) | Fault::Within(Disturbance::Closed) => Some(0),
        Fault::Store(StoreBreak::LockedOut) | Fault::Within(Disturbance::Locked) => Some(1),
        Fault::Store(StoreBreak::Full) => Some(2),
        Fault::DemandsName(how) => Some(how as usize),
        Fault::Keyring(how) => Some(how as usize),
        Fault::Disk(how) => Some(how as usize),
        Fault::Step(how) => Some(how as usize),
        Fault::Proxy(_) | Fault::Store(_) | Fault::Within(_) | Fault::Dns(_) => None,
    }
}
