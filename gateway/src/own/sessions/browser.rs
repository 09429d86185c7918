//! Which browser it is, and on what, in words that its owner would use. What a browser says of itself is older than all of
//! them, and names most of the others.

/// What is looked for, and what it is called. The first that is found counts: Edge says that it is Chrome, and Chrome that it
/// is Safari.
const BROWSERS: [(&str, &str); 14] = [
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("EdgiOS/", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Vivaldi/", "Vivaldi"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chromium/", "Chromium"),
    ("HeadlessChrome/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
];
const SYSTEMS: [(&str, &str); 7] = [
    ("iPhone", "an iPhone"),
    ("iPad", "an iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Macintosh", "a Mac"),
    ("Linux", "Linux"),
];

/// What to call the browser that sent `user_agent`; what it sent, where that says nothing known.
pub(super) fn in_words(user_agent: &str) -> String {
    let first =
        |of: &[(&str, &'static str)]| of.iter().find(|(has, _)| user_agent.contains(has)).map(|(_, name)| *name);
    match (first(&BROWSERS), first(&SYSTEMS)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(browser), None) => browser.to_owned(),
        (None, _) => user_agent.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_called_as_its_owner_calls_it() {
        let webkit = "AppleWebKit/537.36 (KHTML, like Gecko)";
        for (sent, called) in [
            (format!("Mozilla/5.0 (X11; Linux x86_64) {webkit} HeadlessChrome/156.0.0.0 Safari/537.36"), "Chrome on Linux"),
            (format!("Mozilla/5.0 (Windows NT 10.0; Win64; x64) {webkit} Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0"), "Edge on Windows"),
            ("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:143.0) Gecko/20100101 Firefox/143.0".to_owned(), "Firefox on Windows"),
            (format!("Mozilla/5.0 (Linux; Android 10; K) {webkit} Chrome/140.0.0.0 Mobile Safari/537.36"), "Chrome on Android"),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 \
                 Mobile/15E148 Safari/604.1"
                    .to_owned(),
                "Safari on an iPhone",
            ),
            ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/26.0 Safari/605.1.15".to_owned(), "Safari on a Mac"),
            ("curl/8.5.0".to_owned(), "curl"),
            ("a program of ours".to_owned(), "a program of ours"),
            ("Mozilla/5.0 (Linux)".to_owned(), "Mozilla/5.0 (Linux)"),
            (String::new(), ""),
        ] {
            assert_eq!(in_words(&sent), called, "{sent}");
        }
    }
}
