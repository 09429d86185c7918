//! What only somebody else can give, kept from the last time that it was good: when it is due again, one fetch at a
//! time, one back-off for all who need it, and a copy on disk.

mod attempts;
mod file;
mod schedule;
mod single_flight;

pub(crate) use self::{
    attempts::{Attempts, BeforeAttempt, FailedAttempt},
    file::LastGood,
    schedule::{Schedule, fraction},
    single_flight::SingleFlight,
};
