//! The demonstration: pretend servers and clients, shared with the tests so that neither can rot. Packages leave it
//! out (feature `demo`).

pub mod browser;
