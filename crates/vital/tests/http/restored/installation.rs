//! An installation as an operator runs it: the program with a private database in a data folder, its commands, and PostgreSQL's own tools.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader, Write as _},
    os::unix::fs::{MetadataExt as _, chown},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};
use vital_store::embedded::Install;
use vital_testkit::app::Client;

/// Where data folders lie, and where PostgreSQL's programs are.
pub(super) struct Installation {
    home: tempfile::TempDir,
    bin: PathBuf,
}

/// A running server. It is asked to stop when it is dropped.
pub(super) struct Server {
    child: Child,
    pub(super) base: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let pid = nix::unistd::Pid::from_raw(self.child.id().cast_signed());
        let _gone = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        let _reaped = self.child.wait();
    }
}

impl Installation {
    pub(super) fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap(), bin: Install::find(None).unwrap().bin }
    }

    /// A folder of this name.
    pub(super) fn at(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn command(&self, data: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vital"));
        command.args(arguments).arg("--data").arg(data).current_dir(self.home.path()).env_clear();
        command.env("HOME", self.home.path()).env("XDG_CONFIG_HOME", self.home.path()).env("VITAL_PG_HOME", &self.bin);
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        // By words alone: the vectors of the whole library would take a minute, and none of them is text.
        command.env("VITAL_CACHE", self.at("no-cache"));
        command
    }

    /// Starts a server and returns once it serves, or what it said when it did not come to that.
    pub(super) fn serve(&self, data: &Path) -> Result<Server, String> {
        let said = self.at("server.log");
        let mut command = self.command(data, &["serve", "--listen", "127.0.0.1:0"]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(File::create(&said).unwrap()).spawn().unwrap();
        let line = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok).find(|line| line.starts_with("ready in "));
        match line {
            Some(line) => Ok(Server { child, base: line.rsplit(' ').next().unwrap().to_owned() }),
            None => {
                child.wait().unwrap();
                Err(fs::read_to_string(said).unwrap())
            }
        }
    }

    /// Runs a command of the operator and returns what it printed.
    pub(super) fn vital(&self, data: &Path, arguments: &[&str]) -> String {
        self.vital_told(data, arguments, "")
    }

    /// The same, with something on standard input.
    pub(super) fn vital_told(&self, data: &Path, arguments: &[&str], input: &str) -> String {
        let mut command = self.command(data, arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        printed(&child.wait_with_output().unwrap())
    }

    /// One of PostgreSQL's programs on the running private database of a data folder, as its administrator.
    fn tool(&self, data: &Path, program: &str) -> Command {
        let running = fs::read_to_string(data.join("postgres/data/postmaster.pid")).unwrap();
        let mut command = Command::new(self.bin.join(program));
        command.env_clear().env("PGPASSWORD", fs::read_to_string(data.join("postgres/admin.password")).unwrap().trim());
        command.args(["-h", running.lines().nth(4).unwrap(), "-p", "5432", "-U", "vital_admin"]);
        command
    }

    /// The first column of the first row; empty where there is none.
    pub(super) fn sql(&self, data: &Path, statement: &str) -> String {
        printed(&self.tool(data, "psql").args(["-d", "vital", "-v", "ON_ERROR_STOP=1", "-XAtqc", statement]).output().unwrap())
    }

    /// A physical backup of the running database with the log that it needs.
    pub(super) fn base_backup(&self, data: &Path, to: &Path, how: &[&str]) {
        let mut command = self.tool(data, "pg_basebackup");
        printed(&command.args(["--checkpoint=fast", "--no-sync", "-D"]).arg(to).args(how).output().unwrap());
    }

    /// Makes a data folder with a base backup for its database, and files of another data folder.
    pub(super) fn restored(&self, name: &str, backup: &Path, from: &Path, files: &[&str]) -> PathBuf {
        let data = self.at(name);
        fs::create_dir_all(data.join("postgres")).unwrap();
        for file in files.iter().chain(&["postgres/admin.password"]) {
            copied(&from.join(file), &data.join(file));
        }
        let cluster = data.join("postgres/data");
        copied(backup, &cluster);
        let owner = fs::metadata(from.join("postgres/data")).unwrap();
        handed_over(&cluster, owner.uid(), owner.gid());
        data
    }
}

/// What a program printed that did what it was asked.
fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap().trim().to_owned()
}

/// Copies a file or a folder with what is in it and its rights.
pub(super) fn copied(from: &Path, to: &Path) {
    if !from.is_dir() {
        fs::copy(from, to).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
        return;
    }
    fs::create_dir_all(to).unwrap();
    fs::set_permissions(to, fs::metadata(from).unwrap().permissions()).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        copied(&entry.path(), &to.join(entry.file_name()));
    }
}

fn handed_over(path: &Path, uid: u32, gid: u32) {
    chown(path, Some(uid), Some(gid)).unwrap();
    if path.is_dir() {
        fs::read_dir(path).unwrap().for_each(|entry| handed_over(&entry.unwrap().path(), uid, gid));
    }
}

impl Server {
    /// A client with a token.
    pub(super) fn client(&self, token: Option<&str>) -> Client {
        Client::of(&self.base, token.map(str::to_owned))
    }
}
