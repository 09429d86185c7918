//! One address of an upstream, and how many requests may be there at once.

use std::{sync::Arc, time::Duration};

use http::HeaderValue;
use tokio::{
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};
use url::Url;

use crate::fault::{At, Connect, Deadline, Fault};

/// One address of an upstream. Workers share it; each keeps connections of its own to it.
#[derive(Debug)]
pub struct Endpoint {
    name: Arc<str>,
    upstream: Arc<str>,
    host: String,
    port: u16,
    authority: HeaderValue,
    connect_timeout: Duration,
    slots: Arc<Semaphore>,
}
