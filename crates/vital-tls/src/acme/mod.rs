//! Certificates from an authority by ACME (RFC 8555): the order, the proof that a name leads here, and keeping what came.
//!
//! **Invariant:** a failed order changes nothing: the certificate in use stays, and no answer to a challenge stays open.
//! Deliberately not here: dns-01 and wildcards (somebody's DNS would have to be writable from here), revocation (a lost key is told to
//! the authority with its own tools).

mod http;
mod renew;

use crate::{AcmeError, Certificate, Certificates, Folder};
use http::AuthorityHttp;
use instant_acme::{
    Account, AccountCredentials, AuthorizationStatus, ChallengeType, Identifier, NewAccount, NewOrder, Order, OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::{crypto::ring, sign::CertifiedKey};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde::{Deserialize, Serialize};
use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};
use time::OffsetDateTime;
use tokio::sync::Mutex;

pub use renew::{ORDERS_AN_HOUR, Renewal, Wanted};

/// How long one order may take, from the first request to the certificate.
pub const ORDER_TIMEOUT: Duration = Duration::from_secs(120);
/// How long the authority may take for one step of an order.
const STEP_TIMEOUT: Duration = Duration::from_secs(45);
/// Where authorities ask for an answer (RFC 8555 section 8.3).
pub const HTTP_PATH: &str = "/.well-known/acme-challenge/";
/// What an authority says that does not know the account (RFC 8555 section 6.7).
const NO_ACCOUNT: &str = "urn:ietf:params:acme:error:accountDoesNotExist";
/// Longest token of a challenge that is looked at, in bytes.
const TOKEN_BYTES_MAX: usize = 256;

/// How a name is proven to lead here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Challenge {
    /// The authority asks port 80 for a file.
    #[default]
    #[serde(rename = "http-01")]
    Http,
    /// The authority does a handshake on port 443.
    #[serde(rename = "tls-alpn-01")]
    TlsAlpn,
}

impl Challenge {
    const fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::TlsAlpn => 443,
        }
    }

    /// The name of the challenge (RFC 8555 section 8, RFC 8737).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http-01",
            Self::TlsAlpn => "tls-alpn-01",
        }
    }
}

/// The authority and how to talk to it.
#[derive(Clone, Debug)]
pub struct Authority {
    /// The address of its directory.
    pub directory: String,
    /// Addresses it writes to, each beginning with `mailto:`.
    pub contact: Vec<String>,
    /// How names are proven.
    pub challenge: Challenge,
    /// Further roots to trust when talking to it, in PEM.
    pub roots: Option<Vec<u8>>,
}

/// Names of an authority that are read from its directory.
const NAMES_MAX: usize = 16;

impl Authority {
    /// The names by which CAA records mean this authority, as its directory says (RFC 8555 section 7.1.1); none where it does not.
    ///
    /// # Errors
    /// When the authority does not answer, or not with a directory.
    pub async fn caa_names(&self) -> Result<Vec<String>, AcmeError> {
        #[derive(Default, Deserialize)]
        struct Meta {
            #[serde(default, rename = "caaIdentities")]
            names: Vec<String>,
        }
        #[derive(Deserialize)]
        struct Directory {
            #[serde(default)]
            meta: Meta,
        }
        let bytes = AuthorityHttp::new(self.roots.as_deref())?.get(&self.directory).await?;
        let directory: Directory = serde_json::from_slice(&bytes)
            .map_err(|error| AcmeError::Unreachable(one_line(&format!("its directory is malformed: {error}"))))?;
        Ok(directory.meta.names.into_iter().take(NAMES_MAX).collect())
    }
}

/// The answers that an authority fetches by http-01.
#[derive(Debug, Default)]
pub struct HttpAnswers(RwLock<HashMap<String, String>>);

impl HttpAnswers {
    /// The answer to a token, while its challenge is open.
    #[must_use]
    pub fn get(&self, token: &str) -> Option<String> {
        if token.len() > TOKEN_BYTES_MAX {
            return None;
        }
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(token).cloned()
    }

    fn set(&self, token: &str, answer: Option<String>) {
        let mut answers = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match answer {
            Some(answer) => answers.insert(token.to_owned(), answer),
            None => answers.remove(token),
        };
    }
}

/// Orders certificates. One account, made at the first order.
pub struct Orders {
    authority: Authority,
    folder: Folder,
    certificates: Arc<Certificates>,
    answers: Arc<HttpAnswers>,
    account: Mutex<Option<Account>>,
}

/// What the folder keeps of the account.
#[derive(Serialize, Deserialize)]
struct KeptAccount {
    directory: String,
    credentials: AccountCredentials,
}

/// A challenge that is open until this is dropped, however the order ends.
struct Open<'a> {
    orders: &'a Orders,
    domain: String,
    token: String,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.orders.answers.set(&self.token, None);
        self.orders.certificates.close_challenge(&self.domain);
    }
}

impl Orders {
    /// Prepares orders; nothing is sent.
    #[must_use]
    pub fn new(authority: Authority, folder: Folder, certificates: Arc<Certificates>, answers: Arc<HttpAnswers>) -> Self {
        Self { authority, folder, certificates, answers, account: Mutex::new(None) }
    }

    /// The folder where certificates are kept.
    #[must_use]
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Orders a certificate for a name and keeps it. The caller puts it into use.
    ///
    /// # Errors
    /// Why none came; nothing changed then.
    pub async fn order(&self, domain: &str) -> Result<Certificate, AcmeError> {
        let ordered = async {
            match self.order_in_time(domain).await {
                // The authority has forgotten the account: that is what a new one is for.
                Err(AcmeError::NoAccount) => {
                    self.folder.forget_account();
                    self.begin_anew().await;
                    self.order_in_time(domain).await
                }
                ordered => ordered,
            }
        };
        tokio::time::timeout(ORDER_TIMEOUT, ordered).await.unwrap_or(Err(AcmeError::TooSlow(ORDER_TIMEOUT.as_secs())))
    }

    async fn order_in_time(&self, domain: &str) -> Result<Certificate, AcmeError> {
        let account = self.account().await?;
        let identifiers = [Identifier::Dns(domain.to_owned())];
        let mut order = account.new_order(&NewOrder::new(&identifiers)).await.map_err(refused)?;
        let opened = self.prove(&mut order, domain).await?;
        match order.poll_ready(&patience()).await {
            Ok(OrderStatus::Ready) => {}
            // Authorities say why in the order or in the authorization.
            Err(instant_acme::Error::Api(problem)) => return Err(self.unproven(domain, &problem.to_string())),
            Ok(_) => {
                let what = said(&mut order).await;
                return Err(self.unproven(domain, &what));
            }
            Err(error) => return Err(refused(error)),
        }
        drop(opened);
        let unusable = |error: rcgen::Error| AcmeError::Settings(format!("a request for `{domain}` cannot be made: {error}"));
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(unusable)?;
        let mut request = CertificateParams::new([domain.to_owned()]).map_err(unusable)?;
        request.distinguished_name = DistinguishedName::new();
        order.finalize_csr(request.serialize_request(&key).map_err(unusable)?.der()).await.map_err(refused)?;
        let chain = order.poll_certificate(&patience()).await.map_err(refused)?;
        let (key, now) = (key.serialize_pem(), OffsetDateTime::now_utc());
        let certificate = Certificate::from_pem(chain.as_bytes(), key.as_bytes(), now)?;
        certificate.check_host(domain)?;
        self.folder.keep_certificate(domain, &key, &chain)?;
        Ok(certificate)
    }

    /// Opens the answers to the challenges of an order and tells the authority that they are there.
    async fn prove<'a>(&'a self, order: &mut Order, domain: &str) -> Result<Vec<Open<'a>>, AcmeError> {
        let (kind, mut opened) = (self.authority.challenge, Vec::new());
        let mut authorizations = order.authorizations();
        while let Some(next) = authorizations.next().await {
            let mut authorization = next.map_err(refused)?;
            if authorization.status == AuthorizationStatus::Valid {
                continue;
            }
            let wanted = match kind {
                Challenge::Http => ChallengeType::Http01,
                Challenge::TlsAlpn => ChallengeType::TlsAlpn01,
            };
            let mut challenge = authorization.challenge(wanted).ok_or(AcmeError::NoSuchChallenge(kind.as_str()))?;
            let (answer, token) = (challenge.key_authorization(), challenge.token.clone());
            opened.push(Open { orders: self, domain: domain.to_owned(), token: token.clone() });
            match kind {
                Challenge::Http => self.answers.set(&token, Some(answer.as_str().to_owned())),
                Challenge::TlsAlpn => self.certificates.open_challenge(domain, Arc::new(proof(domain, answer.digest().as_ref())?)),
            }
            challenge.set_ready().await.map_err(refused)?;
        }
        Ok(opened)
    }

    fn unproven(&self, domain: &str, what: &str) -> AcmeError {
        AcmeError::Unproven { domain: domain.to_owned(), what: one_line(what), port: self.authority.challenge.port() }
    }

    /// The account: the one in memory, the one in the folder if it is this authority's, or a new one.
    async fn account(&self) -> Result<Account, AcmeError> {
        let mut known = self.account.lock().await;
        if let Some(account) = known.as_ref() {
            return Ok(account.clone());
        }
        let builder = Account::builder_with_http(Box::new(AuthorityHttp::new(self.authority.roots.as_deref())?));
        let directory = &self.authority.directory;
        let kept = self.folder.account().and_then(|json| serde_json::from_slice::<KeptAccount>(&json).ok());
        let account = match kept.filter(|kept| kept.directory == *directory) {
            Some(kept) => builder.from_credentials(kept.credentials).await.map_err(refused)?,
            None => {
                let contact: Vec<&str> = self.authority.contact.iter().map(String::as_str).collect();
                let new = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
                let (account, credentials) = builder.create(&new, directory.clone(), None).await.map_err(refused)?;
                let kept = KeptAccount { directory: directory.clone(), credentials };
                self.folder.keep_account(&serde_json::to_vec(&kept).unwrap_or_default())?;
                account
            }
        };
        *known = Some(account.clone());
        Ok(account)
    }

    /// Forgets the account, so that the next order reads the directory of the authority again.
    async fn begin_anew(&self) {
        self.account.lock().await.take();
    }
}

/// What the authority says about a name that it could not check.
async fn said(order: &mut Order) -> String {
    let mut what = "it gave no reason".to_owned();
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        // What is remembered is from before the check.
        let _stale_is_as_good = authorization.refresh().await;
        if let Some(said) = authorization.challenges.iter().find_map(|c| c.error.as_ref()) {
            what = said.to_string();
        }
    }
    what
}

/// The self-signed certificate that answers tls-alpn-01 (RFC 8737 section 3).
fn proof(domain: &str, digest: &[u8]) -> Result<CertifiedKey, AcmeError> {
    let unusable = |error: rcgen::Error| AcmeError::Settings(format!("an answer for `{domain}` cannot be made: {error}"));
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(unusable)?;
    let mut params = CertificateParams::new([domain.to_owned()]).map_err(unusable)?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let certificate = params.self_signed(&key).map_err(unusable)?;
    let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let signer = ring::sign::any_supported_type(&der).map_err(|error| AcmeError::Settings(error.to_string()))?;
    Ok(CertifiedKey::new(vec![certificate.der().clone()], signer))
}

fn patience() -> RetryPolicy {
    RetryPolicy::new().initial_delay(Duration::from_millis(100)).backoff(1.5).timeout(STEP_TIMEOUT)
}

fn refused(error: instant_acme::Error) -> AcmeError {
    use instant_acme::Error as E;
    match error {
        E::Api(problem) if problem.r#type.as_deref() == Some(NO_ACCOUNT) => AcmeError::NoAccount,
        E::Api(problem) => AcmeError::Refused(one_line(&problem.to_string())),
        E::Timeout(_) => AcmeError::TooSlow(STEP_TIMEOUT.as_secs()),
        other => AcmeError::Unreachable(one_line(&other.to_string())),
    }
}

/// Text of a stranger on one line without control characters.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().filter(|c| !c.is_control()).take(400).collect()
}
