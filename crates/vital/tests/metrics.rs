//! Metrics as Prometheus meets them: the real program with a listener, what it tells, and what the documentation and the alert rules say it
//! tells.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    collections::BTreeSet,
    fs::{self, Permissions},
    io::{BufRead as _, BufReader},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
};
use vital_testkit::app::{PATIENCE, until};
use vital_tls::scripted::Authority;

/// A running server, ended in order when dropped.
struct Server {
    child: Child,
    folder: tempfile::TempDir,
    /// Its address without a closing slash.
    base: String,
    /// That of its metrics.
    metrics: String,
    http: reqwest::Client,
}

impl Server {
    /// Starts one with a certificate, a metrics listener and more lines of configuration.
    fn start(more: impl FnOnce(&Path) -> String) -> Self {
        vital_llm::ensure_crypto_provider();
        let folder = tempfile::tempdir().unwrap();
        // The user that runs PostgreSQL for root passes through.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o711)).unwrap();
        let (authority, place) = (Authority::default(), |name: &str| folder.path().join(name));
        let issued = authority.issue(&["127.0.0.1", "localhost"]);
        fs::write(place("chain.pem"), issued.chain).unwrap();
        fs::write(place("key.pem"), issued.key).unwrap();
        fs::set_permissions(place("key.pem"), Permissions::from_mode(0o600)).unwrap();
        let configuration = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\ndata = {:?}\n[models]\ndir = {:?}\n[log]\nformat = \"json\"\n\
             [tls]\ncertificate_file = {:?}\nkey_file = {:?}\n[metrics]\nlisten = \"127.0.0.1:0\"\n{}",
            place("data"),
            place("no-model"),
            place("chain.pem"),
            place("key.pem"),
            more(folder.path())
        );
        fs::write(place("vital.toml"), configuration).unwrap();
        let mut child = vital(folder.path(), &["serve"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (said, heard) = mpsc::channel();
        let (out, log) = (BufReader::new(child.stdout.take().unwrap()), BufReader::new(child.stderr.take().unwrap()));
        for lines in [Box::new(out) as Box<dyn std::io::BufRead + Send>, Box::new(log)] {
            let said = said.clone();
            // Reads on to the end: the server would stop at a full pipe.
            std::thread::spawn(move || lines.lines().map_while(Result::ok).for_each(|line| drop(said.send(line))));
        }
        drop(said);
        let (mut base, mut metrics, mut all) = (None, None, String::new());
        while base.is_none() || metrics.is_none() {
            let line = heard.recv_timeout(PATIENCE).map_err(|error| format!("{error}; it said:\n{all}")).unwrap();
            base = base.or_else(|| Some(line.strip_prefix("ready in ")?.split_once(" at ")?.1.to_owned()));
            metrics = metrics.or_else(|| Some(line.split_once("\"metrics\":\"")?.1.split('"').next()?.to_owned()));
            all.push_str(&(line + "\n"));
        }
        let root = reqwest::Certificate::from_pem(authority.root_pem.as_bytes()).unwrap();
        #[expect(clippy::disallowed_methods, reason = "the client of the server that the test started")]
        let http = reqwest::Client::builder().no_proxy().tls_certs_only([root]).build().unwrap();
        Self { child, folder, base: base.unwrap(), metrics: metrics.unwrap(), http }
    }

    async fn get(&self, path: &str) -> reqwest::Response {
        self.http.get(format!("{}{path}", self.base)).send().await.unwrap()
    }

    async fn scrape(&self) -> String {
        self.http.get(&self.metrics).send().await.unwrap().error_for_status().unwrap().text().await.unwrap()
    }

    /// Waits until a line stands among the metrics.
    async fn tells(&self, line: &str) {
        until(line, || async { self.scrape().await.lines().any(|told| told == line).then_some(()) }).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let id = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        let _ = nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGTERM);
        let _ = self.child.wait();
    }
}

fn vital(folder: &Path, verb: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vital"));
    command.args(verb).arg("--config").arg(folder.join("vital.toml")).stdin(Stdio::null());
    for variable in ["VITAL_DATA", "VITAL_LISTEN", "DATABASE_URL"] {
        command.env_remove(variable);
    }
    command
}

fn of_repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

fn text_of(path: &str) -> String {
    fs::read_to_string(of_repository(path)).unwrap()
}

/// The names of metrics in an expression of the rules.
fn names_in(expression: &str) -> impl Iterator<Item = &str> {
    expression
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.starts_with("vital_") || word.starts_with("process_"))
}

#[tokio::test]
async fn what_the_documentation_and_the_alert_rules_name_is_what_a_server_tells() {
    let server = Server::start(|_| String::new());
    assert_eq!(server.get("/livez").await.status(), 200);
    let text = until("the certificate and the ages of secrets", || async {
        let text = server.scrape().await;
        let complete = text.contains("vital_certificate_expiry_timestamp_seconds{name=\"site\"}") && text.contains("vital_secret_overdue{");
        complete.then_some(text)
    })
    .await;
    let told: BTreeSet<(&str, &str)> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect();
    let table: BTreeSet<(&str, &str)> = vital_metrics::ALL.iter().map(|m| (m.name, m.kind.as_str())).collect();
    assert_eq!(told, table, "left: the server, right: the table in the code");
    let page = text_of("docs/METRICS.md");
    let rows: BTreeSet<&str> = page.lines().filter(|line| line.starts_with("| `")).collect();
    let wanted: Vec<String> = vital_metrics::ALL
        .iter()
        .map(|m| {
            let labels: Vec<String> = m.labels.iter().map(|label| format!("`{label}`")).collect();
            let labels = if labels.is_empty() { "–".to_owned() } else { labels.join(", ") };
            format!("| `{}` | {} | {labels} | {} |", m.name, m.kind.as_str(), m.meaning)
        })
        .collect();
    assert_eq!(rows, wanted.iter().map(String::as_str).collect(), "left: docs/METRICS.md, right: the table in the code");

    let rules = text_of("deploy/prometheus/vital.rules.yaml");
    let mut used = 0;
    for name in rules.lines().filter_map(|line| line.trim().strip_prefix("expr: ")).flat_map(names_in) {
        assert!(told.iter().any(|(known, _)| *known == name), "the rules use `{name}`, which a server does not tell");
        used += 1;
    }
    let runbooks = rules.lines().filter_map(|line| line.trim().strip_prefix("runbook: "));
    assert!(runbooks.clone().all(|path| of_repository(path).is_file()), "a runbook is not there");
    let alerts = rules.lines().filter(|line| line.trim().starts_with("- alert: ")).count();
    assert!(used >= alerts - 2 && runbooks.count() == alerts, "every alert has an expression and a runbook");
    assert!(text.contains("vital_http_requests_total{route=\"/livez\",method=\"GET\",status=\"2xx\"} 1"), "{text}");
}

#[tokio::test]
async fn the_listener_answers_its_one_address_alone() {
    let server = Server::start(|_| String::new());
    let other = server.metrics.replace("/metrics", "/");
    assert_eq!(server.http.get(other).send().await.unwrap().status(), 404);
    assert_eq!(server.http.post(&server.metrics).send().await.unwrap().status(), 405);
    assert_eq!(server.get("/metrics").await.status(), 404, "the people's address does not tell");
}

#[tokio::test]
async fn a_reader_without_the_token_is_told_nothing() {
    let server = Server::start(|folder| {
        let path = folder.join("metrics.token");
        fs::write(&path, "0123456789abcdef\n").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        format!("token_file = {path:?}\n")
    });
    let refused = server.http.get(&server.metrics).send().await.unwrap();
    assert_eq!((refused.status().as_u16(), refused.headers()["www-authenticate"].to_str().unwrap()), (401, "Bearer"));
    assert!(!refused.text().await.unwrap().contains("vital_"));
    let shown = server.http.get(&server.metrics).bearer_auth("0123456789abcdef").send().await.unwrap();
    assert!(shown.text().await.unwrap().contains("vital_build_info"));
}

#[tokio::test]
async fn a_checkpoint_store_that_is_gone_is_told_by_metric_and_readiness_until_it_is_back() {
    let server = Server::start(|folder| format!("[audit]\nfolder = {:?}\n", folder.join("store/audit")));
    let (store, away) = (server.folder.path().join("store"), server.folder.path().join("away"));
    let log = store.join("audit/installation.checkpoints");
    until("the first checkpoint", || async { log.exists().then_some(()) }).await;
    server.tells("vital_audit_checkpoint_store_writable 1").await;

    fs::rename(&store, &away).unwrap();
    fs::write(&store, "a file where the folder was").unwrap();
    server.tells("vital_audit_checkpoint_store_writable 0").await;
    let ready = server.get("/readyz?verbose").await;
    assert_eq!(ready.status(), 200, "entries wait in the database: the server works on");
    let ready: serde_json::Value = ready.json().await.unwrap();
    assert_eq!(ready["audit"]["checkpoints"], false, "{ready}");
    let plain: serde_json::Value = server.get("/readyz").await.json().await.unwrap();
    assert!(plain.get("audit").is_none(), "told to who asks for it alone: {plain}");

    fs::remove_file(&store).unwrap();
    fs::rename(&away, &store).unwrap();
    server.tells("vital_audit_checkpoint_store_writable 1").await;
    until("readiness", || async {
        let ready: serde_json::Value = server.get("/readyz?verbose").await.json().await.unwrap();
        (ready["audit"]["checkpoints"] == true && ready["audit"]["waiting"] == 0).then_some(())
    })
    .await;

    server.tells("vital_audit_last_verification_timestamp_seconds 0").await;
    let verified = vital(server.folder.path(), &["audit", "verify"]).output().unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
    until("the verification of another process", || async {
        let text = server.scrape().await;
        let at =
            text.lines().find_map(|line| line.strip_prefix("vital_audit_last_verification_timestamp_seconds ")).unwrap().parse::<f64>();
        (at.unwrap() > 1e9 && text.contains("\nvital_audit_last_verification_sound 1\n")).then_some(())
    })
    .await;
}
