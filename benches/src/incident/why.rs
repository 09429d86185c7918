//! Why a gateway lost what it lost, in one sentence: only what was seen, counted by whose word it was.

use std::collections::BTreeMap;

use super::{
    ledger::{Ledger, LeftBehind, Loss, Lost},
    said::Speaker,
};

/// One sentence about what was met at a gateway, which did not come back after it was killed if `not_back`.
/// `is_over`: everybody has had the time to be served again.
pub(super) fn sentence(ledger: &Ledger, not_back: bool, is_over: bool) -> String {
    let mut clauses = [passed_on(ledger), refused_itself(ledger), sent_away_itself(ledger), let_in(ledger)].concat();
    if not_back {
        clauses.push("did not come back after it was killed".to_owned());
    } else if is_over {
        clauses.extend(left_behind(ledger));
    }
    if clauses.is_empty() {
        clauses = held(ledger);
    }
    let mut sentence = clauses.join("; ");
    if let Some(first) = sentence.get(..1).map(str::to_uppercase) {
        sentence.replace_range(..1, &first);
    }
    sentence + "."
}

/// What the monolith said, and the gateway with it.
fn passed_on(ledger: &Ledger) -> Vec<String> {
    let passed = |what| move |loss: &Loss| loss.what == what && loss.by == Speaker::Monolith;
    let (displays, people) = (ledger.count_of(passed(Lost::Erased)), ledger.count_of(passed(Lost::Session)));
    let to_displays = match displays {
        0 => None,
        1 => Some("one of the monolith's 401s on to a display".to_owned()),
        _ => Some(format!("{displays} of the monolith's 401s on to displays")),
    };
    let denials = statuses(ledger, passed(Lost::Session));
    let to_people = match people {
        0 => None,
        1 => Some(format!("one of its denials ({denials}) on to a person")),
        _ => Some(format!("{people} of its denials ({denials}) on to people")),
    };
    let both: Vec<String> = to_displays.into_iter().chain(to_people).collect();
    // "Its" are the monolith's, where no clause before it says whose.
    let both = both.join(" and ");
    let both = if displays == 0 { both.replacen("its denials", "the monolith's denials", 1) } else { both };
    if both.is_empty() { Vec::new() } else { vec![format!("passed {both}")] }
}

/// The 401s to displays whose token was good, which nobody said but the gateway.
fn refused_itself(ledger: &Ledger) -> Vec<String> {
    let own = |loss: &&Loss| loss.what == Lost::Erased && loss.by == Speaker::Gateway;
    let own: Vec<&Loss> = ledger.losses.iter().filter(own).collect();
    let (new_key, old_key): (Vec<&Loss>, Vec<&Loss>) = own.iter().partition(|loss| loss.had_new_key);
    // While it counts as gone, what answers is what was started again.
    let (blind, other): (Vec<&Loss>, Vec<&Loss>) =
        old_key.iter().partition(|loss| (loss.when.is_gone || loss.when.is_back) && loss.when.keys_are_out);
    let part = |losses: &[&Loss], of_whom: &str| {
        (!losses.is_empty()).then(|| format!("to {} {of_whom}", counted(losses.len(), "display")))
    };
    let parts = [
        part(&new_key, "with a good token under the provider's new key"),
        part(&blind, "with a good token after its restart, while the provider's keys were out of reach"),
        part(&other, "with a good token"),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { Vec::new() } else { vec![format!("answered 401 itself {}", parts.join(" and "))] }
}

/// The sessions that the gateway ended by its own word.
fn sent_away_itself(ledger: &Ledger) -> Vec<String> {
    let own = |loss: &Loss| loss.what == Lost::Session && loss.by == Speaker::Gateway;
    let signed_out = ledger.count_of(own);
    if signed_out == 0 {
        return Vec::new();
    }
    vec![format!("signed {} out itself ({})", people(signed_out), statuses(ledger, own))]
}

fn let_in(ledger: &Ledger) -> Vec<String> {
    match ledger.count_of(|loss| loss.what == Lost::Calendar) {
        0 => Vec::new(),
        admitted => vec![format!("let {} with a bad token in", counted(admitted, "intruder"))],
    }
}

/// What those met last who lost nothing and are not served.
fn left_behind(ledger: &Ledger) -> Vec<String> {
    let mut counts = BTreeMap::new();
    for one in ledger.left_behind() {
        *counts.entry(one).or_insert(0_usize) += 1;
    }
    let one = |(LeftBehind { is_display, met, has_new_key }, count): (LeftBehind, usize)| {
        let clients = if is_display { counted(count, "display") } else { people(count) };
        let whose = if has_new_key { " with a good token under the provider's new key" } else { "" };
        match met {
            Some((status, Speaker::Gateway)) => format!("still answers {status} itself to {clients}{whose}"),
            Some((status, Speaker::Monolith)) => format!("still passes {status} on to {clients}{whose}"),
            None => format!("still does not answer {clients}{whose}"),
        }
    };
    counts.into_iter().map(one).collect()
}

/// What it did instead, where nothing was lost.
fn held(ledger: &Ledger) -> Vec<String> {
    let requests = &ledger.requests;
    let mut clauses = Vec::new();
    if requests.denials_held_back > 0 {
        clauses.push(format!("answered {} of the monolith's denials with 5xx instead", requests.denials_held_back));
    }
    if requests.served_without_keys > 0 {
        clauses.push(format!(
            "served {} requests after its restart, while the provider's keys were out of reach",
            requests.served_without_keys
        ));
    }
    if clauses.is_empty() {
        clauses.push("was told nothing that could have cost anybody anything".to_owned());
    }
    clauses
}

fn people(count: usize) -> String {
    if count == 1 { "1 person".to_owned() } else { format!("{count} people") }
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// The statuses of losses of a kind, each with how often it came, the smallest first.
fn statuses(ledger: &Ledger, is_it: impl Fn(&Loss) -> bool) -> String {
    let mut counts = BTreeMap::new();
    for loss in ledger.losses.iter().filter(|loss| is_it(loss)) {
        *counts.entry(loss.status).or_insert(0_usize) += 1;
    }
    let one = |(status, count): (Option<u16>, usize)| match status {
        Some(status @ 300..=399) => format!("{count} × {status} to a sign-in"),
        Some(status @ 401) => format!("{count} × {status}"),
        Some(status @ 403) => format!("{count} × {status}"),
        Some(status) => format!("{count} × {status} that deletes the cookie"),
        None => format!("{count} × no answer"),
    };
    counts.into_iter().map(one).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incident::{
        display::Display,
        ledger::{Circumstances, Requests, Standing},
        person::Person,
    };

    fn loss(what: Lost, status: u16, by: Speaker, had_new_key: bool, blind: bool) -> Loss {
        let when = Circumstances { keys_are_out: blind, is_back: blind, ..Circumstances::default() };
        Loss { what, status: Some(status), by, had_new_key, when }
    }

    fn check(ledger: &Ledger, not_back: bool, expected: &str) {
        assert_eq!(sentence(ledger, not_back, true), expected);
    }

    #[test]
    fn each_loss_is_laid_to_whoever_spoke() {
        use Lost::{Calendar, Erased, Session};
        use Speaker::{Gateway, Monolith};
        let check = |losses: Vec<Loss>, expected: &str| check(&Ledger { losses, ..Ledger::default() }, false, expected);
        let passed = || loss(Erased, 401, Monolith, false, true);
        check(vec![passed()], "Passed one of the monolith's 401s on to a display.");
        check(
            vec![passed(), passed(), loss(Session, 302, Monolith, false, false)],
            "Passed 2 of the monolith's 401s on to displays and one of its denials (1 × 302 to a sign-in) on to a person.",
        );
        check(
            vec![loss(Session, 401, Monolith, false, false), loss(Session, 302, Monolith, false, false)],
            "Passed 2 of the monolith's denials (1 × 302 to a sign-in, 1 × 401) on to people.",
        );
        check(
            vec![loss(Erased, 401, Gateway, true, true), loss(Erased, 401, Gateway, false, true)],
            "Answered 401 itself to 1 display with a good token under the provider's new key and to 1 display with a good \
             token after its restart, while the provider's keys were out of reach.",
        );
        check(vec![loss(Erased, 401, Gateway, false, false)], "Answered 401 itself to 1 display with a good token.");
        check(
            vec![loss(Session, 403, Gateway, false, false), loss(Session, 200, Gateway, false, false)],
            "Signed 2 people out itself (1 × 200 that deletes the cookie, 1 × 403).",
        );
        check(vec![loss(Calendar, 200, Monolith, false, false)], "Let 1 intruder with a bad token in.");
    }

    #[test]
    fn who_is_left_behind_is_said_with_what_they_meet() {
        let display = |met, has_new_key| Standing { met, has_new_key, ..Standing::of(Display::Working) };
        let mut ledger = Ledger { people: vec![Standing::of(Person::SignedIn)], ..Ledger::default() };
        ledger.displays = vec![
            display(Some((403, Speaker::Gateway)), true),
            display(Some((403, Speaker::Gateway)), true),
            Standing { is_served: true, ..display(None, false) },
            Standing { state: Display::Stuck, ..display(None, false) },
        ];
        let expected = "Still does not answer 1 person; still answers 403 itself to 2 displays with a good token under the \
                        provider's new key.";
        check(&ledger, false, expected);
        check(&ledger, true, "Did not come back after it was killed.");
        let unfinished = sentence(&ledger, false, false);
        assert_eq!(unfinished, "Was told nothing that could have cost anybody anything.");
    }

    #[test]
    fn where_nothing_was_lost_it_is_said_what_was_done_instead() {
        let requests = Requests { denials_held_back: 12, served_without_keys: 3, ..Requests::default() };
        let expected = "Answered 12 of the monolith's denials with 5xx instead; served 3 requests after its restart, while \
                        the provider's keys were out of reach.";
        check(&Ledger { requests, ..Ledger::default() }, false, expected);
    }
}
