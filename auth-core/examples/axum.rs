//! A service of axum that takes access tokens. Whose: `cargo run --example axum --features axum -- https://idp.example`.

use auth_core::{Bearer, Principal, StartError};
use axum::{Router, routing::get};

/// The service.
///
/// # Errors
/// What is wrong with the issuer.
pub fn app(issuer: &str) -> Result<Router, StartError> {
    let auth = Bearer::issuer(issuer)?.audience("api").scope("orders:read").start()?;
    Ok(Router::new()
        .route("/me", get(|who: Principal| async move { who.subject.id.to_string() }))
        .layer(auth.http())
        .route("/open", get(|| async { "open" })))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let issuer = std::env::args().nth(1).unwrap_or_else(|| "https://idp.example".to_owned());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8081").await?;
    Ok(axum::serve(listener, app(&issuer)?).await?)
}
