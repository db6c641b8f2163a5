//! TLS to a PostgreSQL that is reached over the network: real servers on loopback, and a relay in between that keeps every byte.
//!
//! The private PostgreSQL is built without TLS, because it listens on a socket alone; so the server of single connections is Debian's,
//! which is older than what the schema needs. The pools go to the test cluster through Debian's stunnel, which adds the TLS.

#![expect(clippy::disallowed_methods, reason = "a test connects to the server that it started")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use nix::{
    sys::signal::{Signal, kill},
    unistd::{Pid, User, chown, geteuid},
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use sqlx::{ConnectOptions as _, Connection as _};
use std::{
    fs::{self, Permissions},
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};
use uuid::Uuid;
use vital_store::{
    PlatformReason,
    testdb::{TestDb, test_keys},
    transport::{Transport, connect_options, remedy},
};

/// A sentence that a person could ask, and that nobody on the way may read.
const CANARY: &str = "canary-dosing-of-warfarin-4711";
const PASSWORD: &str = "p4ssw0rd-of-the-operator";

/// An authority that signs a certificate for a server's name.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// Certificate and key, in PEM.
    fn sign(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    fn file(&self, folder: &TempDir) -> PathBuf {
        let path = folder.path().join("ca.pem");
        fs::write(&path, &self.pem).unwrap();
        path
    }
}

/// A PostgreSQL on loopback, and a relay in front of it.
struct Server {
    postgres: Child,
    relay: Relay,
    _folder: TempDir,
}

impl Server {
    /// With a certificate it speaks TLS and nothing else over the network; without one it speaks none.
    async fn start(tls: Option<(String, String)>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let owner = geteuid().is_root().then(|| User::from_name("vital-pg").unwrap().unwrap());
        if let Some(owner) = &owner {
            chown(folder.path(), Some(owner.uid), Some(owner.gid)).unwrap();
        }
        let place = |name: &str, text: &str| place(&folder.path().join(name), text, owner.as_ref());
        let data = folder.path().join("data");
        let made = program("initdb", owner.as_ref())
            .args(["-U", "operator", "-A", "scram-sha-256", "--no-sync", "--locale=C", "--pwfile", &place("password", PASSWORD), "-D"])
            .arg(&data)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));

        let kind = if tls.is_some() { "hostssl" } else { "host" };
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut settings = vec![
            format!("port={port}"),
            "listen_addresses=127.0.0.1".to_owned(),
            "unix_socket_directories=".to_owned(),
            "fsync=off".to_owned(),
            format!("hba_file={}", place("hba.conf", &format!("{kind} all all 127.0.0.1/32 scram-sha-256\n"))),
        ];
        if let Some((certificate, key)) = tls {
            settings.push("ssl=on".to_owned());
            settings.push(format!("ssl_cert_file={}", place("server.crt", &certificate)));
            settings.push(format!("ssl_key_file={}", place("server.key", &key)));
        }
        let mut command = program("postgres", owner.as_ref());
        command.arg("-D").arg(&data).args(settings.iter().flat_map(|setting| ["-c", setting]));
        let mut postgres = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(postgres.stderr.take().unwrap()).lines().map_while(Result::ok);
        let ready = log.by_ref().find(|line| line.contains("ready to accept connections") || line.contains("FATAL")).unwrap();
        assert!(ready.contains("ready"), "{ready}");
        // It would stop at a full pipe.
        std::thread::spawn(move || log.for_each(drop));
        Self { postgres, relay: Relay::to(SocketAddr::from(([127, 0, 0, 1], port))).await, _folder: folder }
    }

    fn url(&self, host: &str, parameters: &str) -> String {
        format!("postgres://operator:{PASSWORD}@{host}:{}/postgres?{parameters}", self.relay.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let id = Pid::from_raw(i32::try_from(self.postgres.id()).unwrap());
        // SIGQUIT is PostgreSQL's immediate shutdown, which ends its children as well.
        let _ = kill(id, Signal::SIGQUIT);
        let _ = self.postgres.wait();
    }
}

/// A program of Debian's PostgreSQL, which refuses to run as root.
fn program(name: &str, owner: Option<&User>) -> Command {
    let path = Path::new("/usr/lib/postgresql/15/bin").join(name);
    let remedy = "install it with `script/setup --checks`, or `apt-get install postgresql-15`";
    assert!(path.exists(), "there is no {}; {remedy}", path.display());
    let mut command = Command::new(path);
    command.env_clear().env("LC_ALL", "C").current_dir("/").stdin(Stdio::null()).stdout(Stdio::null());
    if let Some(owner) = owner {
        command.uid(owner.uid.as_raw()).gid(owner.gid.as_raw());
    }
    command
}

/// A file that PostgreSQL alone can read.
fn place(path: &Path, text: &str, owner: Option<&User>) -> String {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
    if let Some(owner) = owner {
        chown(path, Some(owner.uid), Some(owner.gid)).unwrap();
    }
    path.to_str().unwrap().to_owned()
}

/// Passes connections on and keeps what went over them, in both directions.
struct Relay {
    port: u16,
    seen: Arc<Mutex<Vec<u8>>>,
}

impl Relay {
    async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = TcpStream::connect(server).await.unwrap().into_split();
                tokio::spawn(pass(from_client, to_server, Arc::clone(&kept)));
                tokio::spawn(pass(from_server, to_client, Arc::clone(&kept)));
            }
        });
        Self { port, seen }
    }

    fn saw(&self, text: &str) -> bool {
        let seen = self.seen.lock().unwrap();
        assert!(!seen.is_empty(), "nothing went through the relay");
        seen.windows(text.len()).any(|window| window == text.as_bytes())
    }
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, seen: Arc<Mutex<Vec<u8>>>) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(bytes @ 1..) = from.read(&mut buffer).await {
        seen.lock().unwrap().extend_from_slice(&buffer[..bytes]);
        if to.write_all(&buffer[..bytes]).await.is_err() {
            return;
        }
    }
}

fn trusting(ca: PathBuf) -> Transport {
    Transport { ca_file: Some(ca), allow_plain: false }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verified_server_is_used_by_tls_alone() {
    let (authority, temp) = (Authority::new(), tempfile::tempdir().unwrap());
    let server = Server::start(Some(authority.sign("localhost"))).await;
    let url = server.url("localhost", "sslmode=verify-full");
    let options = connect_options(&url, &trusting(authority.file(&temp))).unwrap();
    let mut connection = options.connect().await.unwrap();
    let (ssl, version, said): (bool, String, String) =
        sqlx::query_as(sqlx::AssertSqlSafe(format!("select ssl, version, '{CANARY}' from pg_stat_ssl where pid = pg_backend_pid()")))
            .fetch_one(&mut connection)
            .await
            .unwrap();
    assert_eq!((ssl, version.as_str(), said.as_str()), (true, "TLSv1.3", CANARY));
    assert!(!server.relay.saw(CANARY) && !server.relay.saw("operator"));

    connection.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_cannot_prove_who_it_is_learns_nothing() {
    let (authority, other) = (Authority::new(), Authority::new());
    let (right, wrong) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = Server::start(Some(authority.sign("localhost"))).await;
    let refused = async |host: &str, transport: &Transport| {
        let options = connect_options(&server.url(host, "sslmode=verify-full"), transport).unwrap();
        remedy(&options.connect().await.unwrap_err()).unwrap()
    };
    assert!(refused("localhost", &trusting(other.file(&wrong))).await.contains("`ca_file`"));
    assert!(refused("localhost", &Transport::default()).await.contains("`ca_file`"), "public authorities did not sign it");
    assert!(refused("127.0.0.1", &trusting(authority.file(&right))).await.contains("another name"));
    assert!(!server.relay.saw("operator") && !server.relay.saw("SCRAM"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_tls_is_refused_before_anything_is_sent() {
    let (authority, temp) = (Authority::new(), tempfile::tempdir().unwrap());
    let server = Server::start(None).await;
    let transport = trusting(authority.file(&temp));
    let options = connect_options(&server.url("localhost", "sslmode=verify-full"), &transport).unwrap();
    assert!(remedy(&options.connect().await.unwrap_err()).unwrap().contains("no TLS"));
    assert!(!server.relay.saw("operator"));

    // What the relay would have seen: without this the tests above could not fail.
    let plain = connect_options(&server.url("localhost", "sslmode=disable"), &Transport::default()).unwrap();
    let mut connection = plain.connect().await.unwrap();
    sqlx::query(sqlx::AssertSqlSafe(format!("select '{CANARY}'"))).execute(&mut connection).await.unwrap();
    assert!(server.relay.saw(CANARY) && server.relay.saw("operator"));
    connection.close().await.unwrap();
}

/// Debian's stunnel in front of the test cluster: it speaks PostgreSQL's way of beginning TLS, and hands on to the socket.
struct Front {
    stunnel: Child,
    relay: Relay,
    _folder: TempDir,
}

impl Front {
    async fn start(server: &str, (certificate, key): (String, String)) -> Self {
        assert!(Path::new("/usr/bin/stunnel4").exists(), "there is no stunnel4; install it with `script/setup --checks`");
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| place(&folder.path().join(name), text, None);
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let settings = format!(
            "foreground = yes\npid =\nsyslog = no\n[database]\nprotocol = pgsql\naccept = 127.0.0.1:{port}\nconnect = {server}\ncert = {}\nkey = {}\nsslVersionMin = TLSv1.3\n",
            file("server.crt", &certificate),
            file("server.key", &key)
        );
        let mut command = Command::new("/usr/bin/stunnel4");
        command.arg(file("stunnel.conf", &settings)).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut stunnel = command.spawn().unwrap();
        let mut log = BufReader::new(stunnel.stderr.take().unwrap()).lines().map_while(Result::ok);
        let ready = log.by_ref().find(|line| line.contains("Configuration successful") || line.contains("[!]"));
        assert!(ready.as_deref().is_some_and(|line| line.contains("successful")), "{ready:?}");
        std::thread::spawn(move || log.for_each(drop));
        Self { stunnel, relay: Relay::to(SocketAddr::from(([127, 0, 0, 1], port))).await, _folder: folder }
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        let _ = self.stunnel.kill();
        let _ = self.stunnel.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_the_pools_send_to_a_database_elsewhere_is_encrypted() {
    let (authority, temp) = (Authority::new(), tempfile::tempdir().unwrap());
    let test = TestDb::new().await.unwrap();
    let mut admin = test.admin().await.unwrap();
    let operator = format!("operator_{}", Uuid::new_v4().simple());
    let role = format!("create role {operator} superuser login password '{PASSWORD}'");
    sqlx::raw_sql(sqlx::AssertSqlSafe(role)).execute(&mut admin).await.unwrap();
    let options = test.admin_options();
    let (host, port) = (options.get_host(), options.get_port());
    let server = options.get_socket().map_or_else(|| format!("{host}:{port}"), |socket| format!("{}/.s.PGSQL.{port}", socket.display()));
    let front = Front::start(&server, authority.sign("localhost")).await;
    let url =
        format!("postgres://{operator}:{PASSWORD}@localhost:{}/{}?sslmode=verify-full", front.relay.port, options.get_database().unwrap());
    let over_tls = connect_options(&url, &trusting(authority.file(&temp))).unwrap();

    let db = TestDb::open_with(&over_tls, test_keys()).await.unwrap();
    let mut tx = db.platform(PlatformReason::TenantDirectory).await.unwrap();
    sqlx::query("insert into directory.tenants (id, slug, name, created_at) values ($1, 'far', $2, now())")
        .bind(Uuid::now_v7())
        .bind(CANARY)
        .execute(tx.conn())
        .await
        .unwrap();
    tx.commit().await.unwrap();
    db.close().await;

    let stored: String = sqlx::query_scalar("select name from directory.tenants where slug = 'far'").fetch_one(&mut admin).await.unwrap();
    assert_eq!(stored, CANARY);
    for secret in [CANARY, "vital_app", "vital_platform", "SCRAM", "tenants"] {
        assert!(!front.relay.saw(secret), "{secret} was sent in the open");
    }
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("drop role {operator}"))).execute(&mut admin).await.unwrap();
    admin.close().await.unwrap();
}
