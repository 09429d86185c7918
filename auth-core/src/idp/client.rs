//! A provider as openidconnect knows one: its metadata, and us as its client.
//!
//! Made anew from the kept document for each request: nothing is fetched here, and no key set is handed over. What the
//! library requires of a document and nobody here needs is filled in, so that a provider which leaves it out is as good
//! as before.

use openidconnect::{
    AuthType, AuthUrl, ClientId, ClientSecret, EmptyAdditionalClaims, EmptyAdditionalProviderMetadata, EndSessionUrl,
    EndpointMaybeSet, EndpointNotSet, EndpointSet, IssuerUrl, JsonWebKeySetUrl, LogoutProviderMetadata,
    ProviderMetadataWithLogout, ResponseTypes, TokenUrl, UserInfoUrl,
    core::{
        CoreAuthDisplay, CoreAuthPrompt, CoreClientAuthMethod, CoreGenderClaim, CoreJsonWebKey,
        CoreJweContentEncryptionAlgorithm, CoreResponseType, CoreRevocableToken, CoreRevocationErrorResponse,
        CoreSubjectIdentifierType, CoreTokenIntrospectionResponse,
    },
};
use secrecy::ExposeSecret;
use serde::de::DeserializeOwned;

use super::{ProviderConfig, error_response::TokenErrorResponse, exchange::TokenEndpointResponse};
use crate::{dependency::Dependency, discovery::Document, verdict::Unavailable};

/// Us, at a provider whose document names an authorisation endpoint.
pub(super) type Client = openidconnect::Client<
    EmptyAdditionalClaims,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    TokenErrorResponse,
    TokenEndpointResponse,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// Us at the provider that `document` describes.
///
/// # Errors
/// Unavailable(Discovery), if it names no authorisation endpoint: an issuer that only signs access tokens.
pub(super) fn client(config: &ProviderConfig, document: &Document) -> Result<Client, Unavailable> {
    let metadata = metadata(document)?;
    let authentication = authentication(&metadata);
    let secret = config.client_secret.as_ref().map(|secret| ClientSecret::new(secret.expose_secret().to_owned()));
    let client = Client::from_provider_metadata(metadata, ClientId::new(config.client_id.clone()), secret);
    Ok(client.set_auth_type(authentication))
}

/// What a document lacks that signing in needs.
pub(super) fn lacks(member: &str) -> Unavailable {
    Unavailable::because(Dependency::Discovery, format!("the provider's document has no `{member}`"))
}

/// OpenID Connect Discovery 1.0 §3, OpenID Connect RP-Initiated Logout 1.0 §2.1. The addresses are those that
/// [`Document`] found safe.
fn metadata(document: &Document) -> Result<ProviderMetadataWithLogout, Unavailable> {
    let authorization = document.authorization_endpoint.clone().ok_or_else(|| lacks("authorization_endpoint"))?;
    let issuer = IssuerUrl::new(document.issuer.to_string())
        .map_err(|bad| Unavailable::because(Dependency::Discovery, format!("the issuer is no address: {bad}")))?;
    let logout = LogoutProviderMetadata {
        end_session_endpoint: document.end_session_endpoint.clone().map(EndSessionUrl::from_url),
        additional_metadata: EmptyAdditionalProviderMetadata {},
    };
    let metadata = ProviderMetadataWithLogout::new(
        issuer,
        AuthUrl::from_url(authorization),
        JsonWebKeySetUrl::from_url(document.jwks_uri.clone()),
        vec![ResponseTypes::new(vec![CoreResponseType::Code])],
        listed::<CoreSubjectIdentifierType>(document, "subject_types_supported").unwrap_or_default(),
        // Which algorithms an ID token may be signed with is configured, and [`crate::keys`] judges by that.
        Vec::new(),
        logout,
    );
    Ok(metadata
        .set_token_endpoint(document.token_endpoint.clone().map(TokenUrl::from_url))
        .set_userinfo_endpoint(document.userinfo_endpoint.clone().map(UserInfoUrl::from_url))
        .set_token_endpoint_auth_methods_supported(listed(document, "token_endpoint_auth_methods_supported")))
}

/// A list of the document's: what in it can be read.
pub(super) fn listed<T: DeserializeOwned>(document: &Document, name: &str) -> Option<Vec<T>> {
    let list = document.raw.get(name)?.as_array()?;
    Some(list.iter().filter_map(|one| T::deserialize(one).ok()).collect())
}

/// `client_secret_basic` is the default (OpenID Connect Discovery 1.0 §3); `client_secret_post` where only that is
/// offered.
fn authentication(metadata: &ProviderMetadataWithLogout) -> AuthType {
    let offered = metadata.token_endpoint_auth_methods_supported();
    let offers = |method| offered.is_some_and(|offered| offered.contains(&method));
    if offers(CoreClientAuthMethod::ClientSecretPost) && !offers(CoreClientAuthMethod::ClientSecretBasic) {
        AuthType::RequestBody
    } else {
        AuthType::BasicAuth
    }
}
