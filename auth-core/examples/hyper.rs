//! A service of hyper alone that takes access tokens. Whose:
//! `cargo run --example hyper --features tower -- https://idp.example`.

use std::{convert::Infallible, error::Error};

use auth_core::{Bearer, Principal};
use http::{Request, Response};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::net::TcpListener;
use tower::{Layer, service_fn};

async fn me(request: Request<Incoming>) -> Result<Response<String>, Infallible> {
    let who = request.extensions().get::<Principal>().map(|who| who.subject.id.to_string());
    Ok(Response::new(who.unwrap_or_default()))
}

/// Serves until its task ends.
///
/// # Errors
/// What is wrong with the issuer.
pub async fn serve(listener: TcpListener, issuer: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
    let auth = Bearer::issuer(issuer)?.audience("api").scope("orders:read").start()?;
    let service = TowerToHyperService::new(auth.http().layer(service_fn(me)));
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service.clone()));
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let issuer = std::env::args().nth(1).unwrap_or_else(|| "https://idp.example".to_owned());
    serve(TcpListener::bind("127.0.0.1:8084").await?, &issuer).await
}
