//! Debian's `pebble` as the authority and `pebble-challtestsrv` as the name server, both on this machine and both for one test.

#![expect(clippy::disallowed_methods, reason = "a test connects to the server that it started")]

use std::{
    io::{BufRead as _, BufReader},
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};
use tempfile::TempDir;
use vital_tls::scripted::Authority;

const START: Duration = Duration::from_secs(20);

/// A program that ends with the test.
pub struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// A free port below those that the system gives out by itself, so that nobody takes it until the program does.
fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let n = std::process::id().wrapping_mul(7_919).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed) * 17);
        let port = u16::try_from(10_000 + n % 22_000).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Starts a program and waits until one of its ports answers.
fn start(command: &mut Command, port: u16) -> Program {
    let name = command.get_program().to_owned();
    let mut child =
        command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap_or_else(|e| panic!("{name:?}: {e}; run script/setup --checks"));
    // Read to the end, so that it never waits for a reader.
    let out = BufReader::new(child.stdout.take().unwrap());
    std::thread::spawn(move || out.lines().map_while(Result::ok).for_each(drop));
    let program = Program(child);
    let until = Instant::now() + START;
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < until, "{name:?} did not start");
        std::thread::yield_now();
    }
    program
}

/// The name server.
pub struct NameServer {
    _program: Program,
    pub address: SocketAddr,
    management: u16,
}

impl NameServer {
    /// Starts it: every name leads to this machine.
    pub fn start() -> Self {
        let (dns, management) = (free_port(), free_port());
        let mut command = Command::new("pebble-challtestsrv");
        command.args(["-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv4", "127.0.0.1", "-defaultIPv6", ""]);
        command.args(["-dns01", &format!("127.0.0.1:{dns}"), "-management", &format!("127.0.0.1:{management}")]);
        let program = start(&mut command, management);
        Self { _program: program, address: SocketAddr::from(([127, 0, 0, 1], dns)), management }
    }

    /// Tells the name server something, as its documentation has it.
    pub fn tell(&self, verb: &str, json: &str) {
        use std::io::{Read as _, Write as _};
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", self.management)).unwrap();
        let length = json.len();
        write!(stream, "POST /{verb} HTTP/1.0\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{json}").unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).unwrap();
        assert!(said.contains(" 200 "), "{said}");
    }
}

/// The authority.
pub struct Pebble {
    program: Option<Program>,
    folder: TempDir,
    dns: SocketAddr,
    pub directory: String,
    /// The root that its own https shows.
    pub root_pem: String,
    pub http_port: u16,
    pub tls_port: u16,
    listen: u16,
}
impl Pebble {
    /// Starts it over a name server.
    pub fn start(names: &NameServer) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::default();
        let own = authority.issue(&["localhost", "127.0.0.1"]);
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("cert.pem"), own.chain).unwrap();
        std::fs::write(at("key.pem"), own.key).unwrap();
        let [listen, management, http_port, tls_port] = std::array::from_fn(|_| free_port());
        let config = format!(
            r#"{{"pebble": {{"listenAddress": "127.0.0.1:{listen}", "managementListenAddress": "127.0.0.1:{management}", "certificate": "{}",
                "privateKey": "{}", "httpPort": {http_port}, "tlsPort": {tls_port}, "ocspResponderURL": "", "certificateValidityPeriod": 7776000}}}}"#,
            at("cert.pem").display(),
            at("key.pem").display()
        );
        std::fs::write(at("config.json"), config).unwrap();
        let directory = format!("https://127.0.0.1:{listen}/dir");
        let mut pebble =
            Self { program: None, folder, dns: names.address, directory, root_pem: authority.root_pem, http_port, tls_port, listen };
        pebble.come_back();
        pebble
    }

    /// Takes it away.
    pub fn go_down(&mut self) {
        self.program = None;
    }

    /// Starts it again; it has forgotten everything.
    pub fn come_back(&mut self) {
        let config: PathBuf = self.folder.path().join("config.json");
        let mut command = Command::new("pebble");
        // It rejects 5 % of good nonces by default, and the tests leave it so.
        command.env("PEBBLE_VA_NOSLEEP", "1").arg("-config").arg(config).args(["-dnsserver", &self.dns.to_string()]);
        self.program = Some(start(&mut command, self.listen));
    }
}
