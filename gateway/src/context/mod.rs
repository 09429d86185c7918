//! One request, from its head to the end of its answer: its name, the one snapshot of the configuration that it is served
//! by, the moment that it is judged by, and what is found out about it on its way. Its answer's form and its line in the
//! access log come from here, even if handling it yields nothing.

mod admission;
mod preflight;

use std::{
    cell::{Cell, RefCell},
    hash::{DefaultHasher, Hash, Hasher},
    net::IpAddr,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use auth_core::{
    clock::Now,
    policy::{Holder, Permit, Requirement},
    principal::{Kind, Principal, Renewal},
    session::Ticket,
    verdict::Unavailable,
};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};
use tokio::time::{Instant, timeout_at};

pub(crate) use self::admission::Admitted;
use crate::{
    body::{Body, Watch},
    fault::{AnswerWord, ClientKind, Deadline, Fault, FaultContext},
    request::{self, RequestHead, RequestId, presumed_client_kind},
    response::{
        answer::{Answer, Recourse, Why},
        renewed_ticket,
        reply::{Reply, kind_of},
    },
    route::{ListedOrigin, ReturnTo, Route},
    state::{Gateway, Running},
    telemetry::{AccessLine, Incomplete, LoggedPrincipal, RouteMetrics},
    upstream::Tunnel,
};

/// Tells a device when to renew its token.
const AUTH_RENEW: HeaderName = HeaderName::from_static("auth-renew");

/// One request.
pub struct RequestContext {
    /// Our name for it.
    pub id: RequestId,
    /// Who sent it: the other end of the connection.
    pub peer: IpAddr,
    /// The process.
    pub gateway: Arc<Gateway>,
    /// The configuration that was in force when it arrived. Nothing else is asked for one on its way.
    pub running: Arc<Running>,
    /// The moment that it is judged by.
    pub now: Now,
    begun: Instant,
    protocol: Option<&'static str>,
    method: Method,
    path: String,
    client_kind: Cell<ClientKind>,
    received: Rc<Cell<u64>>,
    found: RefCell<Found>,
    answered: RefCell<Option<Answered>>,
    tunnel: RefCell<Option<OpenTunnel>>,
}

/// What a 101 opens, and whether whoever opened it may still have it.
pub(crate) struct OpenTunnel {
    pub(crate) tunnel: Box<Tunnel>,
    pub(crate) watch: Option<Watch>,
}

/// What is found out about a request on its way, for its line in the access log.
#[derive(Default)]
struct Found {
    client: Option<IpAddr>,
    principal: Option<LoggedPrincipal>,
    undecided: Option<Unavailable>,
    route: Option<Arc<RouteMetrics>>,
    goes_to_upstream: bool,
    renewal: Option<Renewal>,
    renewed: Option<Ticket>,
    origin: Option<ListedOrigin>,
}

/// What it was answered, for the same.
struct Answered {
    status: StatusCode,
    word: AnswerWord,
    why: Why,
    after: Duration,
}

/// How the answer went to the client, and how it ended.
pub(crate) struct Transfer {
    /// How many bytes of its body were handed to the connection.
    pub(crate) sent: u64,
    /// Why it did not come whole, if it did not.
    pub(crate) incomplete: Option<Incomplete>,
    /// What was seen of that.
    pub(crate) detail: Option<String>,
}

impl RequestContext {
    /// The context of a request that has just arrived from `peer`.
    pub fn new<B>(gateway: Arc<Gateway>, peer: IpAddr, request: &Request<B>) -> Self {
        Self {
            id: RequestId::new(),
            peer,
            running: gateway.running(),
            now: gateway.now(),
            gateway,
            begun: Instant::now(),
            protocol: match request.version() {
                Version::HTTP_2 => Some("HTTP/2"),
                Version::HTTP_10 => Some("HTTP/1.0"),
                _ => None,
            },
            method: request.method().clone(),
            // Without the query: queries hold codes.
            path: request.uri().path().to_owned(),
            client_kind: Cell::new(presumed_client_kind(request.headers())),
            received: Rc::default(),
            found: RefCell::default(),
            answered: RefCell::default(),
            tunnel: RefCell::default(),
        }
    }

    /// Reads the head of `request`, strictly. The request comes back as it was.
    ///
    /// # Errors
    /// [`Fault::BadRequest`], or another that says what is wrong with it.
    pub fn read<B>(&self, request: Request<B>) -> Result<(RequestHead, Request<B>), Fault> {
        let (head, request) = request::read(request, self.id, self.peer, &self.running.head_policy)?;
        self.found.borrow_mut().client = Some(head.forwarded.client);
        Ok((head, request))
    }

    /// In whose form it is answered: as far as its head shows, until the route says so.
    pub fn client_kind(&self) -> ClientKind {
        self.client_kind.get()
    }

    /// From here on it is answered in the form of `kind`.
    pub fn answer_as(&self, kind: ClientKind) {
        self.client_kind.set(kind);
    }

    /// It is for `route`, whatever becomes of it.
    pub(crate) fn is_on(&self, route: &Route) {
        self.found.borrow_mut().route = Some(self.running.metrics_of(route));
    }

    /// It is sent to its route's upstream.
    pub(crate) fn goes_to_upstream(&self) {
        self.found.borrow_mut().goes_to_upstream = true;
    }

    /// Its answer is a 101, which opens a tunnel.
    fn becomes(&self, tunnel: OpenTunnel) {
        *self.tunnel.borrow_mut() = Some(tunnel);
    }

    /// The tunnel that its answer opens: whoever sends that carries it.
    pub(crate) fn take_tunnel(&self) -> Option<OpenTunnel> {
        self.tunnel.take()
    }

    /// Its method.
    pub(crate) fn method(&self) -> &Method {
        &self.method
    }

    /// Counts the bytes of its body as they come.
    pub(crate) fn received(&self) -> &Rc<Cell<u64>> {
        &self.received
    }

    /// It is `principal`'s.
    pub(crate) fn is_of(&self, principal: &Principal) {
        self.found.borrow_mut().renewal = principal.device.as_ref().map(|device| device.renewal);
        let who = LoggedPrincipal { kind: principal.kind, subject: principal.subject.clone() };
        self.found.borrow_mut().principal = Some(who);
    }

    /// What becomes of a request that is `sent`, in time: a display that waits for longer shows nothing meanwhile. All that
    /// was waited for since it arrived counts, so that two things which hang do not take twice as long.
    pub(crate) async fn in_time<T>(
        &self,
        route: &Route,
        sent: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Fault> {
        if self.client_kind() != ClientKind::Device || !is_repeatable(&self.method) {
            return sent.await;
        }
        // A little longer than each deadline within, whose fault says more.
        let deadline = self.begun + route.response_timeout + route.response_timeout / 10;
        let late = || {
            let at = FaultContext::new(route.upstream.clone(), "all that was waited for together");
            Err(Fault::TimedOut(Deadline::ResponseHead, at))
        };
        timeout_at(deadline, sent).await.unwrap_or_else(|_| late())
    }

    /// Its session was renewed: this ticket is to be kept in place of the one that it showed.
    fn is_renewed(&self, ticket: Option<Ticket>) {
        if ticket.is_some() {
            self.found.borrow_mut().renewed = ticket;
        }
    }

    /// It may pass by `permit`: whose it is, or why nobody can tell.
    fn passes_by(&self, permit: &Permit) {
        match permit.holder() {
            Holder::Anyone | Holder::Lapsed => {}
            Holder::Undecided(unavailable) => self.found.borrow_mut().undecided = Some(unavailable.clone()),
            Holder::Known(principal) => self.is_of(principal),
        }
    }

    /// The reply to a request whose head was not understood.
    pub fn fault(&self, fault: Fault) -> Reply {
        Reply { recourse: Recourse::default(), ..self.reply(Answer::Fault(fault)) }
    }

    /// The reply to a request that is on no route.
    pub(crate) fn reply(&self, answer: Answer) -> Reply {
        let (repeatable, returns_over) = (is_repeatable(&self.method), self.returns_over());
        let recourse = Recourse { repeatable, returns_over, ..Recourse::default() };
        Reply { answer, client_kind: self.client_kind.get(), id: self.id, recourse }
    }

    /// The reply to a request on `route`.
    pub(crate) fn reply_on(&self, route: &Route, head: &RequestHead, answer: Answer) -> Reply {
        let recourse = match &answer {
            // Only these lead anywhere; the others need not know where they are.
            Answer::Refused(_) | Answer::Unavailable(_) | Answer::Fault(Fault::UndecidedIdentity(_)) => {
                self.recourse_of(head, &route.requirement)
            }
            _ => return self.reply(answer),
        };
        Reply { recourse, ..self.reply(answer) }
    }

    /// What whoever sent this very request may do next.
    pub(crate) fn recourse_of(&self, head: &RequestHead, requirement: &Requirement) -> Recourse {
        let site = &self.running.site;
        let elsewhere = head.forwarded.is_elsewhere(site.host(), site.is_secure());
        Recourse { elsewhere, ..self.recourse(&head.method, head.path.received().as_str(), requirement) }
    }

    /// What whoever asked may do next: `method` and `target` are the request's own, or those that a proxy asks about.
    pub(crate) fn recourse(&self, method: &Method, target: &str, requirement: &Requirement) -> Recourse {
        let config = &self.running.config;
        let here = ReturnTo::parse(target, &config.server.public_url, &config.own_prefix);
        Recourse {
            repeatable: is_repeatable(method),
            here: here.map(|here| here.as_str().to_owned()),
            sign_in: self.running.site.signs_in() && requirement.may_allow(Kind::User),
            elsewhere: false,
            returns_over: self.returns_over(),
        }
    }

    /// Over how long devices that are turned away are asked to come back.
    fn returns_over(&self) -> Duration {
        match &self.running.config.devices {
            Some(devices) if self.client_kind.get() == ClientKind::Device => {
                self.gateway.limits.backlog().spread(devices.returns_per_second)
            }
            Some(_) | None => Duration::ZERO,
        }
    }

    /// Counts a device among those that are served, or turned away through no fault of their own.
    fn note_device(&self, status: StatusCode) {
        if self.client_kind.get() != ClientKind::Device || self.running.config.devices.is_none() {
            return;
        }
        let backlog = self.gateway.limits.backlog();
        if status.is_server_error() {
            backlog.turned_away(self.now);
        } else if let Some(LoggedPrincipal { subject, .. }) = &self.found.borrow().principal {
            let mut hash = DefaultHasher::new();
            subject.hash(&mut hash);
            backlog.served(hash.finish(), self.now);
        }
    }

    /// A device is served whatever its token's age, and told when to renew it.
    fn say_when_to_renew(&self, response: &mut Response<Body>) {
        let when = match self.found.borrow().renewal {
            Some(Renewal::Due) => "due",
            Some(Renewal::Overdue) => "overdue",
            Some(Renewal::NotDue) | None => return,
        };
        if kind_of(response) == AnswerWord::Upstream {
            response.headers_mut().insert(AUTH_RENEW, HeaderValue::from_static(when));
        }
    }

    /// The ticket to keep in place of the one that it showed goes out with its answer, if no shared cache keeps that.
    fn hand_out_renewed(&self, response: &mut Response<Body>) {
        if let Some(ticket) = self.found.borrow_mut().renewed.take() {
            renewed_ticket::hand_out(response, &ticket, self.now, &self.running.site);
        }
    }

    /// Our own answer says that its script may read it. The service's says so itself, or does not.
    fn mark_for_its_origin(&self, response: &mut Response<Body>) {
        if let Some(origin) = &self.found.borrow().origin
            && kind_of(response) != AnswerWord::Upstream
        {
            origin.mark(response.headers_mut());
        }
    }

    /// Turns `reply` into what is sent.
    pub fn send(&self, reply: Reply) -> Response<Body> {
        let why = reply.answer.why(self.found.borrow().undecided.as_ref());
        let mut response = reply.into_http(&self.running.site);
        self.say_when_to_renew(&mut response);
        self.hand_out_renewed(&mut response);
        self.mark_for_its_origin(&mut response);
        let (status, word) = (response.status(), kind_of(&response));
        self.note_device(status);
        *self.answered.borrow_mut() = Some(Answered { status, word, why, after: self.begun.elapsed() });
        response
    }

    /// Writes the line in the access log, at the end of the request: its answer ended as `transfer` says, or there is none.
    pub(crate) fn log(&self, transfer: Transfer) {
        let Transfer { sent, incomplete, detail } = transfer;
        let (found, answered) = (self.found.take(), self.answered.take());
        let metrics = found.route.as_ref().unwrap_or(&self.running.elsewhere);
        let (answer, why) = match answered {
            Some(Answered { status, word, why, after }) => (Some((status, word, after)), why),
            None => (None, Why::default()),
        };
        let line = AccessLine {
            time: self.now.wall(),
            id: self.id.to_string(),
            client: Some(found.client.unwrap_or(self.peer)),
            protocol: self.protocol,
            method: self.method.clone(),
            path: self.path.clone(),
            status: answer.map(|(status, ..)| status.as_u16()),
            answer: answer.map(|(_, word, _)| word),
            client_kind: self.client_kind.get(),
            principal: found.principal,
            route: found.route.as_ref().map(|metrics| metrics.route.clone()),
            upstream: found.goes_to_upstream.then(|| metrics.upstream.clone()),
            head: answer.map(|(.., after)| after),
            duration: self.begun.elapsed(),
            received: self.received.get(),
            sent,
            incomplete,
            reason: why.reason,
            detail: why.detail.or(detail),
            fault: why.fault.or_else(|| incomplete?.proxy_error()),
        };
        self.gateway.telemetry.access.write(line, metrics);
    }
}

fn is_repeatable(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}
