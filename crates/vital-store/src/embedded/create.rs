//! Creates the data directory at the first start.
//!
//! `initdb` works in a folder beside it that is renamed when it is complete, so an interrupted first start leaves nothing
//! that a later one could take for data.

use super::{
    EmbeddedError, Install,
    layout::{Layout, sync_folder, write_new},
    run_as::{RunAs, assignment},
};
use std::{
    fs, io,
    path::Path,
    process::{Output, Stdio},
    time::Duration,
};

/// The name of the cluster's superuser.
pub(super) const ADMIN: &str = "vital_admin";
/// Takes about one second; a slow disk may need much longer.
const INIT_WAIT: Duration = Duration::from_secs(300);

/// Makes sure that there is a data directory that the installed PostgreSQL can open; true when it was made now.
pub(super) async fn ensure_data(
    install: &Install,
    layout: &Layout,
    run_as: &RunAs,
    password: &str,
    durable: bool,
) -> Result<bool, EmbeddedError> {
    if layout.data.exists() {
        return check_data(install, layout, run_as).map(|()| false);
    }
    tracing::info!(folder = %layout.data.display(), "creating the private database");
    remove_staging(&layout.staging)?;
    run_as.own_folder(&layout.staging)?;
    let secret = layout.root.join("init.password");
    let given = write_new(&secret, password).and_then(|()| run_as.hand_over(&secret, 0o400));
    given.map_err(|error| EmbeddedError::io("writing", &secret, error))?;
    let outcome = run_initdb(install, layout, run_as, &secret, durable).await;
    fs::remove_file(&secret).map_err(|error| EmbeddedError::io("removing", &secret, error))?;
    let output = outcome?;
    if !output.status.success() {
        let said = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
        let failed = EmbeddedError::InitFailed { output: String::from_utf8_lossy(&said).trim().to_owned() };
        return Err(run_as.explain(&layout.staging).or_else(|| run_as.explain(&install.bin.join("initdb"))).unwrap_or(failed));
    }
    let renamed = fs::rename(&layout.staging, &layout.data).and_then(|()| sync_folder(&layout.root));
    renamed.map(|()| true).map_err(|error| EmbeddedError::io("creating", &layout.data, error))
}

/// The builtin C.UTF-8 locale sorts by code point and does not change with the operating system's libraries, so an index
/// stays valid on another machine. PostgreSQL 16 does not have it and takes the C library's.
async fn run_initdb(install: &Install, layout: &Layout, run_as: &RunAs, secret: &Path, durable: bool) -> Result<Output, EmbeddedError> {
    let program = install.bin.join("initdb");
    let mut command = run_as.command(&program);
    command.arg("-D").arg(&layout.staging).args([
        "-U",
        ADMIN,
        "-A",
        "scram-sha-256",
        "-E",
        "UTF8",
        "--data-checksums",
        "--no-instructions",
    ]);
    command.arg(assignment("--pwfile", secret.as_os_str()));
    if !durable {
        command.arg("--no-sync");
    }
    if install.major >= 17 {
        command.args(["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]);
    } else {
        command.arg("--locale=C.UTF-8");
    }
    command.stdin(Stdio::null()).kill_on_drop(true);
    match tokio::time::timeout(INIT_WAIT, command.output()).await {
        Ok(Ok(output)) => Ok(output),
        Ok(Err(error)) => Err(run_as.explain(&program).unwrap_or_else(|| EmbeddedError::io("running", &program, error))),
        Err(_) => Err(EmbeddedError::InitFailed { output: format!("nothing within {} s", INIT_WAIT.as_secs()) }),
    }
}

fn remove_staging(staging: &Path) -> Result<(), EmbeddedError> {
    match fs::remove_dir_all(staging) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(EmbeddedError::io("removing", staging, error)),
        _ => Ok(()),
    }
}

fn check_data(install: &Install, layout: &Layout, run_as: &RunAs) -> Result<(), EmbeddedError> {
    let path = layout.data.clone();
    run_as.require_owner(&path)?;
    let version = match fs::read_to_string(path.join("PG_VERSION")) {
        Ok(version) => version.trim().to_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(EmbeddedError::NotACluster { path, reason: "it has no PG_VERSION file" });
        }
        Err(error) => return Err(EmbeddedError::io("reading", &path.join("PG_VERSION"), error)),
    };
    match version.parse::<u32>() {
        Ok(major) if major == install.major => Ok(()),
        Ok(_) => Err(EmbeddedError::OtherMajor { path, found: version, installed: install.major }),
        Err(_) => Err(EmbeddedError::NotACluster { path, reason: "its PG_VERSION file is damaged" }),
    }
}
