//! What a comparison found: for each work and each gateway its figures, or why there are none.

use std::time::Duration;

use serde::Serialize;

use super::{
    figure::{Figure, Ratio},
    work::Work,
};
use crate::{latency::Latency, machine::Machine, process::CpuTime};

/// A comparison, whole or as far as it came.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// The command that was given.
    pub command: String,
    /// The day, `2026-01-31`.
    pub date: String,
    /// The machine.
    pub machine: Machine,
    /// How many programs wanted a core in the minute before anything was measured.
    pub load_before: Option<f64>,
    /// Whether each gateway had a core for itself, and the client and the service the others.
    pub pinned: bool,
    /// How long each gateway was kept busy in a round, in seconds.
    pub span_seconds: f64,
    /// Whether it was ended before all was measured.
    pub interrupted: bool,
    /// The gateways; the first is what the others are measured by.
    pub gateways: Vec<Compared>,
    /// What was found, by work.
    pub works: Vec<WorkResult>,
}

/// A gateway that is compared, here or not.
#[derive(Clone, Debug, Serialize)]
pub struct Compared {
    /// Its name.
    pub name: &'static str,
    /// Its version, as it says it; why it is not here, if it is not.
    pub version: Result<String, String>,
    /// How it was started.
    pub commands: Vec<String>,
    /// Its memory in bytes (PSS) before the first request.
    pub memory_at_rest: Option<u64>,
}

/// What was found for a work.
#[derive(Clone, Debug, Serialize)]
pub struct WorkResult {
    /// The work.
    pub work: Work,
    /// What was found at each gateway, in their order.
    pub entries: Vec<Entry>,
}

/// What was found for a work at a gateway.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Entry {
    /// The run did not come to it.
    #[default]
    NotReached,
    /// It cannot do it, or is not here; why.
    Lacking(String),
    /// It did not do it; what came back instead.
    Failed(String),
    /// It did it.
    Served(Box<Served>),
    /// It held idle connections: the memory of each in bytes, by round.
    Held {
        /// By round.
        rounds: Vec<f64>,
        /// Over the rounds.
        bytes: Figure,
    },
}

/// What a work cost at a gateway.
#[derive(Clone, Debug, Serialize)]
pub struct Served {
    /// By round.
    pub rounds: Vec<Round>,
    /// Processor time a request, in microseconds, user and system together.
    pub cpu: Figure,
    /// Requests a second, as many as it could take.
    pub per_second: Figure,
    /// How long a request took at the rate that is the same for all, over all rounds.
    pub latency: Latency,
}

/// What one round measured.
#[derive(Clone, Debug, Serialize)]
pub struct Round {
    /// How many requests were served.
    pub served: u64,
    /// Processor time a request in the program, in microseconds.
    pub user: f64,
    /// Processor time a request in the kernel, in microseconds.
    pub system: f64,
    /// Requests a second.
    pub per_second: f64,
    /// The share of the time for which the gateway had work: below 1 the client or the service was what held it up, and
    /// it could have taken more.
    pub busy: f64,
    /// How long each of those at the fixed rate took.
    pub latency: Latency,
}

impl Round {
    /// Of `served` requests within `took`.
    pub(super) fn new(served: u64, took: Duration, cpu: CpuTime, latency: Latency) -> Self {
        let each = |time: Duration| time.as_secs_f64() * 1e6 / served.max(1) as f64;
        let seconds = took.as_secs_f64().max(f64::EPSILON);
        Self {
            served,
            user: each(cpu.user),
            system: each(cpu.system),
            per_second: served as f64 / seconds,
            busy: cpu.sum().as_secs_f64() / seconds,
            latency,
        }
    }

    /// Processor time a request, in microseconds.
    pub fn cpu(&self) -> f64 {
        self.user + self.system
    }
}

impl Entry {
    /// One more round. What failed once has failed.
    pub(super) fn add(&mut self, found: Result<Round, String>) {
        let mut rounds = match std::mem::take(self) {
            Self::Served(served) => served.rounds,
            Self::NotReached => Vec::new(),
            ended => {
                *self = ended;
                return;
            }
        };
        *self = match found {
            Err(why) => Self::Failed(why),
            Ok(round) => {
                rounds.push(round);
                Served::new(rounds).map_or(Self::NotReached, |served| Self::Served(Box::new(served)))
            }
        };
    }

    /// One more round with idle connections.
    pub(super) fn add_held(&mut self, found: Result<f64, String>) {
        let mut rounds = match std::mem::take(self) {
            Self::Held { rounds, .. } => rounds,
            Self::NotReached => Vec::new(),
            ended => {
                *self = ended;
                return;
            }
        };
        *self = match found {
            Err(why) => Self::Failed(why),
            Ok(bytes) => {
                rounds.push(bytes);
                Figure::of(&rounds).map_or(Self::NotReached, |bytes| Self::Held { rounds, bytes })
            }
        };
    }

    /// Whether a further round says more.
    pub(super) fn goes_on(&self) -> bool {
        matches!(self, Self::NotReached | Self::Served(_) | Self::Held { .. })
    }

    /// How many rounds it was measured in.
    pub fn rounds(&self) -> usize {
        match self {
            Self::Served(served) => served.rounds.len(),
            Self::Held { rounds, .. } => rounds.len(),
            Self::NotReached | Self::Lacking(_) | Self::Failed(_) => 0,
        }
    }

    /// What gateways are compared by: processor time a request, or memory an idle connection.
    pub fn cost(&self) -> Option<Figure> {
        match self {
            Self::Served(served) => Some(served.cpu),
            Self::Held { bytes, .. } => Some(*bytes),
            Self::NotReached | Self::Lacking(_) | Self::Failed(_) => None,
        }
    }

    /// Why there is no figure; `None` if there is one.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::NotReached => Some("not measured: the run was ended before"),
            Self::Lacking(why) | Self::Failed(why) => Some(why),
            Self::Served(_) | Self::Held { .. } => None,
        }
    }
}

impl Served {
    fn new(rounds: Vec<Round>) -> Option<Self> {
        let over = |value: fn(&Round) -> f64| Figure::of(&rounds.iter().map(value).collect::<Vec<_>>());
        let (cpu, per_second) = (over(Round::cpu)?, over(|round| round.per_second)?);
        let mut latency = Latency::new();
        rounds.iter().for_each(|round| latency.add(&round.latency));
        Some(Self { cpu, per_second, latency, rounds })
    }

    /// The figure's user and system time. Their shares are those of all rounds together: the kernel finds out which of the
    /// two it is only at each tick, so that a single round knows little of it.
    pub fn split(&self) -> (f64, f64) {
        let over =
            |time: fn(&Round) -> f64| self.rounds.iter().map(|round| time(round) * round.served as f64).sum::<f64>();
        let (user, both) = (over(|round| round.user), over(Round::cpu));
        let share = if both > 0.0 { user / both } else { 0.0 };
        (self.cpu.median * share, self.cpu.median * (1.0 - share))
    }

    /// Whether it could have taken more than it was sent.
    pub fn had_time_left(&self) -> bool {
        let busy = self.rounds.iter().map(|round| round.busy).collect::<Vec<_>>();
        Figure::of(&busy).is_some_and(|busy| busy.median < 0.9)
    }
}

impl Comparison {
    /// What the gateway at `index` is measured by in `result`: the first gateway at the same work; where that cannot do
    /// it, at bare proxying.
    pub fn base(&self, result: &WorkResult) -> Option<Figure> {
        let open = || self.works.iter().find(|other| other.work == Work::Open)?.entries.first()?.cost();
        match (result.entries.first()?.cost(), result.work) {
            (Some(cost), _) => Some(cost),
            (None, Work::Remembered | Work::Fresh | Work::Session) => open(),
            (None, _) => None,
        }
    }

    /// What `entry` of `result` costs, divided by what it is measured by.
    pub fn ratio(&self, result: &WorkResult, entry: &Entry) -> Option<Ratio> {
        Some(entry.cost()?.against(self.base(result)?))
    }

    /// The spreads of all processor figures: the middle one and the largest.
    pub fn noise(&self) -> Option<(f64, f64)> {
        let entries = self.works.iter().flat_map(|result| &result.entries);
        let spreads: Vec<f64> = entries.filter_map(|entry| entry.cost()?.spread).collect();
        let largest = spreads.iter().copied().max_by(f64::total_cmp)?;
        Some((Figure::of(&spreads)?.median, largest))
    }
}
