//! Runs devices on tokio: sends what they order over shared connections, keeps their time, and hands in what comes.
//!
//! One [`DeviceHttp`] serves as many devices as one likes over few sockets; a device is one small task that sleeps most
//! of the time. What a device stores, shows and erases is its host's business ([`DeviceHost`]).

use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use tokio::{
    sync::{Semaphore, mpsc, watch},
    time::{Instant, sleep_until, timeout},
};

use super::{ClientAction, ClientEvent, ClientRequest, DeviceClient, HttpAnswer, Moment, Screen, StoredState};

/// Larger answers are none.
const LARGEST: usize = 1 << 20;
/// How long a connection that nobody uses is kept.
const IDLE: Duration = Duration::from_secs(20);

/// What a device stands in: its storage, its screen, its log.
pub trait DeviceHost: Send + 'static {
    /// Writes this durably, whole or not at all.
    ///
    /// # Errors
    /// It is not written. It is ordered again.
    fn store(&mut self, state: &StoredState) -> io::Result<()>;
    /// Erases these parts of what the app keeps.
    fn wipe(&mut self, parts: &[String]);
    /// Shows this from now on.
    fn show(&mut self, screen: &Screen);
    /// A word for the log.
    fn report(&mut self, word: &str);
    /// A request goes out. Counting it is all that can be done about it.
    fn sends(&mut self, _request: &ClientRequest) {}
    /// What this address was asked for has come, or is known not to come. Counting it is all that can be done about it.
    fn hears(&mut self, _url: &str, _answer: &HttpAnswer) {}
}

/// Connections for any number of devices.
#[derive(Clone)]
pub struct DeviceHttp {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    /// How many calls are under way at once.
    places: Arc<Semaphore>,
}

/// How fast devices' time goes: a simulation lives through an hour in a minute at 60. What the gateway itself measures
/// goes at its own pace.
#[derive(Clone, Debug)]
pub struct Pace(Arc<watch::Sender<Course>>);

/// Since `since`, when it was `at`, their time goes `factor` times as fast as ours.
#[derive(Clone, Copy, Debug)]
struct Course {
    since: Instant,
    at: Duration,
    factor: u32,
}

impl DeviceHttp {
    /// At most `places` calls at once, and so at most so many connections.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn new(places: usize) -> io::Result<Self> {
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_nodelay(true);
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(provider)
            .map_err(io::Error::other)?
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(places)
            .build(connector);
        Ok(Self { client, places: Arc::new(Semaphore::new(places)) })
    }

    /// Sends, and waits at most `within` once it has a place.
    pub async fn call(&self, request: ClientRequest, within: Duration) -> HttpAnswer {
        let exchange = async {
            let _place = self.places.acquire().await.ok()?;
            timeout(within, self.exchange(request)).await.ok()?
        };
        exchange.await.unwrap_or_default()
    }

    async fn exchange(&self, request: ClientRequest) -> Option<HttpAnswer> {
        let method: Method = request.method.parse().ok()?;
        let mut wire = Request::builder().method(method).uri(&request.url);
        for (name, value) in &request.headers {
            wire = wire.header(name, &value.0);
        }
        let (head, body) = self.client.request(wire.body(Full::from(request.body)).ok()?).await.ok()?.into_parts();
        let body = Limited::new(body, LARGEST).collect().await.ok()?.to_bytes();
        Some(HttpAnswer {
            status: Some(head.status.as_u16()),
            content_type: text(&head.headers, header::CONTENT_TYPE.as_str()),
            retry_after: text(&head.headers, header::RETRY_AFTER.as_str()).and_then(|seconds| seconds.parse().ok()),
            auth_renew: text(&head.headers, "auth-renew"),
            nonce: text(&head.headers, "dpop-nonce"),
            body: String::from_utf8(body.into()).unwrap_or_default(),
        })
    }
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(ToOwned::to_owned)
}

impl Pace {
    /// Time that goes `factor` times as fast as ours, from now on; at least as fast.
    pub fn times(factor: u32) -> Self {
        let (course, _) = watch::channel(Course { since: Instant::now(), at: Duration::ZERO, factor: factor.max(1) });
        Self(Arc::new(course))
    }

    /// From now on it goes so much faster.
    pub fn change_to(&self, factor: u32) {
        self.0
            .send_modify(|course| *course = Course { at: course.now(), since: Instant::now(), factor: factor.max(1) });
    }

    /// The time of devices.
    pub fn now(&self) -> Duration {
        self.0.borrow().now()
    }

    /// Waits for so long, by the time of devices.
    pub async fn sleep(&self, time: Duration) {
        let at = self.now() + time;
        while self.now() < at {
            sleep_until(self.instant(at)).await;
        }
    }

    /// When it will be `at`, if nobody changes the pace.
    fn instant(&self, at: Duration) -> Instant {
        let course = *self.0.borrow();
        course.since + at.saturating_sub(course.at) / course.factor
    }

    /// The present. The wall clock is nothing to a device.
    fn moment(&self) -> io::Result<Moment> {
        let mut entropy = [0; 32];
        aws_lc_rs::rand::fill(&mut entropy).map_err(|_| io::Error::other("the system gives no randomness"))?;
        Ok(Moment { now: self.now(), wall: 0, entropy })
    }
}

impl Course {
    fn now(&self) -> Duration {
        self.at + self.since.elapsed() * self.factor
    }
}

/// The number of a call, its address, and what came.
type Answered = (u64, String, HttpAnswer);

/// A device that is switched on.
pub struct DeviceDriver<H> {
    device: DeviceClient,
    http: DeviceHttp,
    pace: Pace,
    host: H,
    timer: Duration,
    answers: mpsc::UnboundedSender<Answered>,
    answered: mpsc::UnboundedReceiver<Answered>,
}

impl<H: DeviceHost> DeviceDriver<H> {
    /// Switches on a device with these settings and what it stored.
    ///
    /// # Errors
    /// The system gives no randomness, without which there is no key.
    pub fn new(
        settings: Arc<super::ClientSettings>,
        stored: StoredState,
        http: DeviceHttp,
        pace: Pace,
        host: H,
    ) -> io::Result<Self> {
        let moment = pace.moment()?;
        let device = DeviceClient::new(settings, stored, &moment);
        let (answers, answered) = mpsc::unbounded_channel();
        let mut driver = Self { device, http, pace, host, timer: moment.now, answers, answered };
        driver.tell(ClientEvent::Boot);
        Ok(driver)
    }

    /// Runs it until this is dropped. Each of `presses` is somebody who presses `Retry`.
    pub async fn run(mut self, mut presses: mpsc::Receiver<()>) {
        loop {
            let event = tokio::select! {
                Some((number, url, answer)) = self.answered.recv() => {
                    self.host.hears(&url, &answer);
                    ClientEvent::Answer { number, answer }
                }
                Some(()) = presses.recv() => ClientEvent::Retry,
                () = sleep_until(self.pace.instant(self.timer)) => ClientEvent::Timer,
            };
            self.tell(event);
        }
    }

    fn tell(&mut self, event: ClientEvent) {
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            let Ok(moment) = self.pace.moment() else {
                // As if the answer had been lost, or the timer were late.
                self.timer = self.pace.now() + Duration::from_secs(1);
                return;
            };
            for action in self.device.handle(event, &moment) {
                match action {
                    ClientAction::Store { state } => {
                        if self.host.store(&state).is_err() {
                            events.push(ClientEvent::NotStored);
                        }
                    }
                    ClientAction::Wipe { parts } => self.host.wipe(&parts),
                    ClientAction::Send { request } => self.send(request),
                    ClientAction::Show { screen } => self.host.show(&screen),
                    ClientAction::Timer { at } => self.timer = at,
                    ClientAction::Report { word } => self.host.report(&word),
                }
            }
        }
    }

    fn send(&mut self, request: ClientRequest) {
        self.host.sends(&request);
        let (http, answers) = (self.http.clone(), self.answers.clone());
        let (number, within) = (request.number, request.within);
        tokio::spawn(async move {
            let url = request.url.clone();
            let answer = http.call(request, within).await;
            // A device that was switched off hears nothing more.
            let _ = answers.send((number, url, answer));
        });
    }
}
