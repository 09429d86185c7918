//! PINs, and the ids of activations that they come from.
//!
//! A PIN is drawn by a keyed hash over the random id of its activation, so it is as uniform as the id is random, nobody
//! without the keyring can tell it from the id, and the same activation shows the same PIN without keeping it. The store
//! has a keyed hash of it, by which it is found. Two PINs that are open differ in two digits at least: no single wrong
//! digit leads to somebody else's display.

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{
    keyring::mac::{MacKeys, MacPurpose},
    random::random_bytes,
    verdict::Unavailable,
};

/// How many digits a PIN has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PinLength {
    /// A million PINs.
    #[default]
    Six,
    /// A hundred million: while the fleet's guesses are spent, or where the configuration says so.
    Eight,
}

/// A PIN as somebody typed it, or as a device shows it. No `Debug`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Pin {
    length: PinLength,
    number: u32,
}

/// Names an activation: how long its PIN is, and 128 random bits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ActivationId(String);

/// The text is no PIN: it has letters, or too few or too many digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a PIN is six or eight digits")]
pub struct NotAPin;

/// The text is no id of an activation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an activation id")]
pub struct NotAnActivationId;

const RANDOM: usize = 16;

impl PinLength {
    const fn digits(self) -> usize {
        match self {
            Self::Six => 6,
            Self::Eight => 8,
        }
    }

    /// How many PINs there are.
    const fn count(self) -> u32 {
        match self {
            Self::Six => 1_000_000,
            Self::Eight => 100_000_000,
        }
    }

    /// What the ids of such activations begin with.
    pub(super) const fn mark(self) -> &'static str {
        match self {
            Self::Six => "6",
            Self::Eight => "8",
        }
    }
}

impl ActivationId {
    /// A new one.
    pub(super) fn draw(length: PinLength) -> Result<Self, Unavailable> {
        let random = random_bytes::<RANDOM>()?;
        Ok(Self(format!("{}{}", length.mark(), URL_SAFE_NO_PAD.encode(random))))
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn length(&self) -> PinLength {
        if self.0.starts_with(PinLength::Eight.mark()) { PinLength::Eight } else { PinLength::Six }
    }
}

impl Pin {
    /// The PIN of an activation.
    pub(super) fn of(keys: &MacKeys, id: &ActivationId) -> Self {
        let (length, drawn) = (id.length(), keys.hash(MacPurpose::PinDraw, &[id.as_str().as_bytes()]));
        Self { length, number: uniform(&drawn, length.count()) }
    }

    /// What the store finds it by.
    pub(super) fn hash(self, keys: &MacKeys) -> String {
        URL_SAFE_NO_PAD.encode(keys.hash(MacPurpose::Pin, &[self.to_string().as_bytes()]))
    }

    /// The PINs that differ from it in one digit.
    pub(super) fn neighbours(self) -> impl Iterator<Item = Self> {
        let places = (0..u32::try_from(self.length.digits()).unwrap_or(0)).map(|place| 10_u32.pow(place));
        places.flat_map(move |place| {
            let digit = self.number / place % 10;
            let others = (0..10).filter(move |other| *other != digit);
            others.map(move |other| Self { number: self.number - digit * place + other * place, ..self })
        })
    }
}

/// A number below `count`, none likelier than another: of the four that the hash holds, the first that is not in the
/// unfinished last round.
pub(super) fn uniform(hash: &[u8; 32], count: u32) -> u32 {
    let count = u64::from(count);
    let whole_rounds = u64::MAX - u64::MAX % count;
    let (eights, _) = hash.as_chunks::<8>();
    let drawn = eights.iter().map(|eight| u64::from_be_bytes(*eight)).find(|drawn| *drawn < whole_rounds);
    // All four in that round: that is once in 10^44 PINs, and still a PIN.
    u32::try_from(drawn.unwrap_or_default() % count).unwrap_or_default()
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:0width$}", self.number, width = self.length.digits())
    }
}

/// Reads what somebody typed: digits, which blanks and hyphens may part.
impl FromStr for Pin {
    type Err = NotAPin;
    fn from_str(text: &str) -> Result<Self, NotAPin> {
        const LONGEST: usize = 32;
        if text.len() > LONGEST {
            return Err(NotAPin);
        }
        let digits: String = text.chars().filter(|c| !matches!(c, ' ' | '-' | '\u{a0}')).collect();
        let length = match digits.len() {
            6 => PinLength::Six,
            8 => PinLength::Eight,
            _ => return Err(NotAPin),
        };
        if !digits.bytes().all(|digit| digit.is_ascii_digit()) {
            return Err(NotAPin);
        }
        digits.parse().map(|number| Self { length, number }).map_err(|_| NotAPin)
    }
}

impl FromStr for ActivationId {
    type Err = NotAnActivationId;
    fn from_str(text: &str) -> Result<Self, NotAnActivationId> {
        let marks = [PinLength::Six, PinLength::Eight].map(PinLength::mark);
        let random = marks.iter().find_map(|mark| text.strip_prefix(mark)).ok_or(NotAnActivationId)?;
        let bytes = URL_SAFE_NO_PAD.decode(random).map_err(|_| NotAnActivationId)?;
        if bytes.len() == RANDOM { Ok(Self(text.to_owned())) } else { Err(NotAnActivationId) }
    }
}

impl fmt::Display for ActivationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    fn keys() -> MacKeys {
        MacKeys::derive(&[7; 32])
    }

    #[test]
    fn a_pin_is_read_as_people_type_it() {
        let check = |text: &str, expected: &str| {
            assert_eq!(text.parse::<Pin>().expect("a PIN").to_string(), expected, "{text}");
        };
        check("482913", "482913");
        check(" 482 913 ", "482913");
        check("000-001", "000001");
        check("0048 2913", "00482913");
        for text in
            ["", "48291", "4829134", "482913482", "48291a", "４８２９１３", "+48291", "-4829-1", &" ".repeat(99)]
        {
            assert!(text.parse::<Pin>().is_err(), "{text}");
        }
    }

    #[test]
    fn neighbours_are_all_that_differ_in_one_digit() {
        for (text, count) in [("482913", 54), ("000000", 54), ("99999999", 72)] {
            let pin: Pin = text.parse().expect("a PIN");
            let others: BTreeSet<String> = pin.neighbours().map(|other| other.to_string()).collect();
            assert_eq!(others.len(), count);
            for other in others {
                assert_eq!(other.len(), text.len());
                assert_eq!(other.bytes().zip(text.bytes()).filter(|(a, b)| a != b).count(), 1, "{text} {other}");
            }
        }
    }

    #[test]
    fn an_activation_has_one_pin_and_only_the_keyring_knows_it() {
        let id = ActivationId::draw(PinLength::Six).expect("there is randomness");
        assert!(Pin::of(&keys(), &id) == Pin::of(&keys(), &id));
        assert_eq!(id.as_str().parse(), Ok(id.clone()));
        let others = (0..20).filter(|key| Pin::of(&MacKeys::derive(&[*key; 32]), &id) == Pin::of(&keys(), &id));
        assert_eq!(others.collect::<Vec<_>>(), [7]);
        for text in ["", "6", "6AAAA", "7AAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAA", "6AAAAAAAAAAAAAAAAAAAAAA="]
        {
            assert_eq!(text.parse::<ActivationId>(), Err(NotAnActivationId), "{text}");
        }
    }

    #[test]
    fn pins_are_uniform() {
        let keys = keys();
        for length in [PinLength::Six, PinLength::Eight] {
            let mut places: BTreeMap<(usize, u8), u32> = BTreeMap::new();
            for _ in 0..20_000 {
                let id = ActivationId::draw(length).expect("there is randomness");
                for (place, digit) in Pin::of(&keys, &id).to_string().bytes().enumerate() {
                    *places.entry((place, digit)).or_default() += 1;
                }
            }
            // 2000 are expected, with a standard deviation of 42: seven of them, so that no run fails by chance.
            assert_eq!(places.len(), length.digits() * 10);
            assert!(places.values().all(|count| (1700..2300).contains(count)), "{places:?}");
        }
        let half = |first: u64, second: u64| {
            let mut hash = [0; 32];
            hash[..8].copy_from_slice(&first.to_be_bytes());
            hash[8..16].copy_from_slice(&second.to_be_bytes());
            uniform(&hash, 1_000_000)
        };
        assert_eq!(half(1_000_007, 0), 7);
        assert_eq!(half(u64::MAX, 3), 3, "the unfinished round is not used");
    }
}
