//! What only somebody else can give, kept from the last time that it was good: when it is due again, one fetch at a
//! time, one back-off for all who need it, and a copy on disk.

mod back_off;
mod cell;
mod disk_copy;
mod schedule;
mod single_flight;
#[cfg(test)]
mod tests;

pub(crate) use self::{
    cell::{Attempts, BeforeAttempt, FailedAttempt},
    disk_copy::LastGood,
    schedule::{Schedule, fraction},
    single_flight::SingleFlight,
};
