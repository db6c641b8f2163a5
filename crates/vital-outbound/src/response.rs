//! An answer: its head, checked, and its body, cut while it streams.

use crate::{Accept, OutboundError, Request};
use bytes::Bytes;
use reqwest::{
    Method, StatusCode, Url,
    header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap},
};
use tokio::time::{Instant, timeout_at};

/// Largest head of an answer, in bytes of names and values. The HTTP library itself stops reading at about six times as much.
pub const HEADER_BYTES_MAX: usize = 64 * 1024;
/// Most headers of an answer.
pub const HEADERS_MAX: usize = 128;

/// An answer with a head that fits the request; the body has not been read.
#[derive(Debug)]
pub struct Response {
    inner: reqwest::Response,
    host: String,
    deadline: Instant,
    limit_bytes: u64,
    read_bytes: u64,
}

impl Response {
    pub(crate) fn checked(inner: reqwest::Response, request: &Request, deadline: Instant, limit_bytes: u64) -> Result<Self, OutboundError> {
        let host = inner.url().host_str().unwrap_or_default().to_owned();
        let headers = inner.headers();
        if headers.len() > HEADERS_MAX
            || headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum::<usize>() > HEADER_BYTES_MAX
        {
            return Err(OutboundError::Headers { host });
        }
        // Nothing was said to be understood, and what is not unpacked cannot be a bomb.
        if request.accept != Accept::Unread
            && headers.get_all(CONTENT_ENCODING).iter().any(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"))
        {
            return Err(OutboundError::Encoded { host });
        }
        let is_empty = request.method == Method::HEAD
            || inner.status() == StatusCode::NO_CONTENT
            || headers.get(CONTENT_LENGTH).is_some_and(|length| length == "0");
        if inner.status().is_success() && !is_empty && !request.accept.fits(headers) {
            return Err(OutboundError::Type { host });
        }
        let limit_bytes = if request.accept == Accept::Unread { 0 } else { limit_bytes };
        Ok(Self { inner, host, deadline, limit_bytes, read_bytes: 0 })
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.inner.status()
    }

    /// The headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        self.inner.headers()
    }

    /// The address that answered, after redirects.
    #[must_use]
    pub fn url(&self) -> &Url {
        self.inner.url()
    }

    /// Whether the body says that it is of a type; of a successful answer it is known to be.
    #[must_use]
    pub fn is(&self, accept: Accept) -> bool {
        accept.fits(self.headers())
    }

    /// Returns the next part of the body, or nothing after its end.
    ///
    /// # Errors
    /// [`OutboundError::TooLarge`], [`OutboundError::TooSlow`] or [`OutboundError::Cut`]; no further part comes then.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, OutboundError> {
        let next = timeout_at(self.deadline, self.inner.chunk()).await;
        let chunk = next
            .map_err(|_| OutboundError::TooSlow { host: self.host.clone() })?
            .map_err(|_| OutboundError::Cut { host: self.host.clone() })?;
        self.read_bytes += chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
        if self.read_bytes > self.limit_bytes {
            return Err(OutboundError::TooLarge { host: self.host.clone(), limit_bytes: self.limit_bytes });
        }
        Ok(chunk)
    }

    /// Reads the whole body.
    ///
    /// # Errors
    /// As [`Self::chunk`].
    pub async fn bytes(mut self) -> Result<Vec<u8>, OutboundError> {
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}
