//! Requests to the authority, through the one outbound client.

use crate::AcmeError;
use bytes::Bytes;
use http::{Request, Response};
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use std::{future::Future, pin::Pin};
use vital_outbound::{Accept, Method, Outbound, Purpose, Request as Outgoing};

/// What authorities answer with (RFC 8555 sections 6.1, 6.7 and 7.4.2).
const TYPES: Accept = Accept::Types(&["application/json", "application/problem+json", "application/pem-certificate-chain"]);
/// A fresh nonce comes without a body and so without a type, which this one alone allows.
const NO_BODY: Accept = Accept::EventStream;

/// The client of one authority.
pub(super) struct AuthorityHttp(Outbound);

impl AuthorityHttp {
    /// Makes it; nothing is sent.
    pub(super) fn new(roots: Option<&[u8]>) -> Result<Self, AcmeError> {
        let settings = |error: vital_outbound::OutboundError| AcmeError::Settings(error.to_string());
        let mut builder = Outbound::builder(Purpose::CertificateAuthority);
        if let Some(roots) = roots {
            builder = builder.authorities(roots).map_err(settings)?;
        }
        Ok(Self(builder.build().map_err(settings)?))
    }

    /// Reads a document that needs no account.
    pub(super) async fn get(&self, address: &str) -> Result<Bytes, AcmeError> {
        let unreachable = |error: vital_outbound::OutboundError| AcmeError::Unreachable(error.to_string());
        let url = self.0.address(address).map_err(|fault| AcmeError::Settings(fault.to_string()))?;
        let answer = self.0.send(Outgoing::get(url, TYPES)).await.map_err(unreachable)?;
        match answer.status().is_success() {
            true => Ok(answer.bytes().await.map_err(unreachable)?.into()),
            false => Err(AcmeError::Unreachable(format!("it answered with {}", answer.status()))),
        }
    }
}

impl HttpClient for AuthorityHttp {
    fn request(&self, request: Request<BodyWrapper<Bytes>>) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let outbound = self.0.clone();
        Box::pin(async move { exchange(&outbound, request).await })
    }
}

async fn exchange(outbound: &Outbound, request: Request<BodyWrapper<Bytes>>) -> Result<BytesResponse, Error> {
    let other = |error: vital_outbound::OutboundError| Error::Other(Box::new(error));
    let (parts, body) = request.into_parts();
    let url = outbound.address(&parts.uri.to_string()).map_err(|fault| Error::Other(Box::new(fault)))?;
    // The body is one that was given as a whole.
    let mut body = BytesResponse::from(Response::new(body)).body;
    let bytes = body.into_bytes().await.map_err(Error::Other)?;
    let outgoing = match parts.method {
        Method::POST => Outgoing::post(url, TYPES, "application/jose+json", bytes),
        Method::HEAD => Outgoing::new(Method::HEAD, url, NO_BODY),
        method => Outgoing::new(method, url, TYPES),
    };
    let answer = outbound.send(outgoing).await.map_err(other)?;
    let (status, headers) = (answer.status(), answer.headers().clone());
    let mut response = Response::new(BodyWrapper::from(answer.bytes().await.map_err(other)?));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(BytesResponse::from(response))
}
