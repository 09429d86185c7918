//! The tag that a display shows beside its PIN: four letters, which are asked for while too many wrong PINs are typed.
//!
//! It is derived from its activation's id as the PIN is, by a key of its own, and the store keeps nothing of it. Its
//! alphabet is that of RFC 8628 §6.1: twenty letters of which none looks like another or like a digit, and which spell no
//! words. A guess at PIN and tag hits 160,000 times more seldom than one at the PIN.

use std::{fmt, str::FromStr};

use super::pin::{ActivationId, uniform};
use crate::keyring::mac::{MacKeys, MacPurpose};

/// A tag as somebody typed it, or as a display shows it. No `Debug`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PinTag([u8; LENGTH]);

/// The text is no tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a tag is four letters")]
pub struct NotATag;

/// What an administrator typed beside a PIN.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum TypedTag {
    /// They were not asked for one.
    NotAsked,
    /// They were, and the display shows none: its app is older than tags.
    NoneShown,
    /// This.
    Typed(PinTag),
}

const LENGTH: usize = 4;
const ALPHABET: [u8; 20] = *b"BCDFGHJKLMNPQRSTVWXZ";
/// How many tags there are: 17.3 bits.
const COUNT: u32 = 160_000;

impl PinTag {
    /// The tag of an activation.
    pub(super) fn of(keys: &MacKeys, id: &ActivationId) -> Self {
        let mut number = uniform(&keys.hash(MacPurpose::PinTag, &[id.as_str().as_bytes()]), COUNT);
        let mut letters = [0; LENGTH];
        for letter in &mut letters {
            let place = usize::try_from(number % 20).unwrap_or_default();
            *letter = ALPHABET.get(place).copied().unwrap_or_default();
            number /= 20;
        }
        Self(letters)
    }
}

impl FromStr for PinTag {
    type Err = NotATag;
    /// As people type it: in small letters too, with spaces.
    fn from_str(text: &str) -> Result<Self, NotATag> {
        let letters = text.bytes().filter(|byte| !byte.is_ascii_whitespace() && *byte != b'-');
        let letters: Vec<u8> = letters.map(|byte| byte.to_ascii_uppercase()).take(LENGTH + 1).collect();
        let letters: [u8; LENGTH] = letters.try_into().map_err(|_| NotATag)?;
        if letters.iter().all(|letter| ALPHABET.contains(letter)) { Ok(Self(letters)) } else { Err(NotATag) }
    }
}

impl fmt::Display for PinTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|letter| write!(f, "{}", char::from(*letter)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{super::pin::PinLength, *};

    #[test]
    fn a_tag_is_read_as_people_type_it() {
        for (text, expected) in [("KZQX", "KZQX"), (" kz qx ", "KZQX"), ("kZ-qX", "KZQX")] {
            assert_eq!(text.parse::<PinTag>().expect("a tag").to_string(), expected, "{text}");
        }
        for text in ["", "KZQ", "KZQXB", "KZQ7", "KAQX", "KZQ\u{e4}", "1234"] {
            assert!(text.parse::<PinTag>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_activation_has_one_tag_of_which_its_pin_says_nothing() {
        let keys = MacKeys::derive(&[7; 32]);
        let mut letters: BTreeMap<(usize, char), u32> = BTreeMap::new();
        for _ in 0..20_000 {
            let id = ActivationId::draw(PinLength::Six).expect("there is randomness");
            let tag = PinTag::of(&keys, &id);
            assert!(tag == PinTag::of(&keys, &id) && tag.to_string().parse() == Ok(tag));
            for (place, letter) in tag.to_string().chars().enumerate() {
                *letters.entry((place, letter)).or_default() += 1;
            }
        }
        // 1000 are expected, with a standard deviation of 31: seven of them, so that no run fails by chance.
        assert_eq!(letters.len(), LENGTH * ALPHABET.len());
        assert!(letters.values().all(|count| (780..1220).contains(count)), "{letters:?}");
        let id = ActivationId::draw(PinLength::Six).expect("there is randomness");
        let same = (0..20).filter(|key| PinTag::of(&MacKeys::derive(&[*key; 32]), &id) == PinTag::of(&keys, &id));
        assert_eq!(same.collect::<Vec<_>>(), [7], "only the keyring knows it");
    }
}
