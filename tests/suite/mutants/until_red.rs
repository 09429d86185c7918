//! The child in which a mutant is switched on: it runs the outage matrix until a cell is red.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
    sync::Mutex,
    thread,
};

use auth_core::lock::lock;

use crate::{
    on_a_runtime,
    outages::{self, plan::cells, table::Cell},
};

/// What the child prints before the name of its red cell.
pub(super) const RED: &str = "red: ";

/// How many cells run at once. They wait for deadlines more than for a core.
const AT_ONCE: usize = 4;

/// Which cells a child runs.
pub(super) enum Order {
    /// All, those whose name begins like this first.
    First(String),
    /// These.
    Only(Vec<String>),
}

/// The test itself broke down: no oracle has spoken.
struct BrokeDown;

/// Runs cells until the oracle finds fault with one, and names that.
pub(crate) fn run(words: impl Iterator<Item = String>) -> ExitCode {
    let mut sound = true;
    for cells in Order::read(words).cells() {
        match first_red(cells) {
            Ok(None) => {}
            Ok(Some((cell, complaints))) => {
                println!("{RED}{cell}");
                complaints.iter().take(2).for_each(|complaint| println!("  {complaint}"));
                return ExitCode::FAILURE;
            }
            Err(BrokeDown) => sound = false,
        }
    }
    if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The first cell of these that the oracle finds fault with, and what it complains about.
fn first_red(cells: Vec<(usize, Cell)>) -> Result<Option<(String, Vec<String>)>, BrokeDown> {
    let queue = Mutex::new(VecDeque::from(cells));
    let red = Mutex::new(Ok(None));
    let next = || {
        let found = matches!(*lock(&red), Ok(Some(_)));
        if found { None } else { lock(&queue).pop_front() }
    };
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((index, cell)) = next() {
                    match complaints_of(index, cell) {
                        Ok(complaints) if complaints.is_empty() => {}
                        Ok(complaints) => *lock(&red) = Ok(Some((cell.name(), complaints))),
                        Err(BrokeDown) if matches!(*lock(&red), Ok(Some(_))) => {}
                        Err(BrokeDown) => *lock(&red) = Err(BrokeDown),
                    }
                }
            });
        }
    });
    red.into_inner().unwrap_or(Err(BrokeDown))
}

/// What the oracle says of one cell.
fn complaints_of(index: usize, cell: Cell) -> Result<Vec<String>, BrokeDown> {
    let run = || on_a_runtime(|| outages::complaints_of(cell, index)).lines().to_vec();
    catch_unwind(AssertUnwindSafe(run)).map_err(|_| BrokeDown)
}

impl Order {
    /// As arguments of a child.
    pub(super) fn words(&self) -> Vec<&str> {
        match self {
            Self::First(place) => vec!["first", place],
            Self::Only(cells) => ["only"].into_iter().chain(cells.iter().map(String::as_str)).collect(),
        }
    }

    fn read(mut words: impl Iterator<Item = String>) -> Self {
        match (words.next().as_deref(), words) {
            (Some("first"), mut rest) => Self::First(rest.next().unwrap_or_default()),
            (_, rest) => Self::Only(rest.collect()),
        }
    }

    /// The cells, with their numbers in the matrix: those of each list when those of the last are done.
    fn cells(&self) -> Vec<Vec<(usize, Cell)>> {
        let all: Vec<_> = cells().into_iter().enumerate().collect();
        match self {
            Self::First(place) => {
                let (first, rest): (Vec<_>, Vec<_>) =
                    all.into_iter().partition(|(_, cell)| cell.name().starts_with(place));
                vec![first, rest]
            }
            Self::Only(names) => {
                vec![all.into_iter().filter(|(_, cell)| names.contains(&cell.name())).collect()]
            }
        }
    }
}
