//! Every state that can be reached, breadth first, so that what is found is found by a shortest way.

use std::{
    collections::{HashSet, VecDeque, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
};

use super::world::{Budget, Bug, Node, Property, Step};

/// What the search came to.
pub(super) enum Found {
    /// All states, and no property is broken in any.
    Nothing { states: usize },
    /// A property is broken, at the end of these moves.
    Violation { property: Property, path: Vec<String> },
}

/// Steps within which a healthy world brings a device back: more than the longest way takes.
const STEPS_BACK: usize = 60;

/// Looks at every state that the moves within `budget` lead to.
pub(super) fn search(bug: Bug, budget: Budget) -> Found {
    let first = Node::first(bug, budget);
    let mut seen = HashSet::from([fingerprint(&first)]);
    let mut ways: Vec<(usize, String)> = vec![(0, "switched on".to_owned())];
    let mut queue = VecDeque::from([(first, 0)]);
    let mut comes_back = HashSet::new();
    while let Some((node, at)) = queue.pop_front() {
        if let Err(stuck) = is_back(&node, &mut comes_back) {
            return violation(stuck, "the world is healthy again".to_owned(), &ways, at);
        }
        for Step { label, next } in node.steps() {
            match next {
                Err(property) => return violation(property, label, &ways, at),
                Ok(next) => {
                    if seen.insert(fingerprint(&next)) {
                        ways.push((at, label));
                        queue.push_back((next, ways.len() - 1));
                    }
                }
            }
        }
    }
    Found::Nothing { states: seen.len() }
}

/// What is broken by the move `last`, with the way there.
fn violation(property: Property, last: String, ways: &[(usize, String)], mut at: usize) -> Found {
    let mut path = vec![last];
    while at > 0 {
        path.push(ways[at].1.clone());
        at = ways[at].0;
    }
    path.reverse();
    Found::Violation { property, path }
}

/// Whether the device is active again within [`STEPS_BACK`] once nothing is broken and nobody is hostile.
fn is_back(node: &Node, known: &mut HashSet<u64>) -> Result<(), Property> {
    let mut node = node.healed();
    let mut on_the_way = Vec::new();
    for _ in 0..STEPS_BACK {
        let print = fingerprint(&node);
        if node.is_well() || known.contains(&print) {
            known.extend(on_the_way);
            return Ok(());
        }
        on_the_way.push(print);
        node = node.healthy_step()?;
    }
    Err(Property::AlwaysComesBack)
}

/// Two states of a hundred thousand have the same one with a chance of one in billions.
fn fingerprint(node: &Node) -> u64 {
    let mut hasher = DefaultHasher::new();
    node.hash(&mut hasher);
    hasher.finish()
}
