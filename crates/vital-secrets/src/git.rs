//! The objects of a repository, through the `git` command: what it reads is what everybody else will read.

use crate::Error;
use std::{
    collections::HashMap,
    ffi::OsStr,
    io::{BufReader, Read, Write as _},
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
};

/// Largest object that is looked at, in bytes; a larger one is reported, not passed over.
pub const MAX_OBJECT: u64 = 64 << 20;

/// A repository.
pub struct Repository {
    folder: PathBuf,
}

/// An object of the history.
pub struct Object {
    /// Its id.
    pub id: String,
    /// Whether it is a file; else the message of a commit or of a tag.
    pub is_file: bool,
    /// A path under which it was committed, empty for messages.
    pub path: String,
    /// Its bytes, or nothing where they are more than `MAX_OBJECT`.
    pub bytes: Option<Vec<u8>>,
}

impl Repository {
    /// Opens the repository whose top folder this is.
    ///
    /// # Errors
    /// `Git` when it is none.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        let repository = Self { folder: folder.to_owned() };
        // A folder inside some other repository would be read as that one.
        let top = repository.run(&["rev-parse", "--show-toplevel"])?;
        let top = PathBuf::from(OsStr::from_bytes(top.trim_ascii_end()));
        let here = folder.canonicalize().map_err(|source| Error::Read { path: folder.display().to_string(), source })?;
        if top.canonicalize().ok().as_deref() == Some(here.as_path()) {
            Ok(repository)
        } else {
            Err(repository.fault(format!("it is a part of the repository `{}`", top.display())))
        }
    }

    /// Whether older commits were left out when it was cloned.
    ///
    /// # Errors
    /// `Git` when git fails.
    pub fn is_shallow(&self) -> Result<bool, Error> {
        Ok(self.run(&["rev-parse", "--is-shallow-repository"])?.trim_ascii() == b"true")
    }

    /// Paths of the files of the working tree that are tracked or could be: what is ignored is left out.
    ///
    /// # Errors
    /// `Git` when git fails.
    pub fn files(&self) -> Result<Vec<PathBuf>, Error> {
        let list = self.run(&["ls-files", "-z", "--cached", "--others", "--exclude-standard"])?;
        let mut files: Vec<PathBuf> =
            list.split(|b| *b == 0).filter(|p| !p.is_empty()).map(|p| PathBuf::from(OsStr::from_bytes(p))).collect();
        files.sort();
        files.dedup();
        Ok(files)
    }

    /// Hands every file, commit message and tag message that a reference, a stash or the index leads to to `each`.
    ///
    /// # Errors
    /// `Git` when git fails, `Missing` when an object is not there.
    pub fn each_object(&self, mut each: impl FnMut(Object)) -> Result<(), Error> {
        let listed = self.run(&["rev-list", "--objects", "--all", "--indexed-objects"])?;
        let mut ids = Vec::new();
        let mut paths = HashMap::new();
        for line in listed.split(|b| *b == b'\n').filter(|l| !l.is_empty()) {
            let line = String::from_utf8_lossy(line);
            let (id, path) = line.split_once(' ').unwrap_or((&line, ""));
            ids.push(id.to_owned());
            if !path.is_empty() {
                paths.insert(id.to_owned(), path.to_owned());
            }
        }
        // `rev-list` names what commits and references lead to; the tags themselves are references.
        let tags = self.run(&["for-each-ref", "--format=%(objecttype) %(objectname)"])?;
        ids.extend(String::from_utf8_lossy(&tags).lines().filter_map(|l| l.strip_prefix("tag ")).map(str::to_owned));
        ids.sort();
        ids.dedup();
        let mut child =
            self.command(&["cat-file", "--batch", "--buffer"]).stdin(Stdio::piped()).spawn().map_err(|e| self.fault(e.to_string()))?;
        let (Some(mut asking), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(self.fault("its pipes are closed".to_owned()));
        };
        // Asking and reading at once: else both sides would wait for room in a pipe.
        let asker = thread::spawn(move || ids.iter().try_for_each(|id| writeln!(asking, "{id}")));
        let read = read_objects(&mut BufReader::new(answers), &mut paths, &mut each);
        if read.is_err() {
            // It may still be writing what nobody reads any more.
            let _ = child.kill();
        }
        let status = child.wait();
        let asked = asker.join();
        read?;
        match (status, asked) {
            (Ok(status), Ok(Ok(()))) if status.success() => Ok(()),
            _ => Err(self.fault("`git cat-file` broke off".to_owned())),
        }
    }

    /// The earliest commit that brought or took away a file of this id, or nothing where it is only staged.
    ///
    /// # Errors
    /// `Git` when git fails.
    pub fn commit_of(&self, blob: &str) -> Result<Option<String>, Error> {
        let option = format!("--find-object={blob}");
        let commits = self.run(&["log", "--all", "-m", "--reverse", "--format=%H", "--no-patch", &option])?;
        Ok(String::from_utf8_lossy(&commits).lines().next().map(str::to_owned))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("git");
        // What a hook or a caller has set must not lead to another repository.
        for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY"] {
            command.env_remove(name);
        }
        command.arg("-C").arg(&self.folder).args(["-c", "core.quotePath=false", "--no-replace-objects"]).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Result<Vec<u8>, Error> {
        let out = self.command(arguments).stderr(Stdio::piped()).output().map_err(|e| self.fault(e.to_string()))?;
        if out.status.success() {
            return Ok(out.stdout);
        }
        let says = String::from_utf8_lossy(&out.stderr);
        Err(self.fault(says.lines().next().unwrap_or("it failed without a word").trim_start_matches("fatal: ").to_owned()))
    }

    fn fault(&self, says: String) -> Error {
        Error::Git { folder: self.folder.display().to_string(), says }
    }
}

/// Reads the answers of `git cat-file --batch`: a line `<id> <type> <size>`, that many bytes, a line end.
fn read_objects(
    answers: &mut impl std::io::BufRead,
    paths: &mut HashMap<String, String>,
    each: &mut impl FnMut(Object),
) -> Result<(), Error> {
    let broken = |source| Error::Read { path: "git cat-file".to_owned(), source };
    let mut head = String::new();
    loop {
        head.clear();
        if answers.read_line(&mut head).map_err(broken)? == 0 {
            return Ok(());
        }
        let mut words = head.split_whitespace();
        let (id, kind, size) =
            (words.next().unwrap_or_default().to_owned(), words.next(), words.next().and_then(|s| s.parse::<u64>().ok()));
        let (Some(kind), Some(size)) = (kind, size) else { return Err(Error::Missing { id }) };
        let mut content = answers.by_ref().take(size);
        let bytes = if kind == "tree" || size > MAX_OBJECT {
            std::io::copy(&mut content, &mut std::io::sink()).map_err(broken)?;
            None
        } else {
            let mut bytes = Vec::new();
            content.read_to_end(&mut bytes).map_err(broken)?;
            Some(bytes)
        };
        answers.read_exact(&mut [0]).map_err(broken)?;
        if kind != "tree" {
            let path = paths.remove(&id).unwrap_or_default();
            each(Object { id, is_file: kind == "blob", path, bytes });
        }
    }
}
