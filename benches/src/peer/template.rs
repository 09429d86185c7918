//! Configurations: files with places that are filled in.

use std::{fs, io, path::Path};

/// `template` with `{{name}}` replaced by its value, written to `path`.
pub(super) fn write(path: &Path, template: &str, values: &[(&str, String)]) -> io::Result<()> {
    fs::write(path, filled(template, values)?)
}

/// `template` with `{{name}}` replaced by its value; nothing may be left to fill in.
pub(super) fn filled(template: &str, values: &[(&str, String)]) -> io::Result<String> {
    let filled =
        values.iter().fold(template.to_owned(), |text, (name, value)| text.replace(&format!("{{{{{name}}}}}"), value));
    match filled.lines().find(|line| line.contains("{{")) {
        Some(line) => Err(io::Error::new(io::ErrorKind::InvalidInput, format!("nothing to fill in: {}", line.trim()))),
        None => Ok(filled),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_filled_whole_or_not_at_all() {
        let values = [("a", "1".to_owned()), ("b", "2".to_owned())];
        assert_eq!(filled("{{a}} {{b}} {{a}}", &values).expect("filled"), "1 2 1");
        let fault = filled("x\n  y {{c}}", &values).expect_err("c is not given");
        assert_eq!(fault.to_string(), "nothing to fill in: y {{c}}");
    }
}
