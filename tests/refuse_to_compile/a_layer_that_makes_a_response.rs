//! Expected: E0271.
//!
//! Between the wire and a request's life travel replies. A layer there cannot make an HTTP response, and so no status.

use std::convert::Infallible;

use gateway::{body::Body, response::reply::Reply};
use tower::{Layer, Service, layer::layer_fn, service_fn};

pub fn serve<S: Service<u8, Response = Reply>>(service: S) -> S {
    service
}

pub fn layered<S: Service<u8, Response = Reply>>(inner: S) {
    #[cfg(misuse)]
    let layer = layer_fn(|_: S| {
        service_fn(|_: u8| async {
            let mut answer = http::Response::new(Body::empty());
            *answer.status_mut() = http::StatusCode::UNAUTHORIZED;
            Ok::<_, Infallible>(answer)
        })
    });
    #[cfg(not(misuse))]
    let layer = layer_fn(|inner: S| inner);
    serve(layer.layer(inner));
}
