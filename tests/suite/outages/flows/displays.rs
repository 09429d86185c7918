//! The ways of displays, and of the administrators who put them up.

use std::{sync::Arc, time::Duration};

use gateway::demo::displays::LegacyDisplay;
use serde_json::Value;
use world::{
    World,
    caller::{Caller, Form},
    disk::DiskBreak,
    display::DisplayKey,
};

use super::{
    super::{
        fleet_twins,
        installer::{self, Installation},
        old_pin,
        protocol::ProtocolRequest,
        table::{Cell, Fault, Flow},
    },
    ACME, Going,
};

/// How old a token is that should have been renewed for two days, and must be. It is not over.
const LONG_OVERDUE: Duration = Duration::from_secs(3 * 24 * 3600);

impl Going {
    /// A display on one of the gateway's own paths.
    async fn prepare_protocol(&mut self, world: &World) {
        let display = world.register(ACME).await;
        self.subject = display.binding.device.to_string();
        let mut key = display.key.clone();
        let mut begun = Value::Null;
        match self.flow {
            Flow::Activation => key = Arc::new(DisplayKey::new()),
            Flow::Polling => {
                let over = fleet_twins::of_an_activation_that_is_over(world).await;
                self.twins.push(over);
                key = Arc::new(DisplayKey::new());
                begun = installer::new_pin(world, &key).await;
                self.subject = world.confirm(&begun, ACME).await.to_string();
            }
            Flow::KeyRotation => self.twins = fleet_twins::of_replaced_keys(world).await,
            _ => {}
        }
        let (flow, token) = (self.flow, world.token_of(&display, Duration::ZERO));
        let made = move |key: &Arc<DisplayKey>| match flow {
            Flow::Activation => ProtocolRequest::activation(key.clone()),
            Flow::Polling => ProtocolRequest::poll(key.clone(), &begun),
            Flow::Renewal => ProtocolRequest::renewal(key.clone(), &token),
            Flow::Reactivation => ProtocolRequest::reactivation(key.clone()),
            Flow::KeyRotation => ProtocolRequest::rotation(key.clone(), Arc::new(DisplayKey::new())),
            _ => ProtocolRequest::statement(key.clone()),
        };
        let request = made(&key);
        self.new_key = request.successor();
        self.request = Some(request.into());
        self.twins.extend(fleet_twins::of_request(world, flow, &key, &made).await);
    }

    /// An app of before at the service's PIN screen.
    async fn prepare_old_pin(&mut self, world: &World) {
        if self.flow == Flow::OldPin {
            self.request = Some(old_pin::PinScreen::opening("sn-old").into());
            return;
        }
        self.twins = old_pin::of_polls(world).await;
        let (id, device) = old_pin::confirmed(world, "sn-old").await;
        self.subject = device;
        self.twins.push(old_pin::of_another_code(&id));
        self.request = Some(old_pin::PinScreen::polling(&id).into());
    }

    /// An administrator who has just signed in, and a display that shows a PIN.
    async fn prepare_installer(&mut self, world: &World) {
        self.twins = fleet_twins::of_installer(world).await;
        self.subject = "ada".to_owned();
        world.sign_in(&mut self.good, "ada", "/calendar").await;
        self.installation = Some(Self::installation(world).await);
    }

    pub(super) async fn installation(world: &World) -> Installation {
        let begun = installer::new_pin(world, &Arc::new(DisplayKey::new())).await;
        Installation { pin: begun["pin"].as_str().expect("a PIN").to_owned(), tenant: ACME }
    }

    /// A display with a token of the monolith's.
    async fn prepare_legacy_display(&mut self, world: &World, cell: &Cell) {
        self.twins = fleet_twins::of_legacy_token(world, cell.cache_state).await;
        // The clock has moved on meanwhile.
        world.poll_revocations().await;
        let display = LegacyDisplay::numbered(1, ACME);
        self.subject.clone_from(&display.id);
        self.good = Caller::bearing(Form::Device, &world.monolith.add_display(display));
        if self.flow == Flow::LegacyToken {
            world.warm_up(&mut self.good, self.path).await;
        }
    }

    pub(super) async fn prepare_display(&mut self, world: &World, cell: &Cell) {
        match self.flow {
            Flow::Adoption | Flow::LegacyToken => return self.prepare_legacy_display(world, cell).await,
            Flow::Confirmation => return self.prepare_installer(world).await,
            flow if flow.is_of_the_protocol() => {
                if matches!(flow, Flow::OldPin | Flow::OldPinPoll) {
                    self.prepare_old_pin(world).await;
                } else {
                    self.prepare_protocol(world).await;
                }
                if cell.breaks().any(|(_, fault)| fault == Fault::Disk(DiskBreak::Gone)) {
                    // Once the store was lost, that nobody knows a key or an id proves nothing until the next start.
                    let unknown = self.twins.iter_mut().filter(|twin| fleet_twins::UNKNOWN.contains(&twin.name));
                    unknown.for_each(|twin| twin.provable = false);
                }
                return;
            }
            _ => {}
        }
        let display = world.register(ACME).await;
        world.warm_up(&mut Caller::bearing(Form::Device, &world.token_of(&display, Duration::ZERO)), self.path).await;
        let age = if self.flow == Flow::OverdueToken { LONG_OVERDUE } else { Duration::ZERO };
        self.good = Caller::bearing(Form::Device, &world.token_of(&display, age));
        self.subject = display.binding.device.to_string();
        self.twins = fleet_twins::of_token(world).await;
    }
}
