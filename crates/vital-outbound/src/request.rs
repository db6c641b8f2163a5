//! One request: what is sent and which type of answer is read.

use bytes::Bytes;
use reqwest::{
    Method, Url,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
};

/// The types of content that are read of a successful answer; every other is dropped unread. An answer without content needs no type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accept {
    /// `application/json`, and types with the suffix `+json` (RFC 6839 section 3.1).
    Json,
    /// `text/event-stream`; an answer without a type may be one as well.
    EventStream,
    /// Whatever comes is an answer by its status alone: the body is never read, so neither its type nor its encoding matters.
    Unread,
    /// The types of a list, each as `type/subtype`.
    Types(&'static [&'static str]),
}

impl Accept {
    fn header(self) -> HeaderValue {
        match self {
            Self::Json => HeaderValue::from_static("application/json"),
            Self::EventStream => HeaderValue::from_static("text/event-stream"),
            Self::Unread => HeaderValue::from_static("*/*"),
            Self::Types(types) => HeaderValue::from_str(&types.join(", ")).unwrap_or(HeaderValue::from_static("*/*")),
        }
    }

    /// Whether an answer with these headers is of the type.
    pub(crate) fn fits(self, headers: &HeaderMap) -> bool {
        let Some(value) = headers.get(CONTENT_TYPE) else { return matches!(self, Self::EventStream | Self::Unread) };
        let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match self {
            Self::Json => essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json")),
            Self::Unread => true,
            Self::EventStream => essence == "text/event-stream",
            Self::Types(types) => types.contains(&essence.as_str()),
        }
    }
}

/// A request, with the headers and the body that are sent and nothing else.
#[derive(Clone, Debug)]
pub struct Request {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<Bytes>,
    pub(crate) accept: Accept,
}

impl Request {
    /// A request of a method, without a body.
    #[must_use]
    pub fn new(method: Method, url: Url, accept: Accept) -> Self {
        Self { method, url, headers: HeaderMap::from_iter([(ACCEPT, accept.header())]), body: None, accept }
    }

    /// A `GET`.
    #[must_use]
    pub fn get(url: Url, accept: Accept) -> Self {
        Self::new(Method::GET, url, accept)
    }

    /// A `POST` of a body with its type.
    #[must_use]
    pub fn post(url: Url, accept: Accept, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let request = Self::new(Method::POST, url, accept).header(CONTENT_TYPE, HeaderValue::from_static(content_type));
        Self { body: Some(body.into()), ..request }
    }

    /// Sets a header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Sets the headers of a map.
    #[must_use]
    pub fn headers(mut self, headers: HeaderMap) -> Self {
        self.headers.extend(headers);
        self
    }

    /// Sets `Authorization`; it is marked as sensitive, so that no log shows it, and left out after a redirect to another origin.
    #[must_use]
    pub fn authorization(self, mut value: HeaderValue) -> Self {
        value.set_sensitive(true);
        self.header(AUTHORIZATION, value)
    }

    /// The request that follows a redirect: to another origin, only what was asked for goes along.
    pub(crate) fn redirected(mut self, url: Url) -> Self {
        if url.origin() != self.url.origin() {
            self.headers = HeaderMap::from_iter([(ACCEPT, self.accept.header())]);
        }
        self.url = url;
        self
    }
}
