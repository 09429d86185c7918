//! The device's own side, checked against everything that a hostile network, a crash and an administrator can do to it:
//! every sequence of moves within a budget, with the real state machine inside and the gateway's rules in the abstract.
//! Time passes in two ways: by the device's timer, and by the polls of the gateway's revocation set.

mod gateway;
mod revocations;
mod search;
mod world;

use auth_core::client::planted::PlantedBug;
use libtest_mimic::Trial;

use self::{
    search::{Found, search},
    world::{Budget, Bug, Property},
};
use crate::{plain, report};

/// What an attacker, an administrator and the power supply may do in one sequence.
const BUDGETS: [Budget; 2] =
    [Budget { hostile: 2, administrator: 2, crashes: 0 }, Budget { hostile: 1, administrator: 2, crashes: 1 }];

/// Each bug, and the property that it breaks.
const PLANTED: [(Bug, Property); 6] = [
    (Bug::Device(PlantedBug::OneStatementWipes), Property::NoWipeWithoutTwoStatements),
    (Bug::Device(PlantedBug::CheckingWithoutTimer), Property::AlwaysComesBack),
    (Bug::ReadmitsRevoked, Property::RevokedStaysOut),
    (Bug::NeverPolls, Property::RevokedStaysOut),
    (Bug::Device(PlantedBug::OldStatementCounts), Property::ReplaysChangeNothing),
    (Bug::Device(PlantedBug::KeyStoredLate), Property::NothingIsLost),
];

pub(crate) fn tests() -> Vec<Trial> {
    vec![plain("model::five_properties_hold_and_each_planted_bug_is_found", check)]
}

fn check() {
    let states = BUDGETS.map(|budget| match search(Bug::None, budget) {
        Found::Nothing { states } => states,
        Found::Violation { property, path } => panic!("{property:?} does not hold: {path:#?}"),
    });
    let is_found = |bug: Bug, broken: Property| {
        BUDGETS.into_iter().any(|budget| match search(bug, budget) {
            Found::Violation { property, .. } => property == broken,
            Found::Nothing { .. } => false,
        })
    };
    let found = PLANTED.into_iter().filter(|(bug, broken)| is_found(*bug, *broken)).count();
    report::say(format!(
        "model: {} states, {} properties held, {found} planted bugs found",
        states.iter().sum::<usize>(),
        Property::ALL.len()
    ));
    assert_eq!(found, PLANTED.len(), "each planted bug breaks its property");
}
