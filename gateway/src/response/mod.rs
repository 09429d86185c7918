//! What leaves: what happened, the form that it takes for whoever asked, and the one place that puts a status on the wire.

pub mod answer;
pub mod cookies;
pub mod own_answer;
pub mod page;
pub(crate) mod pages;
mod problem;
pub(crate) mod renewed_ticket;
pub mod reply;
