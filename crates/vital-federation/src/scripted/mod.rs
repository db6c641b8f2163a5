//! An identity provider on loopback that answers what a test tells it to, well or badly. Only in tests, here and of the platform.
#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod keys;

pub use keys::{SigningKey, assemble};

use serde_json::{Value, json};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// What a path answers.
#[derive(Clone)]
pub enum Reply {
    /// A whole answer.
    Whole {
        /// The HTTP status.
        status: u16,
        /// Headers beside those of the connection.
        headers: Vec<(&'static str, String)>,
        /// The body.
        body: String,
    },
    /// A JSON string that never ends.
    Endless,
    /// The request is read and then nothing happens.
    Silent,
}

impl Reply {
    /// A JSON document.
    #[must_use]
    pub fn json(body: &Value) -> Self {
        Self::status(200, body)
    }

    /// A JSON document with a status.
    #[must_use]
    pub fn status(status: u16, body: &Value) -> Self {
        Self::Whole { status, headers: vec![("content-type", "application/json".to_owned())], body: body.to_string() }
    }
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Request {
    /// Its path with the query.
    pub path: String,
    /// Request line and headers.
    pub head: String,
    /// Its body.
    pub body: String,
}

impl Request {
    /// The fields of a form.
    #[must_use]
    pub fn form(&self) -> HashMap<String, String> {
        serde_urlencoded::from_str(&self.body).expect("a form")
    }
}

#[derive(Default)]
struct Script {
    replies: HashMap<String, Reply>,
    requests: Vec<Request>,
}

/// The provider; it stops when dropped.
pub struct ScriptedIssuer {
    /// Its issuer, which is its address.
    pub issuer: String,
    script: Arc<Mutex<Script>>,
    listening: JoinHandle<()>,
}

impl Drop for ScriptedIssuer {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

impl ScriptedIssuer {
    /// Starts a provider with sound metadata and no keys.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let issuer = format!("http://{}", listener.local_addr().expect("bound"));
        let script = Arc::new(Mutex::new(Script::default()));
        let shared = Arc::clone(&script);
        let listening = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        let provider = Self { issuer, script, listening };
        provider.answer_metadata(&json!({}));
        provider
    }

    /// Sets what a path answers from now on.
    pub fn answer(&self, path: &str, reply: Reply) {
        self.script.lock().expect("not poisoned").replies.insert(path.to_owned(), reply);
    }

    /// Answers discovery with sound metadata in which `changes` are made.
    pub fn answer_metadata(&self, changes: &Value) {
        let mut metadata = json!({
            "issuer": self.issuer,
            "authorization_endpoint": format!("{}/authorize?tenant=a", self.issuer),
            "token_endpoint": format!("{}/token", self.issuer),
            "jwks_uri": format!("{}/jwks", self.issuer),
            "userinfo_endpoint": format!("{}/userinfo", self.issuer),
        });
        for (name, value) in changes.as_object().expect("an object") {
            metadata[name] = value.clone();
        }
        self.answer("/.well-known/openid-configuration", Reply::json(&metadata));
    }

    /// Publishes keys.
    pub fn answer_keys(&self, keys: &[&SigningKey]) {
        let keys: Vec<Value> = keys.iter().map(|key| key.public()).collect();
        self.answer("/jwks", Reply::json(&json!({ "keys": keys })));
    }

    /// The requests to a path so far.
    #[must_use]
    pub fn requests(&self, path: &str) -> Vec<Request> {
        self.script.lock().expect("not poisoned").requests.iter().filter(|request| request.path == path).cloned().collect()
    }
}

async fn serve(mut stream: TcpStream, script: Arc<Mutex<Script>>) {
    let Some(request) = read(&mut stream).await else { return };
    let reply = {
        let mut script = script.lock().expect("not poisoned");
        let reply = script.replies.get(&request.path).cloned();
        script.requests.push(request);
        reply.unwrap_or_else(|| Reply::status(404, &json!({})))
    };
    // A client that goes away in the middle is one of the cases.
    let _ = write(&mut stream, reply).await;
}

async fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes.drain(..end).collect()).ok()?;
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    while bytes.len() < length.unwrap_or(0) {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    let path = head.split(' ').nth(1)?.to_owned();
    Some(Request { path, head, body: String::from_utf8(bytes).ok()? })
}

async fn write(stream: &mut TcpStream, reply: Reply) -> std::io::Result<()> {
    match reply {
        Reply::Whole { status, headers, body } => {
            let mut head = format!("HTTP/1.1 {status} Scripted\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
            for (name, value) in headers {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
            stream.write_all(format!("{head}\r\n{body}").as_bytes()).await?;
            stream.shutdown().await
        }
        Reply::Endless => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/json\r\n\r\n\"").await?;
            loop {
                stream.write_all(&[b'a'; 16 * 1024]).await?;
            }
        }
        Reply::Silent => std::future::pending().await,
    }
}
