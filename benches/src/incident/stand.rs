//! A gateway between its own monolith and its own provider, with its clients signed in: started, killed, started again.

use std::{
    fs, io,
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use auth_core::{Clock, lock::lock};
use gateway::demo::{AccessTokenSpec, Health, Idp, Login, Twin, User, browser::Browser, idp::IdpOptions};
use serde::Serialize;
use tokio::time::{sleep, timeout};
use url::Url;

use super::{
    clients::{Client, PATIENCE, is_open},
    monolith::{Monolith, SESSION_COOKIE},
    person::Person,
    scene::Scene,
    script::Script,
};
use crate::peer::{Launch, Peer, Program, Running, Site, Way, launch};

/// How long a gateway that listens may take until it serves.
const START: Duration = Duration::from_secs(20);

/// How often somebody who cannot sign in tries again.
const TRIES: usize = 5;

/// How many of each kind of client there are.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Cast {
    pub(super) displays: usize,
    pub(super) people: usize,
    pub(super) intruders: usize,
}

/// A gateway and everything around it.
pub(super) struct Stand {
    /// What the clients share.
    pub(super) scene: Arc<Scene>,
    /// The gateway's name.
    pub(super) name: &'static str,
    /// Who could not sign in, and why.
    pub(super) not_signed_in: Option<String>,
    launches: Vec<Launch>,
    folder: PathBuf,
    provider: Idp,
    running: Mutex<Option<Running>>,
    not_back: Mutex<Option<String>>,
}

/// In which ways the tokens of intruders are bad: those that every gateway can tell.
const TWINS: [Twin; 3] = [Twin::Expired, Twin::Forged, Twin::WrongAudience];

impl Stand {
    /// Starts `peer`, and signs everybody in who is signed in from the start.
    ///
    /// # Errors
    /// Why it does not serve.
    pub(super) async fn start(
        peer: &dyn Peer,
        program: &Program,
        folder: PathBuf,
        cast: Cast,
    ) -> Result<(Self, Vec<Client>), String> {
        let say = |error: io::Error| error.to_string();
        let mut stand = Self::around(peer, folder, cast, &Clock::system()).await.map_err(say)?;
        stand.launches = stand.configure(peer, program).map_err(say)?;
        let running = launch(stand.name, &stand.launches, &stand.folder, None).await;
        *lock(&stand.running) = Some(running.map_err(|fault| fault.to_string())?);
        let clients = stand.admit(cast, peer.lacks(Way::Session).is_none()).await?;
        Ok((stand, clients))
    }

    /// All but the gateway itself, which is to listen at the scene's address.
    pub(super) async fn around(peer: &dyn Peer, folder: PathBuf, cast: Cast, clock: &Clock) -> io::Result<Self> {
        let options = IdpOptions { users: users(cast.people), clock: clock.clone(), ..IdpOptions::default() };
        let provider = Idp::start(options).await?;
        let monolith = Monolith::start(peer.lacks(Way::Token).is_none()).await?;
        let tokens = (0..cast.displays).map(|index| provider.mint(&display_token(index))).collect();
        Ok(Self {
            scene: Arc::new(Scene::new(free_port()?, monolith, tokens)),
            not_signed_in: None,
            name: peer.name(),
            launches: Vec::new(),
            folder,
            provider,
            running: Mutex::new(None),
            not_back: Mutex::new(None),
        })
    }

    /// Writes the configuration of `peer`, with nothing kept from an earlier replay: that was of another provider.
    pub(super) fn configure(&self, peer: &dyn Peer, program: &Program) -> io::Result<Vec<Launch>> {
        let _ = fs::remove_dir_all(&self.folder);
        fs::create_dir_all(&self.folder)?;
        let origin = self.scene.monolith.address();
        let site = Site { folder: &self.folder, origin, provider: &self.provider, core: None };
        peer.configure(program, &site, self.scene.address)
    }

    /// The clients, ready to ask.
    pub(super) async fn admit(&mut self, cast: Cast, by_gateway: bool) -> Result<Vec<Client>, String> {
        self.serves().await?;
        let mut clients: Vec<Client> = (0..cast.displays).map(Client::display).collect();
        for index in 0..cast.people {
            match self.sign_in(index, by_gateway).await {
                Ok(client) => clients.push(client),
                Err(why) => {
                    self.not_signed_in = Some(format!("{} could not sign in: {why}", cast.people - index));
                    break;
                }
            }
        }
        clients.extend((0..cast.intruders).map(|index| {
            let twin = TWINS[index % TWINS.len()];
            Client::intruder(index, self.provider.twin(&AccessTokenSpec::of("intruder"), twin))
        }));
        Ok(clients)
    }

    /// Waits until the gateway has what it needs to serve displays.
    async fn serves(&self) -> Result<(), String> {
        let served = async {
            while !is_open(&self.scene).await {
                sleep(Duration::from_millis(50)).await;
            }
        };
        let in_time = timeout(START, served).await;
        in_time.map_err(|_| "it does not serve displays while all is well".to_owned())
    }

    /// Somebody signs in: through the gateway and the provider, or where the gateway keeps no sessions at the monolith.
    async fn sign_in(&self, index: usize, by_gateway: bool) -> Result<Client, String> {
        let path = if by_gateway { Person::PAGE } else { Person::PAGE_OF_MONOLITH };
        let page = format!("http://{}{path}", self.scene.address);
        let page = Url::parse(&page).map_err(|error| error.to_string())?;
        let mut browser = Browser::navigating(PATIENCE);
        if by_gateway {
            self.provider.set_login(Login::Immediately(user_name(index)));
            sign_in_at(&mut browser, &page).await?;
        } else {
            let session = format!("session-of-{index}");
            self.scene.monolith.give_out(&session);
            browser.set_cookie(&page, SESSION_COOKIE, &session);
        }
        Ok(Client::person(self.scene.signed_in(), browser, page))
    }

    /// The outage begins.
    pub(super) fn break_down(&self) {
        self.scene.monolith.set_half_dead(true);
        self.set_keys_whole(false);
    }

    /// The provider signs with a new key, and a fifth of the displays get a token under it, one after the other.
    pub(super) async fn rotate(&self, within: Duration) {
        self.provider.rotate();
        let renewing: Vec<usize> = self.scene.renewing().collect();
        let apart = within.checked_div(u32::try_from(renewing.len()).unwrap_or(u32::MAX)).unwrap_or_default();
        for index in renewing {
            self.scene.renew(index, || self.provider.mint(&display_token(index)));
            sleep(apart).await;
        }
    }

    /// Kills the gateway, and starts it again as it was started before.
    pub(super) async fn crash(&self) {
        let running = lock(&self.running).take();
        self.scene.change(|now| now.is_gone = true);
        if let Some(running) = running {
            running.kill().await;
        }
        sleep(Script::GONE).await;
        match launch(self.name, &self.launches, &self.folder, None).await {
            Ok(running) => {
                *lock(&self.running) = Some(running);
                self.scene.change(|now| (now.is_gone, now.is_back) = (false, true));
            }
            Err(fault) => *lock(&self.not_back) = Some(fault.to_string()),
        }
    }

    /// Everything around the gateway is well again.
    pub(super) fn heal(&self) {
        self.scene.monolith.set_half_dead(false);
        self.set_keys_whole(true);
    }

    /// Why it did not come back after it was killed.
    pub(super) fn not_back(&self) -> Option<String> {
        lock(&self.not_back).clone()
    }

    /// Asks the gateway to end, and sees to it that it does.
    pub(super) async fn end(&self) {
        let running = lock(&self.running).take();
        if let Some(running) = running {
            running.end().await;
        }
    }

    fn set_keys_whole(&self, whole: bool) {
        self.provider.set_health(if whole { Health::Healthy } else { Health::UnreachableKeys });
        self.scene.change(|now| now.keys_are_out = !whole);
    }
}

/// Visits `page` until it is shown. A gateway may ask for patience: many sign in at once, from one address.
async fn sign_in_at(browser: &mut Browser, page: &Url) -> Result<(), String> {
    let mut why = String::new();
    for _ in 0..TRIES {
        match browser.visit(page).await {
            Ok(seen) if seen.status == 200 && seen.url == *page => return Ok(()),
            Ok(seen) => {
                why = format!("{} at {}", seen.status, seen.url.path());
                let wait = seen.header("retry-after").and_then(|wait| wait.parse().ok()).unwrap_or(1);
                sleep(Duration::from_secs(wait).min(PATIENCE)).await;
            }
            Err(no_answer) => why = no_answer.to_string(),
        }
    }
    Err(why)
}

fn users(count: usize) -> Vec<User> {
    let user =
        |index| User { subject: user_name(index), email: format!("{}@example.com", user_name(index)), ..User::ada() };
    (0..count.max(1)).map(user).collect()
}

fn user_name(index: usize) -> String {
    format!("person-{index}")
}

fn display_token(index: usize) -> AccessTokenSpec {
    AccessTokenSpec::of(&format!("display-{index}")).lasting(Duration::from_secs(24 * 3600))
}

/// An address of loopback on which nobody listens.
fn free_port() -> io::Result<SocketAddr> {
    TcpListener::bind(("127.0.0.1", 0))?.local_addr()
}
