//! What installers see, each as the answer that it is.

use std::time::Duration;

use auth_core::{
    clock::{Now, Timestamp},
    device::{activation::PinMatch, registry::Binding},
    verdict::Unavailable,
};

use url::form_urlencoded;

use super::{LONGEST_ROOM, TypedBefore};
use crate::{
    config::site::{LoginLink, Site},
    fault::FaultStatus,
    response::{
        answer::{Answer, Why},
        own_answer::{OwnAnswer, OwnFailure},
        page::{Page, PageForm, in_words},
    },
};

/// How many letters a tag has.
const TAG: usize = 4;

/// What is asked for, and why once more.
#[derive(Clone, Copy)]
pub(super) enum Asked {
    /// A PIN.
    Pin,
    /// Once more: it is no PIN at all.
    NoPin,
    /// Once more: it is no tag at all.
    NoTag,
    /// A PIN and its tag, since so many wrong ones were typed.
    TagToo,
    /// Once more: it leads nowhere, for one of many reasons, all of which are told alike.
    NotFound { asks_tag: bool },
}

/// Asks for a PIN, and for its tag where that is needed.
pub(super) fn ask(site: &Site, digits: u8, before: TypedBefore, asked: Asked) -> Answer {
    let asks_tag = matches!(asked, Asked::NoTag | Asked::TagToo | Asked::NotFound { asks_tag: true });
    let (pin, tag) = match asked {
        Asked::NotFound { .. } => (String::new(), None),
        _ => (before.pin, before.tag),
    };
    let mut form = PageForm::new(site.own("activate"), "Continue").digits("pin", "PIN", digits, pin);
    form = match tag {
        _ if asks_tag => form.letters("tag", "Tag (none shown: leave empty)", TAG, tag.unwrap_or_default()),
        Some(tag) => form.hidden("tag", tag),
        None => form,
    };
    if !before.room.is_empty() {
        form = form.hidden("room", before.room);
    }
    let what = if asks_tag { "the PIN and the four letters" } else { "the PIN" };
    let shows = if asks_tag { "shows beside it" } else { "shows" };
    let page = Page::new("Activate a display", format!("Type {what} that the display {shows}.")).form(form);
    Answer::Own(match asked {
        Asked::Pin => OwnAnswer::page(page),
        Asked::TagToo => OwnAnswer::page(
            page.say("So many wrong PINs were typed that a PIN is not enough for a while. Nothing is lost by it."),
        ),
        Asked::NoPin => {
            let page = page.notice("A PIN has digits only: six, or eight if the display shows eight.");
            OwnAnswer::page(page).status(FaultStatus::BadRequest)
        }
        Asked::NoTag => {
            let page = page.notice("A tag is four letters, of which none is a vowel.");
            OwnAnswer::page(page).status(FaultStatus::BadRequest)
        }
        Asked::NotFound { .. } => {
            let page = page
                .notice("No display that you may activate shows this PIN.")
                .say("PINs change every ten minutes, and each is good once: look at the display again.");
            OwnAnswer::page(page).status(FaultStatus::NotFound)
        }
    })
}

/// Shows which display it is, and asks where it hangs.
pub(super) fn show(site: &Site, found: &PinMatch, before: TypedBefore, now: Now) -> Answer {
    let or_unnamed = |text: &str| if text.is_empty() { "not stated".to_owned() } else { text.to_owned() };
    let neighbours = match found.neighbours {
        0 => "none of your displays was seen there".to_owned(),
        1 => "one of your displays was seen there".to_owned(),
        many => format!("{many} of your displays were seen there"),
    };
    let first_seen = match found.first_seen {
        Some(at) => format!("known since {}", day(at)),
        None => format!("new: it asked for this PIN {} ago", ago(now.anchor().since(found.begun))),
    };
    let mut form = PageForm::new(site.own("activate"), "Activate this display")
        .hidden("pin", before.pin)
        .hidden("activation", found.activation.as_str());
    if let Some(tag) = before.tag {
        form = form.hidden("tag", tag);
    }
    let form = form.choice("tenant", "Tenant", found.tenants.clone(), found.tenants.first().cloned()).words(
        "room",
        "Room",
        LONGEST_ROOM,
        before.room,
    );
    let page = Page::new(
        "Is this the display?",
        "Compare it with the one in front of you. If it is another, leave this page.",
    )
    .fact("Model", or_unnamed(&found.model))
    .fact("Serial number", or_unnamed(&found.hardware_id))
    .fact("App", or_unnamed(&found.app_version))
    .fact("Network", format!("{}: {neighbours}", found.network))
    .fact("First seen", first_seen)
    .form(form)
    .link("Another PIN", site.own("activate"));
    Answer::Own(OwnAnswer::page(page))
}

/// It is done.
pub(super) fn confirmed(site: &Site, binding: &Binding) -> Answer {
    let page = Page::new("The display is activated", "It shows its calendar within a few seconds.")
        .fact("Tenant", binding.tenant.clone())
        .fact("Room", binding.room.clone())
        .link("Activate another", site.own("activate"))
        .link("To the service", "/");
    Answer::Own(OwnAnswer::page(page))
}

/// Whoever confirms a PIN must have signed in just now.
pub(super) fn sign_in_again(site: &Site, before: &TypedBefore) -> Answer {
    let said = [("pin", &*before.pin), ("tag", before.tag.as_deref().unwrap_or_default()), ("room", &*before.room)];
    let said = said.into_iter().filter(|(_, value)| !value.is_empty());
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(said).finish();
    let question_mark = if query.is_empty() { "" } else { "?" };
    let back = format!("{}{question_mark}{query}", site.own("activate"));
    let link = LoginLink { return_to: Some(&back), fresh: true, ..LoginLink::default() };
    let page =
        Page::new("Sign in once more", "Displays are activated by people who signed in within the last 15 minutes.")
            .say("You come back here afterwards. You stay signed in meanwhile.")
            .link("Sign in", site.login_by(&link));
    Answer::Own(OwnAnswer::page(page))
}

/// An installer of no tenant.
pub(super) fn no_tenant(site: &Site) -> Answer {
    let back = site.own("activate");
    let other = LoginLink { return_to: Some(&back), select_account: true, ..LoginLink::default() };
    let page = Page::new(
        "There is no tenant to put a display in",
        "You may activate displays, and none of the tenants here is yours.",
    )
    .say("Whoever looks after the service can list you for one: give them the number of the request, below.")
    .link("Sign in as somebody else", site.login_by(&other))
    .link("To the service", "/");
    let why = Why {
        reason: Some("no-tenant"),
        detail: Some("list them in [devices.tenants.NAME], since their provider names no tenant of theirs".to_owned()),
        fault: None,
    };
    Answer::Own(OwnAnswer::page(page).status(FaultStatus::Conflict).log(why))
}

/// Too many wrong PINs were typed. Nobody looked at this one.
pub(super) fn too_many_guesses(site: &Site, retry_after: Duration) -> Answer {
    let wait = format!("So many were typed that none is looked at for {}.", in_words(retry_after));
    let page = Page::new("Too many wrong PINs", wait)
        .if_sent("Nothing is lost: the display shows its PIN, or a new one, until then.")
        .link("Type a PIN", site.own("activate"));
    Answer::Own(OwnAnswer::failed(OwnFailure::TooManyGuesses { retry_after }, page))
}

/// The registry does not answer: nothing was said about the PIN.
pub(super) fn unavailable(site: &Site, down: &Unavailable) -> Answer {
    let page = Page::new(
        "Displays cannot be activated just now",
        "Something that is needed for it does not answer. Nothing is said about the PIN.",
    )
    .if_sent("The display goes on showing a PIN. In a minute, load this page again and let your browser send the same once more.")
    .link("Type a PIN", site.own("activate"));
    let failure = OwnFailure::Unavailable {
        retry_after: down.retry_after,
        detail: "Something that is needed for activating displays does not answer. Nothing is said about the PIN.",
    };
    Answer::Own(OwnAnswer::failed(failure, page).log(Why::missing(down)))
}

fn day(at: Timestamp) -> String {
    let at = jiff::Timestamp::from_second(at.as_secs()).map(|at| at.to_string()).unwrap_or_default();
    at.split('T').next().unwrap_or_default().to_owned()
}

fn ago(age: Duration) -> String {
    match age.as_secs() {
        0..=1 => "a second".to_owned(),
        seconds @ 2..=90 => format!("{seconds} seconds"),
        seconds => format!("{} minutes", seconds.div_ceil(60)),
    }
}
