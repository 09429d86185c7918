//! What the pages of verdicts and faults say: plain words, what is lost (almost always nothing), what to do next. Those of
//! our own paths stand with them, in `own`.

mod explain;
mod fault;
mod verdict;

pub(crate) use self::{
    explain::{explain, explain_problem, title},
    fault::fault,
    verdict::{groups_not_stated, not_permitted, not_signed_in, unavailable},
};
