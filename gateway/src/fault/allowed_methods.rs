//! `AllowedMethods`: what a wrong method is answered with.

use std::sync::Arc;

use http::{HeaderValue, Method};

/// The methods that a path answers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedMethods(Arc<[Method]>);

impl AllowedMethods {
    /// These methods, in this order.
    pub fn new(methods: impl IntoIterator<Item = Method>) -> Self {
        Self(methods.into_iter().collect())
    }

    /// The methods.
    pub fn methods(&self) -> &[Method] {
        &self.0
    }

    /// The field's value.
    pub fn header(&self) -> HeaderValue {
        let text = self.0.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
        HeaderValue::try_from(text).expect("a method is an HTTP token")
    }
}
