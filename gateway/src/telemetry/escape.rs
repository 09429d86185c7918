//! What no line shows as it is: characters that a terminal or a viewer obeys instead of showing them. C0 and C1 controls
//! (U+009B begins an escape sequence), line separators, turns of direction, and everything else without a shape.

use std::{borrow::Cow, fmt::Write as _};

/// A JSON text with every such character as an escape (RFC 8259 §7), which reads back as the same text.
pub(super) fn json(text: &str) -> Cow<'_, str> {
    #[cfg(candor_mutants)]
    if auth_core::mutants::is("log-shows-controls") {
        return Cow::Borrowed(text);
    }
    escaped(text, |character, out| {
        let mut units = [0; 2];
        for unit in character.encode_utf16(&mut units) {
            let _ = write!(out, "\\u{unit:04x}");
        }
    })
}

/// A line to read with every such character as an escape of Rust's. It stays one line.
pub(super) fn human(line: &str) -> Cow<'_, str> {
    escaped(line, |character, out| out.extend(character.escape_debug()))
}

fn escaped(text: &str, escape: impl Fn(char, &mut String)) -> Cow<'_, str> {
    if !text.chars().any(is_obeyed) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_obeyed(character) {
            escape(character, &mut out);
        } else {
            out.push(character);
        }
    }
    Cow::Owned(out)
}

/// Of ASCII the controls; of the rest what Rust itself does not print in a quoted text.
fn is_obeyed(character: char) -> bool {
    if character.is_ascii() { character.is_ascii_control() } else { character.escape_debug().len() > 1 }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Every character that a viewer could obey, as far as we know of them.
    pub(crate) fn obeyed() -> impl Iterator<Item = char> {
        let ranges = ['\u{7f}'..='\u{9f}', '\u{200b}'..='\u{200f}', '\u{2028}'..='\u{202e}', '\u{2066}'..='\u{2069}'];
        ranges.into_iter().flatten().chain(['\u{61c}', '\u{ad}', '\u{feff}', '\u{e0001}'])
    }

    #[test]
    fn what_a_viewer_obeys_is_escaped_and_reads_back() {
        for character in obeyed() {
            let text = format!("a{character}b");
            let quoted = serde_json::Value::from(text.clone()).to_string();
            let safe = json(&quoted);
            assert!(safe.is_ascii() && !safe.contains('\u{7f}'), "{safe}");
            assert_eq!(serde_json::from_str::<String>(&safe).expect("it is JSON"), text);
            assert!(human(&text).is_ascii() && !human(&text).contains('\u{7f}'), "{}", human(&text));
        }
        assert_eq!(json("\"\u{9b}31m\""), "\"\\u009b31m\"");
        assert_eq!(json("\"\u{e0001}\""), "\"\\udb40\\udc01\"");
        assert_eq!(human("a\nb\u{1b}[31m"), "a\\nb\\u{1b}[31m");
    }

    #[test]
    fn what_is_read_stays_as_it_is() {
        for text in ["", "/plain", "J\u{fc}rgen \u{2013} \u{6771}\u{4eac} \u{1f980}"] {
            assert!(matches!(json(text), Cow::Borrowed(same) if same == text));
            assert!(matches!(human(text), Cow::Borrowed(same) if same == text));
        }
    }
}
