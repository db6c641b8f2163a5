//! A scripted model provider: a real HTTP server that speaks the wire formats and plays what a test tells it to.
//!
//! The path chooses the format: `…/chat/completions` and `…/embeddings` are OpenAI's and Azure's, `…/messages` Anthropic's,
//! `…:streamGenerateContent` and `…:batchEmbedContents` Google's; `…/mcp` has none. Scripts are taken from a queue
//! ([`ScriptedProvider::reply`]) and, when that is empty, from a function of the request ([`ScriptedProvider::reply_with`]).
//!
//! **Invariant:** nothing here waits for a guessed time: tests open a [`Gate`] or wait for a count with [`ScriptedProvider::until`].
//! A pause in a script is the provider's speed, which is what timeouts are tested against.
//! **Invariant:** it knows no other crate of the workspace, so that every crate can test against it.

mod body;
mod render;
mod script;

pub use script::{Chunking, Gate, Script, Stop, Usage};

use body::{Ending, ScriptBody};
use bytes::Bytes;
use hyper::{
    HeaderMap, Method, Response, StatusCode,
    body::{Body, Incoming},
    header::{CONTENT_TYPE, HeaderName, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use script::Head;
use std::{
    collections::VecDeque,
    fmt, future, io,
    net::{Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};

/// Most requests kept for assertions; older ones are forgotten, so that a benchmark does not fill the memory.
const REQUESTS_KEPT_MAX: usize = 1_024;
/// Largest request body, in bytes; the connection of a larger one is closed.
const REQUEST_BYTES_MAX: usize = 32 * 1024 * 1024;

/// The wire format that a request came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Chat completions and embeddings, Azure's included.
    OpenAi,
    /// Anthropic messages.
    Anthropic,
    /// Google Gemini.
    Google,
    /// No format of a model, as at a tool server (`…/mcp`): scripts give status, headers and bytes themselves.
    Bare,
}

impl Format {
    fn of_path(path: &str) -> Option<Self> {
        let ends = |with| path.ends_with(with);
        match path {
            _ if ends("/chat/completions") || ends("/embeddings") => Some(Self::OpenAi),
            _ if ends("/messages") => Some(Self::Anthropic),
            _ if ends("/mcp") => Some(Self::Bare),
            _ if ends(":streamGenerateContent") || ends(":batchEmbedContents") => Some(Self::Google),
            _ => None,
        }
    }
}

/// One request as it came in.
#[derive(Debug)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The format of its path.
    pub format: Format,
    /// The path.
    pub path: String,
    /// The query without its question mark; empty if there is none.
    pub query: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Request {
    /// A header as text; `None` if it is absent or not text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as JSON; null if it is not.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The instructions, wherever the format has them; empty if there are none.
    #[must_use]
    pub fn system(&self) -> String {
        let json = self.json();
        let text = match self.format {
            Format::OpenAi => json["messages"].as_array().and_then(|all| all.iter().find(|m| m["role"] == "system")).map(|m| &m["content"]),
            Format::Anthropic => Some(&json["system"]),
            Format::Google => Some(&json["systemInstruction"]["parts"][0]["text"]),
            Format::Bare => None,
        };
        text.and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
    }

    /// What the person said last; empty if nothing.
    #[must_use]
    pub fn last_user(&self) -> String {
        let json = self.json();
        let (list, text) = if self.format == Format::Google { ("contents", "/parts/0/text") } else { ("messages", "/content") };
        let last = json[list].as_array().and_then(|all| all.iter().rfind(|m| m["role"] == "user"));
        last.and_then(|m| m.pointer(text)?.as_str()).unwrap_or_default().to_owned()
    }
}

/// What has happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections accepted.
    pub connections: usize,
    /// Requests read.
    pub requests: usize,
    /// Answers that the client closed before their end.
    pub closed_early: usize,
}

type Responder = dyn Fn(&Request) -> Script + Send + Sync;

#[derive(Default)]
struct Answers {
    queue: VecDeque<Script>,
    otherwise: Option<Arc<Responder>>,
}

struct Shared {
    answers: Mutex<Answers>,
    requests: Mutex<VecDeque<Arc<Request>>>,
    counts: watch::Sender<Counts>,
}

/// A running provider; stops and closes its connections when dropped.
pub struct ScriptedProvider {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

impl fmt::Debug for ScriptedProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptedProvider").field("address", &self.address).finish_non_exhaustive()
    }
}

impl ScriptedProvider {
    /// Starts on a free port of the loopback.
    ///
    /// # Errors
    /// That of the operating system, if it gives no port.
    pub async fn start() -> io::Result<Self> {
        Self::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await
    }

    /// Starts on an address.
    ///
    /// # Errors
    /// That of the operating system, if the address is taken or not this machine's.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared { answers: Mutex::default(), requests: Mutex::default(), counts: watch::Sender::default() });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { address, shared, accepting })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address as a base URL without a path.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Queues the answer to one request.
    pub fn reply(&self, script: Script) {
        lock(&self.shared.answers).queue.push_back(script);
    }

    /// Answers every request for which nothing is queued from the request itself.
    pub fn reply_with(&self, answer: impl Fn(&Request) -> Script + Send + Sync + 'static) {
        lock(&self.shared.answers).otherwise = Some(Arc::new(answer));
    }

    /// The last requests, oldest first; at most 1,024 are kept.
    #[must_use]
    pub fn requests(&self) -> Vec<Arc<Request>> {
        lock(&self.shared.requests).iter().cloned().collect()
    }

    /// What has happened so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        *self.shared.counts.borrow()
    }

    /// Waits until the counts meet a condition, without end if they never do.
    pub async fn until(&self, condition: impl FnMut(&Counts) -> bool) -> Counts {
        let mut counts = self.shared.counts.subscribe();
        // The sender lives in `self`, so that the channel cannot close here.
        counts.wait_for(condition).await.map_or_else(|_| self.counts(), |met| *met)
    }
}

impl Drop for ScriptedProvider {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Accepts connections; dropping this future closes them all.
async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // A failed accept is the client's loss of one connection and nothing else.
                if let Ok((stream, _)) = accepted {
                    shared.counts.send_modify(|c| c.connections += 1);
                    connections.spawn(serve(stream, Arc::clone(&shared)));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let service = service_fn(|request| answer(request, Arc::clone(&shared)));
    // An error here is a connection that a script or the client cut.
    let _ = http1::Builder::new().header_read_timeout(None).serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(request: hyper::Request<Incoming>, shared: Arc<Shared>) -> Result<Response<ScriptBody>, Ending> {
    let (parts, incoming) = request.into_parts();
    let body = read(incoming).await?;
    let path = parts.uri.path().to_owned();
    let Some(format) = Format::of_path(&path) else { return Ok(refusal(StatusCode::NOT_FOUND, "no such path")) };
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let request = Arc::new(Request { method: parts.method, format, path, query, headers: parts.headers, body });
    let script = shared.script_for(&request);
    shared.record(request);
    let watched = body::Watch::new(Arc::clone(&shared));
    match script.head {
        Head::Silent => {
            let _watched = watched;
            future::pending().await
        }
        Head::Cut => {
            watched.done();
            Err(Ending::Cut)
        }
        Head::Status { status, headers, body } => {
            let mut response = Response::new(ScriptBody::new(render::after_status(body, script.steps), watched));
            *response.status_mut() = status;
            *response.headers_mut() = headers;
            Ok(response)
        }
        Head::Vectors { vectors, tokens } => {
            let body = render::vectors(format, &vectors, tokens);
            let mut response = Response::new(ScriptBody::new(render::after_status(body, script.steps), watched));
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            Ok(response)
        }
        Head::Stream => {
            let mut response = Response::new(ScriptBody::new(render::plays(script, format), watched));
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
            Ok(response)
        }
    }
}

fn refusal(status: StatusCode, why: &'static str) -> Response<ScriptBody> {
    let mut response = Response::new(ScriptBody::unwatched(Bytes::from_static(why.as_bytes())));
    *response.status_mut() = status;
    response.headers_mut().insert(HeaderName::from_static("content-type"), HeaderValue::from_static("text/plain"));
    response
}

async fn read(mut incoming: Incoming) -> Result<Bytes, Ending> {
    let mut body = Vec::new();
    while let Some(frame) = future::poll_fn(|cx| Pin::new(&mut incoming).poll_frame(cx)).await {
        let Ok(data) = frame.map_err(|_| Ending::Cut)?.into_data() else { continue };
        if body.len() + data.len() > REQUEST_BYTES_MAX {
            return Err(Ending::Cut);
        }
        body.extend_from_slice(&data);
    }
    Ok(body.into())
}

impl Shared {
    fn script_for(&self, request: &Request) -> Script {
        let otherwise = {
            let mut answers = lock(&self.answers);
            if let Some(script) = answers.queue.pop_front() {
                return script;
            }
            answers.otherwise.clone()
        };
        // The function runs without the lock, so that it can take its time and requests do not wait for each other.
        otherwise.map_or_else(|| Script::status(500).body("no script is queued"), |answer| answer(request))
    }

    fn record(&self, request: Arc<Request>) {
        {
            let mut requests = lock(&self.requests);
            if requests.len() == REQUESTS_KEPT_MAX {
                requests.pop_front();
            }
            requests.push_back(request);
        }
        self.counts.send_modify(|c| c.requests += 1);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
