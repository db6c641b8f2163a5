//! The server under measurement: the real binary, in a process of its own, on a data folder of its own.

use crate::samples::ms;
use anyhow::{Context as _, bail, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{
    fs::{self, File},
    io::{self, Write as _},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Longest wait for a start, creating the private database included.
const START_WAIT: Duration = Duration::from_secs(120);
/// How often something that has no event to wait for is looked at.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(2);
/// What the server says about the time it took.
const READY: &str = "ready in ";
/// What it says before the one-time link.
const LINK: &str = "/setup?token=";

/// The limits a minute that `[limits]` has.
const RATES: [&str; 6] = ["address", "user", "tenant", "credentials", "asking", "upload"];

/// The places that thousands of streams take.
const RELAY_LIMITS: &str = "[limits]\nstreams_per_user = 20000\nstreams = 20000\nconnections = 20000\nconnections_per_address = 20000\n\
                            in_flight = 20000\nmodel_requests = 20000\nmodel_requests_per_model = 20000\nrelays = 40000\n";

/// How a server is started.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    binary: PathBuf,
    data: PathBuf,
    model: bool,
    provider: Option<String>,
    own_limits: bool,
    metrics: bool,
    relays: bool,
}

impl Setting {
    /// A server on a data folder, with the defaults of the product but for the rates: here one account asks for all, from one address.
    pub(crate) fn new(binary: &Path, data: &Path) -> Self {
        Self {
            binary: binary.to_owned(),
            data: data.to_owned(),
            model: true,
            provider: None,
            own_limits: false,
            metrics: false,
            relays: false,
        }
    }

    /// The same without the embedding model.
    pub(crate) fn without_model(mut self) -> Self {
        self.model = false;
        self
    }

    /// The same with a provider of the OpenAI format.
    pub(crate) fn with_provider(mut self, base_url: &str) -> Self {
        self.provider = Some(base_url.to_owned());
        self
    }

    /// The same with the rates of the product.
    pub(crate) fn with_own_limits(mut self) -> Self {
        self.own_limits = true;
        self
    }

    /// The same with a metrics listener.
    pub(crate) fn with_metrics(mut self) -> Self {
        self.metrics = true;
        self
    }

    /// The same with room for thousands of streams of one account from one address, to a provider of the organisation on this machine.
    pub(crate) fn for_relays(mut self) -> Self {
        self.relays = true;
        self
    }

    /// The data folder.
    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// Runs a verb of the operator beside the running server, with a line for its standard input.
    ///
    /// # Errors
    /// With what the verb said, when it fails.
    pub(crate) fn operator(&self, verb: &[&str], line: &str) -> anyhow::Result<()> {
        let mut command = Command::new(&self.binary);
        command
            .args(verb)
            .env("VITAL_CONFIG", self.data.with_extension("toml"))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        for other in ["VITAL_DATA", "VITAL_LISTEN", "DATABASE_URL"] {
            command.env_remove(other);
        }
        let mut child = command.spawn()?;
        if let Some(mut input) = child.stdin.take() {
            input.write_all(line.as_bytes())?;
        }
        let done = child.wait_with_output()?;
        ensure!(done.status.success(), "`vital {}` failed: {}", verb.join(" "), String::from_utf8_lossy(&done.stderr));
        Ok(())
    }

    fn configuration(&self, listen: SocketAddr, metrics: Option<SocketAddr>) -> String {
        let mut text = format!("[server]\nlisten = \"{listen}\"\ndata = {:?}\n", self.data);
        if !self.own_limits {
            text.push_str(if self.relays { RELAY_LIMITS } else { "[limits]\nstreams_per_user = 1000\n" });
            for rate in RATES {
                text.push_str(&format!("{rate}_per_minute = 1000000\n"));
            }
        }
        if self.relays {
            text.push_str("[identity]\nallow_loopback_issuers = true\n");
        }
        if !self.model {
            text.push_str(&format!("[models]\ndir = {:?}\n", self.data.join("no-model")));
        }
        if let Some(url) = &self.provider {
            text.push_str(&format!("[provider]\nformat = \"openai\"\nmodel = \"scripted\"\nbase_url = \"{url}\"\n"));
        }
        if let Some(metrics) = metrics {
            text.push_str(&format!("[metrics]\nlisten = \"{metrics}\"\n"));
        }
        text
    }
}

/// A running server; dropping it stops it and waits.
pub(crate) struct Server {
    child: Child,
    base: String,
    metrics: Option<SocketAddr>,
    log: PathBuf,
    answered_ms: f64,
}

impl Server {
    /// Starts a server on a free port and waits until its sign-in or set-up page has been answered.
    ///
    /// # Errors
    /// With what the server said, when it does not start.
    pub(crate) async fn start(setting: &Setting) -> anyhow::Result<Self> {
        let listen = free_port()?;
        let metrics = if setting.metrics { Some(free_port()?) } else { None };
        let (configuration, log) = (setting.data.with_extension("toml"), setting.data.with_extension("log"));
        fs::write(&configuration, setting.configuration(listen, metrics))?;
        // What the server tells people and what it logs come in one file, each appended.
        File::create(&log)?;
        let (told, logged) = (File::options().append(true).open(&log)?, File::options().append(true).open(&log)?);
        let mut command = Command::new(&setting.binary);
        command.arg("serve").env("VITAL_CONFIG", &configuration).stdin(Stdio::null()).stdout(told).stderr(logged);
        for other in ["VITAL_DATA", "VITAL_LISTEN", "DATABASE_URL"] {
            command.env_remove(other);
        }
        let begun = Instant::now();
        let child = command.spawn().with_context(|| format!("{} could not be run", setting.binary.display()))?;
        let mut server = Self { child, base: format!("http://{listen}"), metrics, log, answered_ms: f64::NAN };
        server.wait(begun).await?;
        Ok(server)
    }

    /// The first request is sent as soon as the port is taken, and is held by the server until it is ready.
    async fn wait(&mut self, begun: Instant) -> anyhow::Result<()> {
        let http = http_client()?;
        let address = format!("{}/sign-in", self.base);
        loop {
            match http.get(&address).timeout(START_WAIT).send().await {
                Ok(response) => {
                    ensure!(
                        response.status().as_u16() < 400,
                        "the first page came with status {}; the server said:\n{}",
                        response.status(),
                        self.said()
                    );
                    response.bytes().await?;
                    self.answered_ms = ms(begun.elapsed());
                    return Ok(());
                }
                Err(_) if begun.elapsed() < START_WAIT && self.child.try_wait()?.is_none() => tokio::time::sleep(LOOK_EVERY).await,
                Err(error) => bail!("the server did not start ({error}); it said:\n{}", self.said()),
            }
        }
    }

    /// Address without a closing slash.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// Address of its metrics, where it has a listener for them.
    pub(crate) fn metrics(&self) -> Option<String> {
        self.metrics.map(|address| format!("http://{address}/metrics"))
    }

    /// Number of the server's process.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Milliseconds from starting the process to having read the first page.
    pub(crate) const fn answered_ms(&self) -> f64 {
        self.answered_ms
    }

    /// Milliseconds to readiness as the server itself reports them.
    ///
    /// # Errors
    /// When it did not report any.
    pub(crate) async fn reported_ms(&self) -> anyhow::Result<f64> {
        let text = self.line_with(READY).await?;
        text.split(' ').next().and_then(|number| number.parse().ok()).context("the server's report of its start cannot be read")
    }

    /// The token of the one-time set-up link.
    ///
    /// # Errors
    /// When the server printed no link.
    pub(crate) async fn setup_token(&self) -> anyhow::Result<String> {
        let text = self.line_with(LINK).await?;
        Ok(text.chars().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')).collect())
    }

    /// What follows a mark on the first line of the server's output that has it.
    async fn line_with(&self, mark: &str) -> anyhow::Result<String> {
        let until = Instant::now() + START_WAIT;
        loop {
            let said = self.said();
            let complete = said.rfind('\n').map_or("", |end| &said[..end]);
            if let Some((_, rest)) = complete.lines().find_map(|line| line.split_once(mark)) {
                return Ok(rest.to_owned());
            }
            ensure!(Instant::now() < until, "the server did not say `{mark}`; it said:\n{said}");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_else(|error| format!("({error})"))
    }

    /// Stops the server in order and waits for its end.
    ///
    /// # Errors
    /// When it ended with a failure.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        let status = self.end()?;
        ensure!(status.success(), "the server ended with {status}; it said:\n{}", self.said());
        Ok(())
    }

    fn end(&mut self) -> io::Result<std::process::ExitStatus> {
        if self.child.try_wait()?.is_none() {
            // An id that does not fit or no longer exists needs no signal.
            let _ = i32::try_from(self.child.id()).map(|id| kill(Pid::from_raw(id), Signal::SIGTERM));
        }
        self.child.wait()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nothing can be done about a process that cannot be waited for.
        let _ = self.end();
    }
}

/// A client of this machine alone.
///
/// # Errors
/// When the system refuses.
pub(crate) fn http_client() -> anyhow::Result<reqwest::Client> {
    Ok(client().build()?)
}

/// The same, connecting from one of the loopback addresses.
///
/// # Errors
/// When the system refuses.
pub(crate) fn http_client_from(address: Ipv4Addr) -> anyhow::Result<reqwest::Client> {
    Ok(client().local_address(IpAddr::V4(address)).build()?)
}

/// The same, with a new connection for each request.
///
/// # Errors
/// When the system refuses.
pub(crate) fn http_client_without_pool() -> anyhow::Result<reqwest::Client> {
    Ok(client().pool_max_idle_per_host(0).build()?)
}

fn client() -> reqwest::ClientBuilder {
    #[expect(clippy::disallowed_methods, reason = "the load is for the server under measurement, on this machine")]
    let builder = reqwest::Client::builder().no_proxy().tls_certs_only(std::iter::empty()).redirect(reqwest::redirect::Policy::none());
    builder.tcp_nodelay(true).pool_max_idle_per_host(256)
}

/// A port that was free a moment ago; the server takes a given one, so that the clock can start before it has said which.
pub(crate) fn free_port() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_says_what_was_asked_for() {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 9));
        let plain = Setting::new(Path::new("/b"), Path::new("/d")).with_own_limits();
        assert_eq!(plain.configuration(listen, None), "[server]\nlisten = \"127.0.0.1:9\"\ndata = \"/d\"\n");
        let other = plain.without_model().with_provider("http://127.0.0.1:1/v1").configuration(listen, Some(listen));
        assert!(other.contains("[models]\ndir = \"/d/no-model\"") && other.contains("base_url = \"http://127.0.0.1:1/v1\""), "{other}");
        assert!(other.contains("[metrics]\nlisten = \"127.0.0.1:9\""), "{other}");
    }
}
