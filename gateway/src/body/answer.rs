//! An upstream's answer as its connection reads it, whichever version of HTTP that speaks.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h2::RecvStream;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

/// The body of an answer, as it comes.
pub enum AnswerBody {
    /// By HTTP/1.
    Http1(Incoming),
    /// By HTTP/2.
    Http2(StreamBody),
}

/// The body of an answer by HTTP/2: what comes on one stream. Dropping it takes the request back.
pub struct StreamBody {
    stream: RecvStream,
    /// Whether its data has ended, so that only trailers can follow.
    has_ended: bool,
}

/// An answer that broke off.
#[derive(Debug, thiserror::Error)]
pub enum AnswerBroken {
    /// By HTTP/1.
    #[error(transparent)]
    Http1(#[from] hyper::Error),
    /// By HTTP/2.
    #[error(transparent)]
    Http2(#[from] h2::Error),
}

impl StreamBody {
    /// What comes on `stream`.
    pub fn new(stream: RecvStream) -> Self {
        Self { stream, has_ended: false }
    }

    /// A stream that was reset has not ended, whatever the reason: half an answer is not a whole one.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        if !self.has_ended {
            match ready!(self.stream.poll_data(cx)) {
                Some(Ok(data)) => {
                    // Nobody asks before the client has room: what is handed on makes room for as much. An error here is
                    // one of the next piece.
                    let _ = self.stream.flow_control().release_capacity(data.len());
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => self.has_ended = true,
            }
        }
        match ready!(self.stream.poll_trailers(cx)) {
            Ok(trailers) => Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers)))),
            Err(error) => Poll::Ready(Some(Err(error))),
        }
    }
}

impl fmt::Debug for AnswerBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http1(_) => "AnswerBody(HTTP/1)",
            Self::Http2(_) => "AnswerBody(HTTP/2)",
        })
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = AnswerBroken;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, AnswerBroken>>> {
        match self.get_mut() {
            Self::Http1(incoming) => Pin::new(incoming).poll_frame(cx).map_err(AnswerBroken::from),
            Self::Http2(stream) => stream.poll_piece(cx).map_err(AnswerBroken::from),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Http1(incoming) => incoming.is_end_stream(),
            Self::Http2(body) => body.stream.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Http1(incoming) => incoming.size_hint(),
            Self::Http2(body) if body.stream.is_end_stream() => SizeHint::with_exact(0),
            Self::Http2(_) => SizeHint::default(),
        }
    }
}
