//! A server of tonic that takes access tokens, before the health service of gRPC. Whose:
//! `cargo run --example tonic --features tonic -- https://idp.example`.

use auth_core::{
    Bearer, StartError,
    layer::{AuthLayer, GrpcAnswers},
};
use tonic::transport::{Server, server::Router};
use tonic_health::server::health_reporter;
use tower_layer::{Identity, Stack};

/// The server.
///
/// # Errors
/// What is wrong with the issuer.
pub fn server(issuer: &str) -> Result<Router<Stack<AuthLayer<GrpcAnswers>, Identity>>, StartError> {
    let auth = Bearer::issuer(issuer)?.audience("api").scope("orders:read").start()?;
    let (_, health) = health_reporter();
    Ok(Server::builder().layer(auth.grpc()).add_service(health))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let issuer = std::env::args().nth(1).unwrap_or_else(|| "https://idp.example".to_owned());
    Ok(server(&issuer)?.serve("127.0.0.1:8082".parse()?).await?)
}
