//! A service that stands behind a Candor gateway, which signs who is asking. Whoever reaches it past the gateway is nobody.
//! Which gateway: `cargo run --example behind_a_gateway --features axum -- https://app.example.com`.

use auth_core::{Bearer, Principal, StartError};
use axum::{Router, routing::get};

/// The service. `calendar` is its name in the gateway's configuration: `[upstreams.calendar]`.
///
/// # Errors
/// What is wrong with the gateway's address.
pub fn app(gateway: &str, name: &str) -> Result<Router, StartError> {
    let auth = Bearer::gateway_identity(gateway)?.audience(name).start()?;
    let who = |who: Principal| async move { format!("{} {}", who.kind, who.subject.id) };
    Ok(Router::new().route("/me", get(who)).layer(auth.http()))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let gateway = std::env::args().nth(1).unwrap_or_else(|| "https://app.example.com".to_owned());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8083").await?;
    Ok(axum::serve(listener, app(&gateway, "calendar")?).await?)
}
