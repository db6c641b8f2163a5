//! litellm's proxy as a process of its own, as its documentation starts it, with one worker, a master key, and nothing that needs a network.

use crate::server::{LOOK_EVERY, free_port, http_client};
use anyhow::{Context as _, ensure};
use std::{
    fs::{self, File},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Its master key.
pub(super) const KEY: &str = "sk-bench";
/// Longest wait for its start.
const START_WAIT: Duration = Duration::from_secs(180);

/// A running litellm; dropping it ends it.
pub(super) struct Peer {
    child: Child,
    listen: SocketAddr,
    folder: tempfile::TempDir,
}

impl Peer {
    /// Starts it in front of a provider and waits until it answers.
    ///
    /// # Errors
    /// With where its output is, when it does not start.
    pub(super) async fn start(program: &Path, provider: &str) -> anyhow::Result<Self> {
        let (folder, listen) = (tempfile::tempdir()?, free_port()?);
        let config = folder.path().join("litellm.yaml");
        let params = format!("{{ model: openai/bench, api_base: \"{provider}\", api_key: sk-x }}");
        let text = format!("model_list:\n  - model_name: bench\n    litellm_params: {params}\ngeneral_settings:\n  master_key: {KEY}\n");
        fs::write(&config, text)?;
        let log = File::create(folder.path().join("log"))?;
        let child = Command::new(program)
            .arg("--config")
            .arg(&config)
            .args(["--host", "127.0.0.1", "--num_workers", "1", "--port", &listen.port().to_string()])
            .envs([("LITELLM_LOCAL_MODEL_COST_MAP", "True"), ("LITELLM_TELEMETRY", "False"), ("LITELLM_LOG", "ERROR"), ("NO_PROXY", "*")])
            .env_remove("DATABASE_URL")
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("{} could not be run", program.display()))?;
        let mut peer = Self { child, listen, folder };
        peer.wait().await?;
        Ok(peer)
    }

    async fn wait(&mut self) -> anyhow::Result<()> {
        let (http, begun) = (http_client()?, Instant::now());
        let address = format!("http://{}/health/liveliness", self.listen);
        loop {
            if http.get(&address).send().await.is_ok_and(|reply| reply.status().is_success()) {
                return Ok(());
            }
            let said = || fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            ensure!(self.child.try_wait()?.is_none() && begun.elapsed() < START_WAIT, "litellm did not start; it said:\n{}", said());
            tokio::time::sleep(LOOK_EVERY * 50).await;
        }
    }

    pub(super) fn address(&self) -> String {
        format!("http://{}/v1/chat/completions", self.listen)
    }

    pub(super) fn process(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // Nothing can be done about a process that cannot be waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
