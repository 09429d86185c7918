//! A request as it arrives: what the connection knows of it besides its bytes, and the one snapshot of the configuration
//! that it is served by, from its head to its answer.

use std::{cell::Cell, net::IpAddr, rc::Rc, sync::Arc};

use http::Request;

use crate::{body::Received, fault::ClientKind, request::id::RequestId, state::Running};

/// A request whose head was read.
pub struct Arrived {
    /// Our name for it.
    pub id: RequestId,
    /// Who sent it: the other end of the connection.
    pub peer: IpAddr,
    /// The configuration that was in force when it arrived. Nothing else is asked for one on its way.
    pub running: Arc<Running>,
    /// Who asks: as far as the head shows, then as the route says. If handling it yields nothing, the answer is still in
    /// their form.
    pub asker: Rc<Cell<ClientKind>>,
    /// The request.
    pub request: Request<Received>,
}
