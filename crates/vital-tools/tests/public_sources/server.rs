//! A scripted server on loopback that speaks the documented formats of public sources and breaks in every way, and calls of tools against it.

use serde_json::{Value, json};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::Instant,
};
use vital_keys::SecretText;
use vital_outbound::Egress;
use vital_tools::{BODY_BYTES_MAX, Endpoints, ToolError, ToolOutput, Toolbox, catalogue, schema};

pub const FAR: Duration = Duration::from_secs(15);

/// What the server answers.
#[derive(Clone)]
pub enum Reply {
    Json(Value),
    Xml(String),
    /// Status, further header line, type, body.
    Raw(u16, &'static str, &'static str, String),
    /// The body in two writes, cut at this byte.
    Split(String, usize),
    Huge,
    Hang,
}

/// A scripted server: the first rule whose text stands in the request's target answers; targets are recorded.
pub struct ScriptedServer {
    pub base: String,
    targets: Arc<Mutex<Vec<String>>>,
}

impl ScriptedServer {
    pub async fn new(rules: Vec<(&'static str, Reply)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/", listener.local_addr().unwrap());
        let targets = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&targets);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, rules.clone(), Arc::clone(&seen)));
            }
        });
        Self { base, targets }
    }

    /// Every source at this server.
    pub fn endpoints(&self) -> Endpoints {
        let base = self.base.parse::<url::Url>().unwrap();
        Endpoints {
            pubmed: base.clone(),
            trials: base.clone(),
            openfda: base.clone(),
            rxnorm: base.clone(),
            europe_pmc: base.clone(),
            crossref: base.clone(),
            openalex: base.clone(),
            ecfr: base.clone(),
            federal_register: base,
            ..Endpoints::default()
        }
    }

    pub fn tools(&self) -> Toolbox {
        Toolbox::new(Egress::default(), self.endpoints()).unwrap()
    }

    /// Tools of an operator who gives an address for mail and keys.
    pub fn known_tools(&self) -> Toolbox {
        let key = || Some(SecretText::given("hush-hush"));
        let endpoints = Endpoints {
            contact_email: Some("it@operator.example".to_owned()),
            ncbi_key: key(),
            openfda_key: key(),
            openalex_key: key(),
            ..self.endpoints()
        };
        Toolbox::new(Egress::default(), endpoints).unwrap()
    }

    pub fn targets(&self) -> Vec<String> {
        self.targets.lock().unwrap().clone()
    }

    /// The decoded query pairs of a recorded request.
    pub fn pairs(&self, n: usize) -> Vec<(String, String)> {
        let target = self.targets()[n].clone();
        url::form_urlencoded::parse(target.split_once('?').unwrap().1.as_bytes()).into_owned().collect()
    }
}

async fn serve(mut stream: TcpStream, rules: Vec<(&'static str, Reply)>, seen: Arc<Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).await.unwrap_or(0) == 0 {
            return;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let target = head.split(' ').nth(1).unwrap().to_owned();
    let reply = rules.iter().find(|(text, _)| target.contains(text)).map(|(_, reply)| reply.clone());
    seen.lock().unwrap().push(target);
    let (status, extra, kind, body) = match reply.unwrap_or(Reply::Raw(500, "", "text/plain", "no rule".to_owned())) {
        Reply::Json(value) => (200, "", "application/json", value.to_string()),
        Reply::Xml(text) => (200, "", "text/xml; charset=UTF-8", text),
        Reply::Raw(status, extra, kind, body) => (status, extra, kind, body),
        Reply::Split(body, at) => {
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            stream.write_all(head.as_bytes()).await.unwrap();
            stream.write_all(&body.as_bytes()[..at]).await.unwrap();
            stream.flush().await.unwrap();
            tokio::task::yield_now().await;
            stream.write_all(&body.as_bytes()[at..]).await.unwrap();
            return;
        }
        Reply::Huge => (200, "", "application/json", " ".repeat(usize::try_from(BODY_BYTES_MAX).unwrap() + 1)),
        Reply::Hang => {
            // Until the client gives up.
            let _ = stream.read(&mut byte).await;
            return;
        }
    };
    let head = format!("HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n{extra}\r\n", body.len());
    let _ = stream.write_all(head.as_bytes()).await;
    let _ = stream.write_all(body.as_bytes()).await;
}

pub async fn call(tools: &Toolbox, name: &str, arguments: Value) -> Result<ToolOutput, ToolError> {
    let result = tools.call(name, &arguments, Instant::now() + FAR).await;
    if let Ok(output) = &result {
        let tool = catalogue().iter().find(|tool| tool.name == name).unwrap();
        assert_eq!(schema::check((tool.output_schema)(), &output.value), Ok(()), "{name}: {}", output.value);
    }
    result
}

/// One call of each search.
pub fn searches() -> [(&'static str, Value); 18] {
    [
        ("pubmed_search", json!({ "query": "sepsis" })),
        ("europe_pmc_search", json!({ "query": "sepsis" })),
        ("europe_pmc_full_text", json!({ "pmcid": "PMC222" })),
        ("crossref_works", json!({ "query": "sepsis" })),
        ("openalex_works", json!({ "query": "sepsis" })),
        ("clinical_trials_search", json!({ "query": "sepsis" })),
        ("drug_labels", json!({ "drug": "warfarin" })),
        ("drug_names", json!({ "name": "warfarin" })),
        ("drug_adverse_events", json!({ "drug": "warfarin" })),
        ("device_adverse_events", json!({ "device": "pump" })),
        ("product_recalls", json!({ "list": "drug_enforcement", "product": "warfarin" })),
        ("device_classification", json!({ "product_code": "FRN" })),
        ("device_510k", json!({ "device": "pump" })),
        ("device_pma", json!({ "device": "valve" })),
        ("ecfr_search", json!({ "query": "records", "title": 21 })),
        ("ecfr_text", json!({ "title": 21, "part": "11" })),
        ("federal_register_search", json!({ "query": "devices" })),
        ("federal_register_document", json!({ "number": "2024-01709" })),
    ]
}

/// The value of a query pair of a recorded request.
pub fn pair(server: &ScriptedServer, n: usize, name: &str) -> String {
    server.pairs(n).into_iter().find(|(known, _)| known == name).unwrap().1
}
