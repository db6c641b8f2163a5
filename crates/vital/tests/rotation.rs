//! Every kind of secret is exchanged while people work with a real server, and no request fails.
//!
//! Roles of the database belong to its cluster, so the server here runs one of its own.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::{Value, json};
use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::task::JoinHandle;
use vital_store::{OpenError, RoleFile, embedded::Cluster};
use vital_testkit::{
    app::{Client, PASSWORD, until},
    provider::{Script, ScriptedProvider},
};

/// Requests at once.
const PEOPLE: usize = 3;

/// The program with a configuration, and the server that it runs.
struct Installation {
    home: tempfile::TempDir,
    server: Child,
    address: String,
    setup: String,
}

impl Installation {
    fn start(provider: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name).display().to_string();
        fs::create_dir(at("no-model")).unwrap();
        put(&home.path().join("provider.key"), "sk-first\n");
        let config = format!(
            "[server]\nlisten = '127.0.0.1:0'\ndata = '{}'\n[models]\ndir = '{}'\n[keys]\nspread_s = 2\n
             [log]\nfilter = 'warn'\n[limits]\nuser_per_minute = 1000000\naddress_per_minute = 1000000\ntenant_per_minute = 1000000\nasking_per_minute = 1000000\n
             [provider]\nformat = 'openai'\nmodel = 'scripted'\nbase_url = '{provider}'\napi_key_file = '{}'\n",
            at("data"),
            at("no-model"),
            at("provider.key"),
        );
        fs::write(at("vital.toml"), config).unwrap();
        let mut server = program(home.path(), &["serve"]).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let mut lines = BufReader::new(server.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut after = |what: &str| {
            let line = lines.by_ref().find(|line| line.contains(what)).unwrap();
            line.rsplit(' ').next().unwrap().to_owned()
        };
        let address = after("ready in ");
        let setup = after("/setup?token=").rsplit('=').next().unwrap().to_owned();
        Self { home, server, address, setup }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// The administrator of the organisation that the set-up link makes.
    async fn administrator(&self) -> Client {
        let fields = [
            ("token", self.setup.as_str()),
            ("organisation", "Vega Labs"),
            ("display_name", "Ada"),
            ("email", "ada@vega.example"),
            ("password", PASSWORD),
        ];
        let made = Client::of(&self.address, None).request("POST", "/setup").form(&fields).send().await.expect(303);
        let session = made.header("set-cookie").unwrap().split(['=', ';']).nth(1).unwrap().to_owned();
        Client::of(&self.address, Some(session))
    }

    /// Runs a command of the operator and returns what it printed, while the test goes on.
    async fn command(&self, arguments: &[&str]) -> String {
        let mut command = program(self.home.path(), arguments);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(i32::try_from(self.server.id()).unwrap()), Signal::SIGTERM);
        let _ = self.server.wait();
    }
}

fn program(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vital"));
    command.args(arguments).arg("--config").arg(home.join("vital.toml")).current_dir(home);
    command.env_remove("DATABASE_URL").env_remove("VITAL_ROOT_KEY");
    command
}

/// Writes a secret in one step.
fn put(path: &Path, text: &str) {
    let next = path.with_extension("next");
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&next).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    fs::rename(next, path).unwrap();
}

/// People who read, search and ask until they are told to stop. A request that fails fails the test.
struct Load {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
    people: Vec<JoinHandle<()>>,
}

impl Load {
    fn of(client: &Client) -> Self {
        let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let person = |_| {
            let (client, stop, done) = (client.clone(), Arc::clone(&stop), Arc::clone(&done));
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let conversation = client.open().await;
                    let turn = client.ask(&conversation, "What is the shelf life of the product?").await;
                    client.get(&format!("/api/v1/conversations/{conversation}")).await.expect(200);
                    client.get("/api/v1/search?q=stability").await.expect(200);
                    client.get("/api/v1/me").await.expect(200);
                    answered(&client, &turn).await;
                    done.fetch_add(6, Ordering::Relaxed);
                }
            })
        };
        Self { people: (0..PEOPLE).map(person).collect(), stop, done }
    }

    fn done(&self) -> usize {
        self.done.load(Ordering::Relaxed)
    }

    async fn end(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        for person in self.people {
            person.await.unwrap();
        }
        self.done.load(Ordering::Relaxed)
    }
}

async fn answered(client: &Client, turn: &str) {
    let ended = until("the answer", async || Some(client.turn(turn).await).filter(|t| t["state"] != "running")).await;
    assert_ne!(ended["state"], "failed", "{ended}");
}

/// The keys that the provider was shown, in the order of the requests.
fn shown(provider: &ScriptedProvider) -> Vec<String> {
    provider.requests().iter().map(|r| r.header("authorization").unwrap_or_default().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_class_of_secret_is_exchanged_under_load_and_no_request_fails() {
    let provider = ScriptedProvider::start().await.unwrap();
    provider.reply_with(|_| Script::new().text("The shelf life is stated in the label."));
    let url = provider.base_url();
    let installation = tokio::task::spawn_blocking(move || Installation::start(&url)).await.unwrap();
    let client = installation.administrator().await;
    let load = Load::of(&client);
    until("work", async || (load.done() > 0).then_some(())).await;

    let secrets = installation.path("data/role-secrets.json");
    let former = installation.path("former-secrets.json");
    fs::copy(&secrets, &former).unwrap();
    for class in ["audit", "root", "tenant", "database", "database"] {
        let before = load.done();
        let said = installation.command(&["keys", "rotate", class, "--json"]).await;
        if class == "database" {
            let done: Value = serde_json::from_str(&said).unwrap();
            assert_eq!((&done["resumed"], &done["ended"], &done["left"]), (&json!(false), &json!(0), &json!(0)), "{done}");
            // The server moved over in time, so nothing had to be disconnected; and the file of before lets nobody in any more.
            let admin = Cluster::connect_to_running(&installation.path("data")).unwrap().unwrap();
            let refused = RoleFile::at(former.clone()).exchange(&admin, Duration::ZERO, |_| {}).await;
            assert!(matches!(refused, Err(OpenError::Outdated)), "{refused:?}");
            fs::copy(&secrets, &former).unwrap();
        }
        until("work with the new secret", async || (load.done() >= before + 2 * 6 * PEOPLE).then_some(())).await;
    }

    assert!(!shown(&provider).is_empty() && shown(&provider).iter().all(|key| key == "Bearer sk-first"), "{:?}", shown(&provider));
    put(&installation.path("provider.key"), "sk-second\n");
    until("the new key", async || shown(&provider).contains(&"Bearer sk-second".to_owned()).then_some(())).await;
    let before = load.done();
    until("turns asked since", async || (load.done() >= before + 2 * 6 * PEOPLE).then_some(())).await;
    let asked = shown(&provider).len();
    let before = load.done();
    until("further turns", async || (load.done() >= before + 2 * 6 * PEOPLE).then_some(())).await;
    let later = shown(&provider).split_off(asked);
    assert!(later.len() >= PEOPLE && later.iter().all(|key| key == "Bearer sk-second"), "the old key is sent no more: {later:?}");

    let requests = load.end().await;
    assert!(requests > 100, "{requests} requests");
    let status: Value = serde_json::from_str(&installation.command(&["keys", "status", "--json"]).await).unwrap();
    let all = status["secrets"].as_array().unwrap();
    for class in ["root", "tenant", "audit", "database", "database_admin", "provider", "sso", "scim", "api_key", "session"] {
        let secret = all.iter().find(|s| s["class"] == class).unwrap_or_else(|| panic!("{class}: {status}"));
        assert_eq!(secret["overdue"], json!(false), "{secret}");
    }
    finishes_what_was_cut_off(&installation).await;
}

/// An exchange of the logins that was cut off is told, and finished by the command.
async fn finishes_what_was_cut_off(installation: &Installation) {
    let admin = Cluster::connect_to_running(&installation.path("data")).unwrap().unwrap();
    let file = RoleFile::at(installation.path("data/role-secrets.json"));
    {
        let waits = AtomicBool::new(false);
        let mut cut = Box::pin(file.exchange(&admin, Duration::from_secs(600), |_| waits.store(true, Ordering::Relaxed)));
        while !waits.load(Ordering::Relaxed) {
            assert!(tokio::time::timeout(Duration::from_millis(20), &mut cut).await.is_err());
        }
        assert_eq!(database_of(installation).await["overdue"], json!(false), "it is under way");
    }
    let told = until("the end of what was cut off", async || {
        Some(database_of(installation).await).filter(|secret| secret["overdue"] == json!(true))
    });
    let told = told.await;
    assert!(told["exchange"].as_str().unwrap().contains("cut off: run `vital keys rotate database` again"), "{told}");
    let done: Value = serde_json::from_str(&installation.command(&["keys", "rotate", "database", "--json"]).await).unwrap();
    assert_eq!(done["resumed"], json!(true), "{done}");
    assert_eq!(database_of(installation).await["overdue"], json!(false));
}

/// What `vital keys status` says about the logins at the database.
async fn database_of(installation: &Installation) -> Value {
    let status: Value = serde_json::from_str(&installation.command(&["keys", "status", "--json"]).await).unwrap();
    status["secrets"].as_array().unwrap().iter().find(|s| s["class"] == "database").unwrap().clone()
}
