//! What only somebody else can give, kept from the last time that it was good: a snapshot that readers take without a
//! lock, when it is due again, one attempt at a time with one back-off for all who need it, and a copy on disk.

mod attempts;
mod back_off;
mod cell;
mod disk_copy;
mod flights;
mod schedule;
mod single_flight;
#[cfg(test)]
mod tests;

pub(crate) use self::{
    attempts::{FailedAttempt, LastAttempt},
    cell::{Change, Fetch, LastKnownGood, Snapshot},
    disk_copy::DiskCopy,
    flights::Flights,
    schedule::{Cadence, Schedule},
};
