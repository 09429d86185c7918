//! The content of requests to our own paths: small, of one media type, whole in time. A wrong one costs no state.

use std::time::Duration;

use http::{header, request};
use http_body_util::{BodyExt, Limited};
use tokio::time::timeout;

use super::single;
use crate::body::Received;

/// How long it may take to arrive.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why there is no content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ContentFault {
    /// It is of another media type.
    WrongMediaType,
    /// It is larger than it may be.
    TooLarge,
    /// It broke off.
    Broken,
    /// It did not arrive in time.
    Stalled,
}

/// The content of a request, which must be of `media_type` and have at most `most` bytes.
///
/// # Errors
/// [`ContentFault`].
pub(super) async fn read(
    parts: &request::Parts,
    body: Received,
    media_type: &str,
    most: usize,
) -> Result<Vec<u8>, ContentFault> {
    let found = single(&parts.headers, header::CONTENT_TYPE.as_str()).unwrap_or_default();
    let found = found.split(';').next().unwrap_or_default().trim();
    if !found.eq_ignore_ascii_case(media_type) {
        return Err(ContentFault::WrongMediaType);
    }
    match timeout(PATIENCE, Limited::new(body, most).collect()).await {
        Ok(Ok(content)) => Ok(content.to_bytes().to_vec()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(ContentFault::TooLarge),
        Ok(Err(_)) => Err(ContentFault::Broken),
        Err(_) => Err(ContentFault::Stalled),
    }
}
