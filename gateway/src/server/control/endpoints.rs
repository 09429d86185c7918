//! What `gateway endpoints` is told: how each endpoint of each upstream is.

use super::CommandAnswer;
use crate::state::Gateway;

/// A line for each endpoint that the configuration in force names, or that a request is still at.
pub fn list(gateway: &Gateway) -> CommandAnswer {
    let lines = gateway.endpoints();
    CommandAnswer::Done(if lines.is_empty() { "there is no upstream".to_owned() } else { lines.join("\n") })
}
