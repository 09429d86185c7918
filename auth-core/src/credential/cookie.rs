//! The `Cookie` field, byte for byte: split at `;`, blanks are space and tab, nothing is unquoted or decoded
//! (RFC 6265 §5.4 as browsers send it).

use http::{HeaderMap, header::COOKIE};

/// Every cookie of a request, in order, as name and value. One without a name is none.
pub fn cookies(headers: &HeaderMap) -> impl Iterator<Item = (&[u8], &[u8])> {
    let fields = headers.get_all(COOKIE).iter();
    fields.flat_map(|field| field.as_bytes().split(|byte| *byte == b';')).filter_map(pair)
}

fn pair(part: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = part.iter().position(|byte| *byte == b'=')?;
    let (name, value) = (trim_blanks(&part[..at]), trim_blanks(&part[at + 1..]));
    (!name.is_empty()).then_some((name, value))
}

/// `text` without the spaces and tabs at its ends. Whoever takes cookies of ours out of a request must see the same name as
/// whoever reads them.
pub fn trim_blanks(text: &[u8]) -> &[u8] {
    let is_text = |byte: &u8| !matches!(byte, b' ' | b'\t');
    let Some(start) = text.iter().position(is_text) else { return &[] };
    let end = text.iter().rposition(is_text).unwrap_or(start);
    &text[start..=end]
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn cookies_are_split_and_nothing_else() {
        let check = |fields: &[&str], expected: &[(&str, &str)]| {
            let value = |text: &&str| HeaderValue::from_bytes(text.as_bytes()).expect("a header value");
            let headers: HeaderMap = fields.iter().map(|text| (COOKIE, value(text))).collect();
            let found: Vec<_> = cookies(&headers).collect();
            let expected: Vec<_> = expected.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect();
            assert_eq!(found, expected, "{fields:?}");
        };
        check(&["a=1; b=2"], &[("a", "1"), ("b", "2")]);
        check(&["a=1", "a=2"], &[("a", "1"), ("a", "2")]);
        check(&[" a = 1\t;;b=\"x; y\""], &[("a", "1"), ("b", "\"x")]);
        check(&["=x; y; a=b=c"], &[("a", "b=c")]);
        check(&["$Version=1; a=%41"], &[("$Version", "1"), ("a", "%41")]);
        check(&["\u{2000}__Host-candor=x"], &[("\u{2000}__Host-candor", "x")]);
    }
}
