//! Secrets that can be recognised, and the forms in which one could slip out.

use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};

/// Shorter texts would be found by chance.
const SHORTEST: usize = 12;

/// Every secret that was planted.
#[derive(Default)]
pub(super) struct Canaries(Vec<(String, String)>);

impl Canaries {
    /// Makes up a secret and plants it. `what` tells it from others.
    pub(super) fn make(&mut self, what: &str) -> String {
        let value = format!("kestrel-{:03}-{}/sings+unheard", self.0.len(), what.replace(' ', "-"));
        self.plant(what, &value)
    }

    /// Plants a secret that somebody else made.
    pub(super) fn plant(&mut self, what: &str, value: &str) -> String {
        assert!(value.len() >= SHORTEST, "{what} is too short to be recognised: {value:?}");
        self.0.push((what.to_owned(), value.to_owned()));
        value.to_owned()
    }

    /// The same of a JWT, whose parts count by themselves: a part without the others is as secret. The header is not.
    pub(super) fn plant_jwt(&mut self, what: &str, token: &str) -> String {
        for part in token.split('.').skip(1) {
            self.plant(&format!("{what}, in part"), part);
        }
        self.plant(what, token)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// What of it can be read in `text`, and in which form.
    pub(super) fn heard_in(&self, text: &[u8]) -> Vec<String> {
        let text = String::from_utf8_lossy(text);
        let is_in = |form: &str| text.contains(form);
        let heard = self.0.iter().filter_map(|(what, value)| {
            let form = forms(value).into_iter().find(|form| is_in(form))?;
            let around = text.lines().find(|line| line.contains(&form)).unwrap_or_default();
            Some(format!("{what}: {around}"))
        });
        heard.collect()
    }
}

/// The forms of a text in which it can be read: plain, escaped, percent-encoded, in hexadecimal, and inside base64 at
/// each of the three places where it can begin.
pub(super) fn forms(value: &str) -> Vec<String> {
    let encoded: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
    let hexadecimal: String = value.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mut forms = vec![
        value.to_owned(),
        value.escape_default().to_string(),
        encoded.replace('+', "%20"),
        encoded,
        hexadecimal.to_uppercase(),
        hexadecimal,
    ];
    for before in 0..3 {
        let shifted = [&vec![0; before], value.as_bytes()].concat();
        // The first and the last characters also depend on what stands around it.
        let inner = |text: String| text[(before * 8).div_ceil(6)..text.len() - 4].to_owned();
        forms.push(inner(BASE64_STANDARD.encode(&shifted)));
        forms.push(inner(BASE64_URL_SAFE_NO_PAD.encode(&shifted)));
    }
    forms
}
