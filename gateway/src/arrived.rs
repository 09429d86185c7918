//! A request as it arrives: what the connection knows of it besides its bytes.

use std::net::IpAddr;

use http::Request;
use hyper::body::Incoming;

use crate::request_id::RequestId;

/// A request whose head was read.
#[derive(Debug)]
pub struct Arrived {
    /// Our name for it.
    pub id: RequestId,
    /// Who sent it: the other end of the connection.
    pub peer: IpAddr,
    /// The request.
    pub request: Request<Incoming>,
}
