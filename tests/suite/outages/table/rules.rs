//! What comes of a broken folder, clock, store or monolith, on whatever way it is met.

use auth_core::database::Disturbance;
use world::{
    caller::Form,
    disk::DiskBreak,
    fault_proxy::Break::{
        Challenge, Drip, EmptySet, Garble, Half, Hang, LoginRedirect, NoChallenge, Nonsense, Refused, Reset, Status,
        WrongCertificate,
    },
    step::Step,
    store::StoreBreak,
};

use super::{CacheState, Entry, Fault, Flow, Outcome};

/// What comes of a broken folder: nothing, for who is known. Where it is gone, it is made again from what is held, with
/// everything that matters in it. Where that cannot be, nothing is written to nowhere: nobody can sign in or out, and
/// nobody can say who else has. What cannot be written to our own files is in the database.
pub(super) fn of_disk(flow: Flow, fault: Fault, cache_state: CacheState) -> Entry {
    match (fault, cache_state) {
        (Fault::Disk(DiskBreak::AFile), CacheState::Cold) => {
            Entry::Nothing("there is no start where it cannot be made: exit 20")
        }
        (Fault::Disk(DiskBreak::Gone), CacheState::Cold) => {
            Entry::Nothing("a start without it is a first start, which knows nothing of before")
        }
        (Fault::Disk(DiskBreak::AFile), _) => Entry::Expect(match flow {
            Flow::Callback => Outcome::TryIsSpent,
            // These work on the rows.
            Flow::Adoption | Flow::SessionsPage | Flow::SessionEnd | Flow::BackChannelLogout => Outcome::Unavailable,
            _ if flow.is_of_the_protocol() => Outcome::Unavailable,
            Flow::Logout | Flow::LogoutAtProvider => Outcome::TryAgain,
            Flow::StrictRoute => Outcome::Unavailable,
            _ => flow.whole(),
        }),
        // Made again, the store is empty: that a session is not in it proves nothing.
        (Fault::Disk(DiskBreak::Gone), _) => Entry::Expect(match flow {
            Flow::SessionsPage | Flow::SessionEnd | Flow::BackChannelLogout => Outcome::Unavailable,
            _ => flow.whole(),
        }),
        (_, _) => Entry::Expect(flow.whole()),
    }
}

/// What comes of a step of the wall clock: what only one reading calls over is neither good nor over, so nothing comes of
/// a step back, nor of a small one. That something has begun its seal or signature says. Who comes back from the provider
/// brings a witness.
pub(super) fn of_clock(flow: Flow, fault: Fault) -> Outcome {
    use {Flow as F, Outcome::*};
    let Fault::Step(step) = fault else { unreachable!("that is no way of the clock's") };
    match (flow, step) {
        // Its issuer has just said that it is active, and goes by a clock of its own.
        (F::OpaqueKnown | F::OpaqueUnknown, _) => flow.whole(),
        // It is good for minutes.
        (F::BackChannelLogout, Step::TenMinutesAhead) => Unavailable,
        (F::SignInBegin | F::Callback, _) | (_, Step::TenMinutesAhead | Step::TenMinutesBehind | Step::DayBehind) => {
            flow.whole()
        }
        (F::Logout | F::LogoutAtProvider, Step::DayAhead) => TryAgain,
        (F::PublicRoute, Step::DayAhead) => ServedUndecided,
        (_, Step::DayAhead) => Unavailable,
    }
}

/// Whether it is one that takes no more.
pub(super) fn is_full(fault: Fault) -> bool {
    matches!(fault, Fault::Store(StoreBreak::Full) | Fault::Within(Disturbance::Full))
}

/// What comes of a broken store where nothing may be stale: who is revoked is, once that cannot be read.
pub(super) fn of_revocations(fault: Fault) -> Outcome {
    if stops_reading(fault) { Outcome::Unavailable } else { Outcome::Served }
}

/// Whether a broken store cannot be read. What stops only writing stops no poll.
pub(super) fn stops_reading(fault: Fault) -> bool {
    match fault {
        Fault::Proxy(_)
        | Fault::DemandsName(_)
        | Fault::Keyring(_)
        | Fault::Disk(_)
        | Fault::Step(_)
        | Fault::Dns(_) => {
            unreachable!("that is no way of the store's")
        }
        Fault::Store(StoreBreak::Emptied | StoreBreak::Garbage | StoreBreak::LockedOut)
        | Fault::Within(Disturbance::Closed | Disturbance::Garbage | Disturbance::Locked) => true,
        Fault::Store(StoreBreak::Locked | StoreBreak::Full) | Fault::Within(Disturbance::Full) => false,
    }
}

/// What comes of a broken monolith, for somebody we vouch for. What would make a display erase itself is disputed: a
/// 403, and HTML where JSON is expected. Others may be told that.
pub(crate) fn of_monolith(fault: Fault, form: Form) -> Outcome {
    match fault {
        Fault::Store(_) | Fault::Within(_) | Fault::Keyring(_) | Fault::Disk(_) | Fault::Step(_) | Fault::Dns(_) => {
            unreachable!("that is no way of the monolith's")
        }
        Fault::DemandsName(_) => Outcome::Served,
        Fault::Proxy(how) => match how {
            Refused | Reset | Garble | WrongCertificate => Outcome::UpstreamFailed,
            Hang | Drip => Outcome::UpstreamTimeout,
            Half => Outcome::Cut,
            Status(401) | Challenge(_) | NoChallenge | LoginRedirect => Outcome::Disputed,
            Status(403 | 429) | Nonsense if form == Form::Device => Outcome::Disputed,
            Status(status) => Outcome::PassedOn(status),
            Nonsense | EmptySet => Outcome::PassedOn(200),
        },
    }
}

/// What comes of a broken monolith for somebody whom nobody can tell, where anyone may pass: what denies the nameless says
/// nothing about them.
pub(crate) fn of_monolith_for_the_undecided(fault: Fault, form: Form) -> Outcome {
    match fault {
        Fault::DemandsName(_) | Fault::Proxy(Status(401 | 403) | Challenge(_) | NoChallenge | LoginRedirect) => {
            Outcome::UnavailableSinceDenied
        }
        Fault::Proxy(_)
        | Fault::Store(_)
        | Fault::Within(_)
        | Fault::Keyring(_)
        | Fault::Disk(_)
        | Fault::Step(_)
        | Fault::Dns(_) => of_monolith(fault, form),
    }
}
