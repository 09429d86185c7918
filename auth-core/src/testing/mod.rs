//! What tests stand on: a provider that does as it is told, a server that answers with raw bytes, a folder of their own.

pub(crate) mod fleet;
mod folder;
mod provider;
mod raw_server;

pub(crate) use self::{folder::Folder, provider::TestProvider, raw_server::RawServer};
