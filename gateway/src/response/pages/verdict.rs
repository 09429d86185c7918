//! What the pages of refusals and of not being able to tell say.

use auth_core::principal::Silence;

use crate::response::page::Page;

/// We cannot tell whether somebody is signed in: nothing is lost, and signing in again is their choice.
pub(crate) fn unavailable(sign_in: Option<String>) -> Page {
    let page = Page::new(
        "We cannot check your sign-in just now",
        "Something that is needed to check it does not answer. You have not been signed out, and nothing is lost.",
    )
    .again()
    .if_sent(
        "What you sent was not processed, and it is not lost. In a minute, load this page again and let your browser send \
         the same once more; or go back to the page before, which usually still holds what you typed.",
    );
    sign_in_again(page, sign_in)
}

/// Somebody is known, and their provider did not state what would decide whether they may. Loading the page again changes
/// nothing, so it does not do so by itself.
pub(crate) fn groups_not_stated(silence: Silence, sign_in: Option<String>) -> Page {
    let page = Page::new(
        "We were not told your groups",
        "This address is for people in certain groups or roles, and your provider has not told us which are yours. You \
         have not been signed out, and nothing is lost.",
    );
    let page = match silence {
        Silence::Absent | Silence::Unlisted => page
            .say(
                "Loading this page again changes nothing. If signing in again does not help either, a setting has to be \
                 changed: tell whoever looks after the service, with the number below.",
            )
            .say("If that is you: the gateway's log names this number, the provider, and the setting."),
        Silence::NotAsked => {
            page.say("You signed in before this service needed to know them. Signing in again settles it.")
        }
        Silence::StatedBefore => page.say(
            "At your last sign-in it named some, and now none, which may be a passing mistake. Sign in again in ten \
             minutes: if it still names none, that counts.",
        ),
    };
    sign_in_again(page, sign_in)
}

/// Somebody sent something and is not signed in. It was not processed, and their page still holds it.
pub(crate) fn not_signed_in(sign_in: Option<String>) -> Page {
    let page = Page::new("You are not signed in", "What you sent was not processed.");
    match sign_in {
        Some(sign_in) => page
            .say("Sign in in a new tab, then come back to this one, load it again, and let it send the same once more.")
            .new_tab("Sign in", sign_in),
        None => page.say("This address is for programs; people cannot sign in to it."),
    }
}

/// Somebody is known, and may not. `name`: what they are called, if that is known.
pub(crate) fn not_permitted(name: Option<&str>, sign_in: Option<String>, sign_out: String) -> Page {
    let who = name.map(|name| format!(" as {name}")).unwrap_or_default();
    let page = Page::new(
        "You may not open this",
        format!("You are signed in{who}, and this account has no access to this address."),
    )
    .say(
        "Signing in again with the same account changes nothing; whoever looks after the service can give you access.",
    );
    match sign_in {
        Some(sign_in) => page.link("Sign in with another account", sign_in).link("Sign out", sign_out),
        None => page,
    }
}

fn sign_in_again(page: Page, sign_in: Option<String>) -> Page {
    match sign_in {
        Some(sign_in) => page.link("Sign in again", sign_in),
        None => page,
    }
}
