//! The HTTP client of the command line: one server, one session, problems as failures with an exit code.
//!
//! **Invariant:** a password or token goes over plain HTTP to this machine alone, unless the person allows more; redirects are not
//! followed, so it goes to the named server alone. **Invariant:** what a server sends is bounded and cannot steer the terminal.

use super::credentials::{Credentials, path};
use crate::{
    failure::{Exit, Failure},
    terminal::plain,
};
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url, redirect};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{net::IpAddr, time::Duration};
use vital_kernel::limits;

/// The server that commands talk to when nothing else is said.
pub(crate) const DEFAULT_URL: &str = "http://127.0.0.1:8080";
/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// Longest wait for a reply that is not a stream or an upload.
const REPLY: Duration = Duration::from_secs(60);
/// Largest reply that is not a stream, in bytes.
const REPLY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How often a write with an idempotency key is sent while connections are lost.
const ATTEMPTS: usize = 3;

/// A page of a list.
#[derive(Deserialize)]
struct Page<T> {
    items: Vec<T>,
    next_cursor: Option<String>,
}

/// The server to talk to, as the flags give it.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Server {
    /// Address of the server [env: VITAL_URL] [default: the one signed in to last, else http://127.0.0.1:8080]
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// Allow plain HTTP to another machine, inside a network that is encrypted otherwise
    #[arg(long)]
    pub(crate) allow_http: bool,
}

/// A failure as servers send it (RFC 9457).
#[derive(Debug, Deserialize)]
pub(crate) struct Problem {
    /// Stable dotted code.
    #[serde(default)]
    pub(crate) code: String,
    /// What happened, whether anything was lost and what to do.
    #[serde(default)]
    pub(crate) detail: String,
    /// Faults of single fields.
    #[serde(default)]
    errors: Vec<FieldFault>,
}

#[derive(Debug, Deserialize)]
struct FieldFault {
    pointer: String,
    detail: String,
}

/// What came back: a value, or a problem with its status.
pub(crate) enum Reply<T> {
    /// Success.
    Value(T),
    /// The server refused.
    Refused(StatusCode, Problem),
}

/// A server and, once signed in, a session on it.
#[derive(Clone)]
pub(crate) struct Client {
    base: Url,
    http: reqwest::Client,
    token: Option<String>,
    /// Whether the token is a key that the environment gave.
    by_key: bool,
}

impl Client {
    /// A client without a session, for signing in.
    ///
    /// # Errors
    /// When the address is none, or would need plain HTTP to another machine.
    pub(crate) fn anonymous(server: &Server) -> anyhow::Result<Self> {
        let named = server.url.clone().or_else(|| std::env::var("VITAL_URL").ok().filter(|url| !url.is_empty()));
        Self::to(&named.unwrap_or_else(|| DEFAULT_URL.to_owned()), server.allow_http)
    }

    /// A client with the session of an earlier sign-in.
    ///
    /// # Errors
    /// As [`Client::anonymous`], and with exit code 4 when there is no session on the server.
    pub(crate) fn signed_in(server: &Server) -> anyhow::Result<Self> {
        let credentials = Credentials::read(&path()?)?;
        let named = server.url.clone().or_else(|| std::env::var("VITAL_URL").ok().filter(|url| !url.is_empty()));
        let url = named.or_else(|| credentials.latest.clone()).unwrap_or_else(|| DEFAULT_URL.to_owned());
        let mut client = Self::to(&url, server.allow_http)?;
        let session = credentials.servers.get(&client.address()).ok_or_else(|| client.not_signed_in("you are not signed in"))?;
        client.token = Some(session.token.clone());
        Ok(client)
    }

    /// A client with the key in `VITAL_TOKEN`, or else with the session of an earlier sign-in.
    ///
    /// # Errors
    /// As [`Client::signed_in`].
    pub(crate) fn with_key_or_signed_in(server: &Server) -> anyhow::Result<Self> {
        match std::env::var("VITAL_TOKEN").ok().filter(|token| !token.is_empty()) {
            Some(token) => Ok(Self { token: Some(token), by_key: true, ..Self::anonymous(server)? }),
            None => Self::signed_in(server),
        }
    }

    /// A client of one address, with a given session.
    #[cfg(test)]
    pub(crate) fn with_token(address: &str, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..Self::to(address, false).unwrap() }
    }

    fn to(address: &str, allow_http: bool) -> anyhow::Result<Self> {
        let base = base(address, allow_http)?;
        vital_llm::ensure_crypto_provider();
        #[expect(
            clippy::disallowed_methods,
            reason = "the command line talks to our own server, which the person names; it may be on any network"
        )]
        let builder = reqwest::Client::builder()
            .user_agent(concat!("vital-cli/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT)
            .tcp_nodelay(true);
        // Plain HTTP has no certificates to check, and a machine without any installed must still reach its own server.
        let builder = if base.scheme() == "https" { builder } else { builder.no_proxy().tls_certs_only(std::iter::empty()) };
        let http = builder.build().map_err(|error| anyhow::Error::from(error).context("the HTTP client cannot be made"))?;
        Ok(Self { base, http, token: None, by_key: false })
    }

    /// The server's address, without a closing slash: the key in the credentials file.
    pub(crate) fn address(&self) -> String {
        self.base.as_str().trim_end_matches('/').to_owned()
    }

    /// A request to a path below the address.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.address()));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Gets a value.
    ///
    /// # Errors
    /// As the server's problem says.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        self.value(self.request(Method::GET, path).timeout(REPLY)).await
    }

    /// Gets all pages of a list.
    ///
    /// # Errors
    /// As the server's problem says.
    pub(crate) async fn list<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<Vec<T>> {
        let (mut all, mut query) = (Vec::new(), format!("?limit={}", limits::PAGE_SIZE_MAX));
        loop {
            let page: Page<T> = self.get(&format!("{path}{query}")).await?;
            all.extend(page.items);
            match page.next_cursor {
                Some(next) => query = format!("?limit={}&cursor={next}", limits::PAGE_SIZE_MAX),
                None => return Ok(all),
            }
        }
    }

    /// Posts JSON with an idempotency key and gets a value. Where the connection is lost before the reply came, it is sent again: it takes
    /// effect once.
    ///
    /// # Errors
    /// As the server's problem says.
    pub(crate) async fn post_once<T: DeserializeOwned>(&self, path: &str, body: &(impl Serialize + Sync)) -> anyhow::Result<T> {
        let key = uuid::Uuid::now_v7().to_string();
        let request = || self.request(Method::POST, path).timeout(REPLY).header("idempotency-key", &key).json(body);
        for _ in 1..ATTEMPTS {
            match request().send().await {
                Err(error) if !error.is_connect() && !error.is_timeout() && !error.is_builder() => {}
                Err(error) => return Err(self.unreachable(&error)),
                Ok(response) => return self.read(response).await.and_then(|reply| self.outcome(reply)),
            }
        }
        self.value(request()).await
    }

    /// Posts JSON and gets a value.
    ///
    /// # Errors
    /// As the server's problem says.
    pub(crate) async fn post<T: DeserializeOwned>(&self, path: &str, body: &(impl Serialize + Sync)) -> anyhow::Result<T> {
        self.value(self.request(Method::POST, path).timeout(REPLY).json(body)).await
    }

    /// Sends a request and reads the value that comes back.
    ///
    /// # Errors
    /// As the server's problem says.
    pub(crate) async fn value<T: DeserializeOwned>(&self, request: RequestBuilder) -> anyhow::Result<T> {
        self.reply(request).await.and_then(|reply| self.outcome(reply))
    }

    fn outcome<T>(&self, reply: Reply<T>) -> anyhow::Result<T> {
        match reply {
            Reply::Value(value) => Ok(value),
            Reply::Refused(status, problem) => Err(self.refused(status, &problem)),
        }
    }

    /// Sends a request and reads what comes back.
    ///
    /// # Errors
    /// When the server cannot be reached or sends what cannot be read.
    pub(crate) async fn reply<T: DeserializeOwned>(&self, request: RequestBuilder) -> anyhow::Result<Reply<T>> {
        self.read(request.send().await.map_err(|error| self.unreachable(&error))?).await
    }

    async fn read<T: DeserializeOwned>(&self, response: Response) -> anyhow::Result<Reply<T>> {
        let status = response.status();
        let bytes = self.body(response).await?;
        if !status.is_success() {
            return Ok(Reply::Refused(status, problem(status, &bytes)));
        }
        let bytes = if bytes.is_empty() { b"null".to_vec() } else { bytes };
        serde_json::from_slice(&bytes).map(Reply::Value).map_err(|_| {
            let failure = Failure::new(format!("what `{}` sent cannot be read", self.address()));
            failure.hint("it may be another program, or another version of VITAL Path").exit(Exit::Server).into()
        })
    }

    /// Reads the problem of a refused response.
    pub(crate) async fn problem_of(&self, response: Response) -> anyhow::Error {
        let status = response.status();
        match self.body(response).await {
            Ok(bytes) => self.refused(status, &problem(status, &bytes)),
            Err(error) => error,
        }
    }

    async fn body(&self, mut response: Response) -> anyhow::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.unreachable(&error))? {
            if bytes.len() + chunk.len() > REPLY_BYTES_MAX {
                return Err(Failure::new(format!("`{}` sent more than can be read", self.address())).exit(Exit::Server).into());
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    /// The failure for a refusal, with the exit code that its status asks for.
    pub(crate) fn refused(&self, status: StatusCode, problem: &Problem) -> anyhow::Error {
        if status == StatusCode::UNAUTHORIZED && self.by_key {
            let failure = Failure::new(format!("`{}` does not accept the key in `VITAL_TOKEN`", self.address()));
            return failure.hint("make one under Settings, API keys").exit(Exit::NotSignedIn).into();
        }
        if status == StatusCode::UNAUTHORIZED && self.token.is_some() {
            return self.not_signed_in("your session has ended").into();
        }
        let fields: String = problem
            .errors
            .iter()
            .map(|e| format!("\n  {}: {}", plain(e.pointer.trim_start_matches('/')), plain(e.detail.trim_end_matches('.'))))
            .collect();
        let exit = match status.as_u16() {
            401 => Exit::NotSignedIn,
            429 | 500.. => Exit::Server,
            _ => Exit::Failed,
        };
        Failure::new(format!("{}{fields}", plain(problem.detail.trim_end_matches('.')))).exit(exit).into()
    }

    /// The failure for a server that did not answer.
    pub(crate) fn unreachable(&self, error: &reqwest::Error) -> anyhow::Error {
        let what = if error.is_connect() {
            "cannot be reached"
        } else if error.is_timeout() {
            "did not answer in time"
        } else {
            "broke the connection off"
        };
        let failure = Failure::new(format!("the server at `{}` {what}", self.address()));
        failure.hint("start it with `vital serve`, or name another with `--url`").exit(Exit::Server).into()
    }

    fn not_signed_in(&self, what: &str) -> Failure {
        let failure = Failure::new(format!("{what} at `{}`", self.address()));
        failure.hint(format!("sign in with `vital login --url {}`", self.address())).exit(Exit::NotSignedIn)
    }
}

fn problem(status: StatusCode, bytes: &[u8]) -> Problem {
    serde_json::from_slice(bytes).ok().filter(|p: &Problem| !p.detail.is_empty()).unwrap_or_else(|| Problem {
        code: String::new(),
        detail: format!("the server answered with the status {status}"),
        errors: Vec::new(),
    })
}

fn base(address: &str, allow_http: bool) -> anyhow::Result<Url> {
    let wrong = |what: &str, hint: &str| anyhow::Error::from(Failure::new(what).hint(hint).exit(Exit::Usage));
    let url = Url::parse(address).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let Some(url) = url.filter(|url| url.query().is_none() && url.fragment().is_none()) else {
        return Err(wrong(&format!("`{}` is not the address of a server", plain(address)), "write one such as `http://127.0.0.1:8080`"));
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("the address of the server has credentials in it", "leave them out and sign in with `vital login`"));
    }
    let host = url.host_str().unwrap_or_default();
    let literal = host.trim_start_matches('[').trim_end_matches(']');
    let here = host == "localhost" || literal.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    if url.scheme() == "http" && !here && !allow_http {
        return Err(wrong(
            &format!("`{url}` is plain http to another machine: the password would cross the network unencrypted"),
            "use https; inside a network that is encrypted otherwise add `--allow-http`",
        ));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_goes_in_the_clear_to_this_machine_alone() {
        for fine in ["http://127.0.0.1:8080", "http://localhost:1", "http://[::1]:1", "https://vital.example"] {
            assert!(base(fine, false).is_ok(), "{fine}");
        }
        for bad in [
            "http://vital.example",
            "http://10.0.0.1",
            "http://localhost.example",
            "ftp://127.0.0.1",
            "127.0.0.1:8080",
            "https://u:p@h.example",
            "https://h.example?q",
            "",
        ] {
            assert!(base(bad, false).is_err(), "{bad}");
        }
        assert!(base("http://10.0.0.1", true).is_ok());
    }

    #[test]
    fn the_exit_code_tells_who_must_act() {
        let client = Client::with_token("http://127.0.0.1:1", "t");
        let exit = |status: u16| {
            let status = StatusCode::from_u16(status).unwrap();
            crate::failure::exit_of(&client.refused(status, &problem(status, b"{}")))
        };
        assert_eq!([401, 403, 404, 422, 429, 500, 502, 503].map(exit), {
            use Exit::{Failed, NotSignedIn, Server};
            [NotSignedIn, Failed, Failed, Failed, Server, Server, Server, Server]
        });
    }

    #[test]
    fn a_problem_is_told_with_its_fields_and_cannot_steer_the_terminal() {
        let client = Client::with_token("http://127.0.0.1:1", "t");
        let body = br#"{"code":"x","detail":"No\u001b[2J good.","errors":[{"pointer":"/question","detail":"Write less."}]}"#;
        let told = client.refused(StatusCode::UNPROCESSABLE_ENTITY, &problem(StatusCode::UNPROCESSABLE_ENTITY, body)).to_string();
        assert_eq!(told, "No\u{fffd}[2J good\n  question: Write less");
    }
}
