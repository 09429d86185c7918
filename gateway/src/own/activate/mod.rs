//! `activate`: where an installer types the PIN that a display shows, sees which display it is, and says where it hangs.
//!
//! It is asked by people on phones, so it needs no script. Who may is a question of [`auth_core::policy`] alone; and since
//! whoever finds an unlocked phone must not let displays in, the sign-in must be of the last quarter of an hour. Nothing
//! behind the gateway is asked: PINs work while the service is down. Whatever is wrong with a PIN (never given, over, used,
//! another tenant's) has one answer.

mod pages;

use std::time::Duration;

use auth_core::{
    clock::Now,
    device::{
        Devices,
        activation::{ActivationId, Administrator, AskingNetwork, ConfirmAnswer, Pin, PinAnswer, PinTag, TypedTag},
    },
    policy::{MaxStale, Requirement, RequirementId, permit},
    principal::{Kind, Principal},
    verdict::{Stop, Unavailable, Verdict},
};
use http::request;
use serde::Deserialize;

use super::form_page::{FormPage, bad_parameters};
use crate::{
    body::Received,
    context::RequestContext,
    fault::{ClientKind, Fault},
    request::RequestHead,
    response::{answer::Answer, reply::Reply},
};

/// How old a sign-in may be that confirms a PIN.
const RECENT: Duration = Duration::from_secs(15 * 60);
/// The most that the form may hold.
const FORM: usize = 4096;
/// The longest name of a room, in characters.
const LONGEST_ROOM: usize = 64;

/// What stands in the address: a display's QR code has PIN and tag, a link of somebody's may say the room.
#[derive(Default, Deserialize)]
struct ActivateQuery {
    pin: Option<String>,
    tag: Option<String>,
    room: Option<String>,
}

/// What the pages post. Without an activation it is the first of the two.
#[derive(Deserialize)]
struct ActivateForm {
    pin: String,
    tag: Option<String>,
    activation: Option<String>,
    tenant: Option<String>,
    room: Option<String>,
}

/// What was typed or stood in the address, as far as it could be meant: it is shown again, or carried along.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct TypedBefore {
    pin: String,
    tag: Option<String>,
    room: String,
}

/// Somebody who may confirm PINs, and in front of what.
struct Installing<'a> {
    devices: &'a Devices,
    context: &'a RequestContext,
    administrator: Administrator,
    digits: u8,
}

/// Shows the page, or does what was posted.
pub(super) async fn answer(
    context: &RequestContext,
    head: &RequestHead,
    parts: &request::Parts,
    body: Received,
) -> Reply {
    context.answer_as(ClientKind::Browser);
    let requirement = installers(context);
    let asking = FormPage { context, head, parts, requirement: &requirement, most: FORM };
    asking.reply(decide(asking, body).await)
}

async fn decide(asking: FormPage<'_>, body: Received) -> Result<Answer, Answer> {
    let (context, head, parts) = (asking.context, asking.head, asking.parts);
    let config = &context.running.config;
    let (Some(devices), Some(config)) = (&context.running.devices, &config.devices) else {
        return Err(Answer::Fault(Fault::NoSuchRoute));
    };
    let query = serde_html_form::from_str::<ActivateQuery>(parts.uri.query().unwrap_or_default());
    let Ok(query) = query else { return Err(bad_parameters()) };
    let (form, admitted) = asking.asked::<ActivateForm>(body).await?;
    let principal = admitted.principal().map_err(Answer::Fault)?;
    let site = &context.running.site;
    let before = match &form {
        Some(form) => TypedBefore::read(Some(&form.pin), form.tag.as_deref(), form.room.as_deref()),
        None => TypedBefore::read(query.pin.as_deref(), query.tag.as_deref(), query.room.as_deref()),
    };
    if !is_recent(principal, context.now) {
        return Ok(pages::sign_in_again(site, &before));
    }
    let tenants = tenants_of(context, principal).map_err(Answer::Unavailable)?;
    if tenants.is_empty() {
        return Ok(pages::no_tenant(site));
    }
    let network = AskingNetwork::of(head.forwarded.client);
    let administrator = Administrator { who: principal.subject.to_string(), tenants, network };
    let installing = Installing { devices, context, administrator, digits: config.pin_digits };
    match form {
        None => Ok(pages::ask(site, config.pin_digits, before, pages::Asked::Pin)),
        Some(form @ ActivateForm { activation: None, .. }) => installing.find(&form, before).await,
        Some(form) => installing.confirm(form, before).await,
    }
}

impl Installing<'_> {
    async fn find(&self, typed: &ActivateForm, before: TypedBefore) -> Result<Answer, Answer> {
        let site = &self.context.running.site;
        let ask = |before, asked| pages::ask(site, self.digits, before, asked);
        // What is no PIN or no tag says nothing about any, so it is no guess.
        let Ok(pin) = typed.pin.parse::<Pin>() else { return Ok(ask(before, pages::Asked::NoPin)) };
        let tag = match typed.tag.as_deref().map(str::trim) {
            None => TypedTag::NotAsked,
            Some("") => TypedTag::NoneShown,
            Some(text) => match text.parse() {
                Ok(tag) => TypedTag::Typed(tag),
                Err(_) => return Ok(ask(before, pages::Asked::NoTag)),
            },
        };
        let found = self.devices.find_pin(pin, tag, &self.administrator, self.context.now).await;
        Ok(match found.map_err(|down| pages::unavailable(site, &down))? {
            PinAnswer::Found(found) => pages::show(site, &found, before, self.context.now),
            PinAnswer::NotFound { asks_tag } => ask(before, pages::Asked::NotFound { asks_tag }),
            PinAnswer::AsksTag => ask(before, pages::Asked::TagToo),
            PinAnswer::TooManyGuesses { retry_after } => pages::too_many_guesses(site, retry_after),
        })
    }

    async fn confirm(&self, form: ActivateForm, before: TypedBefore) -> Result<Answer, Answer> {
        let ActivateForm { activation: Some(activation), tenant: Some(tenant), room: Some(_), .. } = &form else {
            return Err(bad_parameters());
        };
        let Ok(activation) = activation.parse::<ActivationId>() else { return Err(bad_parameters()) };
        let site = &self.context.running.site;
        if before.room.is_empty() {
            return self.find(&form, before).await;
        }
        // Which of them the display may go to, the registry says too: this is about the person alone.
        if !self.administrator.tenants.contains(tenant) {
            return Err(bad_parameters());
        }
        let now = self.context.now;
        let confirmed =
            self.devices.confirm_activation(&activation, tenant, &before.room, &self.administrator, now).await;
        Ok(match confirmed.map_err(|down| pages::unavailable(site, &down))? {
            ConfirmAnswer::Confirmed { binding, .. } => pages::confirmed(site, &binding),
            ConfirmAnswer::NotFound => {
                pages::ask(site, self.digits, before, pages::Asked::NotFound { asks_tag: false })
            }
        })
    }
}

/// Who may confirm PINs. Of what is a confirmation overdue, they may not: it is administration.
fn installers(context: &RequestContext) -> Requirement {
    let allow = context.running.config.admin.installer.clone();
    // No route has this index, so this permit opens none.
    Requirement::new(RequirementId(u32::MAX - 1), allow, MaxStale::all(Duration::ZERO))
}

fn is_recent(principal: &Principal, now: Now) -> bool {
    #[cfg(candor_mutants)]
    if auth_core::mutants::is("any-sign-in-confirms") {
        return true;
    }
    let signed_in = principal.begun;
    principal.kind == Kind::User && signed_in <= now.anchor() && now.anchor().since(signed_in) <= RECENT
}

/// The tenants that somebody may put displays in: those that the configuration lists for them, else their own.
///
/// # Errors
/// Whether they may cannot be told of any.
fn tenants_of(context: &RequestContext, principal: &Principal) -> Result<Vec<String>, Unavailable> {
    let listed = context.running.config.devices.iter().flat_map(|devices| &devices.tenants);
    let (mut tenants, mut unclear): (Vec<String>, Option<Unavailable>) = (Vec::new(), None);
    let mut any = false;
    for (name, tenant) in listed {
        any = true;
        let requirement = Requirement::new(RequirementId(u32::MAX - 1), tenant.allow.clone(), MaxStale::DEFAULT);
        match permit(Verdict::Authenticated(principal.clone()), &requirement, context.now) {
            Ok(_) => tenants.push(name.to_string()),
            Err(Stop::Rejected(_)) => {}
            Err(Stop::Unavailable(unavailable)) => unclear = Some(unavailable),
        }
    }
    match (any, unclear) {
        (false, _) => Ok(principal.tenant.iter().map(ToString::to_string).collect()),
        (true, Some(unclear)) if tenants.is_empty() => Err(unclear),
        (true, _) => {
            // Their own is likeliest to be meant.
            tenants.sort_by_key(|tenant| principal.tenant.as_deref() != Some(tenant));
            Ok(tenants)
        }
    }
}

/// What of a text could be a PIN: it is shown again in a field for digits.
fn digits_of(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).take(8).collect()
}

impl TypedBefore {
    fn read(pin: Option<&str>, tag: Option<&str>, room: Option<&str>) -> Self {
        let tag = tag.and_then(|tag| tag.parse::<PinTag>().ok()).map(|tag| tag.to_string());
        let room = room.map(str::trim).filter(|room| is_a_room(room)).unwrap_or_default();
        Self { pin: digits_of(pin.unwrap_or_default()), tag, room: room.to_owned() }
    }
}

/// Whether a room can be called so.
fn is_a_room(name: &str) -> bool {
    !name.is_empty() && name.chars().count() <= LONGEST_ROOM && !name.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_again_is_digits_alone() {
        let check = |typed: &str, shown: &str| assert_eq!(digits_of(typed), shown, "{typed}");
        check("482 913", "482913");
        check("48<script>", "48");
        check("1234567890", "12345678");
        check("", "");
    }

    #[test]
    fn a_link_prefills_what_could_be_typed() {
        let check = |tag: &str, room: &str, expected: (Option<&str>, &str)| {
            let read = TypedBefore::read(Some("482 913"), Some(tag), Some(room));
            assert_eq!((read.pin.as_str(), (read.tag.as_deref(), read.room.as_str())), ("482913", expected));
        };
        check("kzqx", " Room 4.12 ", (Some("KZQX"), "Room 4.12"));
        check("<b>", "<b>", (None, "<b>"));
        check("", &"x".repeat(LONGEST_ROOM + 1), (None, ""));
        check("KZQXB", "a\u{0}b", (None, ""));
        check("KZQX", &"\u{e4}".repeat(LONGEST_ROOM), (Some("KZQX"), &"\u{e4}".repeat(LONGEST_ROOM)));
    }
}
