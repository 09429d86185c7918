//! The few pages that people see: one frame, no script, nothing fetched from elsewhere. They fit a phone.
//!
//! Here is only what a page says. Its status, its headers and whether it is a page at all are `reply`'s to decide.

use std::{borrow::Cow, sync::LazyLock, time::Duration};

use askama::Template;
use base64::{Engine, engine::general_purpose::STANDARD};
use url::Url;

/// The one style sheet, in the page itself: a page that reports an outage must not need a second request.
const STYLE: &str = include_str!("../../pages/page.css");

/// A page: a heading, what happened, what to do about it.
#[derive(Debug, Default)]
pub struct Page {
    title: Cow<'static, str>,
    /// What became of what was sent before.
    notice: Option<Notice>,
    paragraphs: Vec<Cow<'static, str>>,
    facts: Vec<(&'static str, String)>,
    entries: Vec<Entry>,
    form: Option<PageForm>,
    actions: Vec<Action>,
    again: bool,
    onward: Option<String>,
    unsent: Option<Cow<'static, str>>,
    retry: Option<u64>,
}

/// What became of what the reader sent before.
#[derive(Debug)]
enum Notice {
    /// Something is wrong with it, so that the form is shown once more.
    Wrong(Cow<'static, str>),
    /// It was done.
    Done(Cow<'static, str>),
}

/// One of several things that a page lists.
#[derive(Debug)]
struct Entry {
    heading: &'static str,
    facts: Vec<(&'static str, String)>,
    form: Option<PageForm>,
}

/// What the reader is asked, and where their answer is posted to.
#[derive(Debug)]
pub struct PageForm {
    to: String,
    fields: Vec<Field>,
    button: &'static str,
}

/// One thing that a form asks, or carries.
#[derive(Debug)]
enum Field {
    /// Carried along unseen.
    Hidden { name: &'static str, value: String },
    /// Digits: phones show the keys for them.
    Digits { name: &'static str, label: &'static str, value: String, count: u8 },
    /// A few letters, which may be missing.
    Letters { name: &'static str, label: &'static str, value: String, count: usize },
    /// Words.
    Words { name: &'static str, label: &'static str, value: String, most: usize },
    /// One of several.
    Choice { name: &'static str, label: &'static str, of: Vec<String>, chosen: Option<String> },
}

/// Something that the reader can choose to do.
#[derive(Debug)]
enum Action {
    Link { text: Cow<'static, str>, to: String },
    NewTab { text: Cow<'static, str>, to: String },
    Press { text: Cow<'static, str>, to: String },
}

#[derive(Template)]
#[template(path = "page.html")]
struct Frame<'a> {
    page: &'a Page,
    style: &'static str,
    id: &'a str,
}

/// The `Content-Security-Policy` of every page: nothing but our own style sheet, known by its hash.
pub fn security_policy() -> &'static str {
    static POLICY: LazyLock<String> = LazyLock::new(|| {
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, STYLE.as_bytes());
        format!(
            "default-src 'none'; style-src 'sha256-{}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
            STANDARD.encode(hash)
        )
    });
    &POLICY
}

impl Action {
    /// The same, but that it leaves the page open.
    fn beside(self) -> Self {
        match self {
            Self::Link { text, to } => Self::NewTab { text, to },
            Self::NewTab { .. } | Self::Press { .. } => self,
        }
    }
}

impl Page {
    /// A page with a heading and one paragraph.
    pub fn new(title: impl Into<Cow<'static, str>>, paragraph: impl Into<Cow<'static, str>>) -> Self {
        Self { title: title.into(), paragraphs: vec![paragraph.into()], ..Self::default() }
    }

    /// With another paragraph.
    #[must_use]
    pub fn say(mut self, paragraph: impl Into<Cow<'static, str>>) -> Self {
        self.paragraphs.push(paragraph.into());
        self
    }

    /// With what is wrong with what the reader sent.
    #[must_use]
    pub fn notice(mut self, notice: impl Into<Cow<'static, str>>) -> Self {
        self.notice = Some(Notice::Wrong(notice.into()));
        self
    }

    /// With what was done that the reader asked for.
    #[must_use]
    pub fn done(mut self, done: impl Into<Cow<'static, str>>) -> Self {
        self.notice = Some(Notice::Done(done.into()));
        self
    }

    /// With a fact: what it is, and what is known.
    #[must_use]
    pub fn fact(mut self, what: &'static str, known: impl Into<String>) -> Self {
        self.facts.push((what, known.into()));
        self
    }

    /// With one thing more in a list, what is known of it, and what can be done with it: a form without anything to fill in.
    #[must_use]
    pub fn entry(mut self, heading: &'static str, facts: Vec<(&'static str, String)>, form: Option<PageForm>) -> Self {
        self.entries.push(Entry { heading, facts, form });
        self
    }

    /// With a form.
    #[must_use]
    pub fn form(mut self, form: PageForm) -> Self {
        self.form = Some(form);
        self
    }

    /// With a link.
    #[must_use]
    pub fn link(mut self, text: impl Into<Cow<'static, str>>, to: impl Into<String>) -> Self {
        self.actions.push(Action::Link { text: text.into(), to: to.into() });
        self
    }

    /// With a link that leaves this page open, since it holds something that the reader may want to send again.
    #[must_use]
    pub fn new_tab(mut self, text: impl Into<Cow<'static, str>>, to: impl Into<String>) -> Self {
        self.actions.push(Action::NewTab { text: text.into(), to: to.into() });
        self
    }

    /// With a button that posts to `to`.
    #[must_use]
    pub fn press(mut self, text: impl Into<Cow<'static, str>>, to: impl Into<String>) -> Self {
        self.actions.push(Action::Press { text: text.into(), to: to.into() });
        self
    }

    /// A page that may be another one soon: where its request sends nothing, it loads itself again.
    #[must_use]
    pub fn again(mut self) -> Self {
        self.again = true;
        self
    }

    /// A page that is left at once for `to`, by itself: to another site, since a form of ours may lead to no other
    /// (`form-action` counts redirects too). What it says stands until then, and is all there is if `to` does not answer.
    #[must_use]
    pub fn onward(mut self, text: impl Into<Cow<'static, str>>, to: &Url) -> Self {
        self.onward = Some(to.to_string());
        self.link(text, to.as_str())
    }

    /// With what is said where the request sent something, which is never sent twice by itself.
    #[must_use]
    pub fn if_sent(mut self, paragraph: impl Into<Cow<'static, str>>) -> Self {
        self.unsent = Some(paragraph.into());
        self
    }

    /// The page in answer to a request that is worth making again after `retry` seconds, if ever. `repeatable`: it sends
    /// nothing.
    #[must_use]
    pub(crate) fn in_answer(mut self, repeatable: bool, retry: Option<u64>) -> Self {
        match (repeatable, self.again, retry) {
            (true, true, Some(seconds)) => {
                let seconds = seconds.max(1);
                self.retry = Some(seconds);
                let wait = in_words(Duration::from_secs(seconds));
                self.paragraphs.push(format!("This page tries again by itself in {wait}.").into());
                // The page's own address: an empty reference names it without repeating a query (RFC 3986 §4.4).
                self.actions.insert(0, Action::Link { text: "Try again now".into(), to: String::new() });
            }
            (false, _, _) => {
                if let Some(what) = self.unsent.take() {
                    self.paragraphs.push(what);
                    // This tab still holds it.
                    self.actions = self.actions.into_iter().map(Action::beside).collect();
                }
            }
            (true, _, _) => {}
        }
        self
    }

    /// Whether it posts to one of our own paths.
    pub(crate) fn has_form(&self) -> bool {
        self.form.is_some()
            || self.entries.iter().any(|entry| entry.form.is_some())
            || self.actions.iter().any(|action| matches!(action, Action::Press { .. }))
    }

    /// The page as HTML, with the request id that a person can read to whoever helps them.
    pub fn html(&self, id: &str) -> String {
        let frame = Frame { page: self, style: STYLE, id };
        frame.render().unwrap_or_else(|_| format!("<!doctype html><title>{0}</title><h1>{0}</h1>", "An error of ours"))
    }

    /// The heading.
    pub fn title(&self) -> &str {
        &self.title
    }
}

impl PageForm {
    /// A form that posts to `to`, by a button of these words.
    pub fn new(to: impl Into<String>, button: &'static str) -> Self {
        Self { to: to.into(), fields: Vec::new(), button }
    }

    /// Carrying `value` along.
    #[must_use]
    pub fn hidden(self, name: &'static str, value: impl Into<String>) -> Self {
        self.with(Field::Hidden { name, value: value.into() })
    }

    /// Asking for so many digits.
    #[must_use]
    pub fn digits(self, name: &'static str, label: &'static str, count: u8, value: impl Into<String>) -> Self {
        self.with(Field::Digits { name, label, value: value.into(), count })
    }

    /// Asking for so many letters, or for none.
    #[must_use]
    pub fn letters(self, name: &'static str, label: &'static str, count: usize, value: impl Into<String>) -> Self {
        self.with(Field::Letters { name, label, value: value.into(), count })
    }

    /// Asking for some words, at most so many characters.
    #[must_use]
    pub fn words(self, name: &'static str, label: &'static str, most: usize, value: impl Into<String>) -> Self {
        self.with(Field::Words { name, label, value: value.into(), most })
    }

    /// Asking for one of several.
    #[must_use]
    pub fn choice(self, name: &'static str, label: &'static str, of: Vec<String>, chosen: Option<String>) -> Self {
        self.with(Field::Choice { name, label, of, chosen })
    }

    fn with(mut self, field: Field) -> Self {
        self.fields.push(field);
        self
    }
}

/// Seconds in a sentence for people.
pub(crate) fn in_words(wait: Duration) -> String {
    match wait.as_secs() {
        0 | 1 => "a second".to_owned(),
        seconds @ 2..=90 => format!("{seconds} seconds"),
        seconds => format!("{} minutes", seconds.div_ceil(60)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_strangers_say_is_shown_and_not_run() {
        let page = Page::new("<script>alert(1)</script>", "a & b \"c\"").link("<b>", "/x?a=\"><script>");
        let html = page.html("id<");
        assert!(!html.contains("<script>") && !html.contains("<b>"), "{html}");
        assert!(html.contains("&#60;script&#62;"), "{html}");
    }

    #[test]
    fn a_page_needs_nothing_else() {
        let html =
            Page::new("Title", "Text").again().in_answer(true, Some(7)).press("Go", "/go").new_tab("Open", "/open");
        let html = html.html("id");
        for foreign in ["src=", "<script", "@import", "url(", "onclick", "style=\""] {
            assert!(!html.contains(foreign), "{foreign} in {html}");
        }
        for part in ["<html lang=\"en\">", "content=\"7\"", "rel=\"noopener\"", "<main>", "<h1>Title</h1>"] {
            assert!(html.contains(part), "{part} not in {html}");
        }
    }

    #[test]
    fn a_form_shows_what_was_typed_and_runs_none_of_it() {
        let hostile = "\"><script>alert(1)</script>";
        let form = PageForm::new("/.candor/activate", "Go on")
            .hidden("pin", hostile)
            .digits("pin", "PIN", 6, hostile)
            .letters("tag", "Tag", 4, hostile)
            .words("room", "Room", 64, hostile)
            .choice("tenant", "Tenant", vec![hostile.to_owned(), "acme".to_owned()], Some("acme".to_owned()));
        let page = Page::new("Title", "Text").notice(hostile).fact("Model", hostile).form(form);
        assert!(page.has_form());
        let html = page.html("id");
        assert!(!html.contains("<script>"), "{html}");
        for part in [
            "inputmode=\"numeric\"",
            "maxlength=\"64\"",
            "autocapitalize=\"characters\"",
            "<option selected>acme</option>",
            "role=\"alert\"",
        ] {
            assert!(html.contains(part), "{part} not in {html}");
        }
        let html = Page::new("Title", "Text").done(hostile).html("id");
        assert!(html.contains("role=\"status\"") && !html.contains("<script>"), "{html}");
    }

    #[test]
    fn the_policy_names_the_style_that_is_sent() {
        let html = Page::new("Title", "Text").html("id");
        let style =
            html.split_once("<style>").and_then(|(_, rest)| rest.split_once("</style>")).expect("it has a style").0;
        assert_eq!(style, STYLE);
        assert!(security_policy().contains("style-src 'sha256-"));
    }
}
