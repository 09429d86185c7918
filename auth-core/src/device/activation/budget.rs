//! How many wrong PINs may be typed, by whom.
//!
//! A PIN's lifetime does not help against guessing, since a pool of PINs is refilled: with N of a million open, the g-th
//! guess has hit one with about gN/10⁶. So the day's budgets shrink as more PINs are open: one chance in a thousand a day
//! for a tenant, one in a hundred for the fleet, and never fewer than three guesses. Who has spent their own budget or their
//! network's waits, and hears nothing about any PIN meanwhile.
//!
//! The budgets of tenant and fleet bound guesses at PINs alone, and stop nobody who stands before a display: while one is
//! spent, the display's tag is asked for too, which makes a guess hit 160,000 times more seldom. While the fleet's is, new
//! PINs have eight digits besides, and an alarm rings. Displays of before show no tag. Theirs are looked for by the PIN
//! alone, among them only, for as long as their tenant's budget lasts: it is reckoned by how many of them are in reach,
//! so one administrator's mistakes cost the others an hour at most where up to 47 are.

use std::time::Duration;

use super::pin::PinLength;

/// PINs that are open, and that somebody may find.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct OpenPins {
    pub(super) six: u64,
    pub(super) eight: u64,
}

/// Whose wrong guesses a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CountedGuesses {
    Administrator,
    Tenant,
    Network,
    Fleet,
}

/// At most so many wrong guesses in so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct GuessLimit {
    pub(super) of: CountedGuesses,
    pub(super) most: u64,
    pub(super) within: Duration,
}

const HOUR: Duration = Duration::from_secs(3600);
pub(super) const DAY: Duration = Duration::from_secs(24 * 3600);

/// Never fewer than this: people mistype.
const LEAST: u64 = 3;

/// One guess hits one of `n` PINs of six digits with n in 10⁶, one of eight with n in 10⁸.
const EIGHT_DIGITS: u64 = 100_000_000;
const SIX_OF_EIGHT: u64 = 100;

impl OpenPins {
    /// How many guesses a day stay below a chance of one in `odds`.
    fn guesses_a_day(self, odds: u64) -> u64 {
        let in_reach = self.six.saturating_mul(SIX_OF_EIGHT).saturating_add(self.eight);
        (EIGHT_DIGITS / odds).checked_div(in_reach).unwrap_or(u64::MAX).max(LEAST)
    }
}

/// What stops an administrator, tag or no tag: their own budgets, and that of the network that they are in.
pub(super) const STOPPING: [GuessLimit; 3] = {
    use CountedGuesses::{Administrator, Network};
    [
        GuessLimit { of: Administrator, most: 5, within: Duration::from_secs(15 * 60) },
        GuessLimit { of: Administrator, most: 20, within: DAY },
        GuessLimit { of: Network, most: 20, within: HOUR },
    ]
};

/// Those of a tenant at PINs alone, of which `open` are in reach. Once they are spent, a PIN is looked for by its tag too;
/// and where displays show none, by nothing.
pub(super) fn of_tenant(open: OpenPins) -> [GuessLimit; 2] {
    let of = CountedGuesses::Tenant;
    [GuessLimit { of, most: 20, within: HOUR }, GuessLimit { of, most: open.guesses_a_day(1_000), within: DAY }]
}

/// The fleet's, of which `open` PINs are open in all.
pub(super) fn fleet(open: OpenPins) -> [GuessLimit; 2] {
    let of = CountedGuesses::Fleet;
    [GuessLimit { of, most: 120, within: HOUR }, GuessLimit { of, most: open.guesses_a_day(100), within: DAY }]
}

/// How long new PINs are.
pub(super) fn length(configured: PinLength, fleet_is_spent: bool) -> PinLength {
    if fleet_is_spent { PinLength::Eight } else { configured }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_days_budgets_are_those_of_the_mathematics() {
        let check = |six, eight, tenant, fleet_wide| {
            let open = OpenPins { six, eight };
            assert_eq!((open.guesses_a_day(1_000), open.guesses_a_day(100)), (tenant, fleet_wide), "{open:?}");
        };
        check(0, 0, u64::MAX, u64::MAX);
        check(1, 0, 1_000, 10_000);
        check(50, 0, 20, 200);
        check(500, 0, 3, 20);
        check(2_000, 0, 3, 5);
        check(1_000_000, 0, 3, 3);
        check(0, 50, 2_000, 20_000);
        check(50, 5_000, 10, 100);
    }

    #[test]
    fn the_chance_of_a_hit_stays_below_its_target_until_three_guesses_are_left() {
        for six in 1..3_000_u64 {
            for eight in [0, 1, 77, 4_000] {
                let open = OpenPins { six, eight };
                for (odds, guesses) in [(1_000, open.guesses_a_day(1_000)), (100, open.guesses_a_day(100))] {
                    let in_reach = six * SIX_OF_EIGHT + eight;
                    assert!(guesses >= LEAST);
                    assert!(guesses == LEAST || guesses * in_reach <= EIGHT_DIGITS / odds, "{open:?} {guesses}");
                    let one_more = (guesses + 1) * in_reach;
                    assert!(one_more > EIGHT_DIGITS / odds, "no more careful than needed: {open:?} {guesses}");
                }
            }
        }
    }

    #[test]
    fn more_open_pins_never_allow_more_guesses() {
        for six in 0..2_000 {
            let (fewer, more) = (OpenPins { six, eight: 0 }, OpenPins { six: six + 1, eight: 0 });
            for (fewer, more) in
                of_tenant(fewer).iter().zip(of_tenant(more)).chain(fleet(fewer).iter().zip(fleet(more)))
            {
                assert!(more.most <= fewer.most && more.most >= LEAST);
            }
        }
    }
}
