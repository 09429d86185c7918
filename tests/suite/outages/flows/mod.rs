//! How somebody goes each way: with a good credential, with its bad twins, and again when all is healed. By kind of
//! credential, in the files here.

mod displays;
mod endings;
mod lasting;
mod people;
mod programs;

use std::{sync::Arc, time::Duration};

use gateway::demo::{Part, browser::SeenPage};
use http::{HeaderName, HeaderValue};
use url::Url;
use world::{
    World,
    caller::{Caller, Form, Heard},
    display::DisplayKey,
};

pub(super) use self::endings::EndingPost;
use self::{
    endings::{Ending, SESSIONS},
    lasting::Lasting,
    people::Coming,
};
use super::{
    installer::{self, Installation},
    oracle::{self, Complaints},
    protocol::{self, DisplayRequest, ProtocolRequest},
    table::{Cell, Flow, Outcome},
    twins::Impostor,
};

/// The cookie that holds a ticket, where people reach the gateway by http.
pub(crate) const TICKET: &str = "candor";

/// Where people sign out.
const LOGOUT: &str = "/.candor/logout";

/// Where every display may go.
pub(super) const FLEET: &str = "/fleet/calendar";

/// The tenant of the good display.
pub(super) const ACME: &str = "acme";

/// How often a twin is shown when all is healed, until it is told.
const ASKED_AGAIN: u32 = 10;

/// Somebody on their way, and their bad twins.
pub(crate) struct Going {
    flow: Flow,
    path: &'static str,
    subject: String,
    good: Caller,
    /// What the good one had before signing out.
    ticket: Option<String>,
    coming: Coming,
    twins: Vec<Impostor>,
    /// What a display sends, on the way of one.
    request: Option<DisplayRequest>,
    /// The token that it was granted last.
    granted: Option<String>,
    /// The key that it puts in place of its own.
    new_key: Option<Arc<DisplayKey>>,
    /// What an administrator types.
    installation: Option<Installation>,
    /// The session that is ended by its row.
    ending: Option<Ending>,
    /// What is open.
    lasting: Option<Lasting>,
}

impl Going {
    /// Brings somebody to the point where the dependency is about to break. `index` chooses which twin goes first.
    pub(super) async fn prepare(world: &mut World, cell: &Cell, index: usize) -> Self {
        let form = cell.form;
        let by_ticket = match cell.flow {
            Flow::SignInBegin
            | Flow::Callback
            | Flow::UserinfoCallback
            | Flow::Ticket
            | Flow::Logout
            | Flow::LogoutAtProvider
            | Flow::SessionsPage
            | Flow::SessionEnd
            | Flow::BackChannelLogout
            | Flow::RenewalDue
            | Flow::RenewalPastGrace
            | Flow::UserinfoRenewal
            | Flow::Upgrade
            | Flow::StreamingBody
            | Flow::EventStream => true,
            Flow::BearerKnownKid
            | Flow::BearerUnknownKid
            | Flow::OpaqueKnown
            | Flow::OpaqueUnknown
            | Flow::PublicRoute
            | Flow::GrpcCall
            | Flow::Verify
            | Flow::DeviceToken
            | Flow::OverdueToken
            | Flow::Adoption
            | Flow::LegacyToken
            | Flow::Activation
            | Flow::Polling
            | Flow::Confirmation
            | Flow::Renewal
            | Flow::Reactivation
            | Flow::Statement
            | Flow::KeyRotation
            | Flow::OldPin
            | Flow::OldPinPoll => false,
            Flow::StrictRoute | Flow::ForwardedRequest => form == Form::Browser,
        };
        let path = match (cell.flow, form) {
            (Flow::PublicRoute, _) => "/public/page",
            (Flow::StrictRoute, _) => "/admin/panel",
            // Where half a day may be missing, and where nothing may.
            (Flow::RenewalPastGrace | Flow::UserinfoRenewal, Form::Browser) => "/calendar",
            (Flow::RenewalPastGrace | Flow::UserinfoRenewal, _) => "/admin/panel",
            (Flow::SessionsPage, _) => SESSIONS,
            (Flow::Callback | Flow::UserinfoCallback, _) => "/calendar?week=47&day=mon",
            (flow, _) if flow.is_of_the_fleet() => FLEET,
            (_, Form::Browser) => "/calendar",
            (_, Form::Script | Form::Grpc) => "/api/calendar",
            (_, Form::Device) => "/display/calendar",
        };
        let mut going = Self {
            flow: cell.flow,
            path,
            subject: if by_ticket { "ada" } else { "display-4.12" }.to_owned(),
            good: Caller::new(form),
            ticket: None,
            coming: Coming::default(),
            twins: Vec::new(),
            request: None,
            granted: None,
            new_key: None,
            installation: None,
            ending: None,
            lasting: None,
        };
        if cell.flow.lasts() {
            going.prepare_lasting(world).await;
        } else if cell.flow == Flow::BackChannelLogout {
            going.prepare_back_channel(world).await
        } else if cell.flow.is_of_the_fleet() {
            going.prepare_display(world, cell).await
        } else if by_ticket {
            going.prepare_person(world, cell).await
        } else {
            going.prepare_program(world).await
        }
        if !going.twins.is_empty() {
            let first = index % going.twins.len();
            going.twins.rotate_left(first);
        }
        going
    }

    /// Who the good one truly is.
    pub(super) fn subject(&self) -> &str {
        &self.subject
    }

    /// Goes the way with the good credential.
    pub(super) async fn good(&mut self, world: &World) -> Heard {
        if let Some(request) = &mut self.request {
            let heard = request.go(world).await;
            self.granted = protocol::granted_token(&heard).or(self.granted.take());
            return heard;
        }
        if let Some(installation) = &mut self.installation {
            if self.coming.arrived {
                // That display has its place: this is the next.
                *installation = Self::installation(world).await;
            }
            let heard = installation.go(world, &mut self.good).await;
            self.coming.arrived = installer::is_done(&heard);
            return heard;
        }
        if let Some(ending) = &mut self.ending {
            return ending.go(world, self.flow, &mut self.good).await;
        }
        if let Some(lasting) = &mut self.lasting {
            return lasting.seen(self.flow).await;
        }
        let asked = world.idp.asked(Part::Token);
        let heard = go(world, self.flow, &mut self.good, self.coming.callback.as_ref(), self.path).await;
        if self.flow.is_a_callback() {
            self.coming.spent |= world.idp.asked(Part::Token) > asked;
            self.coming.arrived |= oracle::meets(Outcome::Served, Form::Browser, &heard);
            self.coming.begin = oracle::begin_link(&heard).or(self.coming.begin.take());
        }
        heard
    }

    /// Shows every bad twin while something is broken: nobody goes on in anybody's name.
    pub(super) async fn twins_while_broken(&mut self, world: &World, complaints: &mut Complaints) {
        if let Some(ending) = &self.ending {
            ending.judge("broken", world, complaints).await;
        }
        for twin in &mut self.twins {
            let heard = twin.go(world, self.flow, self.path).await;
            complaints.count_a_twin();
            oracle::judge_twin("broken", self.flow, &heard, twin.name, complaints);
            if twin.spared {
                oracle::judge_spared("broken", &heard, twin.name, complaints);
            }
        }
    }

    /// The same when all is healed: then it is told the truth.
    pub(super) async fn twins_when_healed(&mut self, world: &World, complaints: &mut Complaints) {
        for twin in &mut self.twins {
            let mut beat = tokio::time::interval(Duration::from_millis(20));
            for left in (0..ASKED_AGAIN).rev() {
                let heard = twin.go(world, self.flow, self.path).await;
                oracle::judge_twin("healed", self.flow, &heard, twin.name, complaints);
                if twin.spared {
                    oracle::judge_spared("healed", &heard, twin.name, complaints);
                }
                if oracle::is_told(self.flow, twin.name, &heard) || !twin.provable && oracle::is_undecided(&heard) {
                    break;
                }
                if left == 0 {
                    complaints.add(format!("healed, the twin `{}` is not refused: {}", twin.name, heard.line()));
                }
                world.advance(Duration::from_secs(1));
                beat.tick().await;
            }
        }
    }

    /// Who signed out is signed out: the ticket of before is good for nothing. Who was granted a token is in.
    pub(super) async fn afterwards(&mut self, world: &World, complaints: &mut Complaints) {
        if let Some(token) = &self.granted {
            let heard = world.ask(&mut Caller::bearing(Form::Device, token), FLEET).await;
            if heard.status() != Some(200) || !oracle::others(&heard, &self.subject).is_empty() {
                complaints.add(format!("the token that was granted is not good: {}", heard.line()));
            }
        }
        if let Some(key) = &self.new_key {
            let heard = ProtocolRequest::reactivation(key.clone()).go(world).await;
            if protocol::granted_to(&heard).as_ref() != Some(&self.subject) {
                complaints.add(format!("the key that was added is not good: {}", heard.line()));
            }
        }
        if let Some(ending) = &self.ending {
            ending.judge_when_healed(world, complaints).await;
        }
        if let Some(lasting) = self.lasting.take() {
            lasting.judge_when_healed(world, self.flow, &self.subject, complaints).await;
        }
        let Some(ticket) = self.ticket.as_ref().filter(|_| self.flow.is_a_logout()) else { return };
        let mut copied = Caller::new(Form::Browser);
        copied.browser().set_cookie(&world.url("/"), TICKET, ticket);
        let heard = world.ask(&mut copied, "/calendar").await;
        oracle::judge_twin("after logout", self.flow, &heard, "ended", complaints);
        if !oracle::is_told(self.flow, "ended", &heard) {
            complaints.add(format!("after logout, the ticket of before is not refused: {}", heard.line()));
        }
    }
}

/// One way, once.
pub(super) async fn go(world: &World, flow: Flow, caller: &mut Caller, callback: Option<&Url>, path: &str) -> Heard {
    match flow {
        Flow::SignInBegin => {
            // The last good contact is so long ago that the provider is asked again.
            world.advance(Duration::from_secs(11));
            let asked = world.ask(caller, path).await;
            match asked.answer.as_ref().ok().and_then(SeenPage::location) {
                Some(login) if login.path() == "/.candor/login" => caller.get(&login, &world.monolith).await,
                _ => asked,
            }
        }
        Flow::Callback | Flow::UserinfoCallback => {
            let callback = callback.expect("a callback has its address");
            let heard = caller.get(callback, &world.monolith).await;
            match heard.answer.as_ref().ok().and_then(SeenPage::location) {
                // Nowhere else than to what was asked for in the first place.
                Some(home) if home == world.url(path) => caller.get(&home, &world.monolith).await,
                _ => heard,
            }
        }
        Flow::Logout => caller.post(&world.url(LOGOUT), &[], &world.monolith).await,
        Flow::LogoutAtProvider => people::sign_out_everywhere(world, caller).await,
        Flow::Verify => {
            let original = HeaderValue::from_str(path).expect("a path is visible ASCII");
            caller.browser().always_send(HeaderName::from_static("x-forwarded-uri"), original);
            caller
                .browser()
                .always_send(HeaderName::from_static("x-forwarded-method"), HeaderValue::from_static("GET"));
            caller.get(&world.settings.verify_url(), &world.monolith).await
        }
        Flow::Ticket
        | Flow::RenewalDue
        | Flow::RenewalPastGrace
        | Flow::UserinfoRenewal
        | Flow::SessionsPage
        | Flow::SessionEnd
        | Flow::BackChannelLogout
        | Flow::BearerKnownKid
        | Flow::BearerUnknownKid
        | Flow::OpaqueKnown
        | Flow::OpaqueUnknown
        | Flow::PublicRoute
        | Flow::StrictRoute
        | Flow::ForwardedRequest
        | Flow::GrpcCall
        | Flow::DeviceToken
        | Flow::OverdueToken
        | Flow::Adoption
        | Flow::LegacyToken
        | Flow::Activation
        | Flow::Polling
        | Flow::Confirmation
        | Flow::Renewal
        | Flow::Reactivation
        | Flow::Statement
        | Flow::KeyRotation
        | Flow::OldPin
        | Flow::OldPinPoll
        | Flow::Upgrade
        | Flow::StreamingBody
        | Flow::EventStream => world.ask(caller, path).await,
    }
}
